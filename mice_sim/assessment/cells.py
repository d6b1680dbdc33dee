"""Records as numbers of the cells of a cross-table: the same values, the same cell, in real and synthetic data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from mice_sim.assessment.data import Assessed, Synthetic, encode, pair
from mice_sim.errors import MiceSimError, nearest
from mice_sim.synthesis.spec import whole

# Groups that numbers are cut into: for all columns, or {column: groups}; None for every value by itself.
Groups = int | Mapping[str, int] | None
# The cells that τ speaks of by default: those of so many records.
SMALL = (1, 2, 3, 4)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cell of every record.

    codes : int64 (n + rows of all sets,), the original's records first, from 0. size : more than the largest code.
    n : rows of the original. rows : those of each set.
    """

    codes: np.ndarray
    size: int
    n: int
    rows: tuple[int, ...]

    @property
    def original(self) -> np.ndarray:
        return self.codes[: self.n]

    @property
    def sets(self) -> list[np.ndarray]:
        return np.split(self.codes[self.n :], np.cumsum(self.rows)[:-1])

    def with_(self, other: Cells) -> Cells:
        """Return the cells of both crossed, those without records left out."""
        crossed, found = pd.factorize(self.codes * other.size + other.codes)
        return Cells(crossed, len(found), self.n, self.rows)

    def counts(self) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return how many records each cell has, int64 (size,): of the original, and of each set."""
        count = partial(np.bincount, minlength=self.size)
        return count(self.original), [count(codes) for codes in self.sets]


def cells(data: Assessed, names: Sequence[str] | None = None, groups: Groups = None) -> Cells:
    """Return the cell of every record in the cross-table of these columns.

    By default of all that were not computed from others: a formula can't tell people apart whom its columns do not, and
    real values of it are often rounded, so that no record would be a copy. Missing values are a level.
    groups : as `Groups`; quantile groups of the real and synthetic values together.
    Raises MiceSimError for unknown columns and for no column at all.
    """
    chosen = data.only([n for n in data.names if n not in data.computed] if names is None else names)
    if not chosen.columns:
        raise MiceSimError("No columns are given to identify records by; name at least one.")
    parts = iter([column_cells(data, column.name, groups_of(groups, column.name)) for column in chosen.columns])
    found = next(parts)
    for part in parts:
        found = found.with_(part)
    return found


def column_cells(data: Assessed, name: str, groups: int | None = None) -> Cells:
    """Return the level of every record in one column; equal numbers are a level each unless `groups` are given."""
    one = data.only([name])
    rows = tuple(values.shape[1] for values in one.sets)
    if groups is not None or one.columns[0].is_factor:
        codes = encode(one, groups)
        flat = np.concatenate([codes.original[0], *(values[0] for values in codes.sets)]).astype(np.int64)
        return Cells(flat, int(codes.sizes[0]), one.n, rows)
    values = np.concatenate([one.original[0], *(values[0] for values in one.sets)])
    codes, found = pd.factorize(values, use_na_sentinel=False)
    return Cells(codes.astype(np.int64, copy=False), len(found), one.n, rows)


def groups_of(groups: Groups, name: str) -> int | None:
    """Return the groups of one column."""
    return groups.get(name) if isinstance(groups, Mapping) else groups


def check_groups(what: str, groups: Groups, names: Sequence[str]) -> None:
    """Raise MiceSimError where `groups` names a column that is not among `names`."""
    for name in groups if isinstance(groups, Mapping) else ():
        if name not in names:
            raise MiceSimError(f"{what} names '{name}', which is not among its columns{nearest(name, list(names))}")


def tau(
    synthetic: Synthetic, original: pd.DataFrame | None = None, columns: Sequence[str] | None = None,
    k: Sequence[int] = SMALL, d: float = 0.5, groups: Groups = None,
) -> pd.DataFrame:  # fmt: skip
    """Return the cell metrics of Jackson et al. (2022, JRSS A 185, 1613-1643) for cells of k records.

    Parameters
    ----------
    synthetic, original : as for `disclosure`. columns : of the cross-table, by default all factors. k : sizes of
    cells, ≥ 1. d : how far from k the mean count of m sets may be, ≥ 0. groups : what numbers are cut into.

    Raises MiceSimError for unknown columns, a d below 0, and data that can't be compared.

    Returns
    -------
    A frame by k, of shares between 0 and 1, NaN where no cell is such:

    tau1 : cells (of all possible ones, empty ones too) with k synthetic records. tau2 : the same of real records.
    tau3 : cells with k synthetic records among those with k real ones; at k = 1, uniques that survive.
    tau4 : cells with k real records among those with k synthetic ones; at k = 1, synthetic uniques that are real.
    tau3_mean, tau4_mean : τ3(k, d) and τ4(k, d), the same of the mean synthetic count over the sets, which is
        taken for k where it is within d of it (Jackson et al. 2022, Privacy in Statistical Databases, 205-219).

    tau1, tau3 and tau4 are over the cells of all sets.
    """
    data = pair(synthetic, original)
    if columns is None:
        columns = [column.name for column in data.columns if column.is_factor]
    check_groups("groups", groups, columns)
    for size in k:
        whole("k", size)
    if d < 0:
        raise MiceSimError(f"d is {d}; give a distance of at least 0.")
    found = cells(data, columns, groups)
    possible = float(np.prod([_possible(data, name, groups) for name in columns]))
    real, counts = found.counts()
    made, mean = np.array(counts), np.mean(counts, axis=0)
    rows = []
    for size in k:
        is_real, is_made, is_mean = real == size, made == size, np.abs(mean - size) <= d
        both, both_mean = (is_real & is_made).sum(), (is_real & is_mean).sum()
        rows.append(
            {
                "tau1": is_made.sum() / (possible * data.m),
                "tau2": is_real.sum() / possible,
                "tau3": _share(both, is_real.sum() * data.m),
                "tau4": _share(both, is_made.sum()),
                "tau3_mean": _share(both_mean, is_real.sum()),
                "tau4_mean": _share(both_mean, is_mean.sum()),
            }
        )
    return pd.DataFrame(rows, index=pd.Index(list(k), name="k"))


def _possible(data: Assessed, name: str, groups: Groups) -> int:
    return column_cells(data, name, groups_of(groups, name)).size


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else np.nan
