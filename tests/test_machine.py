"""Any study, any sweep: methods side by side, planted failures, replays, plans, targets, preregistration, the verbs."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

from mice_sim.cli import main
from mice_sim.errors import MiceSimError
from mice_sim.report.build import build_sweep
from mice_sim.resources import resource
from mice_sim.study import analyses
from mice_sim.study.config import Execution, StudyConfig, compose, stored_config
from mice_sim.study.engines import ENGINES
from mice_sim.study.measures import MEASURES
from mice_sim.study.performance import performance
from mice_sim.study.plan import plan
from mice_sim.study.replay import certify, replay, same_samples
from mice_sim.study.replicate import replicator
from mice_sim.study.run import run_study
from mice_sim.study.status import ranges, status
from mice_sim.study.store import Store
from mice_sim.study.sweep import (
    point_directories,
    point_name,
    read_sweep,
    run_sweep,
    sweep_comparisons,
    sweep_performance,
)  # fmt: skip
from mice_sim.study.targets import judged, needs, run_until, unmet

NORMAL = ["data=mvn", "resampling=fresh", "resampling.n=80", "analysis=regression", "synthesis.m=3",
          "execution=serial", "execution.progress=false"]  # fmt: skip


def normal(output: Path, *overrides: str) -> StudyConfig:
    return compose([*NORMAL, f"output={output}", *overrides])


def ran(output: Path, *overrides: str) -> StudyConfig:
    config = normal(output, *overrides)
    run_study(config)
    return config


def measured(config: StudyConfig) -> pd.DataFrame:
    return performance(Store(config.directory), config.to_mapping())


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> StudyConfig:
    return ran(tmp_path_factory.mktemp("study"), "replicates=12")


# ---- every file of conf/


def files(group: str) -> list[str]:
    return sorted(path.stem for path in (resource("conf") / group).glob("*.yaml"))


# What a file needs beside it to make a study.
COMPANIONS = {
    "data=model_linear": ["analysis=regression", "analysis.linear.formula='hgt ~ age + phb'", "data.rows=2000"],
    "data=model_ordinal": ["~analysis.descriptives", "~analysis.linear", "~analysis.discrimination",
                           "analysis.ordinal.formula='gen ~ age + hc'", "data.rows=2000"],
    "data=mvn": ["analysis=regression"],
    "data=two_level": ["analysis=regression", "analysis.linear.formula='y ~ x + w'", "data.rows=2000"],
    "data=pupils": ["analysis=regression", "~analysis.correlations", "analysis.linear.formula='y ~ ks2'",
                    "data.rows=2000"],
    "data=selection": ["analysis=line", "data.rows=2000"],
    "resampling=fresh": ["data=mvn", "analysis=regression"],
    "resampling=subsample": ["resampling.n=300"],
    "analysis=regression": ["data=mvn"],
    "analysis=line": ["data=mvn", "data.names=[x, y]"],
    "analysis=logistic": ["data=selection", "data.binary=true", "data.rows=2000"],
    "analysis=mixed": ["data=two_level", "data.rows=2000", "resampling=fresh", "+pooling.mixed=reiter2003"],
    "analysis=mixed_by_rule": ["data=pupils", "data.rows=2000", "resampling=fresh", "+pooling.mixed=reiter2003"],
    "pooling=mixed_by_rule": ["data=pupils", "data.rows=2000", "resampling=fresh", "analysis=mixed_by_rule"],
    "pooling=by_rule": ["analysis=growth_models_by_rule"],
    "synthesis=impute": ["+resampling/amputation=mcar"],
    **{f"+resampling/amputation={name}": ["synthesis=impute"] for name in ("mcar", "mar", "mnar", "mask")},
    "+resampling/amputation=clustered": ["data=two_level", "data.rows=2000", "resampling=fresh", "analysis=mixed",
                                         "+pooling.mixed=rubin1987", "resampling.amputation.patterns=[[y]]",
                                         "synthesis=impute"],
    "+resampling/amputation=population": ["data=selection", "data.rows=2000", "resampling=fresh", "analysis=line",
                                          "synthesis=impute"],
}  # fmt: skip


@pytest.mark.parametrize(
    "choice",
    [f"{group}={name}" for group in ("data", "resampling", "synthesis", "analysis", "pooling", "measures", "report")
     for name in files(group)]
    + [f"+resampling/amputation={name}" for name in files("resampling/amputation")],
)  # fmt: skip
def test_every_file_of_conf_makes_a_study(tmp_path, choice):
    companions = COMPANIONS.get(choice, [])
    if choice == "data=file":
        ran(tmp_path / "made", "replicates=1")
        frame = pd.DataFrame({"x1": np.arange(50.0), "x2": np.arange(50.0) % 7, "y": np.arange(50.0) % 11})
        frame.to_csv(tmp_path / "own.csv", index=False)
        companions = [f"data.path={tmp_path / 'own.csv'}", "analysis=regression"]
    config = compose(["synthesis.m=2", "execution=serial", choice, *companions, "replicates=2", f"output={tmp_path}"])
    report = run_study(config)
    assert (report.ran, report.failed) == (2, 0)
    assert measured(config)["estimate"].notna().any()


@pytest.mark.parametrize("name", files("execution"))
def test_every_execution_composes(name):
    address = ["execution.address=tcp://localhost:1"] if name == "dask" else []
    assert compose([f"execution={name}", *address]).execution.engine == name


# ---- several methods, known truths, incomplete samples


def test_a_method_among_others_gives_what_it_gives_alone(tmp_path, study):
    both = ran(tmp_path, "replicates=12", "+synthesis.variants={coarse: {minbucket: 30}, fine: {}}")
    alone, among = measured(study), measured(both)
    assert list(dict.fromkeys(among["source"])) == ["sample", "coarse", "fine"]
    fine = among[among["source"] == "fine"].drop(columns="source").reset_index(drop=True)
    synthetic = alone[alone["source"] == "synthetic"].drop(columns="source").reset_index(drop=True)
    pd.testing.assert_frame_equal(fine, synthetic)
    coarse = among[among["source"] == "coarse"].drop(columns="source").reset_index(drop=True)
    assert not coarse.equals(synthetic)
    samples = [frame[frame["source"] == "sample"].reset_index(drop=True) for frame in (alone, among)]
    pd.testing.assert_frame_equal(*samples)


def test_the_truth_of_normal_data_is_exact(study):
    original = Store(study.directory).original()
    assert original.loc[original["statistic"] == "correlation", "value"].to_numpy() == pytest.approx([0.5] * 3)
    slopes = original[(original["statistic"] == "estimate") & (original["term"] != "(Intercept)")]["value"]
    assert slopes.to_numpy() == pytest.approx([1 / 3, 1 / 3])


def test_a_truth_can_be_given_by_term(tmp_path):
    config = ran(tmp_path, "replicates=6", "+analysis.linear.truth={x1: 7.5}")
    original = Store(tmp_path).original().query("analysis == 'linear'").set_index(["statistic", "term"])["value"]
    assert original.dropna().to_dict() == {("estimate", "x1"): 7.5}
    bias = measured(config).query("measure == 'bias' and analysis == 'linear' and source == 'sample'")
    assert list(bias["term"]) == ["x1"]
    assert bias["estimate"].item() == pytest.approx(1 / 3 - 7.5, abs=0.3)


def test_a_models_own_truth_is_that_of_its_population(tmp_path):
    config = compose([
        "data=model_linear", "resampling=fresh", "analysis=regression", "~analysis.correlations", "data.rows=500",
        "analysis.linear.formula='hgt~age + phb'", "data.formula='hgt ~ age+phb'", "+data.coefficients={age: 6.25}",
        "synthesis.m=2", "replicates=2", "execution=serial", f"output={tmp_path}",
    ])  # fmt: skip
    run_study(config)
    truth = Store(tmp_path).original().query("term == 'age' and statistic == 'estimate'")["value"].item()
    assert truth == 6.25


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("+analysis.linear.truth={x3: 1}", "names the term 'x3'"),
        ("+analysis.linear.truth=guess", "truth is 'guess'"),
        ("+analysis.linear.trut=sample", "has no key 'trut'; did you mean 'truth'?"),
        ("+synthesis.variants={sample: {}}", "A method can't be called 'sample'"),
        ("analysis.linear.kind=lineal", "unknown kind 'lineal'; did you mean 'linear'?"),
        ("+analysis.all={kind: descriptives, truth: {x1: 1}}", "analysis.all has several statistics a term"),
        ("synthesis.m=1", "pooling needs at least two sets"),
        ("+analysis.linear.truth={x1: abc}", "analysis.linear.truth.x1 is 'abc'; give a number"),
        ("analysis.linear=3", "analysis.linear is 3; give it keys and values"),
        ("+synthesis.variants={a: 3}", "synthesis.variants.a is 3; give it keys and values"),
        ("until=3", "until is 3; give it keys and values"),
        ("+until.batch=20", "until names no measure"),
        ("+until={bias: 1, batch: 0}", "until.batch is 0; give a whole number"),
        ("+until={bias: 1, batch: 2.5}", "until.batch is 2.5; give a whole number"),
        ("+until={bias: -1}", "The target of bias is -1"),
        ("measures.show=3", "measures.show is 3; give a list"),
        ("pooling.level=high", "pooling.level is 'high'; give a number between 0 and 1"),
        ("pooling.level=95", "pooling.level is 95; give a number between 0 and 1"),
        ("output=null", "output is None; give the name of a folder"),
        ("output=''", "output is ''; give the name of a folder"),
        ("replicates=10000001", "give at most 10000000"),
        ("replicates=2,3", "gives several values; run a sweep with -m"),
        ("report=null", "report=null chooses no file"),
        ("synthesis.mode=linkd", "There is no synthesis.mode 'linkd'; did you mean 'linked'?"),
    ],
)
def test_a_wrong_study_is_refused_in_one_sentence(tmp_path, monkeypatch, override, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MiceSimError) as caught:
        run_study(normal(tmp_path, "replicates=1", override))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_study_without_analyses_is_refused(tmp_path):
    with pytest.raises(MiceSimError, match="The study has no analysis"):
        normal(tmp_path, "~analysis.linear", "~analysis.correlations")


def test_a_study_takes_one_discrimination(tmp_path):
    two = [f"+analysis.{name}={{kind: discrimination, formula: 'y ~ x1'}}" for name in ("a", "b")]
    with pytest.raises(MiceSimError, match="takes one analysis of kind discrimination"):
        run_study(normal(tmp_path, *two))


def test_incomplete_samples_are_judged_against_the_complete_ones(tmp_path):
    config = ran(
        tmp_path, "replicates=8", "+resampling/amputation=mar", "resampling.amputation.patterns=[[x1]]",
        "resampling.n=400", "synthesis.where=missing", "synthesis.maxit=2", "pooling.linear=rubin1987",
        "+analysis.linear.truth=sample",
    )  # fmt: skip
    frame = measured(config)
    assert list(dict.fromkeys(frame["source"])) == ["sample", "complete_cases", "synthetic"]
    bias = frame[(frame["measure"] == "bias") & (frame["analysis"] == "linear")].set_index("source")["estimate"]
    assert (bias.loc["sample"] == 0).all()
    assert (bias.loc["synthetic"] != 0).all()
    numbers, values, _ = next(Store(tmp_path).blocks(8))
    assert numbers.tolist() == list(range(8))
    labels = Store(tmp_path).labels()
    complete = (labels["source"] == "complete_cases") & (labels["statistic"] == "estimate")
    assert np.isfinite(values[:, complete.to_numpy()]).all()


# ---- planted failures


@pytest.fixture
def singular(monkeypatch):
    """Make one method's synthetic sets singular in some replicates: its x2 becomes a copy of x1."""
    from mice_sim.study import replicate

    run = replicate.engine.run
    planted = {3, 11, 27}

    def copy(table, spec, streams, log):
        sets = run(table, spec, streams, log)
        number = streams.replicate if hasattr(streams, "replicate") else None
        if number in planted and spec.m == 4:
            sets[:, 1] = sets[:, 0]
        return sets

    def named(self, number):
        given = streams(self, number)

        def stream(*name):
            return given(*name)

        stream.replicate = number
        return stream

    streams = replicate.Replicator.streams
    monkeypatch.setattr(replicate.engine, "run", copy)
    monkeypatch.setattr(replicate.Replicator, "streams", named)
    return planted, monkeypatch.undo


