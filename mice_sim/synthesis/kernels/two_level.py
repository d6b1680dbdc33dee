"""Gibbs samplers of y = xβ + z b_g + e with b_g ~ N(0, Ψ), from sums of products of each cluster g: no row is touched.

products : float64 (G, p + 1, p + 1), of the rows of a cluster, the cross products of x (p) and, last, y; z are the
first q columns of x. root (q, q) : R with RR' = Ψ, so that Ψ may be singular.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# A pivot of this share of its diagonal is what rounding left of nought.
ROUNDING = 1e-14
# The precision of a coefficient is at least this share of what it would be if clusters were alike.
LEAST = 1e-12
# Variances are kept within this factor of that of the least squares residuals.
RANGE = 1e10
# Spread θ of the variances of clusters: beyond 1 (one degree of freedom) they have no scale any more.
WIDEST = 1.0


@njit(cache=True, nogil=True)
def products(x, y, weights, number, n_clusters):
    """Return the products of x (n, p) and y (n,), rows counting by weights (n,); number (n,) is a row's cluster."""
    n, p = x.shape
    result = np.zeros((n_clusters, p + 1, p + 1))
    for i in range(n):
        sums = result[number[i]]
        for a in range(p + 1):
            value = weights[i] * (x[i, a] if a < p else y[i])
            for b in range(a + 1):
                sums[a, b] += value * (x[i, b] if b < p else y[i])
    for g in range(n_clusters):
        for a in range(p + 1):
            for b in range(a):
                result[g, b, a] = result[g, a, b]
    return result


@njit(cache=True, nogil=True)
def factorise(matrix, lower):
    """Fill lower with a lower triangular root of a positive semidefinite matrix."""
    size = matrix.shape[0]
    for j in range(size):
        for i in range(j, size):
            total = matrix[i, j]
            for k in range(j):
                total -= lower[i, k] * lower[j, k]
            if i == j:
                lower[j, j] = np.sqrt(max(total, ROUNDING * abs(matrix[j, j]), 1e-300))
            else:
                lower[i, j] = total / lower[j, j]


@njit(cache=True, nogil=True)
def inverse_wishart_root(scatter, df, rng):
    """Return a root of a draw from the inverse Wishart distribution with this scale matrix (q, q); df ≥ q.

    Ψ = L A⁻ᵀ A⁻¹ L' with LL' = scatter and Bartlett's (1933) triangle A, a root of a draw from Wishart(df, I).
    """
    q = scatter.shape[0]
    lower, root = np.zeros((q, q)), np.zeros((q, q))
    factorise(scatter, lower)
    bartlett = np.zeros((q, q))
    for j in range(q):
        bartlett[j, j] = np.sqrt(2 * rng.standard_gamma((df - j) / 2))
        for k in range(j):
            bartlett[j, k] = rng.standard_normal()
    for i in range(q):  # rows r of the root with r A' = row of L
        for j in range(q):
            total = lower[i, j]
            for k in range(j):
                total -= root[i, k] * bartlett[j, k]
            root[i, j] = total / bartlett[j, j]
    return root


@njit(cache=True, nogil=True)
def _whiten(sums, root, sigma2, white, lower):
    """Fill lower with the root of I + R'z'zR/σ², and white with lower⁻¹ R'z'[x, y]/σ², for every cluster."""
    n_clusters, size = sums.shape[0], sums.shape[1]
    q = root.shape[0]
    inner = np.zeros((q, q))
    for g in range(n_clusters):
        here = white[g]
        for a in range(q):
            for d in range(size):
                total = 0.0
                for c in range(q):
                    total += root[c, a] * sums[g, c, d]
                here[a, d] = total / sigma2[g]
        for a in range(q):
            for b in range(a + 1):
                total = 1.0 if a == b else 0.0
                for c in range(q):
                    total += here[a, c] * root[c, b]
                inner[a, b] = total
        factorise(inner, lower[g])
        for d in range(size):
            for a in range(q):
                total = here[a, d]
                for c in range(a):
                    total -= lower[g, a, c] * here[c, d]
                here[a, d] = total / lower[g, a, a]


