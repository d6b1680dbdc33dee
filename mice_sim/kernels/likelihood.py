"""Compiled maximum likelihood fits of many small models in a row."""

from __future__ import annotations

import numpy as np
from numba import njit

MAX_ITERATIONS = 50
# Newton's decrement: twice the gain in log-likelihood that the next step still promises.
DECREMENT = 1e-12
# Where classes are separated the decrement vanishes too, but the linear predictor keeps moving by this or more.
DIVERGING = 1e-3
# A step may lower the log-likelihood by this share of it: near the maximum its rounding shows.
SLACK = 1e-11
# A column of this share of its length after the others are taken out of it is redundant.
REDUNDANT = 1e-7


@njit(cache=True, nogil=True)
def _factorise(matrix, factor):
    """Fill the lower Cholesky factor of a symmetric matrix; return whether it is positive definite."""
    for i in range(matrix.shape[0]):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i == j:
                if not total > 1e-11 * matrix[i, i]:
                    return False
                factor[i, i] = np.sqrt(total)
            else:
                factor[i, j] = total / factor[j, j]
    return True


@njit(cache=True, nogil=True)
def cholesky_solve(matrix, vector):
    """Return (ok, solution, inverse) for a symmetric positive definite matrix."""
    p = matrix.shape[0]
    factor = np.zeros((p, p))
    inverse = np.zeros((p, p))
    solution = np.zeros(p)
    if not _factorise(matrix, factor):
        return False, solution, inverse
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
def orthonormal(x):
    """Return (ok, basis, back): columns x @ back = basis of mean square 1 and uncorrelated; ok if x has full rank."""
    n, p = x.shape
    rows = x.T.copy()  # one contiguous row for each column
    upper = np.zeros((p, p))
    for j in range(p):
        before = np.sqrt(np.dot(rows[j], rows[j]))
        for _ in range(2):  # twice is enough (Giraud et al. 2005)
            for i in range(j):
                share = np.dot(rows[i], rows[j])
                upper[i, j] += share
                rows[j] -= share * rows[i]
        upper[j, j] = np.sqrt(np.dot(rows[j], rows[j]))
        if not upper[j, j] > REDUNDANT * before:
            return False, x, upper
        rows[j] /= upper[j, j]
    return True, np.sqrt(n) * rows.T.copy(), np.sqrt(n) * np.ascontiguousarray(np.linalg.inv(upper))


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
def _ordinal_terms(x, y, n_classes, weights, theta, information, score):
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
        weight = weights[i]
        log_likelihood += weight * np.log(probability)
        # First and second derivatives of log P by the upper and the lower cut.
        du, dl = f_upper / probability, -f_lower / probability
        huu = weight * (f_upper * (1 - 2 * upper) / probability - du * du)
        hll = weight * (-f_lower * (1 - 2 * lower) / probability - dl * dl)
        hul = weight * (-du * dl)
        du, dl = weight * du, weight * dl
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
    """Return (ok, theta, covariance) of a proportional odds model: all rows weigh 1."""
    return weighted_ordinal(x, y, n_classes, np.ones(x.shape[0]), start)


@njit(cache=True, nogil=True)
def weighted_ordinal(x, y, n_classes, weights, start):
    """Return (ok, theta, covariance) of logit P(Y ≤ j) = ζ_j − xβ; theta holds β, then ζ.

    Newton's method with the observed information; the log-likelihood is concave (Pratt 1981), and the
    step is halved until it rises. x : float64 (n, p), without intercept. y : class numbers 0..K−1.
    weights : float64 (n,), positive. start : theta to start from, or empty for the marginal log-odds.
    """
    n, p = x.shape
    cuts = n_classes - 1
    size = p + cuts
    theta = np.zeros(size)
    covariance = np.zeros((size, size))
    counts = np.zeros(n_classes)
    for i in range(n):
        counts[int(y[i])] += weights[i]
    total = counts.sum()
    below = 0.0
    for k in range(cuts):
        below += counts[k]
        if counts[k] == 0 or counts[cuts] == 0:
            return False, theta, covariance
        theta[p + k] = np.log(below / (total - below))
    if start.shape[0] == size:
        theta[:] = start
    information = np.zeros((size, size))
    score = np.zeros(size)
    log_likelihood = _ordinal_terms(x, y, n_classes, weights, theta, information, score)
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
            new = _ordinal_terms(x, y, n_classes, weights, theta + length * step, information, score)
            if new >= log_likelihood - SLACK * abs(log_likelihood):
                break
            length /= 2
        theta = theta + length * step
        log_likelihood = new
    return False, theta, covariance


# How a multinomial fit ended.
CONVERGED, STOPPED, UNIDENTIFIED = 0, 1, 2