TWO = ["+synthesis.variants={sound: {}, fragile: {m: 4}}", "~analysis.correlations"]


def test_a_planted_singular_fit_is_counted_listed_replayed_and_run_again(tmp_path, singular):
    planted, mend = singular
    config = normal(tmp_path / "planted", "replicates=100", *TWO)
    assert run_study(config).failed == 3
    state = status(config.directory)
    assert sorted(state.failures) == sorted(planted)
    assert {(f.source, f.analysis) for found in state.failures.values() for f in found} == {("fragile", "linear")}
    rate = measured(config).query("measure == 'failure_rate' and source == 'fragile' and analysis == 'linear'")
    assert rate["estimate"].to_numpy() == pytest.approx(0.03)
    assert rate["mcse"].to_numpy() == pytest.approx(np.sqrt(0.03 * 0.97 / 100))
    shown = invoke("status", config.directory)
    assert shown.exit_code == 3
    for words in ("fragile", "linear", "0.030 ± 0.017", "3, 11, 27", "rank deficient"):
        assert words in shown.stdout
    again = replay(config.directory, 11)
    assert (again.differs, again.largest_difference) == ("", 0.0)
    assert [(f.source, f.analysis) for f in again.failures] == [("fragile", "linear")]

    mend()
    healthy = ran(tmp_path / "healthy", "replicates=100", *TWO)
    one, other = measured(config), measured(healthy)
    others = (one["source"] != "fragile").to_numpy()
    pd.testing.assert_frame_equal(one[others], other[(other["source"] != "fragile").to_numpy()], check_exact=True)
    mended = replay(config.directory, 11)
    assert (mended.differs, mended.largest_difference > 0) == ("fragile set 1", True)
    assert "→ fragile set 1" in invoke("replay", config.directory, 11).stdout
    assert invoke("retry", config.directory).exit_code == 0
    assert not status(config.directory).failures
    pd.testing.assert_frame_equal(measured(config), other, check_exact=True)


