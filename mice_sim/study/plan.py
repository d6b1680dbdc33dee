"""What a study will cost, and how many replicates it needs: answered by a pilot, before anything is submitted."""

from __future__ import annotations

import dataclasses
import math
import resource as unix
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from mice_sim.study.config import StudyConfig
from mice_sim.study.performance import performance
from mice_sim.study.replicate import replicator
from mice_sim.study.run import TASK_SECONDS, one_thread, prepare
from mice_sim.study.store import Store

MEMORY_MARGIN = 1.5  # over the pilot's peak
LEVEL = 0.95  # of the intervals of a plan


@dataclass(frozen=True)
class Pilot:
    """What a few replicates of one study cost.

    seconds : CPU seconds of each. peak_mib : of the process. bytes : a replicate takes on disk.
    measured : the pilot's performance, from which the replicates for a target are reckoned.
    """

    seconds: np.ndarray
    peak_mib: float
    bytes: float
    measured: pd.DataFrame


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % limits."""

    value: float
    lower: float
    upper: float

    def __mul__(self, factor: float) -> Interval:
        return Interval(self.value * factor, self.lower * factor, self.upper * factor)


@dataclass(frozen=True)
class Plan:
    """What all points of a study will cost. core_hours, wall_hours, disk_mib carry 95 % limits of the pilot."""

    points: int
    replicates: int
    present: int
    chunk: int
    tasks: int
    workers: int
    seconds: Interval
    core_hours: Interval
    wall_hours: Interval
    memory_mib: float
    disk_mib: Interval


def pilot(config: StudyConfig, replicates: int) -> Pilot:
    """Run replicates 0, 1, … of a study in this process, in a folder that is deleted again."""
    with tempfile.TemporaryDirectory() as folder, one_thread():
        trial = dataclasses.replace(config, output=folder, replicates=replicates)
        point = prepare(trial)
        shared = replicator(point.key)
        shared.run(0)  # compiling is no part of a replicate
        rows, seconds = [], []
        for number in range(replicates):
            began = time.process_time()
            rows.append(shared.run(number))
            seconds.append(time.process_time() - began)
        store = Store(Path(folder))
        store.write(shared.layout, rows, point.study)
        size = sum(part.path.stat().st_size for part in store.scan()[0])
        measured = performance(store, trial.to_mapping())
    peak = unix.getrusage(unix.RUSAGE_SELF).ru_maxrss / 1024
    return Pilot(np.array(seconds), peak, size / replicates, measured)


def plan(configs: Sequence[StudyConfig], replicates: int = 8, pilots: int = 3) -> tuple[Plan, Pilot]:
    """Plan the points of a study, less what is stored already.

    The pilot runs so many `replicates` at the first, the last and, of many points, `pilots` − 2 points between.
    Returns the plan, and the pilot at the first point.
    """
    chosen = [configs[i] for i in sorted(set(np.linspace(0, len(configs) - 1, min(pilots, len(configs)), dtype=int)))]
    trials = [pilot(config, replicates) for config in chosen]
    missing = [config.replicates - _present(config) for config in configs]
    total = sum(missing)
    execution = configs[0].execution
    seconds = _mean(np.concatenate([trial.seconds for trial in trials]))
    chunk = execution.chunk or max(1, round(TASK_SECONDS / seconds.value))
    tasks = sum(math.ceil(replicates / chunk) for replicates in missing)
    # How many of a cluster's tasks run at once is for its queue to say; the plan hopes for all.
    workers = max(tasks, 1) if execution.engine == "slurm" else execution.cores()
    core_hours = seconds * (total / 3600)
    return Plan(
        points=len(configs), replicates=total, present=sum(config.replicates for config in configs) - total,
        chunk=min(chunk, max(config.replicates for config in configs)), tasks=tasks, workers=workers, seconds=seconds,
        core_hours=core_hours, wall_hours=core_hours * (1 / workers),
        memory_mib=MEMORY_MARGIN * max(trial.peak_mib for trial in trials),
        disk_mib=_mean(np.array([trial.bytes for trial in trials])) * (total / 2**20),
    ), trials[0]  # fmt: skip


def _present(config: StudyConfig) -> int:
    store = Store(config.directory)
    return sum(r < config.replicates for r in store.records()) if store.parts_directory.exists() else 0


def _mean(x: np.ndarray) -> Interval:
    """The mean of x with its t interval; as wide as the numbers are few."""
    centre = float(x.mean())
    if x.size < 2:
        return Interval(centre, centre, centre)
    half = float(stdtrit(x.size - 1, (1 + LEVEL) / 2) * x.std(ddof=1) / math.sqrt(x.size))
    return Interval(centre, max(centre - half, 0.0), centre + half)
