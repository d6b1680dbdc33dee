"""Logistic mixed models of one grouping, by Laplace's approximation or adaptive quadrature; arrays as in `mixed`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from mice_sim.kernels.likelihood import DIVERGING, SLACK, _factorise, orthonormal
from mice_sim.kernels.mixed import (
    CONVERGED,
    DECREMENT,
    EXACT,
    MAX_ITERATIONS,
    NOT_CONVERGED,
    NOT_IDENTIFIED,
    NOUGHT,
    RANK_DEFICIENT,
    SINGULAR,
    SUFFICIENT,
    _is_regular,
    _lower_triangle,
    _sorted,
    _step,
)

# A step that promises less of the deviance and is long all the same is on its way to infinity; along a flat valley
# towards a minimum it promises more.
NOTHING = 1e-4 * DECREMENT


class LogisticFit(NamedTuple):
    """A logistic mixed model; as `mixed.LinearFit`, without a residual variance.

    covariance (p + k, p + k) : of beta and the lower triangle of psi, row by row: the inverse of the observed
    information; where the fit is singular, psi's part is that of the expected information of the linearised model
    (Breslow & Clayton 1993, JASA 88, 9-25). effects : conditional modes,
    with the inverse curvature of the log-density there as their covariance.
    """

    status: int
    beta: np.ndarray
    covariance: np.ndarray
    psi: np.ndarray
    effects: np.ndarray
    effects_covariance: np.ndarray
    deviance: float
    singular: bool


def logistic_mixed(
    y: np.ndarray, x: np.ndarray, z: np.ndarray, group: np.ndarray, n_groups: int, nodes: int = 1
) -> LogisticFit:
    """Fit by maximum likelihood; arguments as in `mixed`, y float64 (n,) of 0 and 1.

    nodes : of the adaptive Gauss-Hermite quadrature; 1 is Laplace's approximation. More need q = 1.
    Pinheiro & Bates (1995), J. Comput. Graph. Stat. 4, 12-35; β and the covariance factor are found together.
    """
    order, starts = _sorted(group, n_groups)
    at, weights = np.polynomial.hermite.hermgauss(nodes)
    return LogisticFit(*_logistic(y[order], x[order], z[order], starts, at, np.log(weights / np.sqrt(np.pi)) + at**2))


@njit(cache=True, nogil=True)
def _curvature(z, weight, first, last, factor, matrix, inner):
    """Fill matrix with Z'WZ of a cluster, inner with I + Λ'Z'WZΛ."""
    q = z.shape[1]
    matrix[:] = 0.0
    for i in range(first, last):
        for a in range(q):
            scaled = weight[i] * z[i, a]
            for b in range(a + 1):
                matrix[a, b] += scaled * z[i, b]
    for a in range(q):
        for b in range(a):
            matrix[b, a] = matrix[a, b]
    for a in range(q):
        for b in range(q):
            total = 1.0 if a == b else 0.0
            for c in range(a, q):
                for d in range(b, q):
                    total += factor[c, a] * matrix[c, d] * factor[d, b]
            inner[a, b] = total


@njit(cache=True, nogil=True)
def _penalised(y, fixed, spread, u, first, last, eta):
    """Fill eta with the linear predictor of a cluster; return −log of its density of y and u, but for constants."""
    total = 0.0
    for a in range(u.size):
        total += u[a] * u[a] / 2
    for i in range(first, last):
        eta[i] = fixed[i]
        for a in range(u.size):
            eta[i] += spread[i, a] * u[a]
        signed = eta[i] if y[i] == 1 else -eta[i]
        total += np.log1p(np.exp(-signed)) if signed > 0 else np.log1p(np.exp(signed)) - signed
    return total


@njit(cache=True, nogil=True)
def _pull(y, spread, u, first, last, eta, weight, out):
    """Fill weight with μ(1 − μ) and out with the derivative of `_penalised` by u."""
    out[:] = u
    for i in range(first, last):
        mean = 1 / (1 + np.exp(-eta[i]))
        weight[i] = mean * (1 - mean)
        for a in range(u.size):
            out[a] -= spread[i, a] * (y[i] - mean)


