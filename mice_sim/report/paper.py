"""The tables of a study or a sweep as a paper prints them, for LaTeX and for Word.

Where a study is held against a published one, its tables have the published layout: the rows, columns and decimals that
were printed, and correlations as a matrix. All others show what the page shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mice_sim.analysis import MODELS
from mice_sim.report.performance import PerformanceTable
from mice_sim.report.published import load_published
from mice_sim.report.style import listed
from mice_sim.report.tables import IN_PARENTHESES, MOST_DECIMALS, Cell, Key, ReportTable, fixed, paper_name

MODEL = "Estimates in the original data; bias and coverage of the confidence interval over {}."
MATRIX = (
    "Correlations in the original data, and in parentheses true − synthetic, the mean over {}. In brackets, the Monte "
    "Carlo standard error of the latter."
)


class PaperCell(NamedTuple):
    """A number and what stands below it: its Monte Carlo standard error within parentheses, or nothing."""

    value: str
    below: str = ""


@dataclass(frozen=True)
class PaperTable:
    """A table for a paper. `name` is its file's; `head` are the (group, name) of the number columns."""

    name: str
    caption: str
    stub: tuple[str, ...]
    head: tuple[tuple[str, str], ...]
    rows: tuple[tuple[tuple[str, ...], tuple[PaperCell, ...]], ...]


def of_report(tables: Iterable[ReportTable], config: Mapping[str, Any]) -> list[PaperTable]:
    """Return a study's tables, in the layout of the published study that its configuration names, if it does."""
    printed = _printed(config["report"].get("published"))
    return [
        _published(table, printed[table.published]) if table.published in printed else _own(table) for table in tables
    ]


def of_performance(tables: Iterable[PerformanceTable], replicates: str) -> list[PaperTable]:
    """Return the tables of measures; `replicates` says over how many they are, in words."""
    return [
        PaperTable(
            f"performance_{table.name}",
            f"Performance, {table.name}, over {replicates}.{_targets(table)} {IN_PARENTHESES}",
            tuple(name.rpartition(".")[2] for name in table.stub),
            tuple(("", name) for name, _ in table.head),
            tuple(
                (labels, tuple(PaperCell(v, f"({e})" if e else "") for v, e, _ in cells))
                for labels, cells in table.rows
            ),
        )
        for table in tables
    ]


def once(rows: Iterable[tuple[tuple[str, ...], Any]]) -> list[tuple[tuple[str, ...], Any]]:
    """Return rows whose first label is left out where it is that of the row above."""
    found, above = [], None
    for labels, cells in rows:
        found.append((("", *labels[1:]) if labels[0] == above and len(labels) > 1 else labels, cells))
        above = labels[0]
    return found


def _targets(table: PerformanceTable) -> str:
    known = [f"{name} {target}" for name, target in table.head if target]
    return f" Targets: {listed(known)}." if known else ""


# ---- layouts


def _own(table: ReportTable) -> PaperTable:
    rows = ((row.stub, tuple(_cell(cell.value, cell.mcse) for cell in row.cells)) for row in table.rows)
    return PaperTable(table.name, _caption(table, table.note), table.stub, table.head, tuple(rows))


def _published(table: ReportTable, printed: Mapping[Key, str]) -> PaperTable:
    if table.kind == "correlations":
        return _matrix(table, printed)
    rows = [row for row in table.rows if any(cell.key in printed for cell in row.cells)]
    shown = [i for i in range(len(table.head)) if any(row.cells[i].key in printed for row in rows)]
    numbers = _numbers(table)
    note = MODEL.format(_over(table)) if table.kind in MODELS else table.note
    return PaperTable(
        table.name, _caption(table, note), table.stub, tuple(table.head[i] for i in shown),
        tuple((row.stub, tuple(_as_printed(row.cells[i], printed, numbers) for i in shown)) for row in rows),
    )  # fmt: skip


def _as_printed(cell: Cell, printed: Mapping[Key, str], numbers: Mapping[Key, tuple[float, float]]) -> PaperCell:
    """Return our number with the decimals that were printed, and an error with one digit at least."""
    if cell.key not in printed or cell.key not in numbers:
        return PaperCell(cell.value)
    value, mcse = numbers[cell.key]
    decimals = len(printed[cell.key].partition(".")[2])
    if not mcse > 0:
        return PaperCell(fixed(value, decimals))
    finer = int(np.clip(-np.floor(np.log10(mcse)), decimals, max(MOST_DECIMALS, decimals)))
    return _cell(fixed(value, decimals), fixed(mcse, finer))


def _matrix(table: ReportTable, printed: Mapping[Key, str]) -> PaperTable:
    numbers, pairs = _numbers(table), {}
    for key in numbers:
        if key in printed and key.source == "original":
            a, b = key.term.split(":")
            gap = next(k for k in printed if k.term == key.term and k.source != "original")
            value, apart = (_as_printed(Cell(k, "", ""), printed, numbers) for k in (key, gap))
            below = f"[{apart.below[1:-1]}]" if apart.below else ""
            pairs[a, b] = pairs[b, a] = PaperCell(f"{value.value} ({apart.value})", below)
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    rows = tuple(((a,), tuple(pairs.get((a, b), PaperCell("1")) for b in names)) for a in names)
    caption = f"{table.title}. {MATRIX.format(_over(table))}{_origin(table)}"
    return PaperTable(table.name, caption, ("",), tuple(("", name) for name in names), rows)


def _caption(table: ReportTable, note: str) -> str:
    """LaTeX and Word number tables themselves, so the published number goes to the end."""
    return f"{table.title}. {note} {IN_PARENTHESES}{_origin(table)}"


def _over(table: ReportTable) -> str:
    return table.note.rpartition(" over ")[2].rstrip(".")


def _origin(table: ReportTable) -> str:
    return f" ({paper_name(table.published)} of the published study.)" if table.published else ""


def _cell(value: str, mcse: str) -> PaperCell:
    return PaperCell(value, f"({mcse})" if mcse else "")


def _numbers(table: ReportTable) -> dict[Key, tuple[float, float]]:
    statistics = [name.removesuffix("_mcse") for name in table.frame.columns if name.endswith("_mcse")]
    return {
        Key(row["source"], row["term"], name): (float(row[name]), float(row[f"{name}_mcse"]))
        for row in table.frame.to_dict("records")
        for name in statistics
        if np.isfinite(row[name])
    }


def _printed(study: str | None) -> dict[str, dict[Key, str]]:
    """Return, for each table of a published study, the text of its printed cells."""
    found: dict[str, dict[Key, str]] = {}
    if study:
        cells = load_published(study).cells
        for cell in cells[cells["printed"] != ""].itertuples():
            found.setdefault(str(cell.table), {})[Key(cell.source, cell.term, cell.statistic)] = str(cell.printed)
    return found
