"""People's own files: CSV, parquet, SPSS, Stata and SAS, read by a schema and written back with their labels."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mice_sim.data import labelled
from mice_sim.data.schema import FACTORS, Columns, check_column, is_text, lay_on, read_schema, refuse_text, text
from mice_sim.errors import MiceSimError

READABLE = (".csv", ".parquet", *labelled.READERS)
WRITABLE = (".csv", ".parquet", *labelled.WRITERS)
_EXACT = 2.0**53  # whole numbers below it are exact


def read_table(
    path: Path | str, schema: Path | str | Columns | None = None, *, keep_codes: bool = False
) -> pd.DataFrame:
    """Read a file as numbers and categories, by a YAML schema if its types do not say enough.

    Parameters
    ----------
    path : a file that ends in .csv (with commas, semicolons or tabs; UTF-8), .parquet, .sav, .zsav (SPSS), .dta
        (Stata), .sas7bdat or .xpt (SAS). Value labels become levels, ordered where SPSS says "ordinal".
    schema : a YAML file (or its `columns`) that names every column, in the order that the frame is to have, see
        `mice_sim.data.schema.read_schema`; `mice-sim schema` drafts one. Without one, columns keep the types they are
        read with; a CSV file may then hold numbers and True/False only.
    keep_codes : keep missing codes (SPSS's user-missing values, Stata's .a to .z, the schema's `missing`) as values;
        by default they are missing.

    Returns
    -------
    The frame; `frame.attrs["schema"]["columns"]` holds labels, units and codes, for `write_table`.

    Raises
    ------
    MiceSimError
        For a file that can't be read, and a column or level on which file and schema differ.
    """
    path = Path(path)
    content = {"columns": schema} if isinstance(schema, dict) else {} if schema is None else read_schema(schema)
    frame, own = read_raw(path, content.get("columns", {}))
    if schema is None and not own:
        refuse_text(frame, list(frame.columns), path.name, "describe it in a schema; `mice-sim schema` drafts one")
        return frame
    named = f" {Path(schema).name}" if isinstance(schema, Path | str) else ""
    columns = merge(own, content.get("columns", own), list(frame.columns), path.name, named)
    laid = lay_on(frame, columns, path.name, keep_codes)
    for name in laid:
        columns[name].setdefault("codes", _codes_of_numbers(frame[name], columns[name]))
    laid.attrs["schema"] = {**content, "columns": columns}
    return laid


def read_raw(path: Path | str, schema: Columns | None = None) -> tuple[pd.DataFrame, Columns]:
    """Return a file's values as they are, and what the file itself says of its columns.

    schema : columns that are described as factors are read as text from a CSV file, so that 007 stays 007.
    """
    path = Path(path)
    if path.suffix.lower() not in READABLE:
        raise MiceSimError(f"The file '{path}' ends in none of {', '.join(READABLE)}; save the data as one of them.")
    if not path.is_file():
        raise MiceSimError(f"There is no file '{path}'; check the path.")
    frame, own = _read(path, schema or {})
    for name in frame.select_dtypes("number", exclude="timedelta"):
        if np.isinf(frame[name].to_numpy(float, na_value=np.nan)).any() and not (schema or {}).get(name, {}).get(
            "drop"
        ):
            raise MiceSimError(
                f"Column '{name}' of {path.name} holds infinite values; replace them by numbers or leave them empty."
            )
    return frame, own


def _read(path: Path, schema: Columns) -> tuple[pd.DataFrame, Columns]:
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path), {}
        if path.suffix.lower() == ".csv":
            return _read_csv(path, schema), {}
        return labelled.read(path)
    except (ValueError, OSError, *labelled.ERRORS) as error:
        why = " ".join(str(error).split()).rstrip(".").replace(". ", "; ")[:150]
        kind = path.suffix[1:]
        anew = "as UTF-8" if isinstance(error, UnicodeError) else "anew"
        raise MiceSimError(f"The file '{path}' can't be read as {kind} ({why}); save it {anew}.") from None


def merge(own: Columns, given: Columns, names: list[str], file: str, schema: str = "") -> Columns:
    """Return the given description of the columns called `names`, filled up with what the file says of them.

    The order is that of `given`. Raises MiceSimError for a column that is not in both, and for columns that can't be
    drawn.
    """
    unknown = sorted(map(str, set(names) ^ set(given)))
    if unknown:
        raise MiceSimError(
            f"Column '{unknown[0]}' is not in both the file {file} and its schema{schema}; make them agree."
        )
    merged = {name: {**own.get(name, {}), **column} for name, column in given.items()}
    for name, column in merged.items():
        check_column(f"Column '{name}' of {file}", column)
    return merged


def write_table(frame: pd.DataFrame, path: Path | str, schema: dict[str, Any] | None = None) -> None:
    """Write a frame to a file that ends in .csv, .parquet, .sav, .zsav or .dta.

    Parameters
    ----------
    frame : numeric, boolean and categorical columns. path : its ending says which format.
    schema : labels and codes of columns, as in `frame.attrs["schema"]`, which is the default. Levels get their codes
        back; those that have none are numbered from 1.

    Raises
    ------
    MiceSimError
        For another ending, and for what the format has no place for, such as names with spaces in SPSS.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        raise MiceSimError(f"The file '{path}' ends in none of {', '.join(WRITABLE)}; choose one of them.")
    columns: Columns = (schema if schema is not None else frame.attrs.get("schema", {})).get("columns", {})
    if suffix == ".csv":
        _without_points(frame).to_csv(path, index=False, lineterminator="\n")
    elif suffix == ".parquet":
        out = _with_numbers_back(frame, columns)
        out.attrs = {"schema": {"columns": _plain(columns)}} if columns else {}
        out.to_parquet(path, index=False)
    else:
        try:
            labelled.write(frame, path, columns)
        except (ValueError, TypeError, *labelled.ERRORS) as error:
            why = " ".join(str(error).split()).rstrip(".").replace(". ", "; ")[:150]
            raise MiceSimError(f"The file '{path}' can't be written ({why}); choose .csv or .parquet.") from None


def _read_csv(path: Path, columns: Columns) -> pd.DataFrame:
    with path.open(encoding="utf-8") as file:
        head = "".join(line for _, line in zip(range(20), file, strict=False))
    first = head.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    # Where semicolons separate, commas are decimal signs, unless the file has points.
    decimal = "," if separator == ";" and "." not in head.partition("\n")[2] else "."
    factors = [name for name, column in columns.items() if column.get("kind") in FACTORS]
    frame = pd.read_csv(path, sep=separator, decimal=decimal, dtype=dict.fromkeys(factors, str), encoding="utf-8-sig")
    return frame if decimal == "." else _with_points(frame, columns)


def _with_points(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Return the frame with points in the numbers of text columns, but for those that are levels as they are."""
    for name in frame.columns.intersection(list(columns)):
        if is_text(frame[name]) and not columns[name].get("drop"):
            as_it_is = frame[name].isin(list(map(text, columns[name].get("levels", []))))
            pointed = frame[name].str.replace(r"^([-+]?\d*),(\d+)$", r"\1.\2", regex=True)
            frame[name] = frame[name].where(as_it_is | pointed.isna(), pointed)
    return frame


def _codes_of_numbers(raw: pd.Series, column: Mapping[str, Any]) -> dict[str, Any]:
    """Return {level: number} of a factor that the file holds as numbers or as True and False."""
    if column["kind"] not in FACTORS or not pd.api.types.is_numeric_dtype(raw.dtype):
        return {}
    return {text(value): value for value in raw.dropna().unique().tolist()}


def _without_points(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with columns of whole numbers as such: a CSV file's 61 is no 61.0 for a missing cell."""
    whole = {}
    for name in frame.select_dtypes("float64"):
        held = frame[name].dropna()
        if (held.abs() < _EXACT).all() and (held % 1 == 0).all():
            whole[name] = "Int64"
    return frame.astype(whole)


def _with_numbers_back(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Return the frame with factors whose levels are mere numbers (or True, False) of the file as such again."""
    out = frame.copy()
    for name in out:
        codes = columns.get(str(name), {}).get("codes", {})
        if codes and all(text(code) == level for level, code in codes.items()):
            levels = out[name].dropna().astype(str)
            if set(levels) <= set(codes):
                out[name] = (
                    out[name]
                    .astype(object)
                    .map(lambda value, codes=codes: codes.get(str(value), np.nan))
                    .infer_objects()
                )
    return out


def _plain(columns: Columns) -> Columns:
    """Return columns as JSON can hold them: a parquet footer has no keys that are numbers."""
    plain = copy.deepcopy(columns)
    for column in plain.values():
        if isinstance(column.get("missing"), dict):
            column["missing"] = list(column["missing"])
    return plain
