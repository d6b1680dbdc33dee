"""The runner: plan what is missing, hand it to an engine, store it, and go on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import resource as unix
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from numba.core.dispatcher import Dispatcher
from threadpoolctl import threadpool_limits

import mice_sim
from mice_sim.analysis import kernels as models
from mice_sim.study.config import StudyConfig
from mice_sim.study.engines import ENGINES
from mice_sim.study.replicate import replicator
from mice_sim.study.store import Store
from mice_sim.synthesis import filter
from mice_sim.synthesis.kernels import tree

# The code that decides numbers; a change in it makes another study.
SCIENCE = (
    "data", "synthesis", "analysis", "pooling", "streams.py", "study/analyses.py", "study/replicate.py",
    "study/rows.py", "study/resampling.py", "study/r_random.py",
)  # fmt: skip
PACKAGES = ("numpy", "pandas", "scipy", "numba", "formulaic", "joblib", "hydra-core", "pyarrow")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ChunkDone:
    """What a finished chunk cost: replicates, CPU seconds, and the worker's peak memory so far in MiB."""

    replicates: int
    cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True)
class RunReport:
    """What a run did and cost.

    planned, present, ran, failed : replicates asked for, found finished, run now, failed in all.
    startup_seconds : imports of this process apart, loading, checking and compiling.
    wall_seconds : from the first chunk handed over to the last one stored.
    cpu_seconds : of the replicates, over all workers. peak_mib : of the largest worker.
    compiled : kernels that were compiled and not found compiled.
    """

    planned: int
    present: int
    ran: int
    failed: int
    startup_seconds: float
    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    compiled: int


def run_study(config: StudyConfig, progress: Progress | None = None) -> RunReport:
    """Run the replicates that are missing and store them.

    `progress(done, planned)` is called after every chunk. Replicates are 0..R−1; those that failed are
    stored as failed and not drawn again. Raises MiceSimError before anything runs if the configuration
    can't work or the output folder holds another study.
    """
    began = time.perf_counter()
    store = Store(config.directory)
    with threadpool_limits(1):
        shared = replicator(config.key())
        own_identity = identity(config)
        store.open(config, own_identity)
        store.write(shared.original_layout, [shared.original()])
        status = {r: s for part in store.parts() for r, s in part.status.items()}
        todo = [r for r in range(config.replicates) if r not in status]
        if todo:
            shared.run(todo[0])  # compiles the kernels once, for all workers
    started = time.perf_counter()
    size = config.execution.chunk
    chunks = [todo[i : i + size] for i in range(0, len(todo), size)]
    work = partial(_work, config.key(), str(config.directory))
    done = config.replicates - len(todo)
    if progress:
        progress(done, config.replicates)
    cpu, peak = 0.0, 0.0
    for finished in ENGINES[config.execution.engine](work, chunks, _workers(config)):
        done += finished.replicates
        cpu += finished.cpu_seconds
        peak = max(peak, finished.peak_mib)
        if progress:
            progress(done, config.replicates)
    status = {r: s for part in store.parts() for r, s in part.status.items() if r < config.replicates}
    report = RunReport(
        planned=config.replicates,
        present=config.replicates - len(todo),
        ran=len(todo),
        failed=sum(s != "ok" for s in status.values()),
        startup_seconds=started - began,
        wall_seconds=time.perf_counter() - started,
        cpu_seconds=cpu,
        peak_mib=peak,
        compiled=_compiled(),
    )
    store.write_events()
    _write_provenance(config, report, own_identity)
    return report


def identity(config: StudyConfig) -> dict:
    """Return what makes a study this study: configuration, data and scientific code."""
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
    truth = replicator(config.key()).truth
    schema = repr([(column.name, column.kind, column.levels) for column in truth.columns])
    data = hashlib.sha256(truth.values.tobytes() + schema.encode()).hexdigest()
    return {"configuration": json.loads(config.key()), "data": data[:16], "code": digest.hexdigest()[:16]}


def study_hash(own_identity: dict) -> str:
    """Return the hash of a study's identity (16 hex digits)."""
    return hashlib.sha256(json.dumps(own_identity, sort_keys=True).encode()).hexdigest()[:16]


def _work(key: str, directory: str, chunk: list[int]) -> ChunkDone:
    shared = replicator(key)
    began = time.process_time()
    Store(Path(directory)).write(shared.layout, [shared.run(r) for r in chunk])
    peak = unix.getrusage(unix.RUSAGE_SELF).ru_maxrss / 1024
    return ChunkDone(len(chunk), time.process_time() - began, peak)


def _compiled() -> int:
    """Return how many kernels this process has compiled itself."""
    kernels = [f for module in (tree, filter, models) for f in vars(module).values() if isinstance(f, Dispatcher)]
    return sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels)


def _workers(config: StudyConfig) -> int:
    return config.execution.workers if config.execution.workers > 0 else len(os.sched_getaffinity(0))


def _write_provenance(config: StudyConfig, report: RunReport, own_identity: dict) -> None:
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = None
    provenance = {
        "study": config.study,
        "study_hash": study_hash(own_identity),
        "mice_sim": mice_sim.__version__,
        "git_commit": commit,
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "linear_algebra_threads": 1,
        "seed": config.seed,
        "execution": vars(config.execution),
        "run": vars(report),
    }
    (config.directory / "provenance.json").write_text(json.dumps(provenance, indent=2) + "\n")
