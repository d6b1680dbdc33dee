"""Compiled fits for many small models in a row."""

from __future__ import annotations

import numpy as np
from numba import njit

from mice_sim.data.formula import model_matrix  # noqa: F401 - counted among the compiled kernels

MAX_ITERATIONS = 50
# Newton's decrement: twice the gain in log-likelihood that the next step still promises.
DECREMENT = 1e-12
# Where classes are separated the decrement vanishes too, but the linear predictor keeps moving by this or more.
DIVERGING = 1e-3
# A step may lower the log-likelihood by this share of it: near the maximum its rounding shows.
SLACK = 1e-11


@njit(cache=True, nogil=True)
def cholesky_solve(matrix, vector):
    """Return (ok, solution, inverse) for a symmetric positive definite matrix."""
    p = matrix.shape[0]
    factor = np.zeros((p, p))
    inverse = np.zeros((p, p))
    solution = np.zeros(p)
    for i in range(p):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i == j:
                if not total > 1e-11 * matrix[i, i]:
                    return False, solution, inverse
                factor[i, i] = np.sqrt(total)
            else:
                factor[i, j] = total / factor[j, j]
    root = np.zeros((p, p))  # the inverse of the factor
    for j in range(p):
        root[j, j] = 1 / factor[j, j]
        for i in range(j + 1, p):
            total = 0.0
            for k in range(j, i):
                total -= factor[i, k] * root[k, j]
            root[i, j] = total / factor[i, i]
    for i in range(p):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, p):
                total += root[k, i] * root[k, j]
            inverse[i, j] = inverse[j, i] = total
    for i in range(p):
        for j in range(p):
            solution[i] += inverse[i, j] * vector[j]
    return True, solution, inverse


@njit(cache=True, nogil=True)
def logistic(x, y):
    """Return (ok, beta, covariance, probability) of a logistic regression by Newton's method (IRLS).

    x : float64 (n, p). y : float64 (n,), 0 or 1.
    """
    n, p = x.shape
    beta = np.zeros(p)
    covariance = np.zeros((p, p))
    probability = np.full(n, 0.5)
    log_likelihood = -n * np.log(2.0)
    eta = np.zeros(n)
    weighted = np.empty((n, p))
    for _ in range(MAX_ITERATIONS):
        score = x.T @ (y - probability)
        for i in range(n):
            weight = probability[i] * (1 - probability[i])
            for a in range(p):
                weighted[i, a] = weight * x[i, a]
        ok, step, covariance = cholesky_solve(x.T @ weighted, score)
        if not ok:
            return False, beta, covariance, probability
        decrement = step @ score
        direction = x @ step
        if decrement < DECREMENT:
            return np.abs(direction).max() < DIVERGING, beta + step, covariance, probability
        size = 1.0
        for _half in range(30):
            new = 0.0
            for i in range(n):
                probability[i] = 1 / (1 + np.exp(-eta[i] - size * direction[i]))
                new += np.log(probability[i] if y[i] == 1 else 1 - probability[i])
            if new >= log_likelihood - SLACK * abs(log_likelihood):
                break
            size /= 2
        log_likelihood = new
        beta += size * step
        eta += size * direction
    return False, beta, covariance, probability


@njit(cache=True, nogil=True)
def _ordinal_terms(x, y, n_classes, theta, information, score):
    """Fill the score and the observed information; return the log-likelihood (−inf if out of bounds)."""
    n, p = x.shape
    cuts = n_classes - 1
    score[:] = 0.0
    information[:] = 0.0
    log_likelihood = 0.0
    for i in range(n):
        eta = 0.0
        for a in range(p):
            eta += x[i, a] * theta[a]
        k = int(y[i])
        upper, lower, f_upper, f_lower = 1.0, 0.0, 0.0, 0.0
        if k < cuts:
            upper = 1 / (1 + np.exp(eta - theta[p + k]))
            f_upper = upper * (1 - upper)
        if k > 0:
            lower = 1 / (1 + np.exp(eta - theta[p + k - 1]))
            f_lower = lower * (1 - lower)
        probability = upper - lower
        if not probability > 1e-300:
            return -np.inf
        log_likelihood += np.log(probability)
        # First and second derivatives of log P by the upper and the lower cut.
        du, dl = f_upper / probability, -f_lower / probability
        huu = f_upper * (1 - 2 * upper) / probability - du * du
        hll = -f_lower * (1 - 2 * lower) / probability - dl * dl
        hul = -du * dl
        ub, lb = huu + hul, hll + hul
        both = ub + lb
        for a in range(p):
            score[a] -= x[i, a] * (du + dl)
            scaled = x[i, a] * both
            for b in range(a + 1):
                information[a, b] -= scaled * x[i, b]
            if k < cuts:
                information[p + k, a] += x[i, a] * ub
            if k > 0:
                information[p + k - 1, a] += x[i, a] * lb
        if k < cuts:
            score[p + k] += du
            information[p + k, p + k] -= huu
        if k > 0:
            score[p + k - 1] += dl
            information[p + k - 1, p + k - 1] -= hll
        if 0 < k < cuts:
            information[p + k, p + k - 1] -= hul
    for a in range(p + cuts):
        for b in range(a):
            information[b, a] = information[a, b]
    return log_likelihood


@njit(cache=True, nogil=True)
def ordinal(x, y, n_classes, start):
    """Return (ok, theta, covariance) of logit P(Y ≤ j) = ζ_j − xβ; theta holds β, then ζ.

    Newton's method with the observed information; the log-likelihood is concave (Pratt 1981), and the
    step is halved until it rises. x : float64 (n, p), without intercept. y : class numbers 0..K−1.
    start : theta to start from, or empty for the marginal log-odds.
    """
    n, p = x.shape
    cuts = n_classes - 1
    size = p + cuts
    theta = np.zeros(size)
    covariance = np.zeros((size, size))
    counts = np.zeros(n_classes)
    for i in range(n):
        counts[int(y[i])] += 1
    below = 0.0
    for k in range(cuts):
        below += counts[k]
        if counts[k] == 0 or counts[cuts] == 0:
            return False, theta, covariance
        theta[p + k] = np.log(below / (n - below))
    if start.shape[0] == size:
        theta[:] = start
    information = np.zeros((size, size))
    score = np.zeros(size)
    log_likelihood = _ordinal_terms(x, y, n_classes, theta, information, score)
    for _ in range(MAX_ITERATIONS):
        ok, step, covariance = cholesky_solve(information, score)
        if not ok:
            return False, theta, covariance
        decrement = step @ score
        if decrement < DECREMENT:
            moved = max(np.abs(x @ step[:p]).max(), np.abs(step[p:]).max())
            return moved < DIVERGING, theta + step, covariance
        length = 1.0
        for _half in range(30):
            new = _ordinal_terms(x, y, n_classes, theta + length * step, information, score)
            if new >= log_likelihood - SLACK * abs(log_likelihood):
                break
            length /= 2
        theta = theta + length * step
        log_likelihood = new
    return False, theta, covariance


@njit(cache=True, nogil=True)
def describe(values):
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
