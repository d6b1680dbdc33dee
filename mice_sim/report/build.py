"""Everything that a reader of a study gets: tables, figures, agreement and the page, from stored rows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from mice_sim.analysis import MODELS
from mice_sim.report import paper
from mice_sim.report import sweep as sweeps
from mice_sim.report.figures import draw
from mice_sim.report.html import render
from mice_sim.report.latex import DOCUMENT, to_document, to_latex
from mice_sim.report.performance import performance_figures, performance_tables
from mice_sim.report.referee import Verdict
from mice_sim.report.rows import Rows, rows_behind
from mice_sim.report.simulation import replicates, short
from mice_sim.report.style import Drawing, write
from mice_sim.report.tables import report_tables, write_tables
from mice_sim.report.word import write_word
from mice_sim.study.config import is_sweep
from mice_sim.study.performance import performance, replicate_estimates
from mice_sim.study.replay import same_samples
from mice_sim.study.store import Store
from mice_sim.study.summary import Summary, summary_of
from mice_sim.study.sweep import point_stores, read_manifest, sweep_comparisons, sweep_performance


def build(directory: Path, verdict: Verdict, summary: Summary | None = None) -> Path:
    """Write tables/, figures/, agreement.csv and report.html of a study that has run; return the page's path.

    `summary` saves a pass over the replicates if it is at hand. Raises MiceSimError if the folder holds no study.
    """
    directory = Path(directory)
    store = Store(directory)
    config = store.config()
    summary = summary or summary_of(store, config)
    measured = performance(store, config)
    estimates = _model_estimates(store, config)
    tables = report_tables(summary, config)
    write_tables(directory / "tables", tables)
    _write_latex(directory / "tables", paper.of_report(tables, config))

    def draw_all() -> list[Drawing]:
        models_too = bool(config["report"].get("published"))
        drawings = draw(store, summary, config, tables, models_too)
        return drawings + performance_figures(measured, estimates, config)

    drawings = write(directory / "figures", draw_all)
    measured.to_csv(directory / "tables" / "performance.csv", index=False, lineterminator="\n")
    agreement = directory / "agreement.csv"
    if verdict.agreement is None:
        agreement.unlink(missing_ok=True)  # an earlier verdict's would contradict the page
    else:
        verdict.agreement.to_csv(agreement, index=False, lineterminator="\n")
    page = directory / "report.html"
    rows = rows_behind(store, summary, config["replicates"])
    text = render(directory, config, summary.replicates, verdict, tables, drawings, measured, rows)
    page.write_text(text, encoding="utf-8")
    return page


def build_sweep(directory: Path) -> Path:
    """Write tables/, figures/ and report.html of a sweep that has run; return the page's path.

    Raises MiceSimError if no point of it has run.
    """
    manifest = read_manifest(directory)
    frame, comparisons = sweep_performance(directory), sweep_comparisons(directory)
    stores = [store for _, store in point_stores(directory)]
    level = float(stores[0].config()["pooling"]["level"])
    longest = {}
    if "replicates" in manifest["axes"]:
        store = max(stores, key=lambda store: len(store.records()))
        longest = _model_estimates(store, store.config())
    rows = _rows_of_points(manifest, frame, stores)
    shared = all(common == same for common, same in (same_samples(stores[0], store) for store in stores[1:]))
    return sweeps.build_sweep(
        directory, manifest["study"], manifest["axes"], frame, comparisons, level, longest, rows, shared
    )


def _rows_of_points(
    manifest: Mapping[str, Any], frame: pd.DataFrame, stores: Sequence[Store]
) -> dict[tuple[str, ...], Rows]:
    """Write the page of rows of every point; return the rows by the axes' values as they are shown."""
    axes, found = list(manifest["axes"]), {}
    points = frame[axes].drop_duplicates().itertuples(index=False, name=None)
    for point, store in zip(points, stores, strict=True):
        shown, config = tuple(map(short, point)), store.config()
        summary = summary_of(store, config)
        page = quote(f"points/{store.directory.name}/{sweeps.ROWS}")
        found[shown] = rows_behind(store, summary, config["replicates"], page)
        sweeps.write_point(store.directory, manifest["study"], dict(zip(axes, shown, strict=True)), found[shown])
    return found


def build_paper(directory: Path, form: str) -> Path:
    """Write the tables of a study or sweep for a paper; return the path of the document that holds all of them.

    `form` is "latex", for tables/tables.tex and a file for each table, or "word", for tables/tables.docx. Raises
    MiceSimError if nothing is stored, or python-docx is wanted and missing.
    """
    study, tables = _paper_tables(directory)
    folder = directory / "tables"
    folder.mkdir(exist_ok=True)
    if form == "word":
        return write_word(folder / f"{DOCUMENT}.docx", tables)
    _write_latex(folder, tables)
    document = folder / f"{DOCUMENT}.tex"
    document.write_text(to_document(study, tables), encoding="utf-8", newline="\n")
    return document


def _paper_tables(directory: Path) -> tuple[str, list[paper.PaperTable]]:
    """Return the name of a study or sweep, and its tables."""
    if is_sweep(directory):
        manifest, frame = read_manifest(directory), sweep_performance(directory)
        config = next(point_stores(directory))[1].config()
        shown = performance_tables(_shown(frame, config), list(manifest["axes"]))
        return manifest["study"], paper.of_performance(shown, f"{replicates(frame)} a point")
    store = Store(directory)
    config = store.config()
    summary = summary_of(store, config)
    measured = _shown(performance(store, config), config)
    if config["report"].get("published"):  # its tables have a layout of their own, and of measures models alone
        measured = measured[measured["analysis"].map(lambda name: name in _models(config))]
    tables = paper.of_report(report_tables(summary, config), config)
    of_measures = paper.of_performance(performance_tables(measured), f"{summary.replicates:,} replicates")
    return config["study"], tables + of_measures


def _shown(frame: pd.DataFrame, config: Mapping[str, Any]) -> pd.DataFrame:
    return frame[frame["measure"].isin(config["measures"]["show"])]


def _write_latex(folder: Path, tables: list[paper.PaperTable]) -> None:
    for table in tables:
        (folder / f"{table.name}.tex").write_text(to_latex(table), encoding="utf-8", newline="\n")


def _model_estimates(store: Store, config: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    return {name: replicate_estimates(store, config, name) for name in _models(config)}


def _models(config: Mapping[str, Any]) -> list[str]:
    return [name for name, given in config["analysis"].items() if given["kind"] in MODELS]