@njit(cache=True, nogil=True)
def _draw_beta(sums, sigma2, white, beta, rng):
    """Draw β given Ψ and σ², whatever the effects: generalised least squares with a flat prior."""
    n_clusters, size = sums.shape[0], sums.shape[1]
    p, q = size - 1, white.shape[1]
    normal = np.zeros((size, size))
    for g in range(n_clusters):
        for a in range(size):
            for b in range(a + 1):
                total = sums[g, a, b] / sigma2[g]
                for c in range(q):
                    total -= white[g, c, a] * white[g, c, b]
                normal[a, b] += total
            normal[a, a] += LEAST * sums[g, a, a] / sigma2[g]
    lower = np.zeros((p, p))
    factorise(normal[:p, :p], lower)
    for j in range(p):
        total = normal[p, j]
        for k in range(j):
            total -= lower[j, k] * beta[k]
        beta[j] = total / lower[j, j]
    for j in range(p - 1, -1, -1):
        total = beta[j] + rng.standard_normal()
        for k in range(j + 1, p):
            total -= lower[k, j] * beta[k]
        beta[j] = total / lower[j, j]


@njit(cache=True, nogil=True)
def _draw_effects(white, lower, root, beta, effects, rng):
    """Draw b_g = R u_g given β, Ψ and σ², u_g being standard normal before the data."""
    n_clusters, q = white.shape[0], white.shape[1]
    p = beta.size
    u = np.zeros(q)
    for g in range(n_clusters):
        for a in range(q):
            u[a] = white[g, a, p] + rng.standard_normal()
            for d in range(p):
                u[a] -= white[g, a, d] * beta[d]
        for a in range(q - 1, -1, -1):
            for c in range(a + 1, q):
                u[a] -= lower[g, c, a] * u[c]
            u[a] /= lower[g, a, a]
        for a in range(q):
            total = 0.0
            for c in range(q):
                total += root[a, c] * u[c]
            effects[g, a] = total


@njit(cache=True, nogil=True)
def draw_effects(sums, beta, root, sigma2, rng):
    """Draw the clusters' effects (G, q) given the data and beta (p,), root and sigma2 (G,)."""
    n_clusters, size = sums.shape[0], sums.shape[1]
    q = root.shape[0]
    white, lower = np.zeros((n_clusters, q, size)), np.zeros((n_clusters, q, q))
    effects = np.zeros((n_clusters, q))
    _whiten(sums, root, sigma2, white, lower)
    _draw_effects(white, lower, root, beta, effects, rng)
    return effects


@njit(cache=True, nogil=True)
def _squares(sums, beta, effects, squares):
    """Fill squares with each cluster's sum of squared residuals."""
    n_clusters, size = sums.shape[0], sums.shape[1]
    q = effects.shape[1]
    by = np.empty(size)
    for g in range(n_clusters):
        for a in range(size - 1):
            by[a] = -beta[a] - (effects[g, a] if a < q else 0.0)
        by[size - 1] = 1.0
        total = 0.0
        for a in range(size):
            part = by[a] * sums[g, a, a] / 2
            for b in range(a):
                part += by[b] * sums[g, a, b]
            total += 2 * by[a] * part
        squares[g] = max(total, 0.0)


@njit(cache=True, nogil=True)
def _draw_psi(effects, df, scale, rng):
    n_clusters, q = effects.shape
    scatter = scale.copy()
    for g in range(n_clusters):
        for a in range(q):
            for b in range(q):
                scatter[a, b] += effects[g, a] * effects[g, b]
    return inverse_wishart_root(scatter, df, rng)


@njit(cache=True, nogil=True)
def draw_variance(shape, rate, rng):
    """Draw 1/Gamma(shape, rate), kept finite and positive; NaN if one of these is."""
    if not (shape > 0 and rate >= 0):
        return np.nan
    gamma = rng.standard_gamma(shape)
    return min(max(rate / gamma if gamma > 0 else RANGE, 1 / RANGE), RANGE)


@njit(cache=True, nogil=True)
def sample_one_variance(sums, n, cycles, df, scale, sigma_df, sigma_scale, average, rng):
    """Return beta (p,), root (q, q), effects (G, q) and σ² after `cycles` cycles.

    n : rows. Priors: Ψ⁻¹ ~ Wishart(df, scale⁻¹) and 1/σ² ~ χ²(sigma_df)/sigma_scale, flat for β (Schafer & Yucel 2002,
    J. Comput. Graph. Stat. 11, 437-457). average : parameters are averages over the second half of the cycles, and the
    effects are drawn given these.
    """
    n_clusters, size, q = sums.shape[0], sums.shape[1], scale.shape[0]
    white, lower = np.zeros((n_clusters, q, size)), np.zeros((n_clusters, q, q))
    effects, squares = np.zeros((n_clusters, q)), np.zeros(n_clusters)
    beta, root, sigma2 = np.zeros(size - 1), np.eye(q), np.ones(n_clusters)
    half = cycles - cycles // 2
    mean_beta, mean_psi, mean_sigma2 = np.zeros(size - 1), np.zeros((q, q)), 0.0
    for cycle in range(cycles):
        _whiten(sums, root, sigma2, white, lower)
        _draw_beta(sums, sigma2, white, beta, rng)
        _draw_effects(white, lower, root, beta, effects, rng)
        root = _draw_psi(effects, df + n_clusters, scale, rng)
        _squares(sums, beta, effects, squares)
        sigma2[:] = draw_variance((sigma_df + n) / 2, (sigma_scale + squares.sum()) / 2, rng)
        if average and cycle >= cycles // 2:
            mean_beta += beta / half
            mean_psi += root @ root.T / half
            mean_sigma2 += sigma2[0] / half
    if average:
        beta = mean_beta
        sigma2[:] = mean_sigma2
        root = np.zeros((q, q))
        factorise(mean_psi, root)
        effects = draw_effects(sums, beta, root, sigma2, rng)
    return beta, root, effects, sigma2[0]


