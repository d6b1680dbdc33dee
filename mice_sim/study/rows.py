"""The rows of a replicate: what the replicate hands to the store, and reports read back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Layout:
    """The labels of a replicate's rows, in the order in which every replicate gives them."""

    source: np.ndarray
    analysis: np.ndarray
    term: np.ndarray
    statistic: np.ndarray

    @property
    def size(self) -> int:
        return len(self.term)

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, str, str]]) -> Layout:
        """Build the layout from rows of (source, analysis, term, statistic)."""
        return cls(*(np.array(column, dtype=object) for column in zip(*rows, strict=True)))


@dataclass(frozen=True)
class Failure:
    """An analysis without a result: of which source, why, and the name of the stream it drew from."""

    source: str
    analysis: str
    error: str
    stream: str


@dataclass(frozen=True)
class ReplicateRows:
    """A replicate's numbers: `value` and `synthesis_variance` (rows of the layout; NaN where it failed).

    passport : the hash chain, one link a step in the order of `Replicator.links`.
    """

    replicate: int
    value: np.ndarray
    synthesis_variance: np.ndarray
    events: list[dict[str, Any]]
    failures: list[Failure]
    passport: list[str]
