"""The figures of a sweep: nested-loop and heat plots of a measure over all combinations of the axes.

Rows are those of a sweep's `performance` frame: a column for each axis, then the columns of a study's. `level` is the
study's confidence level, which is also that of the Monte Carlo intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mice_sim.report.simulation import PROPORTIONS, limits, of_one_term, ranges, replicates, short, wilson_note
from mice_sim.report.style import (
    BAND,
    INK,
    LEGEND_ROW,
    ON_COLOUR,
    WIDTH,
    Drawing,
    Style,
    fitted,
    handle,
    legend_columns,
    listed,
    panels,
    percent,
    rule,
    styles,
)
from mice_sim.report.tables import fixed, header

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL = (0.41, 0.3)  # inches: a cell of a heat plot
SHADES = 41  # odd, so that the target has one of its own; of more than 50, matplotlib would draw the bar as an image
TINTS = ("#7fb2d9", "#f7f7f7", "#f0a36b")  # below, at and above the target; dark text is readable on all


# ---- nested-loop plot


def nested_loop(
    rows: pd.DataFrame,
    axes: Sequence[str],
    level: float,
    measures: Sequence[str] | None = None,
    name: str = "nested_loop",
) -> Drawing:
    """One term's measures over all combinations of a sweep's axes, as steps (Rücker & Schwarzer 2014).

    The combinations stand in the order of the axes, the last running fastest; below, each axis as a step line.
    """
    rows, term = of_one_term(rows if measures is None else rows[rows["measure"].isin(measures)])
    measures, looks = list(dict.fromkeys(rows["measure"])), styles(rows["source"])
    values = {axis: list(dict.fromkeys(rows[axis])) for axis in axes}
    points = list(product(*values.values()))
    handles = [handle(look, marker=False) for look in looks.values()] + [rule("Target", (0, (8, 3)))]
    figure, panel = _loop_panels(len(measures), len(axes), handles)
    for axis, measure in zip(panel, measures, strict=False):
        part = rows[rows["measure"] == measure]
        for source, look in looks.items():
            mine = part[part["source"] == source].set_index(list(axes)).reindex(_index(points, axes))
            _steps(axis, mine, look, level)
        for target in part["target"].dropna().unique()[:1]:
            axis.axhline(target, color=INK, linewidth=0.7, linestyle=(0, (8, 3)), zorder=0)
        axis.set_ylabel(header(measure))
        axis.tick_params(axis="x", length=0, labelbottom=False)
        axis.locator_params(axis="y", nbins=5)
    _step_legend(panel[-1], values, points)
    text = (
        f"Nested-loop plot for {term} over {replicates(rows)} a point: each measure by method over the {len(points)} "
        f"combinations of {listed(list(axes))}, the last running fastest. Bands are {percent(level)} Monte Carlo "
        f"intervals{wilson_note(rows)}; the long dashes are the target; the steps below show the values of each axis."
    )
    return Drawing(name, text, f"Step lines by method over {len(points)} combinations. {ranges(rows)}", figure)


def _loop_panels(measures: int, axes: int, handles: Sequence[Any]) -> tuple[Any, list[Axes]]:
    from matplotlib.figure import Figure

    columns = legend_columns(handles)
    heights = [1.45] * measures + [0.36 * axes + 0.1]
    figure = Figure(
        figsize=(WIDTH, sum(heights) + LEGEND_ROW * -(-len(handles) // columns) + 0.2), layout="constrained"
    )
    panel = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    figure.legend(handles=handles, loc="outside upper center", ncols=columns)
    figure.align_ylabels(panel[:-1])
    return figure, panel


def _index(points: Sequence[tuple], axes: Sequence[str]) -> pd.Index:
    if len(axes) == 1:
        return pd.Index([point[0] for point in points], name=axes[0])
    return pd.MultiIndex.from_tuples(points, names=list(axes))


def _steps(axis: Axes, rows: pd.DataFrame, look: Style, level: float) -> None:
    """A level line of width 1 for each combination; gaps where there is no number."""
    edges = np.arange(len(rows) + 1)
    estimate, (lower, upper) = rows["estimate"].to_numpy(float), limits(rows, level)
    axis.fill_between(
        edges, np.append(lower, lower[-1]), np.append(upper, upper[-1]), step="post", color=look.color, alpha=BAND,
        linewidth=0,
    )  # fmt: skip
    axis.plot(
        edges, np.append(estimate, estimate[-1]), drawstyle="steps-post", color=look.color, linestyle=look.line,
        linewidth=1.2, label=look.label,
    )  # fmt: skip


def _step_legend(axis: Axes, values: Mapping[str, list], points: Sequence[tuple]) -> None:
    """Each axis as a step line between 0 (its first value) and 1 (its last), its name and values above."""
    edges = np.arange(len(points) + 1)
    for i, (name, known) in enumerate(values.items()):
        base = -i * 2.4
        heights = [base + known.index(point[i]) / max(len(known) - 1, 1) for point in points]
        axis.plot(edges, [*heights, heights[-1]], drawstyle="steps-post", color=INK, linewidth=0.8, label=name)
        axis.text(0, base + 1.15, fitted(f"{name}: {', '.join(map(short, known))}", 105, 1), fontsize=7, va="bottom")
    axis.set_ylim(-2.4 * (len(values) - 1) - 0.2, 2.4)
    axis.set_xlim(0, len(points))
    axis.axis("off")


# ---- heat plot


def heat(
    rows: pd.DataFrame, down: str, across: str, level: float, facet: str | None = None, name: str = "heat"
) -> Drawing:
    """One term's measure over two axes, one panel a method (and value of `facet`), the numbers in the cells.

    Colours diverge about the target, or about the mean where there is none.
    """
    rows, term = of_one_term(rows)
    measure, looks = rows["measure"].iloc[0], styles(rows["source"])
    facets = list(dict.fromkeys(rows[facet])) if facet else [None]
    order = {axis: list(dict.fromkeys(rows[axis])) for axis in (down, across)}
    targets = rows["target"].dropna().unique()
    centre = float(targets[0]) if len(targets) == 1 else float(rows["estimate"].mean())
    reach = float((rows["estimate"] - centre).abs().max()) or 1.0
    columns = int(np.clip((WIDTH - 0.7) // (CELL[0] * len(order[across]) + 0.15), 1, len(looks)))
    padding = [None] * (-len(looks) % columns)  # a value of the facet begins a row
    shown = list(product(facets, [*looks, *padding]))
    figure, axes = panels(len(shown), columns, CELL[1] * len(order[down]) + 0.6, sharey=True, sharex=True)
    for axis, (value, source) in zip(axes, shown, strict=True):
        if source is None:
            axis.remove()
            continue
        part = rows[(rows["source"] == source) & (rows[facet] == value if facet else True)]
        mesh = _cells(axis, part, down, across, order, level, (centre, reach, _digits(rows["mcse"])))
        title = fitted(looks[source].label, 6 + 6 * len(order[across]), 2)
        axis.set_title(f"{title}\n{facet.rsplit('.', 1)[-1]} = {short(value)}" if facet else title, fontsize=7.5)
    _colour_bar(figure, mesh, axes, measure, (centre, reach))
    figure.supxlabel(across, fontsize=8)
    figure.supylabel(fitted(down, int(12 * figure.get_figheight()), 2), fontsize=8)
    middle = f"the target {centre:g}" if len(targets) == 1 else f"the mean {centre:.3g}, as there is no one target"
    text = (
        f"{header(measure)} for {term} over {replicates(rows)} a cell, with its Monte Carlo standard error below; "
        f"rows are {down}, columns {across}. The neutral colour is {middle}; cells whose {percent(level)} Monte Carlo "
        f"interval{wilson_note(rows)} does not hold it are bold."
    )
    return Drawing(name, text, f"Grids of numbers on coloured cells, one a method. {ranges(rows)}", figure)


def _cells(
    axis: Axes, rows: pd.DataFrame, down: str, across: str, order: Mapping[str, list], level: float,
    scale: tuple[float, float, int],
) -> Any:  # fmt: skip
    import seaborn
    from matplotlib.colors import LinearSegmentedColormap

    centre, reach, digits = scale
    lower, upper = limits(rows, level)
    rows = rows.assign(off=(lower > centre) | (upper < centre))

    def grid(column: str) -> pd.DataFrame:
        return rows.pivot(index=down, columns=across, values=column).reindex(index=order[down], columns=order[across])

    estimate, mcse, off = grid("estimate"), grid("mcse"), grid("off")
    seaborn.heatmap(
        estimate, ax=axis, cmap=LinearSegmentedColormap.from_list("about", TINTS, N=SHADES), vmin=centre - reach,
        vmax=centre + reach, cbar=False, linewidths=0.8, linecolor="#ffffff",
        xticklabels=[short(v) for v in order[across]], yticklabels=[short(v) for v in order[down]],
    )  # fmt: skip
    for (i, j), number in np.ndenumerate(estimate.to_numpy(float)):
        missing = not np.isfinite(number)
        words = "–" if missing else f"{fixed(number, digits)}\n±{fixed(mcse.iat[i, j], digits)}"
        bold = not missing and bool(off.iat[i, j])
        axis.text(
            j + 0.5, i + 0.5, words, ha="center", va="center", fontsize=6, linespacing=1.1,
            color=INK if missing else ON_COLOUR, fontweight="bold" if bold else "normal",
        )  # fmt: skip
    axis.set(xlabel="", ylabel="")
    axis.tick_params(length=0, labelsize=7, rotation=0, labelbottom=True)
    return axis.collections[0]


def _colour_bar(figure: Figure, mesh: Any, axes: Sequence[Axes], measure: str, scale: tuple[float, float]) -> None:
    centre, reach = scale
    height = figure.get_figheight()
    bar = figure.colorbar(mesh, ax=[a for a in axes if a.figure], location="top", shrink=0.5, aspect=40, pad=0.02)
    figure.set_size_inches(WIDTH, height + 0.55)
    bar.set_label(header(measure))
    bar.outline.set_linewidth(0.5)
    bar.ax.axvline(centre, color=ON_COLOUR, linewidth=0.7)
    if measure in PROPORTIONS:
        bar.ax.set_xlim(max(centre - reach, 0), min(centre + reach, 1))


def _digits(mcse: pd.Series) -> int:
    """As many decimals as show one digit of the smallest Monte Carlo error, at most three."""
    positive = mcse[mcse > 0]
    return 3 if positive.empty else int(np.clip(-np.floor(np.log10(positive.median())), 0, 3))
