"""Columns of clusters: one row for each cluster, and what is drawn there holds for all rows of the cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from mice_sim.data import Column
from mice_sim.errors import MiceSimError
from mice_sim.synthesis.clusters import means_of_each, number_in, value_of_each
from mice_sim.synthesis.methods._linear import Notes
from mice_sim.synthesis.methods._numbers import numbers
from mice_sim.synthesis.methods.base import TRANSIENT, Fitted, Method, Predictors, Target


class Level2(Method):
    """A method for rows, made one for clusters: each is a row, its predictors are means (van Buuren 2018, §7.6).

    Write `class TwoLevelOnlyX(Level2, X)`. A cluster that keeps its value in some rows is given it in all.
    """

    two_level: ClassVar[bool] = True
    level: ClassVar[int] = 2
    remembers: ClassVar[bool] = False

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator, bootstrap: bool = False) -> FittedLevel2:
        """Fit y on X by cluster; `bootstrap` learns from a bootstrap sample of the clusters.

        Raises MiceSimError for a cluster of which y has two values.
        """
        known, values = shared_values(y.column, y.observed, *_clusters(X))
        matrix, rows = _means(X), np.arange(known.size, dtype=np.uint32)
        if bootstrap:
            chosen = np.sort(rng.integers(known.size, size=known.size))
            values, matrix = values[chosen], matrix[chosen]
        fitted = super().fit(Target(y.column, values, rows), numbers(matrix, X.names), rng)  # type: ignore[safe-super]
        notes = (*getattr(fitted, "notes", ()), *_known_cells(y, X, known))
        return FittedLevel2(fitted, y.column, notes, y.values)


@dataclass(frozen=True)
class FittedLevel2:
    """A fit to clusters. values : (n,) of the data, which stay where nothing is drawn."""

    of_clusters: Fitted
    column: Column
    notes: Notes = ()
    values: np.ndarray | None = field(default=None, repr=False, metadata=TRANSIENT)

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        clusters, number = np.unique(X.clusters(), return_inverse=True)
        drawn = self.of_clusters.draw(numbers(_means(X), X.names), rng)
        if self.values is not None:
            stays = ~np.isnan(self.values)
            stays[X.rows] = False
            rows = np.flatnonzero(stays)
            known, values = shared_values(self.column, self.values[rows], *_clusters(X.at(rows)))
            place = number_in(known, clusters)
            drawn[place >= 0] = values[place[place >= 0]]
        return drawn[number]


def _clusters(X: Predictors) -> tuple[Column, np.ndarray]:
    return X.state.columns[X.cluster], X.clusters()  # type: ignore[index]


def shared_values(
    column: Column, values: np.ndarray, cluster: Column, clusters: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the clusters, ascending, and the value of `column` that all rows of each share.

    values : (n,), without missing ones. clusters : (n,), the cluster of each row, by its number in the column
    `cluster`. Raises MiceSimError for a cluster that has two values.
    """
    known, number = np.unique(clusters, return_inverse=True)
    shared, off = value_of_each(values, number)
    if off is not None:
        where, one, other = _word(cluster, known[off[0]]), _word(column, off[1]), _word(column, off[2])
        raise MiceSimError(
            f"Column '{column.name}' is both {one} and {other} in {cluster.name} {where}, so it can't be drawn for "
            "whole clusters; give it a method for rows such as '2l.pmm' or '2l.cart'."
        )
    return known, shared


def _word(column: Column, value: float) -> str:
    return f"{value:g}" if column.levels is None else str(column.levels[int(value)])


def _means(X: Predictors) -> np.ndarray:
    """Return the means (clusters, p) of the predictors in the clusters of X.rows, ascending."""
    return means_of_each(X.matrix(), np.unique(X.clusters(), return_inverse=True)[1])


def _known_cells(y: Target, X: Predictors, known: np.ndarray) -> Notes:
    """Tell of missing cells in clusters that have a value."""
    holes = np.flatnonzero(np.isnan(y.values))
    cells = int((number_in(known, X.at(holes).clusters()) >= 0).sum())
    if not cells:
        return ()
    return ((f"took {cells} missing cells for known", "other rows of their clusters have the value"),)
