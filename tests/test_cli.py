"""Manners of the command line: output for scripts, help, colours, interruptions, completion, the time that is left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import mice_sim
from mice_sim.cli import main
from mice_sim.cli_output import time_left
from mice_sim.study.config import compose
from mice_sim.study.run import run_study
from mice_sim.study.watch import Watch, tick

STUDY = ["data=mvn", "resampling=fresh", "resampling.n=60", "analysis=regression", "execution=serial"]


def invoke(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def document(*arguments: object, code: int = 0) -> dict:
    """Return what a command prints with --json, checked to be one document and nothing else."""
    result = invoke(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout, parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("studies") / "one"
    assert invoke("run", *STUDY, "replicates=4", f"output={folder}", "--quiet").stdout == ""
    return folder


@pytest.fixture
def people(tmp_path) -> Path:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(80, 3)).round(2), columns=["a", "b", "c"])
    frame.loc[:9, "c"] = np.nan
    frame.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


# ---- help


def test_every_command_has_examples_and_says_what_its_document_holds():
    for name, command in main.commands.items():
        text = invoke(name, "--help").stdout
        assert re.search(rf"Examples?:\n +.*mice-sim {name}", text), name
        if "as_json" in {parameter.name for parameter in command.params}:
            assert "--quiet" in text, name
            assert "one JSON document" in text, name
    assert invoke("--version").stdout == f"mice-sim, version {mice_sim.__version__}\n"


# ---- one document


def test_a_run_and_what_is_asked_of_it_are_documents(study):
    asked = {
        "run": document("run", *STUDY, "replicates=4", f"output={study}"),
        "status": document("status", study),
        "collect": document("collect", study),
        "retry": document("retry", study),
        "replay": document("replay", study, 2),
        "compare": document("compare", study, study),
        "certify": document("certify", study, "--replicates", 1),
        "plan": document("plan", *STUDY, "replicates=4", f"output={study}", "--pilot", 2),
    }
    for name, found in asked.items():
        announced = " ".join(invoke(name, "--help").stdout.split())
        assert {key for key in found if key not in announced} <= {
            "startup_seconds", "wall_seconds", "cpu_seconds", "peak_mib", "compiled", "set_aside",  # "what it cost"
            "agrees", "headline", "mice_sim",
        }, name  # fmt: skip
    assert (asked["run"]["ran"], asked["run"]["present"], asked["run"]["report"]) == (0, 4, f"{study}/report.html")
    assert asked["status"]["studies"][0]["present"] == [0, 1, 2, 3]
    assert asked["status"].items() <= asked["collect"].items()
    assert asked["replay"]["agrees"]
    assert asked["certify"]["agrees"]
    assert {row["difference"] for row in asked["compare"]["differences"]} == {0}
    assert asked["plan"]["seconds"].keys() == {"value", "lower", "upper"}


def test_what_is_missing_or_wrong_has_its_code_and_an_error_leaves_stdout_empty(tmp_path, study):
    (study / "config.yaml").write_text((study / "config.yaml").read_text().replace("replicates: 4", "replicates: 6"))
    found = document("status", study, code=4)
    assert (found["complete"], found["studies"][0]["missing"]) == (False, [4, 5])
    (study / "config.yaml").write_text((study / "config.yaml").read_text().replace("replicates: 6", "replicates: 4"))
    result = invoke("status", tmp_path, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "holds no study" in result.stderr


def test_a_sweep_is_a_document_with_its_points(tmp_path):
    found = document("run", "-m", *STUDY, "replicates=2", "synthesis.m=1,2", f"output={tmp_path}", code=3)
    assert [(point["name"], point.get("ran")) for point in found["points"]] == [
        ("synthesis.m=1", None), ("synthesis.m=2", 2)
    ]  # fmt: skip
    assert "m is 1" in found["points"][0]["error"]
    assert document("status", tmp_path, code=3)["errors"].keys() == {"synthesis.m=1"}


def test_files_of_people_are_documents(people):
    assert document("schema", people)["schema"] == str(people.with_name("people.schema.yaml"))
    found = document("synthesize", people, "--m", 2, "--seed", 1)
    assert found["seed"] == 1
    assert all(Path(file).exists() for file in (*found["files"], found["report"]))
    assert [column["column"] for column in found["columns"]] == ["a", "b", "c"]
    assert document("impute", people, "--m", 2, "--maxit", 1)["columns"][2]["drawn"] == "10"
    sets = found["files"][:2]
    found = document("assess", people, *sets, "--quick")
    assert {"headline", "verdict", "findings", "page"} <= found.keys()
    quiet = invoke("assess", people, *sets, "--quick", "-q")
    assert (quiet.exit_code, quiet.stdout) == (0, "")


# ---- colours


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_colours_are_for_terminals_and_nobody_who_wants_none(study, environment, coloured):
    plain = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "NO_COLOR")}
    told = subprocess.run(
        [sys.executable, "-m", "mice_sim.cli", "replay", study, "1"],
        env={**plain, **environment, "TERM": "xterm-256color"}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert bool(re.search(r"\x1b\[[\d;]*3[0-7]m", told)) == coloured


# ---- interruptions

SLOW = """
import sys, time
from mice_sim.study.replicate import Replicator
quick = Replicator.run
def run(self, number):
    time.sleep(0.1 if number else 0)
    return quick(self, number)
