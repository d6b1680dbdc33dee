"""One replicate: resample, synthesise, analyse, pool. The atom of every study."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np

from mice_sim import streams
from mice_sim.data import Table, load_dataset
from mice_sim.errors import MiceSimError
from mice_sim.study import analyses, resampling
from mice_sim.study.rows import Layout, ReplicateRows
from mice_sim.synthesis import engine
from mice_sim.synthesis.events import EventLog
from mice_sim.synthesis.spec import specify


class Replicator:
    """Everything that the replicates of one study share; `run(r)` is a pure function of r."""

    def __init__(self, key: str):
        science = json.loads(key)
        self.seed: int = science["seed"]
        self.truth = Table.from_pandas(load_dataset(science["data"]["name"]))
        if np.isnan(self.truth.values).any():
            raise MiceSimError(
                f"The data set '{science['data']['name']}' has missing values; a study needs complete reference data, "
                "such as boys_complete."
            )
        options = {k: v for k, v in science["synthesis"].items() if k not in ("mode", "predictors")}
        self.spec = specify(self.truth, predictor_matrix=science["synthesis"]["predictors"], **options)
        self.sample_rows = resampling.make(science["resampling"], self.truth.n_rows, self.seed)
        self.analyses = analyses.make(science["analysis"], science["pooling"], self.truth)
        if self.spec.m < 2:
            raise MiceSimError(f"m is {self.spec.m}; pooling needs at least two sets, so give synthesis.m=2 or more.")
        single = [(a, b) for a in self.analyses.values() if a.on_single for b in a.blocks]
        pooled = [(a, b) for a in self.analyses.values() for b in a.blocks]
        self.original_layout = _layout([("original", b) for _, b in single])
        self.layout = _layout([("bootstrap", b) for _, b in single] + [("synthetic", b) for _, b in pooled])

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
            pooled = analyses.attempt(analysis, analysis.pooled, sets, rng)
            parts.append((name, "synthetic", *pooled))
        events = [{"replicate": replicate, "source": "synthetic", **vars(event)} for event in log]
        return self._gather(replicate, parts, events)

    def _singles(self, values: np.ndarray) -> list:
        return [
            (name, "bootstrap", *analyses.attempt(analysis, analysis.single, values))
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


def _layout(blocks: list[tuple[str, analyses.Block]]) -> Layout:
    return Layout.of(
        (source, block.analysis, term, statistic)
        for source, block in blocks
        for statistic in block.statistics
        for term in block.terms
    )


@lru_cache(maxsize=4)
def replicator(key: str) -> Replicator:
    """Return this process's Replicator of a study (`StudyConfig.key()`)."""
    return Replicator(key)
