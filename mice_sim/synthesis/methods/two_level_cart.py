"""`2l.cart`: draw from the leaf of a tree that sees what is particular to each cluster.

Trees with random effects (Hajjem, Bellavance & Larocque 2011; Sela & Simonoff 2012) add an effect of the cluster to
what a tree says. Here the tree that is drawn from sees the effect beside the predictors, so that factors are drawn too
and all draws are values of donors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Column
from mice_sim.synthesis.clusters import means_of_each, number_in
from mice_sim.synthesis.methods._numbers import numbers
from mice_sim.synthesis.methods.base import Predictors, Target
from mice_sim.synthesis.methods.cart import Cart, FittedCart, within_range


@dataclass(frozen=True)
class TwoLevelCart(Cart):
    """Options of `cart`; for columns of any kind.

    1. A tree of the rows tells what predictors at level 1 say. What the rows of a cluster have in common beyond it is
       the cluster's effect, drawn from its normal posterior; an unordered factor has one for each level but the first.
    2. A tree of the clusters, by the means of all predictors, finds for new clusters, and those without an observed
       value, others whose effects they may have.
    3. A tree of the rows by all predictors and the effects has the donors in its leaves.

    Predictors coded 3 or 4 in the predictor matrix have their means by cluster beside them in the last tree; 2 says no
    more than 1.
    """

    two_level: ClassVar[bool] = True
    deterministic: ClassVar[bool] = False
    remembers: ClassVar[bool] = False

    def fit(  # type: ignore[override]
        self, y: Target, X: Predictors, rng: np.random.Generator, bootstrap: bool = False
    ) -> FittedTwoLevelCart:
        """Grow the trees; `bootstrap` learns from a bootstrap sample of the clusters."""
        known, number, matrix, means = _with_means(X)
        chosen = rng.integers(known.size, size=known.size) if bootstrap else np.arange(known.size)
        rows, copy = rows_of(chosen, number)

        varies = (matrix != means[number]).any(axis=0)
        rough = replace(self, minbucket=max(self.minbucket, ROUGH_MINBUCKET), cp=max(self.cp, ROUGH_CP))
        leaf = rough._grow(y.column, y.observed, matrix[:, varies], rows, rng).leaves(_numbers(matrix[:, varies]))
        scores = _scores(y)
        unexplained = scores - _leaf_means(scores, leaf)
        size = np.bincount(number)
        effects = _in_steps(draw_effects(unexplained, number, *variances(unexplained[rows], copy), rng), size)

        of_clusters = self._grow(EFFECT, _main_component(effects), means, chosen, rng)
        order = np.argsort(of_clusters.start[of_clusters.leaves(_numbers(means[chosen]))], kind="stable")
        of_clusters = replace(of_clusters, donors=chosen[order].astype(float))
        shown = ~varies | X.coded(3, 4)
        seen = np.hstack([matrix[:, varies], _in_steps(means[:, shown], size)[number], effects[number]])
        of_rows = self._grow(y.column, y.observed, seen, rows, rng)
        return FittedTwoLevelCart(varies, shown, of_clusters, of_rows, known, effects)

    def _grow(
        self, column: Column, values: np.ndarray, matrix: np.ndarray, rows: np.ndarray, rng: np.random.Generator
    ) -> FittedCart:
        X = _numbers(matrix[rows])
        return super().fit(Target(column, values[rows], X.rows), X, rng)


# The first tree must not follow the noise, which would hide what the rows of a cluster have in common.
ROUGH_MINBUCKET, ROUGH_CP = 20, 0.01
EFFECT = Column("effect", "continuous", None, np.dtype(float))


@dataclass(frozen=True)
class FittedTwoLevelCart:
    """The trees; the clusters they learned from (G,), ascending, and their effects (G, q).

    varies, shown : bool (p,), the predictors at level 1, and those whose means the last tree sees. The donors in the
    tree of clusters are positions among `known`.
    """

    varies: np.ndarray
    shown: np.ndarray
    of_clusters: FittedCart
    of_rows: FittedCart
    known: np.ndarray
    effects: np.ndarray

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        clusters, number, matrix, means = _with_means(X)
        place = np.full(clusters.size, -1) if X.new_clusters else number_in(self.known, clusters)
        unknown = np.flatnonzero(place < 0)
        if unknown.size:
            place[unknown] = self.of_clusters.draw(_numbers(means[unknown]), rng)
        seen = np.hstack([matrix[:, self.varies], means[number][:, self.shown], self.effects[place][number]])
        return self.of_rows.draw(_numbers(seen), rng)


def _numbers(matrix: np.ndarray) -> Predictors:
    return numbers(matrix, [""] * matrix.shape[1])


def _with_means(X: Predictors) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the clusters (G,) of X.rows, ascending, each row's among them (n,), and the predictors (n, p).

    Last come the predictors' means (G, p), to which all rows of a cluster count, looked at or not.
    """
    everyone = X.at(np.arange(X.state.values.shape[1], dtype=np.uint32))
    matrix = everyone.matrix()
    all_clusters, all_numbers = np.unique(everyone.clusters(), return_inverse=True)
    clusters, number = np.unique(X.clusters(), return_inverse=True)
    means = means_of_each(matrix, all_numbers)[np.searchsorted(all_clusters, clusters)]
    return clusters, number, matrix[X.rows], means


