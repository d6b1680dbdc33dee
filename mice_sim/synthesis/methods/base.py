"""What a conditional method is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mice_sim.data import Column
from mice_sim.synthesis.state import WorkingState


@dataclass(frozen=True)
class Target:
    """The column to be drawn: `values` (n,) with the fit rows listed in `rows` (uint32, ascending)."""

    column: Column
    values: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Predictors:
    """The working state seen through the design columns that survived the filter.

    keep : bool (D,), those columns. volatile : bool (D,), those that may change between the sets.
    """

    state: WorkingState
    keep: np.ndarray
    volatile: np.ndarray

    def matrix(self, rows: np.ndarray) -> np.ndarray:
        """Return the (len(rows) × kept) design matrix, without intercept."""
        state = self.state
        kept = np.flatnonzero(self.keep)
        columns = [state.design.row(int(d), state.values, state.codes)[rows] for d in kept]
        return np.column_stack(columns) if columns else np.zeros((rows.size, 0))


class Fitted(Protocol):
    def draw(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a value for each of these rows, drawn with the predictors they have now."""
        ...


class Method(Protocol):
    @property
    def deterministic(self) -> bool:
        """Whether `fit` uses no random numbers, so that one fit serves every set that shares its data."""
        ...

    @property
    def uses_predictors(self) -> bool: ...

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator | None = None, previous: Any = None) -> Fitted:
        """Fit y on X. `previous` is this method's last fit if only volatile predictors changed since."""
        ...
