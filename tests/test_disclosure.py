"""Disclosure measures: as worked by hand, as synthpop defines them, and as the paper's data show them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES
from scipy import stats

import mice_sim as ms
from mice_sim import MiceSimError
from mice_sim.assessment.attacks import _auc, risks
from mice_sim.assessment.copies import ALL_COLUMNS
from mice_sim.assessment.data import pair
from mice_sim.assessment.nearest import Index, Metric

# Keys and target of nine people and nine synthetic records:
#
#   real                         synthetic                      q    d  s   what is learned
#   a x: 1 1 2                   a x: 1 1                       ax   3  2   "1": right for two people, wrong for one
#   a y: 3                       a y: 3                         ay   1  1   "3": right, of a replicated unique
#   b x: 1                       b x: 2 2                       bx   1  2   "2": wrong, of a unique
#   b y: 2 2                     b y: 2 3                       by   2  2   nothing for sure
#   c x: 3 3                     (none)                         cx   2  0   nothing
#   (none)                       c y: 1 1                       cy   0  2
LEVELS = {"g": list("abc"), "h": list("xy"), "t": list("123")}


def table(text: str) -> pd.DataFrame:
    rows = pd.DataFrame([tuple(row) for row in text.split()], columns=list(LEVELS))
    return rows.astype({name: pd.CategoricalDtype(levels) for name, levels in LEVELS.items()})


REAL = table("ax1 ax1 ax2 ay3 bx1 by2 by2 cx3 cx3")
SYNTHETIC = table("ax1 ax1 ay3 bx2 by2 by3 cy1 cy1 bx2")


def test_the_measures_are_those_worked_by_hand():
    found = ms.disclosure(SYNTHETIC, REAL, keys=["g", "h"], target="t").table["mean"]
    nine = 100 / 9
    expected = {
        "UiO": 2 * nine,  # ay, bx
        "UiS": 1 * nine,  # ay
        "UiOiS": 2 * nine,
        "repU": 1 * nine,  # ay
        "Dorig": 6 * nine,  # all but the three of ax
        "Dsyn": 7 * nine,  # all but the two of by
        "iS": 7 * nine,  # all but the two of cx
        "DiS": 5 * nine,  # ax, ay, bx
        "DiSCO": 3 * nine,  # two of ax, ay
        "DiSDiO": 1 * nine,  # ay: in ax one person differs
        "baseCAPd": 100 * 3 * (1 / 3) ** 2,  # three of each
        "CAPd": nine * (2 / 3 + 2 / 3 + 1 / 3 + 1 + 1 + 1 + 1 + 1 + 1),
        "CAPs": nine * (1 + 1 + 1 + 1 + 1 + 1 / 2 + 1 / 2 + 1 + 1),
        "DCAP": nine * (1 + 1 + 0 + 1 + 0 + 1 / 2 + 1 / 2 + 0 + 0),
        "TCAP": 100 * 3 / 7,
    }
    assert found.to_dict() == pytest.approx(expected)


def test_it_says_who_is_at_risk():
    found = ms.disclosure([SYNTHETIC, SYNTHETIC.drop(index=2)], REAL, keys=["g", "h"], target="t")
    assert found.at_risk("DiSCO").to_dict() == {0: 1.0, 1: 1.0, 3: 0.5}
    assert found.at_risk("repU").to_dict() == {3: 0.5}
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
    real = pd.DataFrame({"key": [0.0, 2.0, np.nan], "target": [0.0, np.nan, 7.0]})
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
    # Whole records: ax2 ay3 bx1 are unique in the data, ay3 by2 by3 in the set.
    assert found.table.loc[1].to_dict() == {"original": 3, "synthetic": 3, "replicated": 1, "percent": 100 / 9}
    assert np.flatnonzero(found.records[1]).tolist() == [3]
    assert np.flatnonzero(found.replicates[0]).tolist() == [2]
    by_keys = ms.replicated_uniques(SYNTHETIC, REAL, keys=["g", "h"])
    assert np.flatnonzero(by_keys.records[1]).tolist() == [3]


def test_tau_is_counted_by_hand():
    # Cells of g × h: real ax 3, ay 1, bx 1, by 2, cx 2, cy 0; synthetic 2, 1, 2, 2, 0, 2.
    found = ms.tau(SYNTHETIC, REAL, columns=["g", "h"], k=[1, 2, 3])
    assert found.loc[1, ["tau1", "tau2", "tau3", "tau4"]].tolist() == [1 / 6, 2 / 6, 1 / 2, 1]
    assert found.loc[2, ["tau1", "tau2", "tau3", "tau4"]].tolist() == [4 / 6, 2 / 6, 1 / 2, 1 / 4]
    assert found.loc[3, ["tau1", "tau2", "tau3"]].tolist() == [0, 1 / 6, 0]
    assert np.isnan(found.loc[3, "tau4"])
    # A second set with one more record in ay: mean counts 2, 1.5, 2, 2, 0, 2.
    two = [SYNTHETIC, pd.concat([SYNTHETIC, SYNTHETIC[2:3]])]
    close, wide = (ms.tau(two, REAL, columns=["g", "h"], k=[1], d=d).loc[1] for d in (0.25, 0.5))
    assert close["tau3_mean"] == 0
    assert np.isnan(close["tau4_mean"])
    assert wide[["tau3_mean", "tau4_mean"]].tolist() == [1 / 2, 1]
    assert close[["tau3", "tau4"]].tolist() == [1 / 4, 1]


# ---- the paper's data


def own_shares(boys, paper, mode, **options):
    return ms.copies(ms.synthesize(boys, mode=mode, **(paper | options)))


def whole_records(boys, paper, **options):
    """Return the share of linked records that are their own; bmi, which is computed, is rounded in the data."""
    found = ms.copies(ms.synthesize(boys, mode="linked", **(paper | options)))
    return found.loc[ALL_COLUMNS, "own"]


@pytest.fixture(scope="module")
def r_copies() -> dict:
    """Own-value shares of mice with 20 sets: oracles/copies.R."""
    return json.loads((ORACLES / "copies.json").read_text(encoding="utf-8"))


# Correlations of synthetic with real rows that one run of R printed.
CORRELATIONS = {"age": 0.991, "hgt": 0.996, "wgt": 0.978, "hc": 0.973, "tv": 0.948}


def alike_z(found: pd.DataFrame, shares: dict[str, float], m: int, r_m: int) -> np.ndarray:
    """Return the z of the shares of own values that m sets have, beside those of r_m sets of mice."""
    columns = ["age", "hgt", "wgt", "hc", "gen", "phb", "tv", "reg"]
    theirs = np.array([shares[column] for column in columns])
    error = np.sqrt(theirs * (1 - theirs) / 748 * (1 / m + 1 / r_m))
    return (found.loc[columns, "own"].to_numpy() - theirs) / error


def test_linked_mode_copies_as_much_as_mice(boys, paper, r_copies):
    found = own_shares(boys, paper, "linked", m=10, seed=3)
    assert np.abs(alike_z(found, r_copies["truth"], 10, r_copies["m"])).max() < 4.5
    for column, r in CORRELATIONS.items():
        assert abs(found.loc[column, "r"] - r) < 0.006, column
    expected = r_copies["truth"]["records"]  # of 14,960 records
    error = np.sqrt(expected / 748 * (1 / 30 + 1 / r_copies["m"]))
    assert abs(whole_records(boys, paper, m=30, seed=5) - expected) < 4 * error


def test_more_is_copied_from_a_bootstrap_sample(boys, paper, r_samples, r_copies):
    sample = boys.iloc[r_samples[0]].reset_index(drop=True)
    found = own_shares(sample, paper, "linked", m=10, seed=4)
    assert np.abs(alike_z(found, r_copies["sample"], 10, r_copies["m"])).max() < 4.5
    expected = r_copies["sample"]["records"]
    error = np.sqrt(expected / 748 * (1 / 20 + 1 / r_copies["m"]))
    assert abs(whole_records(sample, paper, m=20, seed=5) - expected) < 4 * error


def test_sequential_records_are_nobodys(boys, paper):
    found = own_shares(boys, paper, "sequential", m=10, seed=3)
    numbers = found["r"].dropna()
    assert len(numbers) == 6
    assert numbers.abs().max() < 4 / np.sqrt(748 * 10)
    for column in boys:
        chance = found.loc[column, "chance"]
        assert abs(found.loc[column, "own"] - chance) < 4 * np.sqrt(chance / 7480) + 1e-3, column


# ---- nearest records and attacks


def people(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Draw people fresh from the truth: numbers with and without ties, factors, missing values."""
    z = rng.multivariate_normal(np.zeros(3), [[1, 0.6, 0.3], [0.6, 1, 0.5], [0.3, 0.5, 1]], n)
    income = np.round(np.exp(z[:, 1] + rng.normal(size=n)), 1)
    return pd.DataFrame(
        {
            "height": z[:, 0],
            "age": np.round(40 + 10 * z[:, 1]),
            "group": pd.Categorical.from_codes(np.digitize(z[:, 2], [-1, 0.5]), categories=list("abc")),
            "sex": pd.Categorical.from_codes((z[:, 0] + rng.normal(size=n) > 0).astype(int), categories=list("uv")),
            "income": np.where(rng.random(n) < 0.1, np.nan, income),
        }
    )


