"""Wrong configurations: one sentence says where it was written, what is wrong, and what to do. No study is run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from mice_sim.cli import main
from mice_sim.errors import MiceSimError
from mice_sim.resources import dump_yaml, resource
from mice_sim.study.config import compose
from mice_sim.study.folders import Folders
from mice_sim.study.replicate import replicator

HEADER = "# @package _global_\n"
ON = "On the command line"
# A small study, whose parts the cases change.
SMALL = ("data=mvn", "resampling=fresh", "analysis=regression", "execution=serial")


def build(*overrides: str, config_dir: Path | None = None) -> None:
    """Build all that a study's replicates share, as `prepare` does, which goes on to claim a folder."""
    config = compose(overrides, config_dir)
    with config.written.pointing():
        replicator(config.key()).original()


def refuse(*overrides: str, config_dir: Path | None = None) -> str:
    """Return the message with which a study is refused before its first replicate, checked to be one sentence."""
    with pytest.raises(MiceSimError) as caught:
        build(*overrides, config_dir=config_dir)
    message = str(caught.value)
    assert "\n" not in message
    assert re.fullmatch(r".{20,400}[.?]", message), message
    assert not re.search(r"\w\.\s+[A-Z]", message), f"more than one sentence: {message}"
    assert not re.search(r"full_key|DictConfig|object at 0x|Traceback", message)
    return message


# ---- written as an override

