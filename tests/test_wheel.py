"""The package as people install it: on every Python it names, with old and new dependencies, away from the checkout.

MICE_SIM_PYTHONS="3.12 3.13" narrows the Pythons that must be here. A study runs on the last of them, the oldest
dependencies on the first.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
USER, WRONG = (ROOT / "tests" / "wheel" / name for name in ("user.py", "wrong.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SUPPORTED = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
PYTHONS = os.environ.get("MICE_SIM_PYTHONS", "").split() or SUPPORTED
pytestmark = pytest.mark.wheel


def call(*command: object, cwd: Path, codes: tuple[int, ...] = (0,), **environment: str) -> str:
    """Run a command without this process's package, compiler and kernels; return what it printed."""
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "NUMBA_CACHE_DIR")}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, env=own | {"CC": "false"} | environment
    )
    assert done.returncode in codes, done.stdout + done.stderr
    return done.stdout + done.stderr


def uv(*arguments: object, cwd: Path = ROOT) -> None:
    call(sys.executable, "-m", "uv", "--quiet", *arguments, cwd=cwd)


def interpreter(version: str) -> str:
    """Return a Python of this version, of pyenv or on the path."""
    roots = [os.environ.get("PYENV_ROOT", ""), Path.home() / ".pyenv"]
    if shutil.which("pyenv"):
        roots.append(call("pyenv", "root", cwd=ROOT).strip())
    found = [str(path) for root in roots if root for path in Path(root).glob(f"versions/{version}.*/bin/python")]
    for python in [*sorted(found), *filter(None, [shutil.which(f"python{version}"), sys.executable])]:
        said = subprocess.run([python, "-c", "import sys; print(*sys.version_info[:2], sep='.')"], capture_output=True)
        if said.stdout.decode().strip() == version:
            return python
    raise AssertionError(f"There is no Python {version} here; run `pyenv install {version}`, or leave it out of "
                         "MICE_SIM_PYTHONS.")  # fmt: skip


@dataclass(frozen=True)
class Built:
    """The source distribution, and the wheels that were built from it and from the tree."""

    sdist: Path
    wheel: Path
    of_tree: Path


@dataclass(frozen=True)
class Installed:
    """An environment with the package, and an empty folder to work in."""

    environment: Path
    folder: Path

    def run(self, program: str, *arguments: object, codes: tuple[int, ...] = (0,), **environment: str) -> str:
        command = self.environment / "bin" / program
        return call(command, *arguments, cwd=self.folder, codes=codes, **environment)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Built:
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--sdist", "--out-dir", folder)
    (sdist,) = folder.glob("*.tar.gz")
    uv("build", "--wheel", "--out-dir", folder / "of_sdist", sdist)
    uv("build", "--wheel", "--out-dir", folder / "of_tree")
    return Built(sdist, *(path for part in ("of_sdist", "of_tree") for path in (folder / part).glob("*.whl")))


@pytest.fixture(scope="module")
def install(built, tmp_path_factory):
    """Return a function that gives the package, with its newest or oldest dependencies, on a Python."""
    known: dict[tuple[str, str], Installed] = {}

    def installed(version: str, dependencies: str = "newest") -> Installed:
        if (version, dependencies) not in known:
            folder = tmp_path_factory.mktemp(f"{version}-{dependencies}")
            environment = folder / "env"
            uv("venv", "--python", interpreter(version), environment)
            into = "pip", "install", "--python", environment / "bin" / "python"
            if dependencies == "oldest":
                uv(*into, "--resolution", "lowest-direct", "--requirements", ROOT / "pyproject.toml")
            uv(*into, *(["--no-deps"] if dependencies == "oldest" else []), built.wheel)
            (folder / "work").mkdir()
            known[version, dependencies] = Installed(environment, folder / "work")
        return known[version, dependencies]

    return installed


# ---- what is in them


def test_the_source_distribution_gives_the_same_wheel_as_the_tree(built):
    contents = [{i.filename: i.CRC for i in zipfile.ZipFile(w).infolist()} for w in (built.wheel, built.of_tree)]
    assert contents[0] == contents[1]


