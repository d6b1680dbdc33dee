"""Figures for one data set and what was drawn for it: patterns, flux, traces, and drawn values beside observed ones.

`result` is what `impute` and `synthesize` return. Observed values are blue, drawn ones vermilion; drawn cells are
those of `result.where`, or all cells of sequentially synthesised data. Every function returns a matplotlib Figure as
wide as a page at most; `figure.savefig("name.pdf")` writes it. The same data give the same figure: points are moved
aside by a random stream of its own, and of many points evenly spaced ones are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
import pandas as pd

from mice_sim import streams
from mice_sim.assessment import convergence, flux, md_pattern
from mice_sim.data import Column
from mice_sim.errors import MiceSimError, nearest
from mice_sim.report.style import (
    CHARACTER,
    INK,
    LINES,
    MARKERS,
    PALETTE,
    SETTINGS,
    WIDTH,
    Style,
    fitted,
    handle,
    panels,
)
from mice_sim.synthesis.result import Synthesis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

OBSERVED = Style(PALETTE["blue"], "-", "o", "Observed")
DRAWN = Style(PALETTE["vermilion"], "-", "D", "Synthetic")
IMPUTED = Style(PALETTE["vermilion"], "-", "D", "Imputed")
SHOWN = 5  # sets side by side, if not asked for otherwise
CURVES = 20  # sets on top of each other
POINTS = 1500  # in a strip or panel
LINE = 0.14  # inches: a line of type
TINT = "55"  # opacity of an area, in the manner of #rrggbbaa


def _styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the project's looks whatever a person's own matplotlibrc says."""

    @wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> Figure:
        import matplotlib

        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update({**SETTINGS, "figure.dpi": 150})
            return draw(*args, **kwargs)

    return inner


# ---- what is missing


