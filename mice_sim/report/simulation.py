"""The figures of performance measures: lolly, forest and coverage plots, and words about their numbers.

Each is a function of rows of the `performance` frame (source, analysis, term, statistic, measure, n, estimate, mcse,
target) of one analysis and statistic, and of the study's confidence level, which is also that of the Monte Carlo
intervals. Proportions have Wilson's interval, everything else ± z MCSE. Where a measure has no target it is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from mice_sim.errors import MiceSimError
from mice_sim.report.style import (
    BAND,
    INK,
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
from mice_sim.study.measures import MEASURES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PROPORTIONS = [measure.name for measure in MEASURES.values() if measure.kind == "share"]
ROW = (0.115, 0.085)  # inches a source takes in a panel; where more than four share a group
LABEL = 24  # characters of a row's label, a line


def limits(rows: pd.DataFrame, level: float) -> np.ndarray:
    """Return the Monte Carlo limits (2, k) of the rows' estimates; NaN where there is no error."""
    estimate, half = rows["estimate"].to_numpy(float), normal_quantile(level) * rows["mcse"].to_numpy(float)
    found = np.stack([estimate - half, estimate + half])
    shares = rows["measure"].isin(PROPORTIONS).to_numpy()
    found[:, shares] = wilson(estimate[shares], rows["n"].to_numpy(float)[shares], level)
    return found


def telling_term(rows: pd.DataFrame) -> str:
    """Return the term that lies furthest from a target, in Monte Carlo standard errors; the first if none does."""
    known = rows[np.isfinite(rows["target"]) & (rows["mcse"] > 0) & (rows["source"] != "original")]
    if known.empty:
        return str(rows["term"].iloc[0])
    return str(known.loc[((known["estimate"] - known["target"]).abs() / known["mcse"]).idxmax(), "term"])


# ---- rows of points with intervals


def lolly(rows: pd.DataFrame, level: float, axes: Sequence[str] = (), name: str = "lolly") -> Drawing:
    """One term's measures by method, or by point of a sweep and method: a stem from the target to the estimate."""
    rows, term = of_one_term(rows)
    groups = rows["source"] if not axes else _points(rows, axes)
    figure = _row_figure(rows, groups, level, stems=True)
    if axes:
        _name_axes(figure, axes)
    what = "source" if not axes else f"value of {listed(axes)}"
    text = (
        f"Performance for {term} by {what} over {replicates(rows)}. A stem goes from the target (vertical line) to the "
        f"estimate; the brackets about it are the {percent(level)} Monte Carlo interval{wilson_note(rows)}."
    )
    return Drawing(name, text, f"Points on stems, a row for each {what}. {ranges(rows)}", figure)


def forest(rows: pd.DataFrame, level: float, axes: Sequence[str] = (), name: str = "forest") -> Drawing:
    """Measures by term and method, one panel a measure; or one measure by point of a sweep, one panel a term."""
    rows = estimated(rows)
    if axes:
        return _forest_of_points(rows, level, axes, name)
    figure = _row_figure(rows, rows["term"], level)
    text = (
        f"Performance by term over {replicates(rows)}, with {percent(level)} Monte Carlo intervals{wilson_note(rows)}. "
        "The vertical line, or the tick where it differs by term, is the target."
    )
    return Drawing(name, text, f"Points with error bars, a row for each term. {ranges(rows)}", figure)


def _forest_of_points(rows: pd.DataFrame, level: float, axes: Sequence[str], name: str) -> Drawing:
    figure = _row_figure(rows, _points(rows, axes), level, panel="term")
    _name_axes(figure, axes)
    text = (
        f"{header(rows['measure'].iloc[0])} by value of {listed(axes)} over {replicates(rows)} a point, with "
        f"{percent(level)} Monte Carlo intervals{wilson_note(rows)}. The vertical line is the target."
    )
    return Drawing(name, text, f"Points with error bars, a row for each point. {ranges(rows)}", figure)


def coverage(rows: pd.DataFrame, level: float, name: str = "coverage_band") -> Drawing:
    """Coverage by term and method; the band is where it would lie by Monte Carlo error alone, with exact coverage.

    Its limits are the quantiles of a binomial proportion at the nominal level and each row's own n.
    """
    sources, rows = rows["source"], estimated(rows[rows["measure"] == "coverage"])
    figure = _row_figure(rows, rows["term"], level, band=True, sources=sources)
    outside = int(_outside(rows, level).sum())
    text = (
        f"Coverage of the {percent(level)} confidence intervals over {replicates(rows)}, with {percent(level)} Monte "
        "Carlo intervals (Wilson). The vertical line is the nominal level; the band about it holds the coverage with "
        f"a probability of at least {percent(level)} if it is exactly nominal (binomial). "
        f"{outside} of {rows['estimate'].notna().sum()} estimates lie outside."
    )
    return Drawing(name, text, f"Points with error bars, a row for each term, and a band. {ranges(rows)}", figure)