Replicator.run = run
from mice_sim.cli import main
from mice_sim.cli_output import time_left
from mice_sim.study.config import compose
from mice_sim.study.run import run_study
from mice_sim.study.watch import Watch, tick
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_run_that_is_stopped_says_what_is_kept_and_how_to_go_on(tmp_path, number, code, word):
    folder = tmp_path / "a folder"
    arguments = ["run", *STUDY, "replicates=300", "execution.chunk=300", f"output={folder}"]
    process = subprocess.Popen([sys.executable, "-c", SLOW, *arguments], stderr=subprocess.PIPE, text=True)
    while not (folder / "replicates" / "original.parquet").exists():
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    found = re.fullmatch(rf"mice-sim: {word}; (\d+) of 300 replicates are stored in (.*); to go on: (.*)\n", told)
    assert found, told
    assert process.returncode == code
    assert int(found[1]) == len(document("status", folder, code=4)["studies"][0]["present"]) > 0
    assert found[3] == "mice-sim " + " ".join(arguments[:-1]) + f" 'output={folder}'"


@pytest.mark.parametrize(("written", "words"), [(0, "nothing was written"), (1, "1 files were written to")])
def test_a_synthesis_that_is_interrupted_says_what_was_written(people, monkeypatch, written, words):
    def stop(people, verb, options, directory, ending):
        directory.mkdir()
        for number in range(written):
            (directory / f"{number}.csv").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("mice_sim.people.make", stop)
    result = invoke("synthesize", people, "--m", 2)
    assert result.exit_code == 130
    assert words in result.stderr
    assert result.stderr.endswith(f"to go on: mice-sim synthesize {people} --m 2\n")


def test_an_assessment_that_is_interrupted_says_that_there_is_no_page(people, monkeypatch):
    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("mice_sim.release.read_release", stop)
    assert "interrupted; no page was written; to go on:" in invoke("assess", people, people).stderr


# ---- completion


def completed(words: list[str], shell: str = "bash") -> list[str]:
    """Return what a shell is told when the cursor is behind the last of these words."""
    told = {
        "bash": {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)},
        "fish": {"COMP_WORDS": " ".join(words), "COMP_CWORD": words[-1]},
    }[shell]
    result = CliRunner().invoke(main, [], prog_name="mice-sim", env={"_MICE_SIM_COMPLETE": f"{shell}_complete", **told})
    lines = result.stdout.rstrip("\n").splitlines()
    if shell == "zsh":
        return lines[1::3]
    return [line.partition(",")[2].partition("\t")[0] for line in lines]


def test_commands_and_options_are_completed():
    assert completed(["mice-sim", "re"]) == ["replay", "report", "retry"]
    assert {"--config-dir", "--json"} <= set(completed(["mice-sim", "run", "--"]))


