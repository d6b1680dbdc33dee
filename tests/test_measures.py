"""The measures are what they say: formulas, Monte Carlo errors against brute force, merging, pairing, R's packages."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES, Study
from scipy.special import stdtr, stdtrit

from mice_sim.errors import MiceSimError
from mice_sim.study.measures import (
    MEASURES,
    Draws,
    Moments,
    Sums,
    centred,
    document,
    merge,
    moments,
    paired_mcse,
    replicates_for,
    unpaired_mcse,
    variables,
)
from mice_sim.study.performance import COLUMNS, COMPARED, compare, performance, replicate_estimates

LEVEL = 0.9
DF = 18
NAMES = list(MEASURES)


def inference(estimate: np.ndarray, std_error: np.ndarray, truth: np.ndarray, reference: np.ndarray) -> Draws:
    """Draws with t intervals; what lacks an estimate lacks the rest."""
    half = stdtrit(DF, (1 + LEVEL) / 2) * std_error
    p_value = 2 * stdtr(DF, -np.abs(estimate / std_error))
    return Draws(estimate, truth, std_error, estimate - half, estimate + half, p_value, reference)


def toy(replicates: int, studies: int, seed: int, missing: float = 0.1) -> tuple[Draws, Draws]:
    """Two normal methods on the same samples, in many studies at once; the truth moves, some estimates are lost."""
    rng = np.random.default_rng(seed)
    shape = (replicates, studies)
    truth = rng.normal(1.25, 0.1, shape)
    shared, noise = rng.normal(0, 0.5, shape), rng.chisquare(DF - 6, shape)
    reference = truth + shared + rng.normal(0, 0.2, shape)
    found = []
    for bias, own in ((0.05, 0.3), (-0.1, 0.4)):
        estimate = truth + bias + shared + rng.normal(0, own, shape)
        estimate[rng.random(shape) < missing] = np.nan
        std_error = np.hypot(0.5, own) * np.sqrt((noise + rng.chisquare(6, shape)) / DF)
        found.append(inference(estimate, std_error + 0 * estimate, truth, reference))
    return found[0], found[1]


def sum_up(draws: Draws, parts: list[np.ndarray] | None = None) -> Sums:
    """The moments of draws, of parts of its replicates if given."""
    cut = [draws if part is None else take(draws, part) for part in (parts or [None])]
    sums = merge(moments(variables(d, LEVEL)) for d in cut)
    return sums | merge(moments(centred(d, sums["estimate"].mean)) for d in cut)


def take(draws: Draws, rows: np.ndarray) -> Draws:
    return Draws(**{name: x[rows] for name, x in vars(draws).items()})


# ---- Monte Carlo standard errors, against many studies


@pytest.fixture(scope="module")
def many() -> tuple[Draws, Draws, Sums, Sums]:
    """3,000 studies of 400 replicates, by two methods."""
    a, b = toy(400, 3000, seed=1)
    return a, b, sum_up(a), sum_up(b)


def rms(x: np.ndarray) -> float:
    return float(np.sqrt((x**2).mean()))


@pytest.mark.parametrize("name", NAMES)
def test_the_monte_carlo_error_is_the_spread_over_many_studies(many, name):
    *_, sums, _ = many
    measure = MEASURES[name]
    assert rms(measure.mcse(sums)) == pytest.approx(measure.estimate(sums).std(ddof=1), rel=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_a_paired_difference_has_the_spread_of_differences_over_many_studies(many, name):
    a, b, sums_a, sums_b = many
    measure = MEASURES[name]
    difference = measure.estimate(sums_a) - measure.estimate(sums_b)
    influence = [
        measure.influence(variables(d, LEVEL) | centred(d, s["estimate"].mean), s)
        for d, s in ((a, sums_a), (b, sums_b))
    ]
    paired = rms(paired_mcse(Moments.of(influence[0] - influence[1])))
    assert paired == pytest.approx(difference.std(ddof=1), rel=0.05)
    unpaired = rms(unpaired_mcse(measure.mcse(sums_a), measure.mcse(sums_b)))
    if name == "failure_rate":  # the methods of the toy fail at random
        assert unpaired == pytest.approx(paired, rel=0.05)
    else:
        assert unpaired > 1.1 * paired


@pytest.mark.parametrize("name", NAMES)
def test_influence_values_give_the_monte_carlo_error(many, name):
    a, _, sums, _ = many
    measure = MEASURES[name]
    found = measure.influence(variables(a, LEVEL) | centred(a, sums["estimate"].mean), sums)
    assert rms(found.std(axis=0) / np.sqrt(len(found))) == pytest.approx(rms(measure.mcse(sums)), rel=0.02)
    assert rms(found.mean(axis=0)) < 0.01 * rms(found.std(axis=0))


def test_the_influence_on_the_relative_error_counts_standard_errors_that_go_with_estimates():
    """The published formula takes both as independent; where they are not, influence values still hold."""
    rng = np.random.default_rng(9)
    estimate = rng.normal(0, 1, (400, 2000))
    draws = inference(estimate, np.sqrt(0.5 + 0.5 * estimate**2), np.zeros_like(estimate), estimate * np.nan)
    sums, measure = sum_up(draws), MEASURES["relative_error"]
    spread = measure.estimate(sums).std(ddof=1)
    values = measure.influence(variables(draws, LEVEL), sums)
    assert rms(paired_mcse(Moments.of(values))) == pytest.approx(spread, rel=0.05)
    assert rms(measure.mcse(sums)) > 1.3 * spread


# ---- merging


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", NAMES)
def test_parts_that_are_merged_equal_all_at_once(name, seed):
    rng = np.random.default_rng(seed)
    draws, _ = toy(120, 6, seed)
    far = Draws(**{n: x if n in ("std_error", "p_value") else x + 1000 for n, x in vars(draws).items()})
    order, cuts = rng.permutation(120), np.sort(rng.integers(0, 121, size=rng.integers(1, 40)))
    parts = np.split(order, cuts)  # some of them empty, some of one replicate
    measure = MEASURES[name]
    for one in (draws, far):
        once, merged = sum_up(one), sum_up(one, parts)
        for number in (measure.estimate, measure.mcse):
            np.testing.assert_allclose(number(merged), number(once), rtol=1e-10)
        assert (measure.n(merged) == measure.n(once)).all()


def test_pooled_spreads_are_not_means_of_the_parts_spreads():
    """Where parts differ in their means, the whole varies more than any of them."""
    draws, _ = toy(200, 3, seed=2, missing=0.0)
    halves = [np.arange(100), np.arange(100, 200)]
    draws.estimate[halves[1]] += 5
    whole = sum_up(draws, halves)
    errors = draws.estimate - draws.truth
    np.testing.assert_allclose(MEASURES["emp_se"].estimate(whole), draws.estimate.std(axis=0, ddof=1))
    np.testing.assert_allclose(MEASURES["rmse"].estimate(whole), np.sqrt((errors**2).mean(axis=0)))
    parts = [MEASURES["rmse"].estimate(sum_up(take(draws, half))) for half in halves]
    assert (MEASURES["rmse"].estimate(whole) > 1.2 * np.mean(parts, axis=0)).all()


# ---- what is written is what is computed


def evaluate(formula: str, draws: Draws) -> float:
    """Compute a documented formula for a single cell, by its words alone."""
    flat = {name: x[:, 0] for name, x in vars(draws).items()}
    words = {
        "mean": np.mean, "sqrt": np.sqrt, "missing": np.isnan, "sd": lambda x: np.std(x, ddof=1),
        "var": lambda x: np.var(x, ddof=1), "cor": lambda x, y: np.corrcoef(x, y)[0, 1],
        "se": flat["std_error"], "R": len(flat["estimate"]), "level": LEVEL, **flat,
    }  # fmt: skip
    for name, measure in MEASURES.items():
        if name in formula:
            words[name] = evaluate(measure.formula, draws) if measure.formula != formula else np.nan
    return eval(formula.replace("^", "**"), {"__builtins__": {}}, words)


@pytest.mark.parametrize("name", NAMES)
def test_the_documented_formulas_are_the_ones_computed(name):
    draws, _ = toy(150, 1, seed=3, missing=0.1 if name == "failure_rate" else 0.0)
    sums, measure = sum_up(draws), MEASURES[name]
    assert measure.estimate(sums)[0] == pytest.approx(evaluate(measure.formula, draws), rel=1e-9)
    assert measure.mcse(sums)[0] == pytest.approx(evaluate(measure.mcse_formula, draws), rel=1e-9)


def test_the_documentation_is_up_to_date():
    page = Path(__file__).parents[1] / "docs" / "measures.md"
    assert page.read_text(encoding="utf-8") == document(), "run python -m mice_sim.study.measures > docs/measures.md"


def test_targets_follow_the_level():
    assert [MEASURES[name].target(0.8) for name in ("coverage", "be_coverage")] == [0.8, 0.8]
    assert [MEASURES[n].target(0.8) for n in ("bias", "relative_bias", "relative_error", "failure_rate")] == [0] * 4
    assert np.isnan([MEASURES[n].target(0.8) for n in ("theta", "emp_se", "model_se", "width", "rejection")]).all()


# ---- what others got wrong


def test_the_error_of_bias_counts_a_truth_that_moves():
    draws, _ = toy(500, 4, seed=4, missing=0.0)
    moving = dataclasses.replace(draws, truth=draws.truth + np.random.default_rng(1).normal(0, 3, draws.truth.shape))
    found = MEASURES["bias"].mcse(sum_up(moving))
    np.testing.assert_allclose(found, (moving.estimate - moving.truth).std(axis=0, ddof=1) / np.sqrt(500))
    assert (found > 3 * moving.estimate.std(axis=0, ddof=1) / np.sqrt(500)).all()


def test_a_missing_standard_error_takes_the_estimate_out_of_nothing_else():
    draws, _ = toy(100, 2, seed=5, missing=0.0)
    vague = dataclasses.replace(draws, std_error=draws.std_error.copy())
    vague.std_error[:30] = np.nan
    before, after = sum_up(draws), sum_up(vague)
    for name, measure in MEASURES.items():
        if name in ("model_se", "relative_error"):
            assert (measure.n(after) == 70).all()
        else:
            np.testing.assert_array_equal(measure.estimate(after), measure.estimate(before))
    model, empirical = (MEASURES[name].estimate(after) for name in ("model_se", "emp_se"))
    np.testing.assert_allclose(model, np.sqrt((draws.std_error[30:] ** 2).mean(axis=0)))
    np.testing.assert_allclose(MEASURES["relative_error"].estimate(after), 100 * (model / empirical - 1))


def test_one_replicate_has_a_bias_and_no_monte_carlo_error():
    sums = sum_up(toy(1, 1, seed=6, missing=0.0)[0])
    assert np.isfinite(MEASURES["bias"].estimate(sums)).all()
    assert np.isnan(MEASURES["bias"].mcse(sums)).all()
    assert np.isnan(MEASURES["emp_se"].estimate(sums)).all()


# ---- planning


def test_planning_inverts_the_formulas():
    assert replicates_for("coverage", 0.005, share=0.95) == 1900
    assert replicates_for("rejection", 0.01, share=0.5) == 2500
    assert replicates_for("bias", 0.01, sd=0.2) == 400
    assert replicates_for("emp_se", 0.02, sd=1.0) == 1251
    sums = sum_up(toy(200, 1, seed=7)[0])
    for name, measure in MEASURES.items():
        n, mcse = int(measure.n(sums)[0]), float(measure.mcse(sums)[0])
        assert replicates_for(name, mcse / 2, pilot=(n, mcse)) == pytest.approx(4 * n, abs=1)


@pytest.mark.parametrize(
    ("measure", "mcse", "given", "message"),
    [
        ("coverge", 0.01, {"share": 0.9}, "did you mean 'coverage'"),
        ("coverage", 0.0, {"share": 0.9}, "positive"),
        ("coverage", 0.01, {"sd": 0.9}, "give share or pilot"),
        ("bias", 0.01, {}, "give sd or pilot"),
        ("relative_error", 0.01, {"sd": 1.0}, "give pilot"),
    ],
)
def test_planning_says_what_it_lacks(measure, mcse, given, message):
    with pytest.raises(MiceSimError, match=message):
        replicates_for(measure, mcse, **given)


# ---- R's packages


@pytest.fixture(scope="module")
def r_measures() -> dict:
    """What rsimsum and simhelpers say: the output of oracles/measures.R."""
    return json.loads((ORACLES / "measures.json").read_text(encoding="utf-8"))


def r_sums(truth: str) -> dict[str, Sums]:
    """The moments of the oracle's methods, method a their reference."""
    data = pd.read_csv(ORACLES / "measures_data.csv")
    columns = {"estimate": "estimate", "truth": truth, "std_error": "std_error", "lower": "ci_lower",
               "upper": "ci_upper", "p_value": "p_value"}  # fmt: skip
    by_method = {m: d.set_index("replicate") for m, d in data.groupby("method")}
    reference = by_method["a"][["estimate"]].to_numpy()
    return {
        m: sum_up(Draws(reference=reference, **{f: d[[c]].to_numpy(dtype=float) for f, c in columns.items()}))
        for m, d in by_method.items()
    }


