"""The figures of a study: sampling distributions from stored replicates, bias and coverage from the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mice_sim.report.tables import MAKERS, ReportTable, data_columns, paper_name
from mice_sim.study.store import Store
from mice_sim.study.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 6.3  # inches: the text width of a page
INK = "#262626"  # of text and lines; the page swaps it for its own text colour
Z95 = 1.959963984540054
# Okabe & Ito's blue and vermilion; dashes and markers say it again in grey print.
STYLES: dict[str, dict[str, Any]] = {
    "bootstrap": {"color": "#0072b2", "line": "-", "marker": "o", "label": "Bootstrap samples"},
    "synthetic": {"color": "#d55e00", "line": (0, (4, 1.5)), "marker": "s", "label": "Synthetic data"},
}
SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 8, "axes.titlesize": 8.5, "axes.labelsize": 8,
    "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 8, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 3, "ytick.major.size": 3,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    "text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "mice_sim", "pdf.fonttype": 42,
}  # fmt: skip
# Without dates and versions a figure's file depends on its numbers alone.
METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
}


# (source, term): a statistic's values over replicates.
Values = Mapping[tuple[str, str], np.ndarray]
Columns = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Drawing:
    """A figure with its file name, its caption and the words that stand in for it."""

    name: str
    caption: str
    alt: str
    figure: Figure


def write_figures(
    directory: Path, store: Store, summary: Summary, config: Mapping[str, Any], tables: Sequence[ReportTable]
) -> list[Drawing]:
    """Draw the figures that the study has numbers for, as `<name>.png`, `.pdf` and `.svg`."""
    import matplotlib

    directory.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a person's own matplotlibrc must not show
        matplotlib.rcParams.update(SETTINGS)
        drawings = draw(store, summary, config, tables)
        for drawing in drawings:
            for kind, metadata in METADATA.items():
                drawing.figure.savefig(
                    directory / f"{drawing.name}.{kind}", dpi=200, metadata=metadata, transparent=kind == "svg"
                )
    return drawings


def draw(store: Store, summary: Summary, config: Mapping[str, Any], tables: Sequence[ReportTable]) -> list[Drawing]:
    kinds = {table.kind: table for table in tables}
    models = [table for table in tables if table.kind not in MAKERS]
    columns = data_columns(config)
    drawings = []
    if "descriptives" in kinds and any(_is_continuous(columns, t) for t in kinds["descriptives"].frame["term"]):
        means = replicate_values(store, config["replicates"], kinds["descriptives"].name, "mean")
        drawings.append(draw_means(kinds["descriptives"], means, summary.replicates, columns))
    if "counts" in kinds:
        counts = replicate_values(store, config["replicates"], kinds["counts"].name, "count")
        drawings.append(draw_counts(kinds["counts"], counts, summary.replicates, columns))
    if models:
        level = float(config["pooling"]["level"])
        drawings += [draw_coverage(models, summary.replicates, level), draw_bias(models, summary.replicates)]
    return drawings


# ---- Figures 1 and 2: sampling distributions


def replicate_values(store: Store, replicates: int, analysis: str, statistic: str) -> Values:
    """Return one statistic's values over replicates; other columns are not kept."""
    labels = store.labels()
    wanted = labels[(labels["analysis"] == analysis) & (labels["statistic"] == statistic)]
    blocks = [values[:, wanted.index] for _, values, _ in store.blocks(replicates)]
    return dict(zip(zip(wanted["source"], wanted["term"], strict=True), np.concatenate(blocks).T, strict=True))


def draw_means(table: ReportTable, values: Values, replicates: int, columns: Columns) -> Drawing:
    """Figure 1: densities of the replicate means of the continuous variables."""
    terms = [t for t in dict.fromkeys(table.frame["term"]) if _is_continuous(columns, t)]
    truth = _truths(table, "mean")
    figure, axes = _panels(len(terms), across=3, height=1.55)
    for axis, term in zip(axes, terms, strict=True):
        for source in STYLES:
            _density(axis, values[source, term], source)
        axis.axvline(truth[term], color=INK, linewidth=0.7, zorder=0)
        axis.set_title(columns.get(term, {}).get("label", term))
        axis.set_xlabel(_with_unit("mean", columns.get(term, {})))
        axis.set_yticks([])
        axis.set_ylim(bottom=0)
        axis.spines["left"].set_visible(False)
    _legend(figure, lines=True, truth="Original data")
    text = (
        f"Sampling distributions of the means of the continuous variables over {replicates} replicates: "
        "bootstrap samples and synthetic data. The vertical line is the mean in the original data."
    )
    alt = f"Density curves, one panel a variable. {_gap_in_words(values, terms)}"
    return Drawing("means", _numbered(table, text), alt, figure)