def gower(a: pd.DataFrame, b: pd.DataFrame) -> np.ndarray:
    """Return Gower's distances on ranges, missing values 1 from all others and 0 from their like."""
    total = np.zeros((len(a), len(b)))
    for name in a:
        x, y = (
            (f[name].cat.codes.where(f[name].notna()) if f[name].dtype == "category" else f[name]).to_numpy(float)
            for f in (a, b)
        )
        apart = np.abs(x[:, None] - y[None])
        apart = (apart > 0).astype(float) if a[name].dtype == "category" else apart / (np.nanmax(x) - np.nanmin(x))
        one, two = np.isnan(x)[:, None], np.isnan(y)[None]
        total += np.where(one & two, 0, np.where(one | two, 1, np.minimum(apart, 1)))
    return total / a.shape[1]


def test_nearest_records_are_exact():
    rng = np.random.default_rng(1)
    real, other = people(rng, 400), people(rng, 300)
    data = pair(other, real)
    metric = Metric.of(data, False)
    distance, found = Index.of(metric.points(data.original)).nearest(metric.points(data.sets[0]), 3)
    expected = gower(real, other).T
    assert np.allclose(distance, np.sort(expected, axis=1)[:, :3])
    assert np.allclose(np.take_along_axis(expected, found, axis=1), distance)


