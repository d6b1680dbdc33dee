"""`mean`: the mean of the observed values. For comparison only: it shrinks variances and correlations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.methods._linear import fit_linear
from mice_sim.synthesis.methods.base import Method, Predictors, Target


@dataclass(frozen=True)
class Mean(Method):
    """Fill with the mean of the observed values, whatever the predictors say."""

    kinds: ClassVar[tuple[Kind, ...]] = ("continuous",)
    uses_predictors: ClassVar[bool] = False

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedMean:
        # A regression on nothing; its mean does not overflow.
        linear, _ = fit_linear(y.observed, np.zeros((y.rows.size, 0)), ())
        return FittedMean(linear.plane.mean)


@dataclass(frozen=True)
class FittedMean:
    mean: float

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        return np.full(X.rows.size, self.mean)