RSIMSUM = {"thetamean": "theta", "bias": "bias", "rbias": "relative_bias", "empse": "emp_se", "mse": "mse",
           "modelse": "model_se", "relerror": "relative_error", "relprec": "relative_precision", "cover": "coverage",
           "becover": "be_coverage", "power": "rejection"}  # fmt: skip


@pytest.mark.parametrize("truth", ["truth", "moving_truth"])
def test_measures_are_those_of_rsimsum(r_measures, truth):
    sums = r_sums(truth)
    rows = r_measures["rsimsum" if truth == "truth" else "moving"]
    assert r_measures["level"] == LEVEL
    compared = 0
    for row in rows:
        if row["stat"] in RSIMSUM:
            name, scale = RSIMSUM[row["stat"]], 100 if row["stat"] == "rbias" else 1
            measure = MEASURES[name]
            assert measure.estimate(sums[row["method"]])[0] == pytest.approx(scale * row["est"], rel=1e-9, abs=1e-9)
            # rsimsum takes sd(estimate) for the bias even where the truth moves.
            if row["mcse"] is not None and not (name == "bias" and truth == "moving_truth"):
                assert measure.mcse(sums[row["method"]])[0] == pytest.approx(scale * row["mcse"], rel=1e-9, abs=1e-6)
                compared += 1
    assert compared == 2 * (10 if truth == "truth" else 9)