def test_ranks_do_not_hang_on_the_scale():
    rng = np.random.default_rng(2)
    real, holdout, synthetic = (people(rng, 100) for _ in range(3))
    plain = ms.closest_record(synthetic, real, holdout=holdout)
    bent = [frame.assign(height=np.exp(3 * frame["height"])) for frame in (synthetic, real, holdout)]
    assert plain.table.equals(ms.closest_record(bent[0], bent[1], holdout=bent[2]).table)


def test_copied_records_are_closest_to_themselves():
    rng = np.random.default_rng(3)
    real, holdout, synthetic = (people(rng, 300) for _ in range(3))
    real.index = [f"person {i}" for i in range(300)]
    synthetic.iloc[:30] = real.iloc[[7]]
    found = ms.closest_record(synthetic, real, holdout=holdout)
    assert found.table.loc["original", "identical"] == 0.1
    assert found.table.loc["holdout", "identical"] == 0
    assert found.records.index[0] == "person 7"
    assert found.records.loc["person 7", "distance"] == 0
    # All copies are of one person: they are one piece of evidence, not thirty.
    assert found.std_error > 1.2 * 0.5 / np.sqrt(300)
    whole = ms.closest_record(real, real, holdout=holdout)
    assert whole.share == 1.0
    assert ms.closest_record(holdout, real, holdout=holdout).share == 0.0


