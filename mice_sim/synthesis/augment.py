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
    y = np.tile(np.repeat(np.arange(float(n_classes)), 2), q)
    x = np.zeros((y.size, 1 + q))
    x[:, 0] = 1
    own = np.repeat(np.arange(q), 2 * n_classes)
    step = np.column_stack([np.minimum(units.high, 0.5), np.maximum(units.low, -0.5)])
    x[np.arange(y.size), 1 + own] = step[own, np.arange(y.size) % 2]
    return x, y, (q + 1) / y.size if q else 0.0


@njit(cache=True, nogil=True)
def _moments(x):
    """Return mean, standard deviation (0 for a constant), and the range in units of it, of the columns of x."""
    n, p = x.shape
    centre, scale, low, high = np.zeros(p), np.zeros(p), np.zeros(p), np.zeros(p)
    for j in range(p):
        least, most, unit = np.inf, -np.inf, 0.0
        for i in range(n):
            least, most, unit = min(least, x[i, j]), max(most, x[i, j]), max(unit, abs(x[i, j]))
        if not least < most:
            continue
        # In units of the largest value, so that squares neither overflow nor vanish.
        mean = 0.0
        for i in range(n):
            mean += x[i, j] / unit
        mean /= n
        squares = 0.0
        for i in range(n):
            squares += (x[i, j] / unit - mean) ** 2
        sd = np.sqrt(squares / (n - 1))
        centre[j], scale[j] = mean * unit, sd * unit
        low[j], high[j] = (least / unit - mean) / sd, (most / unit - mean) / sd
    return centre, scale, low, high


@njit(cache=True, nogil=True)
def _standardise(x, columns, centre, scale):
    out = np.ones((x.shape[0], 1 + columns.shape[0]))
    for i in range(x.shape[0]):
        for c in range(columns.shape[0]):
            value = (x[i, columns[c]] - centre[c]) / scale[c]
            out[i, 1 + c] = min(max(value, -FURTHEST), FURTHEST)
    return out
