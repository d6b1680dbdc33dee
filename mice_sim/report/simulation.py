"""The figures of performance measures: lolly, forest, coverage, nested-loop and heat plots.

Each is a function of rows of the `performance` frame (source, analysis, term, statistic, measure, n, estimate, mcse,
target) of one analysis and statistic, and of the study's confidence level, which is also that of the Monte Carlo
intervals. Proportions have Wilson's interval, everything else ± z MCSE. Where a measure has no target it is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from mice_sim.errors import MiceSimError
from mice_sim.report.style import (
    INK,
    LEGEND_ROW,
    ON_COLOUR,
    WIDTH,
    Drawing,
    Style,
    drawn,
    fitted,
    handle,
    listed,
    normal_quantile,
    offsets,
    panels,
    percent,
    rule,
    styles,
    wilson,
)
from mice_sim.report.tables import fixed, header

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PROPORTIONS = ("coverage", "bias_eliminated_coverage", "rejection", "failure_rate")
ROW = 0.115  # inches a source takes in a panel
LABEL = 22  # characters of a row's label, a line
TINTS = ("#7fb2d9", "#f7f7f7", "#f0a36b")  # below, at and above the target; dark text is readable on all


def limits(rows: pd.DataFrame, level: float) -> np.ndarray:
    """Return the Monte Carlo limits (2, k) of the rows' estimates; NaN where there is no error."""
    estimate, half = rows["estimate"].to_numpy(float), normal_quantile(level) * rows["mcse"].to_numpy(float)
    shares = wilson(estimate, rows["n"].to_numpy(float), level)
    return np.where(rows["measure"].isin(PROPORTIONS), shares, np.stack([estimate - half, estimate + half]))


def telling_term(rows: pd.DataFrame) -> str:
    """Return the term that lies furthest from a target, in Monte Carlo standard errors; the first if none does."""
    known = rows[np.isfinite(rows["target"]) & (rows["mcse"] > 0) & (rows["source"] != "original")]
    if known.empty:
        return str(rows["term"].iloc[0])
    return str(known.loc[((known["estimate"] - known["target"]).abs() / known["mcse"]).idxmax(), "term"])


# ---- rows of points with intervals


def lolly(rows: pd.DataFrame, level: float, axes: Sequence[str] = (), name: str = "lolly") -> Drawing:
    """One term's measures by method, or by point of a sweep and method: a stem from the target to the estimate."""
    rows, term = _one_term(rows)
    groups = rows["source"] if not axes else _points(rows, axes)
    figure = _row_figure(rows, groups, level, stems=True)
    what = "source" if not axes else f"value of {listed(axes)}"
    text = (
        f"Performance for {term} by {what} over {_replicates(rows)}. A stem goes from the target (vertical line) to the "
        f"estimate; the brackets about it are the {percent(level)} Monte Carlo interval{_wilson_note(rows)}."
    )
    return Drawing(name, text, f"Points on stems, a row for each {what}. {_ranges(rows)}", figure)


def forest(rows: pd.DataFrame, level: float, name: str = "forest") -> Drawing:
    """Measures by term and method, one panel a measure."""
    rows = _estimated(rows)
    figure = _row_figure(rows, rows["term"], level)
    text = (
        f"Performance by term over {_replicates(rows)}, with {percent(level)} Monte Carlo intervals{_wilson_note(rows)}. "
        "The vertical line, or the tick where it differs by term, is the target."
    )
    return Drawing(name, text, f"Points with error bars, a row for each term. {_ranges(rows)}", figure)


def coverage(rows: pd.DataFrame, level: float, name: str = "coverage_band") -> Drawing:
    """Coverage by term and method; the band is where it would lie by Monte Carlo error alone, with exact coverage.

    Its limits are the quantiles of a binomial proportion at the nominal level and each row's own n.
    """
    rows = _estimated(rows[rows["measure"] == "coverage"])
    figure = _row_figure(rows, rows["term"], level, band=True)
    outside = int(_outside(rows, level).sum())
    text = (
        f"Coverage of the {percent(level)} confidence intervals over {_replicates(rows)}, with {percent(level)} Monte "
        "Carlo intervals (Wilson). The vertical line is the nominal level; the band about it holds the coverage with "
        f"a probability of at least {percent(level)} if it is exactly nominal (binomial). "
        f"{outside} of {len(rows)} estimates lie outside."
    )
    return Drawing(name, text, f"Points with error bars, a row for each term, and a band. {_ranges(rows)}", figure)


