"""`mnar.logreg`: logistic regression with a shift that the user gives (NARFCS; Tompsett et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit

from mice_sim.data.table import Kind
from mice_sim.errors import MiceSimError
from mice_sim.synthesis.methods import _categories
from mice_sim.synthesis.methods._unidentified import Shift
from mice_sim.synthesis.methods.base import Fitted, Method, Predictors, Target
from mice_sim.synthesis.methods.logreg import Logreg


@dataclass(frozen=True)
class MnarLogreg(Method):
    """`logreg`, with the log-odds of the second level shifted in every drawn row.

    ums : the shift, a sum of numbers and numbers times predictors such as "-3+2*bmi"; predictors are named as R
    names design columns (`regsouth`), in backticks if need be. A column's own is given in its method. Variables
    that mice takes from `umx` have to be among the predictors.
    proper : as in `logreg`.
    """

    ums: str | None = None
    proper: bool = True

    kinds: ClassVar[tuple[Kind, ...]] = ("binary",)

    def __post_init__(self) -> None:
        if self.ums is not None:
            Shift.parse(self.ums)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> Fitted:
        """Fit y on X as `logreg` does. Raises MiceSimError without ums, or if it names what does not predict y."""
        if self.ums is None:
            raise MiceSimError(f"mnar.logreg of '{y.column.name}' needs the option ums, such as \"-3+2*bmi\".")
        shift = Shift.parse(self.ums)
        positions = shift.positions(y, X)
        identified = Logreg(self.proper).fit(y, X, rng)
        if isinstance(identified, _categories.OnlyCategory):
            return identified
        assert isinstance(identified, _categories.FittedMultinomial)
        return FittedMnarLogreg(identified, shift.constant, positions, np.array(shift.deltas), identified.notes)


@dataclass(frozen=True)
class FittedMnarLogreg:
    """log-odds = those of `identified` + constant + x[:, positions] deltas."""

    identified: _categories.FittedMultinomial
    constant: float
    positions: np.ndarray
    deltas: np.ndarray
    notes: _categories.Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        x, model = X.matrix(), self.identified
        log_odds = model.units.standardise(x) @ model.draw_theta(rng)[0]
        shifted = log_odds + self.constant + x[:, self.positions] @ self.deltas
        return model.levels[(rng.random(X.rows.size) <= expit(shifted)).astype(np.int64)]
