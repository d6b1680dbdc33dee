"""The notebooks tell the truth: they run, and give what they show.

python tests/test_notebooks.py [PART OF A NAME]    runs them and writes into them what they give now
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest

ROOT = Path(__file__).parents[1]
INDEX = ROOT / "notebooks" / "README.md"
NOTEBOOKS = sorted(INDEX.parent.glob("*.ipynb"))
LINK = re.compile(r"\]\(([^)]+)\)")
each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def read(notebook: Path) -> dict[str, Any]:
    return json.loads(notebook.read_text(encoding="utf-8"))


def outputs(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all outputs of a notebook's code cells."""
    return [output for cell in content["cells"] for output in cell.get("outputs", [])]


def text(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)


def shown(output: dict[str, Any]) -> dict[str, str]:
    """Return what an output says, by kind; of a figure only that there is one, as its bytes are the machine's."""
    if output["output_type"] == "stream":
        return {output["name"]: text(output["text"])}
    return {kind: "a figure" if kind == "image/png" else text(data) for kind, data in output["data"].items()}


def run(notebook: Path, folder: Path) -> Any:
    """Return a notebook (of nbformat) run in folder/notebooks, beside the results of the repository."""
    import nbformat
    from nbclient import NotebookClient

    content = nbformat.read(notebook, as_version=4)
    place = folder / "notebooks"
    place.mkdir(parents=True)
    (folder / "results").symlink_to(ROOT / "results")
    metadata = content.metadata.copy()
    client = NotebookClient(content, timeout=600, kernel_name="python3", coalesce_streams=True, record_timing=False,
                            resources={"metadata": {"path": str(place)}})  # fmt: skip
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    client.execute(env=os.environ | {"PATH": programs, "COLUMNS": "80", "IPYTHONDIR": str(folder / "ipython")})
    content.metadata = metadata  # the kernel would add the version of Python
    return content


@each_notebook
def test_a_notebook_is_stored_as_one_run_from_the_top_left_it(notebook):
    content = read(notebook)
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    for output in outputs(content):
        assert output["output_type"] != "error"
        assert output.get("name") != "stderr", text(output["text"])
        for said in shown(output).values():
            assert "Warning" not in said
            assert not re.search(r"(^|[\s'\"(])/\w+/", re.sub(r"<[^>]*>", "", said)), f"a path of this machine: {said}"


@each_notebook
def test_the_figures_of_a_notebook_are_not_blank(notebook):
    figures = [
        output["data"]["image/png"] for output in outputs(read(notebook)) if "image/png" in output.get("data", ())
    ]
    assert figures
    for figure in figures:
        assert matplotlib.image.imread(io.BytesIO(base64.b64decode(figure))).std() > 0.01


@each_notebook
def test_the_links_of_a_notebook_lead_somewhere(notebook):
    for cell in read(notebook)["cells"]:
        for target in LINK.findall(text(cell["source"])) if cell["cell_type"] == "markdown" else ():
            assert target.startswith("http") or (notebook.parent / target).exists(), target


def test_the_index_names_every_notebook():
    assert re.findall(r"\]\((\w+\.ipynb)\)", INDEX.read_text(encoding="utf-8")) == [path.name for path in NOTEBOOKS]


@pytest.mark.notebooks
@each_notebook
def test_a_notebook_runs_and_gives_what_it_shows(notebook, tmp_path):
    stored, found = read(notebook)["cells"], run(notebook, tmp_path).cells
    for before, now in zip(stored, found, strict=True):
        says, gives = ([shown(output) for output in cell.get("outputs", [])] for cell in (before, now))
        assert gives == says, f"run python tests/test_notebooks.py and look at the difference\n{now.source}"


def update(wanted: str = "") -> None:
    import nbformat

    for notebook in NOTEBOOKS:
        if wanted in notebook.name:
            with tempfile.TemporaryDirectory() as folder:
                nbformat.write(run(notebook, Path(folder)), notebook)


if __name__ == "__main__":
    sys.exit(update(*sys.argv[1:]))