# ---- passports


def test_a_replay_names_the_first_link_that_differs(tmp_path):
    config = ran(tmp_path, "replicates=3")
    assert replay(tmp_path, 1).differs == ""
    shared = replicator(config.key())
    rows = shared.run(1)
    names = [link["link"] for link in shared.links]
    assert names[0] == "sample"
    assert len(names) == len(rows.passport) == 1 + 2 + 3 + 2
    for link in (0, 2, 4, 7):
        passport = [*rows.passport[:link], *("0" * 16 for _ in rows.passport[link:])]
        shutil.rmtree(tmp_path / "replicates")
        point = dataclasses.replace(config, replicates=1)
        run_study(point)
        Store(tmp_path).write(shared.layout, [dataclasses.replace(rows, passport=passport)], Store(tmp_path).study)
        assert replay(tmp_path, 1).differs == names[link]
        assert invoke("replay", tmp_path, "1").exit_code == 5
    with pytest.raises(MiceSimError, match="holds no replicate 7"):
        replay(tmp_path, 7)


def test_a_link_depends_on_all_links_before_it():
    shared = replicator(normal(Path("x")).key())
    one, other = shared.run(0).passport, shared.run(1).passport
    assert not set(one) & set(other)
    assert shared.run(0).passport == one
    twins = replicator(normal(Path("x"), "+synthesis.variants={a: {}, b: {}}").key())
    passport = dict(zip((link["link"] for link in twins.links), twins.run(0).passport, strict=True))
    assert passport["a set 1"] != passport["b set 1"]  # the sets are the same, what went before is not