def band(n: np.ndarray, level: float) -> np.ndarray:
    """Return the limits (2, k) of a coverage that is exactly nominal, over n replicates."""
    return np.stack(binom.interval(level, n.astype(int), level)) / n


def _outside(rows: pd.DataFrame, level: float) -> np.ndarray:
    lower, upper = band(rows["n"].to_numpy(float), level)
    return (rows["estimate"] < lower) | (rows["estimate"] > upper)


def _row_figure(
    rows: pd.DataFrame, groups: pd.Series, level: float, *, stems: bool = False, band: bool = False
) -> Any:
    """Panels by measure; the groups from top to bottom, and in each its sources."""
    measures, names = list(dict.fromkeys(rows["measure"])), list(dict.fromkeys(groups))
    looks = styles(rows["source"])
    own = list(rows["source"]) == list(groups)  # then the labels of the rows say it, and a legend would say it twice
    k = 1 if own else len(looks)
    labels = [fitted(looks[g].label if own else g, LABEL) for g in names]
    row = max(0.16 + 0.09 * any("\n" in label for label in labels), 0.1 + ROW * k)
    handles = [] if own else [handle(look, solid=True) for look in looks.values()]
    handles += [rule("Target")] if rows["target"].notna().any() else []
    figure, axes = panels(len(measures), 3, row * len(names) + 0.62, handles, sharey=True)
    at = {name: i for i, name in enumerate(names)}
    room = min(0.8, ROW * k / row)
    places = dict(zip(looks, [0.0] * len(looks) if own else offsets(k, room), strict=True))
    for axis, measure in zip(axes, measures, strict=True):
        part = rows[rows["measure"] == measure]
        y = groups[part.index].map(at).to_numpy(float) + part["source"].map(places).to_numpy(float)
        if band:
            _band(axis, part, y, room / k, level)
        _targets(axis, part, y, room / k)
        for source, look in looks.items():
            mine = (part["source"] == source).to_numpy()
            _points_with_intervals(axis, part[mine], y[mine], look, level, stems)
        axis.set_yticks(range(len(names)), labels)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.tick_params(axis="y", length=0)
        axis.set_xlabel(header(measure))
        axis.locator_params(axis="x", nbins=4 if len(measures) > 1 else 8)
    return figure


def _points_with_intervals(
    axis: Axes, rows: pd.DataFrame, y: np.ndarray, look: Style, level: float, stems: bool
) -> None:
    estimate, (lower, upper) = rows["estimate"].to_numpy(float), limits(rows, level)
    if stems:
        axis.hlines(y, rows["target"], estimate, color=look.color, linewidth=1.1)
        for ends, path in ((lower, _bracket(-1)), (upper, _bracket(1))):
            axis.plot(
                ends, y, linestyle="none", marker=path, markersize=6, markerfacecolor="none",
                markeredgecolor=look.color, markeredgewidth=1, label="_limits",
            )  # fmt: skip
    else:
        axis.hlines(y, lower, upper, color=look.color, linewidth=1)
    axis.plot(estimate, y, linestyle="none", marker=look.marker, markersize=3.5, color=look.color, label=look.label)


def _bracket(side: int) -> Any:
    """A parenthesis as a marker, its belly at the limit; -1 for the left one."""
    from matplotlib.path import Path

    arc = Path.arc(140, 220)
    return Path((arc.vertices + [1, 0]) * [-side, 1], arc.codes)


def _targets(axis: Axes, rows: pd.DataFrame, y: np.ndarray, height: float) -> None:
    """One line if the target is the same for all, a tick for each row if not."""
    targets = rows["target"].dropna().unique()
    if len(targets) == 1:
        axis.axvline(targets[0], color=INK, linewidth=0.7, zorder=0)
    elif len(targets):
        axis.vlines(rows["target"], y - height / 2, y + height / 2, color=INK, linewidth=0.9)