def test_the_distributions_hold_what_they_must_and_nothing_else(built):
    names = set(zipfile.ZipFile(built.wheel).namelist())
    needed = (
        "py.typed",
        "__init__.pyi",
        "conf/config.yaml",
        "data/boys.csv",
        "experiments/volker_vink_2021/published.csv",
    )
    assert {f"mice_sim/{name}" for name in needed} <= names
    assert {Path(name).parts[0] for name in names} == {"mice_sim", f"mice_sim-{PROJECT['version']}.dist-info"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".nbi", ".nbc", ".pyc"))]
    with tarfile.open(built.sdist) as sdist:
        parts = {Path(name).parts[1] for name in sdist.getnames()}
    assert {"LICENSE", "README.md", "conf", "docs", "experiments", "mice_sim", "tests"} <= parts
    assert not {".ci", ".hypothesis", ".venv", "results", "site"} & parts


def test_an_index_can_show_the_package(built):
    with zipfile.ZipFile(built.wheel) as wheel:
        said = wheel.read(f"mice_sim-{PROJECT['version']}.dist-info/METADATA").decode()
    metadata = message_from_string(said)
    page = metadata.get_payload()
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "pip install" in page
    assert [link for link in re.findall(r"\]\(([^)]*)\)", page) if not link.startswith("https://")] == []


def test_the_citation_is_valid():
    said = call(sys.executable, "-m", "uv", "--quiet", "tool", "run", "cffconvert", "--validate", cwd=ROOT)
    assert "valid according to schema version 1.2.0" in said


@pytest.mark.parametrize("resolution", ["highest", "lowest-direct"])
def test_all_extras_go_together(resolution, tmp_path):
    into = "--python-version", SUPPORTED[0], "--output-file", tmp_path / "resolved.txt"
    uv("pip", "compile", "--all-extras", "--resolution", resolution, *into, "pyproject.toml")
    resolved = (tmp_path / "resolved.txt").read_text(encoding="utf-8")
    assert {"submitit==", "distributed==", "python-docx=="} <= set(re.findall(r"^[\w-]+==", resolved, re.MULTILINE))


# ---- installed


@pytest.mark.parametrize("python", PYTHONS)
def test_a_first_program_runs(install, python):
    said = install(python).run("python", USER)
    assert said.count("(Intercept)") == 2
    assert "did you mean 'pmm'?" in said
    assert "usage" in install(python).run("mice-sim", "--help").lower()


def test_a_first_program_runs_with_the_oldest_dependencies(install):
    python = install(PYTHONS[0], "oldest")
    floor = dict(re.match(r"([\w-]+)>=([\d.]+)", text).groups() for text in PROJECT["dependencies"])
    code = "import importlib.metadata as m, sys; print(*(m.version(n) for n in sys.argv[1:]))"
    there = dict(zip(floor, python.run("python", "-c", code, *floor).split(), strict=True))
    assert {name for name in floor if not there[name].startswith(floor[name])} == set()
    assert python.run("python", USER).count("(Intercept)") == 2


def test_a_study_and_an_assessment_run_away_from_the_checkout(install):
    python = install(PYTHONS[-1])
    python.run("python", USER)
    said = python.run("mice-sim", "run", "experiment=volker_vink_2021", "replicates=4", "output=out")
    assert "Not judged: 4 of the published 1000 replicates were run." in said
    assert "488 published numbers" in (python.folder / "out" / "report.html").read_text(encoding="utf-8")
    said = python.run(
        "mice-sim", "assess", "numbers.csv", "synthetic_1.csv", "synthetic_2.csv", "--output", "page.html"
    )
    assert "page.html" in said
    assert (python.folder / "page.html").exists()


def test_kernels_compile_where_nothing_can_be_written(install):
    python = install(PYTHONS[0], "oldest")
    (package,) = python.environment.glob("lib/*/site-packages/mice_sim")
    for folder in package.rglob("__pycache__"):
        shutil.rmtree(folder)
        folder.touch()  # a file, as the superuser can write to any folder
    said = python.run("python", USER, HOME=os.devnull, PYTHONDONTWRITEBYTECODE="1")
    assert said.count("(Intercept)") == 2
    assert "set NUMBA_CACHE_DIR to a folder that you can write to" in said


# ---- types


def test_a_type_checker_knows_the_package(install, tmp_path):
    for program in (USER, WRONG):
        shutil.copy(program, tmp_path)
    checker = (
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        install(PYTHONS[-1]).environment / "bin/python",
    )
    assert "no issues found" in call(*checker, "user.py", cwd=tmp_path)
    refused = {
        int(line)
        for line in re.findall(r"wrong\.py:(\d+): error", call(*checker, "wrong.py", cwd=tmp_path, codes=(1,)))
    }
    lines = WRONG.read_text(encoding="utf-8").splitlines()
    assert refused == {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
