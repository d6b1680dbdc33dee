"""What all assessments look at: real data and the synthetic sets that stand for them, as tables of the same columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mice_sim.data import Column, Table
from mice_sim.errors import MiceSimError, nearest
from mice_sim.origin import Origin
from mice_sim.synthesis.result import Synthesis

# Synthetic sets, as people have them: a result of `synthesize`, a frame, or frames of any numbers of rows.
Synthetic: TypeAlias = Synthesis | pd.DataFrame | Sequence[pd.DataFrame]

MISSING = "missing"  # the label of the level that missing values make
GROUPS = 5  # into which numbers are cut, as in synthpop


@dataclass(frozen=True, eq=False)
class Assessed:
    """Real data and synthetic sets of the same columns.

    Attributes
    ----------
    columns : of all. original : float64 (columns, n). sets : one float64 (columns, k) a set.
    drawn : bool (columns,), False for columns that the sets took over from the original unchanged.
    origin : how the sets were made, or None for frames from elsewhere.
    computed : names of the columns that a result computed from others.
    """

    columns: tuple[Column, ...]
    original: np.ndarray
    sets: tuple[np.ndarray, ...]
    drawn: np.ndarray
    origin: Origin | None = None
    computed: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def n(self) -> int:
        return self.original.shape[1]

    @property
    def m(self) -> int:
        return len(self.sets)

    @property
    def linked(self) -> bool:
        """Whether row i of a set was drawn given row i of the original."""
        return self.origin is not None and self.origin.mode == "linked"

    def only(self, names: Sequence[str] | None) -> Assessed:
        """Return these columns alone, in this order; all for None. Raises MiceSimError for an unknown one."""
        if names is None:
            return self
        table = Table(self.columns, self.original)
        places = [table.index(name) for name in ([names] if isinstance(names, str) else names)]
        return Assessed(
            tuple(self.columns[j] for j in places),
            self.original[places],
            tuple(values[places] for values in self.sets),
            self.drawn[places],
            self.origin,
            self.computed,
        )


@dataclass(frozen=True, eq=False)
class Codes:
    """The values as numbers of levels, from 0, the same ones in the original and in all sets.

    original : int32 (columns, n). sets : one int32 (columns, k) a set. labels : of each column's levels; the last is
    `MISSING` where a value is missing anywhere.
    """

    names: tuple[str, ...]
    original: np.ndarray
    sets: tuple[np.ndarray, ...]
    labels: tuple[tuple[str, ...], ...]

    @property
    def sizes(self) -> np.ndarray:
        """Levels of each column, int64 (columns,)."""
        return np.array([len(labels) for labels in self.labels])


# ---- reading


def pair(
    synthetic: Synthetic | Assessed, original: pd.DataFrame | None = None, kept: Sequence[str] | None = None
) -> Assessed:
    """Return synthetic sets beside the data they stand for.

    Parameters
    ----------
    synthetic : a result of `synthesize`, a frame, or a list of frames of any numbers of rows; or what `pair` returned.
    original : the real data; for a result the default is what it was made from. Its columns and levels may stand in
        another order, and the sets may lack some of its levels.
    kept : names of columns that were not synthesised; by default those that a result says so of, and in frames
        those that are the same in all rows of all sets.

    Raises MiceSimError for frames without an original, and for other columns, kinds or levels.
    """
    if isinstance(synthetic, Assessed):
        return synthetic if kept is None else replace(synthetic, drawn=_all_but(kept, synthetic))
    origin = synthetic.origin if isinstance(synthetic, Synthesis) else None
    if isinstance(synthetic, Synthesis) and original is None:
        columns, values, sets = synthetic.original.columns, synthetic.original.values, tuple(synthetic.sets)
        drawn = _drawn_of_result(synthetic)
    else:
        frames = synthetic.completed() if isinstance(synthetic, Synthesis) else synthetic
        columns, values, sets = _read(original, [frames] if isinstance(frames, pd.DataFrame) else frames)
        drawn = differ(values, sets)
    data = Assessed(columns, values, sets, drawn, origin, _computed(synthetic))
    return data if kept is None else replace(data, drawn=_all_but(kept, data))


def _all_but(kept: Sequence[str], data: Assessed) -> np.ndarray:
    table = Table(data.columns, data.original)
    drawn = np.full(len(data.columns), True)
    drawn[[table.index(name) for name in kept]] = False
    return drawn


def _read(original: Any, frames: Any) -> tuple[tuple[Column, ...], np.ndarray, tuple[np.ndarray, ...]]:
    if original is None:
        raise MiceSimError("Synthetic frames are compared with the data they stand for; give it as original=.")
    if not isinstance(frames, list | tuple) or not frames:
        raise MiceSimError(
            f"The synthetic data are of type {type(frames).__name__}; give a result, a frame or a list of frames."
        )
    table = Table.from_pandas(original)
    sets = tuple(_like(table, Table.from_pandas(frame), number) for number, frame in enumerate(frames, start=1))
    return table.columns, table.values, sets


def _like(original: Table, synthetic: Table, number: int) -> np.ndarray:
    """Return a set's values with the original's columns and levels."""
    for name in synthetic.names:
        if name not in original.names:
            raise MiceSimError(
                f"Synthetic set {number} has the column '{name}', which the original lacks"
                f"{nearest(name, original.names)}"
            )
    for name in original.names:
        if name not in synthetic.names:
            raise MiceSimError(f"Synthetic set {number} lacks the column '{name}'; drop it from the original.")
    order = [synthetic.index(name) for name in original.names]
    values = synthetic.values if order == list(range(len(order))) else synthetic.values[order]
    for j, (column, at) in enumerate(zip(original.columns, order, strict=True)):
        other = synthetic.columns[at]
        if column.is_factor != other.is_factor:
            kinds = ["numbers" if one.levels is None else "a factor" for one in (column, other)]
            raise MiceSimError(
                f"Column '{column.name}' holds {kinds[0]} in the original and {kinds[1]} in synthetic set {number}; "
                "give both the same type."
            )
        if column.levels != other.levels:
            values[j] = _relevelled(column, other, values[j], number)
    return values


def _relevelled(column: Column, other: Column, values: np.ndarray, number: int) -> np.ndarray:
    known = {level: float(i) for i, level in enumerate(column.levels or ())}
    there = np.isfinite(values)
    for code in np.unique(values[there]).astype(int):
        level = (other.levels or ())[code]
        if level not in known:
            raise MiceSimError(
                f"Column '{column.name}' has the level '{level}' in synthetic set {number}, which the original lacks; "
                "give it there as a category, or recode it."
            )
    places = np.array([known.get(level, np.nan) for level in other.levels or ()])
    found = np.full(values.shape, np.nan)
    found[there] = places[values[there].astype(int)]
    return found


def _drawn_of_result(result: Synthesis) -> np.ndarray:
    if result.origin.mode == "sequential":
        drawn = {*result.spec.methods, *result.spec.derived}
        return np.array([j in drawn for j in range(len(result.original.columns))])
    return np.asarray(result.where.any(axis=1))


def _computed(synthetic: Synthetic) -> frozenset[str]:
    if not isinstance(synthetic, Synthesis):
        return frozenset()
    return frozenset(synthetic.original.columns[j].name for j in synthetic.spec.derived)


def differ(values: np.ndarray, sets: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return which columns are not the same in all rows of all sets, bool (columns,)."""
    if any(one.shape != values.shape for one in sets):
        return np.full(len(values), True)
    return np.array([any(not np.array_equal(v, one[j], equal_nan=True) for one in sets) for j, v in enumerate(values)])


