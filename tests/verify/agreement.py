"""What a comparison with R comes to: one line of the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

# The chance that a line of random draws exceeds its limit though both sides draw from the same distribution.
FALSE_ALARM = 1e-4


@dataclass(frozen=True)
class Agreement:
    """The largest difference found in some cases, and the limit that it must not exceed.

    unit : of the difference: "relative" is |ours − R's| / (1 + |R's|), "z" counts Monte Carlo standard errors,
        "number" counts what is not the same.
    """

    what: str
    against: str
    cases: str
    unit: str
    largest: float
    limit: float
    note: str = ""

    @property
    def agrees(self) -> bool:
        return bool(self.largest <= self.limit)


def relative(ours: object, theirs: object) -> float:
    """Return the largest |ours − theirs| / (1 + |theirs|); both may be NaN at the same places."""
    a, b = (np.asarray(values, dtype=float).ravel() for values in (ours, theirs))
    if a.shape != b.shape or (np.isnan(a) != np.isnan(b)).any():
        return np.inf
    same = (a == b) | np.isnan(a)
    with np.errstate(invalid="ignore"):
        return float(np.max(np.where(same, 0, np.abs(a - b) / (1 + np.abs(b))), initial=0))


def numbers(
    what: str, against: str, cases: str, differences: Iterable[float], limit: float, note: str = ""
) -> Agreement:
    """Return the line of numbers that should be the same."""
    return Agreement(what, against, cases, "relative", float(np.max(list(differences))), limit, note)


def counts(what: str, against: str, cases: str, different: int, note: str = "") -> Agreement:
    """Return the line of what is the same or not."""
    return Agreement(what, against, cases, "number", different, 0, note)


def draws(what: str, against: str, cases: str, z: Sequence[np.ndarray] | np.ndarray, note: str = "") -> Agreement:
    """Return the line of random draws; the more numbers are compared, the larger the limit."""
    flat = np.concatenate([np.ravel(part) for part in z])
    limit = float(norm.isf(FALSE_ALARM / 2 / flat.size))
    return Agreement(what, against, f"{cases}, {flat.size:,} numbers", "z", float(np.abs(flat).max()), limit, note)
