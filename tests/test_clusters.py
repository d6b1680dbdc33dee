"""The cluster engines. Those marked cluster run on the real Slurm and the real dask of tests/cluster/bed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from stand_in import handlers, results, task, work

from mice_sim.cli import main
from mice_sim.errors import MiceSimError
from mice_sim.study.config import SLURM, Execution, compose
from mice_sim.study.engines import ENGINES, dask, slurm
from mice_sim.study.store import Store
from mice_sim.study.tasks import Task

BED = Path(os.environ.get("MICE_SIM_CLUSTER", "/tmp/mice_sim_cluster"))
CHECKOUT = Path(__file__).parents[1]

cluster = pytest.mark.cluster


@pytest.fixture
def bed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Point Slurm's commands at the bed, and cancel what a test leaves behind."""
    assert (BED / "dask_address").exists(), "start the clusters first: tests/cluster/bed start"
    monkeypatch.setenv("SLURM_CONF", str(BED / "slurm.conf"))
    monkeypatch.setenv("PYTHONPATH", f"{CHECKOUT}:{CHECKOUT / 'tests' / 'cluster'}")
    yield BED
    for manifest in tmp_path.rglob("manifest.json"):
        subprocess.run(["scancel", *{entry["job"] for entry in json.loads(manifest.read_text())}], check=True)


def on_slurm(**settings: object) -> Execution:
    return Execution(engine="slurm", slurm={**SLURM, "memory_mib": 500, **settings})


def on_dask() -> Execution:
    return Execution(engine="dask", address=(BED / "dask_address").read_text())


def tasks_of(directory: Path, n: int, size: int = 1, **how: object) -> list[Task]:
    """Return n tasks of `size` replicates each."""
    return [task(directory, *range(i * size, (i + 1) * size), **how) for i in range(n)]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.2)


def in_flight(directory: Path) -> set[int]:
    return slurm.in_flight([str(directory)])[str(directory)]


def elements(directory: Path) -> list[tuple[str, int | None]]:
    manifest = json.loads((directory / "slurm" / "manifest.json").read_text())
    return [(entry["job"], entry["index"]) for entry in manifest]


# ---- all engines


@cluster
def test_every_engine_gives_the_same_results(bed, tmp_path):
    executions = [Execution("serial"), Execution("loky", workers=2), on_dask(), on_slurm(wait=True)]
    stored = []
    for execution in executions:
        folder = tmp_path / execution.engine
        done = list(ENGINES[execution.engine](work, tasks_of(folder, 4, 3), execution))
        assert [(d.directory, d.replicates) for d in done] == [(str(folder), 3)] * 4
        stored.append(results(folder))
    assert sorted(stored[0]) == list(range(12))
    assert all(text.count("\n") == 1 for text in stored[0].values())
    assert stored[1:] == stored[:1] * 3


# ---- whole studies

LIGHT = ["~analysis.counts", "~analysis.correlations", "~analysis.ordinal", "~analysis.discrimination",
         "synthesis.m=2", "synthesis.minbucket=20", "replicates=60", "execution.progress=false"]  # fmt: skip


