"""Utility: the measures are what they are said to be, right syntheses score as published, and misfits are found."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr
from scipy.stats import chi2, chi2_contingency, ks_2samp, rankdata
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import mice_sim as ms
from mice_sim import MiceSimError
from mice_sim.analysis import MODELS, ModelFormula
from mice_sim.assessment.compare import compare, compare_fits
from mice_sim.assessment.counts import COUNTS, MEASURES, compare_cells
from mice_sim.assessment.data import Codes, encode, pair
from mice_sim.assessment.propensity import utility_gen
from mice_sim.assessment.summary import UTILITY
from mice_sim.assessment.tabular import _permutation_moments, compare_tables, holm, tail, utility_tables
from mice_sim.data import Table
from mice_sim.report.style import WIDTH
from mice_sim.study.config import compose
from mice_sim.study.replicate import replicator
from mice_sim.synthesis import engine
from mice_sim.synthesis.events import EventLog

ALPHA = 0.05


def factors(codes: np.ndarray, sizes: np.ndarray | None = None) -> pd.DataFrame:
    """A frame of factors v1, v2, … from level numbers (columns, n)."""
    sizes = codes.max(axis=1) + 1 if sizes is None else sizes
    levels = [[f"l{level}" for level in range(size)] for size in sizes]
    return pd.DataFrame(
        {
            f"v{i}": pd.Categorical.from_codes(c, known)
            for i, (c, known) in enumerate(zip(codes, levels, strict=True), 1)
        }
    )


def people(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """New data from one truth: two correlated numbers, one apart, and two factors of which one has a rare level."""
    x = rng.normal(size=n)
    y = 0.6 * x + 0.8 * rng.normal(size=n)
    group = (x + rng.normal(size=n) > 0.8).astype(int)
    rare = np.searchsorted(np.cumsum([0.55, 0.25, 0.17]), rng.random(n))
    return pd.DataFrame(
        {
            "x": x, "y": y, "z": rng.exponential(size=n), "group": pd.Categorical.from_codes(group, ["a", "b"]),
            "rare": pd.Categorical.from_codes(rare, list("pqrs")),
        }
    )  # fmt: skip


# ---- reading


def test_results_and_frames_are_read_alike(boys):
    made = ms.synthesize(boys, m=2, seed=1)
    known, frames = pair(made), made.completed()
    read = pair([frame[frame.columns[::-1]] for frame in frames], boys)
    for mine, theirs in zip(known.sets, read.sets, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert known.drawn.all()
    assert read.drawn.all()
    assert (known.m, known.n, known.linked, read.origin) == (2, 748, False, None)


def test_levels_are_matched_by_name():
    original = pd.DataFrame({"f": pd.Categorical(["a", "b", "c"])})
    synthetic = pd.DataFrame({"f": pd.Categorical(["c", None, "a"], ["c", "a", "unused"])})
    (values,) = pair(synthetic, original).sets
    np.testing.assert_array_equal(values, [[2, np.nan, 0]])


def test_columns_that_were_kept_are_known(boys):
    linked = ms.synthesize(boys, m=1, mode="linked", where=["hgt", "gen"], seed=1)
    expected = [name in ("hgt", "gen") for name in boys.columns]
    assert pair(linked).drawn.tolist() == expected
    assert pair(linked.completed(1), boys).drawn.tolist() == expected
    assert pair(linked, kept=["age"]).drawn.tolist() == [name != "age" for name in boys.columns]


def test_numbers_are_cut_at_quantiles_of_all_data_together():
    original = pd.DataFrame({"x": [1.0, 2, 3, 4, np.nan], "two": [0.0, 0, 0, 1, 1]})
    synthetic = pd.DataFrame({"x": [5.0, 6, 7, 8, 9, 10], "two": [1.0, 1, 1, 1, 1, 1]})
    codes = encode(pair(synthetic, original))
    assert codes.original.tolist() == [[0, 0, 1, 1, 5], [0, 0, 0, 1, 1]]
    assert codes.sets[0].tolist() == [[2, 2, 3, 3, 4, 4], [1] * 6]
    assert codes.labels[0][-1] == "missing"
    assert codes.labels[1] == ("0", "1")
    assert encode(pair(synthetic, original), None).sizes.tolist() == [11, 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: pair(b), "give it as original="),
        (lambda b: pair(b.drop(columns="age"), b), "Synthetic set 1 lacks the column 'age'"),
        (
            lambda b: pair([b, b.assign(agee=1)], b),
            "set 2 has the column 'agee', which the original lacks; did you mean",
        ),
        (
            lambda b: pair(b.assign(age=b.gen), b),
            "Column 'age' holds numbers in the original and a factor in synthetic",
        ),
        (lambda b: pair(3, b), "are of type int; give a result, a frame or a list"),
        (
            lambda b: pair(b.assign(gen=b.gen.cat.rename_categories({"G1": "other"})), b),
            "Column 'gen' has the level 'other' in synthetic set 1",
        ),
        (lambda b: utility_tables(b[:-1], b, ways=4), "ways is 4; give 1, 2, 3"),
        (lambda b: utility_tables(b[:-1], b, null="right"), "null is 'right'; give 'fitted' or 'fresh'"),
        (lambda b: utility_tables(b[:-1], b, alpha=5), "alpha is 5; give a number between 0 and 1"),
        (lambda b: utility_tables(b[:-1], b, groups=1), "groups is 1; give a whole number of at least 2"),
        (lambda b: utility_tables(b, b), "no table with a synthesised column"),
        (lambda b: utility_gen(b, b), "None of the columns was synthesised"),
        (lambda b: utility_gen(b[:-1], b, method="tree"), "no method 'tree'"),
        (lambda b: utility_gen(b[:-1], b, method=3), "give 'logistic', 'cart' or a classifier"),
        (lambda b: utility_gen(b[:-1], b, method="cart", expected="analytic"), "give expected='permutation'"),
        (lambda b: utility_gen(b[:-1], b, expected="pairs"), "Pairs need two synthetic sets or more"),
        (lambda b: utility_gen(b[:-1], b, expected="exact"), "expected is 'exact'; known are"),
        (
            lambda b: utility_gen(b[:-1], b, maxorder=2, max_params=99),
            "more than max_params=99; give a smaller maxorder",
        ),
        (lambda b: utility_gen(b[:-1], b, permutations=0), "permutations is 0; give a whole number of at least 1"),
        (lambda b: compare(b, b, ["agee"]), "no column 'agee'; did you mean 'age'?"),
    ],
)
def test_what_can_not_be_compared_is_said_in_one_sentence(boys, call, message):
    with pytest.raises(MiceSimError) as caught:
        call(boys)
    assert message in str(caught.value)
    assert str(caught.value).count(". ") == 0


def test_imputed_sets_are_not_held_against_holes():
    holes = ms.load_dataset("boys")[["age", "hgt", "hc"]]
    two = ms.synthesize(holes, m=2, r=1, missing="two-step", seed=1)
    for ask in (utility_tables, utility_gen):
        with pytest.raises(MiceSimError, match="give a completed one as original="):
            ask(two)
    completed = ms.impute(holes, m=1, seed=1).completed(1)
    assert utility_gen(two, completed).loc["mean", "S_pMSE"] < 5


# ---- tables


def by_hand(s: np.ndarray, o: np.ndarray) -> dict[str, float]:
    """The measures of Raab, Nowok & Dibben (2021), table 8, record by record where they are of records."""
    s, o = s[s + o > 0], o[s + o > 0]
    n2, n1 = s.sum(), o.sum()
    c, total = n2 / (n1 + n2), n1 + n2
    e, ps, po = o * c / (1 - c), s / n2, o / n1
    p = np.repeat(s / (s + o), s + o)
    t = np.concatenate([np.repeat([1, 0], [a, b]) for a, b in zip(s, o, strict=True)])
    both = (s > 0) & (o > 0)
    ranks = rankdata(p)[t == 1].sum()
    right = ((t == 1) & (p > c)) | ((t == 0) & (p < c))

    def bits(a):
        return (a[a > 0] * np.log2(a[a > 0] / ((ps + po) / 2)[a > 0])).sum()

    return {
        "VW": ((s - e) ** 2 / (c * (s + o))).sum(),
        "FT": 4 * ((np.sqrt(s) - np.sqrt(e)) ** 2).sum(),
        "JSD": (bits(ps) + bits(po)) / 2,
        "G": 2 * (s * np.log(np.where(both, s, 1) / np.where(both, e, 1)) - (s - e))[both].sum(),
        "dBhatt": np.sqrt(1 - np.sqrt(ps * po).sum()),
        "MabsDD": np.abs(ps - po).sum(),
        "WMabsDD": (np.abs(s - e) / np.sqrt(2 * c * (s + o) / np.pi)).sum(),
        "SPECKS": ks_2samp(p[t == 1], p[t == 0]).statistic,
        "PO50": 100 * right.sum() / (p != c).sum() - 50 if (p != c).any() else 0.0,
        "U": ranks,
        "AUC": (ranks - n2 * (n2 + 1) / 2) / (n1 * n2),
        "pMSE": ((p - c) ** 2).sum() / total,
    }


@pytest.mark.parametrize(
    ("s", "o"),
    [([4, 2, 5, 1, 0], [2, 2, 3, 9, 0]), ([40, 0, 5, 1, 7], [2, 2, 0, 9, 7]), ([3, 3], [3, 3]), ([5, 0, 1], [0, 2, 4])],
)
def test_the_measures_of_a_table_are_those_of_their_formulas(s, o):
    s, o = np.array(s), np.array(o)
    found = dict(zip((*MEASURES, *COUNTS), compare_cells(s, o), strict=True))
    for name, value in by_hand(s, o).items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
    assert found["cells"] == (s + o > 0).sum()


def test_measures_are_linked_as_the_paper_says():
    rng = np.random.default_rng(1)
    original, synthetic = people(400, rng), people(700, rng)
    frame = utility_tables(synthetic, original)
    c = 700 / 1100
    np.testing.assert_allclose(frame["pMSE"], frame["VW"] * c * (1 - c) ** 2 / 1100)
    np.testing.assert_allclose(frame["MabsDD"], 2 * frame["SPECKS"])
    np.testing.assert_allclose(frame["FT"], 8 * 700 * frame["dBhatt"] ** 2)
    np.testing.assert_allclose(frame["S_pMSE"], frame["VW"] / frame["df"])
    assert len(frame) == 5 + 10 + 10
    assert list(frame.index[[0, 5, -1]]) == ["x", "x:y", "z:group:rare"]


def test_tables_too_large_to_lay_out_are_those_of_the_combinations_that_occur(monkeypatch):
    rng = np.random.default_rng(2)
    original, synthetic = people(300, rng), people(300, rng)
    laid_out = utility_tables(synthetic, original)
    monkeypatch.setattr("mice_sim.assessment.tabular.MOST_CELLS", 1)
    pd.testing.assert_frame_equal(utility_tables(synthetic, original), laid_out)


def test_sets_are_averaged_and_their_spread_is_told():
    rng = np.random.default_rng(3)
    original, sets = people(300, rng), [people(300, rng) for _ in range(3)]
    means, each = utility_tables(sets, original, ways=2), utility_tables(sets, original, ways=2, by_set=True)
    assert len(each) == 3 * len(means)
    alone = utility_tables(sets[1], original, ways=2, groups=5, columns=["group", "rare"])
    assert each.loc[("group:rare", 2), "VW"] == pytest.approx(alone.loc["group:rare", "VW"])
    for name in ("VW", "S_FT", "PO50"):
        np.testing.assert_allclose(means[name], each[name].groupby("table", sort=False).mean())
    np.testing.assert_allclose(means["sd"], each["S_pMSE"].groupby("table", sort=False).std())
    assert utility_tables(sets[0], original, ways=1)["sd"].isna().all()


def test_the_p_value_of_a_large_table_is_that_of_pearsons_test():
    rng = np.random.default_rng(4)
    original, synthetic = people(20_000, rng), people(30_000, rng)
    frame = utility_tables(synthetic, original, columns=["group", "rare"], null="fresh")
    a, b = (f.groupby(["group", "rare"], observed=False).size().to_numpy() for f in (original, synthetic))
    assert frame.loc["group:rare", "p_value"] == pytest.approx(chi2_contingency([a, b])[1], rel=0.01)
    fitted = utility_tables(synthetic, original, columns=["group", "rare"], null="fitted")
    df, vw = fitted.loc["group:rare", ["df", "VW"]]
    assert fitted.loc["group:rare", "p_value"] == pytest.approx(chi2.sf(vw, df), rel=0.01)


def test_the_moments_behind_p_values_are_those_of_all_permutations():
    t, n2 = np.array([3, 2, 1, 2]), 3
    cell = np.repeat(np.arange(4), t)
    expected = t * n2 / 8
    statistics = [
        ((np.bincount(cell[list(chosen)], minlength=4) - expected) ** 2 / (expected * 5 / 8)).sum()
        for chosen in itertools.combinations(range(8), n2)
    ]
    mean, variance = _permutation_moments(*(np.array([v]) for v in (4.0, (1 / t).sum(), (t**2.0).sum(), 3.0, 8.0)))
    assert mean[0] == pytest.approx(np.mean(statistics))
    assert variance[0] == pytest.approx(np.var(statistics))


@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("shared", [0.0, 0.5])
def test_the_tail_of_several_sets_is_that_of_their_correlated_sum(m, shared):
    rng, df = np.random.default_rng(5), 6
    common, own = rng.normal(size=(40_000, 1, df)), rng.normal(size=(40_000, m, df))
    sums = ((np.sqrt(shared) * common + np.sqrt(1 - shared) * own) ** 2).sum(axis=(1, 2))
    for share in (0.5, 0.1, 0.01):
        cut = np.quantile(sums, 1 - share)
        found = tail(np.array([cut]), np.array([df * 1.0]), np.array([df * 2.0]), m, shared)[0]
        assert found == pytest.approx(share, rel=0.15)


def test_holm_steps_down():
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, 0.03])), [0.06, 0.03, 0.06])


# ---- a right synthesis


def survey(n: int = 5000, seed: int = 3) -> np.ndarray:
    """Six correlated factors with the sizes, and about the shares, of those of synthpop's vignette; (6, n)."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 6)) @ np.linalg.cholesky(0.45 + 0.55 * np.eye(6)).T
    shares = [
        [0.43, 0.57], [0.16, 0.16, 0.16, 0.17, 0.17, 0.15, 0.03], [0.2] * 5, [0.2, 0.35, 0.27, 0.17, 0.01],
        [0.24, 0.02, 0.13, 0.4, 0.08, 0.03, 0.03, 0.04, 0.02, 0.01], [0.22, 0.5, 0.25, 0.03],
    ]  # fmt: skip
    return np.array([np.searchsorted(np.cumsum(p)[:-1], u) for p, u in zip(shares, ndtr(z).T, strict=True)])


