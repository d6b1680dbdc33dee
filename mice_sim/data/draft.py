"""Draft of a schema: what each column of a file seems to be, for the file's owner to look over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from mice_sim.data.files import read_raw
from mice_sim.data.schema import FACTORS, Columns, check_column, is_text, text

# Whole numbers that people write for "not known", if they stand far off the rest.
_CODE = re.compile(r"-(1|7|8|9|[79]7|[89]8|99|666|[79]77|888|99[6-9]|9999|99999)|[7-9]{2}|9[6-9]|[7-9]{3,5}|99[6-9]")
_ID_NAME = re.compile(r"(^|[_. ])(id|key|nr|no|number|code|uuid|case|subject|participant|respondent|record)$", re.I)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ]\d{1,2}:\d{2}.*)?")
_MOST_LEVELS = 50  # the most that mice's regressions take
_FEW_NUMBERS = 10
_SPIKE_SHARE = 0.1
_METHODS = {"continuous": "pmm", "binary": "logreg", "unordered": "polyreg", "ordered": "polr"}  # as mice's defaults


@dataclass(frozen=True)
class Guess:
    """What a column seems to be: its entry in the schema, remarks beside it, and what its owner must look at."""

    entry: dict[str, Any]
    remarks: tuple[str, ...] = ()
    question: str | None = None


@dataclass(frozen=True)
class Draft:
    """A schema that was guessed from a file."""

    file: str
    guesses: dict[str, Guess]

    @property
    def columns(self) -> Columns:
        return {name: guess.entry for name, guess in self.guesses.items()}

    @property
    def questions(self) -> dict[str, str]:
        """What must be looked at, by column."""
        return {name: guess.question for name, guess in self.guesses.items() if guess.question}

    def check(self) -> None:
        """Raise MiceSimError for a column that no method can draw."""
        for name, column in self.columns.items():
            check_column(f"Column '{name}' of {self.file}", column)

    def yaml(self) -> str:
        """Return the schema as commented YAML, a line a column."""
        lines = [
            f"# What the columns of {self.file} are, as far as the file tells. Look it over and correct it.",
            "#   kind: continuous, binary, unordered or ordered (levels from low to high)",
            "#   missing: codes for values that are not known; spike: values drawn apart from the others, such as 0",
            "#   drop: leaves a column out; imputed files carry it along as it is",
            "#   also: method: pmm, bounds: [0, 120], derived: wgt / (hgt / 100) ** 2, unit: kg, label: Weight",
            "columns:",
        ]
        for name, guess in self.guesses.items():
            remarks = [*([f"LOOK: {guess.question}"] if guess.question else []), *guess.remarks]
            comment = f"  # {'; '.join(remarks)}" if remarks else ""
            shown = {
                k: v for k, v in guess.entry.items() if k not in ("codes", "letters", "ranges", "measure", "format")
            }
            lines.append(f"  {_flow(name)}: {_flow(shown)}{comment}")
        return "\n".join(lines) + "\n"


def draft(path: Path | str) -> Draft:
    """Return what the columns of a file seem to be; see `mice_sim.read_table` for the files.

    Raises MiceSimError for a file that can't be read or is empty.
    """
    frame, own = read_raw(path)
    return Draft(Path(path).name, {str(name): guess(str(name), frame[name], own.get(str(name), {})) for name in frame})


def guess(name: str, series: pd.Series, own: Mapping[str, Any]) -> Guess:
    """Return what a column seems to be, from its raw values and what its file says of it."""
    labels = {key: own[key] for key in ("label", "missing") if key in own}
    held = series[~series.isin(list(own.get("missing", {})))].dropna()
    if held.empty:
        return Guess({"drop": "no values", **labels})
    if own.get("kind") in FACTORS:
        return Guess({**own}, _beside(own["kind"], held, series))
    if own.get("kind") == "date" or _is_date(held):
        return Guess(
            {"kind": "date", **labels}, (), "dates can't be drawn; turn them into numbers, or write drop: true"
        )
    if isinstance(series.dtype, pd.CategoricalDtype):
        return _factor(series, list(series.cat.categories), labels, ordered=bool(series.cat.ordered))
    if pd.api.types.is_bool_dtype(series.dtype):
        return _factor(series, [False, True], labels)
    if is_text(series):
        return _text(name, held, series, labels)
    return _number(name, held, series, dict(own) or {"kind": "continuous"})


def _is_date(held: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(held) or pd.api.types.is_timedelta64_dtype(held):
        return True
    return is_text(held) and all(_DATE.fullmatch(str(value)) for value in held.iloc[:100])


def _text(name: str, held: pd.Series, series: pd.Series, labels: dict[str, Any]) -> Guess:
    found = sorted(map(str, held.unique()))
    if len(found) == len(held) and (len(found) > _MOST_LEVELS or _ID_NAME.search(name)):
        return Guess({"drop": "identifier", **labels}, (), "all values differ, so it looks like an identifier")
    if len(found) > _MOST_LEVELS and 2 * len(found) > len(held):
        return Guess(
            {"kind": "text", **labels}, (), f"free text ({len(found)} different); recode it, or write drop: true"
        )
    made = _factor(series, found, labels)
    if len(found) > _MOST_LEVELS:
        return Guess(made.entry, made.remarks, f"{len(found)} levels; only trees (cart, rf) and pmm draw so many")
    return made


def _factor(series: pd.Series, levels: list[Any], labels: dict[str, Any], ordered: bool = False) -> Guess:
    kind = "ordered" if ordered else "binary" if len(levels) == 2 else "unordered"
    remarks = _beside(kind, series.dropna(), series)
    if kind == "unordered":
        remarks = ("an order? then kind: ordered, levels from low to high", *remarks)
    return Guess({"kind": kind, "levels": [text(level) for level in levels], **labels}, remarks)


def _number(name: str, held: pd.Series, series: pd.Series, entry: dict[str, Any]) -> Guess:
    values = held.to_numpy(float)
    whole = bool((values == np.floor(values)).all())
    if whole and held.nunique() == len(held) > 1 and (_ID_NAME.search(name) or _is_sequence(values)):
        return Guess({"drop": "identifier"}, (), "whole numbers that all differ, so it looks like an identifier")
    codes = [] if entry.get("missing") else guess_codes(values)
    rest = values[~np.isin(values, codes)]
    question = None
    if codes:
        entry["missing"] = codes
        question = f"{', '.join(map(text, codes))} {'is' if len(codes) == 1 else 'are'} taken for missing"
    few = np.unique(rest)
    remarks: tuple[str, ...] = ()
    if few.size == 1:
        remarks = ("one value only",)
    elif few.size == 2 and whole and few[1] - few[0] == 1:
        entry |= {"kind": "binary", "levels": [int(value) for value in few]}
    elif few.size <= _FEW_NUMBERS and whole and few.size < rest.size / 2:
        remarks = (f"levels? then kind: ordered or unordered, levels: [{', '.join(map(text, few))}]",)
    elif _has_spike(rest):
        entry["spike"] = [0]
        remarks = (f"{100 * (rest == 0).mean():.0f} % are exactly 0",)
    return Guess(entry, (*remarks, *_beside(entry["kind"], held, series)), question)


def _is_sequence(values: np.ndarray) -> bool:
    return values.size > _FEW_NUMBERS and bool((np.diff(values) == 1).all())


def guess_codes(values: np.ndarray) -> list[int]:
    """Return the values of a column that look like codes for missing: −9 among positive numbers, 999 far above all.

    A negative code is taken where no other value is negative, a positive one where it lies above the others by more
    than they spread.
    """
    candidates = [value for value in np.unique(values) if value == int(value) and _CODE.fullmatch(text(value))]
    rest = values[~np.isin(values, candidates)]
    if np.unique(rest).size < 2:
        return []
    above = 2 * rest.max() - rest.min()
    low = [int(c) for c in candidates if c < 0 <= rest.min()]
    return low + [int(c) for c in candidates if c > max(above, 0)]


def _has_spike(values: np.ndarray) -> bool:
    """Return whether 0 is a value of its own: common, the end of the range, and far more common than the others."""
    zeros = int((values == 0).sum())
    others, counts = np.unique(values[values != 0], return_counts=True)
    return (
        zeros >= _SPIKE_SHARE * values.size
        and others.size > _FEW_NUMBERS
        and not (others[0] < 0 < others[-1])
        and zeros > 3 * counts.max()
    )


def _beside(kind: str, held: pd.Series, series: pd.Series) -> tuple[str, ...]:
    """Return remarks that every column gets: how many are missing, and which methods draw it unless told."""
    lacking = len(series) - len(held)
    remarks = [f"{100 * lacking / len(series):.2g} % missing"] if lacking else []
    return (*remarks, f"synthesize: cart, impute: {_METHODS[kind]}")


def _flow(value: Any) -> str:
    dumped = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), sort_keys=False, allow_unicode=True)
    return dumped.removesuffix("\n").removesuffix("\n...")
