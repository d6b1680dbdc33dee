"""Columns that follow from others: constants, linear twins, factors that rename another's levels.

mice takes the method away from such columns and leaves them empty; here they are derived, with an event.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mice_sim.data import Column, Table
from mice_sim.synthesis.derived import Constant, Derivation, Relabel, Twin

# A residual below this share of a column's spread is taken for rounding.
ROUNDING = 1e-9


def find(table: Table, taken: set[str], keeps_missing: bool) -> dict[str, tuple[Derivation, str]]:
    """Return {column: (how it follows, why)} for columns not in `taken`, none of which follows from another such.

    taken : columns that the user says something of. keeps_missing : whether missing cells stay missing, so that they
    must follow too.
    """
    found: dict[str, tuple[Derivation, str]] = {}
    kept: list[int] = []
    for j, column in enumerate(table.columns):
        if column.name in taken:
            continue
        holes = np.isnan(table.values[j])
        alike = [o for o in kept if not keeps_missing or (holes == np.isnan(table.values[o])).all()]
        derivation = None if keeps_missing and holes.any() and not holes.all() else _constant(table, j)
        derivation = derivation or next(filter(None, (_twin(table, j, other) for other in alike)), None)
        if derivation is None:
            kept.append(j)
        else:
            why = "constant" if isinstance(derivation, Constant) else f"determined by '{derivation.parents[0]}'"
            found[column.name] = (derivation, why)
    return found


def _constant(table: Table, j: int) -> Derivation | None:
    present = table.values[j][~np.isnan(table.values[j])]
    if present.size and (present != present[0]).any():
        return None
    if not present.size:
        return Constant(table.names[j], np.nan, "missing")
    levels = table.columns[j].levels
    text = f"{present[0]:g}" if levels is None else str(levels[int(present[0])])
    return Constant(table.names[j], float(present[0]), text)


def _twin(table: Table, j: int, other: int) -> Derivation | None:
    column, twin = table.columns[j], table.columns[other]
    if column.is_factor != twin.is_factor:
        return None
    y, x = table.values[j], table.values[other]
    both = ~np.isnan(y) & ~np.isnan(x)
    if both.sum() < 3:
        return None
    if column.is_factor:
        return _relabel(column, twin, y, x, both)
    return _linear(column.name, twin.name, y[both], x[both])


def _linear(name: str, twin: str, y: np.ndarray, x: np.ndarray) -> Twin | None:
    low, high = int(np.argmin(x)), int(np.argmax(x))
    with np.errstate(all="ignore"):
        slope = (y[high] - y[low]) / (x[high] - x[low])
        off = np.abs(y[low] + slope * (x - x[low]) - y).max()
        exact = np.isfinite(slope) and slope != 0 and off <= ROUNDING * np.ptp(y)
    if not exact or np.unique(x).size < 3:
        return None
    return Twin(name, twin, float(y[low]), float(slope), float(x[low]))


def _relabel(column: Column, twin: Column, y: np.ndarray, x: np.ndarray, both: np.ndarray) -> Relabel | None:
    pairs = np.zeros((twin.n_levels, column.n_levels), bool)
    pairs[x[both].astype(int), y[both].astype(int)] = True
    if (pairs.sum(axis=0) > 1).any() or (pairs.sum(axis=1) > 1).any() or pairs.sum() < 2:
        return None
    for values, axis in ((y, 0), (x, 1)):
        # A level that is never there together with one of the other's tells nothing about it.
        told: np.ndarray = np.any(pairs, axis=axis)
        if not told[values[~np.isnan(values)].astype(int)].all():
            return None
    return Relabel(column.name, twin.name, tuple(int(row.argmax()) if row.any() else -1 for row in pairs))


def fill(table: Table, derived: Mapping[int, Derivation]) -> Table:
    """Fill a twin's missing cells where its derived partner is observed, so that both stay consistent."""
    values = table.values
    for j, derivation in derived.items():
        if isinstance(derivation, Twin | Relabel):
            other = table.index(derivation.twin)
            holes = np.isnan(values[other]) & ~np.isnan(values[j])
            if holes.any():
                n_levels = table.columns[j].n_levels
                back = derivation.inverse() if isinstance(derivation, Twin) else derivation.inverse(n_levels)
                if values is table.values:
                    values = values.copy()
                values[other, holes] = back.evaluate({table.names[j]: values[j]})[holes]
    return Table(table.columns, values)
