"""R's long format of multiply imputed data: what mice's `as.mids` reads and `complete(imp, "long")` writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from mice_sim.data.files import merge
from mice_sim.data.schema import Columns, is_text, lay_on
from mice_sim.data.table import Table
from mice_sim.errors import MiceSimError
from mice_sim.fits import Fits, fit_sets
from mice_sim.origin import Origin

IMP, ID = ".imp", ".id"


class Result(Protocol):
    """What `to_mids` needs of a result of `impute` or `synthesize`."""

    @property
    def mode(self) -> str: ...

    def long(self, original: bool = False) -> pd.DataFrame: ...


@dataclass(frozen=True)
class Mids:
    """Multiply imputed data from elsewhere; `mice_sim.pool(mids.fit("y ~ x"))` analyses them.

    original : the incomplete data. sets : float64 (m, columns, n), completed. where : bool (columns, n), the cells
    that the sets replace. index : the rows' `.id`.
    """

    original: Table
    sets: np.ndarray
    where: np.ndarray
    index: pd.Index

    @property
    def origin(self) -> Origin:
        """How the sets were made, as far as they show: imputed, or linked synthesis where observed cells differ.

        Imputations are taken for proper ones, as those of mice's default methods are.
        """
        holes = np.isnan(self.original.values)
        imputed = not (self.where & ~holes).any()
        m, _, n = self.sets.shape
        return Origin(
            mode="impute" if imputed else "linked",
            missing="imputed" if imputed else "one-step" if holes.any() else "none",
            proper=imputed,
            complete=bool(self.where.all()),
            n=n,
            k=n,
            m=m,
        )

    def fit(self, formula: str, model: str = "linear", **options: Any) -> Fits:
        """Fit a model to every set, as the results of `mice_sim.impute` do."""
        return fit_sets(formula, model, self.original.columns, self.sets, self.origin, **options)


def to_mids(result: Result) -> pd.DataFrame:
    """Return imputed or linked synthetic sets as a long frame that R's `as.mids` reads.

    `.imp` is 0 for the data and 1..m for the sets, `.id` the row from 1; data columns follow. Written by
    `mice_sim.write_table`, R reads it with

        long <- read.csv("imp.csv", stringsAsFactors = TRUE, na.strings = "", check.names = FALSE)
        imp <- mice::as.mids(long)

    Order the levels of ordered factors in between: `long$o <- factor(long$o, c("low", "high"), ordered = TRUE)`. For
    linked synthetic sets say which cells they replace: `as.mids(long, where = …)`, TRUE or FALSE for each cell.

    result : of `impute`, or of `synthesize` in linked mode. Raises MiceSimError for sequential synthesis, whose
    rows are not those of the data.
    """
    if result.mode == "sequential":
        raise MiceSimError(
            "The rows of sequential synthetic sets are not those of the data, so they make no mids; use long()."
        )
    return result.long(original=True)


def from_mids(frame: pd.DataFrame, schema: Columns | None = None) -> Mids:
    """Read the long format: `complete(imp, "long", include = TRUE)` of R, or `to_mids`.

    Parameters
    ----------
    frame : with `.imp` (0 for the data, 1..m for the sets) and `.id`, wherever they stand; every set has the same
        rows. Columns of text become unordered factors with their levels sorted, as R's read.csv has it.
    schema : what the other columns are, {name: {kind: …, levels: […]}} in their order; for ordered factors.

    Raises MiceSimError where the data (`.imp` 0) or a set's rows are missing.
    """
    for name in (IMP, ID):
        if name not in frame:
            raise MiceSimError(f"The frame has no column '{name}'; in R write complete(imp, 'long', include = TRUE).")
    data = frame.drop(columns=[IMP, ID])
    if schema is not None:
        data = lay_on(data, merge({}, schema, list(data.columns), "the long frame"), "the long frame")
    else:
        data = data.assign(**{str(name): data[name].astype("category") for name in data if is_text(data[name])})
    numbers = frame[IMP].to_numpy()
    m = int(numbers.max()) if len(numbers) else 0
    if set(numbers) != set(range(m + 1)) or m == 0:
        raise MiceSimError(
            f"The column .imp holds {sorted(set(numbers))[:8]}, not 0 for the data and 1 to m for the sets; "
            "in R write complete(imp, 'long', include = TRUE)."
        )
    ids = frame.loc[numbers == 0, ID]
    if ids.duplicated().any():
        raise MiceSimError(f"The .id {ids[ids.duplicated()].iloc[0]} occurs twice in the data; number the rows.")
    table = Table.from_pandas(data)
    sets = np.stack([_in_order(table, frame[ID], numbers == i, ids, i) for i in range(m + 1)])
    original, sets = sets[0], sets[1:]
    where = np.isnan(original) | (sets != original).any(axis=0)
    return Mids(Table(table.columns, original), sets, where, pd.Index(ids, name=ID))


def _in_order(table: Table, ids: pd.Series, rows: np.ndarray, wanted: pd.Series, number: int) -> np.ndarray:
    """Return a set's values with its rows in the order of the data's."""
    place = pd.Index(ids[rows]).get_indexer(wanted) if ids[rows].is_unique else np.array([-1])
    if rows.sum() != len(wanted) or (place < 0).any():
        raise MiceSimError(f"Set {number} does not have the rows of the data (.imp 0) once each; compare their .id.")
    return table.values[:, np.flatnonzero(rows)[place]]
