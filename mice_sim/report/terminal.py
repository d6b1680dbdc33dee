"""The end of a run on the terminal: the paper's tables, the verdict, and where the rest is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mice_sim.report.html import FAULTS, published_text, with_error
from mice_sim.report.referee import Verdict
from mice_sim.report.tables import ReportTable, header, paper_name, report_tables
from mice_sim.study.summary import Summary

# What the paper does not print; the files have it.
LEFT_OUT = {"n", "sd_count", "mean_std_error", "mean_df"}
MOST_CELLS = 12
UNBOUNDED = 10_000
COLOURS = {True: "green", False: "red", None: "yellow"}


def show(console: Console, summary: Summary, config: Mapping[str, Any], verdict: Verdict, directory: Path) -> None:
    """Print the tables, then the verdict and the cells that speak against it, then the paths."""
    for table in report_tables(summary, config):
        _print(console, Text(table.numbered_title, style="bold"))
        print_whole(console, _rich_table(console, table))
        console.print()
    if summary.replicates > 1:
        _print(console, Text("After ± stands the Monte Carlo standard error.\n", style="dim"))
    colour = COLOURS[verdict.agrees] if verdict.agreement is not None else ""
    _print(console, Text(verdict.headline, style=f"bold {colour}".strip()))
    for sentence in verdict.sentences:
        _print(console, Text(sentence))
    if verdict.agreement is not None:
        _show_faults(console, verdict.agreement)
    _print(console, Text(f"\nReport     {directory / 'report.html'}"))
    if verdict.agreement is not None:
        _print(console, Text(f"Agreement  {directory / 'agreement.csv'}"))


def _print(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)  # a path or a sentence that rich breaks can't be copied


def print_whole(console: Console, table: Table) -> None:
    """Print a table in its own width: a terminal too narrow for it breaks its lines, and cuts no number off."""
    table.width = _natural_width(console, table)
    console.print(table, crop=False)


def _natural_width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=UNBOUNDED)).maximum


def _rich_table(console: Console, table: ReportTable) -> Table:
    """Errors beside their numbers, or below them where the terminal is too narrow for that."""
    wide = _layout(table, stacked=False)
    return wide if _natural_width(console, wide) <= console.width else _layout(table, stacked=True)


def _layout(table: ReportTable, stacked: bool) -> Table:
    shown = [i for i, cell in enumerate(table.rows[0].cells) if cell.key.statistic not in LEFT_OUT]
    out = Table(box=SIMPLE_HEAD, padding=(0, 0 if stacked else 1, 0, 0), show_edge=False, pad_edge=False)
    for name in table.stub:
        out.add_column("" if len(table.stub) > 1 else name, no_wrap=True)
    for i in shown:
        out.add_column("\n".join(filter(None, table.head[i])), justify="right", vertical="top", no_wrap=True)
    above = ""
    for row in table.rows:
        if table.published and "bootstrap" in row.stub:
            continue  # the paper has no such rows
        stub, above = ("" if row.stub[0] == above else row.stub[0], *row.stub[1:]), row.stub[0]
        cells = [row.cells[i] for i in shown]
        out.add_row(*(Text(text) for text in stub), *(Text(_beside(c.value, c.mcse, stacked)) for c in cells))
    return out


def _beside(value: str, mcse: str, stacked: bool) -> str:
    if not mcse:
        return value
    return f"{value}\n({mcse})" if stacked else f"{value} ±{mcse}"


def _show_faults(console: Console, agreement: pd.DataFrame) -> None:
    faults = agreement[agreement["verdict"].isin(FAULTS)]
    for cell in faults.head(MOST_CELLS).itertuples():
        where = f"{paper_name(cell.table)}, {cell.source}, {cell.term}, {header(cell.statistic)}"
        numbers = f"published {published_text(cell)}, here {with_error(cell.ours, cell.mcse)}"
        note = f" ({cell.note})" if cell.note else ""
        _print(console, Text(f"  {cell.verdict}: {where}: {numbers}{note}"))
    if len(faults) > MOST_CELLS:
        _print(console, Text(f"  and {len(faults) - MOST_CELLS} more; agreement.csv has them all"))
