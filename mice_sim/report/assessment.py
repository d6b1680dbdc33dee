"""The page of an assessment: verdict first, then the findings on utility and disclosure, then how it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mice_sim.assessment.findings import VERDICTS, Finding, Verdict, number, share
from mice_sim.report.diagnostics import _dot, _styled
from mice_sim.report.html import element, environment
from mice_sim.report.style import PALETTE, WIDTH, Drawing, Style, fitted, svg
from mice_sim.report.tables import fixed
from mice_sim.report.utility import plot_compare, plot_utility

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mice_sim.release import Assessment

TONES = {"ok": "agrees", "look": "unjudged", "alarm": "disagrees"}
MARKS = {"ok": "✓", "look": "?", "alarm": "✗"}
WORDS = {"ok": "OK", "look": "Look", "alarm": "Alarm"}
IN_HEAT_MAP, IN_PANELS, IN_TABLE = 30, 24, 20  # columns, columns, records
PEOPLE_IN = Style(PALETTE["vermilion"], "-", "D", "People in the data")
HELD_OUT = Style(PALETTE["blue"], "-", "o", "People held out")
ORIGINAL_TELLS = Style(PALETTE["blue"], "-", "o", "By the original")
SETS_TELL = Style(PALETTE["vermilion"], "-", "D", "By the synthetic data, rightly")

USEFUL: dict[Verdict, str] = {
    "ok": "As far as these tests tell, the synthetic data hold what the original holds.",
    "look": "Largely: some things differ beyond chance, though not by much.",
    "alarm": "Not for everything: some of what holds in the original does not hold in the synthetic data.",
}
SAFE: dict[Verdict, str] = {
    "ok": "As far as these tests tell, the synthetic data know no more of their people than of others.",
    "look": "No test raises an alarm, but there is something that a person must judge.",
    "alarm": "No: the synthetic data tell of the very people they were made from.",
}


def page(found: Assessment, public: bool) -> str:
    """Return the page; `public` leaves out which records are at risk."""
    return (
        environment()
        .get_template("assessment.html")
        .render(
            title=found.sources.get("original", "Synthetic data"),
            facts=_facts(found),
            headline=found.headline,
            tone=TONES[found.verdict()],
            questions=[
                ("Useful?", "utility", found.verdict("utility"), USEFUL[found.verdict("utility")]),
                ("Safe?", "disclosure", found.verdict("disclosure"), SAFE[found.verdict("disclosure")]),
            ],
            notes=[*found.safe.notes, *found.notes],
            look=_by_verdict(found.all_findings),
            utility=found.useful.findings,
            disclosure=found.safe.findings,
            number_of={finding: i for i, finding in enumerate(found.all_findings, start=1)},
            tones=TONES, marks=MARKS, words=WORDS,
            rate=share(found.settings["rate of false alarms"]),
            heat=_heat(found), panels=_panels(found), told=_told(found),
            fits=[(formula, fit.attrs["model"], _fit_rows(fit)) for formula, fit in found.useful.fits.items()],
            columns=_column_rows(found), told_columns="told" in found.safe.columns,
            risks=None if public else _risk_rows(found.safe.risks), all_at_risk=len(found.safe.risks),
            public=public,
            made=_made(found),
        )
    )  # fmt: skip


def _by_verdict(findings: tuple[Finding, ...]) -> list[Finding]:
    return sorted((f for f in findings if f.verdict != "ok"), key=lambda f: -VERDICTS.index(f.verdict))


def _facts(found: Assessment) -> list[tuple[str, str]]:
    sizes = [values.shape[1] for values in found.data.sets]
    records = f"{sizes[0]:,} each" if len(set(sizes)) == 1 and len(sizes) > 1 else ", ".join(f"{n:,}" for n in sizes)
    held = found.settings["held-out records"]
    return [
        ("Original records", f"{found.data.n:,}"), ("Synthetic sets", str(found.data.m)), ("Records", records),
        ("Columns", str(len(found.data.columns))), ("Held out", "none" if held is None else f"{held:,}"),
    ]  # fmt: skip


def _made(found: Assessment) -> list[tuple[str, str]]:
    rows = {f"{what}, file": value for what, value in found.sources.items()} | dict(found.settings)
    rows["keys"] = rows["keys"] or "none given: all columns but the target, for each target in turn"
    rows["targets"] = rows["targets"] or "none given: all columns that are no keys"
    if found.safe.attacked:
        synthetic, people = found.safe.attacked
        rows["attacks"] = f"{synthetic:,} synthetic records searched, {people:,} people of each kind attacked, at most"
    return [(what, _text(value)) for what, value in rows.items()]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:,}" if isinstance(value, int) else str(value)


# ---- figures


def _heat(found: Assessment) -> Any:
    tables = found.useful.tables
    if not (tables["way"] == 2).any():
        return None
    names = _worst(found, IN_HEAT_MAP)
    chosen = {*names, *(f"{a}:{b}" for a in names for b in names)}
    shown = tables[tables.index.isin(chosen)]
    alarms = [f.subject for f in found.useful.findings if f.verdict != "ok" and f.name in ("column", "pair")]
    shown = shown.assign(alarm=shown.index.isin(alarms))
    worst = shown["S_pMSE"].idxmax()
    drawing = Drawing(
        "tables",
        "Standardised pMSE of the tables of single columns (diagonal) and pairs: 1 to 2 is right, above 10 calls for "
        f"another synthesis. Frames mark what the findings name.{_some(found, names)}",
        f"Heat map of {len(names)} columns by {len(names)}; the largest standardised pMSE is "
        f"{number(float(shown['S_pMSE'].max()))}, of {str(worst).replace(':', ' and ')}.",
        plot_utility(shown),
    )  # fmt: skip
    return drawing, element(svg(drawing), drawing)


def _worst(found: Assessment, most: int) -> list[str]:
    """Return the columns that differ most, in the data's order."""
    ones = found.useful.tables[found.useful.tables["way"] == 1]["S_pMSE"].sort_values(ascending=False, kind="stable")
    chosen = set(ones.index[:most])
    return [name for name in found.data.names if name in chosen]