def test_a_replay_says_whether_the_code_is_the_same(study, monkeypatch):
    assert replay(study.directory, 3).same_code
    monkeypatch.setattr("mice_sim.study.replay.identity", lambda key: {"code": "other"})
    assert not replay(study.directory, 3).same_code
    refused = invoke("certify", study.directory)
    assert (refused.exit_code, "was made by other code or data" in refused.stderr) == (1, True)


def test_a_study_with_other_samples_has_none_in_common(tmp_path, study):
    assert same_samples(Store(study.directory), Store(ran(tmp_path, "replicates=5", "seed=9").directory)) == (5, 0)


def test_a_certificate_holds_what_other_engines_gave(tmp_path, monkeypatch):
    config = ran(tmp_path, "replicates=6")
    executions = [Execution("serial", 1, 2), Execution("loky", 2, 1)]
    used = []
    for name, engine in list(ENGINES.items()):
        monkeypatch.setitem(ENGINES, name, lambda *given, name=name, engine=engine: used.append(name) or engine(*given))
    verdict = certify(tmp_path, 3, executions)
    assert used == ["serial", "loky"]
    assert verdict["agrees"]
    assert len(verdict["checks"]) == 6
    stored = json.loads((tmp_path / "certificate.json").read_text())
    assert stored == verdict
    assert not list(tmp_path.glob("certify-*"))
    shared = replicator(config.key())
    rows = dataclasses.replace(shared.run(verdict["checks"][0]["replicate"]), passport=["0" * 16] * len(shared.links))
    for part in Store(tmp_path).scan()[0]:
        part.path.unlink()
    Store(tmp_path).write(shared.layout, [rows], Store(tmp_path).study)
    bad = certify(tmp_path, 3, executions[:1])
    assert not bad["agrees"]
    assert bad["checks"][0]["differs"] == "sample"
    monkeypatch.setattr("mice_sim.cli._report", lambda directory, out: {"report": None})
    told = invoke("certify", tmp_path, "--replicates", 1)
    assert (told.exit_code, "sample differs" in told.stderr) == (5, True)
    assert invoke("certify", tmp_path, "--replicates", 0).exit_code == 2
    refused = invoke("certify", tmp_path, "--execution", "dusk")
    assert (refused.exit_code, "There is no execution 'dusk'" in refused.stderr) == (1, True)


# ---- plans and targets


def test_a_plan_counts_points_replicates_and_tasks(tmp_path):
    points = [normal(tmp_path / str(i), "replicates=90", "execution.chunk=20") for i in range(4)]
    made, first = plan(points, replicates=4)
    assert (made.points, made.replicates, made.present, made.tasks) == (4, 360, 0, 20)
    assert made.seconds.lower <= made.seconds.value <= made.seconds.upper
    assert made.core_hours.value == pytest.approx(made.seconds.value * 360 / 3600)
    assert 0 < made.disk_mib.value < 10
    assert first.measured["n"].max() == 4
    assert not list(tmp_path.iterdir())
    ran(tmp_path / "0", "replicates=30")
    assert plan(points, replicates=2)[0].replicates == 330
    assert plan([dataclasses.replace(points[0], replicates=10)], replicates=2)[0].replicates == 0
    assert invoke("plan", *NORMAL, "--pilot", "1").exit_code == 2


