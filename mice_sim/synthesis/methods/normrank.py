"""`normrank`: linear regression of normal scores, which keeps the distribution of the values.

As synthpop's normrank (Nowok, Raab & Dibben 2016): draws are normal scores, turned into ranks and these into the
observed values that have them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from mice_sim.synthesis.methods._linear import Notes
from mice_sim.synthesis.methods._transformed import Transformed
from mice_sim.synthesis.methods.base import Predictors, Target
from mice_sim.synthesis.methods.norm import FittedNorm


@dataclass(frozen=True)
class NormRank(Transformed):
    """Options of `normrank`: spline_df, proper as in `norm`.

    The score of a value is Φ⁻¹(rank / (n + 1)); equal values share their mean rank.
    """

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedNormRank:
        from scipy.stats import rankdata  # a third of a second, which few need

        values = y.observed
        scores = ndtri(rankdata(values) / (values.size + 1))
        regression = self.regress(y, scores, X)
        return FittedNormRank(regression, np.sort(values), regression.notes)


@dataclass(frozen=True)
class FittedNormRank:
    """values : (n,), ascending."""

    norm: FittedNorm
    values: np.ndarray
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        ranks = np.rint(ndtr(self.norm.draw(X, rng)) * (self.values.size + 1))
        return self.values[np.clip(ranks, 1, self.values.size).astype(int) - 1]
