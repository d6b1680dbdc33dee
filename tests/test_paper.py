"""Tables for papers: the published layout, LaTeX that compiles as it is, Word that reads back."""

from __future__ import annotations

import re
import shutil
import string
import subprocess
import sys
from pathlib import Path

import docx
import pytest
from click.testing import CliRunner
from docx.enum.section import WD_ORIENT

from mice_sim.cli import main
from mice_sim.errors import MiceSimError
from mice_sim.report import latex, paper, word
from mice_sim.report.build import build_paper
from mice_sim.report.paper import PaperCell, PaperTable
from mice_sim.report.performance import PerformanceTable
from mice_sim.report.published import load_published
from mice_sim.report.referee import judge
from mice_sim.report.tables import fixed, report_tables
from mice_sim.study.config import compose
from mice_sim.study.run import run_study
from mice_sim.study.store import Store
from mice_sim.study.summary import summarise

ODD = f"{string.printable.strip()} é ß − – ± ² σ [x] *"  # what names and captions may hold


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    run_study(compose(["experiment=volker_vink_2021", "replicates=6", "execution=serial", f"output={folder}"]))
    return folder


@pytest.fixture(scope="module")
def tables(study: Path) -> dict[str, PaperTable]:
    config = Store(study).config()
    return {t.name: t for t in paper.of_report(report_tables(summarise(Store(study), 6, 5), config), config)}


def a_table(count: int, **changed: object) -> PaperTable:
    body = tuple(((f"x{i}", "data"), (PaperCell("−1.25", "(0.125)"), PaperCell("30", "(7)"))) for i in range(count))
    given = {"name": "a", "caption": "A caption.", "stub": ("Term", "Data"), "head": (("A", "Bias"), ("A", "Count"))}
    return PaperTable(**{**given, "rows": body, **changed})


# ---- layouts


def test_every_printed_number_of_the_paper_has_its_cell_in_the_printed_decimals(study, tables):
    cells = load_published("volker_vink_2021").cells
    printed = cells[cells["printed"] != ""].groupby("table").size()
    shown = {name: sum(len(row) for _, row in table.rows) for name, table in tables.items()}
    assert shown == {
        "descriptives": printed["table2"], "correlations": 36, "linear": printed["table4"],
        "ordinal": printed["table5"], "discrimination": printed["table6"], "confusion": printed["table7"],
        "counts": 16 * 5,
    }  # fmt: skip
    config = Store(study).config()
    ours = judge(summarise(Store(study), 6, 5), config).agreement.set_index(["table", "source", "term", "statistic"])
    value = ours.loc[("table4", "synthetic", "age", "bias"), "ours"]
    assert ("", "Bias") not in tables["linear"].head
    row = dict(tables["linear"].rows)["age",]
    column = tables["linear"].head.index(("Synthetic", "Bias"))
    assert row[column].value == fixed(value, 3)
    assert [name for _, name in tables["descriptives"].head][:3] == ["n", "Mean", "SD"]
    assert [labels for labels, _ in tables["descriptives"].rows][:2] == [("age", "original"), ("age", "synthetic")]


def test_correlations_stand_in_a_matrix_with_their_differences_as_in_the_paper(study, tables):
    table = tables["correlations"]
    assert [name for _, name in table.head] == ["age", "hgt", "wgt", "bmi", "hc", "tv"]
    cells = [[cell.value for cell in row] for _, row in table.rows]
    assert all(cells[i][j] == cells[j][i] for i in range(6) for j in range(6))
    assert [cells[i][i] for i in range(6)] == ["1"] * 6
    assert cells[0][1].startswith("0.976 (")
    frame = {t.name: t for t in report_tables(summarise(Store(study), 6, 5), Store(study).config())}[
        "correlations"
    ].frame
    gap = frame.set_index(["source", "term"]).loc[("synthetic", "bmi:tv")]
    assert cells[3][5] == f"0.610 ({fixed(gap['true_minus_synthetic'], 3)})"
    below = table.rows[3][1][5].below
    assert float(below.strip("[]")) == pytest.approx(gap["true_minus_synthetic_mcse"], rel=0.5)