@_styled
def plot_pattern(data: pd.DataFrame, most: int = 30) -> Figure:
    """Draw the missing data patterns as a grid: how many rows have each, and how many values each column misses.

    most : the number of patterns to show, the most frequent ones. Raises MiceSimError if `data` is no frame or empty.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    table = md_pattern(data)
    counts = np.array(table.index[:-1], dtype=int)
    shown = np.sort(np.argsort(-counts, kind="stable")[:most])
    body, names = table.iloc[:-1, :-1].to_numpy()[shown], [str(name) for name in table.columns[:-1]]
    n_patterns, n_columns = body.shape
    cell = min(0.55, (WIDTH - 1.3) / n_columns)
    horizontal = max(map(len, names)) * CHARACTER < cell
    figure = Figure(figsize=(max(1.3 + cell * n_columns, 3.4), 1.3 + 0.21 * n_patterns), layout="constrained")
    axis = figure.subplots()
    grounds = np.array([PALETTE["vermilion"], PALETTE["blue"] + TINT])
    for row, pattern in enumerate(body):
        axis.bar(np.arange(n_columns), 0.9, 0.94, bottom=row - 0.45, color=grounds[pattern], linewidth=0)
    axis.set(xlim=(-0.55, n_columns - 0.45), ylim=(n_patterns - 0.45, -0.55))
    axis.set_xticks(range(n_columns), [fitted(name, 24, 1) for name in names], rotation=0 if horizontal else 90)
    axis.set_yticks(range(n_patterns), [f"{count:,}" for count in counts[shown]])
    axis.set_ylabel("rows")
    right, below = axis.twinx(), axis.twiny()
    axis.xaxis.tick_top()  # after twiny, which moves it back
    right.set(ylim=axis.get_ylim(), ylabel="values missing")
    right.set_yticks(range(n_patterns), [str(k) for k in (1 - body).sum(axis=1)])
    totals = table.iloc[-1].to_numpy()
    below.set(xlim=axis.get_xlim())
    below.xaxis.tick_bottom()
    below.xaxis.set_label_position("bottom")
    below.set_xticks(range(n_columns), [f"{k:,}" for k in totals[:-1]], rotation=90 if cell < 0.4 else 0)
    hidden = len(counts) - len(shown)
    below.set_xlabel(
        f"rows that miss the column; {totals[-1]:,} values missing in all"
        + (
            f"\n{hidden:,} rarer patterns with {counts.sum() - counts[shown].sum():,} rows are not shown"
            if hidden
            else ""
        )
    )
    for each in (axis, right, below):
        each.tick_params(length=0)
        each.spines[:].set_visible(False)
    figure.legend(
        handles=[Patch(color=grounds[1], label="Observed"), Patch(color=grounds[0], label="Missing")],
        loc="outside upper center", ncols=2,
    )  # fmt: skip
    return figure


@_styled
def plot_flux(data: pd.DataFrame) -> Figure:
    """Draw each column's outflux against its influx; see `flux`. Raises MiceSimError if nothing is missing.

    Columns high up are good predictors for others, columns to the right depend most on others. A column below the line
    is worth less than its share of observed values.
    """
    numbers = flux(data)
    if numbers["outflux"].isna().any() or numbers["influx"].isna().any():
        raise MiceSimError("The data has no missing values, or nothing else, so there is no flux to draw.")
    figure, (axis,) = panels(1, 1, max(4.2, 0.7 + LINE * len(numbers)))
    axis.plot([0, 1], [1, 0], color=INK, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    axis.plot(numbers["influx"], numbers["outflux"], "o", color=OBSERVED.color, markersize=4, clip_on=False)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04), xlabel="influx", ylabel="outflux")
    labels = _labels(numbers)
    places = _places(labels)
    if places is None:
        _ladder(axis, numbers, LINE / (figure.get_figheight() - 0.55))
    else:
        for (point, text), (right, up) in zip(labels.items(), places, strict=True):
            axis.annotate(
                text, point, (right, up), textcoords="offset points", fontsize=7.5, va="center",
                ha="left" if right > 0 else "right",
            )  # fmt: skip
    return figure


def _labels(numbers: pd.DataFrame) -> dict[tuple[float, float], str]:
    """Return what to write at which point; points that touch share a label."""
    points: dict[tuple[float, float], list[str]] = {}
    for name, x, y in zip(numbers.index, numbers["influx"], numbers["outflux"], strict=True):
        near = next((point for point in points if abs(point[0] - x) < 0.012 and abs(point[1] - y) < 0.018), (x, y))
        points.setdefault(near, []).append(str(name))
    return {point: ", ".join(names) for point, names in points.items()}


def _places(labels: Mapping[tuple[float, float], str]) -> list[tuple[float, float]] | None:
    """Return where to write each label, in points from its point, or None if there is no room for all."""
    width, height = 5.45, 3.55  # inches of the axes from 0 to 1
    taken = [(x * width - 0.03, y * height - 0.03, x * width + 0.03, y * height + 0.03) for x, y in labels]
    places = {}
    for x, y in sorted(labels, reverse=True):  # from right to left, as labels go to the right where they can
        long = len(labels[x, y]) * CHARACTER
        for right, up in ((6.0, 0.0), (6.0, 6.0), (6.0, -6.0), (-6.0, 0.0), (-6.0, 6.0), (-6.0, -6.0)):
            start = x * width + right / 72 - (long if right < 0 else 0)
            middle = y * height + up / 72
            box = (start, middle - LINE / 2, start + long, middle + LINE / 2)
            if start > 0 and box[2] < width and not any(_overlap(box, other) for other in taken):
                places[x, y] = (right, up)
                taken.append(box)
                break
        else:
            return None
    return [places[point] for point in labels]


def _ladder(axis: Axes, numbers: pd.DataFrame, line: float) -> None:
    """Write the names below each other, right of all points, with a line to each; `line` is a line's height."""
    order = numbers.sort_values(["outflux", "influx"], ascending=[False, True])
    heights = order["outflux"].to_numpy().copy()
    for i in range(1, len(heights)):
        heights[i] = min(heights[i], heights[i - 1] - line)
    heights[-1] = max(heights[-1], 0)
    for i in range(len(heights) - 1, 0, -1):
        heights[i - 1] = max(heights[i - 1], heights[i] + line)
    start = float(order["influx"].max())
    for (name, row), height in zip(order.iterrows(), heights, strict=True):
        axis.plot([row["influx"], start + 0.03, start + 0.06], [row["outflux"], height, height], color=INK,
                  linewidth=0.3, clip_on=False, zorder=0)  # fmt: skip
        axis.text(start + 0.065, height, fitted(str(name), 40, 1), fontsize=7.5, va="center")


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


