"""Moments of many rows are taken block by block and are those of all rows at once."""

from __future__ import annotations

import numpy as np
import pytest

from mice_sim.data import Table
from mice_sim.synthesis import moments
from mice_sim.synthesis.design import Design
from mice_sim.synthesis.state import WorkingState


def by_numpy(state: WorkingState, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    every = np.arange(len(state.design.names))
    stacked = np.vstack([state.design_matrix(every, rows).T, state.values[:, rows]])
    return stacked.var(axis=1, ddof=1), np.corrcoef(stacked)


@pytest.fixture
def state(truth: Table, monkeypatch: pytest.MonkeyPatch) -> WorkingState:
    monkeypatch.setattr(moments, "MANY", 100)
    monkeypatch.setattr(moments, "BLOCK", 60)
    return WorkingState(truth, Design.of(truth.columns))


def agree(state: WorkingState, rows: np.ndarray) -> None:
    for found, expected in zip(state.moments(rows), by_numpy(state, rows), strict=True):
        assert found == pytest.approx(expected, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("step", [1, 3])
def test_moments_in_blocks_are_those_of_all_rows(state, step):
    agree(state, np.arange(0, 748, step, dtype=np.uint32))


def test_moments_in_blocks_follow_the_columns_that_change(state):
    rows = np.arange(748, dtype=np.uint32)
    state.moments(rows)
    for name in ("hgt", "reg"):
        j = [column.name for column in state.columns].index(name)
        state.write(j, rows[:300], state.values[j, 300:600].copy())
        agree(state, rows)


def test_a_large_mean_costs_no_digits(state):
    j, rows = 0, np.arange(748, dtype=np.uint32)
    before, _ = state.moments(rows)
    expected = before[-len(state.columns) + j]
    state.write(j, rows, state.values[j] + 2.0**30)
    assert state.moments(rows)[0][-len(state.columns) + j] == pytest.approx(expected, rel=1e-8)


def test_a_constant_is_correlated_with_nothing(state):
    rows = np.arange(748, dtype=np.uint32)
    state.write(0, rows, np.full(748, 3.0))
    variance, correlation = state.moments(rows)
    assert variance[-len(state.columns)] == 0
    assert (correlation[-len(state.columns)] == 0).all()
