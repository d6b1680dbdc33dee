"""The figures of single replicates: zip plot, Bland-Altman plot, and the Monte Carlo error as replicates add up.

Each is a function of rows of the `replicate_estimates` frame (replicate, source, term, estimate, std_error, ci_lower,
ci_upper, p_value, truth) of one analysis, and of the study's confidence level, which is also that of the Monte Carlo
intervals. `truth` may vary by replicate, and is NaN where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mice_sim.errors import MiceSimError
from mice_sim.report.style import (
    BAND,
    INK,
    PALETTE,
    Drawing,
    Style,
    drawn,
    fitted,
    handle,
    listed,
    normal_quantile,
    panels,
    percent,
    rule,
    styles,
    wilson,
)
from mice_sim.report.tables import fixed, header
from mice_sim.study.measures import covered, mean_mcse, sd_mcse, share_mcse

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_MARKS = 4000  # in a figure; a page with more would be slow to load
TINT = 0.35  # opacity of intervals that hold the truth
PREFIXES = 40  # numbers of replicates at which the Monte Carlo error is shown


# ---- zip plot


def zip_plot(rows: pd.DataFrame, level: float, name: str = "zip") -> Drawing:
    """One panel a term and source: the replicates' confidence intervals by the rank of |estimate − truth|/SE.

    Morris, White & Crowther (2019), section 7. The horizontal lines are the Monte Carlo interval of the coverage, and
    with exact coverage the intervals above the nominal centile are those that miss the truth.
    """
    sources, rows = rows["source"], rows.dropna(subset=["estimate", "std_error", "ci_lower", "ci_upper", "truth"])
    if rows.empty:
        raise MiceSimError("A zip plot needs confidence intervals and a true value; the rows have none.")
    looks, terms = styles(sources, rows["source"]), list(dict.fromkeys(rows["term"]))
    shown = [(t, s) for t, s in product(terms, looks) if ((rows["term"] == t) & (rows["source"] == s)).any()]
    most = max(3, MOST_MARKS // len(shown))
    figure, axes = panels(len(shown), min(len(looks), 4), 2.5, _zip_handles(looks), sharey=True)
    total = 0
    for axis, (term, source) in zip(axes, shown, strict=True):
        mine = rows[(rows["term"] == term) & (rows["source"] == source)]
        total = max(total, len(mine))
        _zip(axis, mine, looks[source], level, most)
        title = looks[source].label if len(terms) == 1 else f"{looks[source].label}: {term}"
        axis.set_title(fitted(title, 88 // min(len(looks), 4)))
    figure.supylabel("centile of |estimate − truth| / SE", fontsize=8)
    figure.supxlabel(_zip_label(rows), fontsize=8)
    thinned = f" Only {most:,} of {total:,} intervals are drawn, evenly spaced by rank." if total > most else ""
    text = (
        f"Zip plot of the {percent(level)} confidence intervals for {listed(terms)} over {total:,} replicates, ranked "
        "by the distance of the estimate from the truth in standard errors. Intervals in full colour miss the truth "
        "(vertical line). The dashed line is the nominal level, above which they would begin if coverage were exact; "
        f"dotted lines are the {percent(level)} Monte Carlo interval (Wilson) of the coverage.{thinned}"
    )
    shares = [f"{s} {_covered(rows[(rows['term'] == t) & (rows['source'] == s)]).mean():.3f} for {t}" for t, s in shown]
    return Drawing(name, text, f"Stacked confidence intervals. Coverage: {', '.join(shares)}.", figure)


def _zip_handles(looks: Mapping[str, Style]) -> list:
    from matplotlib.lines import Line2D

    colour = next(iter(looks.values())).color if len(looks) == 1 else PALETTE["grey"]
    return [
        Line2D([], [], color=colour, linewidth=3, alpha=TINT, label="Holds the truth"),
        Line2D([], [], color=colour, linewidth=3, label="Does not"),
        rule("Nominal level", (0, (4, 2))),
        rule("Monte Carlo interval of the coverage", (0, (1, 1.5))),
    ]


def _zip_label(rows: pd.DataFrame) -> str:
    return "confidence interval" if _one_truth(rows) else "confidence interval − truth"


def _one_truth(rows: pd.DataFrame) -> bool:
    return bool((rows.groupby("term")["truth"].nunique() == 1).all())


def _covered(rows: pd.DataFrame) -> np.ndarray:
    """Whether each interval holds the truth."""
    return covered(*(rows[name].to_numpy() for name in ("ci_lower", "ci_upper", "truth"))) == 1


def _zip(axis: Axes, rows: pd.DataFrame, look: Style, level: float, most: int) -> None:
    distance = ((rows["estimate"] - rows["truth"]).abs() / rows["std_error"]).to_numpy()
    rows = rows.iloc[np.argsort(distance, kind="stable")]
    n = len(rows)
    centile = 100 * (np.arange(n) + 0.5) / n
    centre = 0.0 if _one_truth(rows) else rows["truth"].to_numpy()
    kept = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))
    holds, lower, upper = _covered(rows), rows["ci_lower"] - centre, rows["ci_upper"] - centre
    height = 2.0 * 72 / len(kept)  # points an interval may take
    for inside, least in ((True, 0.3), (False, 0.5)):
        part = kept[holds[kept] == inside]
        axis.hlines(
            centile[part], lower.iloc[part], upper.iloc[part], color=look.color, linewidth=np.clip(height, least, 2),
            alpha=TINT if inside else 1, label="holds" if inside else "misses",
        )  # fmt: skip
    lines = [level, *wilson(np.array([holds.mean()]), np.array([n]), level).ravel()]
    for y, dash in zip(lines, ((0, (4, 2)), (0, (1, 1.5)), (0, (1, 1.5))), strict=True):
        axis.axhline(100 * y, color=INK, linewidth=0.9, linestyle=dash)
    axis.axvline(rows["truth"].iloc[0] if _one_truth(rows) else 0, color=INK, linewidth=0.7)
    axis.set_ylim(0, 100)
    axis.locator_params(axis="x", nbins=3)


# ---- Bland-Altman plot


def bland_altman(rows: pd.DataFrame, reference: str, level: float, name: str = "bland_altman") -> Drawing:
    """The difference of two methods' estimates against their mean, by replicate; one panel a term and method.

    Bland & Altman (1999): the mean difference d has the standard error s/√R, the limits d ± z s have
    s·√(1/R + z²/(2(R − 1))). Methods are paired by replicate.
    """
    others = [source for source in drawn(rows["source"]) if source != reference]
    if not others or reference not in set(rows["source"]):
        raise MiceSimError(f"A Bland-Altman plot needs '{reference}' and another source; the rows lack one.")
    looks, terms = styles(rows["source"]), list(dict.fromkeys(rows["term"]))
    shown = list(product(terms, others))
    most = max(3, MOST_MARKS // len(shown))
    figure, axes = panels(len(shown), 3, 1.75, _agreement_handles(), sharey=len(terms) == 1)
    words, pairs = [], 0
    for axis, (term, other) in zip(axes, shown, strict=True):
        wide = rows[rows["term"] == term].pivot(index="replicate", columns="source", values="estimate")
        pair = wide[[reference, other]].dropna()
        pairs = max(pairs, len(pair))
        mean = _agreement(axis, pair[reference].to_numpy(), pair[other].to_numpy(), looks[other], level, most)
        words.append(f"{other}, {term}: mean {fixed(mean, 4)}")
        label = looks[other].label
        axis.set_title(fitted(label if len(terms) == 1 else term if len(others) == 1 else f"{label}: {term}", 24))
    figure.supxlabel("mean of the two estimates", fontsize=8)
    figure.supylabel(fitted(f"{others[0] if len(others) == 1 else 'method'} − {reference}", 60, 1), fontsize=8)
    thinned = f" Only {most:,} of {pairs:,} points are drawn; the lines are those of all." if pairs > most else ""
    text = (
        f"Bland-Altman plot of the estimates for {listed(terms)}: {listed(others)} against {reference} over {pairs:,} "
        f"replicates. Lines are the mean difference and the {percent(level)} limits of agreement; bands are their "
        f"{percent(level)} Monte Carlo intervals.{thinned}"
    )
    return Drawing(name, text, f"Clouds of points about level lines. Differences: {'; '.join(words)}.", figure)


def _agreement_handles() -> list:
    from matplotlib.patches import Patch

    band = Patch(facecolor=INK, alpha=BAND, linewidth=0, label="Monte Carlo interval")
    return [rule("Mean difference"), rule("Limits of agreement", (0, (4, 2))), band]


def _agreement(axis: Axes, a: np.ndarray, b: np.ndarray, look: Style, level: float, most: int) -> float:
    difference, middle, n, z = b - a, (a + b) / 2, len(a), normal_quantile(level)
    kept = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)) if n else np.array([], dtype=int)
    axis.plot(
        middle[kept], difference[kept], linestyle="none", marker=look.marker, markersize=2 if n > 200 else 3.5,
        color=look.color, markeredgewidth=0, alpha=0.5, label="replicates",
    )  # fmt: skip
    axis.locator_params(nbins=4)
    if n < 2:
        return float(difference.mean()) if n else float("nan")
    mean, sd = float(difference.mean()), float(difference.std(ddof=1))
    at_limits = sd * np.sqrt(1 / n + z**2 / (2 * (n - 1)))
    for y, error, dash in (
        (mean, sd / np.sqrt(n), "-"),
        (mean - z * sd, at_limits, (0, (4, 2))),
        (mean + z * sd, at_limits, (0, (4, 2))),
    ):
        axis.axhspan(y - z * error, y + z * error, color=INK, alpha=BAND, linewidth=0)
        axis.axhline(y, color=INK, linewidth=0.7, linestyle=dash)
    return mean


# ---- Monte Carlo error by number of replicates


def prefix_errors(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the Monte Carlo errors after the first R replicates, for R on a grid: source, measure, R, mcse, error.

    `error` is the standard error of the mcse itself: mcse/√(2(R − 1)) for bias and empirical SE (of a normal's standard
    deviation), |1 − 2p|/(2R) for coverage (delta method).
    """
    found = []
    for source, mine in rows.sort_values("replicate", kind="stable").groupby("source", sort=False):
        bias, holds = (mine["estimate"] - mine["truth"]).dropna(), _covered(mine.dropna(subset=["ci_lower", "truth"]))
        estimates = mine["estimate"].dropna()
        for r in _grid(len(bias)):
            s = float(bias.iloc[:r].std())
            found.append((source, "bias", r, mean_mcse(s, r), sd_mcse(mean_mcse(s, r), r)))
        for r in _grid(len(estimates)):
            s = float(estimates.iloc[:r].std())
            found.append((source, "emp_se", r, sd_mcse(s, r), sd_mcse(sd_mcse(s, r), r)))
        for r in _grid(len(holds)):
            p = float(holds[:r].mean())
            found.append((source, "coverage", r, share_mcse(p, r), abs(1 - 2 * p) / (2 * r)))
    return pd.DataFrame(found, columns=["source", "measure", "R", "mcse", "error"])


