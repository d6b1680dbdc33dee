"""Engines: hand over tasks, get told what each cost as it ends. One file an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mice_sim.study.config import Execution
from mice_sim.study.engines.dask import run_dask
from mice_sim.study.engines.loky import run_loky
from mice_sim.study.engines.serial import run_serial
from mice_sim.study.engines.slurm import run_slurm
from mice_sim.study.tasks import Done, Task, Work

Engine = Callable[[Work, list[Task], Execution], Iterator[Done]]

ENGINES: dict[str, Engine] = {"serial": run_serial, "loky": run_loky, "slurm": run_slurm, "dask": run_dask}