def test_a_study_of_its_own_shows_what_its_page_shows_and_its_measures(study, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    config = copy / "config.yaml"
    config.write_text(config.read_text().replace("published: volker_vink_2021", "published: null"))
    assert build_paper(copy, "latex") == copy / "tables" / "tables.tex"
    linear = (copy / "tables" / "linear.tex").read_text()
    assert all(name in linear for name in ("Bootstrap", "SE", "df"))
    measures = (copy / "tables" / "performance_linear.tex").read_text()
    assert r"\shortstack{Relative error\\of SE (\%)}" in measures
    assert "Targets: Bias 0" in measures
    assert (copy / "tables" / "performance_counts.tex").exists()


# ---- LaTeX


def test_latex_aligns_points_and_hangs_brackets(tmp_path):
    text = latex.to_latex(a_table(3))
    assert r"\begin{tabular}{llD{.}{.}{2.4}D{.}{.}{2.0}}" in text
    assert "x0 & data & -1.25 & 30 \\\\*\n &  & (0.125) & (7\\rlap{)} \\\\" in text
    assert r"\multicolumn{2}{c}{A}" in text
    assert r"\cmidrule(lr){3-4}" in text
    assert r"\begin{longtable}" in latex.to_latex(a_table(60))


def test_names_are_escaped():
    assert (
        latex.escaped("a|b_1 & 5% ~ {x}^2 \\")
        == r"a\textbar{}b\_1 \& 5\% $\sim$ \{x\}\textasciicircum{}2 \textbackslash{}"
    )
    assert latex.escaped("[x] *") == "{[}x] {*}"


def a_sweep() -> PaperTable:
    measures = tuple(f"measure number {i}" for i in range(11))
    row = (("x", "30", "0.001", "synthetic"), tuple(("-1.2345", "0.0012", "") for _ in measures))
    stub = ("Term", "synthesis.minbucket", "synthesis.cp", "Data")
    table = PerformanceTable("linear", stub, measures, tuple((name, "0") for name in measures), (row,) * 60)
    return paper.of_performance([table], "50 replicates a point")[0]


def test_a_wide_table_of_a_sweep_lies_on_its_side_and_keeps_numbers_and_errors_together(tmp_path):
    table = a_sweep()
    assert table.stub == ("Term", "minbucket", "cp", "Data")
    text = latex.to_latex(table)
    assert text.startswith(r"\begin{landscape}")
    assert len(re.findall(r"\\\\\*\n", text)) == 60
    document = docx.Document(str(word.write_word(tmp_path / "a.docx", [a_table(3), table])))
    assert [s.orientation for s in document.sections] == [WD_ORIENT.PORTRAIT, WD_ORIENT.LANDSCAPE]
    width = document.sections[1].page_width - document.sections[1].left_margin - document.sections[1].right_margin
    assert sum(column.width for column in document.tables[1].columns) <= width + 16


@pytest.mark.tex
def test_the_tables_compile_as_they_are_and_none_is_wider_than_the_text(study, tmp_path):
    document = build_paper(study, "latex")
    log = compiled(document, tmp_path)
    assert "Overfull" not in log
    assert {f"({name}.tex" for name in ("descriptives", "correlations", "linear", "performance_ordinal")} <= {
        part.replace("./", "") for part in re.findall(r"\(\.?/?[\w]+\.tex", log)
    }
    assert int(re.search(r"Output written on .*?\((\d+) page", log)[1]) >= 4


@pytest.mark.tex
def test_any_name_compiles_and_long_tables_break_over_pages(tmp_path):
    odd = [(labels, cells) for labels, cells in a_table(150).rows]
    odd[0] = ((f"[0] {ODD}", "*"), odd[0][1])
    odd[1] = (("[1]", ODD), (PaperCell("–"), PaperCell("1", "(0.5)")))
    head = (("A & B", "Relative error of SE (%)"), ("A & B", "Bias_eliminated ~ coverage"))
    found = [a_table(2, rows=tuple(odd), caption=ODD, head=head), a_table(2, name="b", rows=tuple(odd[:2]), head=head)]
    found.append(a_sweep())
    for table in found:
        (tmp_path / f"{table.name}.tex").write_text(latex.to_latex(table), encoding="utf-8")
    document = tmp_path / "tables.tex"
    document.write_text(latex.to_document("x", found), encoding="utf-8")
    log = compiled(document, tmp_path)
    assert int(re.search(r"Output written on .*?\((\d+) page", log)[1]) >= 3


def compiled(document: Path, folder: Path) -> str:
    assert shutil.which("pdflatex"), "pdflatex is missing; apt-get install texlive-latex-recommended"
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"-output-directory={folder}", document.name]
    for _ in range(3):
        done = subprocess.run(command, cwd=document.parent, capture_output=True, text=True, errors="replace")
        assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout.replace("\n", "")  # TeX breaks its lines anywhere