def _band(axis: Axes, rows: pd.DataFrame, y: np.ndarray, height: float, level: float) -> None:
    lower, upper = band(rows["n"].to_numpy(float), level)
    axis.barh(y, upper - lower, height, left=lower, color=INK, alpha=0.13, linewidth=0, zorder=-1)


# ---- nested-loop plot


def nested_loop(
    rows: pd.DataFrame, axes: Sequence[str], level: float, measures: Sequence[str] | None = None, name: str = "nested_loop"
) -> Drawing:
    """One term's measures over all combinations of a sweep's axes, as steps (Rücker & Schwarzer 2014).

    The combinations stand in the order of the axes, the last running fastest; below, each axis as a step line.
    """
    rows, term = _one_term(rows if measures is None else rows[rows["measure"].isin(measures)])
    measures, looks = list(dict.fromkeys(rows["measure"])), styles(rows["source"])
    values = {axis: list(dict.fromkeys(rows[axis])) for axis in axes}
    points = list(product(*values.values()))
    handles = [handle(look, marker=False) for look in looks.values()] + [rule("Target", (0, (1, 1.5)))]
    figure, panel = _loop_panels(len(measures), len(axes), handles)
    for axis, measure in zip(panel, measures, strict=False):
        part = rows[rows["measure"] == measure]
        for source, look in looks.items():
            mine = part[part["source"] == source].set_index(list(axes)).reindex(_index(points, axes))
            _steps(axis, mine, look, level)
        for target in part["target"].dropna().unique()[:1]:
            axis.axhline(target, color=INK, linewidth=0.7, linestyle=(0, (1, 1.5)), zorder=0)
        axis.set_ylabel(header(measure))
        axis.tick_params(axis="x", length=0, labelbottom=False)
        axis.locator_params(axis="y", nbins=5)
    _step_legend(panel[-1], values, points)
    text = (
        f"Nested-loop plot for {term} over {_replicates(rows)} a point: each measure by method over the {len(points)} "
        f"combinations of {listed(list(axes))}, the last running fastest. Bands are {percent(level)} Monte Carlo "
        f"intervals{_wilson_note(rows)}; the dotted line is the target; the steps below show the values of each axis."
    )
    return Drawing(name, text, f"Step lines by method over {len(points)} combinations. {_ranges(rows)}", figure)


