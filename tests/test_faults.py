"""Kills, damaged files, a full disk: what is stored stays, what is missing is run, and no number changes."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from threadpoolctl import threadpool_info

from mice_sim.errors import MiceSimError
from mice_sim.study import run as runner
from mice_sim.study.config import StudyConfig, compose
from mice_sim.study.performance import performance
from mice_sim.study.replicate import Replicator, replicator
from mice_sim.study.rows import Failure
from mice_sim.study.run import Task, run_study, work
from mice_sim.study.status import status
from mice_sim.study.store import Store

LIGHT = [
    "study=light", "~analysis.counts", "~analysis.correlations", "~analysis.ordinal", "~analysis.discrimination",
    "synthesis.m=2", "synthesis.minbucket=20", "execution.progress=false",
]  # fmt: skip
KILLS = 100


def light(output: Path, *overrides: str) -> StudyConfig:
    return compose([*LIGHT, f"output={output}", *overrides])


def numbers(config: StudyConfig) -> str:
    """The whole performance of a study, to the last bit."""
    return performance(Store(config.directory), config.to_mapping()).to_csv(float_format="%.17g")


def replicates(store: Store) -> list[int]:
    return [int(r) for found, *_ in store.blocks(10**6) for r in found]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> StudyConfig:
    config = light(tmp_path_factory.mktemp("undisturbed"), "replicates=60", "execution=serial")
    run_study(config)
    return config


# ---- kills


def start(config: StudyConfig) -> multiprocessing.Process:
    """Run a study in a process of its own that has the compiled kernels already."""
    process = multiprocessing.get_context("fork").Process(target=run_quietly, args=(config,))
    process.start()
    return process


def run_quietly(config: StudyConfig) -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    try:
        run_study(config)
    except MiceSimError:
        os._exit(1)
    os._exit(0)


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def kill(process: multiprocessing.Process, how: str, rng: random.Random) -> bool:
    """Kill the process or one of its workers; return whether there was something to kill."""
    victims = [process.pid] if how != "worker" else children(process.pid)
    if not process.is_alive() or not victims:
        return False
    os.kill(rng.choice(victims), signal.SIGTERM if how == "terminate" else signal.SIGKILL)
    process.join()
    return True


@pytest.mark.faults
def test_a_hundred_kills_lose_nothing_and_change_nothing(tmp_path, undisturbed):
    rng = random.Random(1)
    expected = numbers(undisturbed)
    killed = dict.fromkeys(("parent", "terminate", "worker"), 0)
    study = 0
    while sum(killed.values()) < KILLS:
        # A loky worker takes a second to start, so most kills hit the process that does the work itself.
        how = ("parent", "terminate", "parent", "worker")[study % 4]
        engine = "loky" if how == "worker" else "serial"
        overrides = [f"execution={engine}", f"execution.chunk={rng.choice([1, 2, 7, 60])}", "replicates=60"]
        config = light(tmp_path / f"{study}", *overrides, *(["execution.workers=2"] if engine == "loky" else []))
        for _ in range(6):
            process = start(config)
            time.sleep(rng.uniform(0, 0.8) + (0.8 if how == "worker" else 0))
            killed[how] += kill(process, how, rng)
            process.join()
        # Not in this process: a fork of one that has run loky inherits an executor whose threads are gone, and waits.
        process = start(config)
        process.join()
        assert process.exitcode == 0
        assert replicates(Store(config.directory)) == list(range(60))
        assert numbers(config) == expected
        shutil.rmtree(config.directory)
        study += 1
    assert min(killed.values()) >= 10, killed


@pytest.mark.parametrize(
    ("number", "error", "code"),
    [
        (signal.SIGTERM, SystemExit, "143"),
        (signal.SIGUSR1, SystemExit, "138"),
        (signal.SIGINT, KeyboardInterrupt, None),
    ],
)
def test_a_signal_stores_every_finished_replicate_and_ends_the_run(
    tmp_path, undisturbed, monkeypatch, number, error, code
):
    config = light(tmp_path, "replicates=60", "execution=serial", "execution.chunk=60")
    handler = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(Replicator, "run", signalled(Replicator.run, at=4, number=number))
        with pytest.raises(error, match=code):
            run_study(config)
    assert signal.getsignal(number) == handler
    assert replicates(Store(tmp_path)) == [0, 1, 2, 3, 4]
    run_study(config)
    assert numbers(config) == numbers(undisturbed)


def signalled(run, at: int, number: int):
    """`Replicator.run`, but that this process gets a signal before it runs replicate `at`."""

    def run_one(self, replicate):
        if replicate == at:
            os.kill(os.getpid(), number)
        return run(self, replicate)

    return run_one


def test_work_can_be_done_in_any_thread(tmp_path):
    config = light(tmp_path, "replicates=3", "execution=serial")
    point = runner.prepare(config)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work, point.task((0, 1, 2))).result().replicates == 3
    assert replicates(Store(tmp_path)) == [0, 1, 2]


def test_a_worker_whose_parent_is_gone_stores_what_it_has_and_leaves(tmp_path, undisturbed, monkeypatch):
    config = light(tmp_path, "replicates=60", "execution=serial")
    point = runner.prepare(config)
    parents = iter([7, 7, 7, 1])
    monkeypatch.setattr(runner.os, "getppid", lambda: next(parents))
    with pytest.raises(SystemExit, match="143"):
        work(point.task(tuple(range(60))))
    assert replicates(Store(tmp_path)) == [0, 1, 2]


def test_finished_replicates_are_stored_every_minute(tmp_path, monkeypatch):
    config = light(tmp_path, "replicates=6", "execution=serial", "execution.chunk=6")
    monkeypatch.setattr(runner, "FLUSH_SECONDS", -1)
    run_study(config)
    assert [list(part.passports) for part in Store(tmp_path).scan()[0]] == [[r] for r in range(6)]
    assert replicates(Store(tmp_path)) == list(range(6))


# ---- files


@pytest.mark.parametrize("harm", ["cut off", "empty", "not parquet", "foreign"])
def test_a_part_of_no_use_is_named_set_aside_and_run_again(tmp_path, undisturbed, harm):
    config = light(tmp_path, "replicates=60", "execution=serial")
    run_study(config)
    part = Store(tmp_path).scan()[0][1].path
    if harm == "foreign":
        other = light(tmp_path / "other", "replicates=60", "execution=serial", "seed=5")
        run_study(other)
        shutil.copy(Store(other.directory).scan()[0][1].path, part)
    else:
        whole = part.read_bytes()
        part.write_bytes({"cut off": whole[: len(whole) // 2], "empty": b"", "not parquet": b"PAR1" * 400}[harm])
    assert [bad.path for bad in status(tmp_path).unreadable] == [part]
    why = "of another study, or of other code" if harm == "foreign" else "cut off, or no file of mice_sim"
    report = run_study(config)
    assert report.set_aside == [f"{part.name}: {why}"]
    assert (tmp_path / "replicates" / "set_aside" / part.name).exists()
    assert (report.present, report.ran) == (35, 25)
    assert numbers(config) == numbers(undisturbed)


def test_a_part_with_a_changed_byte_is_named_when_it_is_read(tmp_path):
    config = light(tmp_path, "replicates=5", "execution=serial")
    run_study(config)
    (part,) = Store(tmp_path).scan()[0]
    content = bytearray(part.path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    part.path.write_bytes(bytes(content))
    with pytest.raises(MiceSimError, match=f"{part.path.name} is damaged .*; delete it and run the study again"):
        numbers(config)


def test_replicates_that_are_stored_twice_count_once(tmp_path, undisturbed):
    config = light(tmp_path, "replicates=60", "execution=serial")
    run_study(config)
    point = runner.prepare(config)
    work(point.task((3, 4, 5)))
    work(point.task((3, 59)))
    assert replicates(Store(tmp_path)) == list(range(60))
    assert numbers(config) == numbers(undisturbed)


def test_a_worker_with_other_code_refuses_to_run(tmp_path):
    config = light(tmp_path, "replicates=2", "execution=serial")
    runner.prepare(config)
    with pytest.raises(MiceSimError, match="A worker's code is not the code that planned"):
        work(Task(config.key(), str(tmp_path), (0,), "0123456789abcdef"))


LEFT_BEHIND = {
    "dead": (socket.gethostname(), 2**22 + 1),  # no process has this number
    "alive": (socket.gethostname(), os.getpid()),
    "elsewhere": ("another machine", 2**22 + 1),
}


def test_a_folder_without_replicates_may_become_another_study(tmp_path):
    runner.prepare(light(tmp_path, "replicates=2", "execution=serial"))
    point = runner.prepare(light(tmp_path, "replicates=2", "execution=serial", "seed=5"))
    work(point.task((0, 1)))
    assert list(point.store.records()) == [0, 1]


def test_a_part_that_was_written_again_is_read_again(tmp_path):
    config = light(tmp_path, "replicates=1", "execution=serial")
    point = runner.prepare(config)
    shared = replicator(config.key())
    rows = shared.run(0)
    failed = dataclasses.replace(rows, failures=[Failure("synthetic", "linear", "a test wants this", "")])
    point.store.write(shared.layout, [failed], point.study)
    assert list(point.store.failures(1)) == [0]
    point.store.write(shared.layout, [rows], point.study)
    assert not point.store.failures(1)


def test_of_two_parts_the_one_without_a_failure_counts(tmp_path):
    config = light(tmp_path, "replicates=3", "execution=serial")
    point = runner.prepare(config)
    shared = replicator(config.key())
    good = [shared.run(r) for r in range(3)]
    bad = [dataclasses.replace(r, failures=[Failure("synthetic", "linear", "a test wants this", "")]) for r in good]
    # Parts are read by name, and names begin with the first replicate: those of 0 and 1 come in both orders.
    for rows in ([good[0], good[2]], [bad[0]], [good[1]], [bad[1], bad[2]]):
        point.store.write(shared.layout, rows, point.study)
    assert list(point.store.records()) == [0, 1, 2]
    assert not point.store.failures(3)


def test_a_cluster_task_takes_a_quarter_of_an_hour(tmp_path, monkeypatch):
    point = runner.prepare(light(tmp_path, "replicates=60", "execution=serial"))
    monkeypatch.setattr(runner.time, "process_time", iter([0.0, 24.0]).__next__)  # 8 replicates of 3 seconds
    assert runner._chunk(point) == 300


def test_every_event_is_gathered_once(tmp_path):
    config = light(tmp_path, "replicates=2", "execution=serial")
    point = runner.prepare(config)
    shared = replicator(config.key())
    event = {"source": "synthetic", "variable": "hgt", "what": "dropped", "why": "constant", "set": 1, "iteration": 1}
    rows = [dataclasses.replace(shared.run(r), events=[{"replicate": r, **event}]) for r in range(2)]
    point.store.write(shared.layout, rows, point.study)
    point.store.write(shared.layout, rows[1:], point.study)
    point.store.write_events()
    events = pd.read_parquet(tmp_path / "events.parquet")
    assert events["what"].tolist() == ["pooled by reiter2003", "dropped", "dropped"]
    assert events["replicate"].tolist() == [-1, 0, 1]  # -1 is the study itself


def test_only_temporary_files_of_dead_processes_of_this_machine_are_swept_up(tmp_path):
    config = light(tmp_path, "replicates=1", "execution=serial")
    run_study(config)
    folder = tmp_path / "replicates"
    files = {who: folder / f".part~{host}~{process}~.tmp" for who, (host, process) in LEFT_BEHIND.items()}
    for file in files.values():
        file.touch()
    run_study(config)
    assert [who for who, file in files.items() if file.exists()] == ["alive", "elsewhere"]


@pytest.mark.parametrize("name", ["config.yaml", "links.json", "identity.json", "original.parquet"])
@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_a_missing_or_damaged_file_is_named_and_the_next_run_writes_it(tmp_path, name, harm):
    config = light(tmp_path, "replicates=2", "execution=serial")
    run_study(config)
    file = next(tmp_path.rglob(name))
    file.write_text("{")
    if harm == "missing":
        file.unlink()
    readers = {"config.yaml": Store.config, "links.json": Store.links, "identity.json": lambda store: store.identity,
               "original.parquet": Store.original}  # fmt: skip
    words = {"missing": "run ", "damaged": "is damaged; delete it and run the same study again"}[harm]
    with pytest.raises(MiceSimError, match=words):
        readers[file.name](Store(tmp_path))
    file.unlink(missing_ok=True)
    report = run_study(config)
    assert (report.present, report.set_aside) == (2, [])
    readers[file.name](Store(tmp_path))


# ---- a full disk


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.fail("mounting a tmpfs needs root; run `pytest -m faults` as root, as .ci/run does")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.faults
@pytest.mark.parametrize("engine", ["serial", "loky"])
def test_a_full_disk_stops_with_a_sentence_and_the_next_run_completes(small_disk, undisturbed, engine):
    config = light(small_disk / "study", "replicates=60", f"execution={engine}", "execution.chunk=4")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(880_000))
    with pytest.raises(MiceSimError, match=r"The disk of .*study is full .*make room and run the same command again"):
        run_study(config)
    kept = len(replicates(Store(config.directory)))
    assert 0 < kept < 60
    assert not list(config.directory.rglob("*.tmp"))
    ballast.unlink()
    report = run_study(config)
    assert (report.present, report.ran) == (kept, 60 - kept)
    assert numbers(config) == numbers(undisturbed)


def test_linear_algebra_keeps_to_one_thread_while_replicates_run(tmp_path, monkeypatch):
    config = light(tmp_path, "replicates=1", "execution=serial")
    seen = []
    run = Replicator.run

    def look(self, number):
        seen.append(max(pool["num_threads"] for pool in threadpool_info()))
        return run(self, number)

    monkeypatch.setattr(Replicator, "run", look)
    run_study(config)
    assert set(seen) == {1}