def _grid(n: int) -> list[int]:
    return [] if n < 3 else sorted({int(r) for r in np.geomspace(3 if n < 100 else 10, n, PREFIXES).round()})


def has_budget(rows: pd.DataFrame) -> bool:
    """Return whether there are at least three replicates, and they differ."""
    return bool((prefix_errors(rows)["mcse"] > 0).any())


def mcse_budget(
    rows: pd.DataFrame, level: float, targets: Mapping[str, float] | None = None, name: str = "mcse_budget"
) -> Drawing:
    """One term's Monte Carlo standard errors against the number of replicates, and the number a target needs.

    targets : {measure: MCSE wanted}, as in the configuration's `until`.
    """
    errors, targets = prefix_errors(rows), targets or {}
    errors = errors[errors.groupby("measure")["mcse"].transform("max") > 0]  # a logarithm shows no coverage of 1
    if errors.empty:
        raise MiceSimError("A Monte Carlo budget needs at least three replicates that differ; run more.")
    terms = list(dict.fromkeys(rows["term"]))
    looks, measures = styles(rows["source"], errors["source"]), list(dict.fromkeys(errors["measure"]))
    handles = [handle(look, marker=False) for look in looks.values()] + [rule("1/√R")]
    handles += [rule("Target", (0, (8, 3)))] if any(m in targets for m in measures) else []
    figure, axes = panels(len(measures), 3, 2.3, handles)
    needed = []
    for axis, measure in zip(axes, measures, strict=True):
        part = errors[errors["measure"] == measure]
        for source, look in looks.items():
            _error_line(axis, part[part["source"] == source], look, level)
        last = part[part["mcse"] > 0].sort_values("R").groupby("source", sort=False).last()
        if len(last):
            needed += _reference(axis, last.loc[last["mcse"].idxmax()], measure, targets.get(measure))
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("replicates R")
        axis.set_title(header(measure))
        _plain_ticks(axis)
    axes[0].set_ylabel("Monte Carlo standard error")
    text = (
        f"Monte Carlo standard errors for {listed(terms)} over the first R of {errors['R'].max():,} replicates; "
        f"bands are their {percent(level)} intervals. The thin line falls with 1/√R from the largest of the last "
        f"errors. {' '.join(needed)}"
    ).strip()
    last = errors.groupby(["measure", "source"], sort=False).last()["mcse"]
    words = [f"{header(str(measure))} of {source} {error:.2g}" for (measure, source), error in last.items()]
    return Drawing(name, text, f"Falling lines on logarithmic scales. The last errors: {', '.join(words)}.", figure)


