"""`cubertnorm`: linear regression of the cube root (as synthpop's cubertnorm: Nowok, Raab & Dibben 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mice_sim.synthesis.methods._linear import Notes
from mice_sim.synthesis.methods._transformed import Transformed
from mice_sim.synthesis.methods.base import Predictors, Target
from mice_sim.synthesis.methods.norm import FittedNorm


@dataclass(frozen=True)
class CubertNorm(Transformed):
    """Options of `cubertnorm`: spline_df, proper as in `norm`. A negative value has a negative root."""

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedCubertNorm:
        norm = self.regress(y, np.cbrt(y.observed), X)
        return FittedCubertNorm(norm, norm.notes)


@dataclass(frozen=True)
class FittedCubertNorm:
    norm: FittedNorm
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        return self.norm.draw(X, rng) ** 3