PUBLISHED = {  # means over 1000 right syntheses of 2 … 6 factors (Raab, Nowok & Dibben 2021, table 9)
    "S_pMSE": [1.01, 1.01, 1.03, 1.06, 1.06],
    "S_FT": [1.01, 1.02, 1.15, 1.51, 1.60],
    "S_JSD": [1.05, 1.06, 1.12, 1.29, 1.33],
    "S_WMabsDD": [1.04, 1.01, 1.00, 1.00, 1.00],
    "S_G": [1.01, 1.01, 0.96, 0.82, 0.74],
}


def right_syntheses(n_factors: int, syntheses: int, rows: int = 5000) -> dict[str, np.ndarray]:
    """The standardised measures of syntheses from the saturated model of so many factors."""
    rng, real = np.random.default_rng(n_factors), survey()[:n_factors].astype(np.int32)
    labels = tuple(tuple(map(str, range(size))) for size in real.max(axis=1) + 1)
    sets = tuple(real[:, rng.integers(0, 5000, rows)] for _ in range(syntheses))
    codes = Codes(tuple("abcdef"[:n_factors]), real, sets, labels)
    found = compare_tables(codes, np.full(n_factors, True), [range(n_factors)])
    return {name: values[:, 0] for name, values in found.standardised.items()}


