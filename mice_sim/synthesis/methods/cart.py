"""`cart`: draw from the leaf of a tree that rpart would grow (Burgette & Reiter 2010; Doove et al. 2014)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from mice_sim.errors import MiceSimError
from mice_sim.synthesis.kernels import tree
from mice_sim.synthesis.methods.base import TRANSIENT, Method, Predictors, Target
from mice_sim.synthesis.state import WorkingState


def check_whole(name: str, value: object, most: float = math.inf) -> None:
    """Raise MiceSimError unless the option is a whole number from 1 to `most`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= most:
        limits = "of at least 1" if most == math.inf else f"between 1 and {most}"
        raise MiceSimError(f"{name} is {value!r}; give a whole number {limits}.")


def within_range(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return values times a power of two, such that their squares in `rows` neither overflow nor vanish.

    Such a factor is exact, so trees are the same; ordinary values come back as they are.
    """
    largest = float(np.abs(values[rows]).max())
    if largest == 0 or 1e-100 < largest < 1e100:
        return values
    return np.ldexp(values, -math.frexp(largest)[1])


@dataclass(frozen=True)
class Cart(Method):
    """Options of `cart`, with the defaults of mice.

    minbucket : least rows in a leaf, ≥ 1. cp : a split must improve the fit by this share of the
    root's risk; a negative one keeps every split. minsplit : least rows in a node that is split;
    three times minbucket if not given. maxdepth : 1 to 30, the root being 0.
    """

    minbucket: int = 5
    cp: float = 1e-4
    minsplit: int | None = None
    maxdepth: int = 30

    uses_terms: ClassVar[bool] = False
    remembers: ClassVar[bool] = True
    by_deviance: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_whole("minbucket", self.minbucket)
        if self.minsplit is not None:
            check_whole("minsplit", self.minsplit)
        check_whole("maxdepth", self.maxdepth, most=30)
        if isinstance(self.cp, bool) or not isinstance(self.cp, int | float) or not math.isfinite(self.cp):
            raise MiceSimError(f"cp is {self.cp!r}; give a finite number such as 1e-4.")

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator, previous: FittedCart | None = None) -> FittedCart:
        """Grow the tree of y on X; a factor by Gini with pruning on misclassification, else by variance.

        `previous` is a fit of the same y on predictors that differ in volatile columns only; it saves
        time and changes nothing.
        """
        # R sees a logical as a number, not as a factor.
        logical = y.column.levels == (False, True)
        n_classes = 0 if logical else y.column.n_levels
        state, design = X.state, X.state.design
        values = y.values if n_classes else within_range(y.values, y.rows)
        nodes = tree.grow(
            values, n_classes, y.rows, state.values, state.codes, state.orders(y.rows),
            design.source, design.is_factor, design.score, design.by_score, X.keep, X.volatile,
            self.minsplit or 3 * self.minbucket, self.minbucket, float(self.cp), self.maxdepth,
            self.by_deviance, tree.PACKED,
            *(previous.memory if previous and previous.memory else NO_MEMORY),
        )  # fmt: skip
        column, cut, lower_left, left, start, end, rows, number, child, search, varied = nodes
        memory = (column, cut, child, search, varied) if child.size else None
        column, cut, lower_left, left, start, end, number = tree.without_pruned(
            column, cut, lower_left, left, start, end, number
        )
        leaf = np.full(values.size, -1, np.int32)
        tree.assign_fitted(left, start, end, rows, leaf)
        return FittedCart(column, cut, lower_left, left, start, end, y.values[rows], number, state, leaf, memory)


# What a tree remembers for the next fit: column, cut, child, search, varies of every node.
NO_MEMORY = (
    np.zeros(0, np.int32), np.zeros(0), np.zeros(0, np.int32), np.zeros((0, 3)), np.zeros((0, 0), bool),
)  # fmt: skip


@dataclass(frozen=True)
class FittedCart:
    """A grown tree: arrays over nodes as `tree.without_pruned` returns them, and the values to draw, leaf by leaf.

    state, leaf : what it was fitted on, and the leaf of every fitted row. memory : for the next fit.
    """

    column: np.ndarray
    cut: np.ndarray
    lower_left: np.ndarray
    left: np.ndarray
    start: np.ndarray
    end: np.ndarray
    donors: np.ndarray
    number: np.ndarray
    state: WorkingState | None = field(default=None, repr=False, metadata=TRANSIENT)
    leaf: np.ndarray | None = field(default=None, repr=False, metadata=TRANSIENT)
    memory: tuple | None = field(default=None, repr=False, metadata=TRANSIENT)

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        """Return for each row the value of a donor drawn uniformly from its leaf."""
        return self.donors[tree.draw_donors(self.leaves(X), self.start, self.end, rng.random(X.rows.size))]

    def leaves(self, X: Predictors) -> np.ndarray:
        """Return the leaf (a node's number in the arrays) of each row."""
        known = np.full(X.rows.size, -1, np.int32)
        if self.leaf is not None and X.state is self.state:
            known = self.leaf[X.rows]
        state, design = X.state, X.state.design
        tree.assign(
            X.rows, state.values, state.codes, design.source, design.is_factor, design.score,
            self.column, self.cut, self.lower_left, self.left, known,
        )  # fmt: skip
        return known
