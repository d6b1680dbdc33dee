"""The committed oracles are what R gives: the scripts are run again and compared with their data."""

import gzip
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "experiments" / "volker_vink_2021" / "oracle"
pytestmark = pytest.mark.oracle


def run_r(script: Path, *arguments: object) -> None:
    done = subprocess.run(["Rscript", script, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("script", "name"),
    [("export_boys.R", "boys.csv"), ("export_boys.R", "boys_complete.csv"), ("export_popmis.R", "popmis.csv")],
)
def test_the_reference_data_are_what_mice_exports(script, name, tmp_path):
    run_r(ROOT / "mice_sim/data" / script, tmp_path)
    assert (tmp_path / name).read_bytes() == (ROOT / "mice_sim/data" / name).read_bytes()


@pytest.mark.parametrize("name", ["rpart_data.csv.gz", "rpart_fits.csv.gz"])
def test_the_stored_trees_are_what_rpart_grows(name, tmp_path):
    run_r(ROOT / "tests/oracles/rpart.R", tmp_path)
    assert gzip.decompress((tmp_path / name).read_bytes()) == gzip.decompress(
        (ROOT / "tests/oracles" / name).read_bytes()
    )


@pytest.mark.parametrize("rule", ["mice-3.13", "mice-3.15"])
def test_the_stored_study_is_what_mice_gives(rule, tmp_path):
    run_r(STUDY / "study.R", rule, 1, 3, tmp_path / "rows.csv.gz")
    again = pd.read_csv(tmp_path / "rows.csv.gz")
    stored = pd.read_csv(STUDY / f"{rule.replace('-', '_')}.csv.gz").head(3)
    assert list(again) == list(stored)
    np.testing.assert_allclose(again, stored, rtol=1e-7)


@pytest.mark.parametrize("name", ["ampute", "copies", "forest", "heckman", "level_2", "methods_categorical",
                                  "methods_continuous", "mixed", "models", "patterns", "pooling"])  # fmt: skip
def test_what_is_stored_is_what_r_gives(name, tmp_path):
    run_r(ROOT / f"tests/oracles/{name}.R", tmp_path)
    assert (tmp_path / f"{name}.json").read_bytes() == (ROOT / f"tests/oracles/{name}.json").read_bytes()