OVERRIDES = {
    "misspelt key": (["synthesis.minbukcet=3"], [ON, "'synthesis.minbukcet'", "did you mean 'synthesis.minbucket'?"]),
    "misspelt key of the study": (["replicate=3"], [ON, "'replicate'", "did you mean 'replicates'?"]),
    "misspelt part": (["sinthesis.m=3"], [ON, "'sinthesis.m'", "did you mean 'synthesis.m'?"]),
    "misspelt option": (["+synthesis.minbukcet=3"], [ON, "'minbukcet'", "did you mean 'minbucket'?"]),
    "misspelt key of execution": (["+execution.worker=2"], [ON, "'worker'", "did you mean 'workers'?"]),
    "misspelt key of measures": (["+measures.shw=[bias]"], [ON, "'shw'", "did you mean 'show'?"]),
    "misspelt key of report": (["+report.publised=x"], [ON, "'publised'", "did you mean 'published'?"]),
    "misspelt key of data": (["+data.row=10"], [ON, "'row'", "did you mean 'rows'?"]),
    "misspelt key of resampling": (["+resampling.size=10"], [ON, "'size'", "known are kind, n"]),
    "misspelt key of an analysis": (["+analysis.linear.formla=x"], [ON, "'formla'", "did you mean 'formula'?"]),
    "misspelt key of an amputation": (
        ["+resampling/amputation=mar", "+resampling.amputation.proporion=0.5"],
        [ON, "'proporion'", "did you mean 'proportion'?"],
    ),
    "unknown experiment": (["experiment=volker_vink"], [ON, "'volker_vink'", "did you mean 'volker_vink_2021'?"]),
    "unknown choice of a group": (["data=boys"], [ON, "data 'boys'", "known are boys_complete"]),
    "unknown choice, one level down": (["+resampling/amputation=mrr"], [ON, "'mrr'", "did you mean 'mar'?"]),
    "group without a choice": (["data="], [ON, "data= chooses no file", "boys_complete, file"]),
    "group that is added twice": (["+analysis=growth"], [ON, "analysis is chosen already", "without the +"]),
    "group that must be added": (["resampling/amputation=mar"], [ON, "amputation", "write +resampling/amputation="]),
    "key that is there is added": (["+seed=3"], [ON, "'seed'", "without the +"]),
    "key that is not there is deleted": (["~synthesis.mm"], [ON, "'synthesis.mm'", "did you mean 'synthesis.m'?"]),
    "part that is deleted": (["~pooling"], ["'pooling'", "give it a value"]),
    "several values": (["synthesis.m=2,3"], ["'synthesis.m=2,3'", "run a sweep with -m"]),
    "no override": (["synthesis.m"], ["'synthesis.m'", "write key=value"]),
    "bracket left open": (["synthesis.m=[3"], ["'synthesis.m=[3'", "write key=value"]),
    "key without a name": (["=3"], ["'=3'", "write key=value"]),
    "reference to no key": (["study=${sed}"], [ON, "${sed}", "did you mean 'seed'?"]),
    "part that is no mapping": (["data=mvn", "data@pooling=mvn"], [ON, "data@pooling", "add it"]),
    "whole number as text": (["replicates=many"], [ON, "replicates is 'many'", "whole number of at least 1"]),
    "negative count": (["replicates=-5"], [ON, "replicates is -5", "whole number of at least 1"]),
    "count that is no whole number": (["synthesis.m=2.5"], [ON, "synthesis.m=2.5", "m is 2.5", "whole number"]),
    "count that is a truth value": (["synthesis.maxit=true"], [ON, "synthesis.maxit", "maxit is True", "whole number"]),
    "count that is too large": (["replicates=100000000"], [ON, "replicates is 100000000", "at most 10000000"]),
    "negative seed": (["seed=-1"], [ON, "seed is -1", "at least 0"]),
    "output that is no name": (["output=3"], [ON, "output is 3", "name of a folder"]),
    "list that is text": (["measures.show=bias"], [ON, "measures.show is 'bias'", "[bias, coverage]"]),
    "unknown measure": (["measures.show=[bias,covrage]"], [ON, "'covrage'", "did you mean 'coverage'?"]),
    "unknown measure until": (["+until.covrage=0.1"], [ON, "'covrage'", "did you mean 'coverage'?"]),
    "target that is not positive": (["+until.coverage=0"], [ON, "coverage is 0", "above 0"]),
    "batch that is no count": (["+until={batch: 0, bias: 1}"], [ON, "until.batch is 0", "at least 1"]),
    "reference that is no source": (["measures.reference=synthetc"], [ON, "'synthetc'", "did you mean 'synthetic'?"]),
    "unknown engine": (["execution.engine=loki"], [ON, "'loki'", "did you mean 'loky'?"]),
    "no workers": (["execution.workers=0"], [ON, "execution.workers is 0", "-1 for all cores"]),
    "dask without its address": (["execution=dask"], ["execution.address is None", "tcp://"]),
    "progress that is no truth value": (["execution.progress=maybe"], [ON, "'maybe'", "true or false"]),
    "level out of range": (["pooling.level=95"], [ON, "pooling.level is 95", "between 0 and 1"]),
    "unknown rule": (["pooling.linear=rubin"], [ON, "'rubin'", "did you mean 'rubin1987'?"]),
    "rule of statistics for a model": (["pooling.linear=mean"], [ON, "'mean'", "known are"]),
    "rule of models for statistics": (["pooling.correlations=rubin1987"], [ON, "'rubin1987'", "fisher_z"]),
    "rule for no analysis": (["+pooling.liner=rubin1987"], [ON, "'liner'", "did you mean 'linear'?"]),
    "rule that needs more sets": (["synthesis.m=1"], [ON, "m is 1", "synthesis.m=2"]),
    "unknown mode": (["synthesis.mode=sequental"], [ON, "'sequental'", "did you mean 'sequential'?"]),
    "unknown method": (["synthesis.method=carts"], [ON, "'carts'", "did you mean 'cart'?"]),
    "unknown rule of derived columns": (["synthesis.rule=mice-3.12"], [ON, "'mice-3.12'", "did you mean"]),
    "value out of range": (["synthesis.cp=inf"], [ON, "cp is inf", "finite number"]),
    "option of another method": (["synthesis.method=norm"], [ON, "'cp'", "known are proper"]),
    "option of another mode": (["+synthesis.k=5"], [ON, "k is for", "mode='sequential'"]),
    "unknown column of a method": (["synthesis.method={x4: cart}"], [ON, "'x4'", "known are x1, x2, y"]),
    "unknown predictor": (["+synthesis.predictors.y={x4: 0}"], [ON, "'x4'", "known are x1, x2, y"]),
    "unknown variable of a derived column": (["+synthesis.derived.y='x1 + x4'"], [ON, "'x4'", "known are x1, x2, y"]),
    "call in a derived column": (["+synthesis.derived.y='log(x1)'"], [ON, "'log'", "arithmetic"]),
    "variant that is no mapping": (["+synthesis.variants={trees: cart}"], [ON, "variants.trees is 'cart'", "keys"]),
    "variant with a reserved name": (["+synthesis.variants={sample: {}}"], [ON, "'sample'", "rename the variant"]),
    "imputation of nothing missing": (["synthesis=impute"], ["no values are missing", "+resampling/amputation="]),
    "no analysis": (["~analysis.linear", "~analysis.correlations"], ["no analysis", "analysis=growth"]),
    "unknown kind of analysis": (["analysis.linear.kind=liner"], [ON, "'liner'", "did you mean 'linear'?"]),
    "no formula": (["~analysis.linear.formula"], [ON, "'linear' needs a formula", "y ~ x"]),
    "unknown variable in a formula": (["analysis.linear.formula='y ~ x3'"], [ON, "'x3'", "known are x1, x2, y"]),
    "formula without a response": (["analysis.linear.formula='~ x1'"], [ON, "response", "y ~ x"]),
    "model that does not suit its response": (["analysis.linear.kind=logistic"], ["'y'", "factor of two levels"]),
    "unknown variant of an analysis": (["+analysis.linear.variants=[tree]"], [ON, "'tree'", "known are synthetic"]),
    "unknown truth": (["+analysis.linear.truth=known"], [ON, "truth is 'known'", "'reference', 'sample'"]),
    "unknown term of a truth": (["+analysis.linear.truth={x3: 1}"], [ON, "'x3'", "known are (Intercept), x1, x2"]),
    "truth that is no number": (["+analysis.linear.truth={x1: one}"], [ON, "truth.x1 is 'one'", "give a number"]),
    "unknown kind of data": (["data.kind=mvm"], [ON, "'mvm'", "did you mean 'mvn'?"]),
    "unknown data set": (["data=boys_complete", "data.name=boy", "resampling=bootstrap"], [ON, "'boy'", "'boys'"]),
    "data set with missing values": (
        ["data=boys_complete", "data.name=boys", "resampling=bootstrap"],
        [ON, "'boys'", "complete or drop"],
    ),
    "data without their file": (["data=file"], ["'path'", "give it a value"]),
    "data file that is not there": (["data=file", "data.path=no.csv"], [ON, "'no.csv'", "check the path"]),
    "data file of another kind": (["data=file", "data.path=my.txt"], [ON, "my.txt", ".csv"]),
    "impossible correlation": (["data.correlation=1.5"], [ON, "data.correlation", "closer to 0"]),
    "means for other columns": (["data.mean=[0,1]"], [ON, "data.mean", "one for each"]),
    "unknown kind of resampling": (["resampling.kind=jackknife"], [ON, "'jackknife'", "known are bootstrap"]),
    "sample of no rows": (["resampling.n=0"], [ON, "resampling.n is 0", "at least 2"]),
    "fresh rows of mere data": (["data=boys_complete"], ["fresh rows", "resampling=bootstrap"]),
    "subsample of everything": (["resampling=subsample", "resampling.n=1000"], ["subsample of 1000", "smaller"]),
    "R's bootstrap of generated data": (["resampling=r_bootstrap"], ["r_bootstrap", "resampling=fresh"]),
    "share out of range": (
        ["+resampling/amputation=mar", "resampling.amputation.proportion=2"],
        [ON, "amputation.proportion=2", "from 0 to below 1"],
    ),
    "unknown column of an amputation": (
        ["+resampling/amputation=mar", "+resampling.amputation.patterns=[[x4]]"],
        [ON, "'x4'", "known are x1, x2, y"],
    ),
    "part given a key that it has not got": (["until={bias: 1}"], [ON, "until", "write +until=… to add it"]),
    "axes that are no mapping": (["sweep=synthesis.m"], [ON, "sweep is 'synthesis.m'", "keys and values"]),
}  # fmt: skip


