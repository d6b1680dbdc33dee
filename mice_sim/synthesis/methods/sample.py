"""`sample`: a simple random sample of the observed values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.synthesis.methods.base import Method, Predictors, Target


@dataclass(frozen=True)
class Sample(Method):
    """Draw observed values with replacement, whatever the predictors say."""

    uses_predictors: ClassVar[bool] = False

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedSample:
        return FittedSample(y.observed)


@dataclass(frozen=True)
class FittedSample:
    donors: np.ndarray

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        return self.donors[rng.integers(self.donors.size, size=X.rows.size)]
