"""`lasso.norm`: the lasso on a bootstrap of the rows, plus noise ("direct use of regularised regression").

Zhao & Long (2016), Statistical Methods in Medical Research 25:2021-2035; Deng et al. (2016), Scientific Reports
6:21689.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.methods import _categories
from mice_sim.synthesis.methods._lasso_linear import fit_lasso
from mice_sim.synthesis.methods._linear import Notes, Plane
from mice_sim.synthesis.methods.base import Method, Predictors, Target


@dataclass(frozen=True)
class LassoNorm(Method):
    """Options of `lasso.norm`. nfolds : parts of the cross-validation that chooses the penalty, ≥ 3.

    The variance of the noise is the mean squared residual in the bootstrap sample, as in mice; it is too small where
    predictors are many and rows few.
    """

    nfolds: int = 10

    kinds: ClassVar[tuple[Kind, ...]] = ("continuous",)
    deterministic: ClassVar[bool] = False
    proper = True

    def __post_init__(self) -> None:
        _categories.check_whole(3, nfolds=self.nfolds)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedLassoNorm:
        rows = rng.integers(y.rows.size, size=y.rows.size)
        matrix, values = X.matrix()[rows], y.observed[rows]
        plane, _, notes = fit_lasso(values, matrix, self.nfolds, rng)
        residuals = values - plane.at(matrix)
        largest = np.abs(residuals).max()
        sigma = largest * np.sqrt(np.mean((residuals / largest) ** 2)) if largest > 0 else 0.0
        return FittedLassoNorm(plane, float(sigma), notes)


@dataclass(frozen=True)
class FittedLassoNorm:
    plane: Plane
    sigma: float
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        return self.plane.at(X.matrix()) + self.sigma * rng.standard_normal(X.rows.size)
