"""Disclosure measures: as worked by hand, as synthpop defines them, and as the paper's data show them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mice_sim as ms
from mice_sim import MiceSimError
from mice_sim.assessment.copies import ALL_COLUMNS

# Keys and target of nine people and eight synthetic records:
#
#   real                         synthetic                      q    d  s   what is learned
#   a x: 1 1 2                   a x: 1 1                       ax   3  2   "1": right for two people, wrong for one
#   a y: 3                       a y: 3                         ay   1  1   "3": right, of a replicated unique
#   b x: 1                       b x: 2                         bx   1  1   "2": wrong, of a replicated unique
#   b y: 2 2                     b y: 2 3                       by   2  2   nothing for sure
#   c x: 3 3                     (none)                         cx   2  0   nothing
#   (none)                       c y: 1 1                       cy   0  2
LEVELS = {"g": list("abc"), "h": list("xy"), "t": list("123")}


def table(text: str) -> pd.DataFrame:
    rows = pd.DataFrame([tuple(row) for row in text.split()], columns=list(LEVELS))
    return rows.astype({name: pd.CategoricalDtype(levels) for name, levels in LEVELS.items()})


REAL = table("ax1 ax1 ax2 ay3 bx1 by2 by2 cx3 cx3")
SYNTHETIC = table("ax1 ax1 ay3 bx2 by2 by3 cy1 cy1")


def test_the_measures_are_those_worked_by_hand():
    found = ms.disclosure(SYNTHETIC, REAL, keys=["g", "h"], target="t").table["mean"]
    nine = 100 / 9
    expected = {
        "UiO": 2 * nine,  # ay, bx
        "UiS": 100 * 2 / 8,  # ay, bx
        "UiOiS": 2 * nine,
        "repU": 2 * nine,
        "Dorig": 6 * nine,  # all but the three of ax
        "Dsyn": 100 * 6 / 8,  # all but the two of by
        "iS": 7 * nine,  # all but the two of cx
        "DiS": 5 * nine,  # ax, ay, bx
        "DiSCO": 3 * nine,  # two of ax, ay
        "DiSDiO": 1 * nine,  # ay: in ax one person differs
        "baseCAPd": 100 * 3 * (1 / 3) ** 2,  # three of each
        "CAPd": nine * (2 / 3 + 2 / 3 + 1 / 3 + 1 + 1 + 1 + 1 + 1 + 1),
        "CAPs": 100 / 8 * (1 + 1 + 1 + 1 + 1 / 2 + 1 / 2 + 1 + 1),
        "DCAP": nine * (1 + 1 + 0 + 1 + 0 + 1 / 2 + 1 / 2 + 0 + 0),
        "TCAP": 100 * 3 / 7,
    }
    assert found.to_dict() == pytest.approx(expected)


def test_it_says_who_is_at_risk():
    found = ms.disclosure([SYNTHETIC, SYNTHETIC.drop(index=2)], REAL, keys=["g", "h"], target="t")
    assert found.at_risk("DiSCO").to_dict() == {0: 1.0, 1: 1.0, 3: 0.5}
    assert found.at_risk("repU").to_dict() == {4: 1.0, 3: 0.5}
    assert found.at_risk("DiSCO", share=0.5).index.tolist() == [0, 1]
    with pytest.raises(MiceSimError, match="DCAP"):
        found.at_risk("DCAP")


def test_large_groups_are_counted_and_left_out_on_demand():
    many = pd.concat([SYNTHETIC, SYNTHETIC[:2]], ignore_index=True)  # four synthetic records in ax
    options = {"keys": ["g", "h"], "target": "t", "denom_lim": 3}
    counted, left_out = (ms.disclosure(many, REAL, exclude_ov_denom_lim=e, **options) for e in (False, True))
    assert counted.excluded.loc[1].to_dict() == {"over": 2, "excluded": 0}
    assert left_out.excluded.loc[1].to_dict() == {"over": 2, "excluded": 2}
    assert counted.table.loc["DiSCO", 1] == pytest.approx(100 * 3 / 9)
    assert left_out.table.loc["DiSCO", 1] == pytest.approx(100 * 1 / 9)


def test_a_missing_value_is_a_level_of_its_own():
    real = pd.DataFrame({"key": [1.0, 2.0, np.nan], "target": [5.0, np.nan, 7.0]})
    found = ms.disclosure(real, real, keys=["key"], target="target").table["mean"]
    assert found["repU"] == found["DiSCO"] == 100


def test_numbers_are_levels_or_groups():
    real = pd.DataFrame({"age": np.arange(100.0), "income": np.arange(100.0) % 7})
    synthetic = real + 0.25
    alone = ms.disclosure(synthetic, real, keys=["age"], target="income").table["mean"]
    assert alone["UiO"] == 100
    assert alone["iS"] == 0
    grouped = ms.disclosure(synthetic, real, keys=["age"], target="income", ngroups_keys=10).table["mean"]
    assert grouped["UiO"] == 0
    assert grouped["iS"] == 100
    with pytest.raises(MiceSimError, match="sex"):
        ms.disclosure(synthetic, real, keys=["age"], target="income", ngroups_keys={"sex": 3})


def test_all_other_columns_are_targets_by_default(boys):
    syn = ms.synthesize(boys, m=2, seed=5)
    many = ms.multi_disclosure(syn, keys=["phb", "reg"], ngroups_targets={"age": 5})
    assert many.table.index.tolist() == ["age", "hgt", "wgt", "bmi", "hc", "gen", "tv"]
    for target, groups in (("gen", None), ("age", 5)):
        one = ms.disclosure(syn, keys=["phb", "reg"], target=target, ngroups_target=groups)
        assert many.table.loc[target].to_dict() == pytest.approx(one.table["mean"][many.table.columns].to_dict())
        assert many.records[target].tolist() == one.records["DiSCO"].tolist()
    listed = many.at_risk()
    assert len(listed) == (many.records > 0).to_numpy().sum()
    assert listed["share"].is_monotonic_decreasing


def test_a_baseline_takes_the_place_of_the_synthetic_data():
    options = {"keys": ["g", "h"], "target": "t"}
    found = ms.disclosure(REAL, REAL, baseline=SYNTHETIC, **options)
    alone = ms.disclosure(SYNTHETIC, REAL, **options)
    assert found.table["baseline"].tolist() == alone.table["mean"].tolist()
    assert found.table.loc["DiSCO", "mean"] == pytest.approx(100 * 6 / 9)
    many = ms.multi_disclosure(REAL, REAL, keys=["g", "h"], baseline=SYNTHETIC)
    assert many.baseline is not None
    assert many.baseline.loc["t", "DiSCO"] == pytest.approx(100 * 3 / 9)


def test_a_target_is_no_key():
    with pytest.raises(MiceSimError, match="'t' is a key and the target"):
        ms.disclosure(SYNTHETIC, REAL, keys=["g", "t"], target="t")


# ---- copies


def test_copies_are_counted_by_hand():
    real = pd.DataFrame({"x": [1.0, 2.0, 2.0, np.nan], "y": [1.0, 2.0, 3.0, 4.0]})
    synthetic = pd.DataFrame({"x": [1.0, 2.0, 1.0, np.nan], "y": [9.0, 2.0, 4.0, 3.0]})
    found = ms.copies(synthetic, real)
    assert found["own"].to_dict() == {"x": 3 / 4, "y": 1 / 4, ALL_COLUMNS: 1 / 4}
    # In a random order: x is 1 at 1 of 4 places for 2 records, 2 at 2 for 1, missing at 1 for 1.
    assert found["chance"].to_dict() == {"x": (2 + 2 + 1) / 16, "y": 3 / 16, ALL_COLUMNS: 1 / 16}
    assert found["real"].to_dict() == {"x": 1.0, "y": 3 / 4, ALL_COLUMNS: 1 / 4}
    assert found["single"].to_dict() == {"x": 3 / 4, "y": 3 / 4, ALL_COLUMNS: 1 / 4}
    assert found.loc["y", "r"] == pytest.approx(np.corrcoef([1, 2, 3, 4], [9, 2, 4, 3])[0, 1])
    assert ms.copies(synthetic[:3], real)["own"].isna().all()


def test_replicated_uniques_are_unique_in_both():
    found = ms.replicated_uniques(SYNTHETIC, REAL)
    # Whole records: ax2 ay3 bx1 are unique in the data, ay3 bx2 by2 by3 in the set.
    assert found.table.loc[1].to_dict() == {"original": 3, "synthetic": 4, "replicated": 1, "percent": 100 / 8}
    assert np.flatnonzero(found.records[1]).tolist() == [3]
    assert np.flatnonzero(found.replicates[0]).tolist() == [2]
    by_keys = ms.replicated_uniques(SYNTHETIC, REAL, keys=["g", "h"])
    assert np.flatnonzero(by_keys.records[1]).tolist() == [3, 4]


def test_tau_is_counted_by_hand():
    # Cells of g × h: real ax 3, ay 1, bx 1, by 2, cx 2, cy 0; synthetic 2, 1, 1, 2, 0, 2.
    found = ms.tau(SYNTHETIC, REAL, columns=["g", "h"], k=[1, 2, 3])
    assert found.loc[1, ["tau1", "tau2", "tau3", "tau4"]].tolist() == [2 / 6, 2 / 6, 1, 1]
    assert found.loc[2, ["tau1", "tau2", "tau3", "tau4"]].tolist() == [3 / 6, 2 / 6, 1 / 2, 1 / 3]
    assert found.loc[3, ["tau1", "tau2", "tau3"]].tolist() == [0, 1 / 6, 0]
    assert np.isnan(found.loc[3, "tau4"])
    # A second set with one more record in ay: mean counts 2, 1.5, 1, 2, 0, 2.
    two = [SYNTHETIC, pd.concat([SYNTHETIC, SYNTHETIC[2:3]])]
    close, wide = (ms.tau(two, REAL, columns=["g", "h"], k=[1], d=d).loc[1] for d in (0.25, 0.5))
    assert close[["tau3_mean", "tau4_mean"]].tolist() == [1 / 2, 1]
    assert wide[["tau3_mean", "tau4_mean"]].tolist() == [1, 1]
    assert close[["tau3", "tau4"]].tolist() == [3 / 4, 1]


# ---- the paper's data


def own_shares(boys, paper, mode, **options):
    return ms.copies(ms.synthesize(boys, mode=mode, **(paper | options)))


# Own-value shares of one run of R with m = 5 on the completed boys, and on a bootstrap sample of them.
ON_TRUTH = {"age": 0.20, "hgt": 0.22, "wgt": 0.21, "hc": 0.23, "gen": 0.81, "phb": 0.75, "tv": 0.59, "reg": 0.61}
ON_SAMPLE = {"age": 0.39, "hgt": 0.40, "wgt": 0.40, "hc": 0.43, "gen": 0.87, "phb": 0.86, "tv": 0.73, "reg": 0.74}
CORRELATIONS = {"age": 0.991, "hgt": 0.996, "wgt": 0.978, "hc": 0.973, "tv": 0.948}


def test_linked_mode_shows_what_it_copies(boys, paper):
    found = own_shares(boys, paper, "linked", m=10, seed=3)
    for column, share in ON_TRUTH.items():
        # R's share is of 5 × 748 cells and printed to two decimals.
        error = np.sqrt(share * (1 - share) / 748 * (1 / 5 + 1 / 10)) + 0.005
        assert abs(found.loc[column, "own"] - share) < 4 * error, column
    for column, r in CORRELATIONS.items():
        assert abs(found.loc[column, "r"] - r) < 0.006, column
    assert found.loc[ALL_COLUMNS, "own"] < 0.0015


def test_more_is_copied_from_a_bootstrap_sample(boys, paper, r_samples):
    sample = boys.iloc[r_samples[0]].reset_index(drop=True)
    found = own_shares(sample, paper, "linked", m=5, seed=4)
    for column, share in ON_SAMPLE.items():
        # Another sample than R's: its duplicates differ too.
        assert abs(found.loc[column, "own"] - share) < 0.06, column
    assert 0 < found.drop(index="bmi").loc[ALL_COLUMNS, "own"] < 0.006


def test_sequential_records_are_nobodys(boys, paper):
    found = own_shares(boys, paper, "sequential", m=10, seed=3)
    numbers = found["r"].dropna()
    assert len(numbers) == 6
    assert numbers.abs().max() < 4 / np.sqrt(748 * 10)
    for column in boys:
        chance = found.loc[column, "chance"]
        assert abs(found.loc[column, "own"] - chance) < 4 * np.sqrt(chance / 7480) + 1e-3, column