def test_targets_say_how_many_replicates(study):
    frame = measured(study)
    coverage, bias = needs(frame, {"coverage": 0.005, "bias": 0.01}, study)
    assert coverage.replicates == 1900
    rows = frame.query("measure == 'bias' and source == 'synthetic' and statistic == 'estimate'")
    assert bias.replicates == np.ceil((12 * (rows["mcse"] / 0.01) ** 2).max())
    result = invoke("plan", *NORMAL, "--target-mcse", "coverage=0.005", "--pilot", "3")
    assert result.exit_code == 0
    assert "1900" in result.stdout
    assert "nothing" not in result.stdout
    wrong = invoke("plan", *NORMAL, "--target-mcse", "covrage=0.005")
    assert (wrong.exit_code, "did you mean 'coverage'?" in wrong.stderr) == (1, True)


def test_a_study_runs_until_its_targets_are_met(tmp_path):
    config = normal(tmp_path, "replicates=200", "+until={batch: 20, bias: 0.02}")
    report, missing = run_until(config)
    present = len(Store(tmp_path).records())
    assert present % 20 == 0
    assert 20 < present < 200
    assert (missing, report.ran, report.present) == ({}, present, 0)
    for size, met in ((present - 20, False), (present, True)):
        frame = performance(Store(tmp_path), {**config.to_mapping(), "replicates": size})
        assert (unmet(frame, {"bias": 0.02}, config) == {}) == met
    again, _ = run_until(config)
    assert (again.ran, again.present) == (0, present)
    assert set(judged(frame, config)["source"]) == {"synthetic"}
    _, missing = run_until(normal(tmp_path, f"replicates={present}", "+until={batch: 20, bias: 1e-6}"))
    assert set(missing) == {"bias"}


def test_a_study_that_misses_its_targets_runs_all_replicates_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("mice_sim.cli._report", lambda directory, out: {"report": None})
    result = invoke("run", *NORMAL, f"output={tmp_path}", "replicates=50", "+until={batch: 20, bias: 1e-6}")
    assert (result.exit_code, "but bias has a Monte Carlo error of" in result.stderr) == (0, True)
    assert list(Store(tmp_path).records()) == list(range(50))
    assert "50 replicates in" in result.stdout
    _, missing = run_until(normal(tmp_path / "one", "replicates=1", "+until.bias=1"))
    assert missing == {"bias": np.inf}  # one replicate has no error


def test_a_share_of_one_is_not_taken_for_an_exact_number(study):
    frame = measured(study).query("measure == 'coverage'").assign(estimate=1.0, mcse=0.0)
    assert unmet(frame, {"coverage": 0.01}, study)


# ---- sweeps


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    made = read_sweep([*NORMAL, f"output={folder}", "replicates=12", "study=grid", "synthesis.minbucket=40,5",
                       "synthesis.m=3,4"])  # fmt: skip
    return made, run_sweep(made)


def test_a_sweep_runs_every_combination_in_folders_named_after_it(sweep):
    made, done = sweep
    names = [f"synthesis.m={m},synthesis.minbucket={b}" for b in (40, 5) for m in (3, 4)]
    assert [point.name for point in done] == names
    assert [path.name for path in point_directories(made.base.directory)] == names
    assert [point.report.ran for point in done] == [12] * 4
    files = [path / name for path in point_directories(made.base.directory)
             for name in ("events.parquet", "provenance.json")]  # fmt: skip
    before = [file.stat().st_mtime_ns for file in files]
    assert [point.report.ran for point in run_sweep(made)] == [0] * 4
    assert [file.stat().st_mtime_ns for file in files] == before


def test_a_sweep_leaves_to_the_cluster_what_it_has_in_hand(tmp_path, monkeypatch):
    monkeypatch.setattr("mice_sim.study.run.slurm.in_flight", lambda folders: {folder: {1} for folder in folders})
    made = read_sweep([*NORMAL, f"output={tmp_path}", "replicates=3", "synthesis.m=2,3"])
    assert [(p.report.ran, p.report.submitted) for p in run_sweep(made)] == [(2, 1), (2, 1)]


def test_a_sweep_can_be_run_again_where_it_failed(sweep, monkeypatch):
    monkeypatch.setattr("mice_sim.cli._report", lambda directory, out: {"report": None})
    result = invoke("retry", sweep[0].base.directory)
    assert (result.exit_code, result.stdout.count("0 replicates run again, 0 still fail")) == (0, 4)


def test_a_point_of_a_sweep_is_the_study_run_alone(sweep, tmp_path):
    made, _ = sweep
    alone = ran(tmp_path, "replicates=12", "synthesis.m=4", "synthesis.minbucket=5")
    frame = sweep_performance(made.base.directory)
    point = frame[(frame["synthesis.m"] == 4) & (frame["synthesis.minbucket"] == 5)]
    assert list(frame)[:2] == ["synthesis.minbucket", "synthesis.m"]
    pd.testing.assert_frame_equal(point.iloc[:, 2:].reset_index(drop=True), measured(alone))