@pytest.mark.parametrize("verb", ["run", "plan", "preregister"])
def test_overrides_are_completed_by_keys_and_choices(verb):
    start = ["mice-sim", verb]
    assert {"experiment=", "data=", "replicates=", "synthesis."} <= set(completed([*start, ""]))
    assert "synthesis.minbucket=" in completed([*start, "synthesis."])
    assert completed([*start, "data", "=", "mvn", "data.co"]) == ["data.correlation="]  # the keys of what is chosen
    assert completed([*start, "+res"]) == ["+resampling/amputation="]
    # bash takes a word apart at "="; zsh and fish do not.
    assert "volker_vink_2021" in completed([*start, "experiment", "="])
    assert completed([*start, "resampling", "=", "b"]) == ["bootstrap"]
    assert completed([*start, "seed=1", "+resampling/amputation", "=", "m"]) == ["mar", "mask", "mcar", "mnar"]
    for shell in ("zsh", "fish"):
        assert completed([*start, "resampling=b"], shell) == ["resampling=bootstrap"]


def test_studies_in_a_folder_of_ones_own_are_completed(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "zzz.yaml").touch()
    assert completed(["mice-sim", "run", "--config-dir", str(tmp_path), "experiment", "=", "z"]) == ["zzz"]
    assert completed(["mice-sim", "run", "--config-dir", str(tmp_path / "none"), "experiment", "=", "z"]) == []


@pytest.mark.parametrize(
    ("shell", "no_blank"), [("bash", "compopt -o nospace"), ("zsh", "compadd -S ''"), ("fish", "")]
)
def test_completion_prints_the_script_of_the_shell(shell, no_blank):
    script = invoke("completion", shell).stdout
    assert f"_MICE_SIM_COMPLETE={shell}_complete" in script
    assert no_blank in script


# ---- the time that is left


def watch(tmp_path: Path, now: list[float]) -> Watch:
    file = tmp_path / "ticks"
    file.touch()
    return Watch(str(file), clock=lambda: now[0])


def test_the_time_that_is_left_leaves_out_what_a_worker_needs_to_start(tmp_path):
    now = [0.0]
    seen = watch(tmp_path, now)
    seen(0, 100)
    assert seen.look() == (0, 100, None)
    for worker, late in ((1, 10.0), (2, 12.0)):  # two workers, of one replicate a second once they are there
        for number in range(5):
            tick(seen.ticks, worker, late + number)
    now[0] = 16.0
    assert seen.look() == (10, 100, 45.0)
    now[0] = 17.5  # replicates are under way, and time goes by
    assert seen.look() == (10, 100, 43.5)
    seen(25, 100)  # a task that has ended is known to have been done
    assert seen.look()[0] == 25


def test_a_worker_of_one_replicate_is_reckoned_as_fast_as_the_others(tmp_path):
    now = [4.0]
    seen = watch(tmp_path, now)
    seen(10, 40)  # ten were there
    for when in (0.0, 2.0, 4.0):
        tick(seen.ticks, 1, when)
    tick(seen.ticks, 2, 4.0)
    assert seen.look() == (14, 40, 26.0)


def test_tasks_that_end_elsewhere_are_reckoned_by_when_they_end():
    now = [0.0]
    seen = Watch(clock=lambda: now[0])
    for when, done in ((0.0, 0), (30.0, 20), (40.0, 40), (50.0, 60)):
        now[0] = when
        seen(done, 100)
    assert seen.look() == (60, 100, 20.0)


@pytest.mark.parametrize("engine", ["execution=serial", "execution.workers=2"])
def test_workers_of_this_machine_tick_with_every_replicate(tmp_path, engine):
    seen = watch(tmp_path, [0.0])
    run_study(compose([*STUDY[:-1], engine, "execution.chunk=2", "replicates=6", f"output={tmp_path / 'study'}"]), seen)
    assert seen.look()[:2] == (6, 6)
    assert len((tmp_path / "ticks").read_bytes()) == 6 * 16


def test_a_tick_for_nobody_is_passed_over(tmp_path):
    tick(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (9.6, "10 s left"), (125.0, "2 min 5 s left"), (7_500.0, "2 h 5 min left")]
)
def test_time_is_told_as_exactly_as_it_deserves(seconds, words):
    assert time_left(seconds) == words
