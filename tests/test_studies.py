"""Studies from Python: what is run is what the command runs, and what comes back is what is stored."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from pandas.testing import assert_frame_equal

import mice_sim as ms
from mice_sim import MiceSimError
from mice_sim.analysis import Statistics
from mice_sim.cli import main
from mice_sim.study.analyses import STATISTICS
from mice_sim.study.measures import MEASURES
from mice_sim.study.own import learn

NORMAL = ("data=mvn", "resampling=fresh", "resampling.n=60", "analysis=regression", "synthesis.m=2", "replicates=6",
          "execution=serial")  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return ms.run_study(*NORMAL, "study=small", f"output={tmp_path_factory.mktemp('study')}")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return ms.run_sweep(*NORMAL, "study=sets", "synthesis.m=2,3", f"output={tmp_path_factory.mktemp('sweep')}")


def test_a_study_run_from_python_is_the_one_that_the_command_runs(study, tmp_path):
    result = CliRunner().invoke(main, ["run", *NORMAL, "study=small", f"output={tmp_path}", "--quiet"])
    assert result.exit_code == 0, result.output
    other = ms.read_study(tmp_path)
    assert_frame_equal(study.rows(), other.rows())
    assert study.report() == study.directory / "report.html"
    for table in ("performance.csv", "linear.md"):
        assert (study.directory / "tables" / table).read_bytes() == (tmp_path / "tables" / table).read_bytes()
    assert repr(study) == f"Study 'small' in {study.directory}: 6 of 6 replicates, none with failures"


def test_rows_are_chosen_by_their_labels(study):
    chosen = study.rows(analysis="linear", source="synthetic", term="x1", statistic="estimate")
    everything = study.rows()
    assert chosen["replicate"].tolist() == list(range(6))
    wanted = {"source": "synthetic", "analysis": "linear", "term": "x1", "statistic": "estimate"}
    same = everything[(everything[list(wanted)] == pd.Series(wanted)).all(axis=1)]
    assert_frame_equal(chosen, same.reset_index(drop=True))
    estimates = study.estimates("linear").query("source == 'synthetic' and term == 'x1'")
    assert np.array_equal(estimates["estimate"], chosen["value"])


def test_numbers_of_a_study_belong_together(study):
    bias = study.performance.query("measure == 'bias' and term == 'x1' and source == 'synthetic'")["estimate"].item()
    found = study.estimates("linear").query("source == 'synthetic' and term == 'x1'")
    assert bias == pytest.approx((found["estimate"] - found["truth"]).mean())
    assert study.failures.empty
    assert study.verdict.agrees is None
    assert (study.compare(study)["difference"].dropna() == 0).all()


def test_a_sweep_is_its_points(sweep):
    assert repr(sweep) == f"Sweep 'sets' in {sweep.directory}: 2 points"
    assert list(sweep.points) == ["synthesis.m=2", "synthesis.m=3"]
    alone = sweep.points["synthesis.m=3"].performance
    part = sweep.performance[sweep.performance["synthesis.m"] == 3].drop(columns="synthesis.m")
    assert_frame_equal(part.reset_index(drop=True), alone)
    paired = sweep.points["synthesis.m=3"].compare(sweep.points["synthesis.m=2"])
    told = sweep.comparisons.merge(paired, on=["source", "analysis", "term", "statistic", "measure"])
    assert np.array_equal(told["difference_x"], told["difference_y"])
    assert sweep.report() == sweep.directory / "report.html"
    assert ms.read_sweep(sweep.directory).points.keys() == sweep.points.keys()


def test_a_run_goes_on_until_its_targets_are_met(tmp_path):
    given = [text for text in NORMAL if not text.startswith("replicates")]
    until = "+until={batch: 5, emp_se: 0.05}"
    found = ms.run_study(*given, "replicates=100", f"output={tmp_path}", until)
    assert found.config["replicates"] < 100
    assert found.performance.query("measure == 'emp_se' and source == 'synthetic'")["mcse"].max() <= 0.05


def test_what_fails_is_told(tmp_path, monkeypatch):
    def fragile(columns, values):
        if values[0].max() > 2.2:
            raise MiceSimError("It broke.")
        return Statistics(("largest",), {"value": values[:1].max(axis=1)})

    monkeypatch.setitem(STATISTICS, "fragile", fragile)
    given = ("~analysis.linear", "+analysis.fragile={kind: fragile}", "+pooling.fragile=mean", "data.rows=10")
    found = ms.run_study(*NORMAL, f"output={tmp_path}", *given)
    assert set(found.failures["error"]) == {"MiceSimError: It broke."}
    assert set(found.failures["analysis"]) == {"fragile"}
    largest = found.rows(analysis="fragile", source="sample").set_index("replicate")["value"]
    failed = found.failures.query("source == 'sample'")["replicate"]
    assert 0 < len(failed) < 6
    assert sorted(failed) == sorted(largest.index[largest.isna()])
    assert repr(found).endswith(f"{found.failures['replicate'].nunique()} with failures")


# ---- what is one's own

SCRIPT = """
import sys
from dataclasses import dataclass
import numpy as np
import mice_sim as ms