SIMHELPERS = {"bias": "bias", "stddev": "emp_se", "mse": "mse", "rmse": "rmse", "coverage": "coverage",
              "width": "width", "rej_rate": "rejection"}  # fmt: skip
# simhelpers divides by R where we divide by R − 1, takes a jackknife for the standard deviation, and one about
# another centre than its own for the RMSE; the spread over many studies, above, is for ours.
OTHER_ERRORS = {"mse": 0.01, "stddev": None, "rmse": None}


@pytest.mark.parametrize("method", ["a", "b", "c"])
def test_measures_are_those_of_simhelpers_missing_values_too(r_measures, method):
    given, sums = r_measures["simhelpers"][method], r_sums("truth")[method]
    for theirs, name in SIMHELPERS.items():
        measure = MEASURES[name]
        assert measure.estimate(sums)[0] == pytest.approx(given[theirs], rel=1e-9)
        tolerance = OTHER_ERRORS.get(theirs, 1e-9)
        if tolerance:
            assert measure.mcse(sums)[0] == pytest.approx(given[f"{theirs}_mcse"], rel=tolerance)
    assert MEASURES["bias"].n(sums)[0] == given["K_absolute"]
    assert MEASURES["coverage"].n(sums)[0] == given["K_coverage"]
    assert MEASURES["relative_bias"].estimate(sums)[0] == pytest.approx(100 * (given["rel_bias"] - 1), rel=1e-9)
    assert MEASURES["relative_bias"].mcse(sums)[0] == pytest.approx(100 * given["rel_bias_mcse"], rel=1e-9)


