"""Least squares on centred and scaled columns, which neither overflow nor underflow where the result does not.

A fast Cholesky factor of the correlations where it is accurate, else Gram-Schmidt, which finds columns
that depend on earlier ones by R's criterion: less than 1e-7 of a column's length is new. Unlike R's, lengths
are taken from the mean, so that dates and the like are not taken for constants.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# What remains of a column, as a share of its length, when it counts as dependent (lm's default tolerance).
TOLERANCE = 1e-7
# The Cholesky factor is trusted while every pivot (1 − R² on the earlier columns) is at least this.
ACCURATE = 1e-5
# A column that varies by less than this share of its mean is constant; rounding spoils the rest.
CONSTANT = 1e-9
# Numbers below this are zero: their reciprocals are not safe.
TINY = 1e-290
BLOCK = 1024

UNWEIGHTED = np.zeros(0)


@njit(cache=True, nogil=True)
def least_squares(x, y, weights):
    """Regress y (n,) on an intercept and x (n, p), by weights (n,) or, if there are none (0,), unweighted.

    Returns
    -------
    centre, inverse : (p,), the columns' weighted means and one over the lengths of what they leave, so that
        (x − centre)·inverse has columns of length 1; inverse is 0 where a column is dependent.
    mean : the weighted mean of y. coef : (p,), slopes on those columns; 0 where dependent.
    factor : (p, p) upper triangular, F F' = (Z'WZ)⁻¹ of those columns; rows of dependent ones are 0.
    length : the root of the weighted sum of squared residuals. kept : bool (p,). fitted : (n,).
    """
    n, p = x.shape
    centre, spread = centre_and_spread(x, weights)
    y_centre, y_spread = centre_and_spread(y.reshape(n, 1), weights)
    unit_x, unit_y = _reciprocal(spread), _reciprocal(y_spread)
    products = _products(x, centre, unit_x, y, y_centre[0], unit_y[0], weights)
    long = np.empty(p)
    inverse = np.zeros(p)
    for j in range(p):
        long[j] = np.sqrt(products[j, j])
        if spread[j] > max(CONSTANT * abs(centre[j]), TINY):
            inverse[j] = 1.0 / (long[j] * spread[j])
    rows = np.count_nonzero(weights) if weights.size else n
    factor, kept, fast = _cholesky_inverse(products, long, inverse)
    if fast and p + 1 < rows:
        scores = np.zeros(p)
        for j in range(p):
            scores[j] = products[j, p] / long[j]
        slopes = factor @ (factor.T @ scores)
    else:
        # One degree of freedom is left to the residuals: a plane through all rows would copy them.
        factor, kept, slopes = _gram_schmidt(x, centre, inverse, y, y_centre[0], unit_y[0], weights, rows - 2)
    coef = np.zeros(p)
    for j in range(p):
        inverse[j] = inverse[j] if kept[j] else 0.0
        coef[j] = slopes[j] * y_spread[0] if kept[j] else 0.0
    fitted = predict(x, centre, inverse, y_centre[0], coef)
    length = _residual_length(y, fitted, weights, unit_y[0], y_spread[0])
    return centre, inverse, y_centre[0], coef, factor, length, kept, fitted


@njit(cache=True, nogil=True)
def predict(x, centre, inverse, mean, coef):
    """Return mean + (x − centre)·inverse·coef for every row of x (n, p)."""
    n, p = x.shape
    values = np.empty(n)
    for i in range(n):
        total = 0.0
        for j in range(p):
            total += (x[i, j] - centre[j]) * inverse[j] * coef[j]
        values[i] = mean + total
    return values


@njit(cache=True, nogil=True)
def centre_and_spread(x, weights):
    """Return the columns' weighted means and the largest distances from them, both (p,)."""
    n, p = x.shape
    largest, mean, spread = np.zeros(p), np.zeros(p), np.zeros(p)
    for i in range(n):
        for j in range(p):
            largest[j] = max(largest[j], abs(x[i, j]))
    unit = _reciprocal(largest)
    total = 0.0
    for i in range(n):
        weight = weights[i] if weights.size else 1.0
        total += weight
        for j in range(p):
            mean[j] += weight * (x[i, j] * unit[j])
    for j in range(p):
        mean[j] = mean[j] / total * largest[j]
    for i in range(n):
        if weights.size and weights[i] == 0:
            continue
        for j in range(p):
            spread[j] = max(spread[j], abs(x[i, j] - mean[j]))
    for j in range(p):
        # What rounding of the mean leaves of a constant column is nothing.
        if spread[j] < 1e-15 * largest[j]:
            spread[j] = 0.0
    return mean, spread