def draw_counts(table: ReportTable, values: Values, replicates: int, columns: Columns) -> Drawing:
    """Figure 2: box plots of the number of rows in each category."""
    truth = _truths(table, "mean_count")
    variables: dict[str, list[str]] = {}
    for term in dict.fromkeys(table.frame["term"]):
        variables.setdefault(term.split(":", 1)[0], []).append(term)
    figure, axes = _panels(len(variables), across=3, height=2.3)
    for axis, (variable, terms) in zip(axes, variables.items(), strict=True):
        for offset, source in zip((-0.2, 0.2), STYLES, strict=True):
            _boxes(axis, [values[source, t] for t in terms], offset, source)
        middles = np.arange(len(terms))
        axis.hlines([truth[t] for t in terms], middles - 0.42, middles + 0.42, color=INK, linewidth=0.7)
        axis.set_xticks(range(len(terms)), [t.split(":", 1)[1] for t in terms])
        axis.set_title(columns.get(variable, {}).get("label", variable))
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("rows in the category")
    _legend(figure, lines=False, truth="Original data")
    text = (
        f"Sampling distributions of the number of rows in each category over {replicates} replicates: bootstrap "
        "samples, and synthetic data (averaged over the synthetic sets). The line across is the original data's count. "
        "Boxes are quartiles; whiskers reach at most 1.5 times the box's height."
    )
    alt = f"Box plots, one panel a variable, a pair of boxes a category. {_gap_in_words(values, list(truth))}"
    return Drawing("counts", _numbered(table, text), alt, figure)


def _is_continuous(columns: Columns, term: str) -> bool:
    return columns.get(term, {}).get("kind", "continuous") == "continuous"


def _density(axis: Axes, values: np.ndarray, source: str) -> None:
    from scipy.stats import gaussian_kde

    style, values = STYLES[source], values[np.isfinite(values)]
    if len(values) < 3 or np.ptp(values) == 0:
        return  # no density to speak of
    grid = np.linspace(values.min() - 0.5 * values.std(), values.max() + 0.5 * values.std(), 256)
    axis.plot(grid, gaussian_kde(values)(grid), color=style["color"], linestyle=style["line"], linewidth=1.3)


def _boxes(axis: Axes, values: list[np.ndarray], offset: float, source: str) -> None:
    colour = STYLES[source]["color"]
    line, median = {"color": colour, "linewidth": 0.8}, {"color": colour, "linewidth": 1.3}
    axis.boxplot(
        [v[np.isfinite(v)] for v in values], positions=np.arange(len(values)) + offset, widths=0.32,
        patch_artist=True, boxprops={"facecolor": f"{colour}33", "edgecolor": colour, "linewidth": 0.8},
        medianprops=median, whiskerprops=line, capprops=line, manage_ticks=False,
        flierprops={"marker": ".", "markersize": 1.5, "markeredgecolor": colour, "markerfacecolor": colour},
    )  # fmt: skip


def _truths(table: ReportTable, statistic: str) -> dict[str, float]:
    original = table.frame[table.frame["source"] == "original"]
    return dict(zip(original["term"], original[statistic], strict=True))


def _gap_in_words(values: Values, terms: Sequence[str]) -> str:
    """Say how far apart the two distributions are, for those who can't see them."""
    gaps = [
        abs(np.nanmean(values["synthetic", t]) - np.nanmean(values["bootstrap", t])) / np.nanstd(values["bootstrap", t])
        for t in terms
        if np.nanstd(values["bootstrap", t]) > 0
    ]
    if not gaps:
        return ""
    return (
        f"The centres of bootstrap and synthetic distributions differ by at most {max(gaps):.2f} "
        "standard deviations of the bootstrap distribution."
    )


# ---- bias and coverage


def draw_coverage(models: Sequence[ReportTable], replicates: int, level: float) -> Drawing:
    """Coverage of each coefficient, with 95 % Monte Carlo intervals."""
    figure, axes = _term_panels(models)
    for axis, table in zip(axes, models, strict=True):
        for source, rows, y in _by_source(table):
            share, n = rows["coverage"].to_numpy(float), rows["replicates"].to_numpy(float)
            _intervals(axis, share, wilson(share, n), y, source)
        axis.axvline(level, color=INK, linewidth=0.7, zorder=0)
        axis.set_xlabel(f"coverage of the {100 * level:g} % confidence interval")
    _legend(figure, lines=False, markers=True, truth=f"Nominal level {level:g}")
    text = (
        f"Coverage of the {100 * level:g} % confidence intervals over {replicates} replicates, with 95 % Monte Carlo "
        "intervals (Wilson). The vertical line is the nominal level."
    )
    return Drawing("coverage", text, f"Dots with error bars. {_range_in_words(models, 'coverage')}", figure)


