"""The package as others meet it: documented, and quick to import."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import mice_sim


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
