"""Everything that a reader of a study gets: tables, figures, agreement and the page, from stored rows alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from mice_sim.report.figures import draw
from mice_sim.report.html import render
from mice_sim.report.performance import performance_figures
from mice_sim.report.referee import Verdict
from mice_sim.report.style import Drawing, write
from mice_sim.report.tables import report_tables, write_tables
from mice_sim.study.store import Store
from mice_sim.study.summary import Summary, summarise


def build(
    directory: Path,
    verdict: Verdict,
    summary: Summary | None = None,
    performance: pd.DataFrame | None = None,
    estimates: Mapping[str, pd.DataFrame] | None = None,
) -> Path:
    """Write tables/, figures/, agreement.csv and report.html of a study that has run; return the page's path.

    `summary` saves a second pass over the replicates if it is at hand. With the study's `performance` frame the page
    has a section of measures and their figures, and there is tables/performance.csv; with `estimates`, the
    `replicate_estimates` frames of its models by analysis, also the figures of single replicates. Raises
    MiceSimError if the folder holds no study.
    """
    directory = Path(directory)
    store = Store(directory)
    config = store.config()
    summary = summary or summarise(store, config["replicates"], config["synthesis"]["m"])
    tables = report_tables(summary, config)
    write_tables(directory / "tables", tables)
    measured = performance is not None and not config["report"].get("published")

    def draw_all() -> list[Drawing]:
        drawings = draw(store, summary, config, tables, models_too=not measured)
        return drawings if performance is None else drawings + performance_figures(performance, estimates or {}, config)

    drawings = write(directory / "figures", draw_all)
    if performance is not None:
        performance.to_csv(directory / "tables" / "performance.csv", index=False, lineterminator="\n")
    agreement = directory / "agreement.csv"
    if verdict.agreement is None:
        agreement.unlink(missing_ok=True)  # an earlier verdict's would contradict the page
    else:
        verdict.agreement.to_csv(agreement, index=False, lineterminator="\n")
    page = directory / "report.html"
    text = render(directory, config, summary.replicates, verdict, tables, drawings, performance)
    page.write_text(text, encoding="utf-8")
    return page
