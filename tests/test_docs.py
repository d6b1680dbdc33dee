"""The pages tell the truth: their code runs and prints what they say, their tables are those of the package.

python tests/test_docs.py [NAME …]    writes into the pages what their code prints now, and docs/methods.md
"""

from __future__ import annotations

import glob
import inspect
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
from joblib.externals.loky import get_reusable_executor

import mice_sim
from mice_sim.cli import main
from mice_sim.data.schema import read_schema
from mice_sim.origin import Origin
from mice_sim.pooling import RULES, Moments, default_rule
from mice_sim.report.reference import methods_page
from mice_sim.study.measures import MEASURES
from mice_sim.study.own import REGISTRIES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.append(str(DOCS))
import hooks  # noqa: E402

METHODS_PAGE = DOCS / "methods.md"
SLOW = ("replicate", "own_study", "sweeps", "studies", "extend")
STUDIES = [DOCS / f"{name}.md" for name in SLOW]
BY_HAND = {DOCS / "contributing.md", DOCS / "releasing.md"}  # commands that install, change and publish
PAGES = [ROOT / "README.md", *sorted(set(DOCS.glob("*.md")) - set(STUDIES) - BY_HAND)]
FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"\n]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ALLOWED = {"assess": (0, 3)}  # 3 is an alarm, which is an answer
COST = re.compile(r"^\d+ replicates in .* MiB\.$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A piece of code or a file, and where what it prints stands in the page, if the page says so."""

    language: str
    file: str | None
    code: str
    line: int
    printed: tuple[int, int] | None


def blocks(text: str) -> list[Block]:
    """Return a page's files, which have a title, and its python and sh blocks; a text block holds what one prints."""
    found = []
    for match, following in itertools.pairwise([*FENCE.finditer(text), None]):
        if match[2] or match[1] in ("python", "sh"):
            says = following is not None and following[1] == "text"
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(match[1], match[2], match[3], line, following.span(3) if says else None))
    return found


def run(page: Path, text: str) -> list[tuple[Block, str]]:
    """Run a page's blocks one after another, in one namespace and folder, and return what each prints."""
    get_reusable_executor().shutdown()  # workers stay in the folder that they were started in
    module = types.ModuleType("page")
    sys.modules["page"] = module  # where a page's own method is looked for when a synthesiser is read back
    printed = []
    for block in blocks(text):
        output = ""
        if block.file:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            output = code(compile("\n" * block.line + block.code, page, "exec"), module)
        else:
            output = "".join(map(command, block.code.replace("\\\n", " ").splitlines()))
        printed.append((block, output))
    return printed


def code(compiled: types.CodeType, module: types.ModuleType) -> str:
    with redirect_stdout(io.StringIO()) as output:
        exec(compiled, vars(module))
    return output.getvalue()


def command(line: str) -> str:
    """Run a line such as `mice-sim schema people.csv` and return what it prints, but for times."""
    program, *words = shlex.split(line, comments=True)
    arguments = [found for word in words for found in sorted(glob.glob(word)) or [word]]
    assert program == "mice-sim", line
    result = click.testing.CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code in ALLOWED.get(arguments[0], (0,)), f"{line}\n{result.output}"
    return COST.sub("", result.output)


def updated(text: str, printed: list[tuple[Block, str]]) -> str:
    """Return the page with what its blocks printed."""
    for block, output in reversed(printed):
        if block.printed:
            start, end = block.printed
            text = text[:start] + tidy(output) + text[end:]
    return text


