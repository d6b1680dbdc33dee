"""Tests of several parameters at once: D1, D2 and D3, from what was estimated on each set."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import chdtrc, fdtrc

from mice_sim.errors import MiceSimError
from mice_sim.pooling.rules import Rule
from mice_sim.pooling.spread import Spread


@dataclass(frozen=True)
class JointTest:
    """A test that k parameters are zero: `statistic` against F(df1, df2).

    riv : the relative increase of variance by what is missing or synthetic, T = (1 + riv)ū; ū for data of n rows.
    terms : the parameters. m : number of sets. rule : the combining rule. forced : whether it was not valid.
    """

    method: str
    statistic: float
    df1: int
    df2: float
    p_value: float
    riv: float
    terms: tuple[str, ...]
    m: int
    rule: str
    forced: bool = False


def d1(
    q: np.ndarray,
    u: np.ndarray,
    rule: Rule,
    df_complete: float = np.inf,
    ratio: float = 1.0,
    terms: tuple[str, ...] = (),
) -> JointTest:
    """Wald's test on the pooled estimates (Li, Raghunathan & Rubin 1991; for synthetic data Reiter 2005).

    q : float64 (m, k), the estimates. u : float64 (m, k, k), their covariances. ratio : k/n as in `moments`.
    Raises MiceSimError where the rule has no joint test, for a single set, or for singular covariances.
    """
    m, k = q.shape
    estimate, within = q.mean(axis=0), u.mean(axis=0)
    if m < rule.least:
        raise MiceSimError("Pooling needs at least two sets; make m=2 or more.")
    deviation = q - estimate
    try:
        wald = float(estimate @ np.linalg.solve(within, estimate))
        spread = float(np.einsum("ij,ji->", deviation, np.linalg.solve(within, deviation.T)))
    except np.linalg.LinAlgError:
        raise MiceSimError("The covariances of the tested terms are singular; leave out a redundant term.") from None
    return _test("D1", wald, rule, Spread(spread / max(m - 1, 1) / k, k, m, df_complete, ratio), terms)


def d2(wald: np.ndarray, k: int, rule: Rule, terms: tuple[str, ...] = ()) -> JointTest:
    """Pool χ² statistics (Li, Meng, Raghunathan & Rubin 1991, Statistica Sinica 1, 65-92); for imputed data.

    wald : float64 (m,), each set's statistic on `k` degrees of freedom. Raises MiceSimError for rules but Rubin's.
    """
    m = wald.size
    if rule.name != "rubin1987":
        raise MiceSimError(f"D2 is derived for imputed data only, not for the rule '{rule.name}'; use D1 or D3.")
    if m < 2:
        raise MiceSimError("Pooling needs at least two sets; make m=2 or more.")
    r = (1 + 1 / m) * np.sqrt(np.maximum(wald, 0)).var(ddof=1)
    statistic = (wald.mean() / k - (m + 1) / (m - 1) * r) / (1 + r)
    df = k ** (-3 / m) * (m - 1) * (1 + 1 / r) ** 2 if r > 0 else np.inf
    return JointTest("D2", float(statistic), k, float(df), tail(statistic, k, df), float(r), terms, m, rule.name)


def d3(
    ratios: np.ndarray,
    at_pooled: np.ndarray,
    k: int,
    rule: Rule,
    ratio: float = 1.0,
    terms: tuple[str, ...] = (),
) -> JointTest:
    """Likelihood-ratio test (Meng & Rubin 1992, Biometrika 79, 103-111; for synthetic data Reiter 2005).

    ratios : float64 (m,), twice each set's log-likelihood ratio of the larger model against the smaller, each at its
    own maximum. at_pooled : float64 (m,), the same at the pooled coefficients. k : number of terms tested.
    """
    m = ratios.size
    if m < 2:
        raise MiceSimError("The likelihood-ratio test needs at least two sets; make m=2 or more.")
    x = float(m / (m - 1) * (ratios.mean() - at_pooled.mean()) / k)
    return _test("D3", float(at_pooled.mean()), rule, Spread(x, k, m, ratio=ratio), terms)


def forced(test: JointTest, is_forced: bool) -> JointTest:
    """Return the test with a note of whether its rule was forced."""
    return replace(test, forced=is_forced)


def _test(method: str, quadratic: float, rule: Rule, spread: Spread, terms: tuple[str, ...]) -> JointTest:
    if rule.joint is None:
        raise MiceSimError(
            f"No joint test is derived for the rule '{rule.name}'; test the terms one at a time by pool."
        )
    scale, df = rule.joint(spread)
    statistic = quadratic / (spread.k * scale) if scale > 0 else np.nan
    riv = scale / spread.ratio - 1
    return JointTest(method, statistic, spread.k, df, tail(statistic, spread.k, df), riv, terms, spread.m, rule.name)


def tail(statistic: float, df1: int, df2: float) -> float:
    """Return P(F > statistic), of χ²/df1 where df2 is infinite; 1 for a negative statistic, NaN for NaN."""
    positive = np.maximum(statistic, 0.0)
    return float(chdtrc(df1, df1 * positive) if np.isinf(df2) else fdtrc(df1, df2, positive))
