"""`cart`: draw from the leaf of a tree that rpart would grow (Burgette & Reiter 2010; Doove et al. 2014)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.errors import MiceSimError
from mice_sim.synthesis.kernels import tree
from mice_sim.synthesis.methods.base import Predictors, Target


@dataclass(frozen=True)
class Cart:
    """Options of `cart`, with the defaults of mice.

    minbucket : least rows in a leaf, ≥ 1. cp : a split must improve the fit by this share of the
    root's risk; a negative one keeps every split. minsplit : least rows in a node that is split;
    three times minbucket if not given. maxdepth : 1 to 30, the root being 0.
    """

    minbucket: int = 5
    cp: float = 1e-4
    minsplit: int | None = None
    maxdepth: int = 30

    deterministic: ClassVar[bool] = True
    uses_predictors: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, least, most in (("minbucket", 1, math.inf), ("minsplit", 1, math.inf), ("maxdepth", 1, 30)):
            value = getattr(self, name)
            if value is None and name == "minsplit":
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
                limits = f"of at least {least}" if most == math.inf else f"between {least} and {most}"
                raise MiceSimError(f"{name} is {value!r}; give a whole number {limits}.")
        if isinstance(self.cp, bool) or not isinstance(self.cp, int | float) or not math.isfinite(self.cp):
            raise MiceSimError(f"cp is {self.cp!r}; give a finite number such as 1e-4.")

    def fit(
        self, y: Target, X: Predictors, rng: np.random.Generator | None = None, previous: FittedCart | None = None
    ) -> FittedCart:
        """Grow the tree of y on X; a factor by Gini with pruning on misclassification, else by variance.

        `previous` is a fit of the same y on predictors that differ in volatile columns only; it saves
        time and changes nothing.
        """
        # R sees a logical as a number, not as a factor.
        logical = y.column.levels == (False, True)
        n_classes = 0 if logical else y.column.n_levels
        state, design = X.state, X.state.design
        nodes = tree.grow(
            y.values, n_classes, y.rows, state.values, state.codes, state.orders(y.rows),
            design.source, design.is_factor, design.score, design.by_score, X.keep, X.volatile,
            self.minsplit or 3 * self.minbucket, self.minbucket, float(self.cp), self.maxdepth,
            *(previous.memory if previous else NO_MEMORY),
        )  # fmt: skip
        column, cut, lower_left, left, child, start, end, rows, number, search, varies = nodes
        leaf = np.full(y.values.size, -1, np.int32)
        tree.assign_fitted(left, start, end, rows, leaf)
        memory = (column, cut, child, search, varies)
        return FittedCart(y, X, column, cut, lower_left, left, start, end, rows, number, leaf, memory)


# What a tree remembers for the next fit: column, cut, child, search, varies of every node.
NO_MEMORY = (
    np.zeros(0, np.int32), np.zeros(0), np.zeros(0, np.int32), np.zeros((0, 3)), np.zeros((0, 0), bool),
)  # fmt: skip


@dataclass(frozen=True)
class FittedCart:
    """A grown tree: arrays over nodes as `tree.grow` returns them, and the leaf of every fitted row."""

    y: Target
    X: Predictors
    column: np.ndarray
    cut: np.ndarray
    lower_left: np.ndarray
    left: np.ndarray
    start: np.ndarray
    end: np.ndarray
    rows: np.ndarray
    number: np.ndarray
    leaf: np.ndarray
    memory: tuple

    def draw(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return for each row the value of a donor drawn uniformly from its leaf."""
        leaf = self.leaf
        if self.rows.size < leaf.size:  # some rows were not fitted
            others = rows[leaf[rows] < 0]
            state, design = self.X.state, self.X.state.design
            leaf = leaf.copy()
            tree.assign(
                others, state.values, state.codes, design.source, design.is_factor, design.score,
                self.column, self.cut, self.lower_left, self.left, leaf,
            )  # fmt: skip
        donors = tree.draw_donors(rows, leaf, self.start, self.end, self.rows, rng.random(rows.size))
        return self.y.values[donors]
