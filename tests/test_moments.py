"""Moments of many rows are taken block by block and are those of all rows at once."""

from __future__ import annotations

import numpy as np
import pytest

from mice_sim.data import Table
from mice_sim.synthesis import moments
from mice_sim.synthesis.design import Design
from mice_sim.synthesis.state import WorkingState


def by_numpy(state: WorkingState, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    every = np.ones(len(state.design.names), bool)
    stacked = np.vstack([state.design_matrix(every, rows).T, state.values[:, rows]])
    return stacked.var(axis=1, ddof=1), np.corrcoef(stacked)


@pytest.fixture
def state(truth: Table, monkeypatch: pytest.MonkeyPatch) -> WorkingState:
    monkeypatch.setattr(moments, "MANY", 100)
    monkeypatch.setattr(moments, "BLOCK", 60)
    return WorkingState(truth, Design.of(truth.columns))


def of_all(state: WorkingState, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return state.moments(0, np.ones(len(state.design.names), bool), rows)


def agree(state: WorkingState, rows: np.ndarray) -> None:
    for found, expected in zip(of_all(state, rows), by_numpy(state, rows), strict=True):
        assert found == pytest.approx(expected, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("step", [1, 3])
def test_moments_in_blocks_are_those_of_all_rows(state, step):
    agree(state, np.arange(0, 748, step, dtype=np.uint32))


def test_moments_in_blocks_follow_the_columns_that_change(state):
    rows = np.arange(748, dtype=np.uint32)
    of_all(state, rows)
    for name in ("hgt", "reg"):
        j = [column.name for column in state.columns].index(name)
        state.write(j, rows[:300], state.values[j, 300:600].copy())
        agree(state, rows)


def test_a_large_mean_costs_no_digits(state):
    j, rows = 0, np.arange(748, dtype=np.uint32)
    before, _ = of_all(state, rows)
    expected = before[-len(state.columns) + j]
    state.write(j, rows, state.values[j] + 2.0**30)
    assert of_all(state, rows)[0][-len(state.columns) + j] == pytest.approx(expected, rel=1e-8)


def test_a_constant_is_correlated_with_nothing(state):
    rows = np.arange(748, dtype=np.uint32)
    state.write(0, rows, np.full(748, 3.0))
    variance, correlation = of_all(state, rows)
    assert variance[-len(state.columns)] == 0
    assert (correlation[-len(state.columns)] == 0).all()


def test_moments_of_few_rows_are_those_of_what_is_asked_for(truth):
    state = WorkingState(truth, Design.of(truth.columns))
    rows, target = np.arange(0, 748, 2, dtype=np.uint32), 2
    mask = np.arange(len(state.design.names)) % 2 == 0
    asked = np.append(np.flatnonzero(mask), mask.size + target)
    found, expected = state.moments(target, mask, rows), by_numpy(state, rows)
    assert found[0][asked] == pytest.approx(expected[0][asked], rel=1e-11)
    assert found[1][np.ix_(asked, asked)] == pytest.approx(expected[1][np.ix_(asked, asked)], rel=1e-11, abs=1e-12)