def draw_bias(models: Sequence[ReportTable], replicates: int) -> Drawing:
    """Bias of each coefficient in units of its empirical standard error."""
    figure, axes = _term_panels(models)
    for axis, table in zip(axes, models, strict=True):
        for source, rows, y in _by_source(table):
            bias, half = rows["bias"] / rows["emp_se"], Z95 * rows["bias_mcse"] / rows["emp_se"]
            _intervals(axis, bias.to_numpy(float), np.array([bias - half, bias + half], dtype=float), y, source)
        axis.axvline(0, color=INK, linewidth=0.7, zorder=0)
        axis.set_xlabel("bias / empirical standard error")
    _legend(figure, lines=False, markers=True, truth="No bias")
    text = (
        f"Bias in units of the empirical standard error over {replicates} replicates, with 95 % Monte Carlo intervals. "
        "The vertical line is no bias."
    )
    return Drawing("bias", text, f"Dots with error bars. {_range_in_words(models, 'bias', 'emp_se')}", figure)


def wilson(share: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the 95 % limits (2, k) of a proportion; unlike p ± 1.96 MCSE they have a width at 0 and 1."""
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    return np.stack([centre - half, centre + half])


def _by_source(table: ReportTable) -> list[tuple[str, pd.DataFrame, np.ndarray]]:
    """The rows of each source and their heights in the panel, in the order of the terms."""
    pairs = zip(STYLES, (-0.16, 0.16), strict=True)
    found = [(source, table.frame[table.frame["source"] == source], offset) for source, offset in pairs]
    return [(source, rows, np.arange(len(rows)) + offset) for source, rows, offset in found]


def _intervals(axis: Axes, at: np.ndarray, limits: np.ndarray, y: np.ndarray, source: str) -> None:
    style = STYLES[source]
    axis.hlines(y, limits[0], limits[1], color=style["color"], linewidth=1)
    axis.plot(at, y, linestyle="none", marker=style["marker"], markersize=3.5, color=style["color"])


def _range_in_words(models: Sequence[ReportTable], statistic: str, unit: str | None = None) -> str:
    """Say where each source's numbers lie, for those who can't see them."""
    frame = pd.concat([table.frame for table in models])
    values = frame[statistic] / frame[unit] if unit else frame[statistic]
    parts = [
        f"{source} from {values[frame['source'] == source].min():.3f} to {values[frame['source'] == source].max():.3f}"
        for source in STYLES
    ]
    return f"Range of {statistic}: {', '.join(parts)}."


# ---- canvas


def _panels(n: int, across: int, height: float) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    columns = min(n, across)
    rows = -(-n // columns)
    figure = Figure(figsize=(WIDTH, rows * height + 0.35), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[n:]:
        axis.remove()
    return figure, list(axes[:n])


def _term_panels(models: Sequence[ReportTable]) -> tuple[Figure, list[Axes]]:
    """One panel a model, terms from top to bottom; a panel is as high as it has terms."""
    from matplotlib.figure import Figure

    terms = [list(dict.fromkeys(table.frame["term"])) for table in models]
    across = min(len(models), 2)
    rows = -(-len(models) // across)
    height = 0.25 * max(map(len, terms)) + 0.85
    figure = Figure(figsize=(WIDTH, rows * height + 0.35), layout="constrained")
    axes = figure.subplots(rows, across, squeeze=False, sharex=True).ravel()
    for axis, table, names in zip(axes, models, terms, strict=False):
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.4, -0.6)
        axis.tick_params(axis="y", length=0)
        axis.tick_params(axis="x", labelbottom=True)
        lines = [shorten(part, 44, placeholder=" …") for part in table.title.split(", ", 1)]
        axis.set_title("\n".join(lines), loc="left")
    for axis in axes[len(models) :]:
        axis.remove()
    return figure, list(axes[: len(models)])


def _legend(figure: Figure, lines: bool, truth: str, markers: bool = False) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    for style in STYLES.values():
        colour, label = style["color"], style["label"]
        if lines:
            handles.append(Line2D([], [], color=colour, linestyle=style["line"], linewidth=1.3, label=label))
        elif markers:
            marker = {"marker": style["marker"], "markersize": 3.5}
            handles.append(Line2D([], [], color=colour, linewidth=1, label=label, **marker))
        else:
            handles.append(Patch(facecolor=f"{colour}33", edgecolor=colour, linewidth=0.8, label=label))
    handles.append(Line2D([], [], color=INK, linewidth=0.7, label=truth))
    figure.legend(handles=handles, loc="outside upper center", ncols=3)


def _with_unit(text: str, column: Mapping[str, Any]) -> str:
    return f"{text} ({column['unit']})" if column.get("unit") else text


def _numbered(table: ReportTable, text: str) -> str:
    return f"{paper_name(table.figure)}. {text}" if table.figure else text