def _loop_panels(measures: int, axes: int, handles: Sequence[Any]) -> tuple[Any, list[Axes]]:
    from matplotlib.figure import Figure

    heights = [1.45] * measures + [0.36 * axes + 0.1]
    figure = Figure(figsize=(WIDTH, sum(heights) + LEGEND_ROW * -(-len(handles) // 3) + 0.2), layout="constrained")
    panel = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    longest = max(len(h.get_label()) for h in handles)
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), max(1, 80 // (longest + 7))))
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
        edges, np.append(lower, lower[-1]), np.append(upper, upper[-1]), step="post", color=look.color, alpha=0.18,
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
        axis.text(0, base + 1.15, fitted(f"{name}: {', '.join(map(_short, known))}", 105, 1), fontsize=7, va="bottom")
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
    rows, term = _one_term(rows)
    measure, looks = rows["measure"].iloc[0], styles(rows["source"])
    facets = list(dict.fromkeys(rows[facet])) if facet else [None]
    order = {axis: list(dict.fromkeys(rows[axis])) for axis in (down, across)}
    digits = _digits(rows["mcse"])
    targets = rows["target"].dropna().unique()
    centre = float(targets[0]) if len(targets) == 1 else float(rows["estimate"].mean())
    reach = float((rows["estimate"] - centre).abs().max()) or 1.0
    columns = max(1, int(WIDTH // (0.5 * len(order[across]) + 0.55)))
    columns = min(columns, len(looks)) if facet else columns
    figure, axes = panels(len(facets) * len(looks), columns, 0.31 * len(order[down]) + 0.75)
    for axis, (value, source) in zip(axes, product(facets, looks), strict=True):
        part = rows[(rows["source"] == source) & (rows[facet] == value if facet else True)]
        mesh = _cells(axis, part, down, across, order, level, (centre, reach, digits))
        title = looks[source].label if value is None else f"{looks[source].label}, {facet} {_short(value)}"
        axis.set_title(fitted(title, 8 + 8 * len(order[across]), 3), fontsize=7.5)
    bar = figure.colorbar(mesh, ax=axes, location="bottom", shrink=0.5, aspect=40, pad=0.02)
    bar.set_label(header(measure))
    bar.outline.set_linewidth(0.5)
    bar.ax.axvline(centre, color=ON_COLOUR, linewidth=0.7)
    figure.set_size_inches(WIDTH, figure.get_figheight() + 0.55)
    middle = f"the target {centre:g}" if len(targets) == 1 else f"the mean {centre:.3g}, as there is no one target"
    text = (
        f"{header(measure)} for {term} over {_replicates(rows)} a cell, with its Monte Carlo standard error below; "
        f"rows are {down}, columns {across}. The neutral colour is {middle}; cells whose {percent(level)} Monte Carlo "
        f"interval{_wilson_note(rows)} does not hold it are bold."
    )
    return Drawing(name, text, f"Grids of numbers on coloured cells, one a method. {_ranges(rows)}", figure)


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
        estimate, ax=axis, cmap=LinearSegmentedColormap.from_list("about", TINTS), vmin=centre - reach,
        vmax=centre + reach, cbar=False, linewidths=0.8, linecolor="#ffffff",
        xticklabels=[_short(v) for v in order[across]], yticklabels=[_short(v) for v in order[down]],
    )  # fmt: skip
    for (i, j), number in np.ndenumerate(estimate.to_numpy(float)):
        missing = not np.isfinite(number)
        words = "–" if missing else f"{fixed(number, digits)}\n±{fixed(mcse.iat[i, j], digits)}"
        bold = not missing and bool(off.iat[i, j])
        axis.text(
            j + 0.5, i + 0.5, words, ha="center", va="center", fontsize=6, linespacing=1.1,
            color=INK if missing else ON_COLOUR, fontweight="bold" if bold else "normal",
        )  # fmt: skip
    axis.set_xlabel(fitted(across, 26), fontsize=7)
    axis.set_ylabel(fitted(down, 20), fontsize=7)
    axis.tick_params(length=0, labelsize=6.5)
    axis.tick_params(axis="y", rotation=0)
    axis.tick_params(axis="x", rotation=0)
    return axis.collections[0]


def _digits(mcse: pd.Series) -> int:
    """As many decimals as show one digit of the smallest Monte Carlo error, at most three."""
    positive = mcse[mcse > 0]
    return 3 if positive.empty else int(np.clip(-np.floor(np.log10(positive.median())), 0, 3))


# ---- rows and words


def _estimated(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows[rows["source"].isin(drawn(rows["source"])) & np.isfinite(rows["estimate"])]
    if rows.empty:
        raise MiceSimError("There is no number to draw; give rows of the performance frame with estimates.")
    return rows.reset_index(drop=True)


def _one_term(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    rows = _estimated(rows)
    terms = list(dict.fromkeys(rows["term"]))
    if len(terms) > 1:
        raise MiceSimError(f"The figure shows one term, and the rows hold {listed(terms)}; choose one.")
    return rows, terms[0]


def _points(rows: pd.DataFrame, axes: Sequence[str]) -> pd.Series:
    short = [axis.rsplit(".", 1)[-1] for axis in axes]
    texts = [", ".join(f"{a} {_short(v)}" for a, v in zip(short, point, strict=True)) for point in rows[list(axes)].to_numpy()]
    return pd.Series(texts, index=rows.index)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _replicates(rows: pd.DataFrame) -> str:
    least, most = int(rows["n"].min()), int(rows["n"].max())
    return f"{most} replicates" if least == most else f"{least} to {most} replicates"


def _wilson_note(rows: pd.DataFrame) -> str:
    return " (Wilson's for proportions)" if rows["measure"].isin(PROPORTIONS).any() else ""


def _ranges(rows: pd.DataFrame) -> str:
    """Say where each source's numbers lie, for those who can't see them."""
    sentences: Iterable[str] = (
        f"{header(str(measure))}: "
        + ", ".join(
            f"{source} {fixed(mine['estimate'].min(), 3)} to {fixed(mine['estimate'].max(), 3)}"
            for source, mine in part.groupby("source", sort=False)
        )
        + "."
        for measure, part in rows.groupby("measure", sort=False)
    )
    return " ".join(sentences)
