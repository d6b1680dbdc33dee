"""The page of a sweep: the performance at every point, and what pairing the points' samples saves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from mice_sim.errors import MiceSimError
from mice_sim.report.grids import heat, nested_loop
from mice_sim.report.html import environment, inline_svg
from mice_sim.report.performance import explained, failures, performance_tables
from mice_sim.report.replicates import has_budget, mcse_budget
from mice_sim.report.rows import Rows
from mice_sim.report.simulation import forest, lolly, short, telling_term
from mice_sim.report.style import Drawing, listed, normal_quantile, percent, write
from mice_sim.report.tables import fixed, header

LOOPED = ("bias", "emp_se", "coverage")
ROWS = "rows.html"
MOST_POINTS = 12  # that a figure with a row for each can show


def build_sweep(
    directory: Path,
    title: str,
    axes: Iterable[str],
    frame: pd.DataFrame,
    comparisons: pd.DataFrame,
    level: float | None = None,
    longest: Mapping[str, pd.DataFrame] | None = None,
    rows: Mapping[tuple[str, ...], Rows] | None = None,
    shared: bool = True,
) -> Path:
    """Write tables/, figures/ and report.html of a sweep; return the page's path.

    axes : dotted keys, each a column of both frames. frame : a `performance` frame with these columns in front.
    comparisons : differences between points (axes, source, analysis, term, statistic, measure, difference, mcse,
    unpaired, ratio), where ratio is the unpaired error over the paired one. level : of the confidence intervals and of
    the Monte Carlo intervals; without it, that of the frame's coverages. longest : of a sweep over the number of
    replicates, the `replicate_estimates` of the largest point by analysis; their Monte Carlo errors are drawn. rows :
    those behind the numbers, by the axes' values as they are shown. shared : whether all points have the same samples.
    Raises MiceSimError if an axis has no column or the level is not known.
    """
    directory, axes = Path(directory), list(axes)
    for axis in axes:
        if axis not in frame:
            raise MiceSimError(f"The sweep's frame has no column '{axis}'; give it one for each axis.")
    level = _level(frame) if level is None else level
    tables = directory / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    frame.to_csv(tables / "performance.csv", index=False, lineterminator="\n", float_format="%.10g")
    comparisons.to_csv(tables / "comparisons.csv", index=False, lineterminator="\n", float_format="%.10g")
    drawings = write(directory / "figures", lambda: list(_draw(frame, axes, level, longest or {})))
    text = environment().get_template("sweep.html").render(
        title=title,
        left_out=MOST_POINTS if len(frame[axes].drop_duplicates()) > MOST_POINTS else None,
        facts=_facts(axes, frame),
        statement=pairing_statement(comparisons, shared),
        pairing=_pairing(comparisons, level),
        level=percent(level),
        tables=performance_tables(frame, axes),
        rows=rows or {},
        failures=failures(frame, axes),
        axes=axes,
        figures=[(d, inline_svg(directory / "figures" / f"{d.name}.svg", d)) for d in drawings],
    )  # fmt: skip
    page = directory / "report.html"
    page.write_text(text, encoding="utf-8")
    return page


def _level(frame: pd.DataFrame) -> float:
    levels = frame.loc[frame["measure"] == "coverage", "target"].dropna().unique()
    if len(levels) != 1:
        raise MiceSimError("The sweep's frame does not tell one confidence level; give build_sweep the level.")
    return float(levels[0])


def _facts(axes: Sequence[str], frame: pd.DataFrame) -> list[tuple[str, str]]:
    points = len(frame[axes].drop_duplicates())
    values = [(axis, ", ".join(map(short, dict.fromkeys(frame[axis])))) for axis in axes]
    return [("Points", str(points)), ("Replicates a point", f"{int(frame['n'].max())}"), *values]


def write_point(folder: Path, title: str, values: Mapping[str, str], rows: Rows) -> None:
    """Write the page of the rows behind a point's numbers, ROWS in its folder; `values` are those of the axes."""
    page = environment().get_template("point.html").render(
        title=title, point=folder.name, facts=list(values.items()), rows=rows
    )  # fmt: skip
    (folder / ROWS).write_text(page, encoding="utf-8")


# ---- what pairing saves


