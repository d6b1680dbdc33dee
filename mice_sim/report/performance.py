"""The performance of a study's methods for readers: tables of measures, failures, and the figures that apply.

Frames are those of `study.performance`: `performance` (source, analysis, term, statistic, measure, n, estimate, mcse,
target; a sweep's has a column for each axis before them) and, by analysis, `replicate_estimates`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mice_sim.report.replicates import bland_altman, has_budget, mcse_budget, zip_plot
from mice_sim.report.rows import Rows
from mice_sim.report.simulation import coverage, forest, lolly, short, telling_term
from mice_sim.report.style import SAMPLES, Drawing, drawn
from mice_sim.report.tables import decimals, fixed, header

FAILURE = "failure_rate"
FOREST = ("bias", "relative_error", "coverage")
LOLLY = ("bias", "emp_se", "model_se", "relative_error", "coverage", "width")
MOST_ZIPS = 6  # panels; with more, one term is shown
MOST_PAIRS = 12  # panels of differences; with more, one term is shown


@dataclass(frozen=True)
class PerformanceTable:
    """The measures of one analysis: `head` are (name, target) by column, a row is its labels and its cells.

    A cell is (estimate, mcse, target), rounded; a target stands in the cells where the rows' targets differ.
    measures : what the columns are, by the names of `study.measures`.
    """

    name: str
    stub: tuple[str, ...]
    measures: tuple[str, ...]
    head: tuple[tuple[str, str], ...]
    rows: tuple[tuple[tuple[str, ...], tuple[tuple[str, str, str], ...]], ...]

    def link(self, rows: Mapping[tuple[str, ...], Rows], labels: Sequence[str], column: int) -> str | None:
        """Return the address of the row behind a cell; `rows` are those of every point, () is the one of a study."""
        several = self.stub[1] == "Statistic"
        behind = rows.get(tuple(labels[1 + several : -1]))
        if behind is None:
            return None
        statistic = labels[1] if several else "estimate"
        return behind.link(self.name, labels[-1], labels[0], self.measures[column], statistic)


def performance_tables(frame: pd.DataFrame, axes: Sequence[str] = ()) -> list[PerformanceTable]:
    """Return a table for each analysis, with a row for each term, statistic and source (and point of a sweep)."""
    frame = frame[(frame["measure"] != FAILURE) & np.isfinite(frame["estimate"])]
    return [_table(str(name), rows, axes) for name, rows in frame.groupby("analysis", sort=False)]


def _table(name: str, rows: pd.DataFrame, axes: Sequence[str]) -> PerformanceTable:
    plain = (rows["statistic"] == "estimate").all()
    labels = {"Term": "term"} if plain else {"Term": "term", "Statistic": "statistic"}
    labels |= {axis: axis for axis in axes} | {"Data": "source"}
    keys = list(labels.values())
    wide = rows.assign(**{key: rows[key].map(short) for key in keys}).set_index([*keys, "measure"])
    head, columns, measures = [], [], tuple(dict.fromkeys(rows["measure"]))
    orders = [{value: i for i, value in enumerate(dict.fromkeys(part))} for part in zip(*wide.index, strict=True)]
    index = sorted(
        dict.fromkeys(key[:-1] for key in wide.index),
        key=lambda key: [order[value] for order, value in zip(orders, key, strict=False)],
    )
    for measure in measures:
        part = wide.xs(measure, level="measure")[["estimate", "mcse", "target"]].astype(float)
        digits, targets = decimals(part["estimate"], part["mcse"]), part["target"].dropna().unique()
        head.append((header(measure), f"{targets[0]:g}" if len(targets) == 1 else ""))
        cells = {
            key if isinstance(key, tuple) else (key,): (
                fixed(estimate, digits), fixed(mcse, digits, ""), fixed(target, digits, "") if len(targets) > 1 else ""
            )
            for key, estimate, mcse, target in part.itertuples(name=None)
        }  # fmt: skip
        columns.append([cells.get(key, ("–", "", "")) for key in index])
    return PerformanceTable(
        name, tuple(labels), measures, tuple(head), tuple(zip(index, zip(*columns, strict=True), strict=True))
    )


def failures(frame: pd.DataFrame, axes: Sequence[str] = ()) -> list[tuple[tuple[str, ...], tuple[str, str, str]]]:
    """Return where an analysis failed: (analysis, values of the axes, source), (replicates, rate, mcse).

    Of its terms, the worst.
    """
    rows, labels = frame[(frame["measure"] == FAILURE) & (frame["estimate"] > 0)], ["analysis", *axes, "source"]
    worst = rows.sort_values("estimate", ascending=False, kind="stable").drop_duplicates(labels)
    return [
        (tuple(short(r[label]) for label in labels), (str(int(r["n"])), fixed(r["estimate"], 4), fixed(r["mcse"], 4)))
        for r in worst.sort_index().to_dict("records")
    ]


# ---- figures


def performance_figures(
    frame: pd.DataFrame, estimates: Mapping[str, pd.DataFrame], config: Mapping[str, Any]
) -> list[Drawing]:
    """Return the figures of each model: coverage, forest, lolly, zip, Bland-Altman and Monte Carlo error."""
    level, drawings = float(config["pooling"]["level"]), []
    for name, rows in frame[frame["statistic"] == "estimate"].groupby("analysis", sort=False):
        given = config["analysis"].get(name, {})
        if given.get("kind") == "discrimination":
            continue  # it has no truth to perform against
        formula = given.get("formula", "")
        about = f"{name}, {formula}. " if formula else f"{name}. "
        found = [*_of_measures(rows, level, (config.get("measures") or {}).get("show") or LOLLY)]
        if name in estimates:
            found += _of_replicates(rows, estimates[name], level, config)
        drawings += [replace(d, name=f"{d.name}_{name}", caption=about + d.caption) for d in found]
    return drawings


def _of_measures(rows: pd.DataFrame, level: float, show: Sequence[str]) -> Iterator[Drawing]:
    if (rows["measure"] == "coverage").any():
        yield coverage(rows, level)
    shown = rows[rows["measure"].isin(FOREST)]
    if not shown.empty:
        yield forest(shown, level)
    told = rows[
        rows["measure"].isin(show) & (rows["measure"] != FAILURE) & (rows["term"] == telling_term(_judged(rows)))
    ]
    if len(drawn(told["source"])) > 1:
        yield explained(lolly(told, level), rows)


def _of_replicates(
    rows: pd.DataFrame, estimates: pd.DataFrame, level: float, config: Mapping[str, Any]
) -> Iterator[Drawing]:
    term, sources = telling_term(_judged(rows)), drawn(estimates["source"])
    of_term = estimates[estimates["term"] == term]
    whole = estimates.dropna(subset=["std_error", "ci_lower", "ci_upper", "truth"])
    if not whole.empty:
        few = whole["term"].nunique() * len(sources) <= MOST_ZIPS
        zipped = whole if few else whole[whole["term"] == term]
        if not zipped.empty:
            yield zip_plot(zipped, level) if few else explained(zip_plot(zipped, level), rows)
    if len(sources) > 1:
        reference = _reference(sources, config)
        few = estimates["term"].nunique() * (len(sources) - 1) <= MOST_PAIRS
        pairs = bland_altman(estimates if few else of_term, reference, level)
        yield pairs if few else explained(pairs, rows)
    if has_budget(of_term):
        yield explained(mcse_budget(of_term, level, config.get("until")), rows)


def _judged(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows by which the term to show is chosen: coverages if there are any."""
    covered = rows[rows["measure"] == "coverage"]
    return rows if covered.empty else covered


def explained(drawing: Drawing, rows: pd.DataFrame) -> Drawing:
    """Return a drawing of one of the rows' terms that says why it is this one."""
    if rows["term"].nunique() == 1:
        return drawing
    why = "whose coverage" if (rows["measure"] == "coverage").any() else "whose performance"
    return replace(drawing, caption=f"{drawing.caption} It shows the term {why} is furthest from its target.")


def _reference(sources: Sequence[str], config: Mapping[str, Any]) -> str:
    """The source that the others are held against: the configured one, or the samples."""
    named = str((config.get("measures") or {}).get("reference"))
    return named if named in sources else next((s for s in sources if s in SAMPLES), sources[0])
