"""Figures of utility: a heat map of tables, and the marginals of synthetic beside original data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mice_sim.assessment.data import MISSING, Synthetic, pair
from mice_sim.errors import MiceSimError, nearest
from mice_sim.report.diagnostics import CURVES, DRAWN, _area, _densities, _shares, _styled
from mice_sim.report.style import CHARACTER, ON_COLOUR, PALETTE, WIDTH, Style, fitted, handle, panels
from mice_sim.report.tables import fixed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORIGINAL = Style(PALETTE["blue"], "-", "o", "Original")
SHADES = ("#f7f7f7", "#f9d3b4", "#f0a36b", "#d45e00")  # the last a shade off the palette, which the page swaps
WORST = 10.0  # Raab, Nowok & Dibben (2021): standardised measures above it call for another synthesis
WRITTEN = 16  # columns whose numbers have room in the cells


@_styled
def plot_utility(tables: pd.DataFrame, measure: str = "S_pMSE") -> Figure:
    """Draw a measure of every pair of columns as a heat map, that of single columns on the diagonal.

    Parameters
    ----------
    tables : of `utility_tables`, with ways 2, or 1 and 2. measure : a column of it. Standardised measures are coloured
        from 1 (or below) to 10 (or above), others from their least to their largest. Frames mark alarms.

    Raises
    ------
    MiceSimError
        For a frame without two-way tables, and an unknown measure.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    numbers = [name for name in tables.columns if name not in ("way", "alarm")]
    if measure not in numbers:
        raise MiceSimError(f"There is no measure '{measure}'{nearest(measure, numbers)}")
    shown = tables[tables["way"] <= 2] if "way" in tables else tables.iloc[:0]
    if not (shown["way"] == 2).any():
        raise MiceSimError("The tables are not of pairs of columns; call utility_tables with ways=2 or [1, 2].")
    pairs = _pairs(shown)
    names = list(dict.fromkeys(name for both in pairs for name in both))
    place = {name: i for i, name in enumerate(names)}
    grid = np.full((len(names), len(names)), np.nan)
    alarms = []
    for (a, b), value, alarm in zip(pairs, shown[measure], shown.get("alarm", [False] * len(shown)), strict=True):
        row, column = sorted((place[a], place[b]), reverse=True)
        grid[row, column] = value
        if alarm:
            alarms.append((row, column))
    side = min(0.42, (WIDTH - 1.4) / len(names))
    figure = Figure(figsize=(max(1.4 + side * len(names), 3.4), 1.5 + side * len(names)), layout="constrained")
    axis = figure.subplots()
    mesh = _mesh(axis, grid, measure)
    if len(names) <= WRITTEN:
        _write(axis, grid)
    for row, column in alarms:
        axis.add_patch(Rectangle((column + 0.04, row + 0.04), 0.92, 0.92, fill=False, edgecolor=ON_COLOUR, lw=1.1))
    _name(axis, names, side)
    bar = figure.colorbar(mesh, ax=axis, location="top", shrink=0.8, aspect=40, pad=0.02, extend="neither")
    bar.set_label(measure + (" (frames: alarms)" if alarms else ""))
    bar.outline.set_linewidth(0.5)
    return figure


def _pairs(tables: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the columns of each table; names of single columns tell where a name with a colon ends."""
    singles = tables.index[tables["way"] == 1]
    known = set(singles)
    found = []
    for label, way in zip(tables.index, tables["way"], strict=True):
        cuts = [i for i, letter in enumerate(label) if letter == ":"] if way == 2 else []
        whole = [(label[:i], label[i + 1 :]) for i in cuts]
        matching = [both for both in whole if known.issuperset(both)]
        found.append((label, label) if way == 1 else (matching or whole)[0])
    return found


def _mesh(axis: Axes, grid: np.ndarray, measure: str) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    there = grid[~np.isnan(grid)]
    least, most = (1.0, WORST) if measure.startswith("S_") else (float(there.min()), float(there.max()))
    colours = LinearSegmentedColormap.from_list("misfit", SHADES, N=40)
    mesh = axis.pcolormesh(
        np.ma.masked_invalid(grid), cmap=colours, vmin=least, vmax=most if most > least else least + 1,
        edgecolors="#ffffff", linewidth=0.8,
    )  # fmt: skip
    axis.invert_yaxis()
    axis.set_aspect("equal")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    return mesh


def _write(axis: Axes, grid: np.ndarray) -> None:
    for (row, column), value in np.ndenumerate(grid):
        if np.isfinite(value):
            digits = 1 if 0.1 <= abs(value) < 100 else 0 if abs(value) >= 100 else 3
            axis.text(
                column + 0.5, row + 0.5, fixed(value, digits), ha="center", va="center", fontsize=6, color=ON_COLOUR
            )


def _name(axis: Axes, names: Sequence[str], side: float) -> None:
    horizontal = max(map(len, names)) * CHARACTER < side
    middles = np.arange(len(names)) + 0.5
    labels = [fitted(name, 24, 1) for name in names]
    axis.set_xticks(middles, labels, rotation=0 if horizontal else 90)
    axis.set_yticks(middles, labels)


@_styled
def plot_compare(
    synthetic: Synthetic, original: pd.DataFrame | None = None, columns: Sequence[str] | None = None
) -> Figure:
    """Draw the distribution of each column in the original and, a line or a mark a set, in the synthetic data.

    Numbers have density curves, factors the share of each level, of what is not missing; the share of missing values
    is in the title where there are any (original, then mean of the sets). At most 20 sets are drawn.

    Parameters
    ----------
    synthetic, original : see `compare`. columns : names; all by default.
    """
    data = pair(synthetic, original).only(columns)
    figure, axes = panels(len(data.columns), 3, 1.75, [_area(ORIGINAL), handle(DRAWN)])
    for j, (axis, column) in enumerate(zip(axes, data.columns, strict=True)):
        every = [data.original[j], *(values[j] for values in data.sets[:CURVES])]
        real, *drawn = [values[~np.isnan(values)] for values in every]
        (_shares if column.is_factor else _draw_densities)(axis, column, real, drawn, DRAWN)
        gone = [float(np.isnan(values).mean()) for values in every]
        words = f" ({MISSING} {gone[0]:.0%}, {np.mean(gone[1:]):.0%})" if any(gone) else ""
        axis.set_title(fitted(column.name, 28 - len(words) // 2, 1) + words)
        axis.set_ylim(bottom=0)
    return figure


def _draw_densities(axis: Axes, column: Any, real: np.ndarray, drawn: list[np.ndarray], look: Style) -> None:
    _densities(axis, real, drawn, look)