@pytest.mark.parametrize(("overrides", "words"), OVERRIDES.values(), ids=OVERRIDES)
def test_a_wrong_override_is_answered_by_where_what_and_remedy(overrides, words):
    message = refuse(*SMALL, *overrides)
    for word in words:
        assert word in message, message


# ---- written in a file; a case's number is the line at which the message must point

FILES = {
    "tab": ("synthesis:\n\tm: 3\n", 3, ["tab", "use spaces"]),
    "duplicate key": ("study: a\nseed: 1\nstudy: b\n", 4, ["'study'", "line 2", "keep one"]),
    "duplicate key inside": ("synthesis:\n  m: 1\n  m: 2\n", 4, ["'m'", "line 3", "keep one"]),
    "colon in a value": ("aims: why: because\n", 2, ["YAML", "quotes"]),
    "bracket left open": ("study: [a\n", 2, ["YAML", "brackets"]),
    "list": ("- study\n", 2, ["write key: value"]),
    "mere text": ("study\n", 2, ["write key: value"]),
    "empty part": ("synthesis:\nm: 3\n", 2, ["synthesis is empty", "indent"]),
    "misspelt key": ("replicats: 5\n", 2, ["'replicats'", "did you mean 'replicates'?"]),
    "misspelt option": ("synthesis:\n  minbukcet: 5\n", 3, ["'minbukcet'", "did you mean 'minbucket'?"]),
    "misspelt key of measures": ("measures:\n  shw: [bias]\n", 3, ["'shw'", "did you mean 'show'?"]),
    "wrong type": ("study: a\nreplicates: many\n", 3, ["replicates is 'many'", "whole number"]),
    "part that is a number": ("data: 5\n", 2, ["data is 5", "keys and values"]),
    "out of range": ("pooling:\n  level: 95\n", 3, ["pooling.level is 95", "between 0 and 1"]),
    "unknown method": ("synthesis:\n  m: 2\n  method: carts\n", 4, ["'carts'", "did you mean 'cart'?"]),
    "unknown method of a variant": (
        "synthesis:\n  variants:\n    a: {}\n    b: {method: carts}\n", 5, ["'carts'", "did you mean 'cart'?"]
    ),
    "unknown rule": ("pooling: {linear: rubin}\n", 2, ["'rubin'", "did you mean 'rubin1987'?"]),
    "too few sets": ("seed: 3\nsynthesis: {m: 1}\n", 3, ["synthesis.m", "m is 1", "two sets"]),
    "unknown variable": ("analysis:\n  linear:\n    formula: hgt ~ agee\n", 4, ["'agee'", "did you mean 'age'?"]),
    "unknown truth term": ("analysis:\n  linear:\n    truth: {agee: 1}\n", 4, ["'agee'", "did you mean 'age'?"]),
    "missing file": ("defaults:\n  - override /data: file\ndata: {path: no.csv}\n", 4, ["'no.csv'", "check the path"]),
    "reference to no key": ("study: ${sed}\n", 2, ["${sed}", "did you mean 'seed'?"]),
    "reference left open": ("study: ${seed\n", 2, ["${seed", "write ${key}"]),
    "unknown choice": ("defaults:\n  - override /data: mvm\n", 3, ["data 'mvm'", "did you mean 'mvn'?"]),
    "unknown group": ("defaults:\n  - override /dta: mvn\n", 3, ["'/dta'", "did you mean '/data'?"]),
    "group without its slash": ("defaults:\n  - override data: mvn\n", 3, ["'data'", "did you mean '/data'?"]),
    "choice without override": ("defaults:\n  - /data: mvn\n", 3, ["chooses a data already", "'override /data: mvn'"]),
    "unknown experiment to build on": ("defaults:\n  - volker_vink\n", 3, ["'volker_vink'", "'volker_vink_2021'"]),
    "defaults that are no list": ("defaults:\n  override /data: mvn\n", 3, ["no list", "dash"]),
}  # fmt: skip


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Write the study `mine` into a folder of the user's own, who stands beside it."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "own" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)

    def write(text: str | bytes) -> Path:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "own"

    return write


