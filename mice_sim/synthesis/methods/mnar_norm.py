"""`mnar.norm`: Bayesian linear regression, shifted to where the missing values are thought to be.

Delta adjustment (van Buuren, Boshuizen & Knook 1999) in chained equations, NARFCS: Tompsett et al. (2018),
Statistics in Medicine 37:2338-2353.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.errors import MiceSimError
from mice_sim.synthesis.methods._linear import Notes, check_spline_df, regress
from mice_sim.synthesis.methods._unidentified import Shift
from mice_sim.synthesis.methods.base import Method, Predictors, Target
from mice_sim.synthesis.methods.norm import FittedNorm


@dataclass(frozen=True)
class MnarNorm(Method):
    """Options of `mnar.norm`.

    ums : what is added to every draw, a sum of numbers and numbers times predictors such as "-3+2*bmi"; predictors
        are named as R names design columns (`regsouth`), in backticks if need be. A column's own is given in its
        method. Variables that mice takes from `umx` have to be among the predictors. spline_df, proper : as in `norm`.
    """

    ums: str | None = None
    spline_df: int | None = None
    proper: bool = True

    kinds: ClassVar[tuple[Kind, ...]] = ("continuous",)

    def __post_init__(self) -> None:
        check_spline_df(self.spline_df)
        if self.ums is not None:
            Shift.parse(self.ums)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedMnarNorm:
        """Fit y on X as `norm` does. Raises MiceSimError without ums, or if it names what does not predict y."""
        if self.ums is None:
            raise MiceSimError(f"mnar.norm of '{y.column.name}' needs the option ums, such as \"-3+2*bmi\".")
        shift = Shift.parse(self.ums)
        positions = shift.positions(y, X)
        basis, linear, _ = regress(y, X, self.spline_df, spent=0 if self.proper else 1)
        identified = FittedNorm(basis, linear, self.proper)
        return FittedMnarNorm(identified, shift.constant, positions, np.array(shift.deltas), linear.notes)


@dataclass(frozen=True)
class FittedMnarNorm:
    """The draws of `identified` + constant + x[:, positions] deltas."""

    identified: FittedNorm
    constant: float
    positions: np.ndarray
    deltas: np.ndarray
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        return self.identified.draw(X, rng) + self.constant + X.matrix()[:, self.positions] @ self.deltas
