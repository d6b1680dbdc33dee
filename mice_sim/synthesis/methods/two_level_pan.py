"""`2l.pan`: a linear model with random effects and one residual variance (Schafer & Yucel 2002)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.kernels import two_level
from mice_sim.synthesis.methods import _two_level
from mice_sim.synthesis.methods._linear import Notes
from mice_sim.synthesis.methods.base import Method, Predictors, Target


@dataclass(frozen=True)
class TwoLevelPan(Method):
    """Options of `2l.pan`, with the defaults of mice.

    y = xβ + z b_g + e, b_g ~ N(0, Ψ), e ~ N(0, σ²). The effects of predictors with code 2 or 4 vary between clusters;
    code 3 or 4 adds the predictor's cluster means, 1 and 3 effects that are the same everywhere.

    The priors are pan's: flat for β, Ψ⁻¹ ~ Wishart(q, I) for q effects that vary, 1/σ² ~ χ²(1), in the units of the
    data. So a column counts as having a standard deviation of about 1: where variances are far smaller, or clusters
    few, measure it in such units, or use `2l.lmer`, which does not depend on them.

    cycles : of the Gibbs sampler, ≥ 1 (`paniter` of mice). proper : False draws from the averages of the parameters
    over as many cycles.
    """

    cycles: int = 500
    proper: bool = True

    kinds: ClassVar[tuple[Kind, ...]] = ("continuous",)
    two_level: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _two_level.check_cycles(self.cycles)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedTwoLevelPan:
        rows = _two_level.Rows.of(X)
        model, residuals = _two_level.ClusteredModel.of(y, rows, most=len(rows.names) + 1)
        sums = model.sums(rows, residuals)
        notes, squares = model.notes, y.rows.size * model.unit**2
        if 0 < squares < 1:
            why = f"the prior's squares sum to 1, those of the data to {squares:.2g}; measure it in smaller units"
            notes += (("took the residual variance from its prior rather than the data", why),)
        return FittedTwoLevelPan(model, sums, y.rows.size, self.cycles, self.proper, notes)


@dataclass(frozen=True)
class FittedTwoLevelPan:
    """sums (G, p + 1, p + 1) : of products of n rows, by cluster."""

    model: _two_level.ClusteredModel
    sums: np.ndarray
    n: int
    cycles: int
    proper: bool
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        model, rows = self.model, _two_level.Rows.of(X)
        if model.unit == 0:
            return model.plane.at(rows.matrix)
        scale, sigma_scale = model.prior_scales()
        cycles = self.cycles if self.proper else 2 * self.cycles
        beta, root, effects, sigma2 = two_level.sample_one_variance(
            self.sums, self.n, cycles, float(model.q), scale, 1.0, sigma_scale, not self.proper, rng
        )
        number, new = model.locate(X, rows)
        effects = _two_level.with_new(effects, root, new, rng)
        noise = model.unit * np.sqrt(sigma2) * rng.standard_normal(number.size)
        return model.expect(rows, number, beta, effects) + noise
