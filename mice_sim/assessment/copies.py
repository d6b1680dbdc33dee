"""Copies: values and records of real people that stand in synthetic data as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mice_sim.assessment.cells import Cells, Groups, cells, check_groups, column_cells
from mice_sim.assessment.data import Assessed, Synthetic, pair

ALL_COLUMNS = "(all columns)"


def copies(synthetic: Synthetic, original: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return which values and records of the data stand in the synthetic sets as they are.

    synthetic, original : as for `disclosure`. Raises MiceSimError for data that can't be compared.

    Returns
    -------
    A frame with a row for each column and one for whole records, "(all columns)", columns that a result computed from
    others left out; means over the sets:

    own : share of records i whose synthetic record i has the same value, 0 to 1; NaN where sets have other numbers of
        rows than the data. A missing value is a value.
    chance : the same to be expected if the records of the set were in a random order.
    r : Pearson's correlation of synthetic with real values, record by record; of numbers.
    real : share of synthetic values that occur in the column; single : that exactly one person has.
    """
    data = pair(synthetic, original)
    rows = {column.name: _copied(column_cells(data, column.name), data) for column in data.columns}
    for j, column in enumerate(data.columns):
        rows[column.name]["r"] = np.nan if column.is_factor else row_correlation(data, j)
    rows[ALL_COLUMNS] = {**_copied(cells(data), data), "r": np.nan}
    return pd.DataFrame(rows).T[["own", "chance", "r", "real", "single"]].rename_axis("column")


def _copied(codes: Cells, data: Assessed) -> dict[str, float]:
    real, counts = codes.counts()
    alike = all(rows == codes.n for rows in codes.rows)
    own = [np.mean(made == codes.original) for made in codes.sets] if alike else np.nan
    return {
        "own": float(np.mean(own)),
        "chance": float(np.mean([real @ count for count in counts]) / codes.n**2) if alike else np.nan,
        "real": float(np.mean([np.mean(real[made] > 0) for made in codes.sets])),
        "single": float(np.mean([np.mean(real[made] == 1) for made in codes.sets])),
    }


def row_correlation(data: Assessed, j: int) -> float:
    """Return the mean correlation of column number j with itself in the sets, record by record; NaN if undefined."""
    found = [_correlation(data.original[j], values[j]) for values in data.sets if values.shape[1] == data.n]
    return float(np.mean(found)) if len(found) == data.m else np.nan


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    both = ~(np.isnan(a) | np.isnan(b))
    if both.sum() < 2 or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
        return np.nan
    return float(np.corrcoef(a[both], b[both])[0, 1])


@dataclass(frozen=True, eq=False)
class ReplicatedUniques:
    """Records that are unique in the data and in a synthetic set.

    Attributes
    ----------
    table : a frame by set (1..m): `original` and `synthetic`, how many records are unique; `replicated`, in both;
        `percent`, those in percent of the set's records.
    records : a bool frame (real records, sets), True where the record is a replicated unique.
    replicates : a bool array (rows,) for each set: the synthetic records that replicate them.
    """

    table: pd.DataFrame
    records: pd.DataFrame
    replicates: tuple[np.ndarray, ...]

    def __repr__(self) -> str:
        return repr(self.table)


def replicated_uniques(
    synthetic: Synthetic, original: pd.DataFrame | None = None, keys: Sequence[str] | None = None, groups: Groups = None
) -> ReplicatedUniques:
    """Return the records that one real person has alone and that a set has once, as synthpop's `replicated.uniques`.

    synthetic, original : as for `disclosure`. keys : columns that identify a record; by default all that were not
    computed from others. groups : what numbers are cut into, for all or {column: groups}; by default every value counts
    by itself.
    Raises MiceSimError for unknown columns and data that can't be compared.
    """
    data = pair(synthetic, original)
    check_groups("groups", groups, data.only(keys).names)
    found = cells(data, keys, groups)
    real, counts = found.counts()
    rows, records, replicates = [], [], []
    for made, count in zip(found.sets, counts, strict=True):
        both = (real == 1) & (count == 1)
        rows.append((int((real == 1).sum()), int((count == 1).sum()), int(both.sum()), 100 * both.sum() / made.size))
        records.append(both[found.original])
        replicates.append(both[made])
    numbers = pd.RangeIndex(1, data.m + 1, name="set")
    table = pd.DataFrame(rows, numbers, ["original", "synthetic", "replicated", "percent"])
    return ReplicatedUniques(
        table, pd.DataFrame(np.array(records).T, record_index(synthetic, original, data), numbers), tuple(replicates)
    )


def record_index(synthetic: Synthetic, original: pd.DataFrame | None, data: Assessed) -> pd.Index:
    """Return the labels of the real records."""
    return original.index if original is not None else getattr(synthetic, "index", pd.RangeIndex(data.n))
