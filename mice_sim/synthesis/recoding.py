"""Columns that are more than numbers or levels: a part that says what kind of value a cell holds, and the value.

A column with missing cells, or a continuous one with special codes (0 of a semicontinuous income, −8 for "refused"), is
taken apart into an indicator factor and a value, as in synthpop (Nowok, Raab & Dibben 2016, §4.2): missingness is a
property of the data and is synthesised like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mice_sim.data import Column, Table
from mice_sim.synthesis import methods
from mice_sim.synthesis.clusters import is_constant_within
from mice_sim.synthesis.design import Design
from mice_sim.synthesis.methods import Method
from mice_sim.synthesis.spec import Specification

# Methods that draw observed values: as good for the indicator as for the value.
DRAW_OBSERVED = ("2l.cart", "2lonly.cart", "cart", "cart.deviance", "rf", "sample")


@dataclass(frozen=True)
class Split:
    """How a column is taken apart.

    indicator : number of the indicator's column; its level 0 says that there is a value, level c > 0 that the cell
    holds `codes[c − 1]` (NaN for missing). fill : what predictors see where there is no value.
    """

    indicator: int
    codes: tuple[float, ...]
    fill: float


def split(table: Table, spec: Specification, drawn: np.ndarray) -> tuple[Table, Specification, dict[int, Split]]:
    """Take columns apart where need be.

    drawn : bool (columns,), those that will be drawn. Returns the table with the indicators behind its columns and
    without missing cells in the columns that were split, the specification for it, and the splits by column number.
    """
    splits: dict[int, Split] = {}
    columns, values = list(table.columns), [*table.values]
    for j in map(int, np.flatnonzero(drawn)):
        kind, codes = _kinds(table.values[j], spec.special.get(j, ()))
        if not codes:
            continue
        there = kind == 0
        fill = float(np.sort(values[j][there])[there.sum() // 2]) if there.any() else 0.0
        splits[j] = Split(len(columns), codes, fill)
        values[j] = np.where(there, values[j], fill)
        columns.append(_indicator(columns[j].name, codes))
        values.append(kind)
    if not splits:
        return table, spec, splits
    wider = Table(tuple(columns), np.array(values))
    return wider, _widen(spec, wider, splits), splits


def _kinds(values: np.ndarray, special: tuple[float, ...]) -> tuple[np.ndarray, tuple[float, ...]]:
    """Return float64 (n,), 0 where there is a value and c > 0 where there is code c; and the codes that occur."""
    kind = np.zeros(values.size)
    codes: list[float] = []
    for code in (np.nan, *special):
        here = np.isnan(values) if np.isnan(code) else values == code
        if here.any():
            codes.append(code)
            kind[here] = len(codes)
    return kind, tuple(codes)


def _indicator(name: str, codes: tuple[float, ...]) -> Column:
    levels = ("value", *("missing" if np.isnan(code) else f"{code:g}" for code in codes))
    dtype = pd.CategoricalDtype(levels)
    return Column(f"{name} is", "binary" if len(levels) == 2 else "unordered", levels, dtype)


def _widen(spec: Specification, table: Table, splits: Mapping[int, Split]) -> Specification:
    """Return the specification with methods and predictors of the indicators, each a twin of its column's."""
    p, width = spec.codes.shape[0], len(table.columns)
    codes = np.zeros((width, width), np.int8)
    codes[:p, :p] = spec.codes
    chosen: dict[int, Method] = dict(spec.methods)
    for j, part in splits.items():
        codes[part.indicator, :p] = spec.codes[j]
        chosen[part.indicator] = _method(spec, table, j, part.indicator)
    for j, part in splits.items():
        codes[:, part.indicator] = codes[:, j]
        codes[part.indicator, part.indicator] = 0
    wider = replace(spec, methods=chosen, codes=codes)
    return replace(wider, design=Design.of(table.columns, wider.plain))


def _method(spec: Specification, table: Table, j: int, indicator: int) -> Method:
    """Return how the indicator of column j is drawn: as the column if that draws observed values, at the same level."""
    method = spec.methods[j]
    default = methods.default(table.columns[indicator])
    if method.two_level:
        # Of a column of clusters it may vary within them: a value may be missing in one row only.
        shared = method.level == 2 and is_constant_within(table.values[indicator], table.values[spec.cluster])
        default = "2lonly.cart" if shared else "2l.cart"
    alike = methods.name_of(method) in DRAW_OBSERVED and (method.level == 1 or default == "2lonly.cart")
    return method if alike else methods.make_each({0: default}, {})[0]
