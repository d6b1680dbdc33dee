"""One replicate: resample, synthesise, analyse, pool. The atom of every study."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from mice_sim import streams
from mice_sim.data import Table, load_dataset
from mice_sim.study import analyses, resampling
from mice_sim.synthesis import engine
from mice_sim.synthesis.events import EventLog
from mice_sim.synthesis.spec import specify

SOURCES = ("original", "bootstrap", "synthetic")


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
    def of(cls, blocks: list[tuple[str, analyses.Block]]) -> Layout:
        rows = [
            (source, block.analysis, term, statistic)
            for source, block in blocks
            for statistic in block.statistics
            for term in block.terms
        ]
        return cls(*(np.array(column, dtype=object) for column in zip(*rows, strict=True)))


@dataclass(frozen=True)
class ReplicateRows:
    """A replicate's numbers: `value` and `synthesis_variance` (rows of the layout), its events, its error."""

    replicate: int
    value: np.ndarray
    synthesis_variance: np.ndarray
    events: list[dict[str, Any]]
    error: str | None = None


class Replicator:
    """Everything that the replicates of one study share; `run(r)` is a pure function of r."""

    def __init__(self, key: str):
        science = json.loads(key)
        self.seed: int = science["seed"]
        self.truth = Table.from_pandas(load_dataset(science["data"]["name"]))
        options = {k: v for k, v in science["synthesis"].items() if k not in ("mode", "predictors")}
        self.spec = specify(self.truth, predictor_matrix=science["synthesis"]["predictors"], **options)
        self.sample_rows = resampling.make(science["resampling"], self.truth.n_rows, self.seed)
        self.analyses = analyses.make(science["analysis"], science["pooling"], self.truth)
        single = [(a, b) for a in self.analyses.values() if a.on_single for b in a.blocks]
        pooled = [(a, b) for a in self.analyses.values() for b in a.blocks]
        self.original_layout = Layout.of([("original", b) for _, b in single])
        self.layout = Layout.of([("bootstrap", b) for _, b in single] + [("synthetic", b) for _, b in pooled])

    def original(self) -> ReplicateRows:
        """Return the analyses of the reference data itself."""
        return self._gather(-1, self._singles(self.truth.values))

    def run(self, replicate: int) -> ReplicateRows:
        """Return the rows of one replicate; an error in it is recorded, not raised."""
        try:
            return self._run(replicate)
        except Exception as error:
            empty = np.zeros(0)
            return ReplicateRows(replicate, empty, empty, [], f"{type(error).__name__}: {error}")

    def _run(self, replicate: int) -> ReplicateRows:
        sample = self.truth.take(self.sample_rows(replicate))
        log = EventLog()
        sets = engine.run(
            sample,
            self.spec,
            lambda i, name, k: streams.stream(self.seed, "synthesis", replicate, i, name, k),
            log,
        )
        parts = self._singles(sample.values)
        for name, analysis in self.analyses.items():
            rng = streams.stream(self.seed, "analysis", replicate, name)
            parts.append((name, "synthetic", *analyses.run_pooled(analysis, sets, rng)))
        events = [{"replicate": replicate, "source": "synthetic", **vars(event)} for event in log]
        return self._gather(replicate, parts, events)

    def _singles(self, values: np.ndarray) -> list:
        return [
            (name, "bootstrap", *analyses.run_single(analysis, values))
            for name, analysis in self.analyses.items()
            if analysis.on_single
        ]

    @staticmethod
    def _gather(replicate: int, parts: list, events: list | None = None) -> ReplicateRows:
        events = list(events or [])
        for name, source, _, failure in parts:
            if failure:
                events.append(
                    {"replicate": replicate, "source": source, "variable": name, "what": "not converged",
                     "why": failure, "set": 0, "iteration": 0}
                )  # fmt: skip
        value = np.concatenate([v for *_, blocks, _ in parts for v, _ in blocks])
        variance = np.concatenate([s for *_, blocks, _ in parts for _, s in blocks])
        return ReplicateRows(replicate, value, variance, events)


@lru_cache(maxsize=4)
def replicator(key: str) -> Replicator:
    """Return this process's Replicator of a study (`StudyConfig.key()`)."""
    return Replicator(key)


def frame(layout: Layout, rows: ReplicateRows) -> pd.DataFrame:
    """Return one replicate's rows as a tidy frame."""
    return pd.DataFrame({**vars(layout), "value": rows.value, "synthesis_variance": rows.synthesis_variance})