@njit(cache=True, nogil=True)
def sample_variances(sums, q, cycles, average, rng):
    """Return beta (p,), root (q, q), effects (G, q), sigma2 (G,), σ0² and θ after `cycles` cycles.

    Each cluster has its own variance: 1/σ²_g ~ Gamma(1/(2θ), rate σ0²/(2θ)), with flat priors for β, Ψ, σ0² and θ, as
    mice's 2l.norm (Kasim & Raudenbush 1998, J. Educ. Behav. Stat. 23, 93-116; van Buuren 2011, in Handbook of Advanced
    Multilevel Analysis, ch. 10). θ's conditional distribution takes Stirling's approximation of the gamma function;
    with H and M the harmonic and geometric means of σ²_g it is 1/θ ~ Gamma(G/2 − 1, rate G(σ0²/H − log(σ0²/M) − 1)/2).
    average : as in `sample_one_variance`.
    """
    n_clusters, size = sums.shape[0], sums.shape[1]
    white, lower = np.zeros((n_clusters, q, size)), np.zeros((n_clusters, q, q))
    effects, squares = np.zeros((n_clusters, q)), np.zeros(n_clusters)
    beta, root, sigma2 = np.zeros(size - 1), np.eye(q), np.ones(n_clusters)
    level, spread = 1.0, WIDEST
    mean_beta, mean_psi, mean_tau = np.zeros(size - 1), np.zeros((q, q)), np.zeros(n_clusters)
    mean_level, mean_spread = 0.0, 0.0
    # A flat prior is improper for few clusters; they get one degree of freedom more than a draw needs.
    df = max(n_clusters - q - 1, q + 1)
    tiny = np.eye(q) / RANGE
    half = cycles - cycles // 2
    for cycle in range(cycles):
        _whiten(sums, root, sigma2, white, lower)
        _draw_beta(sums, sigma2, white, beta, rng)
        _draw_effects(white, lower, root, beta, effects, rng)
        root = _draw_psi(effects, df, tiny, rng)
        _squares(sums, beta, effects, squares)
        harmonic, logarithm = 0.0, 0.0
        for g in range(n_clusters):
            rate = squares[g] / 2 + level / (2 * spread)
            sigma2[g] = draw_variance(sums[g, 0, 0] / 2 + 1 / (2 * spread), rate, rng)
            harmonic += 1 / sigma2[g] / n_clusters
            logarithm += np.log(sigma2[g]) / n_clusters
        level = 1 / draw_variance(n_clusters / (2 * spread) + 1, n_clusters * harmonic / (2 * spread), rng)
        rate = n_clusters * (level * harmonic - np.log(level) + logarithm - 1) / 2
        spread = min(draw_variance(max(n_clusters / 2 - 1, 0.5), max(rate, 0.0), rng), WIDEST)
        spread = max(spread, 1e-8)
        if average and cycle >= cycles // 2:
            mean_beta += beta / half
            mean_psi += root @ root.T / half
            mean_tau += 1 / sigma2 / half
            mean_level += level / half
            mean_spread += spread / half
    if average:
        beta, sigma2, level, spread = mean_beta, 1 / mean_tau, mean_level, mean_spread
        root = np.zeros((q, q))
        factorise(mean_psi, root)
        effects = draw_effects(sums, beta, root, sigma2, rng)
    return beta, root, effects, sigma2, level, spread


@njit(cache=True, nogil=True)
def draw_variances(number, level, spread, rng):
    """Return the variances of new clusters (number,), given σ0² and θ."""
    result = np.empty(number)
    for g in range(number):
        result[g] = draw_variance(1 / (2 * spread), level / (2 * spread), rng)
    return result
