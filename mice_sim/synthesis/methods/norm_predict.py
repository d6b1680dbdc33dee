"""`norm.predict`: the fitted line itself. For comparison only: it understates every variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.methods._linear import Basis, Notes, Plane, check_spline_df, regress
from mice_sim.synthesis.methods.base import Method, Predictors, Target


@dataclass(frozen=True)
class NormPredict(Method):
    """Options of `norm.predict`. spline_df : as in `norm`."""

    spline_df: int | None = None

    kinds: ClassVar[tuple[Kind, ...]] = ("continuous",)

    def __post_init__(self) -> None:
        check_spline_df(self.spline_df)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedNormPredict:
        # No variance is estimated, so none is short of degrees of freedom.
        basis, linear, _ = regress(y, X, self.spline_df, spent=-y.rows.size)
        return FittedNormPredict(basis, linear.plane, linear.notes)


@dataclass(frozen=True)
class FittedNormPredict:
    basis: Basis
    plane: Plane
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        return self.plane.at(self.basis.expand(X.matrix()))
