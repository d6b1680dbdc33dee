"""Predictors that are a matrix of numbers: of clusters, or of rows with more to say of them than their columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mice_sim.data import Column, Table
from mice_sim.synthesis.design import Design
from mice_sim.synthesis.methods.base import Predictors
from mice_sim.synthesis.state import WorkingState


def numbers(matrix: np.ndarray, names: Sequence[str]) -> Predictors:
    """Return predictors whose matrix is `matrix` (n, p), every row of which is looked at."""
    columns = tuple(Column(name, "continuous", None, np.dtype(float)) for name in names)
    table = Table(columns, np.ascontiguousarray(matrix.T))
    every = np.ones(len(columns), bool)
    state = WorkingState(table, Design.of(columns), copy=False)
    return Predictors(state, every, np.arange(len(matrix), dtype=np.uint32), ~every)
