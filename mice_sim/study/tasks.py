"""What an engine carries: a task is replicates of one study, `Done` is what they cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """Replicates to run and store.

    key : the science, as `StudyConfig.key()` gives it. directory : the study's folder.
    study : the study hash; a worker whose own code gives another one refuses to run.
    own : what the study uses beside the package, packed by `own.pack`. ticks : the file of a `Watch`, on this machine
    alone.
    """

    key: str
    directory: str
    replicates: tuple[int, ...]
    study: str
    own: bytes = b""
    ticks: str = ""


@dataclass(frozen=True)
class Done:
    """What a finished task cost: replicates, their CPU seconds, and the worker's peak memory so far in MiB."""

    directory: str
    replicates: int
    cpu_seconds: float
    peak_mib: float


Work = Callable[[Task], Done]
