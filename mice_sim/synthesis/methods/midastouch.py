"""`midastouch`: predictive mean matching with probabilities that fall with the distance.

Gaffert, Meinfelder & Bosch (2015), "Towards an MI-proper predictive mean matching"; Siddique & Belin (2008),
Statistics in Medicine 27:83-102.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.errors import MiceSimError
from mice_sim.synthesis.kernels import matching
from mice_sim.synthesis.methods._linear import Notes, Plane, bootstrap_counts, fit_linear
from mice_sim.synthesis.methods.base import Method, Predictors, Target

# The least distance, in standard deviations of y: closer donors are alike.
CLOSEST = 1.5e-8


@dataclass(frozen=True)
class Midastouch(Method):
    """Options of `midastouch`, with the defaults of mice.

    midas_kappa : donors are drawn with probability ∝ distance^−κ, κ ≥ 0; None takes κ = (50 R² / (1 − R²))^(3/8),
        at most 100. outout : compare a donor and a recipient by a model that was fitted without the donor.

    Every recipient weighs all donors, so the time grows with donors times recipients.
    """

    midas_kappa: float | None = None
    outout: bool = True

    deterministic: ClassVar[bool] = False
    proper = True

    def __post_init__(self) -> None:
        kappa = self.midas_kappa
        if kappa is None:
            return
        if isinstance(kappa, bool) or not isinstance(kappa, int | float) or not 0 <= kappa < math.inf:
            raise MiceSimError(f"midas_kappa is {kappa!r}; give a number of at least 0, or None to choose it by R².")

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedMidastouch:
        matrix, values = X.matrix(), y.observed
        counts = bootstrap_counts(values.size, rng)
        linear, fitted = fit_linear(values, matrix, X.names, counts, spent=-values.size)
        drawn = np.flatnonzero(counts)
        plane, weights = linear.plane, counts[drawn]
        reach = _reach(matrix[drawn], plane, linear.factor)
        leverage = weights * (1 / linear.weight + (reach**2).sum(axis=1))
        left_out = self.outout & (leverage < 1 - 1e-10)
        shift = np.where(left_out, weights * (values - fitted)[drawn] / np.where(left_out, 1 - leverage, 1), 0.0)
        # The spread of y in the bootstrap sample, as a length like that of the residuals.
        spread, _ = fit_linear(values, matrix[:, :0], (), counts)
        kappa = _kappa(linear.length, spread.length) if self.midas_kappa is None else float(self.midas_kappa)
        floor = max(CLOSEST * spread.length / math.sqrt(values.size), math.ulp(0.0))
        return FittedMidastouch(
            plane, linear.factor, values[drawn], fitted[drawn], reach, shift, weights, kappa, floor, linear.notes
        )


def _reach(matrix: np.ndarray, plane: Plane, factor: np.ndarray) -> np.ndarray:
    """Return F'z for every row z of the scaled matrix; products of two rows are z' (Z'WZ)⁻¹ z."""
    return ((matrix - plane.centre) * plane.inverse) @ factor


def _kappa(residual: float, total: float) -> float:
    """Return κ by R², from the lengths √SSR and √SST (Gaffert et al. 2015)."""
    if total == 0:
        return 0.0
    unexplained = (residual / total) ** 2
    odds = max(1 - unexplained, 0.0) / unexplained if unexplained > 0 else math.inf
    return min((50 * odds) ** (3 / 8), 100.0)


@dataclass(frozen=True)
class FittedMidastouch:
    """The bootstrap's donors (n,) with their predictions, and how far leaving each out moves other predictions."""

    plane: Plane
    factor: np.ndarray
    donors: np.ndarray
    scores: np.ndarray
    reach: np.ndarray
    shift: np.ndarray
    weights: np.ndarray
    kappa: float
    floor: float
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        matrix = X.matrix()
        chosen = matching.draw_by_distance(
            self.scores, self.reach, self.shift, self.weights, self.plane.at(matrix),
            _reach(matrix, self.plane, self.factor), self.kappa, self.floor, rng.random(X.rows.size),
        )  # fmt: skip
        return self.donors[chosen]
