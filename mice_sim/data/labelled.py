"""SPSS, Stata and SAS files: numbers with value labels, user-missing codes and variable labels (by pyreadstat)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat

from mice_sim.data.schema import Columns, is_text, missing_codes, text

READERS = {
    ".sav": pyreadstat.read_sav,
    ".zsav": pyreadstat.read_sav,
    ".dta": pyreadstat.read_dta,
    ".sas7bdat": pyreadstat.read_sas7bdat,
    ".xpt": pyreadstat.read_xport,
}
WRITERS = (".sav", ".zsav", ".dta")
ERRORS = (pyreadstat.ReadstatError, pyreadstat.PyreadstatError)
_MOST_SPSS_CODES = 3
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def read(path: Path) -> tuple[pd.DataFrame, Columns]:
    """Return a labelled file's values and the description of its columns.

    Values are numbers, text or dates as stored. A column is a factor if every value it holds, but for the
    user-missing ones, has a label. Stata's and SAS's .a to .z, which are no numbers, become codes below every number
    of the column; `letters` in the description says which.
    """
    reader: Any = READERS[path.suffix.lower()]
    asked = {} if path.suffix.lower() == ".xpt" else {"user_missing": True}
    frame, meta = reader(str(path), **asked)
    columns = {}
    for name in frame:
        labels = dict(meta.variable_value_labels.get(name, {}))
        series, letters = _letters_to_codes(frame[name], meta.missing_user_values.get(name) or [])
        for letter, code in letters.items():
            labels[float(code)] = labels.pop(letter, f".{letter}")
        missing = list(letters.values()) or _user_missing(series, meta.missing_ranges.get(name) or [])
        frame[name] = series.mask(series == "") if is_text(series) else series
        columns[name] = _describe(frame[name], labels, missing, meta.variable_measure.get(name))
        described = {
            "label": meta.column_names_to_labels.get(name),
            "letters": letters,
            "ranges": [dict(found) for found in meta.missing_ranges.get(name) or []],
            "measure": meta.variable_measure.get(name) if path.suffix.lower() in (".sav", ".zsav") else None,
            "format": meta.original_variable_types.get(name),
        }
        columns[name].update({key: value for key, value in described.items() if value})
    return frame, columns


def _letters_to_codes(series: pd.Series, letters: list[str]) -> tuple[pd.Series, dict[str, int]]:
    if not letters:
        return series, {}
    numbers = pd.to_numeric(series, errors="coerce")
    largest = float(np.nanmax(np.abs(numbers.to_numpy(float)), initial=1.0))
    below = -(10 ** int(np.ceil(np.log10(largest) + 1e-9)))  # one digit more than any number: 34 → −100
    codes = {letter: below - 1 - _LETTERS.index(letter) for letter in sorted(letters)}
    return numbers.mask(series.isin(codes), series.map(codes).astype(float)), codes


def _user_missing(series: pd.Series, ranges: list[Mapping[str, float]]) -> list[Any]:
    """Return the values of a column that lie in its user-missing ranges, and codes that stand alone."""
    alone = [r["lo"] for r in ranges if r["lo"] == r["hi"]]
    held = [v for v in series.dropna().unique() for r in ranges if not isinstance(v, str) and r["lo"] <= v <= r["hi"]]
    return sorted({_whole(value) for value in alone + held}, key=str)


def _describe(series: pd.Series, labels: Mapping[Any, str], missing: list[Any], measure: str | None) -> dict[str, Any]:
    special = {_whole(code): str(labels.get(code, text(code))) for code in missing}
    levels = {_whole(code): str(label) for code, label in labels.items() if _whole(code) not in special}
    held = {_whole(value) for value in series.dropna().unique()} - set(special)
    entry: dict[str, Any] = {"kind": "continuous"}
    if levels and held <= set(levels):
        names = _distinct(levels)
        kind = "ordered" if measure == "ordinal" else "binary" if len(levels) == 2 else "unordered"
        entry = {"kind": kind, "levels": list(names), "codes": names}
    elif any(isinstance(value, datetime.date) for value in series.dropna().head(1)) or _is_date(series):
        entry["kind"] = "date"
    elif is_text(series):
        entry["kind"] = "text"
    return {**entry, "missing": special} if special else entry


def _is_date(series: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(series) or pd.api.types.is_timedelta64_dtype(series)


def _distinct(levels: Mapping[Any, str]) -> dict[str, Any]:
    """Return {label: code}, ascending by code; a label that two codes share says its code too."""
    shared = {label for label in levels.values() if list(levels.values()).count(label) > 1}
    by_code = sorted(levels.items(), key=lambda item: (isinstance(item[0], str), item[0]))
    return {f"{label} ({text(code)})" if label in shared else label: code for code, label in by_code}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float | np.floating) and value == np.floor(value) else value


def write(frame: pd.DataFrame, path: Path, columns: Columns) -> None:
    """Write a frame to .sav, .zsav or .dta with variable labels, value labels, codes and missing codes."""
    stata = path.suffix.lower() == ".dta"
    columns = {name: column for name, column in columns.items() if name in frame}
    out, labels, missing = {}, {}, {}
    for name in map(str, frame):
        column = columns.get(name, {})
        out[name], labels[name] = _coded(frame[name], column)
        special = {code: label for code, label in missing_codes(column).items() if not isinstance(code, str)}
        if special and not is_text(out[name]):
            labels[name].update({float(code): label for code, label in special.items() if label != text(code)})
            missing[name] = list(special)
            if stata:
                out[name], labels[name], missing[name] = _to_letters(out[name], labels[name], column)
    described = {name: column["label"] for name, column in columns.items() if column.get("label")}
    named = {name: found for name, found in labels.items() if found}
    formats = {n: c["format"] for n, c in columns.items() if c.get("format") and _is_format(c["format"], stata)}
    coded = pd.DataFrame(out)
    if stata:
        pyreadstat.write_dta(
            coded, str(path), column_labels=described, variable_value_labels=named,
            missing_user_values={name: found for name, found in missing.items() if found}, variable_format=formats,
        )  # fmt: skip
        return
    ranges = {n: columns[n].get("ranges") or _discrete(n, codes) for n, codes in missing.items()}
    pyreadstat.write_sav(
        coded, str(path), column_labels=described, compress=path.suffix.lower() == ".zsav",
        variable_value_labels=named, missing_ranges=ranges, variable_format=formats,
        variable_measure={name: _measure(frame[name], columns.get(name, {})) for name in out},
    )  # fmt: skip


def _coded(series: pd.Series, column: Mapping[str, Any]) -> tuple[pd.Series, dict[Any, str]]:
    """Return a column as numbers (or text) and its value labels."""
    if not isinstance(series.dtype, pd.CategoricalDtype):
        numeric = pd.api.types.is_numeric_dtype(series.dtype)
        return pd.Series(series.to_numpy(float, na_value=np.nan), series.index) if numeric else series, {}
    levels = [str(level) for level in series.cat.categories]
    codes = {**column.get("codes", {}), **{label: code for code, label in missing_codes(column).items()}}
    if not set(levels) <= set(codes):
        codes = _numbers(levels) or {level: number for number, level in enumerate(levels, 1)}
    values = series.astype(object).map(lambda level: codes[str(level)], na_action="ignore")
    if any(isinstance(codes[level], str) for level in levels):
        return values, {codes[level]: level for level in levels}
    labels = {float(codes[level]): level for level in levels if level != text(codes[level])}
    return values.astype(float), labels


def _numbers(levels: list[str]) -> dict[str, float]:
    """Return levels that are all numbers as these; nothing if some are not."""
    try:
        return {level: float(level) for level in levels}
    except ValueError:
        return {}


def _to_letters(
    series: pd.Series, labels: dict[Any, str], column: Mapping[str, Any]
) -> tuple[pd.Series, dict[Any, str], list[str]]:
    """Return a column with its missing codes as Stata's .a to .z: those it came with, or the first ones."""
    letters = {code: letter for letter, code in column.get("letters", {}).items()}
    letters = letters or dict(zip(missing_codes(column), _LETTERS, strict=False))
    renamed = {letters.get(value, value): label for value, label in labels.items()}
    labels = {value: label for value, label in renamed.items() if label != f".{value}"}
    held = series.isin(letters)
    mixed = series.astype(object).mask(held, series.map(letters)) if held.any() else series
    return mixed, labels, sorted(letters.values())


def _discrete(name: str, codes: list[Any]) -> list[Any]:
    if len(codes) > _MOST_SPSS_CODES:
        raise ValueError(f"SPSS has room for three missing codes, '{name}' has {len(codes)}")
    return [code if isinstance(code, str) else float(code) for code in codes]


def _is_format(given: str, stata: bool) -> bool:
    return given.startswith("%") == stata and not given.lstrip("%").startswith(("A", "s", "-"))


def _measure(series: pd.Series, column: Mapping[str, Any]) -> str:
    if column.get("measure") in ("nominal", "ordinal", "scale"):
        return column["measure"]
    if isinstance(series.dtype, pd.CategoricalDtype):
        return "ordinal" if series.cat.ordered else "nominal"
    return "nominal" if is_text(series) else "scale"
