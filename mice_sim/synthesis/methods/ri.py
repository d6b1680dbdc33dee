"""`ri`: the random indicator method for values that are missing not at random.

Jolani (2012), Dual imputation strategies for analyzing incomplete data, Utrecht University; Jolani & van Buuren
(2024), arXiv:2404.14534.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.methods import _categories
from mice_sim.synthesis.methods._linear import fit_linear
from mice_sim.synthesis.methods._logistic import fit_logistic
from mice_sim.synthesis.methods.base import Method, Predictors, Target


@dataclass(frozen=True)
class RandomIndicator(Method):
    """Options of `ri`. ri_maxit : rounds between the model of the response and that of the column, ≥ 1.

    A second response indicator is drawn from a logistic model of the response given the predictors and the column
    itself. If the observed values are normal, each indicator that says "missing" shifts their mean by the same
    amount, which is estimated among the observed records; missing ones bear one or two such shifts.
    """

    ri_maxit: int = 10

    kinds: ClassVar[tuple[Kind, ...]] = ("continuous",)
    proper = True

    def __post_init__(self) -> None:
        _categories.check_whole(1, ri_maxit=self.ri_maxit)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedRandomIndicator:
        return FittedRandomIndicator(y.observed, X.matrix(), self.ri_maxit)


@dataclass(frozen=True)
class FittedRandomIndicator:
    """values (n,) and matrix (n, p) of the observed records: the response is modelled when the missing are known."""

    values: np.ndarray
    matrix: np.ndarray
    rounds: int

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        wanted, n = X.matrix(), self.values.size
        both = np.vstack([self.matrix, wanted])
        responded = np.append(np.ones(n), np.zeros(len(wanted)))
        drawn = self.values[rng.integers(n, size=len(wanted))]
        names = (*X.names, "indicator")
        for _ in range(self.rounds):
            seen = np.column_stack([both, np.append(self.values, drawn)])
            response = fit_logistic(seen, responded)
            again = response.probability(seen, response.posterior(rng)) <= rng.random(responded.size)
            linear, _ = fit_linear(self.values, np.column_stack([self.matrix, again[:n]]), names)
            plane, sigma = linear.posterior(rng)
            shifts = again[n:] + 1.0
            drawn = plane.at(np.column_stack([wanted, shifts])) + sigma * rng.standard_normal(len(wanted))
        return drawn
