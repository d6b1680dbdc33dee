"""Bias, coverage and spread of each method by how much is missing not at random: figures and tables of the studies.

    mice-sim run -m experiment=selection            (and selection_binary, selection_two_level)
    python experiments/selection/figure.py

Reads tables/performance.csv of the three sweeps, writes figures/by_correlation beside the first and figures/by_level
beside the last, and the tables into the README of this folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from mice_sim.report.style import INK, Drawing, handle, offsets, panels, rule, styles, wilson, write

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "results"
BEGIN, END = "<!-- figure.py begins -->\n", "<!-- figure.py ends -->"
# In the order of legends and tables; normal and logistic regression are one and the same method for two kinds of y.
METHODS = ("sample", "complete_cases", "norm", "pmm", "2l_norm", "heckman", "2l_heckman")
LABELS = {"2l_norm": "2l.norm", "2l_heckman": "2l.heckman"}
MEASURES = {"bias": "Bias", "emp_se": "Empirical SE", "coverage": "Coverage"}
LEVEL = 0.95
SEEN = 1.96


@dataclass(frozen=True)
class Row:
    """A row of panels: a term of an analysis of a study."""

    study: str
    analysis: str
    term: str
    title: str


ONE_LEVEL = (
    Row("selection", "linear", "(Intercept)", "Intercept"),
    Row("selection", "linear", "x", "Slope"),
    Row("selection_binary", "logistic", "(Intercept)", "Binary: intercept"),
    Row("selection_binary", "logistic", "x", "Binary: slope"),
)
TWO_LEVELS = (
    Row("selection_two_level", "mixed", "(Intercept)", "Intercept"),
    Row("selection_two_level", "mixed", "x", "Slope"),
    Row("selection_two_level", "mixed", "var(cluster, (Intercept))", "Variance between"),
    Row("selection_two_level", "mixed", "var(residual)", "Variance within"),
)


def read(study: str) -> pd.DataFrame:
    """Return the estimates of a sweep's models, with one name for each method and for each point."""
    frame = pd.read_csv(RESULTS / study / "tables" / "performance.csv")
    frame = frame[(frame["statistic"] == "estimate") & (frame["source"] != "original")].copy()
    frame["source"] = frame["source"].replace("logreg", "norm")
    if "data.rho_cluster" in frame:
        both = zip(frame["data.rho"], frame["data.rho_cluster"], strict=True)
        frame["point"] = [f"{r:g}, {c:g}".replace("0.", ".") for r, c in both]
    else:
        frame["point"] = [f"{r:g}".replace("0.", ".") for r in frame["data.rho"]]
    return frame


def draw(name: str, rows: Sequence[Row], where: str, caption: str) -> Drawing:
    frames = {study: read(study) for study in {row.study for row in rows}}
    found = set().union(*(set(frame["source"]) for frame in frames.values()))
    labels = LABELS | ({"norm": "norm, logreg"} if "selection_binary" in frames else {})
    looks = {
        source: replace(look, label=labels.get(source, look.label))
        for source, look in styles(METHODS, shown=found).items()
    }
    handles = [*(handle(look, solid=True) for look in looks.values()), rule("target")]
    figure, axes = panels(len(rows) * len(MEASURES), len(MEASURES), 1.35, handles)
    shifts = dict(zip(looks, offsets(len(looks), 0.75), strict=True))
    for i, row in enumerate(rows):
        frame = frames[row.study]
        frame = frame[(frame["analysis"] == row.analysis) & (frame["term"] == row.term)]
        points = {point: place for place, point in enumerate(dict.fromkeys(frame["point"]))}
        for k, (measure, title) in enumerate(MEASURES.items()):
            axis = axes[i * len(MEASURES) + k]
            for source, look in looks.items():
                own = frame[(frame["measure"] == measure) & (frame["source"] == source)]
                if own.empty:
                    continue
                x, y = own["point"].map(points) + shifts[source], own["estimate"].to_numpy()
                reach = SEEN * own["mcse"].to_numpy()
                low, high = y - reach, y + reach
                if measure == "coverage":
                    low, high = wilson(y, own["n"].to_numpy(), LEVEL)
                axis.vlines(x, low, high, color=look.color, linewidth=0.9)
                axis.plot(x, y, look.marker, color=look.color, markersize=3.5)
            if measure in ("bias", "coverage"):
                axis.axhline(LEVEL if measure == "coverage" else 0, color=INK, linewidth=0.7, zorder=0)
            if measure == "coverage":
                axis.set_ylim(-0.03, 1.03)
            if measure == "emp_se":
                axis.set_ylim(bottom=0)
            axis.set_xticks(list(points.values()), list(points))
            for place in range(len(points) - 1):
                axis.axvline(place + 0.5, color=INK, linewidth=0.3, alpha=0.25)
            axis.set_xlim(-0.5, len(points) - 0.5)
            if i == 0:
                axis.set_title(title)
            if i == len(rows) - 1:
                axis.set_xlabel(where)
            if k == 0:
                axis.set_ylabel(row.title)
    return Drawing(name, caption, caption, figure)


def table(row: Row) -> str:
    """Return bias and coverage of each method at each point as Markdown."""
    frame = read(row.study)
    frame = frame[(frame["analysis"] == row.analysis) & (frame["term"] == row.term)]
    points = list(dict.fromkeys(frame["point"]))
    kind = {"selection": "continuous", "selection_binary": "binary", "selection_two_level": "in clusters"}[row.study]
    lines = [
        f"| {kind}: {row.title.split(': ')[-1].lower()} | {' | '.join(points)} |",
        "| --- |" + " ---: |" * len(points),
    ]
    for source in METHODS:
        own = frame[frame["source"] == source]
        if own.empty:
            continue
        values = own.pivot_table(index="point", columns="measure", values="estimate")
        cells = [f"{values.loc[p, 'bias']:.3f} ({values.loc[p, 'coverage']:.3f})" for p in points]
        label = "logreg" if row.study == "selection_binary" and source == "norm" else source.replace("2l_", "2l.")
        lines.append(f"| {label.replace('_', ' ')} | {' | '.join(cells)} |")
    errors = frame[frame["measure"].isin(["bias", "coverage"])].groupby("measure")["mcse"].max()
    lines.append(f"\nMonte Carlo errors: at most {errors['bias']:.3f} and {errors['coverage']:.3f}.\n")
    return "\n".join(lines).replace(" 0.", " .").replace("(0.", "(.").replace("-0.", "−.").replace("-", "−").replace(
        "−−−", "---"
    )  # fmt: skip


def main() -> None:
    said = "Monte Carlo intervals of 95 %."
    by_rho = f"Bias, spread and coverage by the correlation of the two errors. {said}"
    by_both = f"Bias, spread and coverage by the correlations of errors within clusters and of intercepts. {said}"
    write(
        RESULTS / "selection" / "figures", lambda: [draw("by_correlation", ONE_LEVEL, "Correlation of errors", by_rho)]
    )
    write(
        RESULTS / "selection_two_level" / "figures",
        lambda: [draw("by_level", TWO_LEVELS, "Correlations within, between", by_both)],
    )
    readme = HERE / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    tables = "\n".join(table(row) for row in (*ONE_LEVEL, *TWO_LEVELS[:3]))
    readme.write_text(before + BEGIN + tables + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
