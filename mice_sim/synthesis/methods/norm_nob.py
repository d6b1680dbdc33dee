"""`norm.nob`: the fitted line plus noise, ignoring that its parameters are estimates (van Buuren 2018, §3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.methods._linear import check_spline_df, regress
from mice_sim.synthesis.methods.base import Method, Predictors, Target
from mice_sim.synthesis.methods.norm import FittedNorm


@dataclass(frozen=True)
class NormNob(Method):
    """Options of `norm.nob`. spline_df : as in `norm`."""

    spline_df: int | None = None

    kinds: ClassVar[tuple[Kind, ...]] = ("continuous",)

    def __post_init__(self) -> None:
        check_spline_df(self.spline_df)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedNorm:
        basis, linear, _ = regress(y, X, self.spline_df, spent=1)
        return FittedNorm(basis, linear, False, linear.notes)
