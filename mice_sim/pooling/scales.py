"""Scales on which estimates are closer to normal: intervals are taken there, by the delta method, and turned back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit


@dataclass(frozen=True)
class Scale:
    """A transformation of the open interval from `least` to `most` to all numbers, its derivative and its inverse."""

    least: float
    most: float
    there: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]

    def limits(self, estimate: np.ndarray, half: np.ndarray) -> np.ndarray:
        """Return the limits (2, …) of estimates whose plain intervals would be ± half; NaN for one on the border."""
        inside = (estimate > self.least) & (estimate < self.most)
        known = np.where(inside, estimate, np.nan)
        centre, reach = self.there(known), half * self.slope(known)
        with np.errstate(over="ignore"):  # of a variance that is nearly 0
            return np.stack([self.back(centre - reach), self.back(centre + reach)])


SCALES = {
    "log": Scale(0.0, np.inf, np.log, lambda v: 1 / v, np.exp),
    "logit": Scale(0.0, 1.0, logit, lambda v: 1 / (v * (1 - v)), expit),
    "fisher": Scale(-1.0, 1.0, np.arctanh, lambda v: 1 / (1 - v**2), np.tanh),
}
PLAIN = ""


def limits(estimate: np.ndarray, half: np.ndarray, scales: Sequence[str]) -> np.ndarray:
    """Return the limits (2, …, k) of estimates (…, k) on the scales named, all plain if none are."""
    found = np.stack([estimate - half, estimate + half])
    names = np.array(scales)
    for name in set(scales) - {PLAIN}:
        at = names == name
        found[..., at] = SCALES[name].limits(estimate[..., at], half[..., at])
    return found