def _error_line(axis: Axes, rows: pd.DataFrame, look: Style, level: float) -> None:
    rows = rows.assign(mcse=rows["mcse"].where(rows["mcse"] > 0))
    factor = np.exp(normal_quantile(level) * rows["error"] / rows["mcse"])  # on the scale of the axis
    axis.fill_between(
        rows["R"], rows["mcse"] / factor, rows["mcse"] * factor, color=look.color, alpha=BAND, linewidth=0
    )
    few = len(rows) < 3  # then there is neither a line nor an area to see
    if few:
        axis.vlines(rows["R"], rows["mcse"] / factor, rows["mcse"] * factor, color=look.color, linewidth=1)
    dot = look.marker if few else "none"
    axis.plot(
        rows["R"], rows["mcse"], color=look.color, linestyle=look.line, linewidth=1.2, marker=dot, markersize=3.5,
        label=look.label,
    )  # fmt: skip


def _reference(axis: Axes, last: pd.Series, measure: str, target: float | None) -> list[str]:
    """Draw 1/√R through the last error, and the target with the R at which the line meets it."""
    needed = None if target is None else int(np.ceil(last["R"] * (last["mcse"] / target) ** 2))
    r = np.array([3.0 if last["R"] < 100 else 10.0, max(last["R"], needed or 0)])
    axis.plot(r, last["mcse"] * np.sqrt(last["R"] / r), color=INK, linewidth=0.7, label="1/√R", zorder=1)
    if target is None or needed is None:
        return []
    axis.axhline(target, color=INK, linewidth=0.7, linestyle=(0, (8, 3)), label="target")
    axis.axvline(needed, color=INK, linewidth=0.7, linestyle=(0, (8, 3)))
    axis.annotate(
        f"R = {needed:,}", (needed, 1), xycoords=("data", "axes fraction"), xytext=(-3, -2), textcoords="offset points",
        ha="right", va="top", fontsize=7,
    )  # fmt: skip
    return [f"{header(measure)} needs {needed:,} replicates for an error of {target:g}."]


def _plain_ticks(axis: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_ylim()
    between = (1, 2, 5) if high / low < 100 else (1,)  # of one power of ten alone nobody could read a scale
    axis.xaxis.set_major_locator(LogLocator(numticks=4))
    axis.yaxis.set_major_locator(LogLocator(subs=between, numticks=12))
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
        side.set_minor_formatter(NullFormatter())