def agrees(n_factors: int, syntheses: int) -> None:
    for name, values in right_syntheses(n_factors, syntheses).items():
        # Other data than theirs, with other cells: S_FT and S_G, which depend most on sparse cells, by .06.
        room = 0.06 if name in ("S_FT", "S_G") else 0.03
        error = 4 * values.std() * np.sqrt(1 / syntheses + 1 / 1000)
        assert values.mean() == pytest.approx(PUBLISHED[name][n_factors - 2], abs=room + error), name


@pytest.mark.parametrize("n_factors", [2, 4])
def test_right_syntheses_score_as_published(n_factors):
    agrees(n_factors, 60)


@pytest.mark.oracle
@pytest.mark.parametrize("n_factors", [2, 3, 4, 5, 6])
def test_a_thousand_right_syntheses_score_as_published(n_factors):
    agrees(n_factors, 1000)


@pytest.mark.parametrize("rows", [1000, 20_000])
def test_right_syntheses_score_one_whatever_their_number_of_rows(rows):
    for name, values in right_syntheses(3, 60, rows).items():
        room = {"S_JSD": 0.11, "S_WMabsDD": 0.05}.get(name, 0.04)  # synthpop's S_JSD is 1.04 by definition
        assert values.mean() == pytest.approx(1.0, abs=room + 4 * values.std() / np.sqrt(60)), name


