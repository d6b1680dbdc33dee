"""Linear regression of a transformed column: what `lognorm`, `sqrtnorm`, `cubertnorm` and `normrank` share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.methods._linear import check_spline_df, regress
from mice_sim.synthesis.methods.base import Method, Predictors, Target
from mice_sim.synthesis.methods.norm import FittedNorm


@dataclass(frozen=True)
class Transformed(Method):
    """Options of a regression on a transformed scale.

    spline_df : as in `norm`. proper : draw coefficients and variance from their posterior; False draws from the
    fitted line.
    """

    spline_df: int | None = None
    proper: bool = True

    kinds: ClassVar[tuple[Kind, ...]] = ("continuous",)

    def __post_init__(self) -> None:
        check_spline_df(self.spline_df)

    def regress(self, y: Target, transformed: np.ndarray, X: Predictors) -> FittedNorm:
        """Fit `transformed`, the fit rows' values (n_fit,) on the scale of the regression."""
        values = np.zeros_like(y.values)
        values[y.rows] = transformed
        spent = 0 if self.proper else 1
        basis, linear, _ = regress(replace(y, values=values), X, self.spline_df, spent=spent)
        return FittedNorm(basis, linear, self.proper, linear.notes)
