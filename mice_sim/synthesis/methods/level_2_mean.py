"""`2lonly.mean`: what the rest of the cluster says. For columns that are the same in all rows of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data import Column
from mice_sim.synthesis.clusters import means_of_each, number_in
from mice_sim.synthesis.methods.base import Method, Predictors, Target
from mice_sim.synthesis.methods.mean import Mean


@dataclass(frozen=True)
class TwoLevelOnlyMean(Method):
    """Fill with the mean of the cluster's observed values, whatever the predictors say.

    Of an ordered factor it is the median level (the lower of two), of another the most frequent (the first of
    several). A cluster with nothing observed, or a new one, has what the whole column has. For comparison only where a
    column varies within clusters: it shrinks variances.
    """

    two_level: ClassVar[bool] = True
    uses_predictors: ClassVar[bool] = False

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator, bootstrap: bool = False) -> FittedMeans:
        known, number = np.unique(X.clusters(), return_inverse=True)
        if y.column.is_factor:
            counts = np.zeros((known.size, y.column.n_levels))
            np.add.at(counts, (number, y.observed.astype(int)), 1)
            *each, overall = _typical(y.column, np.vstack([counts, counts.sum(axis=0)]))
            return FittedMeans(known, np.array(each), overall)
        return FittedMeans(known, means_of_each(y.observed[:, None], number)[:, 0], Mean().fit(y, X, rng).mean)


def _typical(column: Column, counts: np.ndarray) -> np.ndarray:
    """Return the typical level number (clusters,) by the counts of each level (clusters, levels)."""
    if column.kind != "ordered":
        return counts.argmax(axis=1).astype(float)
    return (counts.cumsum(axis=1) >= counts.sum(axis=1, keepdims=True) / 2).argmax(axis=1).astype(float)


@dataclass(frozen=True)
class FittedMeans:
    """The clusters (ascending), the mean of each, and that of the whole column."""

    known: np.ndarray
    means: np.ndarray
    overall: float

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        if X.new_clusters:
            return np.full(X.rows.size, self.overall)
        place = number_in(self.known, X.clusters())
        return np.where(place >= 0, self.means[place], self.overall)
