"""`2l.lmer`: a linear model with random effects, fitted by restricted maximum likelihood (Bates et al. 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.methods import _two_level
from mice_sim.synthesis.methods._linear import Notes
from mice_sim.synthesis.methods._mixed import Mixed, fit_mixed
from mice_sim.synthesis.methods.base import Method, Predictors, Target


@dataclass(frozen=True)
class TwoLevelLmer(Method):
    """Options of `2l.lmer`.

    y = xβ + z b_g + e, b_g ~ N(0, Ψ), e ~ N(0, σ²). The effects of predictors with code 2 or 4 vary between clusters;
    code 3 or 4 adds the predictor's cluster means, 1 and 3 effects that are the same everywhere.

    Parameters are drawn about their estimates as in mice: σ² = df σ̂²/χ², β from its normal distribution, Ψ⁻¹ from the
    Wishart distribution of the estimated effects' scatter (Snijders & Bosker 2012, Multilevel Analysis), the effects
    given these and the data. Estimated effects vary less than true ones, the more so the smaller clusters are, and so
    do the effects of clusters without an observed value; `2l.norm` and `2l.pan` have them right.

    proper : False draws the effects given the data and the estimates, and no parameters.
    """

    proper: bool = True

    kinds: ClassVar[tuple[Kind, ...]] = ("continuous",)
    two_level: ClassVar[bool] = True

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedTwoLevelLmer:
        rows = _two_level.Rows.of(X)
        model, residuals = _two_level.ClusteredModel.of(y, rows)
        model, mixed = fit_mixed(model, rows, residuals)
        return FittedTwoLevelLmer(model, mixed, self.proper, model.notes)


@dataclass(frozen=True)
class FittedTwoLevelLmer:
    model: _two_level.ClusteredModel
    mixed: Mixed
    proper: bool
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        mixed, rows = self.mixed, _two_level.Rows.of(X)
        found = mixed.posterior(mixed.scatter, rng) if self.proper else mixed.estimates(rng)
        number, new = self.model.locate(X, rows)
        effects = _two_level.with_new(found.effects, found.root, new, rng)
        noise = self.model.unit * np.sqrt(found.sigma2) * rng.standard_normal(number.size)
        return self.model.expect(rows, number, found.beta, effects) + noise
