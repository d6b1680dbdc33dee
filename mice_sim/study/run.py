"""The runner: plan what is missing, hand it to an engine, store it, and go on where it stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import resource as unix
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Container, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path

from numba.core.dispatcher import Dispatcher
from threadpoolctl import ThreadpoolController

import mice_sim
from mice_sim.errors import MiceSimError
from mice_sim.study import own
from mice_sim.study.config import Execution, StudyConfig
from mice_sim.study.engines import ENGINES, slurm
from mice_sim.study.replicate import replicator
from mice_sim.study.rows import ReplicateRows
from mice_sim.study.store import Store, study_hash
from mice_sim.study.tasks import Done, Task
from mice_sim.study.watch import tick

# The code that decides numbers; a change in it makes another study.
SCIENCE = (
    "data", "synthesis", "analysis", "assessment", "kernels", "pooling", "origin.py", "streams.py", "study/analyses.py",
    "study/populations", "study/replicate.py", "study/rows.py", "study/resampling.py", "study/r_random.py",
)  # fmt: skip
PACKAGES = ("numpy", "pandas", "scipy", "numba", "joblib", "hydra-core", "pyarrow")

FLUSH_SECONDS = 60
TASK_SECONDS = 15 * 60  # a cluster task should take 10 to 20 minutes
PILOT = 8
HERE = ("serial", "loky")  # the engines whose workers are on this machine

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RunReport:
    """What a run did and cost.

    planned, present, ran, failed : replicates asked for, found finished, run now, with failures in all.
    submitted : replicates that a cluster has in hand, from this run or an earlier one.
    startup_seconds : imports of this process apart, loading, checking and compiling.
    wall_seconds : from the first task handed over to the last one stored.
    cpu_seconds : of the replicates alone, over all workers. peak_mib : of the largest worker.
    compiled : kernels that were compiled and not found compiled.
    set_aside : the part files that could not be used, and why.
    """

    planned: int
    present: int
    ran: int
    failed: int
    submitted: int
    startup_seconds: float
    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    compiled: int
    set_aside: list[str]


@dataclass(frozen=True)
class Point:
    """A study that was checked and whose folder was claimed: what is there, on a cluster, and to do."""

    config: StudyConfig
    key: str
    store: Store
    study: str
    present: int
    waiting: int
    todo: list[int]
    set_aside: list[str]

    def tasks(self, chunk: int) -> list[Task]:
        cuts = range(0, len(self.todo), chunk)
        return [self.task(tuple(self.todo[i : i + chunk])) for i in cuts]

    def task(self, replicates: tuple[int, ...]) -> Task:
        return Task(self.key, self.folder, replicates, self.study, self._own)

    @cached_property
    def _own(self) -> bytes:
        return own.pack(own.used(self.config.scientific()))

    @property
    def folder(self) -> str:
        """The study's folder as workers must be told it: they may stand in another one."""
        return str(self.config.directory.absolute())


def run_study(config: StudyConfig, progress: Progress | None = None, again: bool = False) -> RunReport:
    """Run the replicates that are missing and store them.

    `progress(done, planned)` is called after every task; a `Watch` sees every replicate. Replicates are 0..R−1; those
    with failures are stored with them and not drawn again, but with `again`, which runs these alone. Raises
    MiceSimError before anything runs if the configuration can't work or the output folder holds another study.
    """
    began = time.perf_counter()
    point = prepare(config, again, in_flight([config])[0])
    warm_up(point)
    started = time.perf_counter()
    (report,) = run_points([point], config.execution, progress)
    report = dataclasses.replace(report, startup_seconds=started - began, compiled=_compiled())
    finish(point, report)
    return report


def in_flight(configs: Sequence[StudyConfig]) -> list[set[int]]:
    """Return the replicates of each study that a cluster runs or keeps in its queue."""
    found = slurm.in_flight(str(config.directory) for config in configs)
    return [found[str(config.directory)] for config in configs]


def prepare(config: StudyConfig, again: bool = False, busy: Container[int] = ()) -> Point:
    """Check a study and claim its folder; `busy` are replicates that a cluster has in hand. See `run_study`."""
    store = Store(config.directory)
    with one_thread():
        with config.written.pointing():
            key = config.key()  # once, as what one's own code keeps in its module may change when it is run
            shared = replicator(key)
        own_identity = identity(key)
        set_aside = store.open(config, own_identity, shared.links)
        study = study_hash(own_identity)
        store.write(shared.original_layout, [shared.original()], study)
    records = store.records()
    if again:
        todo = [r for r in records if r < config.replicates and r in records[r].failures and r not in busy]
    else:
        todo = [r for r in range(config.replicates) if r not in records and r not in busy]
    present = sum(r < config.replicates for r in records)
    waiting = sum(r in busy for r in range(config.replicates) if r not in records)
    unusable = [f"{bad.path.name}: {bad.why}" for bad in set_aside]
    return Point(config, key, store, study, present, waiting, todo, unusable)


def warm_up(point: Point | None) -> None:
    """Run a replicate of the point, which compiles the kernels once for all workers."""
    if point and point.todo:
        with one_thread():
            replicator(point.key).run(point.todo[0])


