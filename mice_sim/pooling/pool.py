"""Pooling of m estimates, with the Monte Carlo variance that the m sets themselves bring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from mice_sim.errors import MiceSimError
from mice_sim.pooling.rules import Moments, Rule
from mice_sim.pooling.scales import limits

INFERENCE = ("estimate", "std_error", "df", "statistic", "p_value", "ci_lower", "ci_upper")
LEVEL = 0.95
Elementwise = Callable[[np.ndarray], np.ndarray]


def t_quantile(df: np.ndarray, level: float = LEVEL) -> np.ndarray:
    """Return the two-sided critical value of t, or of the normal where df is infinite."""
    df = np.asarray(df, dtype=float)
    upper = (1 + level) / 2
    return np.where(np.isinf(df), ndtri(upper), stdtrit(np.where(np.isinf(df), 1.0, df), upper))


def inference(
    estimate: np.ndarray, variance: np.ndarray, df: np.ndarray, level: float = LEVEL, scales: Sequence[str] = ()
) -> np.ndarray:
    """Return (7, …): estimate, standard error, df, statistic, p-value and confidence limits.

    scales : of the limits, a name in `scales.SCALES` or "" for each estimate of the last axis.
    Degrees of freedom below .001 count as .001 in the p-value, as in mice. Where a rule gave a negative variance,
    all but the estimate and the df is NaN.
    """
    df = np.broadcast_to(df, estimate.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        std_error = np.sqrt(variance)
        statistic = estimate / std_error
    p_value = 2 * stdtr(np.minimum(np.maximum(df, 1e-3), 1e15), -np.abs(statistic))
    low, high = limits(estimate, t_quantile(df, level) * std_error, scales)
    return np.stack([estimate, std_error, df, statistic, p_value, low, high])


def moments(
    q: np.ndarray, u: np.ndarray, rule: Rule, df_complete: float | np.ndarray = np.inf, ratio: float = 1.0, r: int = 1
) -> Moments:
    """Return the moments that `rule` takes of estimates and squared standard errors (sets, …).

    ratio : k/n, rows of a set for each real one. r : syntheses of every imputation, sets ordered by imputation.
    Raises MiceSimError for too few sets, or sets that do not come in nests of r.
    """
    if not rule.nested:
        r = 1
    elif r < 2 or len(q) % r:
        raise MiceSimError(
            f"The rule '{rule.name}' takes nests of two or more sets each; give r, a divisor of {len(q)}."
        )
    m = len(q) // r
    if m < rule.least:
        raise MiceSimError("Pooling needs at least two sets; make m=2 or more.")
    return Moments.of(q, u, m, df_complete, ratio, r)


def pool(
    estimates: np.ndarray,
    variances: np.ndarray,
    rule: Rule,
    df_complete: float | np.ndarray,
    level: float = LEVEL,
    ratio: float = 1.0,
    r: int = 1,
    scales: Sequence[str] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Pool the estimates of several sets by a rule.

    Parameters
    ----------
    estimates, variances : float64 (sets, k). df_complete : complete-data degrees of freedom.
    ratio, r : as in `moments`. scales : as in `inference`.

    Returns
    -------
    pooled, synthesis_variance : float64 (7, k), rows as in `INFERENCE`. The second is the variance of
        the first over new syntheses of the same data, by the delete-one jackknife over the m sets or nests
        (Efron & Stein 1981); for the estimate it is b/m exactly. It is NaN for m < 3.
    """
    found = moments(estimates, variances, rule, df_complete, ratio, r)

    def pooled(q: np.ndarray, found: Moments) -> np.ndarray:
        return inference(q.mean(axis=0), *rule.variance(found), level, scales)

    if found.m < 3:
        return pooled(estimates, found), np.full((len(INFERENCE), estimates.shape[1]), np.nan)
    others = _others(found.m, found.r)
    q, u = (np.moveaxis(a[others], 0, 1) for a in (estimates, variances))
    # The number of sets in the rule stays m when one is left out: the rule is the functional.
    left_out = pooled(q, Moments.of(q, u, found.m, df_complete, ratio, found.r))
    return pooled(estimates, found), jackknife_variance(left_out, axis=1)


def pool_statistics(
    values: np.ndarray, forward: Elementwise | None = None, backward: Elementwise | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Average (m, k) statistics over the sets, on the scale of `forward`; return mean and jackknife variance.

    With forward = arctanh and backward = tanh it averages correlations by Fisher's z.
    """
    m = values.shape[0]
    scaled = forward(values) if forward else values
    mean = scaled.mean(axis=0)
    left_out = (m * mean - scaled) / (m - 1) if m > 1 else np.full(scaled.shape, np.nan)
    if backward:
        mean, left_out = backward(mean), backward(left_out)
    return mean, jackknife_variance(left_out, axis=0)


def jackknife_variance(left_out: np.ndarray, axis: int) -> np.ndarray:
    """Return (m−1)/m · Σ(θ_(l) − θ_(·))² over the leave-one-out values along `axis`."""
    m = left_out.shape[axis]
    # Equal sets have infinite degrees of freedom; limits of a variance with hardly any are beyond bounds.
    with np.errstate(invalid="ignore", over="ignore"):
        return (m - 1) * left_out.var(axis=axis)


@lru_cache(maxsize=8)
def _others(m: int, r: int = 1) -> np.ndarray:
    """Row l lists the sets outside nest l of m nests of r sets."""
    return np.array([[i for i in range(m * r) if i // r != left_out] for left_out in range(m)])