def resampled(frame: pd.DataFrame, rng: np.random.Generator, rows: int | None = None) -> pd.DataFrame:
    """A right synthesis with fixed parameters: draws from the empirical distribution."""
    return frame.iloc[rng.integers(0, len(frame), rows or len(frame))].reset_index(drop=True)


@pytest.mark.parametrize("rows", [600, 3000])
def test_the_analytic_expectation_is_that_of_a_right_synthesis(rows):
    rng = np.random.default_rng(6)
    original = people(1500, rng)
    sets = [resampled(original, rng, rows) for _ in range(60)]
    found = utility_gen(sets, original, maxorder=0, null="fitted")
    df = found.attrs["df"]
    assert df == 3 + 1 + 3
    assert found.loc["mean", "S_pMSE"] == pytest.approx(1, abs=0.03 + 4 * np.sqrt(2 / df / 60))
    assert 0.2 < found["p_value"].iloc[:60].median() < 0.8
    fresh = utility_gen([people(rows, rng) for _ in range(60)], original, maxorder=0)
    assert fresh.attrs["null"] == "fresh"
    # The original's own variation adds k/n; it is one original, so what it adds varies as one χ²/df does.
    assert fresh.loc["mean", "S_pMSE"] == pytest.approx(1 + rows / 1500, abs=4 * rows / 1500 * np.sqrt(2 / df))


def test_permutations_and_pairs_expect_what_the_formula_does():
    rng = np.random.default_rng(7)
    original = people(1000, rng)
    sets = [resampled(original, rng, 700) for _ in range(25)]
    analytic = utility_gen(sets, original, maxorder=0)["expected"].iloc[0]
    permuted = utility_gen(sets[:4], original, maxorder=0, expected="permutation", permutations=60)
    assert permuted["expected"].iloc[:4].mean() == pytest.approx(analytic, rel=4 * np.sqrt(2 / 7 / 240))
    pairs = utility_gen(sets, original, maxorder=0, expected="pairs")
    assert pairs["expected"].iloc[0] == pytest.approx(analytic, rel=4 * np.sqrt(2 / 7 / 25))
    assert pairs.loc["mean", "S_SPECKS"] == pytest.approx(1, abs=0.2)


def test_permuted_labels_give_uniform_p_values_to_fresh_data():
    rng = np.random.default_rng(8)
    found = [
        utility_gen(people(200, rng), people(200, rng), method="cart", permutations=19, seed=i).loc[1, "p_value"]
        for i in range(40)
    ]
    assert np.mean(found) == pytest.approx(0.525, abs=4 * 0.29 / np.sqrt(40))


@pytest.mark.oracle
def test_trees_are_biased_low_as_published():
    published = {"permutation": [0.88, 0.83, 0.72, 0.66, 0.64], "pairs": [0.95, 0.79, 0.71, 0.66, 0.66]}
    rng, real = np.random.default_rng(9), survey()
    for expected, known in published.items():
        found = []
        for k in range(2, 7):
            original = factors(real[:k])
            sets = [resampled(original, rng) for _ in range(40)]
            options = {"method": "cart", "expected": expected, "permutations": 10, "null": "fitted"}
            found.append(utility_gen(sets, original, **options).loc["mean", "S_pMSE"])
        # rpart splits the levels of a factor in two, ours by contrasts; the more levels, the more they differ.
        np.testing.assert_allclose(found, known, atol=0.17)
        assert found[0] > found[2] > 0.5
        assert max(found[1:]) < 0.9


