"""The working state: what predictors see, and which of it has changed since when."""

from __future__ import annotations

import numpy as np
from numba import njit

from mice_sim.data import Table
from mice_sim.synthesis import moments
from mice_sim.synthesis.design import Design

# Squares of numbers beyond this may overflow; times a power of two, they keep their correlations.
HUGE = 1e140
SHRINK = 2.0**-600


class WorkingState:
    """The values that models are fitted on, with a version number for every column.

    Orders and correlations are derived from the values and kept until their column changes, so a
    column that never changes is sorted once and a fit whose inputs kept their versions can be shared.

    Attributes
    ----------
    values : float64 (columns, n). codes : uint16 (columns, n), level numbers of factors, 0 elsewhere.
    observed : bool (columns, n), cells that were not missing at the start.
    copy : False lets `write` change the table's own values.
    version : int64 (columns,).
    """

    def __init__(self, table: Table, design: Design, copy: bool = True):
        self.columns = table.columns
        self.design = design
        self.values = table.values.copy() if copy else table.values
        self.observed = ~np.isnan(self.values)
        # Rows of columns that are no factors are never touched, so they take no memory.
        self.codes = np.zeros(self.values.shape, np.uint16)
        for j, column in enumerate(table.columns):
            if column.is_factor:
                self.codes[j] = np.where(self.observed[j], self.values[j], 0)
        self.version = np.zeros(len(table.columns), np.int64)
        self._orders = np.zeros(self.values.shape, np.uint32)
        size = len(design.names) + len(table.columns)
        self._scaled = np.zeros((size, table.n_rows))
        self._variance = np.zeros(size)
        self._correlation = np.zeros((size, size))
        self._blocked = moments.BlockedMoments(size)
        # Columns that have changed since they were last sorted, and since their moments were taken.
        self._unsorted = set(range(len(table.columns)))
        self._unmeasured = set(range(len(table.columns)))

    def take(self, rows: np.ndarray) -> WorkingState:
        """Return a state of these rows; rows may repeat."""
        return WorkingState(Table(self.columns, self.values[:, rows]), self.design)

    def write(self, j: int, rows: np.ndarray, new: np.ndarray) -> None:
        """Let predictors see `new` in these rows of column `j`."""
        self.values[j, rows] = new
        if self.columns[j].is_factor:
            self.codes[j, rows] = np.where(np.isnan(new), 0, new)
        self.version[j] += 1
        self._unsorted.add(j)
        self._unmeasured.add(j)

    def design_matrix(self, keep: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the design columns marked in `keep` (bool, D) in these rows, float64 (len(rows), kept)."""
        d = self.design
        return _design_matrix(self.values, self.codes, d.source, d.is_factor, d.score, keep, rows)

    def orders(self, rows: np.ndarray) -> np.ndarray:
        """Return uint32 (columns, len(rows)): `rows`, ascending by each continuous column."""
        for j in sorted(self._unsorted):
            if not self.columns[j].is_factor:
                self._orders[j] = np.argsort(self.values[j], kind="stable")
        self._unsorted.clear()
        if rows.size == self.values.shape[1]:
            return self._orders
        chosen = np.zeros(self.values.shape[1], bool)
        chosen[rows] = True
        return np.array(
            [
                rows if column.is_factor else order[chosen[order]]
                for column, order in zip(self.columns, self._orders, strict=True)
            ],
            dtype=np.uint32,
        )

    def moments(self, target: int, mask: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return variances and correlations of the design columns and, behind them, of all columns' numbers.

        Shapes (D + columns,) and (D + columns, D + columns); a constant has correlation 0. If `rows` are not all rows,
        only the entries of the design columns in `mask` and of column `target` are filled in.
        """
        if rows.size > moments.MANY:
            return self._blocked_moments(rows)
        if rows.size < self.values.shape[1]:
            d = self.design
            return _moments(self.values, self.codes, d.source, d.is_factor, d.score, target, mask, rows)
        if self._unmeasured:
            changed = sorted(self._unmeasured)
            places = [self._design_rows(j) for j in changed]
            for j, place in zip(changed, places, strict=True):
                block = [self.design.row(d, self.values, self.codes) for d in place[:-1]]
                self._scaled[place], self._variance[place] = _standardise(np.array([*block, self.values[j]]))
            at = np.concatenate(places)
            product = self._scaled[at] @ self._scaled.T
            self._correlation[at] = product
            self._correlation[:, at] = product.T
            self._unmeasured.clear()
        return self._variance, self._correlation

    def _blocked_moments(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        whole = rows.size == self.values.shape[1]
        blocked = self._blocked if whole else moments.BlockedMoments(self._variance.size)
        changed = sorted(self._unmeasured) if whole else range(len(self.columns))
        if changed:
            at = np.concatenate([self._design_rows(j) for j in changed])
            blocked.update(self.design, self.values, self.codes, rows, at)
        if whole:
            self._unmeasured.clear()
        return blocked.result(rows.size)

    def _design_rows(self, j: int) -> np.ndarray:
        return np.append(np.flatnonzero(self.design.source == j), len(self.design.names) + j)


@njit(cache=True, nogil=True)
def _moments(
    values: np.ndarray, codes: np.ndarray, source: np.ndarray, is_factor: np.ndarray, score: np.ndarray, target: int,
    mask: np.ndarray, rows: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return what `WorkingState.moments` returns, of the masked columns and the target in these rows."""
    n, n_design = rows.shape[0], mask.shape[0]
    chosen = np.append(np.flatnonzero(mask), n_design + target)
    scaled = np.empty((chosen.shape[0], n))
    size = n_design + values.shape[0]
    variance, correlation = np.zeros(size), np.zeros((size, size))
    for c in range(chosen.shape[0]):
        d = chosen[c]
        factor = d < n_design and is_factor[d]
        j = source[d] if d < n_design else target
        total, largest = 0.0, 0.0
        for i in range(n):
            scaled[c, i] = score[d, codes[j, rows[i]]] if factor else values[j, rows[i]]
            total += scaled[c, i]
            largest = max(largest, abs(scaled[c, i]))
        if largest > HUGE:
            scaled[c] *= SHRINK
            total = scaled[c].sum()
        mean = total / n
        squares = 0.0
        for i in range(n):
            scaled[c, i] -= mean
            squares += scaled[c, i] * scaled[c, i]
        if squares > 0:
            scaled[c] /= np.sqrt(squares)
        variance[d] = np.inf if largest > HUGE else squares / max(n - 1, 1)
    products = scaled @ scaled.T
    for a in range(chosen.shape[0]):
        for b in range(chosen.shape[0]):
            correlation[chosen[a], chosen[b]] = products[a, b]
    return variance, correlation


@njit(cache=True, nogil=True)
def _design_matrix(
    values: np.ndarray, codes: np.ndarray, source: np.ndarray, is_factor: np.ndarray, score: np.ndarray,
    keep: np.ndarray, rows: np.ndarray,
) -> np.ndarray:  # fmt: skip
    kept = np.flatnonzero(keep)
    matrix = np.empty((rows.shape[0], kept.shape[0]))
    for c in range(kept.shape[0]):
        d = kept[c]
        j = source[d]
        for i in range(rows.shape[0]):
            matrix[i, c] = score[d, codes[j, rows[i]]] if is_factor[d] else values[j, rows[i]]
    return matrix


def _standardise(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    huge = np.abs(rows).max(axis=1) > HUGE
    rows[huge] *= SHRINK
    centred = rows - rows.mean(axis=1, keepdims=True)
    squares = np.einsum("ij,ij->i", centred, centred)
    scale = np.where(squares > 0, np.sqrt(squares), 1.0)
    variance = np.where(huge, np.inf, squares / max(rows.shape[1] - 1, 1))
    return centred / scale[:, None], variance