def pairing_statement(comparisons: pd.DataFrame, shared: bool = True) -> str:
    """Say how much smaller paired Monte Carlo errors are than unpaired ones."""
    ratio = _ratios(comparisons)
    if ratio.empty:
        return "The points have nothing to compare replicate by replicate: what they share is the same."
    why = (
        "The points share their samples, so differences between them are taken replicate by replicate."
        if shared
        else "Differences are taken replicate by replicate; they gain by it where points share their samples, as not "
        "all of these do."
    )
    return (
        f"{why} Over {len(ratio):,} comparisons, the Monte Carlo standard error that a difference would have with "
        f"other samples at each point is {fixed(ratio.median(), 2)} times that of the paired difference at the median "
        f"(range {fixed(ratio.min(), 2)} to {fixed(ratio.max(), 2)}). Unpaired, the median comparison would take "
        f"{fixed(ratio.median() ** 2, 1)} times as many replicates."
    )


def _ratios(comparisons: pd.DataFrame) -> pd.Series:
    ratio = comparisons["ratio"].astype(float)
    return ratio[np.isfinite(ratio)]


def _pairing(comparisons: pd.DataFrame, level: float) -> list[tuple[str, ...]]:
    """By measure: comparisons, how many differences are larger than their Monte Carlo error explains, ratios."""
    found = []
    for measure, rows in comparisons.groupby("measure", sort=False):
        ratio = _ratios(rows)
        if len(ratio):
            clear = (rows["difference"].abs() > normal_quantile(level) * rows["mcse"]).sum()
            numbers = (ratio.median(), ratio.min(), ratio.max())
            found.append((header(str(measure)), str(len(rows)), str(int(clear)), *(fixed(x, 2) for x in numbers)))
    return found


# ---- figures


def _draw(
    frame: pd.DataFrame, axes: Sequence[str], level: float, longest: Mapping[str, pd.DataFrame]
) -> Iterator[Drawing]:
    for name, estimates in longest.items():
        covered = frame[(frame["analysis"] == name) & (frame["measure"] == "coverage")]
        told = estimates[estimates["term"] == telling_term(covered)]
        if has_budget(told):
            budget = mcse_budget(told, level, name=f"mcse_budget_{name}")
            yield explained(replace(budget, caption=f"{name}. {budget.caption}"), covered)
    for name, rows in frame[np.isfinite(frame["estimate"])].groupby("analysis", sort=False):
        statistic = "estimate" if (rows["statistic"] == "estimate").any() else rows["statistic"].iloc[0]
        rows = rows[(rows["statistic"] == statistic) & rows["measure"].isin(LOOPED)]
        about = f"{name}. " if statistic == "estimate" else f"{name}, {statistic}. "
        for drawing in _of_analysis(rows, axes, level) if len(rows) else ():
            yield replace(drawing, name=f"{drawing.name}_{name}", caption=about + drawing.caption)


def _of_analysis(rows: pd.DataFrame, axes: Sequence[str], level: float) -> Iterator[Drawing]:
    measures = list(dict.fromkeys(rows["measure"]))
    main = "coverage" if "coverage" in measures else measures[0]
    told = rows[rows["term"] == telling_term(rows[rows["measure"] == main])]
    yield explained(nested_loop(told, axes, level), rows)
    for i, (down, across) in enumerate(combinations(axes, 2), start=1):
        others = [axis for axis in axes if axis not in (down, across)]
        part, fixed_at = _at_first(told[told["measure"] == main], others[1:])
        drawing = heat(part, down, across, level, others[0] if others else None, name=f"heat{i}")
        yield explained(replace(drawing, caption=drawing.caption + fixed_at), rows)
    if len(rows[list(axes)].drop_duplicates()) <= MOST_POINTS:
        yield explained(lolly(told, level, axes), rows)
        yield forest(rows[rows["measure"] == main], level, axes)


def _at_first(rows: pd.DataFrame, axes: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """The rows at the first value of each axis that a grid has no room for, and a sentence that says so."""
    for axis in axes:
        rows = rows[rows[axis] == rows[axis].iloc[0]]
    values = listed([f"{axis} = {short(rows[axis].iloc[0])}" for axis in axes])
    return rows, f" Shown at {values}." if axes else ""
