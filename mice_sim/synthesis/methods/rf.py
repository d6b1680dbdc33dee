"""`rf`: draw from the leaves of a random forest (Doove, van Buuren & Dusseldorp 2014, CSDA 72, 92-104)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from mice_sim.synthesis.kernels import forest
from mice_sim.synthesis.kernels.tree import assign_fitted
from mice_sim.synthesis.methods._linear import Notes
from mice_sim.synthesis.methods.base import TRANSIENT, Method, Predictors, Target
from mice_sim.synthesis.methods.cart import check_flag, check_whole, merge_few, own_places, within_range


@dataclass(frozen=True)
class RandomForest(Method):
    """Options of `rf`, with the defaults of mice and ranger.

    ntree : trees, ≥ 1. mtry : design columns drawn at a node, ≥ 1; by default the root of their number, rounded down.
    min_node_size : a node of at most so many rows is not split, ≥ 1; by default 1 for a factor and 5 for numbers.
    mindonors, exclude_own : as in `cart`, in every tree; a record alone in its leaves of all trees takes any other's.

    Each tree is grown on a bootstrap sample. The donors of a row are all fit rows in its leaf, in the tree's sample or
    not, once for every tree in which they share it; one of them is drawn.
    """

    ntree: int = 10
    mtry: int | None = None
    min_node_size: int | None = None
    mindonors: int = 1
    exclude_own: bool = False

    deterministic: ClassVar[bool] = False
    uses_terms: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_whole("ntree", self.ntree)
        for name in ("mtry", "min_node_size"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name))
        check_whole("mindonors", self.mindonors)
        check_flag("exclude_own", self.exclude_own)

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
        # What is decided in several trees is told once.
        notes = tuple(dict.fromkeys(note for tree in trees for note in merge_few(self.mindonors, y, *tree[2:])))
        own = None
        if self.exclude_own:
            own, alone = OwnInTrees.of(y, trees)
            notes += alone
        sizes = [tree[0].size for tree in trees]
        parts = [list(part) for part in zip(*trees, strict=True)]
        del trees  # each part is freed once it is joined: trees of a million rows are larger than the data
        column, cut, left, start, end, rows = (np.concatenate(parts.pop(0)) for _ in range(len(parts)))
        root = np.cumsum([0, *sizes[:-1]], dtype=np.int32)
        left[left >= 0] += np.repeat(root, sizes)[left >= 0]
        return FittedForest(root, column, cut, left, start, end, y.values[rows].reshape(self.ntree, -1), notes, own)


@dataclass(frozen=True)
class OwnInTrees:
    """Where a record's own value stands among each tree's donors, `first` (ntree, records), and how often, `count`."""

    first: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, y: Target, trees: list[tuple]) -> tuple[OwnInTrees, Notes]:
        """Put each record's rows next to one another in the leaves of `trees`; return where, and what to tell."""
        first, lonely = [], np.ones(1, bool)
        for _, _, left, start, end, rows in trees:
            leaf = np.full(y.values.size, -1, np.int32)
            assign_fitted(left, start, end, rows, leaf)
            own, rows[:], alone = own_places(y, leaf, start, end, rows)
            first.append(own.first)
            lonely = lonely & alone
        count = int(np.sum(lonely))
        note = (f"drew for {count} records from all others", "exclude_own: they are alone in their leaves of all trees")
        return cls(np.array(first), own.count), (note,) if count else ()


NO_OWN = (np.zeros((0, 0), np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True)
class FittedForest:
    """Trees one after another, as `forest.grow_tree` returns them.

    root : (ntree,). The first node of each tree. left : counted from the first node of all. donors : (ntree, n_fit),
    the values to draw, tree by tree and leaf by leaf. notes : what was decided. own : where a record's own value
    stands, if it is not to be drawn.
    """

    root: np.ndarray
    column: np.ndarray
    cut: np.ndarray
    left: np.ndarray
    start: np.ndarray
    end: np.ndarray
    donors: np.ndarray
    notes: Notes = ()
    own: OwnInTrees | None = field(default=None, repr=False, metadata=TRANSIENT)

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        """Return for each row the value of a donor drawn from its leaves in all trees."""
        state, design = X.state, X.state.design
        first, count = (self.own.first, self.own.count) if self.own else NO_OWN
        places = forest.draw(
            X.rows, state.values, state.codes, design.source, design.is_factor, design.score,
            self.root, self.column, self.cut, self.left, self.start, self.end,
            self.donors.shape[1], first, count, rng.random(X.rows.size),
        )  # fmt: skip
        return self.donors.ravel()[places]
