"""The report: what its tables, figures and page claim, checked on a study of six replicates."""

from __future__ import annotations

import hashlib
import io
import math
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from mice_sim.report import tables
from mice_sim.report.build import build
from mice_sim.report.html import element, render
from mice_sim.report.referee import COLUMNS, Verdict, judge
from mice_sim.report.rows import rows_behind
from mice_sim.report.style import Drawing, wilson
from mice_sim.report.terminal import show
from mice_sim.study.config import compose
from mice_sim.study.performance import performance
from mice_sim.study.run import run_study
from mice_sim.study.store import Store
from mice_sim.study.summary import Summary, summarise

NOT_JUDGED = Verdict(None, "Not judged.", [], None)


def failing_verdict() -> Verdict:
    rows = [
        ("table4", "synthetic", "age", "bias", -0.0326, "-0.033", 0.5, 0.002, 266.0, "outside", ""),
        ("table2", "original", "age", "median", 10.5045, "10.50", 10.6, 0.0, math.nan, "different", "<b>other</b>"),
        ("table2", "synthetic", "tv", "median", 3.1885, "3.19", 3.2, 0.0, math.nan, "explained", "A tie."),
        ("table3", "original", "age:hgt", "correlation", 0.9756, "0.976", 0.9756, 0.0, math.nan, "exact", ""),
    ]
    return Verdict(False, "Does not agree: 2 of 4 numbers.", ["Look & see."], pd.DataFrame(rows, columns=COLUMNS))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    overrides = ["experiment=volker_vink_2021", "replicates=6", "execution=serial", f"output={folder}"]
    run_study(compose(overrides))
    return folder


@pytest.fixture(scope="module")
def page(study: Path) -> str:
    return build(study, failing_verdict()).read_text(encoding="utf-8")


def tiny_summary() -> Summary:
    """Two terms of a logistic model and one correlation over 25 replicates, with easy numbers."""
    rows = []
    for source, shift in (("bootstrap", 0.0), ("synthetic", 0.5)):
        for term in ("x", "a|b_1"):
            rows.append((source, "risk", term, "estimate", 2.0, 25, 2.0 + shift, 1.0))
            rows.append((source, "risk", term, "std_error", math.nan, 25, 0.9, 0.05))
            rows.append((source, "risk", term, "df", math.nan, 25, 80.0, 10.0))
        rows.append((source, "pairs", "x:y", "correlation", 0.8, 25, 0.8 - shift / 10, 0.1))
    columns = ["source", "analysis", "term", "statistic", "truth", "n", "mean", "sd"]
    model = [(s, "risk", t, 25, 0.8) for s in ("bootstrap", "synthetic") for t in ("x", "a|b_1")]
    coverage = pd.DataFrame(model, columns=["source", "analysis", "term", "n", "coverage"])
    return Summary(pd.DataFrame(rows, columns=columns), coverage, pd.DataFrame(), 25)


TINY_CONFIG: dict[str, Any] = {
    "data": {"name": "elsewhere"},
    "analysis": {"risk": {"kind": "logistic", "formula": "y ~ x"}, "pairs": {"kind": "correlations"}},
    "report": {"published": None},
}


def tiny_table(name: str) -> tables.ReportTable:
    return {table.name: table for table in tables.report_tables(tiny_summary(), TINY_CONFIG)}[name]


# ---- tables


