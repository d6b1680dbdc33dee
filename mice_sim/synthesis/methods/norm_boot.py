"""`norm.boot`: linear regression on a bootstrap of the rows (van Buuren 2018, §3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.methods._linear import bootstrap_counts, check_spline_df, regress
from mice_sim.synthesis.methods.base import Method, Predictors, Target
from mice_sim.synthesis.methods.norm import FittedNorm


@dataclass(frozen=True)
class NormBoot(Method):
    """Options of `norm.boot`. spline_df : as in `norm`, with knots from all fit rows."""

    spline_df: int | None = None

    kinds: ClassVar[tuple[Kind, ...]] = ("continuous",)
    deterministic: ClassVar[bool] = False
    proper = True

    def __post_init__(self) -> None:
        check_spline_df(self.spline_df)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedNorm:
        basis, linear, _ = regress(y, X, self.spline_df, bootstrap_counts(y.rows.size, rng), spent=1)
        return FittedNorm(basis, linear, False, linear.notes)