# ---- levels


def encode(data: Assessed, groups: int | None = GROUPS) -> Codes:
    """Return every value as the number of a level; missing values are a level of their own.

    groups : numbers are cut into so many groups of about equal size, at the quantiles of the original and all sets
        together, as in synthpop's `utility.tab`; a column of fewer distinct values keeps these. None keeps all
        distinct values. Raises MiceSimError for fewer than two groups.
    """
    if groups is not None and (isinstance(groups, bool) or not isinstance(groups, int | np.integer) or groups < 2):
        raise MiceSimError(f"groups is {groups!r}; give a whole number of at least 2.")
    original = np.empty(data.original.shape, np.int32)
    sets = tuple(np.empty(values.shape, np.int32) for values in data.sets)
    labels = []
    for j, column in enumerate(data.columns):
        rows = [data.original[j], *(values[j] for values in data.sets)]
        cuts, names = _levels(column, rows, groups)
        missing = False
        for values, codes in zip(rows, [original[j], *(one[j] for one in sets)], strict=True):
            holes = np.isnan(values)
            missing = missing or bool(holes.any())
            codes[:] = values if cuts is None and not holes.any() else _place(values, cuts)
            codes[holes] = len(names)
        labels.append((*names, MISSING) if missing else names)
    return Codes(tuple(data.names), original, sets, tuple(labels))


def _place(values: np.ndarray, cuts: np.ndarray | None) -> np.ndarray:
    return np.nan_to_num(values) if cuts is None else np.searchsorted(cuts, values)


def _levels(column: Column, rows: list[np.ndarray], groups: int | None) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the upper ends of all groups but the last (None for a factor), and the labels of the groups."""
    if column.levels is not None:
        return None, tuple(map(str, column.levels))
    values = np.concatenate([one[~np.isnan(one)] for one in rows])
    distinct = np.unique(values)
    if values.size == 0:
        return np.zeros(0), ()
    if groups is None or distinct.size <= groups:
        return distinct[:-1], tuple(f"{value:g}" for value in distinct)
    cuts = np.unique(np.quantile(values, np.arange(1, groups) / groups, method="inverted_cdf"))
    cuts = cuts[cuts < distinct[-1]]  # no group is empty
    ends = [distinct[0], *cuts, distinct[-1]]
    return cuts, tuple(f"{'[' if i == 0 else '('}{a:.4g}, {b:.4g}]" for i, (a, b) in enumerate(pairwise(ends)))