@njit(cache=True, nogil=True)
def _multinomial_terms(x, y, n_classes, weights, penalty, theta, information, score):
    """Fill the score and the information; return the penalised log-likelihood."""
    n, p = x.shape
    logits = n_classes - 1
    probability = np.empty(logits)
    # One packed lower triangle of Σ w xx' for each pair of logits: long rows, which the compiler vectorises.
    packed = np.zeros((logits * (logits + 1) // 2, p * (p + 1) // 2))
    # The triangles xx' of up to four rows of x, and how they count for each pair.
    squares = np.zeros((4, packed.shape[1]))
    factors = np.zeros((4, packed.shape[0]))
    score[:] = 0.0
    log_likelihood = 0.0
    for i in range(n):
        most = 0.0
        for k in range(logits):
            eta = 0.0
            for a in range(p):
                eta += x[i, a] * theta[k, a]
            probability[k] = eta
            most = max(most, eta)
        total = np.exp(-most)
        own = -most if y[i] == 0 else probability[int(y[i]) - 1] - most
        for k in range(logits):
            probability[k] = np.exp(probability[k] - most)
            total += probability[k]
        weight = weights[i]
        log_likelihood += weight * (own - np.log(total))
        place = 0
        for a in range(p):
            for b in range(a + 1):
                squares[i % 4, place] = x[i, a] * x[i, b]
                place += 1
        pair = 0
        for k in range(logits):
            probability[k] /= total
            residual = weight * ((1.0 if y[i] == k + 1 else 0.0) - probability[k])
            for a in range(p):
                score[k, a] += residual * x[i, a]
            for other in range(k + 1):
                factors[i % 4, pair] = weight * probability[k] * ((1.0 if other == k else 0.0) - probability[other])
                pair += 1
        if i % 4 == 3:
            _add_four(packed, factors, squares)
    factors[n % 4 :] = 0.0
    _add_four(packed, factors, squares)
    pair = 0
    for k in range(logits):
        for other in range(k + 1):
            place = 0
            for a in range(p):
                for b in range(a + 1):
                    value = packed[pair, place]
                    information[k * p + a, other * p + b] = value
                    information[k * p + b, other * p + a] = value
                    information[other * p + b, k * p + a] = value
                    information[other * p + a, k * p + b] = value
                    place += 1
            pair += 1
        for a in range(p):
            information[k * p + a, k * p + a] += penalty[a]
            score[k, a] -= penalty[a] * theta[k, a]
            log_likelihood -= 0.5 * penalty[a] * theta[k, a] ** 2
    return log_likelihood


@njit(cache=True, nogil=True)
def _add_four(sums, factors, terms):
    """Add factors[r, a]·terms[r, b] to sums[a, b] for r = 0, …, 3, loading and storing each sum once for all four."""
    for a in range(sums.shape[0]):
        f0, f1, f2, f3 = factors[0, a], factors[1, a], factors[2, a], factors[3, a]
        for b in range(sums.shape[1]):
            sums[a, b] = sums[a, b] + f0 * terms[0, b] + f1 * terms[1, b] + f2 * terms[2, b] + f3 * terms[3, b]


@njit(cache=True, nogil=True)
def multinomial(x, y, n_classes, weights, penalty, max_iterations, start):
    """Return (ending, theta, factor) of log P(Y = k) / P(Y = 0) = x theta[k − 1], by Newton's method from `start`.

    x : float64 (n, p). y : class numbers 0..K−1. weights : float64 (n,), positive. penalty : float64 (p,), the
    precision of a normal prior about 0 of each coefficient; 0 for none. theta : (K−1, p). factor : the lower
    Cholesky factor of the information about theta, row after row, where Newton's method stood last.
    ending : CONVERGED, STOPPED after max_iterations, or UNIDENTIFIED if there is no finite maximum.
    """
    p = x.shape[1]
    size = (n_classes - 1) * p
    theta = start.copy()
    information = np.empty((size, size))
    score = np.empty((n_classes - 1, p))
    factor = np.zeros((size, size))
    log_likelihood = _multinomial_terms(x, y, n_classes, weights, penalty, theta, information, score)
    for _ in range(max_iterations):
        if not _factorise(information, factor):
            return UNIDENTIFIED, theta, factor
        step = _solve_factorised(factor, score.ravel())
        decrement = step @ score.ravel()
        move = step.reshape(theta.shape)
        if decrement < DECREMENT:
            steady = np.abs(x @ move.T).max() < DIVERGING
            return (CONVERGED if steady else UNIDENTIFIED), theta + move, factor
        length = 1.0
        for _half in range(30):
            new = _multinomial_terms(x, y, n_classes, weights, penalty, theta + length * move, information, score)
            if new >= log_likelihood - SLACK * abs(log_likelihood):
                break
            length /= 2
        theta = theta + length * move
        log_likelihood = new
    return STOPPED, theta, factor


@njit(cache=True, nogil=True)
def _solve_factorised(factor, vector):
    """Return the solution of (factor factor') z = vector for a lower triangular factor."""
    size = vector.shape[0]
    solution = vector.copy()
    for i in range(size):
        for k in range(i):
            solution[i] -= factor[i, k] * solution[k]
        solution[i] /= factor[i, i]
    for i in range(size - 1, -1, -1):
        solution[i] /= factor[i, i]
        for k in range(i):
            solution[k] -= factor[i, k] * solution[i]
    return solution
