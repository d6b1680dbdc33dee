"""The pages tell the truth: their code runs and prints what they say, their tables are those of the package.

python tests/test_docs.py    writes into the pages what their code prints now, and docs/methods.md
"""

from __future__ import annotations

import io
import itertools
import os
import re
import shlex
import shutil
import sys
import tempfile
import types
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import click.testing
import numpy as np
import pytest

import mice_sim
from mice_sim.cli import main
from mice_sim.data.schema import read_schema
from mice_sim.origin import Origin
from mice_sim.pooling import RULES, Moments, default_rule
from mice_sim.report.reference import methods_page
from mice_sim.synthesis.methods import METHODS

ROOT = Path(__file__).parents[1]
GUIDE, POOLING, METHODS_PAGE = (ROOT / "docs" / name for name in ("guide.md", "pooling.md", "methods.md"))
PAGES = [ROOT / "README.md", GUIDE, *(ROOT / "docs" / name for name in ("utility.md", "disclosure.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A piece of code, and where what it prints stands in the page, if the page says so."""

    language: str
    code: str
    line: int
    printed: tuple[int, int] | None


def blocks(text: str) -> list[Block]:
    """Return the python and sh blocks of a page; a text block after one holds what it prints."""
    found = []
    for match, following in itertools.pairwise([*FENCE.finditer(text), None]):
        if match[1] in ("python", "sh"):
            says = following is not None and following[1] == "text"
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(match[1], match[2], line, following.span(2) if says else None))
    return found


def run(page: Path, text: str) -> list[tuple[Block, str]]:
    """Run a page's blocks one after another, in one namespace, and return what each prints."""
    module = types.ModuleType("page")
    sys.modules["page"] = module  # where a page's own method is looked for when a synthesiser is read back
    printed = []
    for block in blocks(text):
        if block.language == "python":
            code = compile("\n" * block.line + block.code, page, "exec")
            with redirect_stdout(io.StringIO()) as output:
                exec(code, vars(module))
            printed.append((block, output.getvalue()))
        else:
            printed.append((block, "".join(map(command, block.code.splitlines()))))
    return printed


def command(line: str) -> str:
    """Run a line such as `mice-sim schema people.csv` and return what it prints."""
    program, *arguments = shlex.split(line)
    assert program == "mice-sim", line
    result = click.testing.CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, f"{line}\n{result.output}"
    return result.output


def updated(text: str, printed: list[tuple[Block, str]]) -> str:
    """Return the page with what its blocks printed."""
    for block, output in reversed(printed):
        if block.printed:
            start, end = block.printed
            text = text[:start] + tidy(output) + text[end:]
    return text


def tidy(output: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in output.splitlines())


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Run in an empty folder, and forget the methods that a page registers."""
    monkeypatch.chdir(tmp_path)
    known = dict(METHODS)
    yield
    METHODS.clear()
    METHODS.update(known)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs_and_prints_what_the_page_says(page):
    text = page.read_text(encoding="utf-8")
    assert updated(text, run(page, text)) == text, "run python tests/test_docs.py and look at the difference"


def test_the_page_of_methods_is_made_from_them():
    assert METHODS_PAGE.read_text(encoding="utf-8") == methods_page(), "run python tests/test_docs.py"


def test_the_schemas_of_the_guide_can_be_read(tmp_path):
    schemas = [match[2] for match in FENCE.finditer(GUIDE.read_text(encoding="utf-8")) if match[1] == "yaml"]
    assert schemas
    for schema in schemas:
        (tmp_path / "schema.yaml").write_text(schema, encoding="utf-8")
        assert read_schema(tmp_path / "schema.yaml")["columns"]


def test_the_guide_tells_of_everything_that_the_package_offers():
    guide = GUIDE.read_text(encoding="utf-8")
    assert [name for name in mice_sim.__all__ if f"ms.{name}" not in guide] == []


def test_the_guide_names_every_model():
    section = GUIDE.read_text(encoding="utf-8").split("| `ms.MODELS` |")[1].split("\n\n")[0]
    named = re.findall(r"^\| (\w[\w., ]+) \|", section, re.MULTILINE)
    assert sorted(", ".join(named).split(", ")) == sorted(mice_sim.MODELS)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        if path.startswith("http"):
            continue
        aim = page.parent / path if path else page
        assert aim.exists(), target
        assert not anchor or anchor in anchors(aim), target


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# ---- the rules


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading of docs/pooling.md, its head first."""
    section = POOLING.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows if not row[0].strip().startswith("---")]


def origin(mode, missing="none", proper=False, complete=True, r=1) -> Origin:
    return Origin(mode, missing, proper, complete, n=100, k=100, m=5, r=r)


ORIGINS = {
    "imputed": origin("impute", "imputed", proper=True, complete=False),
    "linked": origin("linked"),
    "one-step": origin("linked", "one-step"),
    "sequential": origin("sequential", "kept"),
    "sequential, proper": origin("sequential", proper=True),
    "sequential, partly": origin("sequential", complete=False),
    "two-step": origin("sequential", "two-step", r=2),
    "two-step, r = 1": origin("sequential", "two-step"),
    "two-step, r = 1, proper": origin("sequential", "two-step", proper=True),
}


def test_the_rules_are_valid_where_the_page_says_so():
    head, *rows = table("When a rule is valid")
    assert head[1:] == list(ORIGINS)
    assert {row[0] for row in rows} == {f"`{name}`" for name in RULES}
    for name, *cells in rows:
        assert cells == [verdict(name.strip("`"), made) for made in ORIGINS.values()], name


def verdict(rule: str, made: Origin) -> str:
    if RULES[rule].refusal(made):
        return "–"
    return "default" if default_rule(made).name == rule else "yes"


def test_the_rules_compute_what_the_page_says():
    _, *rows = table("What a rule computes")
    assert {row[0] for row in rows} == {f"`{name}`" for name in RULES}
    u, b, m, r, w = 2.0, 3.0, 5, 4, 0.7
    for name, *formulas in rows:
        rule = RULES[name.strip("`")]
        total, df = rule.variance(Moments(np.array(u), np.array(b), m, np.inf, 3.0, r, np.array(w)))
        known = {"ū": u, "b": b, "m": m, "r": r, "w": w, "k": 300, "n": 100, "T": float(total), "inf": np.inf}
        for formula, expected in zip(formulas, (total, df), strict=True):
            assert evaluate(formula, known) == pytest.approx(float(expected), rel=1e-12), name


def evaluate(cell: str, known: dict[str, float]) -> float:
    """Return the value of the formula in a table's cell."""
    formula = re.findall(r"`(.+?)`", cell)[0]
    for sign, code in {"·": "*", "−": "-", "²": "**2", "∞": "inf"}.items():
        formula = formula.replace(sign, code)
    return float(eval(formula, {"__builtins__": {}}, known))


def test_the_rules_have_their_sources():
    _, *rows = table("Sources")
    assert {name.strip("`"): source for name, source in rows} == {rule.name: rule.source for rule in RULES.values()}


def update() -> None:
    METHODS_PAGE.write_text(methods_page(), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for number, page in enumerate(PAGES):
            os.makedirs(f"{folder}/{number}")
            os.chdir(f"{folder}/{number}")
            text = page.read_text(encoding="utf-8")
            page.write_text(updated(text, run(page, text)), encoding="utf-8")
            for figure in Path.cwd().glob("*.png"):
                shutil.copy(figure, ROOT / "docs" / "figures")
        os.chdir(ROOT)


if __name__ == "__main__":
    sys.exit(update())
