"""Smoothing of drawn numbers, so that a synthetic value is not a real person's value.

The kinds and the exemptions are those of synthpop (Nowok, Raab & Dibben 2016): drawn values are moved, kept within
the observed range and rounded to the observed decimals; a value that makes up most of the column stays.
"""

from __future__ import annotations

import math

import numpy as np

KINDS = ("density", "spline", "rmean")
# A single value with more than this share of the column is a spike, not a point of a continuum.
SPIKE = 0.7
MOST_DECIMALS = 8


def smooth(kind: str, drawn: np.ndarray, observed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return `drawn` (k,) smoothed; `observed` (n,) gives range, decimals and spikes.

    "density" adds noise with the standard deviation of a kernel density's bandwidth (Silverman 1986, eq. 3.31);
    "spline" replaces the sorted values by a smoothing spline through them, "rmean" by their running mean of five.
    """
    levels, counts = np.unique(observed, return_counts=True)
    spike = levels[counts.argmax()]
    moving = drawn != spike if counts.max() > SPIKE * observed.size else np.ones(drawn.size, bool)
    # The largest value, if frequent, is a top code: it stays too.
    if counts[-1] > max(10, counts[:-1].max(initial=0)):
        moving &= drawn != levels[-1]
    values = drawn[moving]
    if levels.size < 2 or values.size < 6:
        return drawn
    moved = _density(values, observed, rng) if kind == "density" else _along(kind, values)
    result = drawn.copy()
    result[moving] = np.clip(np.round(moved, _decimals(levels)), levels[0], levels[-1])
    return result


def _density(values: np.ndarray, observed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    # A power of two keeps squares within range.
    exponent = math.frexp(float(np.abs(observed).max()))[1]
    scaled = np.ldexp(observed, -exponent)
    low, high = np.quantile(scaled, [0.25, 0.75])
    sd = scaled.std(ddof=1)
    spread = math.ldexp(min(sd, (high - low) / 1.34) or sd, exponent)
    return values + 0.9 * spread * observed.size**-0.2 * rng.standard_normal(values.size)


def _along(kind: str, values: np.ndarray) -> np.ndarray:
    """Smooth the sorted values along their ranks and put them back in place."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    scale = np.ptp(ranked)
    if scale == 0:
        return values
    if kind == "spline":
        from scipy.interpolate import make_smoothing_spline

        smoothed = make_smoothing_spline(np.arange(ranked.size, dtype=float), ranked / scale)(np.arange(ranked.size))
    else:
        padded = np.pad(ranked / scale, 2, mode="edge")
        smoothed = np.convolve(padded, np.full(5, 0.2), mode="valid")
    result = np.empty_like(values)
    result[order] = smoothed * scale
    return result


def _decimals(levels: np.ndarray) -> int:
    """Return how many decimals the values are given with, at most MOST_DECIMALS."""
    for decimals in range(MOST_DECIMALS):
        if np.allclose(np.round(levels, decimals), levels, rtol=1e-12, atol=0):
            return decimals
    return 15