@pytest.mark.parametrize(("text", "line", "words"), FILES.values(), ids=FILES)
def test_a_wrong_file_is_answered_by_its_line_what_and_remedy(study, text, line, words):
    message = refuse("experiment=mine", config_dir=study(HEADER + text))
    assert message.startswith(f"In own/experiment/mine.yaml, line {line}"), message
    for word in words:
        assert word in message, message


def test_a_study_without_its_first_line_sets_nothing_and_is_refused(study):
    message = refuse("experiment=mine", config_dir=study("replicates: 5\n"))
    assert message.startswith("In own/experiment/mine.yaml, line 1: a study begins with the line '# @package _global_'")


def test_a_file_that_is_not_utf_8_is_named(study):
    message = refuse("experiment=mine", config_dir=study(HEADER.encode() + b"aims: caf\xe9\n"))
    assert message == "In own/experiment/mine.yaml: the text is not UTF-8; save the file as UTF-8."


def test_what_counts_last_is_what_is_pointed_at(study):
    own = study(HEADER + "replicates: 0\n")
    assert refuse("experiment=mine", config_dir=own).startswith("In own/experiment/mine.yaml, line 2: replicates is 0;")
    assert refuse("experiment=mine", "replicates=-1", config_dir=own).startswith(f"{ON}: replicates is -1;")
    assert compose(["experiment=mine", "replicates=5"], own).replicates == 5


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "none", ["no folder", "none", "--config-dir"]),
        (lambda folder: folder, ["none of the groups", "experiment/NAME.yaml"]),
    ],
)
def test_a_folder_of_ones_own_must_hold_groups(tmp_path, make, words):
    message = refuse("replicates=1", config_dir=make(tmp_path))
    for word in words:
        assert word in message


