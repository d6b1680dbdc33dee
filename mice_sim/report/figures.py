"""The figures of a study: sampling distributions from stored replicates, bias and coverage from the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mice_sim.report.style import (
    INK,
    SAMPLES,
    Drawing,
    Style,
    drawn,
    handle,
    normal_quantile,
    offsets,
    panels,
    percent,
    rule,
    styles,
    wilson,
)
from mice_sim.report.tables import MAKERS, ReportTable, data_columns, paper_name
from mice_sim.study.store import Store
from mice_sim.study.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# (source, term): a statistic's values over replicates.
Values = Mapping[tuple[str, str], np.ndarray]
Columns = Mapping[str, Mapping[str, Any]]


def draw(
    store: Store, summary: Summary, config: Mapping[str, Any], tables: Sequence[ReportTable], models_too: bool = True
) -> list[Drawing]:
    """Draw what the tables have numbers for; without `models_too`, not the coverage and bias of models."""
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
    if models and models_too:
        level = float(config["pooling"]["level"])
        drawings += [draw_coverage(models, summary.replicates, level), draw_bias(models, summary.replicates, level)]
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
    truth, looks = _truths(table, "mean"), styles(source for source, _ in values)
    handles = [*(handle(look, marker=False, linewidth=1.3) for look in looks.values()), rule("Original data")]
    figure, axes = panels(len(terms), 3, 1.55, handles)
    for axis, term in zip(axes, terms, strict=True):
        for source, look in looks.items():
            _density(axis, values[source, term], look)
        if np.isfinite(truth.get(term, np.nan)):
            axis.axvline(truth[term], color=INK, linewidth=0.7, zorder=0)
        axis.set_title(columns.get(term, {}).get("label", term))
        axis.set_xlabel(_with_unit("mean", columns.get(term, {})))
        axis.set_yticks([])
        axis.set_ylim(bottom=0)
        axis.spines["left"].set_visible(False)
    text = (
        f"Sampling distributions of the means of the continuous variables over {replicates} replicates: "
        f"{_in_words(looks)}. The vertical line is the mean in the original data."
    )
    alt = f"Density curves, one panel a variable. {_gap_in_words(values, terms)}"
    return Drawing("means", _numbered(table, text), alt, figure)


def draw_counts(table: ReportTable, values: Values, replicates: int, columns: Columns) -> Drawing:
    """Figure 2: box plots of the number of rows in each category."""
    truth, looks = _truths(table, "mean_count"), styles(source for source, _ in values)
    variables: dict[str, list[str]] = {}
    for term in dict.fromkeys(table.frame["term"]):
        variables.setdefault(term.split(":", 1)[0], []).append(term)
    figure, axes = panels(len(variables), 3, 2.3, [*map(_patch, looks.values()), rule("Original data")])
    for axis, (variable, terms) in zip(axes, variables.items(), strict=True):
        for offset, (source, look) in zip(offsets(len(looks), 0.8), looks.items(), strict=True):
            _boxes(axis, [values[source, t] for t in terms], offset, 0.64 / len(looks), look)
        middles = np.arange(len(terms))
        known = [truth.get(t, np.nan) for t in terms]
        axis.hlines(known, middles - 0.42, middles + 0.42, color=INK, linewidth=0.7)
        axis.set_xticks(range(len(terms)), [t.split(":", 1)[1] for t in terms])
        axis.set_title(columns.get(variable, {}).get("label", variable))
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("rows in the category")
    text = (
        f"Sampling distributions of the number of rows in each category over {replicates} replicates: "
        f"{_in_words(looks, ', and ')} (averaged over the synthetic sets). The line across is the original data's "
        "count. Boxes are quartiles; whiskers reach at most 1.5 times the box's height."
    )
    group = "a pair of boxes" if len(looks) == 2 else f"{len(looks)} boxes"
    alt = f"Box plots, one panel a variable, {group} a category. {_gap_in_words(values, list(truth))}"
    return Drawing("counts", _numbered(table, text), alt, figure)


def _in_words(looks: Mapping[str, Style], last: str = " and ") -> str:
    labels = [
        look.label[0].lower() + look.label[1:] if look.label != source else source for source, look in looks.items()
    ]
    return last.join(filter(None, [", ".join(labels[:-1]), labels[-1]]))


def _is_continuous(columns: Columns, term: str) -> bool:
    return columns.get(term, {}).get("kind", "continuous") == "continuous"


def _density(axis: Axes, values: np.ndarray, look: Style) -> None:
    from scipy.stats import gaussian_kde

    values = values[np.isfinite(values)]
    if len(values) < 3 or np.ptp(values) == 0:
        return  # no density to speak of
    grid = np.linspace(values.min() - 0.5 * values.std(), values.max() + 0.5 * values.std(), 256)
    axis.plot(grid, gaussian_kde(values)(grid), color=look.color, linestyle=look.line, linewidth=1.3)


def _boxes(axis: Axes, values: list[np.ndarray], offset: float, width: float, look: Style) -> None:
    colour = look.color
    line, median = {"color": colour, "linewidth": 0.8}, {"color": colour, "linewidth": 1.3}
    axis.boxplot(
        [v[np.isfinite(v)] for v in values], positions=np.arange(len(values)) + offset, widths=width,
        patch_artist=True, boxprops={"facecolor": f"{colour}33", "edgecolor": colour, "linewidth": 0.8},
        medianprops=median, whiskerprops=line, capprops=line, manage_ticks=False,
        flierprops={"marker": ".", "markersize": 1.5, "markeredgecolor": colour, "markerfacecolor": colour},
    )  # fmt: skip


def _patch(look: Style) -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=f"{look.color}33", edgecolor=look.color, linewidth=0.8, label=look.label)


def _truths(table: ReportTable, statistic: str) -> dict[str, float]:
    original = table.frame[table.frame["source"] == "original"]
    return dict(zip(original["term"], original[statistic], strict=True))


def _gap_in_words(values: Values, terms: Sequence[str]) -> str:
    """Say how far each synthesis lies from the samples, for those who can't see it."""
    sources = drawn(source for source, _ in values)
    samples = [source for source in sources if source in SAMPLES]
    sentences = []
    for sample, method in product(samples[:1], [source for source in sources if source not in SAMPLES]):
        spread = {t: np.nanstd(values[sample, t]) for t in terms}
        gaps = [
            abs(np.nanmean(values[method, t]) - np.nanmean(values[sample, t])) / spread[t]
            for t in terms
            if spread[t] > 0
        ]
        if gaps:
            sentences.append(
                f"The centres of {sample} and {method} distributions differ by at most {max(gaps):.2f} "
                f"standard deviations of the {sample} distribution."
            )
    return " ".join(sentences)


