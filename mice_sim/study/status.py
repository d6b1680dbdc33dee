"""What the files of a study say of it: present, missing, failed, unreadable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mice_sim.study.config import stored_config
from mice_sim.study.rows import Failure
from mice_sim.study.run import in_flight
from mice_sim.study.store import Store, Unreadable


@dataclass(frozen=True)
class Status:
    """planned : replicates asked for. present, missing, waiting : which are stored, which are not, and which of
    these a cluster has in hand. failures : by replicate. unreadable : part files that can't be used."""

    planned: int
    present: list[int]
    missing: list[int]
    waiting: list[int]
    failures: dict[int, list[Failure]]
    unreadable: list[Unreadable]

    @property
    def complete(self) -> bool:
        return not self.missing

    def failure_counts(self) -> list[tuple[str, str, int]]:
        """Return (source, analysis, how many replicates failed)."""
        counts = Counter((f.source, f.analysis) for found in self.failures.values() for f in found)
        return [(*key, count) for key, count in sorted(counts.items())]


def status(directory: Path) -> Status:
    """Read the status of a study; raises MiceSimError if the folder holds none."""
    store = Store(directory)
    config = stored_config(directory)
    _, unreadable = store.scan()
    records = store.records()
    (waiting,) = in_flight([config])
    missing = [r for r in range(config.replicates) if r not in records]
    return Status(
        planned=config.replicates,
        present=[r for r in records if r < config.replicates],
        missing=missing,
        waiting=[r for r in missing if r in waiting],
        failures=store.failures(config.replicates),
        unreadable=unreadable,
    )


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers in short, such as "0-24, 30"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
