"""A Gibbs sampler for sample selection models (Heckman 1976), of rows or of rows in clusters.

With r* = zγ + v + η and η ~ N(0, 1), a row's y = xβ + u + δη + ωξ is seen where r* > 0; ξ ~ N(0, 1), so that the two
errors correlate by ρ = δ / √(δ² + ω²). Of a binary response y is what has to exceed 0, and ω = 1. The random intercepts
(u, v) of the clusters are normal with covariance Ψ.

r* is drawn and missing y are integrated out (Chib, Greenberg & Jeliazkov 2009; van Hasselt 2011); coefficients are
drawn with the random intercepts of their own equation integrated out (a partially collapsed sampler, van Dyk & Park
2008). Priors, for standardised predictors and response: β, γ ~ N(0, 5²), the intercepts N(0, 10²), p(ω²) ∝ 1/ω²,
ρ ~ U(−1, 1), standard deviations in Ψ half-t₂ and its correlation U(−1, 1) (Huang & Wand 2013). For a binary response
ρ is uniform given β and u in units of √(1 + δ²), in which data tell them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

SLOPE, INTERCEPT = 1 / 25, 1 / 100  # prior precisions
LEAST = 1e-8  # of variances and sums of squares, of a response with variance 1
TRIES = 5

# Positions of the scalars, counted from the end of a row of draws: δ, ω², Ψ_uu, Ψ_uv, Ψ_vv.
DELTA, OMEGA2, UU, UV, VV = -5, -4, -3, -2, -1


@njit(cache=True, nogil=True)
def sample(x, z, y, binary, cluster, clusters, start, effects, cycles, rng):
    """Run the chain; return its states (cycles, p + q + 5): β, γ, δ, ω², Ψ_uu, Ψ_uv, Ψ_vv.

    x : (s, p) and y : (s,) of the s rows that are seen, which come first. z : (n, q). Both start with a one.
    cluster : int64 (n,), 0 to clusters − 1; clusters = 0 for a model without. start : (p + q + 5,).
    effects : (clusters, 2), (u, v) at the start, which are overwritten by those of the last state.
    """
    n, q = z.shape
    p = x.shape[1]
    beta, gamma = start[:p].copy(), start[p : p + q].copy()
    delta, omega2 = start[DELTA], start[OMEGA2]
    psi = np.array([[start[UU], start[UV]], [start[UV], start[VV]]])
    states = np.empty((cycles, start.size))
    latent, response = np.ones(n), y.copy()
    if binary:
        response = 2 * y - 1
    products = _products(x, z, cluster, clusters)
    # ρ ~ U(−1, 1) is δ ~ ω t₂ / √2; for each number that is measured in units of √(1 + δ²), t has a degree more.
    df = 2 + (p + min(clusters, 1) if binary else 0)
    for cycle in range(cycles):
        _draw_latent(x, z, y, binary, cluster, clusters, effects, beta, gamma, delta, omega2, latent, response, rng)
        beta, delta = _draw_outcome(
            x, z, response, cluster, clusters, effects, psi, gamma, delta, omega2, latent, products, df, binary, rng
        )
        mean, selected = x @ beta, z @ gamma
        _draw_effects(mean, selected, response, cluster, effects, psi, delta, omega2, latent, rng)
        if not binary:
            omega2 = _draw_omega2(mean, selected, response, cluster, clusters, effects, delta, omega2, latent, rng)
        gamma = _draw_selection(
            mean, z, response, cluster, clusters, effects, psi, delta, omega2, latent, products, rng
        )
        _draw_effects(mean, z @ gamma, response, cluster, effects, psi, delta, omega2, latent, rng)
        if clusters > 0:
            psi = _draw_psi(effects, psi, rng)
        states[cycle, :p], states[cycle, p : p + q] = beta, gamma
        states[cycle, p + q :] = np.array([delta, omega2, psi[0, 0], psi[0, 1], psi[1, 1]])
    return states


@njit(cache=True, nogil=True)
def above(least, rng):
    """Draw a standard normal number that exceeds `least` (Robert 1995)."""
    if least <= 0:
        while True:
            drawn = rng.standard_normal()
            if drawn > least:
                return drawn
    rate = (least + np.sqrt(least * least + 4)) / 2
    while True:
        drawn = least - np.log(1 - rng.random()) / rate
        if rng.random() <= np.exp(-((drawn - rate) ** 2) / 2):
            return drawn


@njit(cache=True, nogil=True)
def errors(selected, seen, rng):
    """Draw η (n,) given whether zγ + v (n,) + η > 0."""
    drawn = np.empty(selected.size)
    for i in range(selected.size):
        drawn[i] = above(-selected[i], rng) if seen[i] else -above(selected[i], rng)
    return drawn


@njit(cache=True, nogil=True)
def _products(x, z, cluster, clusters):
    """Return Σ xx', Σ zz' of seen rows and of others; by cluster the numbers of both, and sums of x and of both z."""
    s, p = x.shape
    n, q = z.shape
    seen, sums_x, sums_seen, sums_other = (
        np.zeros((clusters, 2)), np.zeros((clusters, p)), np.zeros((clusters, q)), np.zeros((clusters, q))
    )  # fmt: skip
    if clusters > 0:
        for i in range(n):
            c = cluster[i]
            if i < s:
                seen[c, 0] += 1
                sums_x[c] += x[i]
                sums_seen[c] += z[i]
            else:
                seen[c, 1] += 1
                sums_other[c] += z[i]
    zs, zo = np.ascontiguousarray(z[:s]), np.ascontiguousarray(z[s:])
    return x.T @ x, zs.T @ zs, zo.T @ zo, seen, sums_x, sums_seen, sums_other


@njit(cache=True, nogil=True)
def _draw_latent(x, z, y, binary, cluster, clusters, effects, beta, gamma, delta, omega2, latent, response, rng):
    """Draw r* of every row, and what has to exceed 0 for a binary response."""
    s = x.shape[0]
    omega = np.sqrt(omega2)
    variance = delta * delta + omega2
    slope, spread = delta / variance, np.sqrt(omega2 / variance)
    mean, selected = x @ beta, z @ gamma
    for i in range(z.shape[0]):
        u, v = (effects[cluster[i], 0], effects[cluster[i], 1]) if clusters > 0 else (0.0, 0.0)
        centre = selected[i] + v
        if i >= s:
            latent[i] = centre - above(centre, rng)
            continue
        if not binary:
            centre += slope * (response[i] - mean[i] - u)
            latent[i] = centre + spread * above(-centre / spread, rng)
            continue
        sign = 2 * y[i] - 1
        found = False
        for _ in range(TRIES):  # both at once, which is exact; else one after the other
            error = above(-centre, rng)
            drawn = mean[i] + u + delta * error + omega * rng.standard_normal()
            if drawn * sign > 0:
                latent[i], response[i], found = centre + error, drawn, True
                break
        if not found:
            given = centre + slope * (response[i] - mean[i] - u)
            latent[i] = given + spread * above(-given / spread, rng)
            place = mean[i] + u + delta * (latent[i] - centre)
            response[i] = place + sign * omega * above(-sign * place / omega, rng)


@njit(cache=True, nogil=True)
def _draw_outcome(
    x, z, response, cluster, clusters, effects, psi, gamma, delta, omega2, latent, products, df, binary, rng
):
    """Draw β and δ given r*, v and ω², with u integrated out."""
    s, p = x.shape
    xx, _, _, seen, sums_x, _, _ = products
    # A t is a normal whose precision, 2 weight / ω², is random.
    weight = rng.standard_gamma((df + 1) / 2) / (1 + delta * delta / omega2)
    error, left = np.empty(s), np.empty(s)
    selected = z[:s] @ gamma
    for i in range(s):
        v = effects[cluster[i], 1] if clusters > 0 else 0.0
        error[i] = latent[i] - selected[i] - v
        left[i] = response[i] - (psi[0, 1] / psi[1, 1] * v if clusters > 0 else 0.0)
    precision, rhs = np.zeros((p + 1, p + 1)), np.zeros(p + 1)
    precision[:p, :p] = xx / omega2
    precision[p, :p] = precision[:p, p] = x.T @ error / omega2
    precision[p, p] = (error @ error + 2 * weight) / omega2
    rhs[:p], rhs[p] = x.T @ left / omega2, error @ left / omega2
    for k in range(p):
        precision[k, k] += INTERCEPT if k == 0 else SLOPE
    if clusters > 0:
        sums = np.zeros((clusters, p + 1))
        sums[:, :p] = sums_x
        totals = np.zeros(clusters)
        for i in range(s):
            sums[cluster[i], p] += error[i]
            totals[cluster[i]] += left[i]
        between = max(psi[0, 0] - psi[0, 1] ** 2 / psi[1, 1], LEAST)
        for c in range(clusters):
            share = 1 / (omega2 * (omega2 / between + seen[c, 0]))
            for k in range(p + 1):
                rhs[k] -= share * sums[c, k] * totals[c]
                for h in range(p + 1):
                    precision[k, h] -= share * sums[c, k] * sums[c, h]
    elif binary and s > 0:
        # The scale of what is latent, with β and δ integrated out (PX-DA: Liu & Wu 1999); else the chain crawls.
        unexplained = max(left @ left - rhs @ np.linalg.solve(precision, rhs), LEAST)
        scale = np.sqrt(2 * rng.standard_gamma(s / 2) / unexplained)
        response *= scale
        rhs *= scale
    drawn = _normal(precision, rhs, rng)
    return drawn[:p].copy(), drawn[p]


@njit(cache=True, nogil=True)
def _draw_omega2(mean, selected, response, cluster, clusters, effects, delta, omega2, latent, rng):
    squares = LEAST
    weight = rng.standard_gamma(1.5) / (1 + delta * delta / omega2)
    for i in range(response.size):
        u, v = (effects[cluster[i], 0], effects[cluster[i], 1]) if clusters > 0 else (0.0, 0.0)
        squares += (response[i] - mean[i] - u - delta * (latent[i] - selected[i] - v)) ** 2
    squares += 2 * weight * delta * delta
    return max(squares / (2 * rng.standard_gamma((response.size + 1) / 2)), LEAST)


@njit(cache=True, nogil=True)
def _draw_selection(mean, z, response, cluster, clusters, effects, psi, delta, omega2, latent, products, rng):
    """Draw γ given r*, y and u, with v integrated out; of rows that are seen, y tells a part of the error."""
    n, q = z.shape
    s = response.size
    _, zz_seen, zz_other, seen, _, sums_seen, sums_other = products
    variance = delta * delta + omega2
    slope, weight = delta / variance, variance / omega2
    left = np.empty(n)
    for i in range(n):
        u = effects[cluster[i], 0] if clusters > 0 else 0.0
        left[i] = latent[i] - (psi[0, 1] / psi[0, 0] * u if clusters > 0 else 0.0)
        if i < s:
            left[i] = weight * (left[i] - slope * (response[i] - mean[i] - u))
    precision = weight * zz_seen + zz_other
    rhs = z.T @ left
    for k in range(q):
        precision[k, k] += INTERCEPT if k == 0 else SLOPE
    if clusters > 0:
        totals = np.zeros(clusters)
        for i in range(n):
            totals[cluster[i]] += left[i]
        between = max(psi[1, 1] - psi[0, 1] ** 2 / psi[0, 0], LEAST)
        for c in range(clusters):
            share = 1 / (1 / between + weight * seen[c, 0] + seen[c, 1])
            sums = weight * sums_seen[c] + sums_other[c]
            for k in range(q):
                rhs[k] -= share * sums[k] * totals[c]
                for h in range(q):
                    precision[k, h] -= share * sums[k] * sums[h]
    return _normal(precision, rhs, rng)


@njit(cache=True, nogil=True)
def _draw_effects(mean, selected, response, cluster, effects, psi, delta, omega2, latent, rng):
    """Draw (u, v) of every cluster given all else."""
    clusters, s = effects.shape[0], response.size
    if clusters == 0:
        return
    variance = delta * delta + omega2
    counts, sums = np.zeros((clusters, 2)), np.zeros((clusters, 2))
    for i in range(selected.size):
        c = cluster[i]
        error = latent[i] - selected[i]
        if i < s:
            rest = response[i] - mean[i]
            counts[c, 0] += 1
            sums[c, 0] += (rest - delta * error) / omega2
            sums[c, 1] += (variance * error - delta * rest) / omega2
        else:
            counts[c, 1] += 1
            sums[c, 1] += error
    prior = np.linalg.inv(psi)
    within = np.array([[1.0, -delta], [-delta, variance]]) / omega2
    for c in range(clusters):
        precision = prior + counts[c, 0] * within
        precision[1, 1] += counts[c, 1]
        effects[c] = _normal(precision, sums[c], rng)


@njit(cache=True, nogil=True)
def _draw_psi(effects, psi, rng):
    """Draw the covariance of the random intercepts, under half-t₂ priors of the standard deviations."""
    inverse = np.linalg.inv(psi)
    scale = effects.T @ effects
    for k in range(2):
        # 1/a ~ Gamma(2, rate 2 (Ψ⁻¹)_kk + 1)
        scale[k, k] += 4 * rng.standard_gamma(2.0) / (2 * inverse[k, k] + 1)
    df = 3 + effects.shape[0]
    # Ψ⁻¹ = F T T' F' with F F' = scale⁻¹ and Bartlett's T, so Ψ = G G' with G = F'⁻¹ T'⁻¹ and F'⁻¹ the Cholesky factor.
    root = np.linalg.cholesky(scale)
    first = np.sqrt(2 * rng.standard_gamma(df / 2))
    second = np.sqrt(2 * rng.standard_gamma((df - 1) / 2))
    off = rng.standard_normal()
    half = root @ np.array([[1 / first, -off / (first * second)], [0.0, 1 / second]])
    drawn = half @ half.T
    drawn[0, 0] += LEAST
    drawn[1, 1] += LEAST
    return drawn


@njit(cache=True, nogil=True)
def _normal(precision, rhs, rng):
    """Draw from N(P⁻¹ rhs, P⁻¹)."""
    k = rhs.size
    factor = np.linalg.cholesky(precision)
    solved = np.empty(k)
    for i in range(k):
        total = rhs[i]
        for j in range(i):
            total -= factor[i, j] * solved[j]
        solved[i] = total / factor[i, i]
    for i in range(k):
        solved[i] += rng.standard_normal()
    for i in range(k - 1, -1, -1):
        total = solved[i]
        for j in range(i + 1, k):
            total -= factor[j, i] * solved[j]
        solved[i] = total / factor[i, i]
    return solved
