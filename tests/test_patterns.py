"""Patterns of missing values and convergence of chains, against mice's own numbers."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES

from mice_sim import MiceSimError, load_dataset
from mice_sim.assessment import autocorrelation, convergence, flux, md_pairs, md_pattern, rhat

R = json.loads((ORACLES / "patterns.json").read_text(encoding="utf-8"))


def numbers(nested) -> np.ndarray:
    return np.array(nested, dtype=float)  # None becomes NaN


def data(name: str) -> pd.DataFrame:
    given = R["data"][name]
    return pd.DataFrame(np.where(numbers(given["missing"]) == 1, np.nan, 1), columns=given["columns"])


# ---- patterns


@pytest.mark.parametrize("name", R["data"])
def test_patterns_are_those_of_mice(name):
    ours, theirs = md_pattern(data(name)), R["patterns"][name]
    assert list(ours.columns) == [*theirs["columns"], "missing"]
    assert list(ours.index) == [*theirs["rows"], "missing"]
    assert ours.to_numpy().tolist() == theirs["matrix"]


@pytest.mark.parametrize("name", R["data"])
def test_pairs_are_those_of_mice(name):
    frame = data(name)
    ours, theirs = md_pairs(frame), R["pairs"][name]
    for part in ("rr", "rm", "mr", "mm"):
        counts = getattr(ours, part)
        assert counts.to_numpy().tolist() == theirs[part]
        assert list(counts.index) == list(counts.columns) == list(frame.columns)
    assert (ours.rr + ours.rm + ours.mr + ours.mm == len(frame)).all(axis=None)


@pytest.mark.parametrize("name", R["data"])
def test_flux_is_that_of_mice(name):
    ours, theirs = flux(data(name)), R["flux"][name]
    assert list(ours.columns) == list(theirs)
    for column, values in theirs.items():
        np.testing.assert_allclose(ours[column], numbers(values), rtol=0, atol=1e-12)


def test_any_types_have_patterns(boys):
    frame = pd.DataFrame({"text": ["a", None, "b"], "day": pd.to_datetime(["2020-01-01", None, None]), 3: [1, 2, 3]})
    assert md_pattern(frame).to_numpy().tolist() == [[1, 1, 1, 0], [1, 1, 0, 1], [1, 0, 0, 2], [0, 1, 2, 3]]
    assert list(md_pattern(frame).columns) == [3, "text", "day", "missing"]
    assert md_pattern(load_dataset("boys")).to_numpy().tolist() == R["patterns"]["boys"]["matrix"]
    assert list(md_pattern(boys).index) == [748, "missing"]
    assert md_pattern(boys[["age"]]).to_numpy().tolist() == [[1, 0], [0, 0]]
    one = flux(pd.DataFrame({"x": [1, np.nan]}))
    np.testing.assert_allclose(one.to_numpy(), [[0.5, 0, 0, 0, 0, 0]])


@pytest.mark.parametrize("ask", [md_pattern, md_pairs, flux])
def test_what_is_no_data_has_no_patterns(ask):
    with pytest.raises(MiceSimError, match="must be a pandas DataFrame, not ndarray"):
        ask(np.eye(2))
    with pytest.raises(MiceSimError, match="The data is empty"):
        ask(pd.DataFrame({"x": []}))


# ---- convergence


def result(case: dict) -> SimpleNamespace:
    chain = SimpleNamespace(**{case["parameter"][0]: numbers(case["chains"])})
    return SimpleNamespace(chain=chain, original=SimpleNamespace(names=case["names"]))


@pytest.mark.parametrize("number", range(len(R["chains"])))
def test_convergence_is_that_of_mice(number):
    case = R["chains"][number]
    ours = convergence(result(case), case["parameter"][0])
    iterations = len(case["ac"][0])
    assert list(ours["variable"]) == list(np.repeat(case["names"], iterations))
    assert list(ours["iteration"]) == [*range(1, iterations + 1)] * len(case["names"])
    np.testing.assert_allclose(ours["ac"], numbers(case["ac"]).ravel(), rtol=0, atol=1e-8)
    theirs = numbers(case["psrf"])
    theirs[:, :3] = np.nan  # see the notes of `convergence`
    np.testing.assert_allclose(ours["rhat"], theirs.ravel(), rtol=0, atol=1e-8)


def test_r_takes_iterations_for_chains_before_there_are_four():
    # Why we say NaN there: mice's number is R-hat of the transposed halves.
    case = R["chains"][3]
    chains, theirs = numbers(case["chains"])[1], numbers(case["psrf"])[1]
    assert theirs[1] == pytest.approx(_unsplit(chains[:2].T), abs=1e-8)
    assert theirs[2] == pytest.approx(_unsplit(chains[[0, 2]].T, np.median(chains[:3])), abs=1e-8)


def _unsplit(chains: np.ndarray, median: float | None = None) -> float:
    from scipy.special import ndtri
    from scipy.stats import rankdata

    def one(values: np.ndarray) -> float:
        z = ndtri((rankdata(values).reshape(values.shape) - 0.5) / values.size)
        n = len(z)
        return np.sqrt((n - 1) / n + z.mean(axis=0).var(ddof=1) / z.var(axis=0, ddof=1).mean())

    return max(one(chains), one(np.abs(chains - (np.median(chains) if median is None else median))))


def test_converged_chains_have_rhat_one_and_no_autocorrelation():
    draws = np.random.default_rng(1).normal(size=(2000, 5))
    assert rhat(draws) == pytest.approx(1, abs=0.005)
    assert autocorrelation(draws) == pytest.approx(0, abs=4 / np.sqrt(2000 * 4))
    assert rhat(draws + np.arange(5)) > 1.5
    assert rhat(draws * [1, 1, 1, 1, 9]) > 1.1
    assert autocorrelation(draws + 10 * np.arange(5)) > 0.95


def test_rhat_knows_only_ranks():
    draws = np.random.default_rng(2).normal(size=(20, 3))
    draws[:, 1] += 1
    draws[0, 0] = draws.max() + 10
    known = rhat(draws)
    assert rhat(draws * 1e150) == pytest.approx(known, abs=1e-12)
    assert rhat(draws * 1e-150) == pytest.approx(known, abs=1e-12)
    draws[0, 0] *= 1000
    assert rhat(draws) == pytest.approx(known, abs=1e-12)


@pytest.mark.parametrize("chains", [np.ones((9, 3)), np.full((9, 3), np.nan), np.eye(3)])
def test_without_chains_to_compare_rhat_is_nan(chains):
    assert np.isnan(rhat(chains))


def test_chains_that_agree_have_no_autocorrelation():
    assert autocorrelation(np.full((4, 3), 0.1)) == 0
    assert np.isnan(autocorrelation(np.ones((1, 3))))
    assert np.isnan(autocorrelation(np.ones((3, 1))))


@pytest.mark.parametrize(
    ("shape", "parameter", "words"),
    [
        ((1, 2, 5), "mean", "and these are 5 and 2; raise m or maxit"),
        ((1, 5, 1), "mean", "and these are 1 and 5; raise m or maxit"),
        ((1, 5, 5), "median", "no parameter 'median' of chains; choose 'mean' or 'sd'"),
    ],
)
def test_too_little_to_judge_is_said_in_one_sentence(shape, parameter, words):
    chain = SimpleNamespace(mean=np.ones(shape), sd=np.ones(shape))
    with pytest.raises(MiceSimError, match=words):
        convergence(SimpleNamespace(chain=chain, original=SimpleNamespace(names=["x"])), parameter)


def test_sets_that_were_not_iterated_have_no_chains():
    with pytest.raises(MiceSimError, match="no chains that could converge"):
        convergence(SimpleNamespace(chain=None))
