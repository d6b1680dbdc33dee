"""`rf`: draw from the leaves of a random forest (Doove, van Buuren & Dusseldorp 2014, CSDA 72, 92-104)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.synthesis.kernels import forest
from mice_sim.synthesis.methods.base import Method, Predictors, Target
from mice_sim.synthesis.methods.cart import check_whole, within_range


@dataclass(frozen=True)
class RandomForest(Method):
    """Options of `rf`, with the defaults of mice and ranger.

    ntree : trees, ≥ 1. mtry : design columns drawn at a node, ≥ 1; by default the root of their number, rounded down.
    min_node_size : a node of at most so many rows is not split, ≥ 1; by default 1 for a factor and 5 for numbers.

    Each tree is grown on a bootstrap sample. The donors of a row are all fit rows in its leaf, in the tree's sample or
    not, once for every tree in which they share it; one of them is drawn.
    """

    ntree: int = 10
    mtry: int | None = None
    min_node_size: int | None = None

    deterministic: ClassVar[bool] = False
    uses_terms: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_whole("ntree", self.ntree)
        for name in ("mtry", "min_node_size"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name))

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedForest:
        """Grow the forest of y on X, a factor by Gini, else by variance."""
        state, design = X.state, X.state.design
        kept = np.flatnonzero(X.keep)
        n_classes = y.column.n_levels
        values = y.values if n_classes else within_range(y.values, y.rows)
        trees = [
            forest.grow_tree(
                values, n_classes, y.rows, state.values, state.codes, state.orders(y.rows),
                design.source, design.is_factor, design.score, design.by_score,
                kept, min(self.mtry or math.isqrt(kept.size), kept.size),
                self.min_node_size or (1 if n_classes else 5), forest.PACKED, rng,
            )
            for _ in range(self.ntree)
        ]  # fmt: skip
        sizes = [tree[0].size for tree in trees]
        parts = [list(part) for part in zip(*trees, strict=True)]
        del trees  # each part is freed once it is joined: trees of a million rows are larger than the data
        column, cut, left, start, end, rows = (np.concatenate(parts.pop(0)) for _ in range(len(parts)))
        root = np.cumsum([0, *sizes[:-1]], dtype=np.int32)
        left[left >= 0] += np.repeat(root, sizes)[left >= 0]
        return FittedForest(root, column, cut, left, start, end, y.values[rows].reshape(self.ntree, -1))


@dataclass(frozen=True)
class FittedForest:
    """Trees one after another, as `forest.grow_tree` returns them.

    root : (ntree,). The first node of each tree. left : counted from the first node of all. donors : (ntree, n_fit),
    the values to draw, tree by tree and leaf by leaf.
    """

    root: np.ndarray
    column: np.ndarray
    cut: np.ndarray
    left: np.ndarray
    start: np.ndarray
    end: np.ndarray
    donors: np.ndarray

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        """Return for each row the value of a donor drawn from its leaves in all trees."""
        state, design = X.state, X.state.design
        places = forest.draw(
            X.rows, state.values, state.codes, design.source, design.is_factor, design.score,
            self.root, self.column, self.cut, self.left, self.start, self.end,
            self.donors.shape[1], rng.random(X.rows.size),
        )  # fmt: skip
        return self.donors.ravel()[places]
