"""What a conditional method is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import compress
from typing import Any, ClassVar, Protocol

import numpy as np

from mice_sim.data import Column
from mice_sim.data.formula import ModelFormula
from mice_sim.data.table import Kind
from mice_sim.synthesis.state import WorkingState

EVERY_KIND: tuple[Kind, ...] = ("continuous", "binary", "unordered", "ordered")


@dataclass(frozen=True)
class Target:
    """The column to be drawn: `values` (n,) with the fit rows listed in `rows` (uint32, ascending).

    missing : the rows (uint32, ascending) without a value that a model may learn from, where the engine draws them.
    records : (n,), whose value each is, where rows are a bootstrap sample; None if row i is record i.
    """

    column: Column
    values: np.ndarray
    rows: np.ndarray
    missing: np.ndarray | None = None
    records: np.ndarray | None = None

    @property
    def observed(self) -> np.ndarray:
        """The values in the fit rows (n_fit,); a factor's are level numbers 0..K−1."""
        return self.values[self.rows]


@dataclass(frozen=True)
class Predictors:
    """The working state seen through the design columns that survived the filter.

    keep : bool (D,), those columns. rows : uint32, the rows that are looked at: the fit rows in `fit`, the
    rows to be drawn in `draw`. volatile : bool (D,), the columns that may change between the sets.
    formula : of the column to be drawn, if it has one; then `matrix` is its model matrix.
    codes : int8 (columns,), the column's row of the predictor matrix. cluster : the number of the column that says
    which cluster a row is in, if there is one. new_clusters : whether clusters are others than those of the fit,
    whatever their names, as in a synthesis of whole records.
    """

    state: WorkingState
    keep: np.ndarray
    rows: np.ndarray
    volatile: np.ndarray
    formula: ModelFormula | None = None
    codes: np.ndarray | None = None
    cluster: int | None = None
    new_clusters: bool = False

    def matrix(self) -> np.ndarray:
        """Return the (len(rows) × kept) design matrix, without intercept; factors in R's contrasts."""
        if self.formula is not None:
            return self.formula.matrix(self.state.values[:, self.rows])[:, int(self.formula.intercept) :]
        return self.state.design_matrix(self.keep, self.rows)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the matrix's columns, as R prints them."""
        if self.formula is not None:
            return self.formula.names[int(self.formula.intercept) :]
        return tuple(compress(self.state.design.names, self.keep))

    def clusters(self) -> np.ndarray:
        """Return the cluster of each row (len(rows),), by its number in the column."""
        return self.state.values[self.cluster, self.rows]

    def coded(self, *codes: int) -> np.ndarray:
        """Return which of the matrix's columns (kept,) have one of these codes."""
        assert self.codes is not None
        return np.isin(self.codes[self.state.design.source[self.keep]], codes)

    def at(self, rows: np.ndarray) -> Predictors:
        """Return the same columns, seen in other rows."""
        return replace(self, rows=rows)


class Fitted(Protocol):
    """A fitted method: a dataclass of numbers, texts, arrays, tuples and other such dataclasses.

    So it can be saved and drawn from elsewhere; what a draw in the same process can reuse (the state it was
    fitted on) goes into fields with the metadata TRANSIENT. An attribute `notes`, pairs of what was done and
    why, tells the engine of automatic decisions.
    """

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        """Return a value (float64, level numbers for a factor) for each of `X.rows`."""
        ...


# The metadata of a dataclass field that is not saved: it is None in a fit that was read back.
TRANSIENT = {"transient": True}


class Method:
    """The base of conditional methods: frozen dataclasses whose fields are their options.

    Attributes
    ----------
    kinds : of columns that the method can draw.
    deterministic : whether `fit` uses no random numbers, so that one fit serves every set that shares its data.
        Parameters are drawn in `draw`.
    proper : whether parameters are drawn anew for every set (from a posterior or a bootstrap); a field where the
        method can do both.
    uses_predictors : whether it looks at them.
    uses_terms : whether it draws by a formula's terms; trees look at its columns and find interactions themselves.
    two_level : whether it looks at clusters and at the codes of the predictor matrix. Where its parameters are not
        proper, its `fit` takes `bootstrap`, whether to learn from a bootstrap sample of the clusters.
    level : 1 if it draws for every row, 2 if all rows of a cluster have one value.
    remembers : whether `fit` takes `previous`, its last fit, if only volatile predictors changed since.
    starts : whether `fit` takes `start`, its fit of the iteration before, near which the new maximum lies.
    """

    kinds: ClassVar[tuple[Kind, ...]] = EVERY_KIND
    deterministic: ClassVar[bool] = True
    proper: Any = False
    uses_predictors: ClassVar[bool] = True
    uses_terms: ClassVar[bool] = True
    two_level: ClassVar[bool] = False
    level: ClassVar[int] = 1
    remembers: ClassVar[bool] = False
    starts: ClassVar[bool] = False

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> Fitted:
        """Return the fit of y on X, an object with `draw(X, rng)`.

        y : `y.observed`, float64 (n,), the values to learn from; level numbers from 0 for a factor. X : `X.matrix()`,
        float64 (n, p), the predictors in the same rows: numbers, and factors in R's contrasts, without an intercept.
        rng : the stream of this set, column and iteration; a deterministic method must leave it alone. Raises
        MiceSimError where the method can't be fitted, which stops the run.
        """
        raise NotImplementedError
