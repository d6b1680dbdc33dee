"""Least squares with a lasso penalty by coordinate descent on cross products (Friedman, Hastie & Tibshirani 2010, §2).

Cross products of the folds add up to those of the data, so cross-validation never looks at the rows again.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# A coordinate has settled when its step changes the explained share of the variance by less than this.
SETTLED = 1e-9
MOST_SWEEPS = 10_000
# glmnet's rules of where a path ends: this share of the variance is explained, or, from the fifth penalty on, the
# last penalty explained less than this share more.
LEAST_STEPS, EXPLAINED, NO_MORE = 5, 0.999, 1e-5


@njit(cache=True, nogil=True)
def cross_validated(z, folds, size, ratio):
    """Return the coefficients (p,) at the penalty with the least cross-validated squared error, and if all converged.

    Minimises mean squared error / 2 + λ Σ|β| over columns of unit variance, at `size` penalties that fall to `ratio`
    of the one that lets the first predictor in.

    z : (n, p + 1), columns of mean 0 and variance 1 (or 0), the last is the target. folds : int (n,), 0, 1, …
    """
    n, width = z.shape
    p = width - 1
    k = folds.max() + 1
    sums, products, counts = np.zeros((k, width)), np.zeros((k, width, width)), np.zeros(k)
    for f in range(k):
        part = z[folds == f]
        counts[f] = part.shape[0]
        sums[f] = part.sum(axis=0)
        products[f] = part.T @ part
    sum_all, product_all = sums.sum(axis=0), products.sum(axis=0)
    gram = product_all[:p, :p] / n
    score = product_all[p, :p] / n
    largest = np.abs(score).max()
    if largest == 0:
        return np.zeros(p), True
    penalties = largest * ratio ** (np.arange(size) / (size - 1))
    path, done, converged = _path(gram, score, product_all[p, p] / n, penalties)
    error = np.zeros(done)
    for f in range(k):
        rest = n - counts[f]
        mean = (sum_all - sums[f]) / rest
        covariance = (product_all - products[f]) / rest - np.outer(mean, mean)
        deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        unit = np.zeros(p)
        for j in range(p):
            unit[j] = 1 / deviation[j] if deviation[j] > 1e-7 else 0.0
        inner, _, settled = _path(
            covariance[:p, :p] * np.outer(unit, unit), covariance[p, :p] * unit, covariance[p, p], penalties[:done]
        )
        converged = converged and settled
        for step in range(done):
            error[step] += _held_out(inner[step] * unit, mean, sums[f], products[f], counts[f])
    return path[np.argmin(error)], converged


@njit(cache=True, nogil=True)
def _path(gram, score, variance, penalties):
    """Return coefficients (penalties, p), how many penalties were worth while, and whether all converged."""
    p = score.shape[0]
    out = np.zeros((penalties.shape[0], p))
    beta, gradient = np.zeros(p), score.copy()
    explained, converged = 0.0, True
    for step in range(penalties.shape[0]):
        for _ in range(MOST_SWEEPS):
            if _sweep(gram, gradient, beta, penalties[step]) < SETTLED * variance:
                break
        else:
            converged = False
        out[step:] = beta
        before = explained
        # b'(score + gradient) is the variance that the fit takes away.
        explained = beta @ (score + gradient)
        if explained > EXPLAINED * variance or (step >= LEAST_STEPS - 1 and explained - before < NO_MORE * explained):
            return out, step + 1, converged
    return out, penalties.shape[0], converged


@njit(cache=True, nogil=True)
def _sweep(gram, gradient, beta, penalty):
    """Minimise over one coordinate after the other; return the largest squared step."""
    largest = 0.0
    for j in range(beta.shape[0]):
        if gram[j, j] == 0:
            continue
        pull = gradient[j] + beta[j] * gram[j, j]
        new = np.sign(pull) * max(abs(pull) - penalty, 0.0) / gram[j, j]
        step = new - beta[j]
        if step != 0.0:
            beta[j] = new
            for k in range(beta.shape[0]):
                gradient[k] -= step * gram[j, k]
            largest = max(largest, step * step * gram[j, j])
    return largest


@njit(cache=True, nogil=True)
def _held_out(beta, mean, total, product, count):
    """Return the squared error in rows of these sums and products, of a fit to rows of this mean."""
    contrast = np.append(beta, -1.0)
    intercept = -(contrast @ mean)
    # Σ(zβ + a − y)², term by term.
    return contrast @ (product @ contrast) + 2 * intercept * (contrast @ total) + count * intercept**2
