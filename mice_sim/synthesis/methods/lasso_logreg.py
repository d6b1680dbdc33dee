"""`lasso.logreg`: logistic lasso on a bootstrap of the rows (DURR; Zhao & Long 2016, Deng et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.augment import Units
from mice_sim.synthesis.methods import _categories, _lasso
from mice_sim.synthesis.methods.base import Fitted, Method, Predictors, Target


@dataclass(frozen=True)
class LassoLogreg(Method):
    """Options of `lasso.logreg`, with the defaults of mice.

    The coefficients at the penalty with the least cross-validated deviance in a bootstrap sample of the fit rows
    count as a draw from their posterior.

    nfolds : of the cross-validation, ≥ 3. Unlike glmnet's, they hold equal shares of both levels.
    """

    nfolds: int = 10

    kinds: ClassVar[tuple[Kind, ...]] = ("binary",)
    deterministic: ClassVar[bool] = False
    proper = True

    def __post_init__(self) -> None:
        _categories.check_whole(3, nfolds=self.nfolds)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> Fitted:
        sample = rng.integers(y.rows.size, size=y.rows.size)
        classes = _categories.Classes.of(Target(y.column, y.values, y.rows[sample]))
        if classes.count == 1:
            return _categories.constant(classes, y)
        x = X.matrix()[sample]
        units = Units.of(x)
        coefficients, notes = _lasso.choose(units.standardise(x)[:, 1:], classes.y, self.nfolds, rng)
        notes = _categories.left_out(units, X) + notes
        return _categories.FittedMultinomial(units, classes.levels, coefficients[None], notes=notes)
