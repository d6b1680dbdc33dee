"""`2l.norm`: a linear model with random effects and a variance in each cluster (Kasim & Raudenbush 1998)."""

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
class TwoLevelNorm(Method):
    """Options of `2l.norm`, with the defaults of mice.

    y = xβ + z b_g + e, b_g ~ N(0, Ψ), e ~ N(0, σ²_g) in cluster g; the variances σ²_g have a distribution of their
    own (van Buuren 2011, in Handbook of Advanced Multilevel Analysis, ch. 10). The effects of predictors with code 2
    or 4 vary between clusters. Those with code 1 or 3 have the same effect everywhere; mice ignores them. The spread of
    the σ²_g stays where they have a scale (at least one degree of freedom). In mice it does not: where clusters are few
    and differ much, one of its sets in a hundred has values far beyond all others.

    cycles : of the Gibbs sampler, ≥ 1. proper : False draws from the averages of the parameters over as many cycles.
    """

    cycles: int = 100
    proper: bool = True

    kinds: ClassVar[tuple[Kind, ...]] = ("continuous",)
    two_level: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _two_level.check_cycles(self.cycles)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedTwoLevelNorm:
        rows = _two_level.Rows.of(X)
        model, residuals = _two_level.ClusteredModel.of(y, rows)
        return FittedTwoLevelNorm(model, model.sums(rows, residuals), self.cycles, self.proper, model.notes)


@dataclass(frozen=True)
class FittedTwoLevelNorm:
    """sums (G, p + 1, p + 1) : of products, by cluster."""

    model: _two_level.ClusteredModel
    sums: np.ndarray
    cycles: int
    proper: bool
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        model, rows = self.model, _two_level.Rows.of(X)
        if model.unit == 0:
            return model.plane.at(rows.matrix)
        cycles = self.cycles if self.proper else 2 * self.cycles
        beta, root, effects, sigma2, level, spread = two_level.sample_variances(
            self.sums, model.q, cycles, not self.proper, rng
        )
        number, new = model.locate(X, rows)
        effects = _two_level.with_new(effects, root, new, rng)
        sigma2 = np.append(sigma2, two_level.draw_variances(new, level, spread, rng))
        noise = model.unit * np.sqrt(sigma2[number]) * rng.standard_normal(number.size)
        return model.expect(rows, number, beta, effects) + noise