def test_a_file_of_ones_own_may_not_hide_one_of_conf(study):
    own = study(HEADER)
    (own / "experiment" / "mine.yaml").rename(own / "experiment" / "selection.yaml")
    message = refuse("experiment=selection", config_dir=own)
    assert message.startswith("In own/experiment/selection.yaml: conf/ has this file of experiment too; rename"), (
        message
    )


def test_no_file_of_conf_is_refused():
    folders = Folders()
    for group in folders.groups():
        for choice in folders.choices(group):
            folders.check_choice(group, choice, ON)


def test_a_wrong_file_of_conf_is_told_as_one_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(resource("conf"), tmp_path / "conf")
    monkeypatch.setattr("mice_sim.study.folders.resource", lambda name: tmp_path / name)
    (tmp_path / "conf" / "data" / "mvn.yaml").write_text("kind: mvn\nkind: mvn\n")
    assert refuse("data=mvn").startswith("In conf/data/mvn.yaml, line 2: the key 'kind' is there already, in line 1;")
    (tmp_path / "conf" / "config.yaml").write_text("study: [\n")
    assert refuse("data=file").startswith("In conf/config.yaml, line 1: the file can't be read as YAML")


def test_the_command_says_it_on_one_line_and_leaves_with_1(study):
    own = study(HEADER + "replicates: 0\n")
    for verb in ("run", "plan", "preregister"):
        result = CliRunner().invoke(main, [verb, "--config-dir", str(own), "experiment=mine"])
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.splitlines() == [
            "mice-sim: In own/experiment/mine.yaml, line 2: replicates is 0; give a whole number of at least 1."
        ]


def test_a_stored_study_that_was_edited_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("done").mkdir()
    Path("done/config.yaml").write_text(dump_yaml({**compose(["execution=serial"]).to_mapping(), "replicates": 0}))
    result = CliRunner().invoke(main, ["status", "done"])
    assert result.exit_code == 1
    assert re.match(r"mice-sim: In done/config.yaml, line \d+: replicates is 0;", result.stderr)


# ---- the schema of a file


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("columns:\n\ta: {kind: continuous}\n", ", line 2", ["tab", "use spaces"]),
        ("columns:\n  a: {kind: continuous}\n  a: {kind: binary}\n", ", line 3", ["'a'", "line 2", "keep one"]),
        ("columns: {a: [\n", ", line 1", ["YAML", "brackets"]),
        (b"label: caf\xe9\n", "", ["not UTF-8"]),
    ],
)
def test_a_wrong_schema_is_answered_by_its_line(tmp_path, monkeypatch, text, where, words):
    monkeypatch.chdir(tmp_path)
    Path("my.csv").write_text("a\n1\n2\n")
    Path("my.schema.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    for verb in ("impute", "synthesize"):
        result = CliRunner().invoke(main, [verb, "my.csv"])
        assert (result.exit_code, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"mice-sim: In my.schema.yaml{where}: ")
        for word in words:
            assert word in line
