"""Linear mixed models of one grouping by (RE)ML, and cluster effects; `mixed_logistic` has the logistic ones.

y_ij ~ x_ij β + z_ij b_j with b_j ~ N(0, Ψ), Ψ unstructured. Everything is plain arrays:

x : float64 (n, p), the fixed part with its intercept. z : float64 (n, q), the random part with its intercept.
group : int (n,), the cluster of each row from 0. n_groups : how many there are; one without rows has the effect 0.

A variance of 0 or a correlation of 1 (`singular`) is a result, not a failure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from mice_sim.kernels.likelihood import SLACK, _factorise, orthonormal

CONVERGED, NOT_CONVERGED, RANK_DEFICIENT, NOT_IDENTIFIED, EXACT = range(5)
MAX_ITERATIONS = 200
# What the next step still promises of the deviance; that step is taken too, and squares the error.
DECREMENT = 1e-9
# The share of it that a step must keep; −Λ is as good as Λ, so a step to an equal deviance may go round for ever.
SUFFICIENT = 1e-4
# Smaller relative standard deviations (in orthonormal columns of z) make a fit singular, as in lme4.
SINGULAR = 1e-4
# Elements of the relative covariance factor below this are 0 but for rounding.
NOUGHT = 1e-7


class LinearFit(NamedTuple):
    """A linear mixed model.

    status : CONVERGED, or why there is no fit: NOT_CONVERGED, RANK_DEFICIENT (x or z), NOT_IDENTIFIED (one cluster,
        clusters of one row) or EXACT (no residual is left); all else is meaningless then.
    beta (p,), covariance (p, p) : fixed effects, σ²(X'H⁻¹X)⁻¹ with H = V/σ².
    psi (q, q), sigma2 : the covariance of the cluster effects and the residual variance.
    variance_covariance (k + 1, k + 1) : covariance of the lower triangle of psi, row by row, and sigma2: the inverse of
        the observed information; where the fit is singular, of the expected one.
    effects (G, q), effects_covariance (G, q, q) : b_j's mean and covariance given the data and these estimates.
    deviance : −2 log (restricted) likelihood. singular : whether psi has not full rank.
    df (p,) : Satterthwaite's degrees of freedom of the fixed effects, 2v²/(g'Ag): v is the square of a standard
        error, g its derivatives by the variance parameters, A their covariance (Giesbrecht & Burns 1985, Biometrics
        41, 477-486; Fai & Cornelius 1996, J. Stat. Comput. Simul. 54, 363-378).
    """

    status: int
    beta: np.ndarray
    covariance: np.ndarray
    psi: np.ndarray
    sigma2: float
    variance_covariance: np.ndarray
    effects: np.ndarray
    effects_covariance: np.ndarray
    deviance: float
    singular: bool
    df: np.ndarray


def linear_mixed(
    y: np.ndarray, x: np.ndarray, z: np.ndarray, group: np.ndarray, n_groups: int, reml: bool = True
) -> LinearFit:
    """Fit by restricted (or, if not `reml`, plain) maximum likelihood; arguments as above, y float64 (n,).

    The deviance of Bates et al. (2015), J. Stat. Softw. 67(1), eq. 34 and 42, is profiled over β and σ² and minimised
    over the relative covariance factor by Newton's method. Each cluster is reduced to q rows before, so a step takes a
    time in proportion to n_groups, not n. Derivatives: Lindstrom & Bates (1988), JASA 83, 1014-1022; Gilmour, Thompson
    & Cullis (1995), Biometrics 51, 1440-1450.
    """
    order, starts = _sorted(group, n_groups)
    return LinearFit(*_linear(y[order], x[order], z[order], starts, reml))


def effects_given(
    residual: np.ndarray, z: np.ndarray, group: np.ndarray, n_groups: int, psi: np.ndarray, sigma2: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (G, q) and covariance (G, q, q) of b_j given y − xβ (n,), psi and sigma2 of a linear model.

    They are M(y − xβ) and Ψ − MZΨ with M = ΨZ'(ZΨZ' + σ²I)⁻¹; a cluster without rows has 0 and Ψ.
    """
    order, starts = _sorted(group, n_groups)
    return _effects_given(residual[order], z[order], starts, psi, sigma2)


