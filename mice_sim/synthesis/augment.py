"""Pseudo-rows against perfect prediction (White, Daniel & Royston 2010), and the units they are measured in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

# Standardised predictors are kept within this, so that no row's linear predictor overflows.
FURTHEST = 1e8


@dataclass(frozen=True)
class Units:
    """The predictors that vary, and the mean and standard deviation that each is measured from and in.

    columns : int64 (q,), positions in the predictors' matrix. centre, scale : float64 (q,). low, high : float64
    (q,), the least and the largest value, in these units.
    """

    columns: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> Units:
        """Measure every column of x (n, p); constants are left out."""
        centre, scale, low, high = _moments(x)
        columns = np.flatnonzero(scale > 0)
        return cls(columns, centre[columns], scale[columns], low[columns], high[columns])

    def only(self, chosen: np.ndarray) -> Units:
        """Return the units of the predictors marked in `chosen` (bool, q)."""
        return Units(*(part[chosen] for part in (self.columns, self.centre, self.scale, self.low, self.high)))

    def standardise(self, x: np.ndarray) -> np.ndarray:
        """Return (n, 1 + q): a column of ones, then the predictors of x (n, p) in these units."""
        return _standardise(x, self.columns, self.centre, self.scale)


def pseudo_rows(units: Units, n_classes: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the pseudo-rows of White, Daniel & Royston (2010), section 4, as mice places them.

    For each of q predictors and each of K categories there are two rows: that predictor half a standard deviation
    above and below its mean, though not beyond the range of the data, the others at their means. Together they
    weigh q + 1.

    Returns
    -------
    x : float64 (2qK, 1 + q), ones and then the predictors in `units`. y : float64 (2qK,), categories 0..K−1.
    weight : of each row; 0 if there are no predictors, and so no rows.
    """
    q = units.columns.size
    x, y = _pseudo_rows(units.low, units.high, n_classes)
    return x, y, (q + 1) / y.size if q else 0.0


@njit(cache=True, nogil=True)
def _pseudo_rows(low, high, n_classes):
    q = low.shape[0]
    x, y = np.zeros((2 * q * n_classes, 1 + q)), np.empty(2 * q * n_classes)
    x[:, 0] = 1.0
    row = 0
    for own in range(q):
        for k in range(n_classes):
            for step in (min(high[own], 0.5), max(low[own], -0.5)):
                x[row, 1 + own] = step
                y[row] = k
                row += 1
    return x, y


@njit(cache=True, nogil=True)
def varies(x):
    """Return which columns of x (n, p) hold more than one value, bool (p,)."""
    found = np.zeros(x.shape[1], np.bool_)
    for j in range(x.shape[1]):
        for i in range(1, x.shape[0]):
            if x[i, j] != x[0, j]:
                found[j] = True
                break
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _moments(x):
    """Return mean, standard deviation (0 for a constant), and the range in units of it, of the columns of x."""
    n, p = x.shape
    least, most = x[0].copy(), x[0].copy()
    for i in range(n):
        for j in range(p):
            least[j], most[j] = min(least[j], x[i, j]), max(most[j], x[i, j])
    # In units of the largest value, so that squares neither overflow nor vanish.
    unit = np.maximum(-least, most)
    unit[least == most] = 1.0
    mean, squares = np.zeros(p), np.zeros(p)
    for i in range(n):
        for j in range(p):
            mean[j] += x[i, j] / unit[j]
    mean /= n
    for i in range(n):
        for j in range(p):
            squares[j] += (x[i, j] / unit[j] - mean[j]) ** 2
    centre, scale, low, high = np.zeros(p), np.zeros(p), np.zeros(p), np.zeros(p)
    for j in range(p):
        if least[j] == most[j]:
            continue
        sd = np.sqrt(squares[j] / (n - 1))
        centre[j], scale[j] = mean[j] * unit[j], sd * unit[j]
        low[j], high[j] = (least[j] / unit[j] - mean[j]) / sd, (most[j] / unit[j] - mean[j]) / sd
    return centre, scale, low, high


@njit(cache=True, nogil=True, error_model="numpy")
def _standardise(x, columns, centre, scale):
    out = np.ones((x.shape[0], 1 + columns.shape[0]))
    for i in range(x.shape[0]):
        for c in range(columns.shape[0]):
            value = (x[i, columns[c]] - centre[c]) / scale[c]
            out[i, 1 + c] = min(max(value, -FURTHEST), FURTHEST)
    return out
