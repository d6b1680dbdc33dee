"""What plan, status, compare and replay print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mice_sim.report.html import with_error
from mice_sim.report.terminal import print_whole
from mice_sim.study.measures import get_measure, share_mcse
from mice_sim.study.plan import Interval, Plan
from mice_sim.study.replay import Replay
from mice_sim.study.status import Status, ranges
from mice_sim.study.targets import Need


def show_plan(console: Console, plan: Plan, needs: Sequence[Need]) -> None:
    """Print what a study costs, and how many replicates its targets need."""
    lines = [
        ("Points", f"{plan.points}"),
        ("Replicates to run", f"{plan.replicates} ({plan.present} are there)"),
        ("Tasks", f"{plan.tasks} of {plan.chunk} replicates"),
        ("A replicate", f"{_interval(plan.seconds, 1000)} ms of one core"),
        ("Core-hours", _interval(plan.core_hours)),
        ("Wall time", f"{_duration(plan.wall_hours)} with {plan.workers} workers, start and report apart"),
        ("Memory", f"{plan.memory_mib:.0f} MiB a worker"),
        ("Disk", f"{_interval(plan.disk_mib)} MiB"),
    ]
    _print_pairs(console, lines)
    if needs:
        table = _table("Measure", "Monte Carlo error", "Replicates needed", "for")
        for need in needs:
            _add_row(table, need.measure, f"{need.mcse:g}", f"{need.replicates}", need.cell)
        console.print()
        print_whole(console, table)


def show_status(console: Console, directory: Path, status: Status) -> None:
    """Print what is there, missing, queued, failed and unreadable."""
    lines = [("Study", str(directory)), ("Replicates", f"{len(status.present)} of {status.planned}")]
    if status.missing:
        lines.append(("Missing", ranges(status.missing)))
    if status.waiting:
        lines.append(("On the cluster", ranges(status.waiting)))
    lines += [("Unreadable", f"{bad.path.name}: {bad.why}; `mice-sim run` sets it aside") for bad in status.unreadable]
    _print_pairs(console, lines)
    if not status.failures:
        return
    table = _table("Failed in", "Analysis", "Replicates", "Rate ± MCSE", "Which")
    n = len(status.present)
    for source, analysis, count in status.failure_counts():
        which = [r for r, found in status.failures.items() if any((f.source, f.analysis) == (source, analysis)
                                                                  for f in found)]  # fmt: skip
        rate = count / n
        _add_row(table, source, analysis, str(count), with_error(rate, float(share_mcse(rate, n))), ranges(which))
    console.print(table)
    for reason in sorted({f.error for found in status.failures.values() for f in found}):
        console.print(Text(f"  {reason}"), soft_wrap=True)


def show_comparison(console: Console, frame: pd.DataFrame, common: int, same: int) -> None:
    """Print differences with their paired errors; those of the samples themselves only if they differ."""
    how = "the same samples in all of them" if same == common else f"the same samples in {same} of them"
    console.print(Text(f"{common} replicates in common, {how}."), soft_wrap=True)
    for measure, rows in frame.groupby("measure", sort=False):
        table = _table("Source", "Analysis", "Term", numbers=("A", "B", "A − B", "Unpaired error"))
        for row in rows[rows["statistic"] == "estimate"].itertuples():
            if row.difference or row.mcse:
                _add_row(
                    table, row.source, row.analysis, row.term, _short(row.a), _short(row.b),
                    with_error(row.difference, row.mcse), f"× {row.ratio:.1f}" if row.mcse > 0 else "",
                )  # fmt: skip
        console.print(Text(f"\n{get_measure(str(measure)).label}", style="bold"))
        if table.row_count:
            print_whole(console, table)
        else:
            console.print(Text("no difference"))


def show_replay(console: Console, replay: Replay) -> None:
    """Print the hash chain of a replicate that was rebuilt, and the first link that differs."""
    table = _table("Step", "Stream", "Hash")
    for link, found in zip(replay.links, replay.passport, strict=True):
        mark = "→ " if link["link"] == replay.differs else ""  # before the name, where no narrow terminal cuts it off
        _add_row(table, mark + link["link"], link["stream"].replace("REPLICATE", str(replay.replicate)), found)
    print_whole(console, table)
    for failure in replay.failures:
        text = f"{failure.source}, {failure.analysis} failed: {failure.error} (stream {failure.stream})"
        console.print(Text(text), soft_wrap=True)
    if not replay.same_code:
        console.print(Text("The code or the data is not that of the study.", style="yellow"))
    if replay.differs:
        text = f"The first step that differs is {replay.differs}; the largest relative difference of the numbers is "
        console.print(Text(f"{text}{replay.largest_difference:.2g}.", style="red"), soft_wrap=True)
    else:
        console.print(Text("Every hash is the stored one.", style="green"))


def _duration(hours: Interval) -> str:
    factor, unit = (3600, "seconds") if hours.value < 1 / 60 else (60, "minutes") if hours.value < 2 else (1, "hours")
    return f"{_interval(hours, factor)} {unit}"


def _interval(x: Interval, factor: float = 1.0) -> str:
    value, lower, upper = (factor * number for number in (x.value, x.lower, x.upper))
    return f"{value:.3g} ({lower:.3g} to {upper:.3g})"


def _table(*heads: str, numbers: Sequence[str] = ()) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head in heads:
        table.add_column(head, no_wrap=head != "Which")
    for head in numbers:
        table.add_column(head, no_wrap=True, justify="right")
    return table


def _add_row(table: Table, *cells: str) -> None:
    table.add_row(*map(Text, cells))  # a name in brackets would be markup


def _short(number: float) -> str:
    return f"{number:.4g}".replace("-", "−")


def _print_pairs(console: Console, pairs: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in pairs)
    for name, text in pairs:
        console.print(Text(f"{name:<{width}}  {text}"), soft_wrap=True)