@njit(cache=True, nogil=True)
def _mode(y, z, fixed, spread, factor, u, first, last, eta, weight, matrix, inner, lower):
    """Move u to a cluster's conditional mode by Newton's method; inner and its lower root are those of the mode."""
    q = u.size
    pull = np.zeros(q)
    now = _penalised(y, fixed, spread, u, first, last, eta)
    for _ in range(100):
        _pull(y, spread, u, first, last, eta, weight, pull)
        _curvature(z, weight, first, last, factor, matrix, inner)
        _factorise(inner, lower)
        step = -pull
        _solve(lower, step)
        promise = -np.dot(pull, step)
        if promise < 1e-20:
            return now
        old, before = u.copy(), now
        for _half in range(40):
            u[:] = old + step
            now = _penalised(y, fixed, spread, u, first, last, eta)
            if now <= before + 1e-14 * abs(before):
                break
            step /= 2
    return now


@njit(cache=True, nogil=True)
def _solve(lower, b):
    """Replace b by (LL')⁻¹ b."""
    q = b.size
    for i in range(q):
        for k in range(i):
            b[i] -= lower[i, k] * b[k]
        b[i] /= lower[i, i]
    for i in range(q - 1, -1, -1):
        for k in range(i + 1, q):
            b[i] -= lower[k, i] * b[k]
        b[i] /= lower[i, i]


@njit(cache=True, nogil=True)
def _as_factor(theta, p, at):
    """Return Λ of a parameter vector."""
    q = at[-1, 0] + 1
    factor = np.zeros((q, q))
    for i in range(at.shape[0]):
        factor[at[i, 0], at[i, 1]] = theta[p + i]
    return factor


@njit(cache=True, nogil=True)
def _change(back, back_z, factor, at):
    """Return the derivatives of β and the lower triangle of Ψ of the given columns by β and Λ of orthonormal ones."""
    p, k = back.shape[0], at.shape[0]
    change = np.zeros((p + k, p + k))
    change[:p, :p] = back
    turned = back_z @ factor
    for i in range(k):
        a, b = at[i]
        for j in range(k):
            c, d = at[j]
            change[p + j, p + i] = back_z[c, a] * turned[d, b] + turned[c, b] * back_z[d, a]
    return change


