"""Events: every automatic decision of the engine, as a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mice_sim.errors import MiceSimError


@dataclass(frozen=True)
class Event:
    """What happened to which variable, in which set (1..m) and iteration (1..maxit), and why."""

    variable: str
    what: str
    why: str
    set: int = 0
    iteration: int = 0


@dataclass
class EventLog:
    """Collects events; with `strict` the first one raises MiceSimError instead."""

    strict: bool = False
    events: list[Event] = field(default_factory=list)

    def add(self, event: Event) -> None:
        if self.strict:
            raise MiceSimError(f"strict: {event.variable}: {event.what} ({event.why}).")
        self.events.append(event)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)
