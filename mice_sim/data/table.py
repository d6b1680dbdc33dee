"""`Table`: named float64 columns with their kind and levels; the border between pandas and arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from mice_sim.data import contrasts
from mice_sim.errors import MiceSimError, nearest

# Whole numbers below this are exact in float64.
EXACT = 2.0**53

Kind = Literal["continuous", "binary", "unordered", "ordered"]


@dataclass(frozen=True)
class Column:
    """The schema of one column: its name, kind, levels (None if continuous) and pandas dtype."""

    name: str
    kind: Kind
    levels: tuple[Any, ...] | None
    dtype: object

    @property
    def is_factor(self) -> bool:
        return self.levels is not None

    @property
    def n_levels(self) -> int:
        return len(self.levels or ())

    def contrasts(self) -> tuple[list[str], np.ndarray]:
        """Return the names and the (levels × k) scores of the column's design columns, as R codes them."""
        if self.kind == "ordered":
            return contrasts.polynomial_names(self.name, self.n_levels), contrasts.polynomial(self.n_levels)
        names = [f"{self.name}{level}" for level in (self.levels or ())[1:]]
        return names, contrasts.treatment(self.n_levels)


@dataclass(frozen=True)
class Table:
    """Columns as rows of one float64 array.

    `values` has shape (columns, rows); factors hold level numbers 0..K−1; NaN is missing.
    """

    columns: tuple[Column, ...]
    values: np.ndarray

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def n_rows(self) -> int:
        return self.values.shape[1]

    def index(self, name: str) -> int:
        """Return the position of the column called `name`, or raise MiceSimError."""
        for position, column in enumerate(self.columns):
            if column.name == name:
                return position
        raise MiceSimError(f"The data has no column '{name}'{nearest(name, self.names)}")

    def take(self, rows: np.ndarray) -> Table:
        """Return the table of these rows, in this order; rows may repeat."""
        return Table(self.columns, self.values[:, rows])

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame) -> Table:
        """Build a table from numeric, boolean and categorical columns.

        Raises MiceSimError for other types, repeated names, infinite values or an empty frame.
        """
        if not isinstance(frame, pd.DataFrame):
            raise MiceSimError(f"The data must be a pandas DataFrame, not {type(frame).__name__}.")
        if frame.shape[0] == 0 or frame.shape[1] == 0:
            raise MiceSimError("The data is empty; give at least one row and one column.")
        names = frame.columns.astype(str)
        repeated = names[names.duplicated()]
        if len(repeated):
            raise MiceSimError(f"Column '{repeated[0]}' occurs more than once; rename the copies.")
        values = np.empty(frame.shape[::-1])
        columns = []
        for j, name in enumerate(frame):
            column, values[j] = _encode(str(name), frame[name])
            columns.append(column)
        return cls(tuple(columns), values)

    def to_pandas(self) -> pd.DataFrame:
        """Return the table as a frame with the categories and dtypes it came with."""
        return pd.DataFrame(
            {column.name: _decode(column, v) for column, v in zip(self.columns, self.values, strict=True)}
        )


def _encode(name: str, series: pd.Series) -> tuple[Column, np.ndarray]:
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        levels = tuple(dtype.categories)
        if not levels:
            raise MiceSimError(f"Column '{name}' is a factor without levels; drop it or give it some.")
        codes = series.cat.codes.to_numpy(dtype=float)
        kind: Kind = "ordered" if dtype.ordered else "binary" if len(levels) == 2 else "unordered"
        return Column(name, kind, levels, dtype), np.where(codes < 0, np.nan, codes)
    if pd.api.types.is_bool_dtype(dtype):
        return Column(name, "binary", (False, True), dtype), series.to_numpy(dtype=float, na_value=np.nan)
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        numbers = series.to_numpy(dtype=float, na_value=np.nan)
        if np.isinf(numbers).any():
            raise MiceSimError(f"Column '{name}' holds infinite values; replace them by numbers or NaN.")
        if pd.api.types.is_integer_dtype(dtype) and (np.abs(numbers) >= EXACT).any():
            raise MiceSimError(
                f"Column '{name}' holds whole numbers of 2^53 and more, which lose digits; rescale or drop it."
            )
        return Column(name, "continuous", None, dtype), numbers
    if pd.api.types.is_datetime64_any_dtype(dtype):
        raise MiceSimError(f"Column '{name}' holds dates; convert it to a number, such as days since a day.")
    raise MiceSimError(f"Column '{name}' has type {dtype}; convert it with astype('category') or to a number.")


def _decode(column: Column, values: np.ndarray) -> pd.Series | pd.Categorical | np.ndarray:
    missing = np.isnan(values)
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = np.where(missing, -1, values).astype(int)
        return pd.Categorical.from_codes(codes, dtype=column.dtype)
    holds_missing = pd.api.types.is_extension_array_dtype(column.dtype)
    if not pd.api.types.is_bool_dtype(column.dtype) and not _fit(values[~missing], column.dtype):
        return values.copy()
    if missing.any() and not holds_missing and not pd.api.types.is_float_dtype(column.dtype):
        return values.copy()
    return pd.Series(values).astype(column.dtype)


def _fit(values: np.ndarray, dtype: Any) -> bool:
    """Return whether numbers are within the range of a dtype, and whole if it is one of integers."""
    own = getattr(dtype, "numpy_dtype", dtype)
    if pd.api.types.is_float_dtype(dtype):
        return bool((np.abs(values) <= float(np.finfo(own).max)).all())
    least, most = max(np.iinfo(own).min, -EXACT), min(np.iinfo(own).max, EXACT)
    return bool(((values == np.floor(values)) & (values >= least) & (values <= most)).all())
