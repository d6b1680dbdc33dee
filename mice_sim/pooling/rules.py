"""Combining rules: the total variance and the degrees of freedom of m estimates.

Every rule is a function of arrays that broadcast: `within` is the mean of the m squared standard
errors (ū), `between` the variance of the m estimates (b, divisor m − 1), `df_complete` the residual
degrees of freedom of one complete-data fit. It returns (T, df).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mice_sim.errors import MiceSimError, nearest

Variance = Callable[[np.ndarray, np.ndarray, int, float], tuple[np.ndarray, np.ndarray]]


def reiter2003(within: np.ndarray, between: np.ndarray, m: int, df_complete: float) -> tuple[np.ndarray, np.ndarray]:
    """Partially synthetic data (Reiter 2003, eq. 6-8): T = ū + b/m, ν = (m−1)(1 + mū/b)²."""
    with np.errstate(divide="ignore"):
        df = (m - 1) * (1 + m * within / between) ** 2
    return within + between / m, df


def rubin1987(within: np.ndarray, between: np.ndarray, m: int, df_complete: float) -> tuple[np.ndarray, np.ndarray]:
    """Missing data (Rubin 1987): T = ū + (1 + 1/m)b, with the degrees of freedom of Barnard & Rubin (1999).

    λ is kept at 1e-4 or above, as in mice 3.15.
    """
    total = within + (1 + 1 / m) * between
    share = np.maximum((1 + 1 / m) * between / total, 1e-4)
    old = (m - 1) / share**2
    if np.isinf(df_complete):
        return total, old
    observed = (df_complete + 1) / (df_complete + 3) * df_complete * (1 - share)
    return total, old * observed / (old + observed)


@dataclass(frozen=True)
class Rule:
    """A combining rule and the kinds of data it is valid for."""

    name: str
    variance: Variance
    valid_for: tuple[str, ...]
    source: str


RULES = {
    rule.name: rule
    for rule in (
        Rule("reiter2003", reiter2003, ("linked",), "Reiter (2003), Survey Methodology 29, 181-188"),
        Rule("rubin1987", rubin1987, ("impute",), "Rubin (1987); Barnard & Rubin (1999), Biometrika 86, 948-955"),
    )
}


def get_rule(name: str) -> Rule:
    """Return the rule called `name`, or raise MiceSimError."""
    if name not in RULES:
        raise MiceSimError(f"There is no pooling rule '{name}'{nearest(name, list(RULES))}")
    return RULES[name]
