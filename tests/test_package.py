"""The package as others meet it: documented, and quick to import."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import mice_sim
from mice_sim import compiled

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", mice_sim.__all__)
def test_what_the_package_offers_has_a_docstring(name):
    documented = inspect.getdoc(getattr(mice_sim, name))
    assert documented
    assert len(documented) > 40


def test_the_package_offers_nothing_else():
    with pytest.raises(AttributeError, match="No mice_sim attribute synthesise"):
        _ = mice_sim.synthesise


@pytest.mark.parametrize("module", ["mice_sim", "mice_sim.cli"])
def test_importing_loads_no_heavy_library(module):
    heavy = "numba", "matplotlib", "pandas", "scipy", "statsmodels", "sklearn"
    code = f"import sys, {module}; print(*(name for name in {heavy} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.split() == []


def test_a_first_imputation_loads_no_library_that_only_others_need():
    spared = "matplotlib", "scipy.stats", "scipy.interpolate", "statsmodels", "sklearn", "joblib", "rich"
    code = f"import sys, mice_sim; mice_sim.impute; print(*(name for name in {spared} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.split() == []


def test_the_version_is_a_number():
    assert mice_sim.__version__[0].isdigit()


def test_the_version_is_the_same_wherever_it_is_written():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]


def test_the_changelog_keeps_its_form():
    headings = re.findall(r"^#+ .*", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    release = r"## \[(Unreleased|\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d)\]?"
    change = r"### (Added|Changed|Deprecated|Removed|Fixed|Security)"
    assert headings[:2] == ["# Changelog", "## [Unreleased]"]
    assert [heading for heading in headings[1:] if not re.fullmatch(f"{release}|{change}", heading)] == []


def test_public_names_have_one_home_for_type_checkers_and_for_programs():
    stub = ast.parse((ROOT / "mice_sim" / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    homes = {name.asname: f"mice_sim.{node.module}" for node in imports for name in node.names}
    assert sorted(homes) == mice_sim.__all__
    for name, home in homes.items():
        assert getattr(mice_sim, name) is getattr(importlib.import_module(home), name)


def test_kernels_have_a_folder_where_nothing_can_be_written(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", os.devnull)
    monkeypatch.setitem(sys.modules, "numba", None)
    (tmp_path / "__pycache__").touch()  # a file, as the superuser can write to any folder
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "compiled.py"))
    with pytest.warns(UserWarning, match="set NUMBA_CACHE_DIR to a folder that you can write to"):
        compiled.find_a_folder()
    assert Path(os.environ["NUMBA_CACHE_DIR"]).is_dir()
