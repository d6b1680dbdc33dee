"""Drawing categories from their probabilities, row by row."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def draw_multinomial(x, theta, uniform):
    """Return for each row of x (n, p) its category: how many cumulative probabilities lie below `uniform` (n,).

    theta : (K−1, p), with log P(category k) / P(category 0) = x theta[k − 1].
    """
    n, p = x.shape
    classes = theta.shape[0] + 1
    drawn = np.zeros(n, np.int64)
    eta = np.zeros(classes)
    for i in range(n):
        most = 0.0
        for k in range(1, classes):
            total = 0.0
            for a in range(p):
                total += x[i, a] * theta[k - 1, a]
            eta[k] = total
            most = max(most, total)
        total = 0.0
        for k in range(classes):
            total += np.exp(eta[k] - most)
        target = uniform[i] * total
        below = 0.0
        for k in range(classes - 1):
            below += np.exp(eta[k] - most)
            if below < target:
                drawn[i] = k + 1
            else:
                break
    return drawn


@njit(cache=True, nogil=True)
def draw_ordinal(x, slopes, cuts, uniform):
    """Return for each row of x (n, p) its category: how many P(Y ≤ j) = logit⁻¹(cuts[j] − x slopes) lie below
    `uniform` (n,).
    """
    n, p = x.shape
    drawn = np.zeros(n, np.int64)
    for i in range(n):
        eta = 0.0
        for a in range(p):
            eta += x[i, a] * slopes[a]
        for k in range(cuts.shape[0]):
            if 1 / (1 + np.exp(eta - cuts[k])) < uniform[i]:
                drawn[i] = k + 1
            else:
                break
    return drawn
