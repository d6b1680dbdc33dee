"""Schemas: what the columns of a file are, read from YAML and laid on the raw values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mice_sim.errors import MiceSimError, nearest
from mice_sim.resources import read_own_yaml

FACTORS = ("binary", "unordered", "ordered")
KINDS = ("continuous", *FACTORS)
# Kinds that a draft gives to columns which no method can draw: the schema says so until its owner decides.
REFUSED = {
    "date": "holds dates, which no method draws; turn it into a number such as days since a day, or write drop: true",
    "text": "holds free text, which no method draws; recode it into levels, or write drop: true",
}
KEYS = (
    "kind", "levels", "unit", "label", "missing", "spike", "bounds", "rules", "derived", "method", "drop",
    "codes", "letters", "ranges", "measure", "format",
)  # fmt: skip

# {column: {kind: …, levels: […], …}}, in the frame's order.
Columns = dict[str, dict[str, Any]]


def read_schema(path: Path | str) -> dict[str, Any]:
    """Return the content of a YAML schema, checked.

    `columns: {name: {…}}` describes every column, in the order that its frame is to have:

    - kind: continuous, binary, unordered or ordered; levels: [low, high], for all kinds but continuous.
    - missing: [−9, 99] or {−9: refused}, codes for values that are not known, of columns of any kind; numbers, or text,
      which is missing in a continuous column whatever is asked.
    - spike: [0], values of a continuous column that are drawn apart from its others.
    - drop: true or why; such a column is not used. label, unit: for people.
    - bounds: [0, 120], rules: {age < 18: 0}, derived: wgt / (hgt / 100) ** 2, method: cart; as `synthesize` has them.

    Raises MiceSimError for a file that can't be read, an unknown key or kind, and a factor without levels.
    """
    path = Path(path)
    try:
        content = read_own_yaml(path)
    except OSError:
        raise MiceSimError(f"There is no schema '{path}'; check the path.") from None
    columns = content.get("columns") if isinstance(content, dict) else None
    if not isinstance(columns, dict) or not columns:
        raise MiceSimError(f"The schema '{path}' describes no columns; write columns: {{name: {{kind: continuous}}}}.")
    for name, column in columns.items():
        check_column(f"Column '{name}' of the schema {path.name}", column)
    return {**content, "columns": {str(name): column for name, column in columns.items()}}


def check_column(place: str, column: Any) -> None:
    """Raise MiceSimError, naming the place, where a column's description can't be used."""
    kind = column.get("kind") if isinstance(column, dict) else column
    if isinstance(column, dict):
        for key in column:
            if key not in KEYS:
                raise MiceSimError(f"{place} has the unknown key '{key}'{nearest(str(key), KEYS)}")
        if column.get("drop"):
            return
        if kind is None:
            where = "; though it is derived, it must be a column of the file" if "derived" in column else ""
            raise MiceSimError(f"{place} has no kind; write one of {', '.join(KINDS)}{where}.")
    if not isinstance(column, dict) or kind not in (*KINDS, *REFUSED):
        raise MiceSimError(f"{place} has the kind '{kind}'{nearest(str(kind), KINDS)}")
    if kind in REFUSED:
        raise MiceSimError(f"{place} {REFUSED[kind]}.")
    levels = column.get("levels") or []
    if kind in FACTORS and not (isinstance(levels, list) and levels):
        raise MiceSimError(f"{place} is {kind}; list its levels.")
    if kind in FACTORS and any(isinstance(level, bool) for level in levels):
        raise MiceSimError(f"{place} has levels that YAML reads as true or false; put yes, no, on and off in quotes.")
    if not isinstance(column.get("missing", []), list | dict) or not isinstance(column.get("spike", []), list):
        raise MiceSimError(f"{place} needs lists of values for missing and spike, such as missing: [-9, 99].")


def lay_on(frame: pd.DataFrame, columns: Columns, file: str, keep_codes: bool = False) -> pd.DataFrame:
    """Return the raw values of a file as its schema has them: numbers and categories, without dropped columns.

    Parameters
    ----------
    frame : the raw values; columns of factors hold text, or the codes that `codes` or the levels name.
    columns : describes every column of the frame, in the order to have. file : its name, for messages.
    keep_codes : keep missing codes: as numbers of continuous columns, as levels of unordered and binary ones (which
        are unordered then); an ordered factor has no place for them. By default they become missing.

    Raises MiceSimError for text in a continuous column that is no missing code, and for a level that the schema lacks.
    """
    kept = [name for name, column in columns.items() if not column.get("drop")]
    if not kept:
        raise MiceSimError(f"The schema of {file} drops every column; keep at least one.")
    frame = frame[kept].copy()
    for name in kept:
        column = columns[name]
        if column["kind"] == "continuous":
            frame[name] = _numbers(frame[name], column, file)
            if not keep_codes:
                frame[name] = _without(frame[name], column)
        else:
            frame[name] = _factor(frame[name], column, file, keep_codes)
    return frame


def missing_codes(column: Mapping[str, Any]) -> dict[Any, str]:
    """Return a column's missing codes with their labels (the code itself where there is none)."""
    codes = column.get("missing") or []
    return (
        {code: str(label) for code, label in codes.items()} if isinstance(codes, dict) else {c: text(c) for c in codes}
    )


