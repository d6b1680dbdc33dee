"""Everything that a reader of a study gets: tables, figures, agreement and the page, from stored rows alone."""

from __future__ import annotations

from pathlib import Path

from mice_sim.report.figures import draw
from mice_sim.report.html import render
from mice_sim.report.referee import Verdict
from mice_sim.report.style import write
from mice_sim.report.tables import report_tables, write_tables
from mice_sim.study.store import Store
from mice_sim.study.summary import Summary, summarise


def build(directory: Path, verdict: Verdict, summary: Summary | None = None) -> Path:
    """Write tables/, figures/, agreement.csv and report.html of a study that has run; return the page's path.

    `summary` saves a second pass over the replicates if it is at hand. Raises MiceSimError if the folder
    holds no study.
    """
    directory = Path(directory)
    store = Store(directory)
    config = store.config()
    summary = summary or summarise(store, config["replicates"], config["synthesis"]["m"])
    tables = report_tables(summary, config)
    write_tables(directory / "tables", tables)
    drawings = write(directory / "figures", lambda: draw(store, summary, config, tables))
    agreement = directory / "agreement.csv"
    if verdict.agreement is None:
        agreement.unlink(missing_ok=True)  # an earlier verdict's would contradict the page
    else:
        verdict.agreement.to_csv(agreement, index=False, lineterminator="\n")
    page = directory / "report.html"
    page.write_text(render(directory, config, summary.replicates, verdict, tables, drawings), encoding="utf-8")
    return page
