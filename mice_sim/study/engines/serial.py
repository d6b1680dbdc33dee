"""One process: the same code path, for debugging."""

from __future__ import annotations

from collections.abc import Iterator

from mice_sim.study.config import Execution
from mice_sim.study.tasks import Done, Task, Work


def run_serial(work: Work, tasks: list[Task], execution: Execution) -> Iterator[Done]:
    """Yield what `work` returns, task by task."""
    for task in tasks:
        yield work(task)
