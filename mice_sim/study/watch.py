"""How far a run is, replicate by replicate, and how long the rest will take."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_TICK = struct.Struct("<qd")  # process, and seconds of the machine's clock, which all its processes share


def tick(file: str, worker: int | None = None, when: float | None = None) -> None:
    """Note in a file that a worker, by default this process, has done a replicate, by default now."""
    record = _TICK.pack(os.getpid() if worker is None else worker, time.monotonic() if when is None else when)
    # Whoever watched may be gone, and with him the file; the work is done all the same.
    with suppress(OSError):
        ticks = os.open(file, os.O_WRONLY | os.O_APPEND)  # so that two workers don't write at the same place
        try:
            os.write(ticks, record)
        finally:
            os.close(ticks)


@dataclass
class _Pace:
    """What a worker has done since its first replicate, which waits for imports and compiled code."""

    first: float
    last: float
    done: int = 0


@dataclass
class Watch:
    """A run's progress: called with (done, planned) after every task, and looked at in between.

    ticks : a file that workers of this machine write a tick a replicate into; "" if there is none. Without ticks,
    as on a cluster, time is reckoned from the tasks that have ended.
    """

    ticks: str = ""
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    planned: int = 0
    _start: int | None = None
    _read: int = 0
    _paces: dict[int, _Pace] = field(default_factory=dict)

    def __call__(self, done: int, planned: int) -> None:
        if self._start is None:
            self._start = done
        elif not self._read:
            self._add(0, self.clock(), done - self.done)
        self.done, self.planned = max(done, self.done), planned

    def look(self) -> tuple[int, int, float | None]:
        """Return the replicates done and planned, and the seconds that the rest will take, None if nobody knows yet."""
        self._read_ticks()
        rates = [pace.done / (pace.last - pace.first) for pace in self._paces.values() if pace.last > pace.first]
        if not rates:
            return self.done, self.planned, None
        # A worker that has done but one replicate goes as fast as the others, one thinks.
        rate = sum(rates) / len(rates) * len(self._paces)
        since = self.clock() - max(pace.last for pace in self._paces.values())
        return self.done, self.planned, max((self.planned - self.done) / rate - since, 0.0)

    def _read_ticks(self) -> None:
        if not self.ticks:
            return
        with Path(self.ticks).open("rb") as file:
            file.seek(self._read * _TICK.size)
            content = file.read()
        whole = len(content) // _TICK.size * _TICK.size
        for worker, when in _TICK.iter_unpack(content[:whole]):
            self._add(worker, when, 1)
            self._read += 1
        self.done = max(self.done, (self._start or 0) + self._read)

    def _add(self, worker: int, when: float, count: int) -> None:
        pace = self._paces.get(worker)
        if pace is None:
            self._paces[worker] = _Pace(when, when)
        else:
            pace.last, pace.done = when, pace.done + count
