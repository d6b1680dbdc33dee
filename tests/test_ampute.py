"""The front door of amputation, in the terms of mice's `ampute`, and amputation by odds."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES, quantiles
from scipy.stats import rankdata

from mice_sim import MiceSimError
from mice_sim.data import Table
from mice_sim.data.ampute import Amputation, grouped
from mice_sim.data.ampute import ampute as ampute_table
from mice_sim.data.amputed import ampute

R = json.loads((ORACLES / "patterns.json").read_text(encoding="utf-8"))
ONE = [0, 1, 1, 1]  # a goes missing


@pytest.fixture(scope="module")
def normal() -> pd.DataFrame:
    return quantiles()


# ---- odds


ODDS = {
    "default": {"patterns": ONE, "weights": [0, 1, 0, 0]},
    "middle": {"patterns": ONE, "weights": [0, 2, 0, 1]},
    "cells": {"patterns": [0, 0, 1, 1], "weights": [0, 0, 1, 0], "bycases": False},
}


@pytest.mark.parametrize("name", ODDS)
def test_odds_make_values_missing_as_in_r(normal, name):
    assert np.abs(odds_z(normal, name)).max() < 4


def odds_z(normal: pd.DataFrame, name: str) -> np.ndarray:
    """Return the z of the shares of missing values by fifths of b, of rows and of cells."""
    theirs = R["odds"][name]
    fifth = np.ceil(5 * rankdata(normal["b"]) / 997).astype(int)
    seen = []
    for seed in range(150):
        made = ampute(normal, theirs["prop"][0], cont=False, odds=theirs["odds"], seed=seed, **ODDS[name]).amp
        missing = made.isna()
        seen.append([*missing["a"].groupby(fifth).mean(), missing.any(axis=1).mean(), missing.to_numpy().mean()])
    se = np.hypot(np.std(seen, axis=0) / np.sqrt(150), theirs["se"])
    return (np.mean(seen, axis=0) - theirs["mean"]) / se


def test_probabilities_are_proportional_to_the_odds_and_meet_the_proportion(normal):
    made = ampute(normal, 0.4, patterns=ONE, weights=[0, 1, 0, 0], cont=False)
    quarter = np.searchsorted(np.quantile(normal["b"], [0.25, 0.5, 0.75]), normal["b"])
    by_quarter = made.probability.groupby(quarter).agg(["min", "max"])
    assert (by_quarter["min"] == by_quarter["max"]).all()
    np.testing.assert_allclose(by_quarter["min"] / by_quarter["min"].iloc[0], [1, 2, 3, 4], rtol=1e-12)
    assert made.probability.mean() == pytest.approx(0.4, abs=1e-12)


@pytest.mark.parametrize("odds", [[1, 2, 3, 4], [0, 1], [9, 0, 0, 1], [1, 1000], [0.2, 5, 5, 0.1, 3]])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_the_others_make_up_for_a_group_that_can_only_be_missing(odds, share):
    scores = np.random.default_rng(1).normal(size=997 * 4)
    reach = np.mean(np.array(odds) > 0)
    probability = grouped(scores, odds, share * reach)
    assert probability.mean() == pytest.approx(share * reach, abs=1e-3 if reach < 1 else 1e-12)
    assert (probability >= 0).all()
    assert (probability <= 1).all()
    below = probability[(probability > 0) & (probability < 1)]
    weights = np.array(odds)[np.searchsorted(np.quantile(scores, np.arange(1, len(odds)) / len(odds)), scores)]
    assert np.ptp(below / weights[(probability > 0) & (probability < 1)]) < 1e-12
    assert (probability[weights == 0] == 0).all()


def test_equal_scores_are_one_group():
    assert (grouped(np.ones(7), [0, 1], 0.3) == 0.3).all()
    few = grouped(np.array([0.0, 0, 0, 0, 1, 1, 1, 1]), [1, 2, 3, 4], 0.3)
    assert few.reshape(2, 4).tolist() == [[few[0]] * 4, [few[4]] * 4]
    assert few.mean() == pytest.approx(0.3)


def test_odds_of_patterns_may_differ_in_length(normal):
    matrix = np.array([[1, 2, np.nan], [1, 1, 1], [2, 3, np.nan], [1, 4, 9]])
    made = ampute(normal, odds=matrix, cont=False, mech="MNAR")
    assert made.odds == ((1, 2), (1, 1, 1), (2, 3), (1, 4, 9))
    assert made.type is None
    assert ampute(normal, odds=pd.DataFrame(matrix), cont=False).odds == made.odds
    assert ampute(normal, cont=False).odds == ((1, 2, 3, 4),) * 4
    assert ampute(normal, cont=False, mech="MCAR").odds is None


# ---- what comes out


def test_scores_are_those_of_r(normal):
    wide, weights = normal.assign(c=10 * normal["c"]), R["scores"]["weights"]
    for std, theirs in ((True, "standardised"), (False, "raw")):
        scores = ampute(wide, patterns=ONE, weights=weights, std=std).scores
        np.testing.assert_allclose(scores, R["scores"][theirs], atol=1e-8)


def test_the_result_says_how_it_came_about(normal):
    frame = normal.set_axis([f"row {i}" for i in range(997)])
    made = ampute(frame, 0.6, [[0, 1, 1, 1], [1, 0, 0, 1]], [3, 1], type=["TAIL", "LEFT"], seed=7)
    pd.testing.assert_frame_equal(made.data, frame)
    missing = made.amp.isna()
    assert made.amp.index.equals(frame.index)
    assert made.amp[~missing].equals(frame[~missing])
    assert made.prop == 0.6
    assert made.freq.tolist() == [0.75, 0.25]
    assert made.patterns.to_numpy().tolist() == [[0, 1, 1, 1], [1, 0, 0, 1]]
    assert made.weights.equals(made.patterns.astype(float))
    assert made.type == ("TAIL", "LEFT")
    hit = missing.any(axis=1)
    assert (missing[hit].to_numpy() == (made.patterns.loc[made.cand[hit]].to_numpy() == 0)).all()
    assert hit.mean() == pytest.approx(0.6, abs=4 * np.sqrt(0.24 / 997))
    for pattern in (1, 2):
        scores = made.scores[made.cand == pattern]
        assert (scores.mean(), scores.std()) == pytest.approx((0, 1))
        assert made.probability[made.cand == pattern].mean() == pytest.approx(0.6)
    assert repr(made) == f"<Amputed: MAR, 2 patterns, {hit.sum()} of 997 rows incomplete>"


def test_the_result_can_be_changed_and_used_again(normal):
    first = ampute(normal, seed=1)
    again = ampute(normal, patterns=first.patterns, freq=first.freq, weights=first.weights, type=first.type, seed=1)
    pd.testing.assert_frame_equal(first.amp, again.amp)
    patterns, weights = first.patterns[["d", "c", "b", "a"]].copy(), first.weights.copy()
    patterns.loc[1, "b"], weights.loc[1, "b"] = 0, 0
    changed = ampute(normal, patterns=patterns, weights=weights)
    assert changed.patterns.loc[1].tolist() == [0, 0, 1, 1]
    assert changed.weights.loc[1].tolist() == [0, 0, 1, 1]


def test_patterns_may_be_named(normal):
    for patterns in ([["a"], ["b", "c"]], [[0, 1, 1, 1], [1, 0, 0, 1]], np.array([[0, 1, 1, 1], [1, 0, 0, 1]])):
        made = ampute(normal, patterns=patterns, weights=[{"b": 1, "c": -2}, {"d": 1}], seed=3)
        assert made.patterns.to_numpy().tolist() == [[0, 1, 1, 1], [1, 0, 0, 1]]
        assert made.weights.to_numpy().tolist() == [[0, 1, -2, 0], [0, 0, 0, 1]]


def test_a_study_amputes_the_same_values(normal):
    made = ampute(normal, 0.3, [["a"], ["b", "c"]], [1, 2], "MNAR", type="MID", seed=5)
    from mice_sim import streams

    options = {"proportion": 0.3, "patterns": [["a"], ["b", "c"]], "frequencies": [1, 2], "mechanism": "MNAR"}
    table = ampute_table(Table.from_pandas(normal), streams.stream(5, "amputation"), types="MID", **options)
    pd.testing.assert_frame_equal(made.amp, table.to_pandas())


def test_a_seed_makes_the_same_values_missing_and_a_higher_proportion_more(normal):
    some, same, more, other = (
        ampute(normal, p, seed=s).amp.isna() for p, s in ((0.3, 1), (0.3, 1), (0.5, 1), (0.3, 2))
    )
    assert some.equals(same)
    assert (some <= more).all(axis=None)
    assert not some.equals(other)
    assert not ampute(normal).amp.isna().equals(ampute(normal).amp.isna())


def test_the_proportion_of_cells_becomes_one_of_rows(normal):
    made = ampute(normal, 0.2, [["a"], ["b", "c", "d"]], [1, 3], bycases=False, mech="MCAR")
    assert made.prop == pytest.approx(0.2 * 4 / (0.25 * 1 + 0.75 * 3))
    assert np.isnan(made.scores).all()
    assert made.weights is None


def test_factors_stay_factors(boys):
    frame = boys.assign(old=boys["age"] > 10, whole=np.arange(748))
    made = ampute(frame, 0.9, seed=1).amp
    assert {name: str(made[name].dtype) for name in ("gen", "reg", "old", "whole")} == {
        "gen": "category", "reg": "category", "old": "boolean", "whole": "float64"
    }  # fmt: skip
    assert made["gen"].dtype == boys["gen"].dtype
    kinds = {column.name: column.kind for column in Table.from_pandas(made).columns}
    assert (kinds["gen"], kinds["reg"], kinds["old"]) == ("ordered", "unordered", "binary")
    same = made.notna()
    assert (made["old"][same["old"]] == frame["old"][same["old"]]).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"odds": [1, 2]}, "Odds count only where missingness is not continuous in the score; add cont=False"),
        ({"cont": False, "type": "LEFT"}, "leave out cont or type"),
        ({"cont": False, "odds": [[1, 2]] * 3}, "or such a list for each of the 4 patterns"),
        ({"cont": False, "odds": [1, -2]}, "The odds are [1, -2]; write numbers from 0"),
        ({"cont": False, "odds": "high"}, "The odds are 'high'"),
        ({"cont": False, "odds": [0, 0]}, "let at most 0 of the rows become incomplete"),
        ({"cont": False, "odds": [1, 0, 0, 1], "prop": 0.6}, "let at most 0.5 of the rows become incomplete, not 0.6"),
        ({"prop": 0.5, "bycases": False}, "these patterns can remove less than 0.25 of them"),
        ({"patterns": [1, 1, 1, 1]}, "A pattern has only ones, so nothing goes missing"),
        ({"patterns": [0, 1, 2, 1]}, "other numbers than 0 (goes missing) and 1 (stays)"),
        ({"patterns": [0, 1, 1]}, "The patterns are not a matrix with a row a pattern and 4 columns"),
        ({"patterns": [[0, 1], [1]]}, "The patterns are not a matrix"),
        ({"patterns": pd.DataFrame({"a": [0], "z": [1]})}, "The patterns have columns ['a', 'z'], the data ['a', 'b'"),
        ({"patterns": ONE, "weights": [1, 1, 1, 1]}, "Column 'a' is weighed in a pattern that removes it"),
        ({"weights": "b"}, "The weights are not a matrix"),
        ({"mech": "MCAR", "weights": np.ones((4, 4))}, "Weights have no part in MCAR"),
        ({"mech": "MARR"}, "no missing data mechanism 'MARR'; did you mean 'MAR'?"),
    ],
)  # fmt: skip
def test_what_can_not_work_is_refused_in_one_sentence(normal, options, words):
    with pytest.raises(MiceSimError) as caught:
        ampute(normal, **options)
    assert words in str(caught.value)
    assert str(caught.value)[-1] in ".?"


def test_incomplete_data_are_refused(normal):
    with pytest.raises(MiceSimError, match="has missing values; complete it first"):
        ampute(ampute(normal).amp)


def test_studies_have_odds_and_cells_too(normal):
    columns = Table.from_pandas(normal).columns
    amputation = Amputation.of(columns, proportion=0.1, odds=[1, 3], by_cases=False, standardise=False)
    assert amputation.odds == ((1, 3),) * 4
    assert amputation.proportion == pytest.approx(0.4)
    with pytest.raises(MiceSimError, match="Odds have no part in MCAR"):
        Amputation.of(columns, mechanism="MCAR", odds=[1, 2])