# ---- chains


@_styled
def plot_traces(result: Synthesis, columns: Sequence[str] | None = None) -> Figure:
    """Draw the mean and the standard deviation of each column's drawn cells by iteration, a line a chain.

    Factors count by level number, from 1. Lines that mingle and have no trend speak for convergence.

    result : of `impute`, or of `synthesize` in linked mode. columns : names; by default all with drawn cells.

    Raises
    ------
    MiceSimError
        For an unknown column, and a result or column without chains.
    """
    if result.chain is None:
        raise MiceSimError("The sets were not drawn by iterating, so there are no chains to draw.")
    moving = [name for j, name in enumerate(result.original.names) if not np.isnan(result.chain.mean[j]).all()]
    shown = _known(result, columns, moving, "chains")
    iterations, m = result.chain.mean.shape[1:]
    looks = _cycle([f"Chain {i + 1}" for i in range(m)])  # of two-step data, the imputations
    figure, axes = panels(
        2 * len(shown),
        2 if len(shown) < 4 else 4,
        1.35,
        [handle(look, marker=False) for look in looks] if m <= 10 else [],
    )
    for axis, (name, parameter) in zip(axes, [(n, p) for n in shown for p in ("mean", "sd")], strict=True):
        chains = getattr(result.chain, parameter)[result.original.index(name)]
        for look, chain in zip(looks, chains.T, strict=True):
            axis.plot(np.arange(1, iterations + 1), chain, color=look.color, linestyle=look.line, linewidth=0.9)
        axis.set_title(f"{fitted(name, 24, 1)}: {parameter}")
        _whole_ticks(axis, iterations)
    for axis in axes[-(2 if len(shown) < 4 else 4) :]:
        axis.set_xlabel("iteration")
    return figure


@_styled
def plot_sampler(result: Synthesis, parameters: Sequence[str] | None = None) -> Figure:
    """Draw the draws of a joint model's parameters along its chains, a line a chain.

    parameters : names, as `result.sampler.names` has them; by default the twelve of the largest R-hat. Raises
    MiceSimError for a result without such chains and for an unknown parameter.
    """
    sampler = result.sampler
    if sampler is None:
        raise MiceSimError("The sets were not drawn by a joint model, so there are no parameters to draw.")
    known = list(sampler.names)
    if parameters is None:
        worst = sampler.summary()["rhat"].sort_values(ascending=False).index[:12]
        parameters = [name for name in known if name in worst]
    for name in parameters:
        if name not in known:
            raise MiceSimError(f"There is no parameter '{name}'{nearest(str(name), known)}")
    draws, chains = sampler.draws.shape[:2]
    looks = _cycle([f"Chain {c + 1}" for c in range(chains)])
    across = 2 if len(parameters) < 5 else 4
    figure, axes = panels(len(parameters), across, 1.35, [handle(look, marker=False) for look in looks])
    cycles = sampler.burn_in + sampler.thin * np.arange(1, draws + 1)
    for axis, name in zip(axes, parameters, strict=True):
        for look, chain in zip(looks, sampler.draws[:, :, known.index(name)].T, strict=True):
            axis.plot(cycles, chain, color=look.color, linestyle=look.line, linewidth=0.5)
        axis.set_title(fitted(name, 30, 1))
    for axis in axes[-across:]:
        axis.set_xlabel("cycle")
    return figure


@_styled
def plot_convergence(result: Synthesis, parameter: str = "mean") -> Figure:
    """Draw autocorrelation and R-hat by iteration, a line a column; see `convergence`, also for errors."""
    frame = convergence(result, parameter).dropna(subset=["ac", "rhat"], how="all")  # type: ignore[arg-type]
    names = list(dict.fromkeys(frame["variable"]))
    if not names:
        raise MiceSimError("No cell was drawn, so there are no chains to draw.")
    looks = _cycle(names)
    figure, axes = panels(2, 2, 2.3, [handle(look) for look in looks])
    for axis, (what, label, target) in zip(axes, (("ac", "autocorrelation", 0), ("rhat", "R-hat", 1)), strict=True):
        for look, (_, mine) in zip(looks, frame.groupby("variable", sort=False), strict=True):
            axis.plot(
                mine["iteration"], mine[what], color=look.color, linestyle=look.line, linewidth=0.9,
                marker=look.marker, markersize=2.5,
            )  # fmt: skip
        axis.axhline(target, color=INK, linewidth=0.6, zorder=0)
        axis.set(xlabel="iteration", ylabel=f"{label} of chain {parameter}s")
        _whole_ticks(axis, int(frame["iteration"].max()))
    return figure