# ---- stored studies

INFERENCE = ("estimate", "std_error", "df", "statistic", "p_value", "ci_lower", "ci_upper")


class Memory:
    """A store in memory: two sources, a linear model with terms x and z, means of x and z."""

    def __init__(self, replicates: int, seed: int, lost: tuple[int, ...] = (), failed: tuple[int, ...] = (), block=100):
        model = [("linear", term, s) for s in INFERENCE for term in "xz"]
        plain = [("means", term, "mean") for term in "xz"]
        self.rows = [(source, *row) for source in ("sample", "synthetic") for row in model + plain]
        self.numbers = np.array([r for r in range(replicates) if r not in lost])
        self.block = block
        shared = np.random.default_rng(1).normal(size=(replicates, len(self.rows) // 2))
        own = np.random.default_rng(seed).normal(size=(replicates, len(self.rows) // 2))
        values = np.concatenate([shared, shared + 0.5 * own], axis=1)
        for (source, analysis, term, statistic), column in zip(self.rows, values.T, strict=True):
            if analysis == "linear" and statistic == "estimate":
                std_error = 1 + 0.1 * np.abs(values[:, self.at(source, "linear", term, "std_error")])
                for name, x in (("std_error", std_error), ("ci_lower", column - 1.6 * std_error),
                                ("ci_upper", column + 1.6 * std_error), ("p_value", stdtr(9, column))):  # fmt: skip
                    values[:, self.at(source, "linear", term, name)] = x
        wrong = [i for i, row in enumerate(self.rows) if row[:2] == ("synthetic", "linear")]
        values[np.ix_(failed, wrong)] = np.nan
        self.values = values[self.numbers]

    def at(self, *row: str) -> int:
        return self.rows.index(row)

    def labels(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=["source", "analysis", "term", "statistic"])

    def original(self) -> pd.DataFrame:
        rows = self.labels().query("source == 'sample'").assign(source="original")
        return rows.assign(value=np.where(rows["term"] == "x", 0.25, 0.0)).astype({"term": "category"})

    def blocks(self, replicates: int):
        for start in range(0, replicates, self.block):
            chosen = (start <= self.numbers) & (self.numbers < min(start + self.block, replicates))
            if chosen.any():
                yield self.numbers[chosen], self.values[chosen], np.zeros_like(self.values[chosen])

    def column(self, *row: str) -> np.ndarray:
        return self.values[:, self.at(*row)]


def settings(**changes) -> dict:
    config = {
        "replicates": 250,
        "analysis": {"linear": {"kind": "linear"}, "means": {"kind": "descriptives"}},
        "pooling": {"level": 0.8},
        "measures": {"reference": None},
    }
    for key, value in changes.items():
        config["analysis"] = config["analysis"] | {key: config["analysis"][key] | {"truth": value}}
    return config


def pick(frame: pd.DataFrame, measure: str, source: str = "synthetic", analysis: str = "linear", term: str = "x"):
    found = frame[
        (frame["measure"] == measure) & (frame["source"] == source) & (frame["analysis"] == analysis)
        & (frame["term"] == term)
    ]  # fmt: skip
    assert len(found) == 1
    return found.iloc[0]


def test_performance_is_a_tidy_frame_of_all_measures():
    store = Memory(250, seed=2)
    frame = performance(store, settings())
    assert list(frame.columns) == COLUMNS
    assert set(frame["statistic"]) == {"estimate", "mean"}
    error = store.column("synthetic", "linear", "x", "estimate") - 0.25
    row = pick(frame, "bias")
    assert row["estimate"] == pytest.approx(error.mean())
    assert row["mcse"] == pytest.approx(error.std(ddof=1) / np.sqrt(250))
    assert (row["n"], row["target"]) == (250, 0)
    lower, upper = (store.column("synthetic", "linear", "x", f"ci_{side}") for side in ("lower", "upper"))
    assert pick(frame, "coverage")["estimate"] == ((lower <= 0.25) & (upper >= 0.25)).mean()
    assert set(frame.query("measure == 'coverage'")["target"]) == {0.8}
    centre = store.column("synthetic", "linear", "x", "estimate").mean()
    assert pick(frame, "be_coverage")["estimate"] == ((lower <= centre) & (upper >= centre)).mean()
    tested = store.column("synthetic", "linear", "x", "p_value")
    assert pick(frame, "rejection")["estimate"] == (tested < 1 - 0.8).mean()
    plain = {"theta", "bias", "relative_bias", "emp_se", "mse", "rmse", "relative_precision", "failure_rate"}
    assert set(frame.query("analysis == 'means' and source == 'synthetic' and term == 'x'")["measure"]) == plain
    assert "relative_bias" not in set(frame.query("term == 'z'")["measure"])  # its truth is 0


@pytest.mark.parametrize("zero", [0.0, -3e-17])
def test_a_truth_that_is_0_but_for_rounding_has_no_relative_bias(zero):
    frame = performance(Memory(250, seed=2), settings(linear={"x": zero, "z": 1e-4}))
    found = frame.query("analysis == 'linear' and measure == 'relative_bias'")
    assert found["term"].unique() == ["z"]
    assert (found["n"] == 250).all()


def test_precision_is_relative_to_the_sample_or_the_named_source():
    store = Memory(250, seed=2)
    one, other = (store.column(source, "linear", "x", "estimate") for source in ("sample", "synthetic"))
    found = pick(performance(store, settings()), "relative_precision")
    assert found["estimate"] == pytest.approx(100 * (one.var() / other.var() - 1))
    rho = np.corrcoef(one, other)[0, 1]
    assert found["mcse"] == pytest.approx(200 * one.var() / other.var() * np.sqrt((1 - rho**2) / 249))
    turned = performance(store, settings() | {"measures": {"reference": "synthetic"}})
    assert set(turned.query("measure == 'relative_precision'")["source"]) == {"sample"}
    with pytest.raises(MiceSimError, match="did you mean 'synthetic'"):
        performance(store, settings() | {"measures": {"reference": "sinthetic"}})


def test_the_truth_may_be_the_sample_or_given():
    store = Memory(250, seed=2)
    error = store.column("synthetic", "linear", "x", "estimate") - store.column("sample", "linear", "x", "estimate")
    frame = performance(store, settings(linear="sample"))
    assert pick(frame, "bias")["mcse"] == pytest.approx(error.std(ddof=1) / np.sqrt(250))
    assert pick(frame, "bias")["estimate"] == pytest.approx(error.mean())
    assert pick(frame, "bias", analysis="means")["estimate"] != pytest.approx(error.mean())
    given = performance(store, settings(linear={"z": 3.0}))
    expected = store.column("synthetic", "linear", "z", "estimate").mean() - 3
    assert pick(given, "bias", term="z")["estimate"] == pytest.approx(expected)
    assert pick(given, "bias", analysis="means", term="z")["estimate"] == pytest.approx(
        store.column("synthetic", "means", "z", "mean").mean()
    )
    assert given.query("analysis == 'linear' and measure == 'bias'")["term"].unique() == ["z"]
    with pytest.raises(MiceSimError, match=r"analysis\.linear\.truth names 'y'"):
        performance(store, settings(linear={"y": 3.0}))
    with pytest.raises(MiceSimError, match="reference, sample, or a number a term"):
        performance(store, settings(linear="original"))


def test_failures_are_counted_by_source_and_analysis():
    frame = performance(Memory(250, seed=2, lost=(4, 5), failed=tuple(range(10, 40))), settings())
    rate = pick(frame, "failure_rate")
    assert (rate["n"], rate["estimate"]) == (248, pytest.approx(30 / 248))
    assert rate["mcse"] == pytest.approx(np.sqrt(30 / 248 * 218 / 248 / 248))
    assert pick(frame, "failure_rate", source="sample")["estimate"] == 0
    assert pick(frame, "failure_rate", analysis="means")["estimate"] == 0
    assert (pick(frame, "bias")["n"], pick(frame, "bias", source="sample")["n"]) == (218, 248)


def test_an_analysis_that_always_fails_has_its_failure_rate_and_nothing_else():
    frame = performance(Memory(250, seed=2, failed=tuple(range(250))), settings())
    assert set(frame.query("source == 'synthetic' and analysis == 'linear'")["measure"]) == {"failure_rate"}
    assert pick(frame, "failure_rate")["estimate"] == 1


def test_blocks_change_no_measure():
    frames = [performance(Memory(250, seed=2, failed=(3, 77), block=block), settings()) for block in (250, 100, 10)]
    for other in frames[1:]:
        pd.testing.assert_frame_equal(other, frames[0], rtol=1e-10)


def test_memory_does_not_grow_with_replicates():
    peaks = []
    for replicates in (1000, 10000):
        store = Memory(replicates, seed=2)
        tracemalloc.start()
        performance(store, settings() | {"replicates": replicates})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 300_000  # the draws of 9,000 replicates take 4 MB


def test_studies_are_compared_over_the_replicates_that_both_have_paired_by_number():
    a, b = Memory(250, seed=2, lost=(0, 7)), Memory(230, seed=3, lost=(100, 101), failed=(50,))
    frame = compare(a, settings(), b, settings())
    assert list(frame.columns) == COMPARED
    common = [r for r in range(230) if r not in (0, 7, 100, 101)]
    one, other = (
        pd.Series(s.column("synthetic", "linear", "z", "estimate"), s.numbers).reindex(common) for s in (a, b)
    )
    row = pick(frame, "theta", term="z")
    assert (row["a"], row["b"]) == (pytest.approx(one.mean()), pytest.approx(other.mean()))
    assert row["difference"] == pytest.approx(one.mean() - other.mean())
    assert row["mcse"] == pytest.approx((one - other).std() / np.sqrt(226), rel=0.02)
    assert row["unpaired"] == pytest.approx(np.hypot(one.sem(), other.sem()))
    assert row["ratio"] == pytest.approx(row["unpaired"] / row["mcse"])
    assert row["ratio"] > 1.5
    same = frame.query("source == 'sample'")  # both studies drew the same samples
    assert (same["difference"] == 0).all()
    assert (same["mcse"].fillna(0) < 1e-12).all()


def test_studies_without_anything_in_common_are_refused():
    a, b = Memory(20, seed=2, lost=tuple(range(10))), Memory(10, seed=2)
    with pytest.raises(MiceSimError, match="no replicate in common"):
        compare(a, settings(), b, settings())


def test_estimates_of_single_replicates():
    store = Memory(250, seed=2, lost=(1,))
    frame = replicate_estimates(store, settings(linear="sample"), "linear")
    assert list(frame.columns) == ["replicate", "source", "term", "estimate", "std_error", "ci_lower", "ci_upper",
                                   "p_value", "truth"]  # fmt: skip
    assert len(frame) == 249 * 4
    one = frame.query("source == 'synthetic' and term == 'z'").set_index("replicate")
    assert list(one.index) == list(store.numbers)
    for column in ("estimate", "std_error", "ci_lower", "ci_upper", "p_value"):
        np.testing.assert_array_equal(one[column], store.column("synthetic", "linear", "z", column))
    np.testing.assert_array_equal(one["truth"], store.column("sample", "linear", "z", "estimate"))
    plain = replicate_estimates(store, settings(), "means", "mean")
    assert plain["std_error"].isna().all()
    assert set(plain["truth"]) == {0.25, 0.0}
    with pytest.raises(MiceSimError, match="did you mean 'linear'"):
        replicate_estimates(store, settings(), "liner")
    with pytest.raises(MiceSimError, match="statistic 'estimate'"):
        replicate_estimates(store, settings(), "means")


def test_performance_and_the_tables_of_the_paper_agree(tmp_path):
    study = Study.run(["experiment=volker_vink_2021", "replicates=8", "execution=serial"], tmp_path)
    frame = performance(study.store, study.config.to_mapping())
    keys = ["source", "analysis", "term"]
    coverage = study.summary.coverage.dropna(subset="coverage").set_index(keys)["coverage"]
    assert len(coverage) == 34
    found = frame.query("measure == 'coverage'").set_index(keys)["estimate"]
    pd.testing.assert_series_equal(found.sort_index(), coverage.sort_index(), check_names=False)
    rows = study.summary.rows.query("statistic in ['estimate', 'mean', 'correlation', 'count']").set_index(keys)
    for measure, expected in (("theta", rows["mean"]), ("bias", rows["mean"] - rows["truth"]), ("emp_se", rows["sd"])):
        found = frame.query(f"measure == '{measure}' and statistic in ['estimate', 'mean', 'correlation', 'count']")
        found = found.set_index(keys)["estimate"]
        np.testing.assert_allclose(found, expected.reindex(found.index), rtol=1e-9, atol=1e-9)
