"""`lasso.select.norm`: Bayesian linear regression on what the lasso selects ("indirect use of regularised regression").

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
from mice_sim.synthesis.methods._linear import LinearFit, Notes, fit_linear
from mice_sim.synthesis.methods.base import Method, Predictors, Target


@dataclass(frozen=True)
class LassoSelectNorm(Method):
    """Options of `lasso.select.norm`.

    nfolds : parts of the cross-validation that chooses the penalty, ≥ 3. proper : as in `norm`.
    """

    nfolds: int = 10
    proper: bool = True

    kinds: ClassVar[tuple[Kind, ...]] = ("continuous",)
    deterministic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _categories.check_whole(3, nfolds=self.nfolds)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedLassoSelectNorm:
        matrix, values = X.matrix(), y.observed
        _, active, notes = fit_lasso(values, matrix, self.nfolds, rng)
        names = tuple(name for name, used in zip(X.names, active, strict=True) if used)
        linear, _ = fit_linear(values, matrix[:, active], names, spent=0 if self.proper else 1)
        return FittedLassoSelectNorm(active, linear, self.proper, notes + linear.notes)


@dataclass(frozen=True)
class FittedLassoSelectNorm:
    """active : bool (p,), the predictors that are used."""

    active: np.ndarray
    linear: LinearFit
    proper: bool
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        plane, sigma = self.linear.posterior(rng) if self.proper else (self.linear.plane, self.linear.sigma)
        return plane.at(X.matrix()[:, self.active]) + sigma * rng.standard_normal(X.rows.size)
