"""`lognorm`: linear regression of the logarithm (as synthpop's lognorm: Nowok, Raab & Dibben 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mice_sim.errors import MiceSimError
from mice_sim.synthesis.methods._linear import Notes
from mice_sim.synthesis.methods._transformed import Transformed
from mice_sim.synthesis.methods.base import Predictors, Target
from mice_sim.synthesis.methods.norm import FittedNorm

LARGEST = np.log(np.finfo(float).max)


@dataclass(frozen=True)
class LogNorm(Transformed):
    """Options of `lognorm`: spline_df, proper as in `norm`.

    If there are zeros, half of the smallest positive value is added before the logarithm and taken off after it;
    what falls below 0 becomes 0. Negative values raise MiceSimError.
    """

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedLogNorm:
        values = y.observed
        if (values < 0).any():
            raise MiceSimError(
                f"'{y.column.name}' has negative values, which have no logarithm; use cubertnorm or norm."
            )
        if not (values > 0).any():
            raise MiceSimError(f"'{y.column.name}' holds only zeros, which have no logarithm; use sample or norm.")
        shift = float(values[values > 0].min()) / 2 if (values == 0).any() else 0.0
        norm = self.regress(y, np.log(values + shift), X)
        notes = norm.notes
        if shift:
            notes += ((f"added {shift:g} before taking logarithms", "there are zeros"),)
        return FittedLogNorm(norm, shift, notes)


@dataclass(frozen=True)
class FittedLogNorm:
    norm: FittedNorm
    shift: float
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        values = np.exp(np.minimum(self.norm.draw(X, rng), LARGEST))
        return np.maximum(values - self.shift, 0.0) if self.shift else values
