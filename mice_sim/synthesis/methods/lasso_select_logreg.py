"""`lasso.select.logreg`: `logreg` on what a lasso selects (IURR; Zhao & Long 2016, Deng et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.methods import _categories, _lasso
from mice_sim.synthesis.methods.base import Fitted, Method, Predictors, Target


@dataclass(frozen=True)
class LassoSelectLogreg(Method):
    """Options of `lasso.select.logreg`, with the defaults of mice.

    The predictors are those with a coefficient at the penalty with the least cross-validated deviance.

    nfolds : of the cross-validation, ≥ 3. Unlike glmnet's, they hold equal shares of both levels.
    """

    nfolds: int = 10

    kinds: ClassVar[tuple[Kind, ...]] = ("binary",)
    deterministic: ClassVar[bool] = False
    proper = True

    def __post_init__(self) -> None:
        _categories.check_whole(3, nfolds=self.nfolds)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> Fitted:
        classes = _categories.Classes.of(y)
        if classes.count == 1:
            return _categories.constant(classes, y)
        matrix = X.matrix()
        units = _categories.measure(X, matrix)
        notes = _categories.left_out(units, X)
        x = units.standardise(matrix)[:, 1:]
        coefficients, more = _lasso.choose(x, classes.y, self.nfolds, rng)
        units = units.only(coefficients[1:] != 0)
        rows = _categories.augmented(classes, matrix, units)
        return _categories.fit_multinomial(units, classes, rows, draws_theta=True, notes=notes + more)
