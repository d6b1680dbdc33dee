"""A study's numbers depend on what is studied alone: not on how it is run, cut, killed or extended."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import Study

from mice_sim.cli import main
from mice_sim.errors import MiceSimError
from mice_sim.kernels import likelihood as kernels
from mice_sim.origin import Origin
from mice_sim.resources import resource
from mice_sim.study.analyses import Sets, make
from mice_sim.study.config import Execution, compose
from mice_sim.study.engines.loky import run_loky
from mice_sim.study.replicate import Replicator, _population, replicator
from mice_sim.study.run import SCIENCE, identity, run_study
from mice_sim.study.store import Store
from mice_sim.study.summary import Summary, summarise
from mice_sim.study.targets import run_until

ORIGIN = Origin("linked", "none", proper=False, complete=True, n=748, k=748, m=5)
SMALL = ["experiment=volker_vink_2021", "replicates=12"]


def same(one: Summary, other: Summary) -> bool:
    """Whether two summaries are equal to the last bit."""
    frames = ("rows", "coverage", "dispersion")
    return all(
        getattr(one, f).to_csv(float_format="%.17g") == getattr(other, f).to_csv(float_format="%.17g") for f in frames
    )


def numbers(summary: Summary) -> pd.DataFrame:
    """The rows whose statistic is always a finite number: normal tests have infinite degrees of freedom."""
    return summary.rows[summary.rows["statistic"] != "df"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study.run([*SMALL, "execution=serial", "execution.chunk=100"], tmp_path_factory.mktemp("plain"))


def run_in_a_process(overrides: list[str], die_after: int | None = None) -> dict:
    """Run a study in a process of its own, which may kill itself after so many replicates; return its report."""
    code = (
        "import json, os, signal, sys\n"
        "from mice_sim.study.config import compose\n"
        "from mice_sim.study.run import run_study\n"
        f"die = lambda done, planned: done >= {die_after or 10**9} and os.kill(os.getpid(), signal.SIGKILL)\n"
        "print(json.dumps(vars(run_study(compose(sys.argv[1:]), die))))"
    )
    done = subprocess.run([sys.executable, "-c", code, *overrides], capture_output=True, text=True)
    assert done.returncode == (-signal.SIGKILL if die_after else 0), done.stderr
    return json.loads(done.stdout) if done.stdout else {}


# ---- how it is run


@pytest.mark.parametrize(
    ("engine", "workers", "chunk"),
    [("serial", 1, 1), ("serial", 1, 7), ("loky", 1, 7), ("loky", 2, 1), ("loky", 2, 100), ("loky", 4, 7)],
)
def test_engine_workers_and_chunks_change_no_number(tmp_path, plain, engine, workers, chunk):
    overrides = [f"execution.engine={engine}", f"execution.workers={workers}", f"execution.chunk={chunk}"]
    assert same(Study.run([*SMALL, *overrides], tmp_path).summary, plain.summary)


def test_sums_do_not_depend_on_the_parts_they_are_read_from(plain, tmp_path, monkeypatch):
    monkeypatch.setattr("mice_sim.study.store.BLOCK", 5)
    assert [found.tolist() for found, *_ in plain.store.blocks(12)] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]
    coarse = summarise(plain.store, 12, 5)
    fine = Study.run([*SMALL, "execution=serial", "execution.chunk=1"], tmp_path).summary
    assert same(coarse, fine)


def test_each_replicate_of_r_is_the_published_ones_sample(plain, boys, r_samples):
    numbers = np.concatenate([values for _, values, _ in plain.store.blocks(12)])
    labels = plain.store.labels()
    at = labels.query("source == 'bootstrap' and term == 'age' and statistic == 'mean'").index[0]
    assert numbers[:, at] == pytest.approx([boys["age"].iloc[rows].mean() for rows in r_samples[:12]], rel=1e-12)


def test_summaries_are_means_and_spreads_over_replicates(plain):
    values = np.concatenate([values for _, values, _ in plain.store.blocks(12)])
    variances = np.concatenate([variances for *_, variances in plain.store.blocks(12)])
    rows = numbers(plain.summary)
    values, variances = values[:, rows.index], variances[:, rows.index]
    np.testing.assert_allclose(rows["mean"], values.mean(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(rows["sd"], values.std(axis=0, ddof=1), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(rows["synthesis_variance"], variances.sum(axis=0) / 12**2, rtol=1e-9, atol=1e-15)
    assert (rows["n"] == 12).all()


def test_coverage_counts_the_intervals_that_hold_the_truth(plain):
    wide = pd.DataFrame(
        np.concatenate([values for _, values, _ in plain.store.blocks(12)]).T,
        pd.MultiIndex.from_frame(plain.store.labels()),
    )
    original = plain.store.original().astype({"analysis": str, "term": str, "statistic": str})
    truth = original.set_index(["analysis", "term", "statistic"])["value"]
    for row in plain.summary.coverage.itertuples():
        if row.analysis in ("linear", "ordinal"):
            lower, upper = (wide.loc[(row.source, row.analysis, row.term, s)] for s in ("ci_lower", "ci_upper"))
            known = truth.loc[(row.analysis, row.term, "estimate")]
            assert row.coverage == pytest.approx(((lower < known) & (known < upper)).mean())


def test_correlations_are_pooled_on_fishers_scale_and_other_statistics_averaged(truth):
    config = compose(SMALL)
    sets = [truth.values[:, :249], truth.values[:, 249:498], truth.values[:, 499:]]
    for name, forward, backward in (("correlations", np.arctanh, np.tanh), ("descriptives", np.array, np.array)):
        analysis = make(config.analysis, config.pooling, truth)[name]
        singles = np.array([analysis.single(values)[0] for values in sets])
        ((pooled, _),) = analysis.pooled(Sets(np.array(sets), truth.values, ORIGIN), np.random.default_rng(1))
        assert pooled == pytest.approx(backward(forward(singles).mean(axis=0)))


# ---- stopping and going on


def test_a_killed_study_goes_on_where_it_stopped_and_compiles_nothing(tmp_path, plain):
    overrides = [*SMALL, "execution=serial", "execution.chunk=1", f"output={tmp_path}"]
    run_in_a_process(overrides, die_after=5)
    store = Store(tmp_path)
    assert len(store.scan()[0]) == 5
    leftover = f".part-0000005-0.parquet~{socket.gethostname()}~{2**22 + 1}~.tmp"  # no process has this number
    (store.parts_directory / leftover).write_bytes(b"half a part")
    report = run_in_a_process(overrides)
    assert (report["present"], report["ran"], report["compiled"]) == (5, 7, 0)
    assert not list(store.parts_directory.glob("*.tmp"))
    assert same(summarise(store, 12, 5), plain.summary)


def test_a_killed_worker_is_told_in_a_sentence():
    parent = os.getpid()
    with pytest.raises(MiceSimError, match=r"worker process was killed.*run the same command again"):
        list(run_loky(lambda _: os.getpid() != parent and os.kill(os.getpid(), signal.SIGKILL), [0, 1], Execution()))


def test_a_study_that_is_extended_equals_one_run_at_once(tmp_path, plain):
    Study.run([*SMALL, "execution=serial", "replicates=6"], tmp_path)
    longer = Study.run([*SMALL, "execution=serial"], tmp_path)
    assert same(longer.summary, plain.summary)
    shorter = run_study(dataclasses.replace(longer.config, replicates=5))
    assert (shorter.planned, shorter.present, shorter.ran) == (5, 5, 0)


def test_a_study_that_is_finished_runs_nothing_again(plain):
    before = sorted((part.path, part.path.stat().st_mtime_ns) for part in plain.store.scan()[0])
    report = run_study(plain.config)
    assert (report.planned, report.present, report.ran, report.failed) == (12, 12, 0, 0)
    assert sorted((part.path, part.path.stat().st_mtime_ns) for part in plain.store.scan()[0]) == before


def test_execution_and_report_may_change_between_runs(plain):
    changed = compose([*SMALL, f"output={plain.config.output}", "execution.chunk=3", "report.published=null"])
    assert run_study(changed).ran == 0
    run_study(plain.config)


@pytest.mark.parametrize(
    ("override", "difference"),
    [
        ("synthesis.cp=0.01", "configuration.synthesis.cp was 1e-08 and is 0.01"),
        ("seed=124", "configuration.seed was 123 and is 124"),
        ("pooling.linear=rubin1987", "configuration.pooling.linear was 'reiter2003' and is 'rubin1987'"),
        ("resampling=bootstrap", "configuration.resampling.kind was 'r_bootstrap' and is 'bootstrap'"),
    ],
)
def test_a_folder_takes_one_study_only_and_says_what_differs(plain, override, difference):
    with pytest.raises(MiceSimError) as caught:
        run_study(compose([*SMALL, f"output={plain.config.output}", override]))
    assert difference in str(caught.value)
    assert "choose another output, or delete the folder" in str(caught.value)


@pytest.mark.parametrize("what", ["code", "data"])
def test_other_code_or_data_make_another_study(tmp_path, monkeypatch, what):
    with monkeypatch.context() as patch:
        patch.setattr("mice_sim.study.run.identity", lambda key: identity(key) | {what: "0123456789abcdef"})
        config = Study.run([*SMALL, "execution=serial", "replicates=1"], tmp_path).config
    with pytest.raises(MiceSimError, match=f"{what} was '0123456789abcdef' and is '{identity(config.key())[what]}'"):
        run_study(config)


def test_what_a_cluster_has_in_hand_is_not_run_and_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("mice_sim.study.run.slurm.in_flight", lambda folders: {folder: {1, 3, 9} for folder in folders})
    command = ["experiment=volker_vink_2021", "replicates=4", "execution=serial", f"output={tmp_path}"]
    result = CliRunner().invoke(main, ["run", *command])
    assert (result.exit_code, "2 replicates submitted" in result.stdout) == (4, True)
    assert list(Store(tmp_path).records()) == [0, 2]
    status = CliRunner().invoke(main, ["status", str(tmp_path)])
    assert (status.exit_code, "On the cluster  1, 3" in status.stdout) == (4, True)
    until = compose([*command, "+until={batch: 2, bias: 1e-9}"])
    report, missed = run_until(until)
    assert (report.submitted, missed, list(Store(tmp_path).records())) == (1, {}, [0, 2])


def test_other_contents_of_a_file_make_another_study(tmp_path):
    file, overrides = tmp_path / "own.csv", ["data=file", "analysis=regression", "resampling=bootstrap", "replicates=1"]
    frame = pd.DataFrame({"x1": np.arange(50.0), "x2": np.arange(50.0) % 7, "y": np.arange(50.0) % 11})
    frame.to_csv(file, index=False)
    config = compose([*overrides, f"data.path={file}", f"output={tmp_path / 'study'}", "execution=serial"])
    run_study(config)
    frame.assign(y=frame["y"][::-1].to_numpy()).to_csv(file, index=False)
    replicator.cache_clear()  # as in a process that has had other studies since
    _population.cache_clear()
    with pytest.raises(MiceSimError, match=r"data was '.*' and is '.*'"):
        run_study(config)


def test_all_code_that_decides_numbers_is_in_the_hash():
    code = "import sys, mice_sim.study.replicate; print(*[m for m in sys.modules if m.startswith('mice_sim.')])"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    # Checks and names, whose decisions are in the configuration, and where compiled kernels are kept.
    others = {"errors", "registry", "resources", "compiled", "api", "study"} | {
        f"study.{name}" for name in ("config", "folders", "measures", "overrides", "written")
    }
    hashed = tuple(part.removesuffix(".py").replace("/", ".") for part in SCIENCE)
    for module in {name.removeprefix("mice_sim.") for name in modules} - others:
        assert any(module == part or module.startswith(f"{part}.") for part in hashed), module


# ---- failing


@pytest.fixture
def third_synthesis_fails(monkeypatch: pytest.MonkeyPatch):
    streams = Replicator.streams

    def fail(self, replicate: int):
        if replicate == 2:
            raise ZeroDivisionError("a test wants this")
        return streams(self, replicate)

    monkeypatch.setattr(Replicator, "streams", fail)
    return monkeypatch.undo


def test_what_fails_is_recorded_and_changes_nothing_else(tmp_path, third_synthesis_fails, plain):
    overrides = ["experiment=volker_vink_2021", "replicates=5", "execution=serial"]
    study = Study.run(overrides, tmp_path)
    third_synthesis_fails()
    report = run_study(study.config)
    assert (report.ran, report.failed) == (0, 1)
    events = pd.read_parquet(tmp_path / "events.parquet").query("what == 'failed'")
    assert set(events["variable"]) == set(study.config.analysis)
    assert set(zip(events["replicate"], events["source"], events["why"], strict=True)) == {
        (2, "synthetic", "ZeroDivisionError: a test wants this")
    }
    assert {f.stream for f in study.store.failures(5)[2]} == {"123/synthesis/2"}
    got, expected = (np.concatenate([v for _, v, _ in s.store.blocks(5)]) for s in (study, plain))
    synthetic = (study.store.labels()["source"] == "synthetic").to_numpy()
    assert np.isnan(got[2, synthetic]).all()
    np.testing.assert_array_equal(got[:, ~synthetic], expected[:, ~synthetic])
    np.testing.assert_array_equal(got[[0, 1, 3, 4]], expected[[0, 1, 3, 4]])


def test_what_failed_is_run_again_when_asked(tmp_path, third_synthesis_fails, plain):
    study = Study.run(["experiment=volker_vink_2021", "replicates=5", "execution=serial"], tmp_path)
    third_synthesis_fails()
    shorter = run_study(dataclasses.replace(study.config, replicates=2), again=True)
    assert (shorter.ran, shorter.failed) == (0, 0)
    report = run_study(study.config, again=True)
    assert (report.ran, report.failed) == (1, 0)
    assert same(summarise(study.store, 5, 5), summarise(plain.store, 5, 5))


@pytest.mark.usefixtures("third_synthesis_fails")
def test_the_exit_code_says_that_replicates_failed(tmp_path):
    result = CliRunner().invoke(
        main, ["run", "experiment=volker_vink_2021", "replicates=3", "execution=serial", f"output={tmp_path}"]
    )
    assert result.exit_code == 3
    assert "something failed in 1 of 3 replicates" in result.stderr


def test_a_model_that_does_not_converge_is_an_event_and_not_a_number(tmp_path, monkeypatch, truth, r_samples):
    fit, sample = kernels.ordinal, truth.values[truth.index("gen")][r_samples[1]]

    def fail(x, y, *others):
        ok, *found = fit(x, y, *others)
        return (ok and not np.array_equal(y, sample), *found)

    monkeypatch.setattr(kernels, "ordinal", fail)
    study = Study.run(["experiment=volker_vink_2021", "replicates=3", "execution=serial"], tmp_path)
    (event,) = pd.read_parquet(tmp_path / "events.parquet").query("replicate >= 0").itertuples()
    assert (event.replicate, event.source, event.variable, event.what) == (1, "bootstrap", "ordinal", "failed")
    n = numbers(study.summary).set_index(["source", "analysis"])["n"]
    assert (n.loc["bootstrap", "ordinal"] == 2).all()
    assert (n.drop(("bootstrap", "ordinal")) == 3).all()


# ---- every configuration that is shipped


@pytest.mark.parametrize("name", sorted(path.stem for path in (resource("conf") / "experiment").glob("*.yaml")))
def test_every_experiment_composes_and_runs(tmp_path, name):
    study = Study.run([f"experiment={name}", "replicates=2", "execution=serial"], tmp_path)
    assert study.config.study == name
    assert study.summary.replicates == 2
    found = numbers(study.summary)
    # The variance of rrr2003 is a difference: where it is negative there is an estimate and no more.
    pooled_by_difference = [name for name, rule in study.config.pooling.items() if rule == "rrr2003"]
    due = ~found["analysis"].isin(pooled_by_difference) | (found["statistic"] == "estimate")
    assert found.loc[due, "mean"].notna().all()


def test_a_study_of_ones_own_needs_no_experiment(tmp_path):
    study = Study.run(["study=mine", "replicates=2", "execution=serial", "synthesis.m=3"], tmp_path)
    assert study.config.resampling == {"kind": "bootstrap", "n": None}
    assert numbers(study.summary)["mean"].notna().all()


def test_results_go_to_a_folder_named_after_the_study():
    assert compose(["study=mine"]).directory == Path("results/mine")