# ---- Word


def test_a_word_document_reads_back_as_the_tables_it_was_made_of(study, tables):
    document = docx.Document(str(build_paper(study, "word")))
    linear = next(t for t in document.tables if t.cell(1, 1).text == "Estimate")
    wanted = [[*labels, *("\n".join(filter(None, cell)) for cell in cells)] for labels, cells in tables["linear"].rows]
    assert [[cell.text for cell in row.cells] for row in linear.rows][2:] == wanted
    assert [row._tr.xpath("./w:trPr/w:tblHeader") != [] for row in linear.rows[:3]] == [True, True, False]
    captions = [p.text for p in document.paragraphs if p.style.name == "Caption"]
    assert len(captions) == len(document.tables) == 9  # Tables 2 to 7, counts, and the measures of two models
    fields = [p._p.xpath("./w:fldSimple/@w:instr") for p in document.paragraphs if p.style.name == "Caption"]
    assert fields == [["SEQ Table \\* ARABIC"]] * 9
    assert [s.orientation for s in document.sections] == [WD_ORIENT.PORTRAIT, WD_ORIENT.LANDSCAPE]


def test_points_stand_below_each_other_in_word(tmp_path):
    document = docx.Document(str(word.write_word(tmp_path / "a.docx", [a_table(2)])))
    value, error = document.tables[0].cell(2, 2).paragraphs
    tails = {value: "25", error: "125)"}  # "." and digits at .25 and .5 of the size, the bracket at .333
    size = {value: 9, error: 8}
    at = {p: p.paragraph_format.right_indent.pt + size[p] * (0.25 + 0.5 * sum(map(str.isdigit, t)) + 0.333 * (")" in t))
          for p, t in tails.items()}  # fmt: skip
    assert at[value] == pytest.approx(at[error], abs=0.1)


def test_the_same_tables_give_the_same_word_document(tmp_path):
    one, other = (word.write_word(tmp_path / f"{i}.docx", [a_table(3)]).read_bytes() for i in range(2))
    assert one == other


def test_without_python_docx_one_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(MiceSimError, match=r"pip install 'mice_sim\[word\]'"):
        word.write_word(tmp_path / "a.docx", [])


# ---- the command


def test_the_command_writes_tables_alone_and_says_where(study):
    for form, name in (("latex", "tables.tex"), ("word", "tables.docx")):
        done = CliRunner().invoke(main, ["report", str(study), "--format", form])
        assert (done.exit_code, done.output) == (0, f"Tables  {study / 'tables' / name}\n")
    assert not (study / "report.html").exists()
    assert CliRunner().invoke(main, ["report", str(study / "nothing"), "--format", "word"]).exit_code == 1