def mice_sim(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def tables(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (directory / "tables").iterdir()}


def has_all(directory: Path) -> bool:
    return not in_flight(directory)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, bytes]:
    """The tables of the study on one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert mice_sim("run", *LIGHT, "execution=serial", f"output={folder}").exit_code == 0
    return tables(folder)


@cluster
def test_a_study_has_the_same_tables_on_every_engine(bed, tmp_path, undisturbed):
    for engine, *overrides in (
        ["loky", "execution.workers=2", "execution.chunk=7"],
        ["dask", f"execution.address={on_dask().address}", "execution.chunk=11"],
        ["slurm", "execution.slurm.wait=true", "execution.chunk=13"],
    ):
        folder = tmp_path / engine
        done = mice_sim("run", *LIGHT, f"execution={engine}", *overrides, f"output={folder}")
        assert done.exit_code == 0, done.stderr
        assert tables(folder) == undisturbed


@cluster
def test_a_study_is_submitted_watched_and_collected(bed, tmp_path, undisturbed):
    command = ["run", *LIGHT, "execution=slurm", "execution.chunk=4", f"output={tmp_path}"]
    submitted = mice_sim(*command)
    assert (submitted.exit_code, "60 replicates submitted" in submitted.stdout) == (4, True)
    assert len({job for job, _ in elements(tmp_path)}) == 3  # 15 tasks, MaxArraySize 6
    watched = mice_sim("status", tmp_path)
    assert (watched.exit_code, "On the cluster" in watched.stdout) == (4, True)
    again = mice_sim(*command)
    assert len(elements(tmp_path)) == 15, again.stdout
    until(lambda: has_all(tmp_path))
    assert mice_sim("collect", tmp_path).exit_code == 0
    assert tables(tmp_path) == undisturbed


@cluster
def test_jobs_that_are_killed_lose_nothing_and_nothing_counts_twice(bed, tmp_path, undisturbed):
    rng = random.Random(3)
    command = ["run", *LIGHT, "execution=slurm", "execution.chunk=30", f"output={tmp_path}"]
    killed = 0
    while killed < 12:
        # The first part of a killed study is thrown away, so that there is always something left to kill.
        for part in list((tmp_path / "replicates").glob("part-*"))[1:]:
            part.unlink()
        mice_sim(*command)
        running = sorted(job for job in alive() if "_" in job or job.isdigit())
        time.sleep(rng.uniform(0.5, 2.5))
        for job in running:
            how = rng.choice(["--signal=KILL", "--signal=TERM", ""])
            done = subprocess.run(["scancel", *filter(None, [how]), job], capture_output=True)
            killed += done.returncode == 0
        until(lambda: has_all(tmp_path))
    assert mice_sim(*command).exit_code in (0, 4)
    until(lambda: has_all(tmp_path))
    assert mice_sim("collect", tmp_path).exit_code == 0
    numbers = [int(r) for found, *_ in Store(tmp_path).blocks(60) for r in found]
    assert numbers == list(range(60))
    assert tables(tmp_path) == undisturbed


def alive() -> list[str]:
    asked = ["squeue", "--me", "--array", "--noheader", "--format=%i"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()


# ---- Slurm


@cluster
def test_a_plan_larger_than_an_array_is_cut_and_all_of_it_runs(bed, tmp_path):
    tasks = tasks_of(tmp_path / "a", 8) + tasks_of(tmp_path / "b", 6)
    submission = slurm.submit(work, tasks, on_slurm(), tmp_path)
    assert (len(submission.jobs), submission.tasks) == (3, 14)
    first, second, third = submission.jobs
    assert elements(tmp_path / "a") == [(first, i) for i in range(6)] + [(second, 0), (second, 1)]
    assert elements(tmp_path / "b") == [(second, i) for i in range(2, 6)] + [(third, 0), (third, 1)]
    until(lambda: not in_flight(tmp_path / "a") | in_flight(tmp_path / "b"))
    for folder, n in (("a", 8), ("b", 6)):
        stored = results(tmp_path / folder)
        assert sorted(stored) == list(range(n))
        assert {text.count("\n") for text in stored.values()} == {1}


@cluster
def test_one_submits_and_walks_away(bed, tmp_path):
    gate = tmp_path / "gate"
    tasks = tasks_of(tmp_path, 3, 2, gate=str(gate))
    assert list(ENGINES["slurm"](work, tasks, on_slurm(array=2))) == []
    (first, zero), (same, one), (plain, none) = elements(tmp_path)
    assert (first, zero, one, none) == (same, 0, 1, None)
    assert plain != first
    assert in_flight(tmp_path) == {0, 1, 2, 3, 4, 5}
    assert results(tmp_path) == {}
    gate.touch()
    until(lambda: not in_flight(tmp_path))
    assert sorted(results(tmp_path)) == [0, 1, 2, 3, 4, 5]


@cluster
@pytest.mark.parametrize("how", ["KILL", "TERM", "USR1", "USR2", None])
def test_a_task_that_died_is_submitted_anew_and_nothing_runs_twice(bed, tmp_path, how):
    """None: cancelled while it waits for a processor."""
    gate = tmp_path / "gate"
    tasks = tasks_of(tmp_path, 4, 2, gate=str(gate))
    job = slurm.submit(work, tasks, on_slurm(), tmp_path).jobs[0]
    until(lambda: (tmp_path / "replicates" / "2.began").exists())
    command = ["scancel", f"--signal={how}", f"{job}_1"] if how else ["scancel", f"{job}_3"]
    subprocess.run(command, check=False)  # it asks twice if the job is still starting, and then finds it dead
    lost = {2, 3} if how else {6, 7}
    until(lambda: in_flight(tmp_path) == set(range(8)) - lost)
    slurm.submit(work, [task(tmp_path, *sorted(lost))], on_slurm(), tmp_path)
    assert in_flight(tmp_path) == set(range(8))
    gate.touch()
    until(lambda: not in_flight(tmp_path))
    stored = results(tmp_path)
    assert sorted(stored) == list(range(8))
    assert {text.count("\n") for text in stored.values()} == {1}


@cluster
def test_who_waits_is_told_which_task_died_when_all_others_ended(bed, tmp_path):
    tasks = tasks_of(tmp_path, 4, 2, kill=[0], fail=[4])
    ended = ENGINES["slurm"](work, tasks, on_slurm(wait=True))
    assert [next(ended).replicates, next(ended).replicates] == [2, 2]
    with pytest.raises(MiceSimError, match="2 of 4 Slurm tasks died") as told:
        next(ended)
    assert sorted(results(tmp_path)) == [2, 3, 6, 7]
    job = elements(tmp_path)[0][0]
    logs = [tmp_path / "slurm" / f"{job}_{i}_0_log.out" for i in (0, 2)]
    assert f"job {job}_0 (killed; log {logs[0]})" in str(told.value)
    assert f"job {job}_2 (ArithmeticError: replicate 4 cannot be had; log {logs[1]})" in str(told.value)
    assert "replicate 4 cannot be had" in logs[1].read_text()


@cluster
def test_what_slurm_refuses_is_told(bed, tmp_path):
    with pytest.raises(MiceSimError, match=r"Slurm refused a job array after 0 of 1 tasks.*partition"):
        slurm.submit(work, tasks_of(tmp_path, 1), on_slurm(partition="nowhere"), tmp_path)
    assert in_flight(tmp_path) == set()


@cluster
def test_setup_commands_run_before_the_work(bed, tmp_path):
    list(ENGINES["slurm"](work, tasks_of(tmp_path, 1), on_slurm(wait=True, setup=[f"touch {tmp_path}/ready"])))
    assert (tmp_path / "ready").exists()


@cluster
def test_signals_are_left_to_the_work(bed, tmp_path):
    """submitit would ignore SIGTERM, and requeue at its own signal."""
    list(ENGINES["slurm"](handlers, tasks_of(tmp_path, 1), on_slurm(wait=True)))
    assert (tmp_path / "handled").read_text() == ""


# ---- dask


@cluster
def test_the_task_of_a_killed_dask_worker_runs_elsewhere(bed, tmp_path):
    from distributed import Client

    gate = tmp_path / "gate"
    running = ENGINES["dask"](work, [*tasks_of(tmp_path, 1, gate=str(gate)), task(tmp_path, 1)], on_dask())
    assert next(running).replicates == 1
    with Client(on_dask().address) as client:
        busy = next(worker for worker, keys in client.processing().items() if keys)
        os.kill(client.run(os.getpid, workers=[busy])[busy], signal.SIGKILL)
    gate.touch()
    assert len(list(running)) == 1
    assert sorted(results(tmp_path)) == [0, 1]
    assert len(set((tmp_path / "replicates" / "0.began").read_text().split())) == 2  # processes


@cluster
def test_a_task_that_kills_its_dask_workers_is_told_and_the_next_run_completes(bed, tmp_path):
    with pytest.raises(MiceSimError, match=r"dask gave up a task.*killed.*run the same command again"):
        list(ENGINES["dask"](work, tasks_of(tmp_path, 6, kill=[2]), on_dask()))
    # A task that waited behind it at both of its workers is under suspicion too, and may be given up with it.
    missing = sorted(set(range(6)) - set(results(tmp_path)))
    assert 2 in missing
    assert len(missing) < 6
    again = [task(tmp_path, replicate) for replicate in missing]
    assert len(list(ENGINES["dask"](work, again, on_dask()))) == len(missing)
    assert sorted(results(tmp_path)) == list(range(6))


@cluster
def test_an_error_of_the_work_comes_through_dask_when_all_others_ended(bed, tmp_path):
    gate = tmp_path / "gate"
    tasks = [task(tmp_path, 0, fail=[0]), *tasks_of(tmp_path, 4, gate=str(gate))[1:]]
    threading.Timer(1, gate.touch).start()
    with pytest.raises(ArithmeticError, match="replicate 0 cannot be had"):
        list(ENGINES["dask"](work, tasks, on_dask()))
    assert sorted(results(tmp_path)) == [1, 2, 3]


@contextlib.contextmanager
def dask_process(*arguments: str) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments, "--no-dashboard"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def scheduler(bed, tmp_path: Path) -> Iterator[tuple[subprocess.Popen, str]]:
    """A dask scheduler of the test's own, without workers, and its address."""
    file = tmp_path / "scheduler.json"
    with dask_process("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)) as process:
        until(lambda: file.exists() and file.read_text() != "")
        yield process, json.loads(file.read_text())["address"]


@cluster
def test_a_dask_cluster_without_workers_is_told(scheduler, tmp_path, monkeypatch):
    _, address = scheduler
    execution = Execution(engine="dask", address=address)
    message = f"scheduler at '{address}' has no workers; start some"
    monkeypatch.setattr(dask, "PATIENCE", 3.0)
    with pytest.raises(MiceSimError, match=message):
        list(ENGINES["dask"](work, tasks_of(tmp_path, 1), execution))
    monkeypatch.setattr(dask, "PATIENCE", 15.0)
    lost = ENGINES["dask"](work, tasks_of(tmp_path, 1, kill=[0]), execution)
    with dask_process("worker", address, "--no-nanny"), pytest.raises(MiceSimError, match=message):
        next(lost)


@cluster
def test_a_dask_worker_that_lacks_the_work_is_told(scheduler, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    _, address = scheduler
    with (
        dask_process("worker", address, "--no-nanny"),
        pytest.raises(MiceSimError, match="A dask worker can't import stand_in; scheduler and workers need the same"),
    ):
        list(ENGINES["dask"](work, tasks_of(tmp_path, 1), Execution(engine="dask", address=address)))


@cluster
def test_a_dask_scheduler_that_goes_away_is_told(scheduler, tmp_path):
    process, address = scheduler
    tasks = [*tasks_of(tmp_path, 1, gate=str(tmp_path / "gate")), task(tmp_path, 1)]
    with dask_process("worker", address, "--no-nanny", "--nthreads", "1"):
        running = ENGINES["dask"](work, tasks[::-1], Execution(engine="dask", address=address))
        assert next(running).replicates == 1
        process.kill()
        with pytest.raises(MiceSimError, match=f"scheduler at '{address}' went away"):
            next(running)


@cluster
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense:1:1"])
def test_a_wrong_dask_address_is_told(address):
    with pytest.raises(MiceSimError, match=f"No dask scheduler answers at execution.address '{address}'"):
        list(ENGINES["dask"](work, [], Execution(engine="dask", address=address)))


# ---- what needs no cluster


def test_arrays_are_cut_without_losing_a_task(tmp_path):
    tasks = tasks_of(tmp_path, 2500)
    arrays = slurm.cut(tasks, 1001)
    assert [len(array) for array in arrays] == [1001, 1001, 498]
    assert [task for array in arrays for task in array] == tasks


@pytest.mark.parametrize(("engine", "package"), [("slurm", "submitit"), ("dask", "distributed")])
def test_a_missing_package_is_told(monkeypatch, tmp_path, engine, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MiceSimError, match=rf"engine {engine} needs {package}.*pip install 'mice_sim\[{engine}\]'"):
        list(ENGINES[engine](work, tasks_of(tmp_path, 1), Execution(engine=engine, address="tcp://localhost:1")))


def test_a_machine_without_slurm_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm" / "manifest.json").write_text('[{"job": "1", "index": 0, "log": "", "replicates": [0]}]')
    with pytest.raises(MiceSimError, match="There is no `squeue` on this machine"):
        in_flight(tmp_path)


def test_a_study_that_never_was_on_slurm_has_nothing_in_flight(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert in_flight(tmp_path) == set()


def test_only_what_differs_from_the_defaults_need_be_given():
    execution = compose(["execution=slurm", "execution.slurm.minutes=30"]).execution
    assert execution == Execution("slurm", workers=1, chunk=None, slurm={**SLURM, "minutes": 30})
    assert compose(["execution=loky"]).execution == Execution("loky")
    assert compose(["execution=dask", "execution.address=tcp://a:1"]).execution.address == "tcp://a:1"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["execution=dask"], "execution.address is None; give the address of your dask scheduler"),
        (["execution=loky", "execution.chunk=null"], "execution.chunk is None"),
        (["execution=slurm", "execution.slurm.minutes=0"], "execution.slurm.minutes is 0"),
        (["execution=slurm", "execution.slurm.array=many"], "execution.slurm.array is 'many'"),
        (["execution=slurm", "execution.slurm.account=7"], "execution.slurm.account is 7"),
        (["execution=slurm", "execution.slurm.setup=module"], "execution.slurm.setup is 'module'"),
        (["execution=slurm", "execution.slurm.wait=1"], "execution.slurm.wait is 1"),
        (["execution=slurm", "+execution.slurm.minute=1"], "no key 'minute'; did you mean 'minutes'?"),
    ],
)
def test_wrong_settings_are_told(overrides, message):
    with pytest.raises(MiceSimError) as told:
        compose(overrides)
    assert message in str(told.value)