def text(value: object) -> str:
    """Return a value as a level's name; whole numbers without a fraction, whatever type a file gave them."""
    if isinstance(value, float | np.floating) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)


def refuse_text(frame: pd.DataFrame, names: list[str], file: str, remedy: str) -> None:
    """Raise MiceSimError for the first of the columns that holds text."""
    for name in names:
        if is_text(frame[name]):
            examples = [*_no_numbers(frame[name]), *frame[name].dropna(), ""]
            raise MiceSimError(f"Column '{name}' of {file} holds text such as '{examples[0]}'; {remedy}.")


def _numbers(series: pd.Series, column: Mapping[str, Any], file: str) -> pd.Series:
    """Return a continuous column as numbers, without missing codes that are text; other text is refused."""
    if not is_text(series):
        return series
    series = series.mask(series.isin([code for code in missing_codes(column) if isinstance(code, str)]))
    foreign, held = _no_numbers(series), series.notna().sum()
    if 2 * len(foreign) > held:
        refuse_text(series.to_frame(), [str(series.name)], file, "list its levels in the schema")
    if len(foreign):
        raise MiceSimError(
            f"Column '{series.name}' of {file} holds '{foreign.iloc[0]}', which is no number; correct it, or list it "
            "among the column's missing codes in the schema."
        )
    return pd.to_numeric(series)


def _no_numbers(series: pd.Series) -> pd.Series:
    """Return the values of a column that are neither missing nor numbers."""
    is_bool = series.map(lambda value: isinstance(value, bool))
    return series[series.notna() & (is_bool | pd.to_numeric(series, errors="coerce").isna())]


def is_text(series: pd.Series) -> bool:
    """Return whether a column holds text or a mix of things."""
    return pd.api.types.is_string_dtype(series.dtype) or series.dtype == object


def _without(series: pd.Series, column: Mapping[str, Any]) -> pd.Series:
    codes = list(missing_codes(column))
    return series.mask(series.isin(codes)) if codes else series


def _as_known(value: object, known: set[str]) -> str:
    """Return a value as the level or code that it is: pandas writes the 1 of a column with missing values as 1.0."""
    said = text(value)
    number = said if said in known else text(pd.to_numeric(said, errors="coerce"))
    return number if number in known else said


def _factor(series: pd.Series, column: Mapping[str, Any], file: str, keep_codes: bool) -> pd.Series:
    levels = [text(level) for level in column["levels"]]
    special = {text(code): label for code, label in missing_codes(column).items()}
    names = {text(code): label for label, code in column.get("codes", {}).items()}
    ordered = column["kind"] == "ordered"
    keep = special if keep_codes and not ordered else {}
    known = {*levels, *special, *names}
    found = {}  # level by raw value: there are fewer of them than rows
    for value in series.dropna().unique():
        said = _as_known(value, known)
        level = names.get(said, said)
        found[value] = keep.get(level, level) if level in keep or level in levels or level not in special else None
    values = series.astype(object).map(found)
    levels += [label for label in dict.fromkeys(keep.values()) if label not in levels and label in found.values()]
    foreign = sorted({level for level in found.values() if level is not None and level not in levels})
    if foreign:
        raise MiceSimError(
            f"Column '{series.name}' holds the level '{foreign[0]}' in {file}, which its schema lacks; "
            f"add it to the levels ({', '.join(levels[:20])}) or recode it."
        )
    return values.astype(pd.CategoricalDtype(levels, ordered=ordered))