def test_a_number_of_a_sweep_leads_to_the_rows_of_its_point(sweep):
    folder = sweep[0].base.directory
    page = build_sweep(folder).read_text(encoding="utf-8")
    links = {(unquote(page), row) for page, row in re.findall(r'href="([^"#]+)#(rows-\d+)"', page)}
    pages = {name: (folder / name).read_text(encoding="utf-8") for name, _ in links}
    assert len(pages) == 4
    assert all(f'id="{row}"' in pages[name] for name, row in links)
    labels = "".join(f'<th scope="row"[^>]*>{text}</th>' for text in ("x1", "5", "4", "synthetic"))
    cells = re.search(labels + '<td><a href="([^"#]+)#(rows-[0-9]+)">', page)
    assert unquote(cells[1]) == "points/synthesis.m=4,synthesis.minbucket=5/rows.html"
    row = re.search(rf'<tr id="{cells[2]}".*', pages[unquote(cells[1])])[0]
    assert 'data-source="synthetic" data-term="x1" data-statistic="estimate"' in row


def test_points_are_compared_along_each_axis_on_the_same_samples(sweep):
    made, _ = sweep
    frame = sweep_comparisons(made.base.directory)
    assert set(frame["axis"]) == {"synthesis.m", "synthesis.minbucket"}
    assert set(frame["source"]) == {"synthetic"}
    row = frame.query("axis == 'synthesis.m' and measure == 'bias' and source == 'synthetic' and term == 'x1'").iloc[0]
    size = row["synthesis.minbucket"]
    names = [point_name({"synthesis.m": m, "synthesis.minbucket": size}) for m in (4, 3)]
    folders = [made.base.directory / "points" / name for name in names]
    estimates = []
    for folder in folders:
        store = Store(folder)
        at = store.labels().query("source == 'synthetic' and term == 'x1' and statistic == 'estimate'").index[0]
        estimates.append(next(store.blocks(12))[1][:, at])
    apart = estimates[0] - estimates[1]
    assert row["difference"] == pytest.approx(apart.mean())
    assert row["mcse"] == pytest.approx(apart.std(ddof=1) / np.sqrt(12))
    spreads = [x.std(ddof=1) / np.sqrt(12) for x in estimates]
    assert row["unpaired"] == pytest.approx(np.hypot(*spreads))
    assert same_samples(*map(Store, folders)) == (12, 12)


def test_a_point_that_cannot_run_does_not_stop_the_others(tmp_path):
    made = read_sweep([*NORMAL, f"output={tmp_path}", "replicates=2", "synthesis.rule=mice-3.15,mice-3.16,mice-3.13"])
    done = {point.name: point for point in run_sweep(made)}
    assert "mice-3.16" in done["synthesis.rule=mice-3.16"].error
    assert done["synthesis.rule=mice-3.13"].report.ran == 2
    result = invoke(
        "run", "-m", *NORMAL, f"output={tmp_path}", "replicates=2", "synthesis.rule=mice-3.15,mice-3.16,mice-3.13"
    )
    assert result.exit_code == 3
    assert "synthesis.rule=mice-3.16 can't run: " in result.stderr
    told = invoke("status", tmp_path)
    assert (told.exit_code, "synthesis.rule=mice-3.16 can't run: " in told.stderr) == (3, True)


def test_a_sweep_in_the_configuration_yields_to_the_command_line(tmp_path):
    given = [*NORMAL, "+sweep={synthesis.cp: [0.1, 0.2], synthesis.minbucket: [5, 9]}"]
    assert read_sweep(given).axes == {"synthesis.cp": [0.1, 0.2], "synthesis.minbucket": [5, 9]}
    assert read_sweep([*given, "synthesis.minbucket=7"]).axes == {"synthesis.cp": [0.1, 0.2]}
    changed = read_sweep([*given, "synthesis.cp=0.3,0.4"]).axes
    assert changed == {"synthesis.minbucket": [5, 9], "synthesis.cp": [0.3, 0.4]}
    refused = invoke("run", *given, f"output={tmp_path}")
    assert (refused.exit_code, "run it with -m" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], "There is nothing to sweep"),
        (["synthesis.m=5,5.0"], "different values"),
        (["synthesis.minbuket=5,6"], "has no key 'synthesis.minbuket'"),
        ([f"aims={'x' * 250},y"], "give shorter values"),
        (["synthesis.m=glob(*)"], "can't be read"),
        (["output=a,b"], "output is the same for all points"),
        (["execution.chunk=1,2"], r"execution\.chunk is the same for all points"),
        (["synthesis.m=2,3", "+until.bias=1"], "drop until"),
        (["+sweep={synthesis.cp: 3}"], "is 3; give it a list of different values"),
    ],
)
def test_a_wrong_sweep_is_refused_in_one_sentence(tmp_path, overrides, words):
    with pytest.raises(MiceSimError, match=words):
        run_sweep(read_sweep([*NORMAL, f"output={tmp_path}", "replicates=1", *overrides]))


