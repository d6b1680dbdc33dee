"""`sample`: a simple random sample of the observed values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.synthesis.methods.base import Predictors, Target


@dataclass(frozen=True)
class Sample:
    """Draw observed values with replacement, whatever the predictors say."""

    deterministic: ClassVar[bool] = True
    uses_predictors: ClassVar[bool] = False

    def fit(
        self, y: Target, X: Predictors, rng: np.random.Generator | None = None, previous: object = None
    ) -> FittedSample:
        return FittedSample(y.values[y.rows])


@dataclass(frozen=True)
class FittedSample:
    donors: np.ndarray

    def draw(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return self.donors[rng.integers(self.donors.size, size=rows.size)]
