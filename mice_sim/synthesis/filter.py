"""The predictor filter that mice applies before every draw: near-constant and near-dependent columns go.

mice's argument `eps` is 1e-4 and `maxcor` .99; both act on the raw scale and on the signed correlation.
Unlike mice, dependencies are recomputed after every column dropped, and nothing is dropped unsaid.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from mice_sim.synthesis.state import WorkingState

EPS = 1e-4
MAXCOR = 0.99


def filter_predictors(state: WorkingState, target: int, mask: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the design columns of `mask` that survive, as bool (D,).

    Parameters
    ----------
    target : column number of y. mask : bool (D,). rows : the fit rows.
    """
    variance, correlation = state.moments(target, mask, rows)
    keep, settled = _marginal_filter(variance, correlation, target, mask)
    if settled:
        return keep
    chosen = np.flatnonzero(keep)
    while chosen.size > 1:
        eigenvalues, vectors = np.linalg.eigh(correlation[np.ix_(chosen, chosen)])
        if eigenvalues[0] / eigenvalues[-1] >= EPS:
            break
        chosen = np.delete(chosen, np.argmax(np.abs(vectors[:, 0])))
    keep[:] = False
    keep[chosen] = True
    return keep


@njit(cache=True, nogil=True)
def _marginal_filter(variance, correlation, target, mask):
    """Return the columns that survive on their own, and whether no dependency is left to look for."""
    n_design = mask.shape[0]
    y = n_design + target
    keep = np.zeros(n_design, np.bool_)
    if variance[y] < EPS:
        return keep, True
    chosen = np.empty(n_design, np.int64)
    size = 0
    for d in range(n_design):
        if mask[d] and variance[d] > EPS and correlation[d, y] < MAXCOR:
            keep[d] = True
            chosen[size] = d
            size += 1
    matrix = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            matrix[i, j] = correlation[chosen[i], chosen[j]]
    return keep, size < 2 or _well_conditioned(matrix, EPS)


@njit(cache=True, nogil=True)
def _well_conditioned(matrix, eps):
    """Return True if λ_min/λ_max surely exceeds eps.

    λ_min ≥ 1/tr(R⁻¹), from the Cholesky factor, and λ_max ≤ the largest row sum of |R|.
    """
    p = matrix.shape[0]
    factor = np.zeros((p, p))
    largest = 0.0
    for i in range(p):
        row_sum = 0.0
        for j in range(p):
            row_sum += abs(matrix[i, j])
        largest = max(largest, row_sum)
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i == j:
                if total <= 1e-12:
                    return False
                factor[i, i] = np.sqrt(total)
            else:
                factor[i, j] = total / factor[j, j]
    trace = 0.0
    column = np.empty(p)
    for j in range(p):
        for i in range(j, p):
            total = 1.0 if i == j else 0.0
            for k in range(j, i):
                total -= factor[i, k] * column[k]
            column[i] = total / factor[i, i]
            trace += column[i] * column[i]
    return eps * largest * trace < 1.0