def test_what_is_not_calibrated_says_so():
    rng = np.random.default_rng(10)
    original, synthetic = people(300, rng), people(300, rng)
    tree = utility_gen(synthetic, original, method="cart", permutations=2)
    assert tree.attrs["calibrated"].startswith("not calibrated: biased low")
    forest = utility_gen(synthetic, original, method=RandomForestClassifier(5))
    assert forest.attrs["calibrated"].startswith("no expectation")
    assert forest[["expected", "S_pMSE", "p_value"]].isna().all(axis=None)
    assert utility_gen(synthetic, original).attrs["calibrated"].startswith("calibrated")


# ---- propensities


def test_a_saturated_model_gives_the_measures_of_the_table():
    rng = np.random.default_rng(11)
    original, synthetic = (people(n, rng)[["group", "rare"]] for n in (500, 300))
    told = utility_gen(synthetic, original, maxorder=1, null="fresh")
    table = utility_tables(synthetic, original, ways=2).loc["group:rare"]
    for name in ("pMSE", "SPECKS", "PO50", "U", "AUC", "S_pMSE"):
        assert told.loc[1, name] == pytest.approx(table[name], rel=1e-6), name
    assert told.attrs["df"] == table["df"] == 7
    assert told.loc[1, "p_value"] == pytest.approx(chi2.sf(table["VW"] * 5 / 8, 7), rel=1e-6)


def test_the_accuracy_of_drawn_classes_is_a_half_and_two_pmse(boys):
    syn = ms.synthesize(boys, m=60, seed=1, method="sample")
    found = utility_gen(syn, columns=["age", "hgt", "hc"]).iloc[:60]
    error = found["accuracy"].std() / np.sqrt(60)
    assert found["accuracy"].mean() == pytest.approx(0.5 + 2 * found["pMSE"].mean(), abs=4 * error)
    assert found["accuracy"].mean() > 0.53  # not by being a half
    np.testing.assert_allclose(found["balanced_accuracy"], found["accuracy"])


def test_a_classifier_and_our_logistic_model_agree():
    rng = np.random.default_rng(12)
    original, synthetic = people(400, rng), people(300, rng).assign(x=lambda f: f.x + 0.3)
    ours = utility_gen(synthetic, original, maxorder=0).loc[1]
    theirs = utility_gen(synthetic, original, method=LogisticRegression(C=1e8), folds=0).loc[1]
    for name in ("pMSE", "AUC", "SPECKS"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-3)
    crossed = utility_gen(synthetic, original, method=RandomForestClassifier(30), seed=1).loc[1]
    in_sample = utility_gen(synthetic, original, method=RandomForestClassifier(30), seed=1, folds=0).loc[1]
    assert crossed["AUC"] < 0.75 < 0.99 < in_sample["AUC"]


def test_redundant_and_missing_values_cost_no_coefficients():
    rng = np.random.default_rng(13)
    original, synthetic = (people(500, rng) for _ in range(2))

    def more(frame: pd.DataFrame) -> pd.DataFrame:
        holes = frame["x"] > 1
        return frame.assign(twin=3 * frame["x"] - 7, w=frame["z"].mask(holes), f=frame["rare"].mask(holes), one=4.0)

    plain, all_of_it = (utility_gen(s, o, maxorder=0).attrs["df"] for s, o in [(synthetic, original),
                        (more(synthetic), more(original))])  # fmt: skip
    # w adds its indicator and, where it is there, z; f its level "missing", which is that indicator, and 3 others.
    assert all_of_it == plain + 2 + 3
    assert not utility_gen(more(synthetic), more(original), method="cart", permutations=1).isna()["pMSE"].iloc[0]


def test_separated_records_are_noted():
    rng = np.random.default_rng(14)
    original = people(200, rng)
    found = utility_gen(original.assign(x=original["x"] + 100), original, maxorder=0)
    assert found.loc[1, "pMSE"] == pytest.approx(0.25, abs=0.01)
    assert "separated records" in found.attrs["notes"][0]


def test_large_models_are_taken_in_blocks(monkeypatch):
    rng = np.random.default_rng(15)
    original, synthetic = people(3000, rng), people(2500, rng)
    whole = utility_gen(synthetic, original, maxorder=1)
    monkeypatch.setattr("mice_sim.assessment.separation.SMALL", 0)
    monkeypatch.setattr("mice_sim.assessment.separation.BLOCK", 9999)
    np.testing.assert_allclose(utility_gen(synthetic, original, maxorder=1), whole, rtol=1e-6)