def run_points(points: list[Point], execution: Execution, progress: Progress | None = None) -> list[RunReport]:
    """Hand what the points lack to the engine, all together; return what each cost."""
    tasks = [task for point in points if point.todo for task in point.tasks(execution.chunk or _chunk(point))]
    if execution.engine in HERE:
        tasks = [dataclasses.replace(task, ticks=getattr(progress, "ticks", "")) for task in tasks]
    planned = sum(point.config.replicates for point in points)
    finished = planned - sum(len(task.replicates) for task in tasks)
    done: dict[str, list[Done]] = {point.folder: [] for point in points}
    began = time.perf_counter()
    if progress:
        progress(finished, planned)
    for part in ENGINES[execution.engine](work, tasks, execution) if tasks else ():
        done[part.directory].append(part)
        finished += part.replicates
        if progress:
            progress(finished, planned)
    wall = time.perf_counter() - began
    return [_report(point, done[point.folder], wall) for point in points]


def _chunk(point: Point) -> int:
    """Return how many replicates make a cluster task of 15 minutes, by the time that a few take here."""
    shared = replicator(point.key)
    began = time.process_time()
    for number in point.todo[:PILOT]:
        shared.run(number)
    return max(1, round(TASK_SECONDS * min(PILOT, len(point.todo)) / (time.process_time() - began)))


def _report(point: Point, done: list[Done], wall: float) -> RunReport:
    ran = sum(part.replicates for part in done)
    return RunReport(
        planned=point.config.replicates,
        present=point.present,
        ran=ran,
        failed=len(point.store.failures(point.config.replicates)),
        submitted=point.waiting + len(point.todo) - ran,
        startup_seconds=0.0,
        wall_seconds=wall,
        cpu_seconds=sum(part.cpu_seconds for part in done),
        peak_mib=max((part.peak_mib for part in done), default=0.0),
        compiled=0,
        set_aside=point.set_aside,
    )


def finish(point: Point, report: RunReport) -> None:
    """Gather the events of a study that has run, and write down how it ran."""
    point.store.write_events()
    _write_provenance(point.config, report, point.study)


def work(task: Task) -> Done:
    """Run and store the replicates of a task; what every engine calls, in whatever process.

    What is finished is stored at least every minute, on SIGTERM, SIGUSR1 and Ctrl-C, and when the process
    that started this one is gone.
    """
    own.learn(task.own)
    shared = replicator(task.key)
    study = study_hash(identity(task.key))
    if study != task.study:
        raise MiceSimError(
            f"A worker's code is not the code that planned {task.directory}; install the same version, "
            "or run the study again."
        )
    store, parent = Store(Path(task.directory)), os.getppid()
    rows: list[ReplicateRows] = []
    cpu = 0.0
    with _Signals() as signals, one_thread():
        flushed = time.monotonic()
        for number in task.replicates:
            began = time.process_time()
            rows.append(shared.run(number))
            cpu += time.process_time() - began
            if task.ticks:
                tick(task.ticks)
            leaving = signals.caught or os.getppid() != parent
            if leaving or number == task.replicates[-1] or time.monotonic() - flushed > FLUSH_SECONDS:
                store.write(shared.layout, rows, study)
                rows, flushed = [], time.monotonic()
            if leaving:
                if signals.caught == signal.SIGINT:
                    raise KeyboardInterrupt
                raise SystemExit(128 + (signals.caught or signal.SIGTERM))
    peak = unix.getrusage(unix.RUSAGE_SELF).ru_maxrss / 1024
    return Done(task.directory, len(task.replicates), cpu, peak)


@lru_cache(maxsize=1)
def _threads() -> ThreadpoolController:
    return ThreadpoolController()  # looking for the libraries takes milliseconds, so once a process


def one_thread() -> AbstractContextManager:
    """Keep linear algebra on one thread: replicates are what runs side by side."""
    return _threads().limit(limits=1)


class _Signals:
    """Notes SIGTERM, SIGUSR1 and Ctrl-C instead of dying from them, where the process allows it."""

    caught: int = 0

    def __enter__(self) -> _Signals:
        # Only the main thread may set handlers; a dask worker runs tasks in another.
        main = threading.current_thread() is threading.main_thread()
        wanted = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT) if main else ()
        self._before = {number: signal.signal(number, self._note) for number in wanted}
        return self

    def _note(self, number: int, frame: object) -> None:
        self.caught = number

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def identity(key: str) -> dict:
    """Return what makes a study this study: configuration, data and scientific code."""
    truth = replicator(key).truth
    schema = repr([(column.name, column.kind, column.levels) for column in truth.columns])
    data = hashlib.sha256(truth.values.tobytes() + schema.encode()).hexdigest()
    return {"configuration": json.loads(key), "data": data[:16], "code": CODE}


def _code() -> str:
    """Return the hash of the code that decides numbers."""
    package = Path(mice_sim.__file__).parent
    files = [
        f
        for part in SCIENCE
        for f in ([package / part] if part.endswith(".py") else sorted((package / part).rglob("*")))
    ]
    digest = hashlib.sha256()
    for file in files:
        if file.suffix in (".py", ".csv", ".yaml"):
            digest.update(file.relative_to(package).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]


CODE = _code()  # taken when the code is loaded: a worker that runs for days must not read what was edited since


def _compiled() -> int:
    """Return how many kernels this process has compiled itself."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("mice_sim.")]
    kernels = {f for module in modules for f in vars(module).values() if isinstance(f, Dispatcher)}
    return sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels)


@lru_cache(maxsize=1)
def _software() -> dict:
    """Return what this process runs on."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = None
    return {
        "mice_sim": mice_sim.__version__,
        "git_commit": commit,
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "linear_algebra_threads": 1,
    }


def _write_provenance(config: StudyConfig, report: RunReport, study: str) -> None:
    provenance = {
        "study": config.study,
        "study_hash": study,
        **_software(),
        "seed": config.seed,
        "execution": vars(config.execution),
        "run": vars(report),
    }
    (config.directory / "provenance.json").write_text(json.dumps(provenance, indent=2) + "\n")
