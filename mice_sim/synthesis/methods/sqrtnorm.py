"""`sqrtnorm`: linear regression of the square root (as synthpop's sqrtnorm: Nowok, Raab & Dibben 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mice_sim.errors import MiceSimError
from mice_sim.synthesis.methods._linear import Notes
from mice_sim.synthesis.methods._transformed import Transformed
from mice_sim.synthesis.methods.base import Predictors, Target
from mice_sim.synthesis.methods.norm import FittedNorm


@dataclass(frozen=True)
class SqrtNorm(Transformed):
    """Options of `sqrtnorm`: spline_df, proper as in `norm`. Negative values raise MiceSimError.

    A negative draw on the scale of the root counts by its square too, as in synthpop.
    """

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedSqrtNorm:
        values = y.observed
        if (values < 0).any():
            raise MiceSimError(f"'{y.column.name}' has negative values, which have no root; use cubertnorm or norm.")
        norm = self.regress(y, np.sqrt(values), X)
        return FittedSqrtNorm(norm, norm.notes)


@dataclass(frozen=True)
class FittedSqrtNorm:
    norm: FittedNorm
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        return self.norm.draw(X, rng) ** 2
