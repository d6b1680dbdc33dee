"""What the methods for rows in clusters share: predictors with fixed and random effects, and their clusters' sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mice_sim.errors import MiceSimError
from mice_sim.synthesis import clusters
from mice_sim.synthesis.kernels import two_level
from mice_sim.synthesis.methods._linear import Notes, Plane, fit_linear
from mice_sim.synthesis.methods.base import Predictors, Target

FIXED_AND_RANDOM, WITH_MEANS = (2, 4), (3, 4)
# Least squares residuals of this share of the largest value are those of rounding.
EXACT = 1e-12
# Prior standard deviations in units of the data's are at most this, where the data don't count any more.
LARGEST = 1e12


@dataclass(frozen=True)
class Rows:
    """Rows in clusters: matrix (n, p) without intercept, varies (p,) which columns' slopes do, cluster (n,)."""

    matrix: np.ndarray
    names: tuple[str, ...]
    varies: np.ndarray
    cluster: np.ndarray

    @classmethod
    def of(cls, X: Predictors) -> Rows:
        """Return what X shows; cluster means are of all rows of the state, and their slopes don't vary."""
        matrix, names, varies, averaged = X.matrix(), X.names, X.coded(*FIXED_AND_RANDOM), X.coded(*WITH_MEANS)
        if averaged.any():
            whole = X.at(np.arange(X.state.values.shape[1], dtype=np.uint32))
            means = clusters.means(whole.matrix()[:, averaged], whole.clusters(), X.rows)
            matrix = np.hstack([matrix, means])
            names += tuple(f"the cluster mean of {name}" for name, a in zip(names, averaged, strict=True) if a)
            varies = np.append(varies, np.zeros(means.shape[1], bool))
        return cls(matrix, names, varies, X.clusters())


@dataclass(frozen=True)
class ClusteredModel:
    """y = plane + unit · (x β + z b_g + e), with x = [1, predictors in standard units] and z its first q columns.

    plane : the least squares fit, from which residuals are taken. unit : their root mean square; 0 if nothing is left.
    columns, centre, inverse (p − 1,) : the matrix's columns in x, those that vary first, and their units.
    known (G,) : the clusters of the fit.
    """

    plane: Plane
    unit: float
    columns: np.ndarray
    centre: np.ndarray
    inverse: np.ndarray
    q: int
    known: np.ndarray
    notes: Notes = ()

    @classmethod
    def of(cls, y: Target, rows: Rows, most: int | None = None) -> tuple[ClusteredModel, np.ndarray]:
        """Return the model of y and the residuals (n,) in its unit.

        most : effects that may vary, the intercept's included; (G − 2)/2 for G clusters if not given. Raises
        MiceSimError if there is one cluster only.
        """
        known = np.unique(rows.cluster)
        if known.size == 1:
            raise MiceSimError(
                f"'{y.column.name}' has values in one cluster only, but the variance between clusters needs two or "
                "more; give it a method for one level."
            )
        linear, fitted = fit_linear(y.observed, rows.matrix, rows.names)
        kept = linear.plane.inverse != 0
        varies = np.flatnonzero(kept & rows.varies)
        slopes = max(((known.size - 2) // 2 if most is None else most) - 1, 0)
        notes = linear.notes
        if varies.size > slopes:
            alike = ", ".join(rows.names[j] for j in varies[slopes:])
            notes += ((f"let all clusters have the same slopes of {alike}", f"there are only {known.size} clusters"),)
        varies = varies[:slopes]
        columns = np.append(varies, np.setdiff1d(np.flatnonzero(kept), varies))
        unit = linear.length / np.sqrt(y.rows.size)
        if not unit > EXACT * np.abs(y.observed).max():
            unit = 0.0
        inverse = linear.plane.inverse[columns] * np.sqrt(y.rows.size)
        model = cls(linear.plane, unit, columns, linear.plane.centre[columns], inverse, 1 + varies.size, known, notes)
        return model, (y.observed - fitted) / (unit or 1.0)

    def standardise(self, rows: Rows) -> np.ndarray:
        """Return x (n, p)."""
        x = (rows.matrix[:, self.columns] - self.centre) * self.inverse
        return np.hstack([np.ones((len(x), 1)), x])

    def sums(self, rows: Rows, residuals: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Return the sums of products of the fit rows by cluster, as kernels/two_level.py has them."""
        weights = np.ones(residuals.size) if weights is None else weights
        number = clusters.number_in(self.known, rows.cluster)
        return two_level.products(self.standardise(rows), residuals, weights, number, self.known.size)

    def prior_scales(self) -> tuple[np.ndarray, float]:
        """Return I (q, q) for the covariance of effects and 1 for σ², of the data's units, in the model's."""
        change = np.zeros((self.q, self.q))
        with np.errstate(over="ignore"):
            change[0] = np.append(1.0, self.centre[: self.q - 1]) / self.unit
            change[range(1, self.q), range(1, self.q)] = 1 / self.inverse[: self.q - 1] / self.unit
            change = np.clip(change, -LARGEST, LARGEST)
            return change @ change.T, min(1 / self.unit, LARGEST) ** 2

    def locate(self, X: Predictors, rows: Rows) -> tuple[np.ndarray, int]:
        """Return each row's cluster (n,), counted through those of the fit and then new ones, and how many are new."""
        number = clusters.number_in(self.known, rows.cluster)
        is_new = np.full(number.size, True) if X.new_clusters else number < 0
        new, at = np.unique(rows.cluster[is_new], return_inverse=True)
        number[is_new] = self.known.size + at
        return number, new.size

    def linear(self, rows: Rows, number: np.ndarray, beta: np.ndarray, effects: np.ndarray) -> np.ndarray:
        """Return x β + z b (n,) given the effects of the clusters, which have these numbers."""
        x = self.standardise(rows)
        return x @ beta + np.einsum("ij,ij->i", x[:, : self.q], effects[number])

    def expect(self, rows: Rows, number: np.ndarray, beta: np.ndarray, effects: np.ndarray) -> np.ndarray:
        """Return the expectation (n,) of y; arguments as in `linear`."""
        return self.plane.at(rows.matrix) + self.unit * self.linear(rows, number, beta, effects)


def with_new(effects: np.ndarray, root: np.ndarray, new: int, rng: np.random.Generator) -> np.ndarray:
    """Return the effects (G, q) of known clusters and those of `new` others, drawn from N(0, root root')."""
    return np.vstack([effects, rng.standard_normal((new, root.shape[0])) @ root.T])


def check_cycles(cycles: object) -> None:
    """Raise MiceSimError unless `cycles` is a whole number of at least 1."""
    if isinstance(cycles, bool) or not isinstance(cycles, int | np.integer) or cycles < 1:
        raise MiceSimError(f"cycles is {cycles!r}; give a whole number of at least 1.")