@njit(cache=True, nogil=True)
def _logistic_terms(theta, y, x, z, starts, at, nodes, log_weights, modes):
    """Return the deviance and its gradient (p + k,); modes (G, q) start at the last ones and move to the new.

    theta : β, then Λ's lower triangle. With one node it is Laplace's approximation: −2 log of a cluster's likelihood is
    2h(û) + log|A|, h = `_penalised`, A its curvature by u; with more the exact derivative of the quadrature's sum.
    """
    p, q = x.shape[1], z.shape[1]
    k, n_nodes = at.shape[0], nodes.size
    factor = _as_factor(theta, p, at)
    fixed, spread = x @ theta[:p].copy(), z @ factor
    eta, weight, at_node = np.zeros(y.size), np.zeros(y.size), np.zeros(y.size)
    matrix, inner, lower, inverse = np.zeros((q, q)), np.zeros((q, q)), np.zeros((q, q)), np.zeros((q, q))
    terms, share, towards = np.zeros(n_nodes), np.zeros(q), np.zeros(q)
    held, u_node, pull = np.zeros(q), np.zeros(q), np.zeros(q)
    gradient, one = np.zeros(p + k), np.zeros(p + k)
    deviance = 0.0
    for g in range(starts.size - 1):
        first, last = starts[g], starts[g + 1]
        if first == last:
            continue
        u = modes[g]
        least = _mode(y, z, fixed, spread, factor, u, first, last, eta, weight, matrix, inner, lower)
        log_determinant = 0.0
        for a in range(q):
            log_determinant += 2 * np.log(lower[a, a])
            inverse[:, a] = 0.0
            inverse[a, a] = 1.0
            _solve(lower, inverse[:, a])
        width = np.sqrt(2 * inverse[0, 0])
        for m in range(n_nodes):
            u_node[:] = u
            u_node[0] += nodes[m] * width
            value = _penalised(y, fixed, spread, u_node, first, last, at_node) if n_nodes > 1 else least
            terms[m] = log_weights[m] - value + least
        most = terms.max()
        terms = np.exp(terms - most)
        total = terms.sum()
        deviance += log_determinant + 2 * least - 2 * (most + np.log(total))
        terms /= total

        # By what is explicit at each node, weighed by the nodes' shares; `by_width` and `by_mode` are the rest.
        one[:] = 0.0
        by_width, by_mode = 1.0, np.zeros(q)
        for m in range(n_nodes):
            u_node[:] = u
            u_node[0] += nodes[m] * width
            _penalised(y, fixed, spread, u_node, first, last, at_node)
            pull[:] = u_node
            held[:] = 0.0
            for i in range(first, last):
                rest = y[i] - 1 / (1 + np.exp(-at_node[i]))
                for a in range(q):
                    pull[a] -= spread[i, a] * rest
                    held[a] += z[i, a] * rest
                for j in range(p):
                    one[j] -= 2 * terms[m] * rest * x[i, j]
            for i in range(k):
                one[p + i] -= 2 * terms[m] * held[at[i, 0]] * u_node[at[i, 1]]
            by_mode += 2 * terms[m] * pull
            if n_nodes > 1:
                by_width -= terms[m] * pull[0] * nodes[m] * width
        # d log|A| and dû, both through the linear predictor at the mode.
        share[:] = by_mode
        held[:] = 0.0
        for i in range(first, last):
            mean = 1 / (1 + np.exp(-eta[i]))
            at_node[i] = 0.0
            for a in range(q):
                held[a] += z[i, a] * (y[i] - mean)
                for b in range(q):
                    at_node[i] += spread[i, a] * inverse[a, b] * spread[i, b]
            at_node[i] *= by_width * weight[i] * (1 - 2 * mean)
            for a in range(q):
                share[a] += at_node[i] * spread[i, a]
        towards[:] = inverse @ share
        pull[:] = 0.0
        for i in range(first, last):
            rest = at_node[i]
            for a in range(q):
                rest -= weight[i] * spread[i, a] * towards[a]
            for a in range(q):
                pull[a] += rest * z[i, a]
            for j in range(p):
                one[j] += rest * x[i, j]
        explicit = matrix @ factor @ inverse
        for i in range(k):
            a, b = at[i]
            one[p + i] += pull[a] * u[b] + 2 * by_width * explicit[a, b] + towards[b] * held[a]
        gradient += one
    return deviance, gradient


@njit(cache=True, nogil=True)
def _logistic_hessian(theta, gradient, central, y, x, z, starts, at, nodes, log_weights, modes):
    """Return the deviance's second derivatives, by differences of the gradient: central ones, or from the one here."""
    size = theta.size
    hessian = np.zeros((size, size))
    for i in range(size):
        width = 1e-4 * max(1.0, abs(theta[i]))
        moved = theta.copy()
        moved[i] = theta[i] + width
        _, above = _logistic_terms(moved, y, x, z, starts, at, nodes, log_weights, modes)
        moved[i] = theta[i] - width
        if central:
            _, below = _logistic_terms(moved, y, x, z, starts, at, nodes, log_weights, modes)
            hessian[i] = (above - below) / (2 * width)
        else:
            hessian[i] = (above - gradient) / width
    return (hessian + hessian.T) / 2