def test_a_folder_is_of_a_sweep_or_of_a_study(sweep, study):
    folder, alone = sweep[0].base.directory, study.directory
    for verb in (["replay", folder, 1], ["certify", folder], ["compare", folder, alone]):
        refused = invoke(*verb)
        assert (refused.exit_code, f"name one of its points, which are in {folder}/points" in refused.stderr) == (
            1,
            True,
        )
    refused = invoke("run", *NORMAL, f"output={folder}")
    assert (refused.exit_code, "holds a sweep; choose another output" in refused.stderr) == (1, True)
    refused = invoke("run", "-m", *NORMAL, "synthesis.m=2,3", f"output={alone}")
    assert (refused.exit_code, "holds a single study; choose another output" in refused.stderr) == (1, True)


def test_a_sweep_file_that_is_damaged_is_named(tmp_path):
    (tmp_path / "sweep.json").write_text("{")
    refused = invoke("status", tmp_path)
    assert (refused.exit_code, "sweep.json is damaged" in refused.stderr) == (1, True)


def test_groups_can_be_swept_and_names_are_safe_for_folders(tmp_path):
    made = read_sweep([*NORMAL, f"output={tmp_path}", "replicates=1", "resampling=bootstrap,fresh"])
    assert [c.resampling["kind"] for _, c in made.configs()] == ["bootstrap", "fresh"]
    assert point_name({"b": 1e-8, "a": "x/y, z"}) == "a=x%2Fy%2C z,b=1e-08"


def test_what_conf_does_not_name_can_be_swept(tmp_path):
    made = read_sweep([*NORMAL, f"output={tmp_path}", "replicates=1", "+resampling/amputation=mar,mcar",
                       "+synthesis.maxdepth=1,2", "resampling.amputation.patterns=[[x1]]"])  # fmt: skip
    points = dict(made.configs())
    assert list(points)[1] == "resampling%2Famputation=mar,synthesis.maxdepth=2"
    assert [(c.resampling["amputation"]["mechanism"], c.synthesis["maxdepth"]) for c in points.values()] == [
        ("MAR", 1), ("MAR", 2), ("MCAR", 1), ("MCAR", 2),
    ]  # fmt: skip


# ---- preregistration


def test_a_registration_holds_what_is_fixed_and_stands(tmp_path):
    overrides = [*NORMAL, f"output={tmp_path}", "study=mine", "replicates=40"]
    assert "needs the study's aims" in invoke("preregister", *overrides).stderr
    assert invoke("preregister", *overrides, "aims='Is it valid?'").exit_code == 0
    document = (tmp_path / "preregistration.md").read_text()
    record = yaml.safe_load((tmp_path / "preregistration.yaml").read_text())
    for words in ("Is it valid?", "## Data-generating mechanisms", "## Estimands", "## Methods",
                  "## Performance measures", record["study_hash"], "y ~ x1 + x2",
                  "| linear | auto: synthetic pooled by reiter2003 |",
                  MEASURES["coverage"].mcse_formula, "0.0345"):  # fmt: skip
        assert words in document
    assert "a registration stands" in invoke("preregister", *overrides, "aims='Another?'").stderr
    from mice_sim.report.preregistration import registered_against_executed

    config = ran(tmp_path, "study=mine", "replicates=10", "aims='Is it valid?'")
    rows = {what: (old, new) for what, old, new in registered_against_executed(tmp_path, config.to_mapping())}
    assert rows["Replicates"] == ("40", "10")
    assert rows["Study hash"][0] == rows["Study hash"][1] == Store(tmp_path).study
    assert rows["Document"][0] == rows["Document"][1]
    (tmp_path / "preregistration.md").write_text(document + "afterthought")
    rows = {what: (old, new) for what, old, new in registered_against_executed(tmp_path, config.to_mapping())}
    assert rows["Document"][0] != rows["Document"][1]
    assert {"until", "sweep", "measures"} <= set(rows)
    assert (record["replicates_there"], "configuration.seed" in rows) == (0, False)


def test_a_registration_says_what_was_there_and_what_differs(tmp_path):
    from mice_sim.report.preregistration import registered_against_executed

    ran(tmp_path, "replicates=5")
    assert invoke("preregister", *NORMAL, f"output={tmp_path}", "seed=9", "replicates=3", "aims=late").exit_code == 0
    record = yaml.safe_load((tmp_path / "preregistration.yaml").read_text())
    assert record["replicates_there"] == 5
    executed = normal(tmp_path, "replicates=3").to_mapping()
    rows = {what: (old, new) for what, old, new in registered_against_executed(tmp_path, executed)}
    assert (rows["configuration.seed"], rows["Replicates"]) == (("9", "123"), ("3", "3"))


