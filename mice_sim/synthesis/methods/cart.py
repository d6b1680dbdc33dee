"""`cart`: draw from the leaf of a tree that rpart would grow (Burgette & Reiter 2010; Doove et al. 2014)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from mice_sim.errors import MiceSimError
from mice_sim.synthesis.kernels import tree
from mice_sim.synthesis.methods._linear import Notes
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


def check_flag(name: str, value: object) -> None:
    """Raise MiceSimError unless the option is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise MiceSimError(f"{name} is {value!r}; give True or False.")


def merge_few(least: int, y: Target, left: np.ndarray, start: np.ndarray, end: np.ndarray, rows: np.ndarray) -> Notes:
    """Make a leaf, in `left`, of every node above a leaf with fewer than `least` distinct donors; tell of it."""
    if least == 1:
        return ()
    donors = whose(y, rows).astype(float) if y.column.is_factor else y.values[rows]
    few, at_root = tree.merge_few(left, start, end, donors, least)
    why = f"there are fewer than {least} distinct donors"
    if at_root < least:
        return ((f"draws from {at_root} distinct donors, all there are", why),)
    return (("merged leaves with others", f"{why} in some"),) if few else ()


def whose(y: Target, rows: np.ndarray) -> np.ndarray:
    """Return the record that each row is."""
    return rows if y.records is None else y.records[rows]


@dataclass(frozen=True)
class Own:
    """Where a record's own value stands among the donors, at `first`, as often as `count` says; both (records,)."""

    first: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, records: np.ndarray) -> Own:
        """Return it for donors of these records, each record's own next to one another."""
        first, count = np.zeros(records.max() + 1, np.int64), np.zeros(records.max() + 1, np.int64)
        first[records[::-1]] = np.arange(records.size)[::-1]
        np.add.at(count, records, 1)
        return cls(first, count)


def own_places(
    y: Target, leaf: np.ndarray, start: np.ndarray, end: np.ndarray, rows: np.ndarray
) -> tuple[Own, np.ndarray, np.ndarray]:
    """Return where each record's own value stands, the rows in the order meant, and which records are alone.

    leaf : of every fitted row. The last is bool (records,), True for those whose leaf has no other record. Raises
    MiceSimError if there is one record only.
    """
    records = whose(y, rows).astype(np.int64)
    if (records == records[0]).all():
        raise MiceSimError(f"'{y.column.name}' has a single record to learn from; leave out exclude_own.")
    order = np.lexsort((records, start[leaf[rows]]))
    rows, records = rows[order], records[order]
    own = Own.of(records)
    alone = np.zeros(own.count.size, bool)
    alone[records[own.count[records] == (end - start)[leaf[rows]]]] = True
    return own, rows, alone


@dataclass(frozen=True)
class Cart(Method):
    """Options of `cart`, with the defaults of mice.

    minbucket : least rows in a leaf, ≥ 1. cp : a split must improve the fit by this share of the
    root's risk; a negative one keeps every split. minsplit : least rows in a node that is split;
    three times minbucket if not given. maxdepth : 1 to 30, the root being 0.
    mindonors : least distinct donors in a leaf, ≥ 1: different values of a number, different records of a factor; a
    leaf with fewer is merged with what stands beside it. exclude_own : never draw a record's own value for it (linked
    mode); a record alone in its leaf takes one from the next larger node.
    """

    minbucket: int = 5
    cp: float = 1e-4
    minsplit: int | None = None
    maxdepth: int = 30
    mindonors: int = 1
    exclude_own: bool = False

    uses_terms: ClassVar[bool] = False
    remembers: ClassVar[bool] = True
    by_deviance: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_whole("minbucket", self.minbucket)
        if self.minsplit is not None:
            check_whole("minsplit", self.minsplit)
        check_whole("maxdepth", self.maxdepth, most=30)
        check_whole("mindonors", self.mindonors)
        check_flag("exclude_own", self.exclude_own)
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
        notes = merge_few(self.mindonors, y, left, start, end, rows)
        column, cut, lower_left, left, start, end, number = tree.without_pruned(
            column, cut, lower_left, left, start, end, number
        )
        leaf = np.full(values.size, -1, np.int32)
        tree.assign_fitted(left, start, end, rows, leaf)
        own = None
        if self.exclude_own:
            own, rows, alone = own_places(y, leaf, start, end, rows)
            why = "exclude_own: they are alone in it"
            notes += ((f"drew for {alone.sum()} records from the node above their leaf", why),) if alone.any() else ()
        return FittedCart(
            column, cut, lower_left, left, start, end, y.values[rows], number, notes, state, leaf, memory, own
        )


# What a tree remembers for the next fit: column, cut, child, search, varies of every node.
NO_MEMORY = (
    np.zeros(0, np.int32), np.zeros(0), np.zeros(0, np.int32), np.zeros((0, 3)), np.zeros((0, 0), bool),
)  # fmt: skip


@dataclass(frozen=True)
class FittedCart:
    """A grown tree: arrays over nodes as `tree.without_pruned` returns them, and the values to draw, leaf by leaf.

    notes : what was decided. state, leaf : what it was fitted on, and the leaf of every fitted row. memory : for the
    next fit. own : where a record's own value stands, if it is not to be drawn.
    """

    column: np.ndarray
    cut: np.ndarray
    lower_left: np.ndarray
    left: np.ndarray
    start: np.ndarray
    end: np.ndarray
    donors: np.ndarray
    number: np.ndarray
    notes: Notes = ()
    state: WorkingState | None = field(default=None, repr=False, metadata=TRANSIENT)
    leaf: np.ndarray | None = field(default=None, repr=False, metadata=TRANSIENT)
    memory: tuple | None = field(default=None, repr=False, metadata=TRANSIENT)
    own: Own | None = field(default=None, repr=False, metadata=TRANSIENT)

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        """Return for each row the value of a donor drawn uniformly from its leaf."""
        leaves, uniforms = self.leaves(X), rng.random(X.rows.size)
        if self.own is None:
            return self.donors[tree.draw_donors(leaves, self.start, self.end, uniforms)]
        first, count = self.own.first, self.own.count
        return self.donors[tree.draw_others(leaves, X.rows, self.left, self.start, self.end, first, count, uniforms)]

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
