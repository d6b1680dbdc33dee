"""`polr`: proportional odds logistic regression (McCullagh 1980)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.kernels import likelihood
from mice_sim.synthesis.augment import Units
from mice_sim.synthesis.kernels import categories
from mice_sim.synthesis.methods import _categories
from mice_sim.synthesis.methods.base import Fitted, Method, Predictors, Target
from mice_sim.synthesis.methods.polyreg import Polyreg

FROM_SCRATCH = np.zeros(0)


@dataclass(frozen=True)
class Polr(Method):
    """Options of `polr`, with the defaults of mice.

    The data are augmented against perfect prediction (White, Daniel & Royston 2010) and
    logit P(Y ≤ j) = ζ_j − xβ is fitted by maximum likelihood. With fewer than three observed categories, or if
    there is no finite maximum, the multinomial model of `polyreg` takes over, and a note says so.

    The categories are in the order of the factor. mice 3.15 puts them into alphabetical order while it augments
    (corrected in 3.18, issue 713), so other draws than ours come from levels such as low < mid < high.

    proper : draw the parameters from the normal approximation of their posterior, of the cut-points through the
    logarithms of their distances, so that they keep their order; mice does not.
    nnet_maxit, nnet_MaxNWts : options of `polyreg`, should it take over.
    """

    proper: bool = False
    nnet_maxit: int = 100
    nnet_MaxNWts: int = 1500

    kinds: ClassVar[tuple[Kind, ...]] = ("ordered",)

    def __post_init__(self) -> None:
        _categories.check_whole(1, nnet_maxit=self.nnet_maxit, nnet_MaxNWts=self.nnet_MaxNWts)

    starts: ClassVar[bool] = True

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator, start: Fitted | None = None) -> Fitted:
        """Fit y on X and the pseudo-rows. Raises MiceSimError for over 50 categories."""
        classes = _categories.Classes.of(y)
        if classes.count == 1:
            return _categories.constant(classes, y)
        _categories.check_count(classes, y, "polr")
        if classes.count == 2:
            return self._fall_back(classes, y, X, "fewer than three categories are observed")
        matrix = X.matrix()
        units = _categories.measure(X, matrix)
        rows, notes = _categories.augmented(classes, matrix, units), _categories.left_out(units, X)
        x = np.ascontiguousarray(rows.x[:, 1:])
        near = np.concatenate([start.slopes, start.cuts]) if isinstance(start, FittedPolr) else FROM_SCRATCH
        ok, theta, covariance = likelihood.weighted_ordinal(x, rows.y, classes.count, rows.weights, near)
        if not ok and near is not FROM_SCRATCH:  # a poor start may lead nowhere
            ok, theta, covariance = likelihood.weighted_ordinal(x, rows.y, classes.count, rows.weights, FROM_SCRATCH)
        if not ok:
            return self._fall_back(classes, y, X, "proportional odds have no finite maximum of the likelihood")
        slopes, cuts = np.split(theta, [x.shape[1]])
        root = _root(cuts, covariance) if self.proper else None
        return FittedPolr(units, classes.levels, slopes, cuts, root, notes)

    def _fall_back(self, classes: _categories.Classes, y: Target, X: Predictors, why: str) -> Fitted:
        instead = Polyreg(self.proper, self.nnet_maxit, self.nnet_MaxNWts)
        return instead.fit_classes(classes, y, X, (("fell back to a multinomial model", why),))


@dataclass(frozen=True)
class FittedPolr:
    """logit P(category ≤ j) = cuts[j] − x slopes, with x in `units`.

    levels : float64 (K,), the categories' level numbers. slopes : (q,). cuts : (K−1,), ascending. root : a root of
    the covariance of slopes, first cut and logarithms of the cuts' distances, if they are to be drawn anew.
    """

    units: Units
    levels: np.ndarray
    slopes: np.ndarray
    cuts: np.ndarray
    root: np.ndarray | None = None
    notes: _categories.Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        """Return a category for each row, by inverting its distribution function at a uniform number."""
        slopes, cuts = self.draw_parameters(rng)
        x = self.units.standardise(X.matrix())[:, 1:]
        return self.levels[categories.draw_ordinal(x, slopes, cuts, rng.random(X.rows.size))]

    def draw_parameters(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return slopes and cuts, or a draw from their normal approximation if there is a root."""
        if self.root is None:
            return self.slopes, self.cuts
        step = self.root @ rng.standard_normal(len(self.root))
        q = self.slopes.size
        distances = np.diff(self.cuts) * np.exp(step[q + 1 :])
        return self.slopes + step[:q], np.cumsum(np.append(self.cuts[0] + step[q], distances))


def _root(cuts: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return a root of the covariance of slopes, first cut and log distances, by the delta method.

    covariance : of slopes and cuts.
    """
    jacobian = np.eye(len(covariance))
    first = len(covariance) - cuts.size
    for k, distance in enumerate(np.diff(cuts), start=first + 1):
        jacobian[k, k - 1 : k + 1] = -1 / distance, 1 / distance
    return jacobian @ np.linalg.cholesky(covariance)