# ---- status and the verbs


def test_ranges_are_short():
    assert ranges([5, 3, 4, 9, 0, 1]) == "0-1, 3-5, 9"
    assert ranges([]) == ""


@pytest.mark.parametrize("verb", ["status", "collect", "report", "retry", "certify"])
def test_a_folder_without_a_study_is_refused_and_left_alone(tmp_path, verb):
    for folder in (tmp_path, tmp_path / "nothing"):
        refused = invoke(verb, folder)
        assert (refused.exit_code, "holds no study; run one first" in refused.stderr) == (1, True)
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    refused = invoke("run", *NORMAL, f"output={tmp_path / 'file'}")
    assert (refused.exit_code, "Not a directory; check the path and its rights" in refused.stderr) == (1, True)


def test_status_and_collect_say_what_is_missing(tmp_path):
    config = ran(tmp_path, "replicates=6")
    assert invoke("status", tmp_path).exit_code == 0
    stored = yaml.safe_load((tmp_path / "config.yaml").read_text())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**stored, "replicates": 9}))
    missing = invoke("status", tmp_path)
    assert missing.exit_code == 4
    assert "6-8" in missing.stdout
    (tmp_path / "events.parquet").unlink()
    assert invoke("collect", tmp_path).exit_code == 4
    assert (tmp_path / "events.parquet").exists()
    assert config.directory.exists()


def test_status_speaks_of_the_planned_replicates_alone(tmp_path):
    ran(tmp_path, "replicates=6")
    ran(tmp_path, "replicates=4")
    state = status(tmp_path)
    assert (state.planned, state.present, state.missing) == (4, [0, 1, 2, 3], [])


def test_an_interrupted_run_says_how_to_go_on(tmp_path, monkeypatch):
    def interrupt(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("mice_sim.study.run.run_points", interrupt)
    result = invoke("run", *NORMAL, f"output={tmp_path}")
    assert result.exit_code == 130
    command = f"mice-sim run {shlex.join(NORMAL)} output={tmp_path}"
    kept = f"0 of 1000 replicates are stored in {tmp_path}"
    assert result.stderr == f"mice-sim: interrupted; {kept}; to go on: {command}\n"


def test_a_wrong_published_study_is_told_before_anything_runs(tmp_path):
    result = invoke("run", *NORMAL, f"output={tmp_path / 'new'}", "report.published=nothing")
    assert (result.exit_code, "There is no published study 'nothing'" in result.stderr) == (1, True)
    assert not (tmp_path / "new").exists()


def test_every_verb_teaches_by_its_help():
    names = sorted(main.commands)
    assert names == ["assess", "benchmark", "certify", "collect", "compare", "completion",
                     "impute", "plan", "preregister", "replay",
                     "report", "retry", "run", "schema", "status", "synthesize"]  # fmt: skip
    for name in names:
        text = invoke(name, "--help").stdout
        assert f"mice-sim {name}" in text, name


def test_compare_prints_paired_differences(tmp_path, study):
    other = ran(tmp_path / "b", "replicates=12", "synthesis.minbucket=40")
    csv = tmp_path / "differences.csv"
    result = invoke("compare", study.directory, other.directory, "--csv", csv)
    assert result.exit_code == 0
    assert "12 replicates in common, the same samples in all of them." in result.stdout
    assert {"bias", "coverage", "width"} <= set(pd.read_csv(csv)["measure"])
    assert "…" not in result.stdout  # a narrow terminal cuts no number off
    assert "did you mean 'width'?" in invoke("compare", study.directory, other.directory, "--measure", "widht").stderr


def test_retry_changes_how_a_study_runs_and_nothing_else(study):
    refused = invoke("retry", study.directory, "synthesis.m=9")
    assert (refused.exit_code, "only execution can" in refused.stderr) == (1, True)
    assert invoke("retry", study.directory, "execution.chunk=1,2").exit_code == 1
    assert invoke("retry", study.directory, "execution=loky", "execution.workers=1").exit_code == 0


def test_a_study_may_be_moved(tmp_path, study):
    moved = shutil.copytree(study.directory, tmp_path / "moved")
    assert stored_config(moved).directory == moved


def test_a_new_analysis_is_one_registered_function(tmp_path, monkeypatch):
    from mice_sim.analysis import Statistics

    def ranges_of(columns, values):
        return Statistics(tuple(c.name for c in columns), {"range": np.ptp(values, axis=1)})

    monkeypatch.setitem(analyses.STATISTICS, "ranges", ranges_of)
    config = ran(tmp_path, "replicates=3", "+analysis.ranges={kind: ranges}", "+pooling.ranges=mean")
    assert set(measured(config).query("analysis == 'ranges'")["statistic"]) == {"range"}
