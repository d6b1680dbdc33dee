"""The Gibbs sampler of the latent-normal joint model, compiled.

One level's records are columns of (latent columns p × records n) arrays. What a sampler carries along are residuals:
every step changes them in place, so a cycle passes over the records once for each latent column and never inverts a
matrix of a single record.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

BINARY, ORDINAL, NOMINAL = 0, 1, 2
# Share of accepted proposals of cut-points that their step is adapted to (Gelman, Roberts & Gilks 1996).
ACCEPTED = 0.35


class Level(NamedTuple):
    """What stays as it is at one level, of n records, p latent columns, r predictors and V categorical columns.

    X : (r, n). gram : (r, r), X X'. offset : latent columns before the first one that X predicts.
    codes : int64 (V, n), level numbers, −1 where missing. first, width, kind, levels : int64 (V,), a column's first
    latent column, how many it has, BINARY, ORDINAL or NOMINAL, and its number of levels.
    block : int64 (p,), the categorical column whose latent covariance is fixed, −1 for a free latent column.
    rows, start, unknown : records by pattern of latent columns of which nothing is known: rows[start[k]:start[k + 1]]
    have pattern unknown[k], bool (p,).
    """

    X: np.ndarray
    gram: np.ndarray
    offset: int
    codes: np.ndarray
    first: np.ndarray
    width: np.ndarray
    kind: np.ndarray
    levels: np.ndarray
    block: np.ndarray
    rows: np.ndarray
    start: np.ndarray
    unknown: np.ndarray


class State(NamedTuple):
    """What is drawn at one level: latent values Y and their residuals R (p, n), coefficients B (r, p − offset),
    the covariance (p, p), cut-points (V, most levels − 1) whose first is 0, and the steps of their proposals (V,)."""

    Y: np.ndarray
    R: np.ndarray
    B: np.ndarray
    covariance: np.ndarray
    cuts: np.ndarray
    step: np.ndarray


class Clusters(NamedTuple):
    """Who is together: int64 member (n,) and size (G,); the distinct sizes and which of them each cluster has; the
    numbers of the predictors that are constant within clusters, their values (c, G) and products."""

    member: np.ndarray
    size: np.ndarray
    sizes: np.ndarray
    which: np.ndarray
    constant: np.ndarray
    X: np.ndarray
    gram: np.ndarray


class Prior(NamedTuple):
    """Precision of the normal prior of coefficients and rate of the exponential prior of distances of cut-points (0 is
    flat); degrees of freedom and scales of the inverse-Wishart priors of the two covariances."""

    precision: float
    rate: float
    df_1: float
    scale_1: np.ndarray
    df_2: float
    scale_2: np.ndarray


@njit(cache=True, nogil=True)
def cycles(one, state_1, two, state_2, clusters, prior, trace, adapting, rng):
    """Run trace.shape[0] cycles and put all parameters after each into `trace`, as `parameters` lays them out."""
    residuals(one, state_1, state_2, clusters)
    p = state_1.Y.shape[0]
    two_level = clusters.size.shape[0] > 0
    for t in range(trace.shape[0]):
        draw_latent(one, state_1, prior.rate, adapting, t, rng)
        if two_level:
            _draw_effects(state_1, state_2, clusters, rng)
            if clusters.constant.shape[0]:
                _recentre(state_1, state_2, clusters, prior.precision, rng)
        _draw_coefficients(one, state_1, prior.precision, rng)
        scatter = state_1.R @ state_1.R.T + prior.scale_1
        draw_covariance(state_1.covariance, scatter, prior.df_1 + state_1.R.shape[1], one.block, rng)
        if two_level:
            if state_2.Y.shape[0] > p:
                draw_latent(two, state_2, prior.rate, adapting, t, rng)
                _draw_upper_coefficients(two, state_2, prior.precision, rng)
            scatter = state_2.R @ state_2.R.T + prior.scale_2
            draw_covariance(state_2.covariance, scatter, prior.df_2 + state_2.R.shape[1], two.block, rng)
        at = write(one, state_1, trace[t], 0)
        if two_level:
            write(two, state_2, trace[t], at)


@njit(cache=True, nogil=True)
def write(level, state, row, at):
    """Put the parameters of a level into `row` from `at` on: coefficients, covariances, cut-points; return the end."""
    for i in range(state.B.shape[0]):
        for j in range(state.B.shape[1]):
            row[at] = state.B[i, j]
            at += 1
    for i in range(state.covariance.shape[0]):
        for j in range(i + 1):
            row[at] = state.covariance[i, j]
            at += 1
    for v in range(level.kind.shape[0]):
        if level.kind[v] == ORDINAL:
            for k in range(1, level.levels[v] - 1):
                row[at] = state.cuts[v, k]
                at += 1
    return at


@njit(cache=True, nogil=True)
def residuals(one, state_1, state_2, clusters):
    """Compute the residuals of the first level anew, so that rounding does not add up."""
    X, B, R = one.X, state_1.B, state_1.R
    for c in range(R.shape[0]):
        R[c] = state_1.Y[c]
        for i in range(X.shape[0]):
            R[c] -= B[i, c] * X[i]
        if clusters.size.shape[0]:
            for i in range(R.shape[1]):
                R[c, i] -= state_2.Y[c, clusters.member[i]]


# ---- latent values


@njit(cache=True, nogil=True)
def draw_latent(level, state, rate, adapting, t, rng):
    """Draw what is not known of the latent values, given the parameters, and cut-points with those of their column."""
    precision = inverse(state.covariance)
    draw_unknown(level, state, precision, rng)
    n = state.Y.shape[1]
    centre = np.empty(n)
    for v in range(level.kind.shape[0]):
        for c in range(level.first[v], level.first[v] + level.width[v]):
            _conditional(state, precision, c, centre)
            sd = 1 / math.sqrt(precision[c, c])
            if level.kind[v] == BINARY:
                _draw_binary(level.codes[v], state.Y[c], state.R[c], centre, sd, rng)
            elif level.kind[v] == ORDINAL:
                if level.levels[v] > 2:
                    _draw_cuts(level, state, v, centre, sd, rate, adapting, t, rng)
                top = level.levels[v] - 1
                _draw_ordinal(level.codes[v], state.cuts[v], top, state.Y[c], state.R[c], centre, sd, rng)
            else:
                first, width = level.first[v], level.width[v]
                _draw_nominal(level.codes[v], first, width, c, state.Y, state.R, centre, sd, rng)


@njit(cache=True, nogil=True)
def _conditional(state, precision, c, centre):
    """Put the mean of latent column c given the others of its record into `centre`."""
    Y, R = state.Y, state.R
    n = Y.shape[1]
    for i in range(n):
        centre[i] = Y[c, i] - R[c, i]
    for other in range(R.shape[0]):
        if other != c:
            weight = precision[c, other] / precision[c, c]
            for i in range(n):
                centre[i] -= weight * R[other, i]


@njit(cache=True, nogil=True)
def draw_unknown(level, state, precision, rng):
    """Draw the latent columns of which nothing is known, all of a record at once."""
    Y, R = state.Y, state.R
    p = Y.shape[0]
    new = np.empty(p)
    for k in range(level.start.shape[0] - 1):
        here = np.flatnonzero(level.unknown[k])
        there = np.flatnonzero(~level.unknown[k])
        size = here.shape[0]
        own, cross = np.empty((size, size)), np.empty((size, there.shape[0]))
        for a in range(size):
            for b in range(size):
                own[a, b] = precision[here[a], here[b]]
            for b in range(there.shape[0]):
                cross[a, b] = precision[here[a], there[b]]
        root = cholesky(own)
        for i in level.rows[level.start[k] : level.start[k + 1]]:
            # The solution x of own x = root z − cross R has the wanted mean and covariance.
            for a in range(size):
                new[a] = 0.0
                for b in range(there.shape[0]):
                    new[a] -= cross[a, b] * R[there[b], i]
            forward(root, new)
            for a in range(size):
                new[a] += rng.standard_normal()
            backward(root, new)
            for a in range(size):
                Y[here[a], i] += new[a] - R[here[a], i]
                R[here[a], i] = new[a]


@njit(cache=True, nogil=True)
def _draw_binary(codes, Y, R, centre, sd, rng):
    """Draw the latent values of a binary column: above 0 where its level is 1, below where it is 0."""
    for i in range(codes.shape[0]):
        if codes[i] < 0:
            continue
        sign = 1.0 if codes[i] == 1 else -1.0
        low = -sign * centre[i] / sd
        new = centre[i] + sign * sd * _above(low, rng)
        R[i] += new - Y[i]
        Y[i] = new


@njit(cache=True, nogil=True)
def _draw_ordinal(codes, cuts, top, Y, R, centre, sd, rng):
    """Draw the latent values of an ordinal column with levels 0 to `top`, between their cut-points."""
    for i in range(codes.shape[0]):
        code = codes[i]
        if code < 0:
            continue
        low = cuts[code - 1] if code > 0 else -np.inf
        high = cuts[code] if code < top else np.inf
        new = centre[i] + sd * truncated((low - centre[i]) / sd, (high - centre[i]) / sd, rng)
        R[i] += new - Y[i]
        Y[i] = new


@njit(cache=True, nogil=True)
def _draw_nominal(codes, first, width, c, Y, R, centre, sd, rng):
    """Draw latent column c of a nominal column: the largest one is that of the observed level, none is above 0 at 0."""
    for i in range(codes.shape[0]):
        code = codes[i]
        if code < 0:
            continue
        chosen = first + code - 1
        bound = 0.0
        if c == chosen:
            for other in range(first, first + width):
                if other != c:
                    bound = max(bound, Y[other, i])
        elif code > 0:
            bound = Y[chosen, i]
        sign = 1.0 if c == chosen else -1.0
        new = centre[i] + sign * sd * _above(sign * (bound - centre[i]) / sd, rng)
        R[c, i] += new - Y[c, i]
        Y[c, i] = new


@njit(cache=True, nogil=True)
def _draw_cuts(level, state, v, centre, sd, rate, adapting, t, rng):
    """Draw the cut-points of ordinal column v, the first of which is 0, without its latent values (Cowles 1996).

    Distances of neighbours take a random walk on the log scale; their prior is flat, or exponential.
    """
    size = level.levels[v] - 1
    cuts = state.cuts[v]
    new = np.zeros(size)
    ratio = 0.0
    for k in range(1, size):
        gap = cuts[k] - cuts[k - 1]
        move = state.step[v] * rng.standard_normal()
        new[k] = new[k - 1] + gap * math.exp(move)
        ratio += move
    ratio -= rate * (new[size - 1] - cuts[size - 1])
    codes = level.codes[v]
    for i in range(codes.shape[0]):
        code = codes[i]
        if code > 0:
            ratio += _log_share(new, code, size, centre[i], sd) - _log_share(cuts, code, size, centre[i], sd)
    accepted = math.log(rng.random()) < ratio
    if accepted:
        for k in range(1, size):
            cuts[k] = new[k]
    if adapting:
        state.step[v] *= math.exp(((1.0 if accepted else 0.0) - ACCEPTED) / math.sqrt(t + 1.0))


@njit(cache=True, nogil=True)
def _log_share(cuts, code, size, centre, sd):
    """Return the log probability of a level above the first."""
    low = (cuts[code - 1] - centre) / sd
    if code == size:
        return math.log(max(0.5 * math.erfc(low * math.sqrt(0.5)), 1e-300))
    high = (cuts[code] - centre) / sd
    if low < 0 and high < 0:
        low, high = -high, -low
    share = 0.5 * (math.erfc(low * math.sqrt(0.5)) - math.erfc(high * math.sqrt(0.5)))
    return math.log(max(share, 1e-300))


# Inlined, as numba's calls with a generator cost several times what the draw does.
@njit(cache=True, nogil=True, inline="always")
def truncated(low, high, rng):
    """Return a standard normal number between low and high, by rejection (Robert 1995)."""
    if high == np.inf:
        z = _above(low, rng)
    elif low == -np.inf:
        z = -_above(-high, rng)
    elif low < 0 < high:
        z = _around_zero(low, high, rng)
    elif low >= 0:
        z = _between(low, high, rng)
    else:
        z = -_between(-high, -low, rng)
    return z


@njit(cache=True, nogil=True, inline="always")
def _above(low, rng):
    if low < 0:
        z = rng.standard_normal()
        while z <= low:
            z = rng.standard_normal()
    elif low < 0.8:
        z = abs(rng.standard_normal())
        while z <= low:
            z = abs(rng.standard_normal())
    else:
        slope = 0.5 * (low + math.sqrt(low * low + 4))
        z = low + rng.standard_exponential() / slope
        while rng.random() > math.exp(-0.5 * (z - slope) ** 2):
            z = low + rng.standard_exponential() / slope
    return z


@njit(cache=True, nogil=True, inline="always")
def _around_zero(low, high, rng):
    if high - low > 2.0:
        z = rng.standard_normal()
        while not low < z < high:
            z = rng.standard_normal()
    else:
        z = low + (high - low) * rng.random()
        while rng.random() > math.exp(-0.5 * z * z):
            z = low + (high - low) * rng.random()
    return z


@njit(cache=True, nogil=True, inline="always")
def _between(low, high, rng):
    """Return a standard normal number between 0 ≤ low and high."""
    # In a wide interval draws from the tail are accepted more often than uniform ones.
    if (high - low) * (low + math.sqrt(low * low + 4)) > 4.0:
        z = _above(low, rng)
        while z >= high:
            z = _above(low, rng)
    else:
        z = low + (high - low) * rng.random()
        while rng.random() > math.exp(0.5 * (low * low - z * z)):
            z = low + (high - low) * rng.random()
    return z


# ---- effects of clusters


@njit(cache=True, nogil=True)
def _given_upper(state_1, state_2):
    """Return the means (p, G) and the covariance of cluster effects given the latent columns of the clusters."""
    p = state_1.Y.shape[0]
    omega = state_2.covariance
    own = omega[:p, :p].copy()
    means = np.zeros((p, state_2.Y.shape[1]))
    if omega.shape[0] > p:
        cross = omega[:p, p:].copy()
        weights = cross @ inverse(omega[p:, p:].copy())
        own -= weights @ cross.T
        means = weights @ state_2.R[p:]
    return means, own


@njit(cache=True, nogil=True)
def _draw_effects(state_1, state_2, clusters, rng):
    """Draw the effects of all clusters; clusters of one size share their covariance."""
    R, u = state_1.R, state_2.Y
    p, n = R.shape
    G = clusters.size.shape[0]
    sums = np.zeros((G, p))
    for c in range(p):
        for i in range(n):
            sums[clusters.member[i], c] += R[c, i]
    within = inverse(state_1.covariance)
    means, own = _given_upper(state_1, state_2)
    between = inverse(own)
    roots = np.empty((clusters.sizes.shape[0], p, p))
    for s in range(clusters.sizes.shape[0]):
        roots[s] = cholesky(clusters.sizes[s] * within + between)
    new = np.empty(p)
    for g in range(G):
        root = roots[clusters.which[g]]
        for c in range(p):
            total = 0.0
            for k in range(p):
                total += within[c, k] * (sums[g, k] + clusters.size[g] * u[k, g]) + between[c, k] * means[k, g]
            new[c] = total
        forward(root, new)
        for c in range(p):
            new[c] += rng.standard_normal()
        backward(root, new)
        for c in range(p):
            sums[g, c] = u[c, g] - new[c]
            u[c, g] = new[c]
            state_2.R[c, g] = new[c]
    for c in range(p):
        for i in range(n):
            R[c, i] += sums[clusters.member[i], c]


@njit(cache=True, nogil=True)
def _recentre(state_1, state_2, clusters, prior, rng):
    """Draw the coefficients of predictors that are constant within clusters once more, with the sum of their part and
    the cluster's effect held fixed. Without it they would hardly move where clusters are large (Yu & Meng 2011)."""
    p, G = state_1.Y.shape[0], clusters.size.shape[0]
    means, own = _given_upper(state_1, state_2)
    centred = state_2.Y[:p].copy()
    for i in range(clusters.constant.shape[0]):
        for c in range(p):
            for g in range(G):
                centred[c, g] += clusters.X[i, g] * state_1.B[clusters.constant[i], c]
    new = coefficients(clusters.gram, clusters.X @ (centred - means).T, own, prior, rng)
    for i in range(clusters.constant.shape[0]):
        for c in range(p):
            state_1.B[clusters.constant[i], c] = new[i, c]
            for g in range(G):
                centred[c, g] -= clusters.X[i, g] * new[i, c]
    state_2.Y[:p] = centred
    state_2.R[:p] = centred