@njit(cache=True, nogil=True)
def _logistic(y, x, z, starts, nodes, log_weights):
    n, p = x.shape
    q, n_groups = z.shape[1], starts.size - 1
    at, symmetric = _lower_triangle(q)
    k = at.shape[0]
    beta, covariance, psi = np.zeros(p), np.zeros((p + k, p + k)), np.zeros((q, q))
    modes, conditional = np.zeros((n_groups, q)), np.zeros((n_groups, q, q))
    ok, basis, back = orthonormal(x)
    ok_z, random, back_z = orthonormal(z)
    status = CONVERGED if ok and ok_z else RANK_DEFICIENT
    filled = np.sum(starts[1:] > starts[:-1])
    if status == CONVERGED and (filled < 2 or filled == n):
        status = NOT_IDENTIFIED
    if status == CONVERGED and not 0 < y.mean() < 1:
        status = EXACT
    if status != CONVERGED:
        return status, beta, covariance, psi, modes, conditional, np.nan, False

    theta = np.zeros(p + k)
    theta[:p] = (basis.T @ np.full(n, np.log(y.mean() / (1 - y.mean())))) / n
    for i in range(k):
        theta[p + i] = 1.0 if at[i, 0] == at[i, 1] else 0.0
    deviance, gradient = _logistic_terms(theta, y, basis, random, starts, at, nodes, log_weights, modes)
    status = NOT_CONVERGED
    for _ in range(MAX_ITERATIONS):
        hessian = _logistic_hessian(theta, gradient, False, y, basis, random, starts, at, nodes, log_weights, modes)
        step, promise = _step(gradient, hessian)
        last = promise < DECREMENT and np.abs(step).max() < DIVERGING
        if promise < NOTHING and not last:
            break
        shrink = min(1.0, 3.0 / max(np.abs(step).max(), 1e-300))
        before, old = deviance, theta
        for _half in range(40):
            theta = old + shrink * step
            deviance, gradient = _logistic_terms(theta, y, basis, random, starts, at, nodes, log_weights, modes)
            if deviance <= before - SUFFICIENT * shrink * promise + SLACK * abs(before):
                break
            shrink /= 2
        if last:
            status = CONVERGED
            break
    if status != CONVERGED:
        return status, beta, covariance, psi, modes, conditional, np.nan, False

    theta[p:] = np.where(np.abs(theta[p:]) < NOUGHT, 0.0, theta[p:])
    factor = _as_factor(theta, p, at)
    relative = factor @ factor.T.copy()
    singular = np.linalg.eigvalsh(relative)[0] < SINGULAR**2
    hessian = _logistic_hessian(theta, gradient, True, y, basis, random, starts, at, nodes, log_weights, modes)
    if not _is_regular(hessian):
        return NOT_CONVERGED, beta, covariance, psi, modes, conditional, np.nan, False
    change = _change(back, back_z, factor, at)
    covariance = change @ (2 * np.linalg.inv(hessian)) @ change.T.copy()
    _logistic_terms(theta, y, basis, random, starts, at, nodes, log_weights, modes)
    turned = back_z @ factor
    beta = back @ theta[:p].copy()
    psi = turned @ turned.T.copy()
    eta, weight = np.zeros(n), np.zeros(n)
    matrix, inner, pull = np.zeros((q, q)), np.zeros((q, q)), np.zeros(q)
    fixed, spread = x @ beta, z @ turned
    information = np.zeros((q * q, q * q))
    for g in range(n_groups):
        first, last_row = starts[g], starts[g + 1]
        _penalised(y, fixed, spread, modes[g], first, last_row, eta)
        _pull(y, spread, modes[g], first, last_row, eta, weight, pull)
        _curvature(random, weight, first, last_row, factor, matrix, inner)
        inverse = np.linalg.inv(inner)
        conditional[g] = turned @ inverse @ turned.T.copy()
        rest = matrix @ factor
        rest = matrix - rest @ inverse @ rest.T.copy()
        information += np.kron(rest, rest) / 2
    if singular:  # psi as a function of its factor has no slope there
        of_psi = np.linalg.inv(symmetric @ information @ symmetric.T.copy())
        turn = np.kron(back_z, back_z) @ symmetric.T.copy()
        lower = np.zeros((k, k))
        for i in range(k):
            lower[i] = turn[at[i, 0] * q + at[i, 1]]
        covariance[p:] = covariance[:, p:] = 0.0
        covariance[p:, p:] = lower @ of_psi @ lower.T.copy()
    return CONVERGED, beta, covariance, psi, modes @ turned.T.copy(), conditional, deviance, singular