def _sorted(group: np.ndarray, n_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the order that puts clusters together, and where each starts (n_groups + 1,)."""
    starts = np.zeros(n_groups + 1, dtype=np.int64)
    np.cumsum(np.bincount(group, minlength=n_groups), out=starts[1:])
    return np.argsort(group, kind="stable"), starts


# ---- linear algebra


@njit(cache=True, nogil=True)
def _forward(factor, b):
    """Replace the columns of b by those of factor⁻¹ b; factor is lower triangular."""
    for i in range(factor.shape[0]):
        for c in range(b.shape[1]):
            total = b[i, c]
            for k in range(i):
                total -= factor[i, k] * b[k, c]
            b[i, c] = total / factor[i, i]


@njit(cache=True, nogil=True)
def _step(gradient, hessian):
    """Return Newton's step down and what it promises; curvatures count as positive and not as tiny."""
    values, vectors = np.linalg.eigh(hessian)
    values = np.maximum(np.abs(values), 1e-10 * np.abs(values).max() + 1e-300)
    along = vectors.T @ gradient
    return -(vectors @ (along / values)), np.sum(along**2 / values)


@njit(cache=True, nogil=True)
def _lower_triangle(q):
    """Return row and column of each of a triangle's k = q(q + 1)/2 elements, and (k, q²) with d vec(D) of each."""
    k = q * (q + 1) // 2
    at = np.zeros((k, 2), dtype=np.int64)
    symmetric = np.zeros((k, q * q))
    i = 0
    for a in range(q):
        for b in range(a + 1):
            at[i, 0], at[i, 1] = a, b
            symmetric[i, a * q + b] = symmetric[i, b * q + a] = 1.0
            i += 1
    return at, symmetric


@njit(cache=True, nogil=True)
def _of_factor(at, factor):
    """Return d vec(ΛΛ')/dΛ, (k, q²)."""
    k, q = at.shape[0], factor.shape[0]
    jacobian = np.zeros((k, q * q))
    for i in range(k):
        a, b = at[i]
        for c in range(q):
            jacobian[i, a * q + c] += factor[c, b]
            jacobian[i, c * q + a] += factor[c, b]
    return jacobian


@njit(cache=True, nogil=True)
def _root(matrix):
    """Return a lower triangular root of a positive semidefinite matrix."""
    q = matrix.shape[0]
    root = np.zeros((q, q))
    for j in range(q):
        for i in range(j, q):
            total = matrix[i, j]
            for k in range(j):
                total -= root[i, k] * root[j, k]
            if i == j:
                root[j, j] = np.sqrt(max(total, 0.0))
            elif root[j, j] > 0:
                root[i, j] = total / root[j, j]
    return root


@njit(cache=True, nogil=True)
def _is_regular(information):
    """Return whether an information matrix has an inverse that means something."""
    k = information.shape[0]
    scale = np.sqrt(np.diag(information))
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        return False
    scaled = information / scale.reshape(k, 1) / scale
    return np.linalg.eigvalsh(scaled)[0] > 1e-9


# ---- the linear model


@njit(cache=True, nogil=True)
def _reduce(columns, z, starts):
    """Return what the likelihood takes of the data: z_j = Q_j R_j with q rows for each cluster.

    Returns roots (G, q, q + c) = [R_j, Q_j' columns] and within (c, c), the cross-products of what is left of `columns`
    (n, c) once all Q_j are taken out; nothing cancels later, however large the variance between clusters.
    """
    n_groups, q, c = starts.size - 1, z.shape[1], columns.shape[1]
    roots = np.zeros((n_groups, q, q + c))
    rest = np.concatenate((z, columns), axis=1)
    for g in range(n_groups):
        first, last = starts[g], starts[g + 1]
        for j in range(q):
            before, length = 0.0, 0.0
            for i in range(first, last):
                before += z[i, j] * z[i, j]
                length += rest[i, j] * rest[i, j]
            if not length > 1e-20 * before:
                continue
            length = np.sqrt(length)
            roots[g, j, j] = length
            for d in range(j + 1, q + c):
                share = 0.0
                for i in range(first, last):
                    share += rest[i, j] * rest[i, d]
                share /= length
                roots[g, j, d] = share
                for i in range(first, last):
                    rest[i, d] -= share * rest[i, j] / length
    left = rest[:, q:].copy()
    return roots, left.T @ left


@njit(cache=True, nogil=True)
def _whiten(roots, factor, within, white):
    """Fill white with (I + R D R')^(−1/2) [R, Q'columns], D = ΛΛ'; return log |H| and columns' H⁻¹ columns."""
    n_groups, q, width = roots.shape
    cross = within.copy()
    inner, lower = np.zeros((q, q)), np.zeros((q, q))
    spread = np.zeros((q, q))
    log_determinant = 0.0
    for g in range(n_groups):
        root = roots[g]
        for a in range(q):
            for b in range(q):
                total = 0.0
                for c in range(a, q):
                    total += root[a, c] * factor[c, b]
                spread[a, b] = total
        for a in range(q):
            for b in range(q):
                total = 1.0 if a == b else 0.0
                for c in range(q):
                    total += spread[a, c] * spread[b, c]
                inner[a, b] = total
        if not _factorise(inner, lower):
            return np.inf, cross
        here = white[g]
        for a in range(q):
            log_determinant += 2 * np.log(lower[a, a])
            for d in range(width):
                here[a, d] = root[a, d]
        _forward(lower, here)
        for a in range(q):
            for d in range(q, width):
                for e in range(q, d + 1):
                    cross[d - q, e - q] += here[a, d] * here[a, e]
    for d in range(width - q):
        for e in range(d):
            cross[e, d] = cross[d, e]
    return log_determinant, cross


@njit(cache=True, nogil=True)
def _profiled(roots, factor, within, white, reml, n):
    """Return the deviance at Λ, the lower root [R_X', 0; …, r] of (x, y)'H⁻¹(x, y), and the residual df.

    The deviance is infinite where Λ is out of range, NaN where no residual is left.
    """
    log_determinant, cross = _whiten(roots, factor, within, white)
    p = cross.shape[0] - 1
    root = np.zeros((p + 1, p + 1))
    df = float(n - p if reml else n)
    if not np.isfinite(log_determinant) or not _factorise(cross[:p, :p].copy(), root[:p, :p]):
        return np.inf, root, df
    squares = cross[p, p]
    for j in range(p):
        total = cross[p, j]
        for k in range(j):
            total -= root[p, k] * root[j, k]
        root[p, j] = total / root[j, j]
        squares -= root[p, j] ** 2
    if not squares > 1e-13 * cross[p, p]:
        return np.nan, root, df
    root[p, p] = np.sqrt(squares)
    deviance = log_determinant + df * (1 + np.log(2 * np.pi * squares / df))
    if reml:
        for j in range(p):
            deviance += 2 * np.log(root[j, j])
    return deviance, root, df


@njit(cache=True, nogil=True)
def _derivatives(white, root, reml):
    """Return what the derivatives by D are made of, D's elements as q² of them.

    trace (q²,) : tr(P H_i). square (q²,) : y'P H_i P y. traces (q², q²) : tr(P H_i P H_j). squares (q², q²) :
    y'P H_i P H_j P y. P takes out x; for plain maximum likelihood the traces are of H⁻¹ instead. both (q², p²) :
    R_X⁻ᵀ x'H⁻¹ H_i H⁻¹x R_X⁻¹.
    """
    n_groups, q, width = white.shape
    p = width - q - 1
    qq = q * q
    trace, square = np.zeros(qq), np.zeros(qq)
    traces, squares = np.zeros((qq, qq)), np.zeros((qq, qq))
    both, once = np.zeros((qq, p * p)), np.zeros((qq, p))
    s, t, u, tt = np.zeros((q, q)), np.zeros((q, p)), np.zeros(q), np.zeros((q, q))
    for g in range(n_groups):
        here = white[g]
        for a in range(q):
            for b in range(q):
                s[a, b] = 0.0
                for c in range(q):
                    s[a, b] += here[c, a] * here[c, b]
            for j in range(p):  # z'H⁻¹x R_X⁻¹
                total = 0.0
                for c in range(q):
                    total += here[c, a] * here[c, q + j]
                for k in range(j):
                    total -= t[a, k] * root[j, k]
                t[a, j] = total / root[j, j]
            u[a] = 0.0  # z'H⁻¹(y − xβ)
            for c in range(q):
                u[a] += here[c, a] * here[c, q + p]
            for j in range(p):
                u[a] -= t[a, j] * root[p, j]
        for a in range(q):
            for b in range(q):
                tt[a, b] = 0.0
                if reml:
                    for j in range(p):
                        tt[a, b] += t[a, j] * t[b, j]
        for a in range(q):
            for b in range(q):
                i = a * q + b
                trace[i] += s[a, b] - tt[a, b]
                square[i] += u[a] * u[b]
                for c in range(q):
                    for d in range(q):
                        traces[i, c * q + d] += s[a, c] * s[b, d] - s[a, c] * tt[b, d] - tt[a, c] * s[b, d]
                        squares[i, c * q + d] += s[a, c] * u[b] * u[d]
                for j in range(p):
                    once[i, j] += t[a, j] * u[b]
                    for k in range(p):
                        both[i, j * p + k] += t[a, j] * t[b, k]
    if reml:
        traces += both @ both.T
    return trace, square, traces, squares - once @ once.T, both


@njit(cache=True, nogil=True)
def _information(trace, square, traces, squares, symmetric, sigma2, df, expected):
    """Return the information on D's lower triangle and σ²."""
    k = symmetric.shape[0]
    found = np.zeros((k + 1, k + 1))
    of_d = traces / 2 if expected else squares / sigma2 - traces / 2
    found[:k, :k] = symmetric @ (of_d + of_d.T) / 2 @ symmetric.T
    between = trace / (2 * sigma2) if expected else square / (2 * sigma2**2)
    found[:k, k] = found[k, :k] = symmetric @ between
    found[k, k] = df / (2 * sigma2**2)
    return found


@njit(cache=True, nogil=True)
def _linear(y, x, z, starts, reml):
    n, p = x.shape
    q = z.shape[1]
    n_groups = starts.size - 1
    at, symmetric = _lower_triangle(q)
    k = at.shape[0]
    beta, covariance, psi = np.zeros(p), np.zeros((p, p)), np.zeros((q, q))
    spread = np.zeros((k + 1, k + 1))
    effects, conditional = np.zeros((n_groups, q)), np.zeros((n_groups, q, q))
    ok, basis, back = orthonormal(x)
    ok_z, random, back_z = orthonormal(z)
    if not (ok and ok_z):
        return RANK_DEFICIENT, beta, covariance, psi, np.nan, spread, effects, conditional, np.nan, False, beta
    if n <= p:
        return NOT_IDENTIFIED, beta, covariance, psi, np.nan, spread, effects, conditional, np.nan, False, beta
    least = basis.T @ y / n
    residual = y - basis @ least
    size = np.sqrt(np.dot(residual, residual) / n)
    if not size > 1e-12 * np.abs(y).max():
        return EXACT, beta, covariance, psi, np.nan, spread, effects, conditional, np.nan, False, beta
    columns = np.concatenate((basis, residual.reshape(n, 1) / size), axis=1)
    roots, within = _reduce(columns, random, starts)
    white = np.zeros(roots.shape)
    status, factor, deviance, root, df = _minimise(roots, within, white, at, symmetric, n, reml)
    if status != CONVERGED:
        return status, beta, covariance, psi, np.nan, spread, effects, conditional, np.nan, False, beta

    sigma2 = root[p, p] ** 2 / df
    if not sigma2 > 1e-20:
        return EXACT, beta, covariance, psi, np.nan, spread, effects, conditional, np.nan, False, beta
    factor = np.where(np.abs(factor) < NOUGHT, 0.0, factor)
    relative = factor @ factor.T
    singular = np.linalg.eigvalsh(relative)[0] < SINGULAR**2
    trace, square, traces, squares, both = _derivatives(white, root, reml)
    information = _information(trace, square, traces, squares, symmetric, sigma2, df, singular)
    if not _is_regular(information):
        information = _information(trace, square, traces, squares, symmetric, sigma2, df, True)
    # From D and σ² of the orthonormal columns and the scaled response to Ψ and σ² of the given ones.
    turn = np.kron(back_z, back_z)
    jacobian = np.zeros((k + 1, k + 1))
    for i in range(k + 1):
        full = turn @ (sigma2 * symmetric[i] if i < k else relative.copy().reshape(-1))
        for j in range(k):
            jacobian[j, i] = full[at[j, 0] * q + at[j, 1]]
    jacobian[k, k] = 1.0
    inverse = np.linalg.inv(information)
    spread = jacobian @ inverse @ jacobian.T.copy() * size**4
    psi = back_z @ relative @ back_z.T.copy() * (sigma2 * size**2)
    solved = np.linalg.inv(root[:p, :p].copy())  # R_X⁻ᵀ
    beta = back @ (least + size * (solved.T.copy() @ root[p, :p].copy()))
    change = back @ solved.T.copy()
    covariance = change @ change.T.copy() * (sigma2 * size**2)
    df_fixed = np.zeros(p)
    by_variances = np.zeros(k + 1)
    for j in range(p):
        outer = np.outer(change[j], change[j]).reshape(-1)
        by_variances[:k] = sigma2 * (symmetric @ (both @ outer))
        by_variances[k] = np.dot(change[j], change[j])
        df_fixed[j] = 2 * (sigma2 * by_variances[k]) ** 2 / np.dot(by_variances, inverse @ by_variances)
    effects, conditional = _effects_given(y - x @ beta, z, starts, psi, sigma2 * size**2)
    # Orthonormal columns: |x'H⁻¹x| has the determinant of their change of basis in it.
    deviance += df * 2 * np.log(size)
    if reml:
        deviance -= 2 * np.log(np.abs(np.linalg.det(back)))
    return (
        CONVERGED,
        beta,
        covariance,
        psi,
        sigma2 * size**2,
        spread,
        effects,
        conditional,
        deviance,
        singular,
        df_fixed,
    )


@njit(cache=True, nogil=True)
def _minimise(roots, within, white, at, symmetric, n, reml):
    """Return (status, Λ, deviance, root, df) where the profiled deviance is least; white is left at that Λ."""
    q, k = roots.shape[1], at.shape[0]
    factor = np.eye(q)
    # The deviance may have two minima, one of them where all covariances are 0.
    without, root, df = _profiled(roots, np.zeros((q, q)), within, white, reml, n)
    deviance, root, df = _profiled(roots, factor, within, white, reml, n)
    escapes = 0
    for iteration in range(MAX_ITERATIONS):
        if np.isnan(deviance):
            return EXACT, factor, deviance, root, df
        trace, square, traces, squares, _ = _derivatives(white, root, reml)
        total = root[-1, -1] ** 2
        if iteration == 0:
            information = _information(trace, square, traces, squares, symmetric, total / df, df, True)
            if not _is_regular(information):
                return NOT_IDENTIFIED, factor, deviance, root, df
        slope = (trace - square * (df / total)).reshape(q, q)
        curvature = squares * (2 * df / total) - traces
        for i in range(q * q):
            for j in range(q * q):
                curvature[i, j] -= square[i] * square[j] * (df / total**2)
        by_factor = _of_factor(at, factor)
        gradient = by_factor @ slope.copy().reshape(-1)
        hessian = by_factor @ (curvature + curvature.T) / 2 @ by_factor.T
        for i in range(k):
            for j in range(k):
                if at[i, 1] == at[j, 1]:
                    hessian[i, j] += 2 * slope[at[i, 0], at[j, 0]]
        step, promise = _step(gradient, hessian)
        last = promise < DECREMENT
        shrink = min(1.0, max(2.0, 2 * np.abs(factor).max()) / np.abs(step).max()) if promise > 0 else 1.0
        new, new_deviance = factor, deviance
        for _half in range(40):
            new = factor.copy()
            for i in range(k):
                new[at[i, 0], at[i, 1]] += shrink * step[i]
            new_deviance, root, df = _profiled(roots, new, within, white, reml, n)
            enough = SUFFICIENT * shrink * promise - SLACK * abs(deviance)
            if np.isnan(new_deviance) or new_deviance <= deviance - enough:
                break
            shrink /= 2
        factor, deviance = new, new_deviance
        if not last:
            continue
        # A factor of 0 is a stationary point wherever it lies: is the deviance falling towards larger covariances?
        trace, square, traces, squares, _ = _derivatives(white, root, reml)
        slope = (trace - square * (df / root[-1, -1] ** 2)).reshape(q, q)
        values, vectors = np.linalg.eigh((slope + slope.T) / 2)
        if values[0] > -1e-4 * (1 + np.abs(trace).max()) or escapes == 5:
            if not without < deviance - DECREMENT * abs(deviance):
                return CONVERGED, factor, deviance, root, df
            factor, without = np.zeros((q, q)), np.inf
            deviance, root, df = _profiled(roots, factor, within, white, reml, n)
            continue
        escapes += 1
        away = vectors[:, 0].copy()
        factor = _root(factor @ factor.T + 0.01 * np.outer(away, away))
        deviance, root, df = _profiled(roots, factor, within, white, reml, n)
    return NOT_CONVERGED, factor, deviance, root, df


@njit(cache=True, nogil=True)
def _effects_given(residual, z, starts, psi, sigma2):
    n_groups, q = starts.size - 1, z.shape[1]
    roots, within = _reduce(residual.reshape(residual.size, 1), z, starts)
    factor = _root(psi / sigma2)
    white = np.zeros(roots.shape)
    _whiten(roots, factor, within, white)
    relative = psi / sigma2
    mean, covariance = np.zeros((n_groups, q)), np.zeros((n_groups, q, q))
    for g in range(n_groups):
        here = np.ascontiguousarray(white[g, :, :q]) @ relative
        covariance[g] = psi - sigma2 * (here.T.copy() @ here)
        for a in range(q):
            mean[g] += here[a] * white[g, a, q]
    return mean, covariance