# ---- drawn values beside observed ones


@_styled
def plot_strip(result: Synthesis, columns: Sequence[str] | None = None, sets: Sequence[int] | None = None) -> Figure:
    """Draw every observed value and, side by side, the drawn values of each set.

    Parameters
    ----------
    result : of `impute` or `synthesize`. columns : names; by default all with drawn cells. sets : numbers from 1; by
        default the first five.

    Raises
    ------
    MiceSimError
        For an unknown column or set, and a column in which nothing is drawn.
    """
    shown, numbers, drawn = _known(result, columns), _set_numbers(result, sets, SHOWN), _look(result)
    figure, axes = panels(len(shown), 3, 2.0, [_dot(OBSERVED), _dot(drawn)])
    for axis, name in zip(axes, shown, strict=True):
        column, groups = _groups(result, name, numbers)
        for place, values in enumerate(groups):
            look = drawn if place else OBSERVED
            _points(axis, np.full(len(values), place), values, look, 0.34, 0.3 if column.is_factor else 0)
        _set_ticks(axis, numbers)
        _level_ticks(axis.yaxis, column)
        axis.set_title(fitted(name, 28, 1))
    return figure


@_styled
def plot_box(result: Synthesis, columns: Sequence[str] | None = None, sets: Sequence[int] | None = None) -> Figure:
    """Draw box plots of the observed values and of the drawn values of each set, for continuous columns.

    Boxes are quartiles; whiskers reach at most 1.5 times the box's height. Options and errors as `plot_strip`; a factor
    raises MiceSimError too.
    """
    continuous = [name for name in _drawn_names(result) if not _column(result, name).is_factor]
    shown = _known(result, columns, continuous, "continuous drawn values")
    numbers = _set_numbers(result, sets, SHOWN)
    drawn = _look(result)
    figure, axes = panels(len(shown), 3, 2.0, [_area(OBSERVED), _area(drawn)])
    for axis, name in zip(axes, shown, strict=True):
        for place, values in enumerate(_groups(result, name, numbers)[1]):
            _box(axis, values, place, drawn if place else OBSERVED)
        _set_ticks(axis, numbers)
        axis.set_title(fitted(name, 28, 1))
    return figure


@_styled
def plot_density(result: Synthesis, columns: Sequence[str] | None = None, sets: Sequence[int] | None = None) -> Figure:
    """Draw the distribution of the observed values and that of the drawn values, a line or a mark a set.

    Continuous columns have density curves (Gaussian kernels, Scott's rule), or ticks for values too few for a curve;
    factors the share of each level. By default at most 20 sets; other options and errors as `plot_strip`.
    """
    shown, numbers, drawn = _known(result, columns), _set_numbers(result, sets, CURVES), _look(result)
    figure, axes = panels(len(shown), 3, 1.75, [_area(OBSERVED), handle(drawn)])
    for axis, name in zip(axes, shown, strict=True):
        column, (observed, *groups) = _groups(result, name, numbers)
        if column.is_factor:
            _shares(axis, column, observed, groups, drawn)
        else:
            _densities(axis, observed, groups, drawn)
        axis.set_title(fitted(name, 28, 1))
        axis.set_ylim(bottom=0)
    return figure


