"""One self-contained page for a study: verdict first, configuration and provenance last."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from mice_sim.report.performance import failures, performance_tables
from mice_sim.report.preregistration import registered_against_executed
from mice_sim.report.referee import Verdict
from mice_sim.report.rows import Rows
from mice_sim.report.style import INK, PALETTE, Drawing
from mice_sim.report.tables import Cell, ReportTable, fixed, groups, header, paper_name
from mice_sim.study.replay import CERTIFICATE

VERDICTS = ("exact", "within", "outside", "different", "explained", "not judged")
FAULTS = ("outside", "different")
MARKS = {"outside": "✗", "different": "≠", "explained": "†"}  # a sign beside the colour, for those who don't see it
AGREES = {True: "agrees", False: "disagrees", None: "unjudged"}


def render(
    directory: Path,
    config: Mapping[str, Any],
    replicates: int,
    verdict: Verdict,
    tables: Sequence[ReportTable],
    drawings: Sequence[Drawing],
    performance: pd.DataFrame,
    rows: Rows,
) -> str:
    """Return the page; it reads config, provenance, events and figures from the study's folder."""
    provenance = _json(directory / "provenance.json")
    shown = performance[performance["measure"].isin(config["measures"]["show"])]
    return (
        environment()
        .get_template("report.html")
        .render(
            config=config,
            facts=_facts(config, replicates, provenance),
            verdict=verdict,
            status=AGREES[verdict.agrees] if verdict.agreement is not None else "told",
            counts=_verdict_counts(verdict.agreement),
            faults=_cells(verdict.agreement, FAULTS),
            explained=_cells(verdict.agreement, ("explained",)),
            marks=MARKS,
            tables=tables,
            performance=performance_tables(shown),
            failures=failures(performance),
            registered=registered_against_executed(directory, config),
            certificate=_json(directory / CERTIFICATE),
            groups=groups,
            rows=rows,
            published=_Published(verdict.agreement),
            figures=[
                (drawing, inline_svg(directory / "figures" / f"{drawing.name}.svg", drawing)) for drawing in drawings
            ],
            events=_events(directory),
            configuration=(directory / "config.yaml").read_text(encoding="utf-8"),
            provenance=list(_flat(provenance)),
        )
    )


def environment() -> Environment:
    """Return the templates of all pages."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


# ---- what was published


class _Published:
    """The published number of a cell, for the table it stands in: (text, verdict) or None."""

    def __init__(self, agreement: pd.DataFrame | None):
        rows = [] if agreement is None else agreement.itertuples()
        self._known = {(r.table, r.source, r.term, r.statistic): (published_text(r), r.verdict) for r in rows}

    def __call__(self, table: ReportTable, cell: Cell) -> tuple[str, str] | None:
        return self._known.get((table.published, *cell.key))


def published_text(row: Any, exact: bool = True) -> str:
    """Return the number as printed; one that is known from the archive only, or judged by z, to five digits."""
    printed = row.printed if exact and isinstance(row.printed, str) and row.printed else f"{row.published:.5g}"
    return printed.replace("-", "−")


def with_error(value: float, mcse: float) -> str:
    """Return `value ± mcse`, both to the second digit of the error."""
    if not np.isfinite(value):
        return fixed(value, 0)
    if not np.isfinite(mcse) or mcse <= 0:
        return f"{value:.6g}".replace("-", "−")
    decimals = int(np.clip(1 - np.floor(np.log10(mcse)), 0, 6))
    return f"{fixed(value, decimals)} ± {fixed(mcse, decimals)}"


def _verdict_counts(agreement: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return how many cells of each published table got each verdict."""
    if agreement is None:
        return None
    counts = pd.crosstab(agreement["table"], agreement["verdict"])
    shown = [v for v in VERDICTS if v in FAULTS[:1] + VERDICTS[:2] or v in counts]
    counts = counts.reindex(index=dict.fromkeys(agreement["table"]), columns=shown, fill_value=0)
    counts.index = [paper_name(name) for name in counts.index]
    return pd.concat([counts, counts.sum().to_frame("All").T])


def _cells(agreement: pd.DataFrame | None, verdicts: Sequence[str]) -> list[dict[str, str]]:
    if agreement is None:
        return []
    return [
        {
            "Table": paper_name(r.table), "Data": r.source, "Term": r.term, "Statistic": header(r.statistic),
            "Published": published_text(r, exact=np.isnan(r.z)), "Here": with_error(r.ours, r.mcse), "z": fixed(r.z, 1),
            "Verdict": r.verdict, "Note": r.note,
        }
        for r in agreement[agreement["verdict"].isin(verdicts)].itertuples()
    ]  # fmt: skip


# ---- figures


def inline_svg(file: Path, drawing: Drawing) -> Markup:
    """Return a figure as an element of the page: own ids, the page's colours, no fixed width."""
    return element(file.read_text(encoding="utf-8"), drawing)


def element(svg: str, drawing: Drawing) -> Markup:
    """Return the text of a figure's file as `inline_svg` does."""
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor").replace("#ffffff", "var(--paper)")
    for name, colour in PALETTE.items():
        svg = svg.replace(colour, f"var(--{name})")
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    svg = _ALIKE.sub(_grouped, re.sub(r"(\d\.\d\d)\d+|\n +", lambda m: m[1] or "\n", svg))
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{drawing.name}-", svg)
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(drawing.alt)}"', 1))


# A thousand points or lines of one series bear the same look each; a group about them can bear it for all. What has an
# id is used elsewhere, where a group's look would not follow it.
_ALIKE = re.compile(r'<(path|use) (?!id=)[^>]*?((?: clip-path="[^"]*")? style="[^"]*")/>(?:\s*<\1 (?!id=)[^>]*?\2/>)+')


def _grouped(run: re.Match[str]) -> str:
    return f"<g{run[2]}>{run[0].replace(run[2], '')}</g>"


# ---- events, provenance


def _events(directory: Path) -> list[tuple[str, str, str, int]]:
    """Return (variable, what, why, how often), the most frequent first."""
    file = directory / "events.parquet"
    if not file.exists():
        return []
    counts = pd.read_parquet(file).groupby(["variable", "what", "why"]).size()
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(*key, int(count)) for key, count in ordered]


def _json(file: Path) -> dict[str, Any]:
    """Return what a file holds; nothing if it is not there."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _flat(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", f"{value:.1f}" if isinstance(value, float) else str(value)


def _facts(config: Mapping[str, Any], replicates: int, provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    data, synthesis, run = config["data"], config["synthesis"], provenance.get("run", {})
    facts = [
        ("Data", data.get("name", data.get("kind"))), ("Replicates", replicates), ("Failed", run.get("failed")),
        ("Synthetic sets", synthesis.get("m")), ("Method", synthesis.get("method")),
        ("Variants", ", ".join(synthesis.get("variants") or ()) or None), ("Rule", synthesis.get("rule")),
        ("Seed", config["seed"]),
    ]  # fmt: skip
    return [(name, str(value)) for name, value in facts if value is not None]