SHARE = 0.5

def between(a, b):
    return SHARE * a + (1 - SHARE) * b

@dataclass(frozen=True)
class Between(ms.Method):
    kinds = ("continuous",)

    def fit(self, y, X, rng):
        return Fitted(y.observed)

@dataclass(frozen=True)
class Fitted:
    values: np.ndarray

    def draw(self, X, rng):
        return between(*rng.choice(self.values, (2, X.rows.size)))

ms.register_method("between", Between)
study = ms.run_study(*sys.argv[1:])
print(study.rows()["value"].to_numpy().tobytes().hex())
"""


def test_ones_own_method_runs_on_all_cores_and_its_code_is_part_of_the_study(tmp_path):
    def run(name: str, script: str, engine: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "script.py").write_text(script)
        given = [*NORMAL, "synthesis=sequential", "synthesis.method={x1: sample, x2: between, y: cart}",
                 f"execution={engine}", "execution.chunk=2", "execution.workers=2",
                 f"output={tmp_path / name}"]  # fmt: skip
        command = [sys.executable, tmp_path / "script.py", *given]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    serial, loky = run("a", SCRIPT, "serial"), run("b", SCRIPT, "loky")
    assert serial.returncode == loky.returncode == 0, serial.stderr + loky.stderr
    assert len(serial.stdout) > 1000
    assert serial.stdout == loky.stdout
    changed = SCRIPT.replace("SHARE = 0.5", "SHARE = 0.4")
    refused = run("b", changed, "loky")
    assert "holds replicates of another study (the code of your method 'between' is another)" in refused.stderr
    assert run("c", changed, "loky").stdout != loky.stdout


HASHED = """
from mice_sim.study.own import digest

LIMIT = {"a", "b", "c"}

class Thing:
    level: float = 0.5

    @property
    def half(self):
        return self.level in {"x", "y", "z"}, LIMIT

def use(n=2):
    return [Thing().half for _ in range(n)]

print(digest(use))
"""


def test_the_hash_of_code_depends_on_the_code_alone(tmp_path):
    def hashed(script: str, seed: int) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        command = [sys.executable, "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    once = hashed(HASHED, 1)
    assert len(once.strip()) == 16
    assert hashed(f"# another comment{HASHED}", 2) == once
    for old, new in (('"c"}', '"d"}'), ("0.5", "0.6"), ("n=2", "n=3"), ("in {", "not in {"), ('"z"', '"w"')):
        assert hashed(HASHED.replace(old, new), 1) != once, old


@pytest.mark.parametrize(
    ("register", "words"),
    [
        (lambda: ms.register_method("mine", int), "must be a dataclass derived from"),
        (lambda: ms.register_analysis("counts", len), "The package has an analysis 'counts'; choose another name"),
        (lambda: ms.register_analysis("copies", len), "The package has an analysis 'copies'; choose another name"),
        (lambda: ms.register_model("linear", len), "The package has a model 'linear'; choose another name"),
        (lambda: ms.register_model("poisson", len), "The package has a model 'poisson'; choose another name"),
        (lambda: ms.register_measure(MEASURES["bias"]), "The package has a measure 'bias'; choose another name"),
    ],
)
def test_what_can_not_be_registered_is_refused(register, words):
    with pytest.raises(MiceSimError, match=words):
        register()


def test_a_worker_that_lacks_a_module_says_so():
    with pytest.raises(MiceSimError, match="A worker has no module 'elsewhere', which your own methods use"):
        learn(b"celsewhere\nThing\n.")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda study, sweep: study.rows(sauce="synthetic"), "no label 'sauce'; did you mean 'source'"),
        (lambda study, sweep: study.rows(term="x7"), "No row has the term 'x7'; known are"),
        (
            lambda study, sweep: study.estimates("liner"),
            "no analysis 'liner' among its estimates; did you mean",
        ),
        (lambda study, sweep: ms.read_study(sweep.directory), "holds a sweep; name one of its points"),
        (lambda study, sweep: ms.read_study("nowhere"), "nowhere holds no study; run one first"),
        (lambda study, sweep: ms.read_sweep(study.directory), "holds no sweep; run one first"),
        (lambda study, sweep: ms.run_study("experiment=tree_size"), "is a sweep over .* or run_sweep"),
        (lambda study, sweep: ms.run_sweep(*NORMAL), "There is nothing to sweep"),
        (lambda study, sweep: ms.run_study(*NORMAL, "report.published=smith"), "no published study 'smith'"),
    ],
)
def test_a_wrong_call_says_what_to_do(study, sweep, call, words):
    with pytest.raises(MiceSimError, match=words):
        call(study, sweep)
