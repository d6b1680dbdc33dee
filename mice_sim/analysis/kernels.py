"""Compiled descriptives of many small data sets in a row."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def describe(values: np.ndarray) -> np.ndarray:
    """Return (rows, 6): mean, sd, min, max, skew and kurtosis of each row of `values`.

    Skew and kurtosis are type 3 of Joanes & Gill (1998): moments about the mean over powers of the
    standard deviation with n − 1.
    """
    rows, n = values.shape
    out = np.empty((rows, 6))
    for j in range(rows):
        mean, least, most = 0.0, np.inf, -np.inf
        for v in values[j]:
            mean += v
            least, most = min(least, v), max(most, v)
        mean /= n
        second, third, fourth = 0.0, 0.0, 0.0
        for v in values[j]:
            d = v - mean
            square = d * d
            second += square
            third += square * d
            fourth += square * square
        sd = np.sqrt(second / (n - 1))
        out[j, 0], out[j, 1], out[j, 2], out[j, 3] = mean, sd, least, most
        out[j, 4] = third / (n * sd**3) if sd > 0 else np.nan
        out[j, 5] = fourth / (n * sd**4) - 3 if sd > 0 else np.nan
    return out
