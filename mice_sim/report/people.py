"""The report of synthesised or imputed files: what was done to each column, on the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

import mice_sim
from mice_sim.data.schema import missing_codes, text
from mice_sim.errors import MiceSimError
from mice_sim.pooling.rules import default_rule

if TYPE_CHECKING:
    from mice_sim.people import Done

HEAD = ("column", "kind", "method", "predictors", "drawn", "decisions")
_MISSING = {
    "none": "There were no missing values.",
    "kept": "Missing values were synthesised as a property of the data.",
    "imputed": "Missing values were imputed; observed ones are as they were.",
    "one-step": "Missing and observed values were drawn together.",
    "two-step": "Missing values were imputed first; {r} sets were synthesised from each of {m} imputations.",
}
_LINKED = (
    "Record i of a set was drawn given the real record i, so that many of its values may be that person's own. "
    "Such sets are for methods research; do not release them."
)
_SHOWN_PREDICTORS = 3


def headline(done: Done) -> list[str]:
    """Return what was done, in a few sentences."""
    origin, result = done.result.origin, done.result
    kind = {"impute": "imputed", "linked": "synthetic, linked", "sequential": "synthetic"}[origin.mode]
    missing = origin.missing if np.isnan(result.original.values).any() else "none"
    sentences = [
        f"{result.m} {kind} {'set' if result.m == 1 else 'sets'} of {origin.k} "
        f"{'record' if origin.k == 1 else 'records'}, from {origin.n} in {done.people.path.name}.",
        _MISSING[missing].format(r=origin.r, m=origin.m),
    ]
    if origin.mode == "linked":
        sentences.append(_LINKED)
    try:
        sentences.append(f"Estimates from the sets are combined by the rule {default_rule(origin).name}.")
    except MiceSimError as error:
        sentences.append(str(error))
    return [*sentences, f"mice_sim {mice_sim.__version__}, seed {done.options['seed']}."]


def column_rows(done: Done, short: bool = False) -> list[tuple[str, ...]]:
    """Return what was done to each column of the file; `short` counts predictors where they are many."""
    summary = done.result.summary()
    rows: list[tuple[str, ...]] = []
    for name in done.people.order:
        column = done.people.columns[name]
        if name not in summary.index:
            fate = "carried along" if done.verb == "impute" else "left out"
            why = column["drop"] if isinstance(column["drop"], str) else "dropped by the schema"
            rows.append((name, "", fate, "", "0", why))
            continue
        row = summary.loc[name]
        predictors = str(row["predictors"])
        if short and predictors.count(", ") >= _SHOWN_PREDICTORS:
            predictors = f"{predictors.count(', ') + 1} columns"
        decisions = "; ".join(filter(None, [row["decisions"], *_codes(done, name)]))
        rows.append((name, row["kind"], row["method"], predictors, str(row["drawn"]), decisions))
    return rows


def _codes(done: Done, name: str) -> list[str]:
    """Return what became of a column's missing codes and spikes."""
    column = done.people.columns[name]
    special = ", ".join(text(value) for value in done.options.get("semicontinuous", {}).get(name, []))
    if special:
        return [f"drawn apart: {special}"]
    codes = ", ".join(text(code) for code in missing_codes(column))
    kept_as_levels = done.verb == "synthesize" and column["kind"] in ("binary", "unordered")
    return [f"missing codes {codes} {'are levels' if kept_as_levels else 'read as missing'}"] if codes else []


def event_rows(events: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return automatic decisions, those that recur in many sets and iterations once."""
    counts = events.groupby(["variable", "what", "why"], sort=False).size()
    return [(*map(str, key), str(count)) for key, count in counts.items()]  # type: ignore[misc]


def markdown(done: Done) -> str:
    """Return the report as Markdown."""
    title = f"# {done.people.path.name}, {'synthesised' if done.verb == 'synthesize' else 'imputed'}"
    parts = [title, " ".join(headline(done)), "## Columns", _markdown_table(HEAD, column_rows(done))]
    events = event_rows(done.result.events)
    if events:
        parts += ["## Automatic decisions", _markdown_table(("variable", "what", "why", "times"), events)]
    files = [*(path.name for path in done.files), "schema.yaml", "options.yaml"]
    parts += ["## Files", "\n".join(f"- `{name}`" for name in files)]
    return "\n\n".join(parts) + "\n"


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def show(console: Console, done: Done) -> None:
    """Print what was done, to which column, and where it is."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in HEAD:
        table.add_column(name, justify="right" if name == "drawn" else "left")
    for row in column_rows(done, short=True):
        table.add_row(*map(Text, row))
    console.print(table)
    for sentence in headline(done):
        console.print(Text(sentence))
    if done.result.events.empty:
        console.print("There were no automatic decisions.")
    console.print(Text(f"\nSets    {done.files[0]} … {done.files[-1].name}"), soft_wrap=True)
    console.print(Text(f"Report  {done.directory / 'report.md'}"), soft_wrap=True)
