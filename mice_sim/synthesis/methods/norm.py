"""`norm`: Bayesian linear regression (Rubin 1987, p. 167)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.methods._linear import Basis, LinearFit, Notes, check_spline_df, regress
from mice_sim.synthesis.methods.base import Method, Predictors, Target


@dataclass(frozen=True)
class Norm(Method):
    """Options of `norm`.

    spline_df : continuous predictors enter as natural cubic splines with this many terms (≥ 2), as ns(x, df)
        in R; None for straight lines. proper : draw coefficients and variance from their posterior, as mice
        does; False draws from the fitted line, as norm.nob.
    """

    spline_df: int | None = None
    proper: bool = True

    kinds: ClassVar[tuple[Kind, ...]] = ("continuous",)

    def __post_init__(self) -> None:
        check_spline_df(self.spline_df)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedNorm:
        basis, linear, _ = regress(y, X, self.spline_df, spent=0 if self.proper else 1)
        return FittedNorm(basis, linear, self.proper, linear.notes)


@dataclass(frozen=True)
class FittedNorm:
    basis: Basis
    linear: LinearFit
    proper: bool
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        plane, sigma = self.linear.posterior(rng) if self.proper else (self.linear.plane, self.linear.sigma)
        return plane.at(self.basis.expand(X.matrix())) + sigma * rng.standard_normal(X.rows.size)