def band(n: np.ndarray, level: float) -> np.ndarray:
    """Return the limits (2, k) of a coverage that is exactly nominal, over n replicates."""
    return np.stack(binom.interval(level, n.astype(int), level)) / n


def _outside(rows: pd.DataFrame, level: float) -> np.ndarray:
    lower, upper = band(rows["n"].to_numpy(float), level)
    return (rows["estimate"] < lower) | (rows["estimate"] > upper)


def _row_figure(
    rows: pd.DataFrame,
    groups: pd.Series,
    level: float,
    *,
    panel: str = "measure",
    stems: bool = False,
    band: bool = False,
    sources: Iterable[str] | None = None,
) -> Figure:
    """Panels by measure or term; the groups from top to bottom, and in each its sources."""
    shown, names = list(dict.fromkeys(rows[panel])), list(dict.fromkeys(groups))
    looks = styles(rows["source"] if sources is None else sources, rows["source"])
    own = list(rows["source"]) == list(groups)  # then the labels of the rows say it, and a legend would say it twice
    k = 1 if own else len(looks)
    room = ROW[k > 4] * k  # inches of a group that its sources share
    labels = [fitted(looks[g].label if own else g, LABEL) for g in names]
    row = max(0.04 + 0.125 * max(label.count("\n") + 1 for label in labels), 0.1 + room)
    handles = [] if own else [handle(look, solid=True) for look in looks.values()]
    handles += [rule("Target")] if rows["target"].notna().any() else []
    figure, axes = panels(len(shown), 3, row * len(names) + 0.62, handles, sharey=True)
    at = {name: i for i, name in enumerate(names)}
    room /= row
    places = dict(zip(looks, [0.0] * len(looks) if own else offsets(k, room), strict=True))
    for axis, value in zip(axes, shown, strict=True):
        part = rows[rows[panel] == value]
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
        axis.set_xlabel(header(value) if panel == "measure" else fitted(value, 30))
        axis.locator_params(axis="x", nbins=4 if len(shown) > 1 else 8)
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
    return Path((arc.vertices + np.array([1, 0])) * np.array([-side, 1]), arc.codes)


def _targets(axis: Axes, rows: pd.DataFrame, y: np.ndarray, height: float) -> None:
    """One line if the target is the same for all, a tick for each row if not."""
    targets = rows["target"].dropna().unique()
    if len(targets) == 1:
        axis.axvline(targets[0], color=INK, linewidth=0.7, zorder=0)
    elif len(targets):
        axis.vlines(rows["target"], y - height / 2, y + height / 2, color=INK, linewidth=0.9)


def _band(axis: Axes, rows: pd.DataFrame, y: np.ndarray, height: float, level: float) -> None:
    lower, upper = band(rows["n"].to_numpy(float), level)
    axis.barh(y, upper - lower, height, left=lower, color=INK, alpha=BAND, linewidth=0, zorder=-1)


# ---- rows and words


def estimated(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of sources that vary over replicates, or raise MiceSimError if no number is there."""
    rows = rows[rows["source"].isin(drawn(rows["source"]))]
    if not np.isfinite(rows["estimate"]).any():
        raise MiceSimError("There is no number to draw; give rows of the performance frame with estimates.")
    return rows.reset_index(drop=True)


def of_one_term(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the estimated rows and their term, or raise MiceSimError if they have several."""
    rows = estimated(rows)
    terms = list(dict.fromkeys(rows["term"]))
    if len(terms) > 1:
        raise MiceSimError(f"The figure shows one term, and the rows hold {listed(terms)}; choose one.")
    return rows, terms[0]


def _points(rows: pd.DataFrame, axes: Sequence[str]) -> pd.Series:
    return pd.Series(
        [", ".join(map(short, point)) for point in zip(*(rows[axis] for axis in axes), strict=True)], rows.index
    )


def _name_axes(figure: Figure, axes: Sequence[str]) -> None:
    names = ", ".join(axis.rsplit(".", 1)[-1] for axis in axes)
    figure.supylabel(fitted(names, int(12 * figure.get_figheight()), 2), fontsize=8)


def short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def replicates(rows: pd.DataFrame) -> str:
    least, most = int(rows["n"].min()), int(rows["n"].max())
    return f"{most:,} replicates" if least == most else f"{least:,} to {most:,} replicates"


def wilson_note(rows: pd.DataFrame) -> str:
    return " (Wilson's for proportions)" if rows["measure"].isin(PROPORTIONS).any() else ""


def ranges(rows: pd.DataFrame) -> str:
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