@njit(cache=True, nogil=True)
def _reciprocal(numbers):
    result = np.zeros(numbers.size)
    for j in range(numbers.size):
        if numbers[j] > TINY:
            result[j] = 1.0 / numbers[j]
    return result


@njit(cache=True, nogil=True)
def _products(x, centre, unit, y, y_centre, y_unit, weights):
    """Return the weighted cross products (p + 1, p + 1) of the centred columns of x and, last, y; block by block."""
    n, p = x.shape
    products = np.zeros((p + 1, p + 1))
    block = np.empty((min(n, BLOCK), p + 1))
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        for i in range(size):
            row = start + i
            root = np.sqrt(weights[row]) if weights.size else 1.0
            for j in range(p):
                block[i, j] = (x[row, j] - centre[j]) * unit[j] * root
            block[i, p] = (y[row] - y_centre) * y_unit * root
        part = block[:size]
        products += part.T @ part
    return products


@njit(cache=True, nogil=True)
def _cholesky_inverse(products, long, inverse):
    """Return the inverse of the Cholesky factor of the correlations, what is kept, and whether it can be trusted."""
    p = long.shape[0]
    upper, kept = np.zeros((p, p)), np.ones(p, np.bool_)
    for j in range(p):
        if inverse[j] == 0:
            return upper, kept, False
        for i in range(j + 1):
            total = products[i, j] / (long[i] * long[j])
            for k in range(i):
                total -= upper[k, i] * upper[k, j]
            if i < j:
                upper[i, j] = total / upper[i, i]
            elif total < ACCURATE:
                return upper, kept, False
            else:
                upper[j, j] = np.sqrt(total)
    return _upper_inverse(upper), kept, True


@njit(cache=True, nogil=True)
def _upper_inverse(upper):
    """Return the inverse of an upper triangular matrix; a 0 on the diagonal gives a row and a column of 0."""
    p = upper.shape[0]
    inverse = np.zeros((p, p))
    for j in range(p):
        if upper[j, j] == 0:
            continue
        inverse[j, j] = 1 / upper[j, j]
        for i in range(j - 1, -1, -1):
            if upper[i, i] == 0:
                continue
            total = 0.0
            for k in range(i + 1, j + 1):
                total += upper[i, k] * inverse[k, j]
            inverse[i, j] = -total / upper[i, i]
    return inverse


@njit(cache=True, nogil=True)
def _gram_schmidt(x, centre, inverse, y, y_centre, y_unit, weights, most):
    """Return the inverse triangular factor, the `most` columns kept and the slopes of y in units of its spread.

    Modified Gram-Schmidt, every column twice ("twice is enough": Giraud et al. 2005, Numer. Math. 101:87-100).
    """
    n, p = x.shape
    basis, upper = np.zeros((p, n)), np.zeros((p, p))
    scores, kept = np.zeros(p), np.zeros(p, np.bool_)
    root = np.ones(n)
    if weights.size:
        root[:] = np.sqrt(weights)
    rank = 0
    for j in range(p):
        if inverse[j] == 0 or rank >= most:
            continue
        column = basis[j]
        for i in range(n):
            column[i] = (x[i, j] - centre[j]) * inverse[j] * root[i]
        for _ in range(2):
            for k in range(j):
                if kept[k]:
                    share = np.dot(basis[k], column)
                    upper[k, j] += share
                    column -= share * basis[k]
        left = np.sqrt(np.dot(column, column))
        if left < TOLERANCE:
            upper[:, j] = 0
            continue
        kept[j] = True
        rank += 1
        upper[j, j] = left
        column /= left
        for i in range(n):
            scores[j] += column[i] * (y[i] - y_centre) * y_unit * root[i]
    factor = _upper_inverse(upper)
    return factor, kept, factor @ scores


@njit(cache=True, nogil=True)
def _residual_length(y, fitted, weights, unit, spread):
    total = 0.0
    for i in range(y.size):
        share = (y[i] - fitted[i]) * unit
        total += share * share * (weights[i] if weights.size else 1.0)
    return np.sqrt(total) * spread
