"""What the methods for factors share: the categories that occur, augmented rows, and the multinomial fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from mice_sim.errors import MiceSimError
from mice_sim.kernels import likelihood
from mice_sim.synthesis.augment import Units, pseudo_rows, varies
from mice_sim.synthesis.kernels import categories
from mice_sim.synthesis.methods.base import Fitted, Predictors, Target

Notes = tuple[tuple[str, str], ...]

MOST_CATEGORIES = 50
# The precision of the normal prior of a coefficient per standard deviation of its predictor, where there is no
# finite maximum: a standard deviation of 10, far beyond any effect that data can tell.
PRIOR_PRECISION = 0.01


@dataclass(frozen=True)
class Classes:
    """The categories that occur in the fit rows: their level numbers (K,), and the rows' class numbers (n,)."""

    levels: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, y: Target) -> Classes:
        codes = y.observed.astype(np.int64)
        levels = np.flatnonzero(np.bincount(codes, minlength=y.column.n_levels))
        number = np.zeros(y.column.n_levels)
        number[levels] = np.arange(levels.size)
        return cls(levels.astype(float), number[codes])

    @property
    def count(self) -> int:
        return self.levels.size


@dataclass(frozen=True)
class Rows:
    """What a model is fitted on: x (n, 1 + q) with ones in front, class numbers y (n,) and weights (n,)."""

    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class OnlyCategory:
    """Draws the only category there is."""

    level: float
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        return np.full(X.rows.size, self.level)


@dataclass(frozen=True)
class FittedMultinomial:
    """log P(category k) / P(category 0) = [1, x] theta[k − 1], with x in `units`.

    levels : float64 (K,), the categories' level numbers. theta : (K−1, 1 + q). factor : the lower Cholesky factor
    of the information about theta, row after row, if theta is to be drawn anew; else None.
    """

    units: Units
    levels: np.ndarray
    theta: np.ndarray
    factor: np.ndarray | None = None
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        """Return a category for each row, by inverting its distribution function at a uniform number."""
        x, theta = self.units.standardise(X.matrix()), self.draw_theta(rng)
        return self.levels[categories.draw_multinomial(x, theta, rng.random(X.rows.size))]

    def draw_theta(self, rng: np.random.Generator) -> np.ndarray:
        """Return theta, or a draw from its normal approximation if there is a factor."""
        if self.factor is None:
            return self.theta
        normal = rng.standard_normal(self.theta.size)
        step = solve_triangular(self.factor, normal, trans="T", lower=True, check_finite=False)
        return self.theta + step.reshape(self.theta.shape)


def check_whole(least: int, **options: int) -> None:
    """Raise MiceSimError for an option that is not a whole number of at least `least`."""
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise MiceSimError(f"{name} is {value!r}; give a whole number of at least {least}.")


def constant(classes: Classes, y: Target) -> Fitted:
    """Return what draws the only category that occurs in the fit rows."""
    level = (y.column.levels or ())[int(classes.levels[0])]
    return OnlyCategory(classes.levels[0], ((f"drew '{level}' only", "no other category is observed"),))


def check_count(classes: Classes, y: Target, method: str) -> None:
    """Raise MiceSimError if there are more categories than the augmented models are meant for, as in mice."""
    if classes.count > MOST_CATEGORIES:
        raise MiceSimError(
            f"'{y.column.name}' has {classes.count} categories and {method} takes at most {MOST_CATEGORIES}; "
            f"merge some, or give it the method cart."
        )


def measure(X: Predictors, matrix: np.ndarray) -> Units:
    """Return the units of the predictors: as in mice, from all rows of the data, not the fit rows (`matrix`) alone.

    Predictors that are constant in the fit rows are left out: pseudo-rows alone would decide on their effect.
    """
    if X.rows.size == X.state.values.shape[1]:
        return Units.of(matrix)
    units = Units.of(_everywhere(X))
    return units.only(varies(matrix)[units.columns])


def augmented(classes: Classes, matrix: np.ndarray, units: Units) -> Rows:
    """Return the fit rows, whose predictors are in `matrix`, with the pseudo-rows below them.

    Unlike in mice, there are pseudo-rows too where a single cell is wanted.
    """
    more_x, more_y, weight = pseudo_rows(units, classes.count)
    return Rows(
        np.concatenate([units.standardise(matrix), more_x]),
        np.concatenate([classes.y, more_y]),
        np.concatenate([np.ones(classes.y.size), np.full(more_y.size, weight)]),
    )


def _everywhere(X: Predictors) -> np.ndarray:
    """Return the predictors in all rows where none of them is missing."""
    state = X.state
    formula = X.formula
    used = state.design.source[X.keep] if formula is None else formula.right
    complete = ~np.isnan(state.values[used]).any(axis=0)
    return X.at(np.flatnonzero(complete).astype(np.uint32)).matrix()


def left_out(units: Units, X: Predictors) -> Notes:
    """Return the note that says which predictors the units leave out, if any."""
    names = X.names
    if units.columns.size == len(names):
        return ()
    gone = sorted(set(range(len(names))) - set(units.columns.tolist()))
    return ((f"left out {', '.join(names[c] for c in gone)}", "constant predictors"),)


def fit_multinomial(
    units: Units,
    classes: Classes,
    rows: Rows,
    draws_theta: bool,
    maxit: int = 100,
    notes: Notes = (),
    start: Fitted | None = None,
) -> FittedMultinomial:
    """Maximise the likelihood of `rows`; where it has no maximum, that times a weak normal prior.

    draws_theta : whether theta is drawn anew in every draw. maxit : most steps of Newton's method. start : an earlier
    fit, near which the maximum is looked for first.
    """
    zero = np.zeros((classes.count - 1, rows.x.shape[1]))
    near = start.theta if isinstance(start, FittedMultinomial) and start.theta.shape == zero.shape else zero

    def maximise(penalty: np.ndarray, begin: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
        return likelihood.multinomial(rows.x, rows.y, classes.count, rows.weights, penalty, maxit, begin)

    penalty = np.zeros(zero.shape[1])
    ending, theta, factor = maximise(penalty, near)
    if ending != likelihood.CONVERGED and near is not zero:
        # The likelihood is flat far from its maximum, so a poor start may lead nowhere.
        ending, theta, factor = maximise(penalty, zero)
    if ending == likelihood.UNIDENTIFIED:
        penalty[1:] = PRIOR_PRECISION
        ending, theta, factor = maximise(penalty, zero)
        notes += (("added a ridge", "predictors separate the categories or depend on each other"),)
    if ending == likelihood.STOPPED:
        notes += (("stopped before convergence", f"{maxit} steps of the multinomial fit were taken"),)
    return FittedMultinomial(units, classes.levels, theta, factor if draws_theta else None, notes)