def test_a_limit_draws_records_from_a_named_stream():
    rng = np.random.default_rng(4)
    real, holdout, synthetic = people(rng, 200), people(rng, 150), people(rng, 200)
    few, same, other = (ms.closest_record(synthetic, real, holdout=holdout, limit=50, seed=s) for s in (1, 1, 2))
    assert (few.searched, few.real) == (50, 150)
    assert few.table.equals(same.table)
    assert not few.table.equals(other.table)


def test_the_auc_and_its_error_are_known():
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.5, 1, 400), rng.normal(0, 1, 300)
    found = _auc(a, b, 0.95)
    assert found["auc"] == pytest.approx(np.mean(a[:, None] > b))
    # The variance of Hanley & McNeil (1982) for two normal samples, from the same moments.
    q1 = np.mean([(x > b).mean() ** 2 for x in a])
    q2 = np.mean([(a > x).mean() ** 2 for x in b])
    auc = found["auc"]
    variance = (auc * (1 - auc) + 399 * (q1 - auc**2) + 299 * (q2 - auc**2)) / (400 * 300)
    assert found["std_error"] == pytest.approx(np.sqrt(variance), rel=0.02)
    ties = _auc(np.array([1.0, 2, 2]), np.array([0.0, 2]), 0.95)
    assert ties["auc"] == pytest.approx((1 + 0 + 1 + 0.5 + 1 + 0.5) / 6)


def test_risk_is_that_of_giomi_et_al():
    attack, control = np.arange(100) < 20, np.arange(100) < 10
    found = risks(attack, control, 0.0, 0.95)
    z = 1.959964
    a, c = (20 + z**2 / 2) / (100 + z**2), (10 + z**2 / 2) / (100 + z**2)
    assert found["attack"] == pytest.approx(a)
    assert found["risk"] == pytest.approx((a - c) / (1 - c))
    half_a = z / (100 + z**2) * np.sqrt(20 * 80 / 100 + z**2 / 4)
    half_c = z / (100 + z**2) * np.sqrt(10 * 90 / 100 + z**2 / 4)
    half = np.sqrt((half_a / (1 - c)) ** 2 + (half_c * (1 - a) / (1 - c) ** 2) ** 2)
    assert found["upper"] - found["risk"] == pytest.approx(half)
    assert found["p"] == pytest.approx(stats.fisher_exact([[20, 80], [10, 90]], alternative="greater")[1])


def test_a_secret_is_told_by_the_nearest_record():
    real = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "secret": [10.0, 20.0, 30.0, 40.0]})
    holdout = real.assign(x=real["x"] + 0.1, secret=[11.0, 25.0, 30.0, 0.0])
    synthetic = pd.DataFrame({"x": [0.02, 1.01, 2.0, 2.9], "secret": [10.2, 20.0, 31.0, 9.0]})
    found = ms.attribute_inference(synthetic, real, holdout=holdout, secrets=["secret"], by_rank=False).loc["secret"]
    exact, level = (
        ms.attribute_inference(synthetic, real, holdout=holdout, secrets=["secret"], by_rank=False, tolerance=t)
        for t in (0.0, 0.05)
    )
    z2 = stats.norm.ppf(0.975) ** 2
    successes = lambda rate: rate * (4 + z2) - z2 / 2  # noqa: E731
    # Within 5 %: 10.2 for 10, 20 for 20, 31 for 30; for the holdout 31 for 30 alone.
    assert successes(found["attack"]) == pytest.approx(3)
    assert successes(found["control"]) == pytest.approx(1)
    assert successes(exact.loc["secret", "attack"]) == pytest.approx(1)
    assert level.loc["secret"].equals(found)
    with pytest.raises(MiceSimError, match="'secret' is known and the secret"):
        ms.attribute_inference(synthetic, real, holdout=holdout, secrets=["secret"], known=["x", "secret"])