@_styled
def plot_scatter(result: Synthesis, x: str, y: str, sets: Sequence[int] | None = None) -> Figure:
    """Draw two columns against each other, `x` across and `y` up: the observed pairs, then those of each set.

    A pair is drawn if either value is. Levels of factors are spread out. result : of `impute` or `synthesize`.
    sets : numbers from 1; by default the first five. Raises MiceSimError for an unknown column or set.
    """
    numbers, drawn = _set_numbers(result, sets, SHOWN), _look(result)
    across, up = (result.original.index(name) for name in (x, y))
    pairs = [result.original.values[[across, up]], *(result.sets[i - 1][[across, up]] for i in numbers)]
    hit = _cells(result)[[across, up]].any(axis=0)
    figure, axes = panels(len(pairs), 3, 1.9, [_dot(OBSERVED), _dot(drawn)], sharex=True, sharey=True)
    for place, (axis, pair) in enumerate(zip(axes, pairs, strict=True)):
        for look, rows in ((OBSERVED, ~hit), (drawn, hit)) if place else ((OBSERVED, np.full(pair.shape[1], True)),):
            whole = rows & ~np.isnan(pair).any(axis=0)
            wide, high = (0.3 if result.original.columns[j].is_factor else 0 for j in (across, up))
            _points(axis, pair[0, whole], pair[1, whole], look, wide, high)
        axis.set_title(f"Set {numbers[place - 1]}" if place else "Observed")
        _level_ticks(axis.xaxis, result.original.columns[across])
        _level_ticks(axis.yaxis, result.original.columns[up])
        axis.tick_params(labelbottom=True, labelleft=True)
    for axis in axes[-3:]:
        axis.set_xlabel(fitted(x, 28, 1))
    for axis in axes[::3]:
        axis.set_ylabel(fitted(y, 28, 1))
    return figure


# ---- what is shown


def _column(result: Synthesis, name: str) -> Column:
    return result.original.columns[result.original.index(name)]


def _cells(result: Synthesis) -> np.ndarray:
    """Return bool (columns, rows of a set), True where a cell was drawn."""
    if result.origin.mode == "sequential":
        return np.full(result.sets.shape[1:], True)
    return result.where


def _look(result: Synthesis) -> Style:
    return IMPUTED if result.origin.mode == "impute" else DRAWN


def _drawn_names(result: Synthesis) -> list[str]:
    return [name for name, cells in zip(result.original.names, _cells(result), strict=True) if cells.any()]


def _known(
    result: Synthesis, wanted: Sequence[str] | None, possible: list[str] | None = None, what: str = "drawn values"
) -> list[str]:
    """Return the names of the columns to show, or raise MiceSimError where there is nothing to show."""
    possible = _drawn_names(result) if possible is None else possible
    if wanted is None:
        if not possible:
            raise MiceSimError(f"No column has {what}, so there is nothing to draw.")
        return possible
    for name in [wanted] if isinstance(wanted, str) else wanted:
        result.original.index(name)
        if name not in possible:
            raise MiceSimError(f"Column '{name}' has no {what}; leave it out.")
    return [wanted] if isinstance(wanted, str) else list(wanted)


def _set_numbers(result: Synthesis, wanted: Sequence[int] | None, most: int) -> list[int]:
    there = len(result.sets)
    if wanted is None:
        return list(range(1, min(there, most) + 1))
    for number in wanted:
        if not 1 <= number <= there:
            raise MiceSimError(f"There is no set {number}; sets are numbered 1 to {there}.")
    return list(wanted)


def _groups(result: Synthesis, name: str, numbers: Sequence[int]) -> tuple[Column, list[np.ndarray]]:
    """Return the column, its observed values and the drawn ones of each set, without what is missing."""
    j = result.original.index(name)
    cells = _cells(result)[j]
    groups = [result.original.values[j], *(result.sets[i - 1, j, cells] for i in numbers)]
    return result.original.columns[j], [values[~np.isnan(values)] for values in groups]


def _cycle(labels: Sequence[str]) -> list[Style]:
    colours = list(PALETTE.values())
    return [
        Style(colours[i % len(colours)], LINES[i % len(LINES)], MARKERS[i % len(MARKERS)], label)
        for i, label in enumerate(labels)
    ]


# ---- marks