# ---- coefficients


@njit(cache=True, nogil=True)
def _draw_coefficients(level, state, prior, rng):
    X, R, B = level.X, state.R, state.B
    if X.shape[0] == 0:
        return
    new = coefficients(level.gram, X @ R.T + level.gram @ B, state.covariance, prior, rng)
    for c in range(R.shape[0]):
        for i in range(X.shape[0]):
            step = new[i, c] - B[i, c]
            B[i, c] = new[i, c]
            for k in range(R.shape[1]):
                R[c, k] -= step * X[i, k]


@njit(cache=True, nogil=True)
def _draw_upper_coefficients(level, state, prior, rng):
    """Draw the coefficients of the clusters' own latent columns, given the effects of the clusters."""
    p = level.offset
    omega = state.covariance
    cross = omega[p:, :p].copy()
    weights = cross @ inverse(omega[:p, :p].copy())
    own = omega[p:, p:] - weights @ cross.T
    new = coefficients(level.gram, level.X @ (state.Y[p:] - weights @ state.Y[:p]).T, own, prior, rng)
    state.B[:] = new
    state.R[p:] = state.Y[p:] - new.T @ level.X


@njit(cache=True, nogil=True)
def coefficients(gram, cross, covariance, prior, rng):
    """Return a draw of the coefficients (r, p) of a multivariate regression (Zellner 1971, §8.1).

    gram : X X' (r, r). cross : X Y' (r, p). prior : precision of the normal prior of every coefficient; 0 is flat.
    """
    r, p = cross.shape
    if prior == 0:
        root = cholesky(gram)
        scale = cholesky(covariance)
        noise = np.empty((r, p))
        for i in range(r):
            for c in range(p):
                noise[i, c] = rng.standard_normal()
        noise = noise @ scale.T
        result = np.empty((r, p))
        column = np.empty(r)
        for c in range(p):
            column[:] = cross[:, c]
            forward(root, column)
            column += noise[:, c]
            backward(root, column)
            result[:, c] = column
        return result
    within = inverse(covariance)
    precision = np.zeros((r * p, r * p))
    for a in range(p):
        for b in range(p):
            for i in range(r):
                for j in range(r):
                    precision[a * r + i, b * r + j] = within[a, b] * gram[i, j]
    right = np.empty(r * p)
    weighted = cross @ within
    for a in range(r * p):
        precision[a, a] += prior
        right[a] = weighted[a % r, a // r]
    root = cholesky(precision)
    forward(root, right)
    for a in range(r * p):
        right[a] += rng.standard_normal()
    backward(root, right)
    result = np.empty((r, p))
    for a in range(r * p):
        result[a % r, a // r] = right[a]
    return result


# ---- covariances


@njit(cache=True, nogil=True)
def draw_covariance(covariance, scatter, df, block, rng):
    """Draw a covariance from an inverse-Wishart distribution, given its fixed entries, in place.

    block : int64 (p,); entries of two latent columns of the same block (≥ 0) keep their values. The entries of all
    fixed columns are drawn first, by slices (Neal 2003) of their marginal density; the others follow from the partition
    of the inverse-Wishart distribution (Gelman et al. 2013, app. A).
    """
    fixed, free = np.flatnonzero(block >= 0), np.flatnonzero(block < 0)
    if fixed.shape[0] == 0:
        covariance[:] = inverse_wishart(scatter, df, rng)
        return
    own = _part(covariance, fixed, fixed)
    own_scatter = _part(scatter, fixed, fixed)
    _draw_fixed(own, own_scatter, df - free.shape[0], block[fixed], rng)
    _put(covariance, fixed, fixed, own)
    if free.shape[0] == 0:
        return
    root = cholesky(own_scatter)
    cross = _part(scatter, fixed, free)
    mean = cross.copy()
    column = np.empty(fixed.shape[0])
    for c in range(free.shape[0]):
        column[:] = mean[:, c]
        forward(root, column)
        backward(root, column)
        mean[:, c] = column
    rest = inverse_wishart(_part(scatter, free, free) - cross.T @ mean, df, rng)
    scale = cholesky(rest)
    noise = np.empty((fixed.shape[0], free.shape[0]))
    for i in range(noise.shape[0]):
        for c in range(noise.shape[1]):
            noise[i, c] = rng.standard_normal()
    noise = noise @ scale.T
    for c in range(free.shape[0]):
        column[:] = noise[:, c]
        backward(root, column)
        mean[:, c] += column
    between = own @ mean
    _put(covariance, fixed, free, between)
    _put(covariance, free, fixed, between.T)
    _put(covariance, free, free, rest + mean.T @ between)


@njit(cache=True, nogil=True)
def _draw_fixed(own, scatter, df, block, rng):
    p = own.shape[0]
    here = _log_density(own, scatter, df)
    for a in range(p):
        for b in range(a):
            if block[a] == block[b]:
                continue
            bound = math.sqrt(own[a, a] * own[b, b])
            start = own[a, b]
            level = here - rng.standard_exponential()
            width = 2.0 / math.sqrt(df + p)
            low = start - width * rng.random()
            high = low + width
            while low > -bound and _at(own, scatter, df, a, b, low) > level:
                low -= width
            while high < bound and _at(own, scatter, df, a, b, high) > level:
                high += width
            low, high = max(low, -bound), min(high, bound)
            while True:
                new = low + (high - low) * rng.random()
                here = _at(own, scatter, df, a, b, new)
                if here > level:
                    break
                if new < start:
                    low = new
                else:
                    high = new


@njit(cache=True, nogil=True)
def _at(own, scatter, df, a, b, value):
    own[a, b] = own[b, a] = value
    return _log_density(own, scatter, df)


@njit(cache=True, nogil=True)
def _log_density(own, scatter, df):
    """Return the log density of the inverse-Wishart distribution but for a constant; −inf outside of its domain."""
    p = own.shape[0]
    root = cholesky(own)
    total = 0.0
    for i in range(p):
        if not root[i, i] > 1e-9:
            return -np.inf
        total -= (df + p + 1) * math.log(root[i, i])
    column = np.empty(p)
    for c in range(p):
        column[:] = scatter[:, c]
        forward(root, column)
        backward(root, column)
        total -= 0.5 * column[c]
    return total


@njit(cache=True, nogil=True)
def inverse_wishart(scale, df, rng):
    """Return a draw of a covariance with density ∝ |Ω|^(−(df + p + 1)/2) exp(−tr(scale Ω⁻¹)/2) (Bartlett 1933)."""
    p = scale.shape[0]
    lower = np.zeros((p, p))
    for i in range(p):
        for j in range(i):
            lower[i, j] = rng.standard_normal()
        lower[i, i] = math.sqrt(rng.chisquare(df - i))
    root = cholesky(scale)
    # Ω = root lower⁻ᵀ lower⁻¹ rootᵀ
    half = np.empty((p, p))
    row = np.empty(p)
    for i in range(p):
        row[:] = root[i]
        forward(lower, row)
        half[i] = row
    return half @ half.T


@njit(cache=True, nogil=True)
def _part(matrix, rows, columns):
    result = np.empty((rows.shape[0], columns.shape[0]))
    for i in range(rows.shape[0]):
        for j in range(columns.shape[0]):
            result[i, j] = matrix[rows[i], columns[j]]
    return result


@njit(cache=True, nogil=True)
def _put(matrix, rows, columns, part):
    for i in range(rows.shape[0]):
        for j in range(columns.shape[0]):
            matrix[rows[i], columns[j]] = part[i, j]


# ---- small matrices: loops are faster than LAPACK's calls


@njit(cache=True, nogil=True)
def cholesky(matrix):
    """Return the lower root; a pivot that is not positive makes it NaN or 0 from there on."""
    p = matrix.shape[0]
    root = np.zeros((p, p))
    for i in range(p):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= root[i, k] * root[j, k]
            if i == j:
                root[i, i] = math.sqrt(total) if total > 0 else np.nan
            else:
                root[i, j] = total / root[j, j]
    return root


@njit(cache=True, nogil=True)
def forward(root, x):
    """Solve root y = x in place."""
    for i in range(root.shape[0]):
        total = x[i]
        for k in range(i):
            total -= root[i, k] * x[k]
        x[i] = total / root[i, i]


@njit(cache=True, nogil=True)
def backward(root, x):
    """Solve root' y = x in place."""
    for i in range(root.shape[0] - 1, -1, -1):
        total = x[i]
        for k in range(i + 1, root.shape[0]):
            total -= root[k, i] * x[k]
        x[i] = total / root[i, i]


@njit(cache=True, nogil=True)
def inverse(matrix):
    p = matrix.shape[0]
    root = cholesky(matrix)
    result = np.empty((p, p))
    column = np.empty(p)
    for c in range(p):
        column[:] = 0.0
        column[c] = 1.0
        forward(root, column)
        backward(root, column)
        result[c] = column
    return result
