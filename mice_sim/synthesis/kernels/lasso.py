"""Logistic regression with a lasso penalty by coordinate descent (Friedman, Hastie & Tibshirani 2010, §3)."""

from __future__ import annotations

import numpy as np
from numba import njit

PENALTIES = 100
# A coordinate has settled when its step changes the deviance by less than this share of the null deviance.
SETTLED = 1e-8
# glmnet's rules of where a path ends: this share of the null deviance is explained, or, from the fifth penalty on,
# the last penalty explained no more than that.
LEAST_STEPS, EXPLAINED, NO_MORE = 5, 0.999, 1e-5
# Weights p(1 − p) of a row are at least this.
LEAST_WEIGHT = 1e-9


@njit(cache=True, nogil=True)
def penalties(x, y):
    """Return the penalties (100,), descending from the one that lets the first predictor in.

    x : float64 (p, n), each row with mean 0 and mean square 1. y : float64 (n,), 0 or 1.
    """
    p, n = x.shape
    largest = np.abs(x @ (y - y.mean())).max() / n
    ratio = 1e-4 if n >= p else 1e-2
    return largest * ratio ** (np.arange(PENALTIES) / (PENALTIES - 1))


@njit(cache=True, nogil=True)
def logistic_path(x, y, lambdas):
    """Return (how many penalties were worth while, coefficients) along descending penalties.

    Minimises −log-likelihood / n + λ Σ|β|, the intercept free. x : float64 (p, n), rows of mean square 1 (or 0
    throughout). y : float64 (n,), 0 or 1, both there. coefficients : (penalties, 1 + p), the intercept in front;
    once they explain nearly everything they stay as they are.
    """
    p, n = x.shape
    share = y.mean()
    beta = np.zeros(1 + p)
    beta[0] = np.log(share / (1 - share))
    eta = np.full(n, beta[0])
    squares = x * x
    out = np.zeros((lambdas.shape[0], 1 + p))
    null = before = _deviance(eta, y)
    done = lambdas.shape[0]
    for step in range(lambdas.shape[0]):
        _newton(x, squares, y, lambdas[step], null, beta, eta)
        out[step:] = beta
        deviance = _deviance(eta, y)
        gained, left = (before - deviance) / null, deviance / null
        if (step >= LEAST_STEPS - 1 and gained < NO_MORE) or left < 1 - EXPLAINED:
            done = min(done, step + 1)
        if left < 1 - EXPLAINED:
            break
        before = deviance
    return done, out


@njit(cache=True, nogil=True)
def _deviance(eta, y):
    total = 0.0
    for i in range(y.shape[0]):
        total += max(eta[i], 0.0) + np.log1p(np.exp(-abs(eta[i]))) - y[i] * eta[i]
    return 2 * total


@njit(cache=True, nogil=True)
def _newton(x, squares, y, penalty, null, beta, eta):
    """Improve beta and eta = beta[0] + x'beta[1:] until quadratic approximations move them no more."""
    p, n = x.shape
    weight = np.empty(n)
    score = np.empty(n)
    for _ in range(50):
        for i in range(n):
            probability = 1 / (1 + np.exp(-eta[i]))
            weight[i] = max(probability * (1 - probability), LEAST_WEIGHT)
            score[i] = y[i] - probability
        curvature = squares @ weight
        before = beta.copy()
        _descend(x, weight, curvature, n * penalty, SETTLED * null, beta, eta, score)
        moved = (beta[0] - before[0]) ** 2 * weight.sum()
        for j in range(p):
            moved = max(moved, (beta[1 + j] - before[1 + j]) ** 2 * curvature[j])
        if moved < SETTLED * null:
            return


@njit(cache=True, nogil=True)
def _descend(x, weight, curvature, penalty, settled, beta, eta, score):
    """Minimise one quadratic approximation; most sweeps visit only the coordinates that are not 0.

    score : weight × working residual; it and eta follow beta.
    """
    for _ in range(1000):
        if _sweep(x, weight, curvature, penalty, True, beta, eta, score) < settled:
            return
        for _again in range(1000):
            if _sweep(x, weight, curvature, penalty, False, beta, eta, score) < settled:
                break


@njit(cache=True, nogil=True)
def _sweep(x, weight, curvature, penalty, everyone, beta, eta, score):
    """Minimise over one coordinate after the other; return the largest change of the quadratic form."""
    total = weight.sum()
    step = score.sum() / total
    beta[0] += step
    for i in range(eta.shape[0]):
        eta[i] += step
        score[i] -= step * weight[i]
    largest = step * step * total
    for j in range(x.shape[0]):
        if curvature[j] <= 0 or not (everyone or beta[1 + j] != 0):
            continue
        row = x[j]
        pull = row @ score + curvature[j] * beta[1 + j]
        new = np.sign(pull) * max(abs(pull) - penalty, 0.0) / curvature[j]
        step = new - beta[1 + j]
        if step == 0.0:
            continue
        beta[1 + j] = new
        for i in range(eta.shape[0]):
            eta[i] += step * row[i]
            score[i] -= step * weight[i] * row[i]
        largest = max(largest, step * step * curvature[j])
    return largest