def test_two_sources_are_linked_by_a_shared_neighbour():
    real = pd.DataFrame({"a": [0.0, 1.0, 2.0], "b": [0.0, 1.0, 2.0]})
    synthetic = pd.DataFrame({"a": [0.1, 1.1, 2.1], "b": [0.1, 2.1, 1.1]})
    # Nearest to a: 0 1 2; to b: 0 2 1. Only the first person's records meet; with two neighbours all do.
    options = {"holdout": real, "known": (["a"], ["b"]), "by_rank": False}
    z2 = stats.norm.ppf(0.975) ** 2
    for k, linked in ((1, 1), (2, 3)):
        found = ms.linkability(synthetic, real, n_neighbors=k, **options)
        assert found["attack"] * (3 + z2) - z2 / 2 == pytest.approx(linked)
    with pytest.raises(MiceSimError, match="without overlap"):
        ms.linkability(synthetic, real, holdout=real, known=(["a"], ["a", "b"]))


def test_members_are_told_from_others_where_records_were_copied():
    rng = np.random.default_rng(6)
    real, holdout = people(rng, 300), people(rng, 400)
    copied = ms.membership_inference(real, real, holdout=holdout)
    assert copied.table["auc"].min() > 0.99
    assert copied.table["caught"].min() == 1.0
    assert copied.records["distance"].min() == 1.0
    fresh = ms.membership_inference(people(rng, 300), real, holdout=holdout).table
    assert ((fresh["lower"] < 0.5) & (fresh["upper"] > 0.5)).all()
    assert fresh["others"].tolist() == [200, 200]


# ---- leaks


def leaks(rng, change=None, n: int = 1000):
    """Test data drawn fresh from the truth, with what `change` plants in them."""
    real, holdout, synthetic = (people(rng, n) for _ in range(3))
    if change is not None:
        synthetic = change(real, synthetic)
    return ms.leaks(synthetic, real, holdout=holdout)


def test_copying_one_record_in_a_hundred_raises_the_alarm():
    def plant(real, synthetic):
        synthetic.iloc[500:515] = real.iloc[100:115]
        return synthetic

    found = leaks(np.random.default_rng(1), plant, 1500)
    assert {("copied records", ALL_COLUMNS), ("single values", "height")} <= set(found.alarms.index)
    assert "own values" not in found.alarms.index  # they stand at other places
    # Hardly anybody is alone with an age, though every age occurs.
    assert found.table.loc[("single values", "age"), "found"] < 0.01
    assert found.table.loc[("copied records", ALL_COLUMNS), "found"] == 0.01


def test_a_column_kept_as_it_is_raises_the_alarm():
    for column in ("height", "group"):
        found = leaks(np.random.default_rng(2), lambda real, fresh, c=column: fresh.assign(**{c: real[c]}))
        assert found.table.loc[("own values", column), "found"] == 1
        assert ("own values", column) in found.alarms.index
        assert set(found.alarms.index.get_level_values("column")) <= {column, ALL_COLUMNS}


def test_a_leaf_of_one_donor_raises_the_alarm():
    def tree(minbucket: int):
        method = {"height": "norm", "age": "norm", "group": "polyreg", "sex": "logreg"}
        method["income"] = {"name": "cart", "minbucket": minbucket, "cp": -1.0}
        return lambda real, _: ms.synthesize(real, m=1, method=method, seed=3).completed(1)

    alone, many = (leaks(np.random.default_rng(3), tree(size)).table for size in (1, 100))
    assert alone.loc[("secrets told", "income"), "alarm"]
    assert not many.loc["secrets told", "alarm"].any()


def test_what_cannot_be_tested_is_said():
    rng = np.random.default_rng(4)
    real, synthetic = people(rng, 50), people(rng, 40)
    found = ms.leaks(synthetic, real)
    assert len(found.table) == 0
    assert len(found.notes) == 2
    assert "no holdout" in found.notes[1]


def alarms(draws: int, n: int) -> int:
    return sum(len(leaks(np.random.default_rng([7, seed]), n=n).alarms) > 0 for seed in range(draws))


def test_fresh_data_raise_few_alarms():
    # At the stated rate, 0.05, 8 or more of 50 happen in 1 of 300.
    assert alarms(50, 200) < 8


@pytest.mark.oracle
def test_fresh_data_raise_no_more_alarms_than_stated():
    # At the stated rate 43 or more of 500 happen in 1 of 2,500.
    assert alarms(500, 400) < 43