def test_the_same_seed_gives_the_same_numbers():
    rng = np.random.default_rng(16)
    original, synthetic = people(200, rng), people(200, rng)
    one, two, other = (utility_gen(synthetic, original, method="cart", permutations=5, seed=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert one.loc[1, "expected"] != other.loc[1, "expected"]


# ---- partial synthesis


def partly(original: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Column y given group and rare, from the saturated model with fixed parameters; all else is kept."""
    drawn = original["y"].copy()
    for rows in original.groupby(["group", "rare"], observed=True).indices.values():
        drawn.iloc[rows] = original["y"].iloc[rng.choice(rows, len(rows))].to_numpy()
    return original.assign(y=drawn)


def test_in_partial_synthesis_only_what_was_synthesised_counts():
    rng = np.random.default_rng(17)
    original = people(2000, rng)[["y", "group", "rare"]]
    original["y"] = pd.cut(original["y"], [-np.inf, -0.5, 0.5, np.inf], labels=["low", "middle", "high"])
    sets = [partly(original, rng) for _ in range(40)]
    found = utility_gen(sets, original, maxorder=1, null="fitted")
    assert found.attrs["df"] == 2 + 2 + 6  # y, and its products with group and with rare
    assert found.loc["mean", "S_pMSE"] == pytest.approx(1, abs=0.03 + 4 * np.sqrt(2 / 10 / 40))
    tables = utility_tables(sets, original, null="fitted")
    assert list(tables.index) == ["y", "y:group", "y:rare", "y:group:rare"]
    assert tables["df"].tolist() == [3 - 1, 6 - 2, 12 - 4, 24 - 8]
    for _, row in tables.iterrows():
        assert row["S_pMSE"] == pytest.approx(1, abs=0.03 + 4 * np.sqrt(2 / row["df"] / 40))
    whole = utility_tables(sets, original, null="fitted", kept=[])
    assert whole.loc["y:rare", "S_pMSE"] < 0.8


# ---- misfits


def worsened(frame: pd.DataFrame, how: str, rng: np.random.Generator) -> pd.DataFrame:
    if how == "correlation":
        return frame.assign(y=rng.permutation(frame["y"]))
    if how == "mean":
        return frame.assign(z=frame["z"] + 0.25)
    lost = frame["rare"] == "s"
    return frame.assign(rare=frame["rare"].mask(lost, "p"))


MISFITS = {"correlation": ("x:y", 1), "mean": ("z", 0), "rare level": ("rare", 0)}


@pytest.mark.parametrize("how", MISFITS)
def test_planted_misfits_raise_an_alarm(how):
    rng = np.random.default_rng(18)
    original = people(1000, rng)
    bad = worsened(people(1000, rng), how, rng)
    label, order = MISFITS[how]
    tables = utility_tables(bad, original, alpha=ALPHA)
    assert tables.attrs["null"] == "fresh"
    assert tables.loc[label, "alarm"]
    assert tables.loc[label, "S_pMSE"] > 3
    spoilt = label.split(":")[-1]
    assert all(spoilt in name.split(":") for name in tables.index[tables["alarm"]])
    assert utility_gen(bad, original, maxorder=order).loc[1, "p_value"] < 0.001


def alarms(draws: int, rows: int, m: int, seed: int) -> tuple[float, float]:
    """The shares of data drawn from the truth that raise an alarm, by any table and by the logistic model."""
    rng = np.random.default_rng(seed)
    by_table, by_model = [], []
    for _ in range(draws):
        original, sets = people(500, rng), [people(rows, rng) for _ in range(m)]
        by_table.append(utility_tables(sets, original, alpha=ALPHA)["alarm"].any())
        by_model.append(utility_gen(sets, original, maxorder=0).loc["mean", "p_value"] <= ALPHA)
    return float(np.mean(by_table)), float(np.mean(by_model))


def limit(draws: int) -> float:
    return ALPHA + 3.5 * np.sqrt(ALPHA * (1 - ALPHA) / draws)


def test_data_from_the_truth_raise_alarms_no_more_often_than_stated():
    assert max(alarms(60, 500, 2, 19)) <= limit(60)


@pytest.mark.oracle
@pytest.mark.parametrize(("rows", "m"), [(500, 1), (150, 1), (3000, 1), (500, 5)])
def test_500_draws_from_the_truth_raise_alarms_no_more_often_than_stated(rows, m):
    assert max(alarms(500, rows, m, 20)) <= limit(500)


@pytest.mark.oracle
@pytest.mark.parametrize(("null", "most"), [("fresh", 0.01), ("fitted", 0.1)])
def test_right_syntheses_with_fixed_parameters_raise_fewer_alarms(null, most):
    rng, found = np.random.default_rng(21), []
    for _ in range(500):
        original = people(500, rng)
        tables = utility_tables(resampled(original, rng), original, null=null, alpha=ALPHA)
        found.append(tables["alarm"].any())
    assert np.mean(found) <= most


# ---- comparisons


def test_marginals_are_compared_statistic_by_statistic():
    holes = ms.load_dataset("boys")
    made = ms.synthesize(holes, m=2, seed=1)
    frame = compare(made)
    one, two = made.completed()
    assert frame.loc[("hgt", "median"), "original"] == holes["hgt"].median()
    assert frame.loc[("hgt", "median"), "synthetic"] == (one["hgt"].median() + two["hgt"].median()) / 2
    assert frame.loc[("hgt", "sd"), "sd"] == pytest.approx(np.std([one["hgt"].std(), two["hgt"].std()], ddof=1))
    assert frame.loc[("gen", "missing"), "original"] == pytest.approx(holes["gen"].isna().mean())
    assert frame.loc[("gen", "G2"), "original"] == pytest.approx((holes["gen"] == "G2").sum() / holes["gen"].count())
    assert ("age", "missing") not in frame.index
    np.testing.assert_allclose(frame["difference"], frame["synthetic"] - frame["original"])


def test_fits_are_compared_by_their_formulas(boys):
    syn = ms.synthesize(boys, m=4, k=500, seed=1)
    fits = syn.fit("hc ~ age + hgt + reg")
    table = Table.from_pandas(boys)
    known = MODELS["linear"](ModelFormula.parse("hc ~ age + hgt + reg", table.columns), table.values)
    frame = compare_fits(fits, boys)
    delta, se = fits.q.mean(axis=0) - known.estimate, np.sqrt(known.variance)
    np.testing.assert_allclose(frame["std_diff"], delta / se)
    np.testing.assert_allclose(frame["ci_overlap"], 1 - np.abs(delta / se) / (2 * 1.959963984540054))
    spread = known.covariance * (748 / 500) / 4
    assert frame.attrs["lack_of_fit"] == pytest.approx(delta @ np.linalg.inv(spread) @ delta)
    assert frame.attrs["lack_of_fit_p"] == pytest.approx(chi2.sf(frame.attrs["lack_of_fit"], 7))
    np.testing.assert_allclose(frame["p_value"], 2 * ndtr(-np.abs(delta) / np.sqrt(np.diag(spread))))
    pd.testing.assert_frame_equal(compare_fits(fits, known), frame)
    pooled, wide = ms.pool(fits), compare_fits(fits, boys, population=True)
    low, high = known.estimate[1] - 1.959964 * se[1], known.estimate[1] + 1.959964 * se[1]
    ours = pooled["ci_lower"].iloc[1], pooled["ci_upper"].iloc[1]
    common = min(high, ours[1]) - max(low, ours[0])
    expected = (common / (high - low) + common / (ours[1] - ours[0])) / 2
    assert wide["ci_overlap"].iloc[1] == pytest.approx(expected, rel=1e-5)


def test_the_published_overlap_follows_from_the_published_differences():
    # synthpop's wkabint example: mean |standardised difference| .9108 and mean overlap .7677. The coefficients are
    # given without standard errors; with any that give that mean difference, the overlap is that one.
    observed = np.array([-0.21052, -0.47387, -0.05384, 0.62753, 0.36839, -0.18697, -0.04610])
    synthetic = np.array([-1.06343, -0.66178, -0.05138, 0.17467, 0.13112, -0.01006, 0.09112])
    se = np.abs(synthetic - observed).mean() / 0.9108 * np.ones(7)
    assert (1 - np.abs((synthetic - observed) / se) / (2 * 1.959964)).mean() == pytest.approx(0.7677, abs=1e-4)
    from mice_sim.assessment.compare import _overlap

    z = 1.959964 * se
    overlaps = _overlap((observed - z, observed + z), (synthetic - z, synthetic + z))
    assert overlaps.mean() == pytest.approx(0.7677, abs=1e-4)
    assert overlaps.min() < overlaps.max() <= 1
    assert _overlap((np.zeros(1), np.ones(1)), (np.full(1, 3.0), np.full(1, 4.0)))[0] == -2


@pytest.mark.parametrize(("proper", "expected"), [(False, np.sqrt(2 / np.pi)), (True, np.sqrt(4 / np.pi))])
def test_fits_of_a_right_synthesis_differ_as_expected(proper, expected):
    rng = np.random.default_rng(22)
    differences, p_values = [], []
    for seed in range(60):
        original = people(200, rng)[["x", "y"]]
        method = "norm" if proper else "norm.nob"
        syn = ms.synthesize(original, m=1, method={"x": method, "y": method}, proper=proper, seed=seed)
        frame = compare_fits(syn.fit("y ~ x"), original)
        differences += list(np.abs(frame["std_diff"]))
        p_values.append(frame.attrs["lack_of_fit_p"])
        assert frame.attrs["expected_abs_std_diff"] == pytest.approx(expected)
    assert np.mean(differences) == pytest.approx(expected, abs=4 * np.std(differences) / np.sqrt(60))
    assert np.mean(p_values) == pytest.approx(0.5, abs=4 * 0.29 / np.sqrt(60))


def test_with_real_values_the_sets_own_spread_is_the_measure(boys):
    linked = ms.synthesize(boys, m=8, mode="linked", where=["hgt"], seed=1)
    fits = linked.fit("hc ~ age + hgt")
    frame = compare_fits(fits, boys)
    delta = frame["difference"].to_numpy()
    t2 = delta @ np.linalg.inv(np.cov(fits.q, rowvar=False) / 8) @ delta
    assert frame.attrs["lack_of_fit"] == pytest.approx(t2 * 5 / (3 * 7), rel=1e-4)
    assert (frame.attrs["df"], frame.attrs["df2"]) == (3, 5)
    few = ms.synthesize(boys, m=3, mode="linked", where=["hgt"], seed=1)
    assert np.isnan(compare_fits(few.fit("hc ~ age + hgt"), boys).attrs["lack_of_fit_p"])


def test_fits_of_other_data_are_refused(boys):
    fits = ms.synthesize(boys, m=2, seed=1).fit("hc ~ age")
    with pytest.raises(MiceSimError, match="other columns or levels"):
        compare_fits(fits, boys.drop(columns="tv"))
    other = ms.synthesize(boys, m=2, seed=1).fit("hc ~ hgt").estimates[0]
    with pytest.raises(MiceSimError, match="fit the same one to both"):
        compare_fits(fits, other)


# ---- studies and figures


def test_a_study_has_utility_among_its_rows():
    overrides = ["data=mvn", "resampling=fresh", "resampling.n=200", "analysis=regression", "~analysis.correlations",
                 "+analysis.utility={kind: utility}", "synthesis=sequential"]  # fmt: skip
    study = replicator(compose(overrides).key())
    mine = study.layout.analysis == "utility"
    found = pd.Series(study.run(0).value[mine], index=study.layout.statistic[mine])
    assert list(found.index) == list(UTILITY)
    sample = study.sample(0)
    spec = study.methods["synthetic"]
    sets = engine.run(sample, spec, study.streams(0), EventLog(False), None, lambda: None)
    frames = [Table(sample.columns, values).to_pandas() for values in sets]
    told = utility_gen(frames, sample.to_pandas(), maxorder=0).loc["mean"]
    tables = utility_tables(frames, sample.to_pandas(), ways=2)
    assert found["pmse"] == pytest.approx(told["pMSE"])
    assert found["s_pmse"] == pytest.approx(told["S_pMSE"])
    assert found["specks"] == pytest.approx(told["SPECKS"])
    assert found["s_pmse_twoway"] == pytest.approx(tables["S_pMSE"].mean())


def test_the_heat_map_shows_every_number_and_alarm():
    rng = np.random.default_rng(24)
    original = people(800, rng)
    bad = worsened(people(800, rng), "correlation", rng)
    tables = utility_tables(bad, original, ways=[1, 2])
    figure = ms.plot_utility(tables)
    axis, bar = figure.axes
    written = {tuple(np.array(text.get_position()) - 0.5): text.get_text() for text in axis.texts}
    names = list(original.columns)
    assert [label.get_text() for label in axis.get_yticklabels()] == names
    for label, value in tables["S_pMSE"].items():
        a, *b = label.split(":")
        column, row = names.index(a), names.index(b[0] if b else a)
        assert float(written.pop((column, row))) == pytest.approx(value, abs=0.051)
    assert not written
    framed = {(round(p.get_x() - 0.04), round(p.get_y() - 0.04)) for p in axis.patches}
    alarms = [label.split(":") for label in tables.index[tables["alarm"]]]
    assert framed == {(names.index(label[0]), names.index(label[-1])) for label in alarms}
    assert bar.get_xlabel() == "S_pMSE (frames: alarms)"
    assert figure.get_figwidth() <= WIDTH
    many = pd.DataFrame(rng.normal(size=(50, 40))).rename(columns=lambda i: f"a_long_name_{i}")
    wide = ms.plot_utility(utility_tables(many[::-1], many, ways=2), "SPECKS")
    assert (wide.get_tightbbox().extents[2:] < wide.get_size_inches() + 0.01).all()


def test_names_with_colons_are_told_apart():
    rng = np.random.default_rng(25)
    original, synthetic = (people(100, rng)[["x", "y"]].set_axis(["a:b", "c"], axis=1) for _ in range(2))
    axis = ms.plot_utility(utility_tables(synthetic, original, ways=[1, 2])).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a:b", "c"]


def test_marginals_are_drawn_for_the_original_and_every_set():
    holes = ms.load_dataset("boys")[["hgt", "gen", "age"]]
    made = ms.synthesize(holes, m=3, seed=1)
    figure = ms.plot_compare(made)
    height, stage, age = figure.axes
    assert height.get_title() == f"hgt (missing 3%, {np.mean([f.hgt.isna().mean() for f in made.completed()]):.0%})"
    assert age.get_title() == "age"
    assert len(height.lines) == 1 + 3
    np.testing.assert_allclose(
        [bar.get_height() for bar in stage.patches], holes["gen"].value_counts(normalize=True, sort=False)
    )
    assert len(stage.lines) == 3


def test_what_can_not_be_drawn_is_said():
    rng = np.random.default_rng(26)
    original, synthetic = people(100, rng), people(100, rng)
    with pytest.raises(MiceSimError, match="call utility_tables with ways=2"):
        ms.plot_utility(utility_tables(synthetic, original, ways=1))
    with pytest.raises(MiceSimError, match="no measure 'S_VW'; did you mean 'VW'"):
        ms.plot_utility(utility_tables(synthetic, original, ways=2), "S_VW")


# ---- size


def test_memory_stays_below_five_times_the_data():
    rng = np.random.default_rng(23)
    original, synthetic = (pd.DataFrame(rng.normal(size=(20_000, 20))).rename(columns=str) for _ in range(2))
    data = original.to_numpy().nbytes + synthetic.to_numpy().nbytes
    # A tree's state has a buffer of twice the data that a tree never touches; it takes no memory, but is traced.
    for untouched, ask in (
        (0, lambda: utility_tables(synthetic, original, ways=[1, 2])),
        (0, lambda: utility_gen(synthetic, original, maxorder=0)),
        (2, lambda: utility_gen(synthetic, original, method="cart", permutations=1)),
    ):
        tracemalloc.start()
        ask()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < (5 + untouched) * data
