"""Random forests draw what mice draws by ranger, from donors that share a leaf."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES

from mice_sim import MiceSimError
from mice_sim.data import Table
from mice_sim.synthesis.design import Design
from mice_sim.synthesis.kernels import forest as kernel
from mice_sim.synthesis.methods import Predictors, Target
from mice_sim.synthesis.methods.rf import FittedForest, RandomForest
from mice_sim.synthesis.state import WorkingState


def look(table: Table, target: str, predictors: list[str], rows: np.ndarray | None = None) -> tuple[Target, Predictors]:
    state = WorkingState(table, Design.of(table.columns))
    j = table.index(target)
    keep = state.design.mask(np.isin(table.names, predictors))
    rows = np.arange(table.n_rows) if rows is None else rows
    y = Target(table.columns[j], table.values[j], rows.astype(np.uint32))
    return y, Predictors(state, keep, y.rows, np.zeros_like(keep))


def others(table: Table, *names: str) -> list[str]:
    return [name for name in table.names if name not in names]


# ---- against mice


@pytest.fixture(scope="module")
def stored() -> dict:
    return json.loads((ORACLES / "forest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def data(stored) -> Table:
    return table_of(stored)


def table_of(stored: dict) -> Table:
    frame = pd.DataFrame(stored["data"])
    levels = {"f": list("abcd"), "g": [f"g{i}" for i in range(1, 6)], "class": ["k1", "k2", "k3"]}
    kinds = {name: pd.CategoricalDtype(known, ordered=name == "g") for name, known in levels.items()}
    return Table.from_pandas(frame.astype(kinds))


def forest_scores(data: Table, stored: dict, target: str, method: RandomForest) -> np.ndarray:
    """Of each of 600 forests and each recipient, over 40 draws: the share of own values, and the mean or the shares."""
    y, X = look(data, target, others(data, "y", "class"))
    rows = np.array(stored["recipients"])
    X_drawn = X.at(np.repeat(rows, stored["draws"]).astype(np.uint32))
    scores = [lambda v, k=k: v == k for k in range(3)] if target == "class" else [lambda v: v]
    rng, found = np.random.default_rng(20240301), []
    for _ in range(stored["forests"]):
        drawn = method.fit(y, X, rng).draw(X_drawn, rng).reshape(rows.size, -1)
        own = (drawn == y.values[rows, None]).mean(axis=1)
        found.append([own, *(score(drawn).mean(axis=1) for score in scores)])
    return np.array(found)


@pytest.mark.parametrize(("setting", "target", "ntree"), [
    ("y", "y", 10), ("y_ntree1", "y", 1), ("class", "class", 10), ("class_ntree3", "class", 3),
])  # fmt: skip
def test_means_and_spread_over_forests_are_those_of_mice(data, stored, setting, target, ntree):
    assert np.abs(forest_z(data, stored, setting, target, ntree)).max() < 4


def forest_z(data: Table, stored: dict, setting: str, target: str, ntree: int) -> np.ndarray:
    """600 forests each; the error of a standard deviation allows for a kurtosis of 7."""
    ours = forest_scores(data, stored, target, RandomForest(ntree=ntree))
    theirs = {name: np.array(values) for name, values in stored[setting].items()}
    mean, sd, n = ours.mean(axis=0), ours.std(axis=0, ddof=1), stored["forests"]
    both = np.sqrt((sd**2 + theirs["sd"] ** 2) / n) + 1e-9
    return np.array([(mean - theirs["mean"]) / both, (sd - theirs["sd"]) / (both * np.sqrt(6 / 4))])


# ---- what needs no oracle


def leaf_of(fitted: FittedForest, b: int, matrix: np.ndarray) -> np.ndarray:
    """The leaf of each row of a design matrix in tree b, walked down here; columns are those of the whole design."""
    leaves = np.empty(len(matrix), int)
    for i, x in enumerate(matrix):
        t = fitted.root[b]
        while fitted.left[t] >= 0:
            t = fitted.left[t] + (x[fitted.column[t]] >= fitted.cut[t])
        leaves[i] = t
    return leaves


@pytest.mark.parametrize("target", ["hgt", "gen"])
def test_donors_are_all_fit_rows_in_the_leaf_once_for_every_tree(truth, target):
    fit, row = np.arange(0, 748, 2), np.array([1])
    y, X = look(truth, target, others(truth, target), fit)
    fitted = RandomForest(ntree=3).fit(y, X, np.random.default_rng(1))
    rows = np.append(fit, row)
    matrix = X.state.design_matrix(np.ones(X.keep.size, bool), rows.astype(np.uint32))
    leaves = [leaf_of(fitted, b, matrix) for b in range(3)]
    donors = np.concatenate([fit[leaf[:-1] == leaf[-1]] for leaf in leaves])
    values, counts = np.unique(y.values[donors], return_counts=True)
    n = 20_000
    drawn = fitted.draw(X.at(np.repeat(row, n).astype(np.uint32)), np.random.default_rng(2))
    found, frequency = np.unique(drawn, return_counts=True)
    assert found.tolist() == values.tolist()
    p = counts / counts.sum()
    assert np.abs(frequency - n * p).max() < 4 * np.sqrt(n * 0.25)


def test_without_predictors_donors_are_all_fit_rows(truth):
    y, X = look(truth, "age", [], np.arange(20))
    fitted = RandomForest().fit(y, X, np.random.default_rng(1))
    drawn = fitted.draw(X.at(np.zeros(2000, np.uint32)), np.random.default_rng(2))
    assert set(drawn) == set(y.observed)


def test_the_same_stream_gives_the_same_forest_and_another_one_another(truth):
    y, X = look(truth, "hgt", ["age", "reg"])
    one, same, other = (RandomForest().fit(y, X, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(same).values(), strict=True))
    assert one.cut.size != other.cut.size or (one.cut != other.cut).any()


@pytest.mark.parametrize("target", ["hgt", "gen", "reg"])
def test_growing_subtrees_on_copies_changes_nothing(truth, target, monkeypatch):
    y, X = look(truth, target, others(truth, target), np.arange(0, 748, 2))
    usual = RandomForest(ntree=2).fit(y, X, np.random.default_rng(1))
    monkeypatch.setattr(kernel, "PACKED", 40)
    packed = RandomForest(ntree=2).fit(y, X, np.random.default_rng(1))
    assert all(np.array_equal(a, b) for a, b in zip(vars(usual).values(), vars(packed).values(), strict=True))


@pytest.mark.parametrize("scale", [1e-200, 1e160, 1e300])
def test_huge_and_tiny_numbers_get_the_same_forest(truth, scale):
    y, X = look(truth, "hgt", ["age", "reg"])
    scaled = Target(y.column, y.values * 2.0 ** round(np.log2(scale)), y.rows)
    one, other = (RandomForest(ntree=2).fit(target, X, np.random.default_rng(1)) for target in (y, scaled))
    assert (one.cut == other.cut).all()
    assert np.isfinite(other.donors).all()


@pytest.mark.parametrize("target", ["hgt", "gen"])
def test_one_fit_row_is_the_only_donor(truth, target):
    y, X = look(truth, target, ["age", "reg"], np.array([3]))
    drawn = (
        RandomForest()
        .fit(y, X, np.random.default_rng(1))
        .draw(X.at(np.arange(9, dtype=np.uint32)), np.random.default_rng(2))
    )
    assert (drawn == y.values[3]).all()


def test_a_node_of_min_node_size_is_not_split_and_a_larger_one_is(truth):
    y, X = look(truth, "hgt", ["age", "wgt", "hc"])
    whole = RandomForest(ntree=1, min_node_size=748).fit(y, X, np.random.default_rng(1))
    assert whole.left.tolist() == [-1]
    assert RandomForest(ntree=1, min_node_size=747).fit(y, X, np.random.default_rng(1)).left.tolist() == [1, -1, -1]


def test_a_node_is_split_although_the_split_gains_nothing_as_in_ranger():
    x, classes = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0, 1, 0, 1])
    samples = np.array(list(itertools.product(range(4), repeat=4)))
    can_split = [len(set(x[s])) == 2 and len(set(classes[s])) == 2 for s in samples]
    table = Table.from_pandas(pd.DataFrame({"x": x, "y": pd.Categorical.from_codes(classes, ["a", "b"])}))
    y, X = look(table, "y", ["x"])
    trees = RandomForest(ntree=4000).fit(y, X, np.random.default_rng(1))
    assert (trees.left[trees.root] >= 0).mean() == pytest.approx(np.mean(can_split), abs=0.03)


@pytest.mark.parametrize("options", [{"ntree": 0}, {"mtry": 1.5}, {"min_node_size": True}])
def test_options_that_are_no_whole_numbers_are_refused(options):
    with pytest.raises(MiceSimError, match=f"{next(iter(options))} is .*; give a whole number of at least 1"):
        RandomForest(**options)