LEAST_STEPS, ROWS_A_STEP = 20, 50


def _in_steps(columns: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return columns (G, p) of clusters of `size` (G,) rows in steps: the means of neighbours in some 50 rows.

    A tree could else single out a cluster, and would take what its rows share by chance for what such clusters are
    like. A column of few different values stays as it is.
    """
    steps = max(LEAST_STEPS, int(size.sum()) // ROWS_A_STEP)
    result = columns.copy()
    for column in result.T:
        distinct, number = np.unique(column, return_inverse=True)
        if distinct.size > steps:
            rows = np.bincount(number, size)
            step = ((np.cumsum(rows) - rows) * steps / rows.sum()).astype(int)
            step = np.unique(step, return_inverse=True)[1]
            column[:] = means_of_each(distinct[:, None], step)[step, 0][number]
    return result


def _main_component(effects: np.ndarray) -> np.ndarray:
    """Return the first principal component (G,) of effects (G, q)."""
    if effects.shape[1] == 1:
        return effects[:, 0]
    centred = effects - effects.mean(axis=0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2][0]


def rows_of(chosen: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the chosen clusters, and the position in `chosen` that each is there for.

    number : int (n,), 0 to G − 1, the cluster of each row. A cluster may be chosen several times.
    """
    order = np.argsort(number, kind="stable")
    size = np.bincount(number)
    start = np.cumsum(size) - size
    copy = np.repeat(np.arange(chosen.size), size[chosen])
    within = np.arange(copy.size) - np.repeat(np.cumsum(size[chosen]) - size[chosen], size[chosen])
    return order[start[chosen][copy] + within], copy


def _scores(y: Target) -> np.ndarray:
    """Return what is averaged over a cluster, (n_fit, q): numbers, level numbers, or whether it is each level."""
    column: Column = y.column
    if column.kind == "unordered":
        return (y.observed[:, None] == np.arange(1, max(column.n_levels, 2))).astype(float)
    return within_range(y.values, y.rows)[y.rows, None]


def _leaf_means(scores: np.ndarray, leaf: np.ndarray) -> np.ndarray:
    """Return the means (n, q) of scores over each row's leaf."""
    size = np.maximum(np.bincount(leaf), 1)
    return np.column_stack([np.bincount(leaf, column) / size for column in scores.T])[leaf]


def variances(residuals: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the variances (q,) between and within clusters of residuals (n, q), by analysis of variance.

    Searle, Casella & McCulloch (1992), Variance Components, §3.6; no variance is negative. Without a cluster of two
    rows nothing tells the two apart, and all of it is taken to be within.
    """
    size = np.bincount(number)
    n, groups = number.size, size.size
    sums = np.column_stack([np.bincount(number, column) for column in residuals.T])
    centre = residuals.mean(axis=0)
    among = (size[:, None] * (sums / size[:, None] - centre) ** 2).sum(axis=0)
    total = ((residuals - centre) ** 2).sum(axis=0)
    if n == groups or groups == 1:
        return np.zeros(residuals.shape[1]), total / max(n - 1, 1)
    within = np.maximum(total - among, 0) / (n - groups)
    between = (among - (groups - 1) * within) / (n - (size**2).sum() / n)
    return np.maximum(between, 0), within


def draw_effects(
    residuals: np.ndarray, number: np.ndarray, between: np.ndarray, within: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw the effects (G, q) of clusters from their normal posterior given residuals (n, q) and the variances (q,).

    Its mean is the mean residual, shrunk by n τ² / (n τ² + σ²), and its variance τ² σ² / (n τ² + σ²) (Searle, Casella &
    McCulloch 1992, §7.4). A drawn effect is related to the rows' values as a true one is; an estimated one, of which
    the values themselves are a part, would be more closely.
    """
    size = np.bincount(number)[:, None]
    sums = np.column_stack([np.bincount(number, column) for column in residuals.T])
    total = size * between + within
    total[total == 0] = 1  # no variance at all, and no effects
    return between * sums / total + np.sqrt(between * within / total) * rng.standard_normal(sums.shape)