# ---- bias and coverage


def draw_coverage(models: Sequence[ReportTable], replicates: int, level: float) -> Drawing:
    """Coverage of each coefficient, with Monte Carlo intervals of the same level."""
    figure, axes, looks = _term_panels(models, f"Nominal level {level:g}")
    for axis, table in zip(axes, models, strict=True):
        for look, rows, y in _by_source(table, looks):
            share, n = rows["coverage"].to_numpy(float), rows["replicates"].to_numpy(float)
            _intervals(axis, share, wilson(share, n, level), y, look)
        axis.axvline(level, color=INK, linewidth=0.7, zorder=0)
        axis.set_xlabel(f"coverage of the {percent(level)} confidence interval")
    text = (
        f"Coverage of the {percent(level)} confidence intervals over {replicates} replicates, with {percent(level)} "
        "Monte Carlo intervals (Wilson). The vertical line is the nominal level."
    )
    return Drawing("coverage", text, f"Dots with error bars. {_range_in_words(models, 'coverage')}", figure)


def draw_bias(models: Sequence[ReportTable], replicates: int, level: float) -> Drawing:
    """Bias of each coefficient in units of its empirical standard error."""
    figure, axes, looks = _term_panels(models, "No bias")
    for axis, table in zip(axes, models, strict=True):
        for look, rows, y in _by_source(table, looks):
            bias = rows["bias"] / rows["emp_se"]
            half = normal_quantile(level) * rows["bias_mcse"] / rows["emp_se"]
            _intervals(axis, bias.to_numpy(float), np.array([bias - half, bias + half], dtype=float), y, look)
        axis.axvline(0, color=INK, linewidth=0.7, zorder=0)
        axis.set_xlabel("bias / empirical standard error")
    text = (
        f"Bias in units of the empirical standard error over {replicates} replicates, with {percent(level)} Monte "
        "Carlo intervals. The vertical line is no bias."
    )
    return Drawing("bias", text, f"Dots with error bars. {_range_in_words(models, 'bias', 'emp_se')}", figure)


def _by_source(table: ReportTable, looks: Mapping[str, Style]) -> list[tuple[Style, pd.DataFrame, np.ndarray]]:
    """The rows of each source and their heights in the panel, in the order of the terms."""
    terms = {term: i for i, term in enumerate(dict.fromkeys(table.frame["term"]))}
    found = []
    for (source, look), offset in zip(looks.items(), offsets(len(looks), 0.64), strict=True):
        rows = table.frame[table.frame["source"] == source]
        found.append((look, rows, rows["term"].map(terms).to_numpy(float) + offset))
    return found


def _intervals(axis: Axes, at: np.ndarray, limits: np.ndarray, y: np.ndarray, look: Style) -> None:
    axis.hlines(y, limits[0], limits[1], color=look.color, linewidth=1)
    axis.plot(at, y, linestyle="none", marker=look.marker, markersize=3.5, color=look.color)


def _range_in_words(models: Sequence[ReportTable], statistic: str, unit: str | None = None) -> str:
    """Say where each source's numbers lie, for those who can't see them."""
    frame = pd.concat([table.frame for table in models])
    values = frame[statistic] / frame[unit] if unit else frame[statistic]
    parts = [
        f"{source} from {values[frame['source'] == source].min():.3f} to {values[frame['source'] == source].max():.3f}"
        for source in drawn(frame["source"])
    ]
    return f"Range of {statistic}: {', '.join(parts)}."


def _term_panels(models: Sequence[ReportTable], target: str) -> tuple[Figure, list[Axes], dict[str, Style]]:
    """One panel a model, terms from top to bottom; a panel is as high as it has terms."""
    looks = styles(source for table in models for source in table.frame["source"])
    terms = [list(dict.fromkeys(table.frame["term"])) for table in models]
    height = max(0.25, 0.05 + 0.1 * len(looks)) * max(map(len, terms)) + 0.85
    handles = [*(handle(look, solid=True, linewidth=1) for look in looks.values()), rule(target)]
    figure, axes = panels(len(models), 2, height, handles, sharex=True)
    for axis, table, names in zip(axes, models, terms, strict=True):
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.4, -0.6)
        axis.tick_params(axis="y", length=0)
        axis.tick_params(axis="x", labelbottom=True)
        lines = [shorten(part, 44, placeholder=" …") for part in table.title.split(", ", 1)]
        axis.set_title("\n".join(lines), loc="left")
    return figure, axes, looks


def _with_unit(text: str, column: Mapping[str, Any]) -> str:
    return f"{text} ({column['unit']})" if column.get("unit") else text


def _numbered(table: ReportTable, text: str) -> str:
    return f"{paper_name(table.figure)}. {text}" if table.figure else text
