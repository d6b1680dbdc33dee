"""`2l.pmm`: predictive mean matching on a linear model with random effects.

Little (1988), J. Bus. Econ. Stat. 6, 287-296; Vink, Lazendic & van Buuren (2015), Netherlands J. Psychol. 70, 12-28.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.errors import MiceSimError
from mice_sim.synthesis.kernels import matching
from mice_sim.synthesis.methods import _two_level
from mice_sim.synthesis.methods._linear import Notes
from mice_sim.synthesis.methods._mixed import Mixed, fit_mixed
from mice_sim.synthesis.methods.base import Method, Predictors, Target


@dataclass(frozen=True)
class TwoLevelPmm(Method):
    """Options of `2l.pmm`, as miceadds has it.

    The model is that of `2l.lmer`. A donor's score is xβ̂ + z b̂_g with the estimated effects of its cluster, a
    recipient's xβ + z b_g with drawn ones; donors come from any cluster. Unlike there, Ψ is drawn about its estimate,
    so that new clusters differ as much as those of the data.

    donors : how many nearest donors one is drawn from, ≥ 1. proper : False takes the estimates for recipients too.

    A factor is matched on its level numbers.
    """

    donors: int = 5
    proper: bool = True

    two_level: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if isinstance(self.donors, bool) or not isinstance(self.donors, int | np.integer) or self.donors < 1:
            raise MiceSimError(f"donors is {self.donors!r}; give a whole number of at least 1.")

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedTwoLevelPmm:
        rows = _two_level.Rows.of(X)
        model, residuals = _two_level.ClusteredModel.of(y, rows)
        model, mixed = fit_mixed(model, rows, residuals)
        number, _ = model.locate(X, rows)
        scores = model.expect(rows, number, mixed.beta, mixed.effects)
        order = np.argsort(scores, kind="stable")
        notes = model.notes
        if y.rows.size < self.donors:
            notes += ((f"matched with {y.rows.size} donors", f"there are fewer than {self.donors}"),)
        k = min(self.donors, y.rows.size)
        return FittedTwoLevelPmm(model, mixed, y.observed[order], scores[order], k, self.proper, notes)


@dataclass(frozen=True)
class FittedTwoLevelPmm:
    """Donors (n,) by ascending score (n,)."""

    model: _two_level.ClusteredModel
    mixed: Mixed
    donors: np.ndarray
    scores: np.ndarray
    k: int
    proper: bool
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        model, mixed, rows = self.model, self.mixed, _two_level.Rows.of(X)
        found = mixed.posterior(len(mixed.effects) * mixed.psi, rng) if self.proper else mixed.plug_in()
        number, new = model.locate(X, rows)
        effects = _two_level.with_new(found.effects, found.root, new, rng)
        targets = model.expect(rows, number, found.beta, effects)
        nearest = matching.nearest(self.scores, targets, rng.integers(1, self.k + 1, size=targets.size))
        return self.donors[matching.among_equals(self.scores, nearest, rng.random(targets.size))]
