"""Transformations of continuous columns to a normal scale and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

TRANSFORMS = ("none", "scores", "yeo-johnson")


@dataclass(frozen=True)
class Affine:
    """Values in standard deviations from their mean."""

    mean: float
    sd: float

    def forward(self, values: np.ndarray) -> np.ndarray:
        return (values - self.mean) / self.sd

    def back(self, latent: np.ndarray) -> np.ndarray:
        return self.mean + self.sd * latent


@dataclass(frozen=True)
class Scores:
    """Normal scores Φ⁻¹((rank − 1/2) / n); equal values share their mean rank (Blom 1958).

    Back, scores between those of two values lie between these, and none falls outside of their range. Whole numbers
    stay whole.

    values, scores : (distinct values,), ascending.
    """

    values: np.ndarray
    scores: np.ndarray
    whole: bool

    def forward(self, values: np.ndarray) -> np.ndarray:
        return np.interp(values, self.values, self.scores)

    def back(self, latent: np.ndarray) -> np.ndarray:
        numbers = np.interp(latent, self.scores, self.values)
        return np.rint(numbers) if self.whole else numbers


@dataclass(frozen=True)
class YeoJohnson:
    """The power transformation of Yeo & Johnson (2000) with the most likely power, of and in standard deviations."""

    before: Affine
    power: float
    after: Affine

    def forward(self, values: np.ndarray) -> np.ndarray:
        from scipy.stats import yeojohnson  # scipy.stats takes a third of a second to load

        return self.after.forward(yeojohnson(self.before.forward(values), self.power))

    def back(self, latent: np.ndarray) -> np.ndarray:
        """Return values; beyond what the transformation can reach, those at its edge."""
        power, numbers = self.power, self.after.back(latent)
        result = np.empty_like(numbers)
        high = numbers >= 0
        up, down = numbers[high], -numbers[~high]
        if abs(power) < 1e-12:
            result[high] = np.expm1(up)
        else:
            result[high] = np.maximum(1 + power * up, 1e-12) ** (1 / power) - 1
        if abs(power - 2) < 1e-12:
            result[~high] = -np.expm1(down)
        else:
            result[~high] = 1 - np.maximum(1 + (2 - power) * down, 1e-12) ** (1 / (2 - power))
        return self.before.back(result)


Transform = Affine | Scores | YeoJohnson


def learn(kind: str, observed: np.ndarray) -> Transform:
    """Return the transformation of a column with these values (n,), at least two of them different."""
    if kind == "scores":
        from scipy.stats import rankdata

        values, member, counts = np.unique(observed, return_inverse=True, return_counts=True)
        ranks = rankdata(observed)
        mean_rank = np.bincount(member.ravel(), ranks) / counts
        return Scores(values, ndtri((mean_rank - 0.5) / observed.size), bool((values == np.rint(values)).all()))
    if kind == "yeo-johnson":
        from scipy.stats import yeojohnson, yeojohnson_normmax

        before = _affine(observed)
        scaled = before.forward(observed)
        power = float(yeojohnson_normmax(scaled))
        return YeoJohnson(before, power, _affine(yeojohnson(scaled, power)))
    return _affine(observed)


def _affine(values: np.ndarray) -> Affine:
    return Affine(float(values.mean()), float(values.std()))