def _thinned(values: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many order statistics, evenly spaced."""
    return np.sort(values)[np.linspace(0, len(values) - 1, min(len(values), most)).round().astype(int)]


def _points(axis: Axes, x: np.ndarray, y: np.ndarray, look: Style, wide: float, high: float) -> None:
    """Draw points, moved aside at random by at most so much to each side."""
    some = np.linspace(0, len(x) - 1, min(len(x), POINTS)).round().astype(int)
    aside = streams.stream(0, "points").uniform(-1, 1, (2, len(some)))
    dense = len(some) > 200
    size = (1.9 if dense else 2.7) * (0.8 if look.marker == "D" else 1)  # a diamond is as wide, but has more area
    axis.plot(
        x[some] + wide * aside[0], y[some] + high * aside[1], linestyle="none", marker=look.marker, markersize=size,
        markeredgewidth=0, color=look.color, alpha=0.45 if dense else 0.7, rasterized=len(some) > 500,
    )  # fmt: skip


def _densities(axis: Axes, observed: np.ndarray, groups: list[np.ndarray], drawn: Style) -> None:
    for look, values in [(OBSERVED, observed), *((drawn, values) for values in groups)]:
        values = _thinned(values, 2 * POINTS)
        if len(values) < 3 or np.ptp(values) <= 1e-12 * np.abs(values).max():
            axis.plot(values, np.zeros(len(values)), "|", color=look.color, markersize=9, clip_on=False)
            continue
        grid, density = _density(values)
        if look is OBSERVED:
            axis.fill_between(grid, density, color=look.color + TINT, linewidth=0)
        thick, alpha = (1.3, 1) if look is OBSERVED else (0.7, 0.8)
        axis.plot(grid, density, color=look.color, linewidth=thick, alpha=alpha)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)


def _density(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the sorted values have a density, three bandwidths beyond them, and the density."""
    from scipy.stats import gaussian_kde

    scale = np.abs(values).max()  # the variance of huge or tiny values would leave the numbers there are
    kernels = gaussian_kde(values / scale)
    room = 3 * kernels.factor * (values / scale).std(ddof=1)
    grid = np.linspace(values[0] / scale - room, values[-1] / scale + room, 256)
    return grid * scale, kernels(grid) / scale


def _shares(axis: Axes, column: Column, observed: np.ndarray, groups: list[np.ndarray], drawn: Style) -> None:
    def shares(values: np.ndarray) -> np.ndarray:
        return np.bincount(values.astype(int), minlength=column.n_levels) / max(len(values), 1)

    places = np.arange(column.n_levels)
    axis.bar(places, shares(observed), 0.8, color=OBSERVED.color + TINT, edgecolor=OBSERVED.color, linewidth=0.8)
    for offset, values in zip(np.linspace(-0.25, 0.25, len(groups)) if len(groups) > 1 else [0], groups, strict=True):
        axis.plot(places + offset, shares(values), linestyle="none", marker=drawn.marker, markersize=2.4,
                  markeredgewidth=0, color=drawn.color)  # fmt: skip
    _level_ticks(axis.xaxis, column)
    axis.set_ylabel("share")


def _box(axis: Axes, values: np.ndarray, place: int, look: Style) -> None:
    line = {"color": look.color, "linewidth": 0.8}
    axis.boxplot(
        [values], positions=[place], widths=0.6, patch_artist=True, manage_ticks=False,
        boxprops={"facecolor": look.color + TINT, "edgecolor": look.color, "linewidth": 0.8},
        medianprops={"color": look.color, "linewidth": 1.4}, whiskerprops=line, capprops=line,
        flierprops={"marker": ".", "markersize": 2, "markeredgecolor": look.color, "rasterized": len(values) > 20_000},
    )  # fmt: skip


def _set_ticks(axis: Axes, numbers: Sequence[int]) -> None:
    axis.set_xticks(range(len(numbers) + 1), ["obs.", *map(str, numbers)])
    axis.set_xlim(-0.6, len(numbers) + 0.6)
    axis.set_xlabel("set")


def _level_ticks(axis: Any, column: Column) -> None:
    """Label the levels of a factor, as many as have room; upright where they would run into each other."""
    if column.levels is None:
        return
    step = -(-column.n_levels // 12)
    labels = [fitted(str(level), 12, 1) for level in column.levels[::step]]
    upright = axis.axis_name == "x" and sum(map(len, labels)) + len(labels) > 27
    axis.set_ticks(range(0, column.n_levels, step), labels, rotation=90 if upright else 0)
    axis.set_view_interval(-0.6, column.n_levels - 0.4, ignore=True)


def _whole_ticks(axis: Axes, last: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_xlim(1 - 0.02 * last, last * 1.02)
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _dot(look: Style) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="none", marker=look.marker, color=look.color, markersize=3.5, label=look.label)


def _area(look: Style) -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=look.color + TINT, edgecolor=look.color, linewidth=0.8, label=look.label)