def test_a_models_numbers_and_their_monte_carlo_errors_are_those_of_morris_white_and_crowther():
    row = tiny_table("risk").frame.set_index(["source", "term"]).loc["synthetic", "x"]
    expected = {
        "estimate": 2.5, "estimate_mcse": 1 / 5,
        "bias": 0.5, "bias_mcse": 1 / 5,
        "emp_se": 1.0, "emp_se_mcse": 1 / math.sqrt(2 * 24),
        "coverage": 0.8, "coverage_mcse": math.sqrt(0.8 * 0.2 / 25),
        "mean_std_error": 0.9, "mean_std_error_mcse": 0.05 / 5,
        "mean_df": 80.0, "mean_df_mcse": 10 / 5,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_correlations_are_compared_as_the_paper_does_true_minus_synthetic():
    row = tiny_table("pairs").frame.set_index("source").loc["synthetic"]
    assert row["true_minus_synthetic"] == pytest.approx(0.05)
    assert row["true_minus_synthetic_mcse"] == pytest.approx(0.1 / 5)


def test_tables_take_the_names_of_their_analyses_and_paper_numbers_only_for_that_paper():
    found = tables.report_tables(tiny_summary(), TINY_CONFIG)
    assert [table.name for table in found] == ["risk", "pairs"]
    assert not any("Table" in table.numbered_title for table in found)


def test_each_number_in_a_csv_stands_beside_its_monte_carlo_error(study, page):
    for table in ("descriptives", "counts", "correlations", "linear", "ordinal", "discrimination", "confusion"):
        file = study / "tables" / f"{table}.csv"
        numbers = list(pd.read_csv(file).columns[3:])
        assert numbers[1::2] == [f"{name}_mcse" for name in numbers[::2]], file.name


def test_the_tables_of_the_paper_are_all_there_in_three_formats(study, page):
    names = {"descriptives", "counts", "correlations", "linear", "ordinal", "discrimination", "confusion"}
    for extension in ("csv", "md", "tex"):
        assert {file.stem for file in (study / "tables").glob(f"*.{extension}")} - {"performance"} == names


def test_csv_files_hold_full_precision(study, page):
    frame = pd.read_csv(study / "tables" / "linear.csv").set_index(["source", "term"])
    rows = summarise(Store(study), 6, 5).rows.set_index(["source", "analysis", "term", "statistic"])
    assert frame.loc[("synthetic", "age"), "estimate"] == rows.loc[("synthetic", "linear", "age", "estimate"), "mean"]


def test_markdown_shows_the_error_in_parentheses_and_survives_odd_names():
    table = tiny_table("risk")
    assert r"| a\|b_1 | 2.0 | 0.0 (0.2)" in tables.to_markdown(table)


@pytest.mark.parametrize(("number", "text"), [(-0.0004, "0.00"), (-1.5, "−1.50"), (math.nan, "–"), (2, "2.00")])
def test_rounding_gives_a_true_minus_and_never_a_minus_zero(number, text):
    assert tables.fixed(number, 2) == text


def test_an_analysis_without_rows_has_no_table():
    config = TINY_CONFIG | {"analysis": TINY_CONFIG["analysis"] | {"counts": {"kind": "counts"}}}
    assert "counts" not in {table.name for table in tables.report_tables(tiny_summary(), config)}


def many_methods(sources: list[str]) -> Summary:
    """The tiny study with other sources: the first a sample, the rest syntheses."""
    tiny = tiny_summary()
    rows = pd.concat([tiny.rows[tiny.rows["source"] == "bootstrap"].assign(source=s) for s in sources])
    model = pd.concat([tiny.coverage[tiny.coverage["source"] == "bootstrap"].assign(source=s) for s in sources])
    return Summary(rows.reset_index(drop=True), model.reset_index(drop=True), pd.DataFrame(), 25)


def test_two_methods_stand_side_by_side_under_their_names():
    risk, pairs = tables.report_tables(many_methods(["cart", "parametric"]), TINY_CONFIG)
    assert tables.groups(risk.head) == [("Original", 1), ("Cart", 4), ("Parametric", 4)]
    assert [name for group, name in pairs.head if group == "Parametric"] == ["Correlation", "True − synthetic"]
    assert list(risk.frame["source"][:3]) == ["original", "cart", "parametric"]


def test_more_sources_than_fit_side_by_side_stand_below_each_other():
    sources = ["sample", "complete_cases", "cart", "parametric"]
    risk = tables.report_tables(many_methods(sources), TINY_CONFIG)[0]
    assert risk.stub == ("Term", "Data")
    assert [row.stub for row in risk.rows[:5]] == [("x", s) for s in ["original", *sources]]


class Blocks:
    """A store of two statistics in two blocks; the first fails once."""

    def blocks(self, replicates):
        yield np.array([0, 1, 2]), np.array([[3.0, 5.0], [np.nan, 5.0], [1.0, 5.0]]), np.zeros((3, 2))
        yield np.array([7, 8]), np.array([[2.0, 5.0], [9.0, 5.0]]), np.zeros((2, 2))


def test_the_ends_of_a_statistic_are_found_over_all_blocks_and_without_what_failed():
    labels = {"source": "s", "analysis": "a", "term": ["x", "y"], "statistic": "estimate"}
    rows = pd.DataFrame({**labels, "n": [4, 5], "mean": [3.75, 5.0], "sd": [3.59, 0.0]})
    one, other = rows_behind(Blocks(), Summary(rows, pd.DataFrame(), pd.DataFrame(), 5), 9).groups["a"]
    assert (one.least, one.least_at, one.most, one.most_at, one.n) == ("1.0", 2, "9.0", 8, 4)
    assert (other.least, other.most, other.sd) == ("5", "5", "0")
    assert re.findall(r"V(\d+)h4", one.bars).count("0") == 4  # one value a bar
    assert re.findall(r"V(\d+)h4", other.bars)[12] == "0"  # all of them in the middle


# ---- figures


def test_a_coverage_of_one_still_has_an_interval():
    lower, upper = wilson(np.array([1.0]), np.array([10.0]), 0.95)
    assert lower[0] == pytest.approx(0.7225, abs=1e-4)  # Wilson (1927), as in R's prop.test(10, 10, correct = FALSE)
    assert upper[0] == pytest.approx(1.0)


def test_figures_come_for_print_for_slides_and_for_the_page(study, page):
    for name in ("means", "counts", "coverage", "bias"):
        for extension in ("png", "pdf", "svg"):
            assert (study / "figures" / f"{name}.{extension}").stat().st_size > 1000


# ---- the page


def test_a_rebuilt_report_is_byte_for_byte_the_same(study, page, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(study, copy, ignore=shutil.ignore_patterns("tables", "figures", "report.html"))
    build(copy, failing_verdict())
    assert digests(copy) == digests(study)


def digests(folder: Path) -> dict[str, str]:
    files = [f for part in ("tables", "figures") for f in sorted((folder / part).iterdir())] + [folder / "report.html"]
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_the_page_needs_nothing_but_itself_and_names_files_that_lie_beside_it(study, page):
    assert not re.search(r'@import|url\((?!#)|<link|\ssrc\s*=|<(?!a\b)[^>]*\shref="(?!#)', page)
    named = re.findall(r'<a href="([^#"][^"]*)"', page)
    assert {"tables/linear.tex", "figures/means.pdf", "./agreement.csv"} <= set(named)
    assert all((study / name).is_file() for name in named)


def test_a_number_leads_to_the_rows_that_it_is_made_of(study, page):
    section = page[page.index('id="table-linear"') : page.index('id="table-ordinal"')]
    row = re.search(r'<th scope="row">age</th>.*', section)[0]
    anchors = re.findall(r'href="#rows-(\d+)"', row)
    behind = [
        re.search(rf'id="rows-{a}" data-source="(\w+)" data-term="age" data-statistic="(\w+)"', page) for a in anchors
    ]
    assert [b.groups() for b in behind] == [
        ("bootstrap", "estimate"), ("bootstrap", "ci_lower"), ("synthetic", "estimate"), ("synthetic", "ci_lower"),
        ("synthetic", "std_error"), ("synthetic", "df"),
    ]  # fmt: skip
    assert set(re.findall(r'href="#(rows-\d+)"', page)) <= set(re.findall(r'id="(rows-\d+)"', page))


def test_the_rows_behind_a_number_are_those_in_the_files(study):
    found = rows_behind(Store(study), summarise(Store(study), 6, 5), 6).groups["ordinal"]
    behind = next(b for b in found if (b.source, b.term, b.statistic) == ("synthetic", "regwest", "estimate"))
    where = [
        ("analysis", "==", "ordinal"),
        ("source", "==", "synthetic"),
        ("term", "==", "regwest"),
        ("statistic", "==", "estimate"),
    ]
    rows = pd.read_parquet(sorted(study.glob("replicates/part-*.parquet")), filters=where).set_index("replicate")[
        "value"
    ]
    assert (behind.n, behind.least_at, behind.most_at) == (6, rows.idxmin(), rows.idxmax())
    numbers = [rows.mean(), rows.std(), rows.min(), rows.max()]
    assert [behind.mean, behind.sd, behind.least, behind.most] == [tables.fixed(x, 2) for x in numbers]
    heights = [20 - int(h) for h in re.findall(r"V(\d+)h4", behind.bars)]
    counts = np.histogram(rows, bins=24)[0]
    assert heights == [round(20 * c / counts.max()) for c in counts]


def test_what_many_points_share_is_written_once():
    look, other = ' clip-path="url(#c)" style="fill: none"', ' style="fill: #0072b2"'
    alike = "".join(f'<path d="M {i}.125 0"{look}/>\n' for i in range(3))
    defined = "".join(f'<path id="{name}" d="M 1 1"{other}/>' for name in "mn")
    svg = f'<svg><defs>{defined}</defs>{alike}<use x="1"{other}/></svg>'
    text = str(element(svg, Drawing("a", "", "An alternative.", None)))
    paths = "\n".join(f'<path d="M {i}.12 0"/>' for i in range(3))
    assert f'<g clip-path="url(#a-c)" style="fill: none">{paths}</g>' in text
    assert text.count("var(--blue)") == 3
    assert '<path id="a-n" d="M 1 1" style=' in text


def test_the_page_says_the_verdict_before_anything_else(page):
    headings = re.findall(r"<h([123])[^>]*>(.*?)</h", page)
    assert headings[0][0] == "1"
    assert headings[1] == ("2", "Does not agree: 2 of 4 numbers.")
    assert "Look &amp; see." in page
    levels = [int(level) for level, _ in headings]
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_page_holds_every_table_and_every_figure_with_words_in_its_place(page):
    for number in range(2, 8):
        assert f"Table {number}. " in page
    labels = re.findall(r'<svg role="img" aria-label="([^"]+)"', page)
    figures = re.findall(r'<figure id="figure-(\w+)"', page)
    assert figures[:4] == ["means", "counts", "coverage", "bias"]  # the paper's, then those of every study
    assert len(labels) == len(figures)
    assert all(len(label) > 40 for label in labels)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_failing_verdict_names_its_cells_and_marks_them_in_their_tables(page):
    cells = page[page.index("Outside or different") : page.index(">Explained<")]
    assert re.search(r"Table 4.*synthetic.*age.*Bias.*−0.0326.*0.5000 ± 0.0020.*outside", cells)
    assert re.search(r"Table 2.*original.*age.*Median.*10.50.*different", cells)
    assert "&lt;b&gt;other&lt;/b&gt;" in cells
    assert page.count('<td class="outside">') == page.count('<td class="different">') == 1


def test_the_page_ends_with_what_was_run(page):
    assert "rule: mice-3.13" in page
    assert "study_hash" in page


def test_without_a_published_study_there_is_no_agreement(study, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    page = build(copy, NOT_JUDGED).read_text(encoding="utf-8")
    assert "Not judged." in page
    assert "Agreement with the published numbers" not in page
    assert not (copy / "agreement.csv").exists()


def test_the_referees_verdict_on_too_few_replicates_stands_on_the_page(study, page):
    store = Store(study)
    config, summary = store.config(), summarise(store, 6, 5)
    verdict = judge(summary, config)
    found = tables.report_tables(summary, config)
    text = render(study, config, 6, verdict, found, [], performance(store, config), rows_behind(store, summary, 6))
    assert verdict.agrees is None
    assert f'<h2 id="verdict">{verdict.headline}</h2>' in text
    assert "not judged" in text


def test_a_study_of_its_own_gets_its_performance_and_the_figures_of_it(study, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(study, copy, ignore=shutil.ignore_patterns("tables", "figures", "report.html"))
    config = copy / "config.yaml"
    text = config.read_text(encoding="utf-8").replace("published: volker_vink_2021", "published: null")
    config.write_text(text, encoding="utf-8")
    page = build(copy, NOT_JUDGED).read_text(encoding="utf-8")
    assert re.findall(r'<h2 id="(\w+)"', page)[:4] == ["verdict", "results", "performance", "figures"]
    frame = performance(Store(copy), Store(copy).config())
    pd.testing.assert_frame_equal(pd.read_csv(copy / "tables" / "performance.csv"), frame, check_dtype=False)
    row = frame[(frame["analysis"] == "linear") & (frame["term"] == "age") & (frame["measure"] == "coverage")].iloc[0]
    section = page[page.index('id="performance-linear"') : page.index('id="performance-ordinal"')]
    assert f">{row['estimate']:.1f}</a> <span" in section
    names = {file.stem.rsplit("_", 1)[0] for file in (copy / "figures").glob("*_linear.svg")}
    assert names == {"coverage_band", "forest", "lolly", "zip", "bland_altman", "mcse_budget"}
    assert not {"coverage", "bias"} & {file.stem for file in (copy / "figures").glob("*.svg")}


def test_failures_stand_on_the_page_if_there_are_any(study, page):
    assert 'id="failures"' not in page
    store = Store(study)
    config, summary = store.config(), summarise(store, 6, 5)
    frame = performance(store, config)
    frame.loc[frame["measure"] == "failure_rate", ["estimate", "mcse"]] = 1 / 7, 0.132
    found = tables.report_tables(summary, config)
    text = render(study, config, 6, NOT_JUDGED, found, [], frame, rows_behind(store, summary, 6))
    section = text[text.index('<h2 id="failures"') : text.index('<h2 id="figures"')]
    assert "0.1429 <span" in section
    assert section.count("<tr>") == 1 + len(frame[["analysis", "source"]].drop_duplicates())


# ---- the terminal


@pytest.mark.parametrize("width", [80, 160])
def test_the_terminal_shows_tables_verdict_and_paths_without_cutting_a_number(study, width):
    store, out = Store(study), io.StringIO()
    console = Console(file=out, width=width)
    show(console, summarise(store, 6, 5), store.config(), failing_verdict(), study)
    text = out.getvalue()
    assert "Table 2" in text
    assert "Table 7" in text
    assert "…" not in text
    assert "outside: Table 4, synthetic, age, Bias: published −0.033, here 0.5000 ± 0.0020" in text
    assert str(study / "report.html") in text
    assert "\x1b" not in text


def test_importing_the_report_does_not_import_matplotlib():
    code = "import sys, mice_sim.report.build, mice_sim.report.terminal; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
