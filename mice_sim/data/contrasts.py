"""R's default contrasts: treatment for unordered factors, orthogonal polynomials for ordered ones."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

POLYNOMIAL_SUFFIXES = (".L", ".Q", ".C")


def polynomial_names(name: str, n_levels: int) -> list[str]:
    """Return R's names of the polynomial scores of `name`: .L, .Q, .C, ^4, ^5, …"""
    return [name + (POLYNOMIAL_SUFFIXES[k] if k < 3 else f"^{k + 1}") for k in range(n_levels - 1)]


def treatment(n_levels: int) -> np.ndarray:
    """Return the (levels × levels−1) 0/1 matrix with the first level as reference."""
    return np.eye(n_levels)[:, 1:]


@lru_cache(maxsize=64)
def _polynomial(n_levels: int) -> np.ndarray:
    # The columns of the QR-orthonormalised Vandermonde matrix of 1..K. Trees compare scores for
    # equality, so mirrored levels that differ by one unit in the last place in R must differ here
    # too: the Householder steps (Golub & Van Loan 2013, §5.2) go in LINPACK's order, column by
    # column, with sums taken from first to last.
    k = n_levels
    scores = np.arange(1, k + 1) - (k + 1) / 2
    x = np.array([[s**j for j in range(k)] for s in scores], dtype=float)

    def dot(a: np.ndarray, b: np.ndarray) -> float:
        total = 0.0
        for left, right in zip(a.tolist(), b.tolist(), strict=True):
            total += left * right
        return total

    heads = np.zeros(k)
    for j in range(k - 1):
        norm = math.copysign(math.sqrt(dot(x[j:, j], x[j:, j])), x[j, j])
        x[j:, j] *= 1 / norm
        x[j, j] += 1
        for c in range(j + 1, k):
            x[j:, c] += -dot(x[j:, j], x[j:, c]) / x[j, j] * x[j:, j]
        heads[j], x[j, j] = x[j, j], -norm

    z = np.diag(np.diag(x))
    for c in range(k):
        for j in range(k - 2, -1, -1):
            reflector = x[j:, j].copy()
            reflector[0] = heads[j]
            z[j:, c] += -dot(reflector, z[j:, c]) / heads[j] * reflector
        total = np.longdouble(0)
        for value in z[:, c]:
            total += np.longdouble(value * value)
        z[:, c] /= math.sqrt(float(total))
    return z[:, 1:]


def polynomial(n_levels: int) -> np.ndarray:
    """Return R's `contr.poly(n_levels)`, a (levels × levels−1) matrix, to the last bit.

    Column k holds the orthonormal polynomial of degree k + 1 in the equally spaced level numbers.
    """
    return _polynomial(n_levels).copy()