def tidy(output: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in output.strip("\n").splitlines())


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Run in an empty folder, and forget what a page registers."""
    monkeypatch.chdir(tmp_path)
    registries = [*REGISTRIES.values(), MEASURES]
    known = [dict(registry) for registry in registries]
    yield
    for registry, before in zip(registries, known, strict=True):
        registry.clear()
        registry.update(before)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    "page", [*PAGES, *(pytest.param(page, marks=pytest.mark.docs) for page in STUDIES)], ids=lambda page: page.name
)
def test_the_code_of_a_page_runs_and_prints_what_the_page_says(page):
    text = page.read_text(encoding="utf-8")
    assert updated(text, run(page, text)) == text, "run python tests/test_docs.py and look at the difference"


def test_the_page_of_methods_is_made_from_them():
    assert METHODS_PAGE.read_text(encoding="utf-8") == methods_page(), "run python tests/test_docs.py"


def test_the_schema_of_the_page_on_files_can_be_read(tmp_path):
    schemas = [match[3] for match in FENCE.finditer(read("synthesise")) if match[1] == "yaml"]
    assert schemas
    for schema in schemas:
        (tmp_path / "schema.yaml").write_text(schema, encoding="utf-8")
        assert read_schema(tmp_path / "schema.yaml")["columns"]


def read(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def test_the_guide_tells_of_everything_that_the_package_offers():
    guide = "".join(page.read_text(encoding="utf-8") for page in [*PAGES, *STUDIES])
    assert [name for name in mice_sim.__all__ if f"ms.{name}" not in guide] == []


@pytest.mark.parametrize("page", hooks.pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_name_only_what_the_package_offers(page):
    named = re.findall(r"\bms\.(\w+)", page.read_text(encoding="utf-8"))
    assert sorted(set(named) - set(mice_sim.__all__) - {"NAME"}) == []


def test_the_page_on_pooling_names_every_model():
    section = read("pooling").split("| `ms.MODELS` |")[1].split("\n\n")[0]
    named = re.findall(r"^\| (\w[\w., ]+) \|", section, re.MULTILINE)
    assert sorted(", ".join(named).split(", ")) == sorted(mice_sim.MODELS)


# ---- links and the reference


def written(path: Path) -> bool:
    """Return whether a file is nobody's cache, environment or build."""
    return not any(part.startswith(".") or part in ("site", "build") for part in path.relative_to(ROOT).parts)


MARKDOWN = sorted(filter(written, ROOT.rglob("*.md")))


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    for target in hooks.links(page):
        path, _, anchor = target.partition("#")
        aim = page.parent / path if path else page
        assert aim.exists(), target
        assert not anchor or anchor in anchors(aim), target


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the site and git hosts make them."""
    headings = re.findall(r"^#+ (.+)$", hooks.CODE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_site_has_every_page_in_its_navigation():
    listed = re.findall(
        r"[\w/]+\.md$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:")[1], re.MULTILINE
    )
    assert sorted(listed) == sorted(path.relative_to(ROOT).as_posix() for path in hooks.pages())


def test_the_reference_has_every_public_name():
    reference = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    told = re.findall(r"^::: (.+)$", reference, re.MULTILINE)
    public = [getattr(mice_sim, name) for name in mice_sim.__all__ if name != "MODELS"]
    assert sorted({f"{thing.__module__}.{thing.__name__}" for thing in public} - set(told)) == []


NAMED = re.compile(r"`(?:mice_sim\.)?(?:\w+\.)*(\w+)`")  # a function whose parameters a docstring refers to


def test_docstrings_tell_of_every_parameter():
    public = {name: getattr(mice_sim, name) for name in mice_sim.__all__ if name not in ("MODELS", "MiceSimError")}
    assert {name: missing for name, thing in public.items() if (missing := untold(thing))} == {}


def untold(thing: object) -> list[str]:
    """Return the parameters that neither the docstring nor one that it refers to, at any remove, tells of."""
    told, waiting, seen = "", [thing], []
    while waiting:
        seen.append(waiting.pop())
        told += inspect.getdoc(seen[-1]) or ""
        referred = [getattr(mice_sim, name) for name in NAMED.findall(told) if name in mice_sim.__all__]
        waiting = [other for other in referred if callable(other) and other not in seen]
    return [name for name in inspect.signature(thing).parameters if not re.search(rf"\b{name}\b", told)]


def test_the_reference_has_every_group_of_the_configuration():
    told = hooks.GROUP.findall((DOCS / "reference" / "configuration.md").read_text(encoding="utf-8"))
    assert sorted(told) == sorted(
        path.relative_to(ROOT).as_posix() for path in (ROOT / "conf").iterdir() if path.is_dir()
    )


# ---- the rules


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading of docs/rules.md, its head first."""
    section = read("rules").split(f"## {heading}\n")[1].split("\n## ")[0]
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


def update(names: list[str]) -> None:
    METHODS_PAGE.write_text(methods_page(), encoding="utf-8")
    for page in [*PAGES, *STUDIES]:
        if not names or page.stem in names:
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                rewrite(page)
                os.chdir(ROOT)


def rewrite(page: Path) -> None:
    """Write what a page's code prints, and the figures that it makes and the page shows."""
    text = page.read_text(encoding="utf-8")
    page.write_text(updated(text, run(page, text)), encoding="utf-8")
    for figure in re.findall(r"\(figures/([\w.]+)\)", text):
        for made in Path.cwd().rglob(figure):
            shutil.copy(made, DOCS / "figures")


if __name__ == "__main__":
    sys.exit(update(sys.argv[1:]))
