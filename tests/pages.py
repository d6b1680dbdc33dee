"""Tables of the pages that come from stored results: python tests/pages.py writes them into the pages."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERIFICATION = ROOT / "results" / "verification.json"
BENCHMARK = ROOT / "results" / "benchmark.json"
PEERS = ("R mice", "statsmodels", "scikit-learn", "miceforest")


def table(head: str, align: str, rows: Iterable[Iterable[str]]) -> str:
    return "\n".join([head, align, *(f"| {' | '.join(row)} |" for row in rows)])


def versions(result: dict, names: Iterable[str] | None = None) -> str:
    """Return the versions of what was compared; all that are stored if no names are given."""
    known = result["versions"]
    return ", ".join(f"{name} {known[name]}" for name in names or known if name in known)


# ---- docs/validity.md


def verification(result: dict) -> str:
    """Return what `make verify` found."""
    lines = result["lines"]
    notes = list(dict.fromkeys(line["note"] for line in lines if line["note"]))
    rows = (
        (
            line["what"] + (f" ({1 + notes.index(line['note'])})" if line["note"] else ""),
            line["against"],
            line["cases"],
            _difference(line["largest"], line["unit"]),
            _difference(line["limit"], line["unit"]),
            "agrees" if line["agrees"] else "**differs**",
        )
        for line in lines
    )
    agree = sum(line["agrees"] for line in lines)
    return "\n\n".join([
        f"{result['date']}, seed {result['seed']}, {result['minutes']:.0f} minutes at a load average of "
        f"{result['load']}: {agree} of {len(lines)} comparisons agree. {versions(result)}.",
        table("| what | R's | cases | largest difference | limit | |", "| --- | --- | --- | ---: | ---: | --- |", rows),
        " ".join(f"({number}) {note}." for number, note in enumerate(notes, start=1)),
    ])  # fmt: skip


def _difference(value: float, unit: str) -> str:
    # A minus and a space at which browsers break no line.
    if unit == "relative":
        return f"{value:.0e}".replace("e-0", "e-").replace("-", "−") if value else "0"
    return f"{value:.0f}" if unit == "number" else f"{value:.2f}\N{NO-BREAK SPACE}{unit}"


# ---- docs/performance.md


def study(section: dict) -> str:
    """Return what replicates of the published study took."""
    rows = (
        (row["rule"], row["stage"], *(_seconds(1000 * row[name]) for name in ("R", "R_xval0", "ours")),
         *(f"{row[name] / row['ours']:.0f}" for name in ("R", "R_xval0")))
        for row in section["rows"]
    )  # fmt: skip
    head = "| rule | stage | R | R, xval = 0 | ours | ratio | ratio, xval = 0 |"
    return f"{_run(section, 'rpart')}\n\n" + table(head, "| --- | --- |" + " ---: |" * 5, rows)


def beside_r(section: dict, *packages: str) -> str:
    """Return a section of `make benchmark` that has R's seconds and ours."""
    rows = ((row["task"], _seconds(row["R"]), _seconds(row["ours"]), f"{row['R'] / row['ours']:.0f}")
            for row in section["rows"])  # fmt: skip
    return f"{_run(section, *packages)}\n\n" + table(
        "| task | R | ours | ratio |", "| --- | ---: | ---: | ---: |", rows
    )


def peers(section: dict) -> str:
    """Return what the other imputers took, and how many times ours that is."""
    rows = (
        (row["task"], _seconds(row["mice_sim"]),
         *(f"{_seconds(row[p])} ({row[p] / row['mice_sim']:.0f})" if p in row else "–" for p in PEERS))
        for row in section["rows"]
    )  # fmt: skip
    head = f"| task | mice_sim | {' | '.join(PEERS)} |"
    run = _run(section, "ranger", *PEERS[1:], "lightgbm")
    return f"{run}\n\n" + table(head, "| --- |" + " ---: |" * (1 + len(PEERS)), rows)


def _run(section: dict, *packages: str) -> str:
    names = ("R", "mice", *packages, "numpy", "numba")
    return (
        f"{section['date']}, {section['cores']} cores, load average {section['load']:.1f}; {versions(section, names)}."
    )


def _seconds(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:#.2g}"


# ---- pages


TABLES: dict[str, tuple[Path, Path, Callable[[dict], str]]] = {
    "verification": (ROOT / "docs" / "validity.md", VERIFICATION, verification),
    "engine": (ROOT / "docs" / "performance.md", BENCHMARK, lambda s: beside_r(s["engine"], "rpart", "ranger")),
    "two_level": (
        ROOT / "docs" / "performance.md",
        BENCHMARK,
        lambda s: beside_r(s["two_level"], "pan", "lme4", "jomo"),
    ),
    "peers": (ROOT / "docs" / "performance.md", BENCHMARK, lambda s: peers(s["peers"])),
    "study": (ROOT / "docs" / "performance.md", BENCHMARK, lambda s: study(s["study"])),
    "times": (ROOT / "README.md", BENCHMARK, lambda s: study(s["study"])),
}


def page_with(name: str) -> tuple[Path, str]:
    """Return a page and its text with the table of what is stored."""
    page, stored, render = TABLES[name]
    content = render(json.loads(stored.read_text(encoding="utf-8")))
    between = re.compile(f"(<!-- {name} -->\n).*(<!-- /{name} -->)", re.DOTALL)
    return page, between.sub(lambda match: f"{match[1]}\n{content}\n\n{match[2]}", page.read_text(encoding="utf-8"))


def update(names: Iterable[str] = TABLES) -> None:
    """Write tables into their pages."""
    for name in names:
        page, text = page_with(name)
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(update(sys.argv[1:] or TABLES))