def _some(found: Assessment, names: list[str]) -> str:
    columns = len(found.data.columns)
    return f" Of {columns} columns, the {len(names)} that differ most." if len(names) < columns else ""


def _panels(found: Assessment) -> Any:
    names = _worst(found, IN_PANELS)
    drawing = Drawing(
        "columns",
        f"Each column in the original (area, bars) and in the synthetic sets (lines, marks).{_some(found, names)}",
        f"Small panels with the distributions of {len(names)} columns, original and synthetic: {', '.join(names)}.",
        plot_compare(found.data, columns=names),
    )
    return drawing, element(svg(drawing), drawing)


def _told(found: Assessment) -> Any:
    columns = found.safe.columns
    if "told" in columns:
        shown, looks = columns[["told_held_out", "told"]] * 100, (HELD_OUT, PEOPLE_IN)
        caption = (
            "Percent of people whose exact value is that of the synthetic record nearest in all other columns. What "
            "holds of those held out is knowledge of all; the difference is a leak."
        )
    else:
        shown, looks = columns[["Dorig", "DiSCO"]], (ORIGINAL_TELLS, SETS_TELL)
        caption = (
            "Percent of people of whom the keys disclose each column: by the original itself (Dorig), and rightly by "
            "small groups of synthetic records (DiSCO)."
        )
    shown = shown.dropna(how="all")
    if shown.empty:
        return None
    shown = shown.loc[shown.max(axis=1).sort_values(ascending=False, kind="stable").index[:IN_HEAT_MAP]]
    first, second = shown.columns
    top = (shown[second] - shown[first]).idxmax() if "told" in columns else shown[second].idxmax()
    alt = (
        f"Dot plot of {len(shown)} columns; most in {top}: {looks[1].label.lower()} {shown.at[top, second]:.1f} %, "
        f"{looks[0].label.lower()} {shown.at[top, first]:.1f} %."
    )
    drawing = Drawing("told", caption, alt, _dots(shown, looks))
    return drawing, element(svg(drawing), drawing)


@_styled
def _dots(shown: pd.DataFrame, looks: tuple[Style, Style]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 0.85 + 0.2 * len(shown)), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(shown))
    axis.hlines(places, shown.min(axis=1), shown.max(axis=1), color=PALETTE["grey"], linewidth=0.8)
    handles = []
    for name, look in zip(shown.columns, looks, strict=True):
        axis.plot(shown[name], places, look.marker, color=look.color, markersize=5 if look.marker == "o" else 4,
                  clip_on=False)  # fmt: skip
        handles.append(_dot(look))
    axis.set_yticks(places, [fitted(str(name), 28, 1) for name in shown.index])
    axis.set(ylim=(len(shown) - 0.5, -0.5), xlabel="percent of people")
    axis.set_xlim(0, max(float(shown.max().max()) * 1.05, 1.0))
    axis.grid(axis="x", color=PALETTE["grey"], alpha=0.25, linewidth=0.5)
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


# ---- tables


def _fit_rows(fit: pd.DataFrame) -> list[tuple[str, ...]]:
    return [
        (str(term), number(row["original"]), number(row["original_se"], 2), number(row["synthetic"]),
         fixed(row["std_diff"], 2), fixed(row["ci_overlap"], 2))
        for term, row in fit.iterrows()
    ]  # fmt: skip


def _column_rows(found: Assessment) -> list[tuple[str, ...]]:
    ones = found.useful.tables[found.useful.tables["way"] == 1]["S_pMSE"]
    rows = []
    for column in found.data.columns:
        row = found.safe.columns.loc[column.name]
        cells = [
            column.name, column.kind, number(float(ones[column.name]), 2) if column.name in ones else "kept",
            share(row["real"]), share(row["single"]), _percent(row["DiSCO"]), _percent(row["Dorig"]),
        ]  # fmt: skip
        if "told" in found.safe.columns:
            cells += [_percent(100 * row["told"]), _percent(100 * row["told_held_out"])]
        rows.append(tuple(cells))
    return rows


def _percent(value: float) -> str:
    return share(value / 100) if np.isfinite(value) else "–"


def _risk_rows(risks: pd.DataFrame) -> list[tuple[str, ...]]:
    return [
        (f"{row:,}", _percent(100 * one["copied"]) if one["copied"] else "–",
         _percent(100 * one["identified"]) if one["identified"] else "–", ", ".join(one["disclosed"]) or "–")
        for row, one in risks.head(IN_TABLE).iterrows()
    ]  # fmt: skip
