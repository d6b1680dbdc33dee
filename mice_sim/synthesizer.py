"""A fitted synthesiser: learn once from the real data, save, generate elsewhere without it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mice_sim.api import Sets, named_streams
from mice_sim.data import Column, Table
from mice_sim.errors import MiceSimError
from mice_sim.synthesis import audit, engine, saved
from mice_sim.synthesis.engine import Model
from mice_sim.synthesis.events import Event, EventLog
from mice_sim.synthesis.fitting import Streams
from mice_sim.synthesis.spec import specify, whole


class Synthesizer:
    """Sequential synthesis in two steps: `fit` learns from the real data, `generate` draws without it.

    Parameters
    ----------
    m : number of sets that there are fits for, where fits differ from set to set (proper synthesis, forests,
        two-step data); otherwise any number of sets can be generated.
    seed : of the fits. strict : raise at the first event. **options : as of `mice_sim.synthesize`.

    Attributes
    ----------
    card : the audit card: what was done to each column, rows per leaf, how many records of a trial set occur in the
        real data, events, version.
    """

    def __init__(self, *, m: int = 5, seed: int | None = None, strict: bool = False, **options: Any):
        if options.get("mode", "sequential") != "sequential":
            raise MiceSimError("A synthesiser is sequential, as it draws without the real data; leave out mode.")
        self.m, self.seed, self.strict, self.options = m, seed, strict, {**options, "mode": "sequential"}
        self._model: Model | None = None
        self._columns: tuple[Column, ...] = ()
        self.card: dict[str, Any] = {}

    def fit(self, data: pd.DataFrame) -> Synthesizer:
        """Learn from real data, and return itself.

        data : as for `synthesize`. Raises MiceSimError for anything that can't work.
        """
        table = Table.from_pandas(data)
        spec = specify(table, m=self.m, **self.options)
        log = EventLog(self.strict)
        for decision in spec.decisions:
            log.add(decision)
        streams = named_streams(self.seed, "sequential")
        self._model, given = engine.fit(table, spec, streams, log)
        self._columns = table.columns
        trial = engine.generate(self._model, 1, table.n_rows, _trial(streams), given)[0]
        self.card = audit.card(table, self._model, trial, log) | {"mice_sim": _version()}
        return self

    def generate(
        self, m: int = 1, k: int | None = None, *, seed: int | None = None, given: pd.DataFrame | None = None
    ) -> Sets:
        """Draw m sets of k records (by default as many as were learned from).

        m, k : ≥ 1. seed : of the draws; the same seed gives the same sets. given : the columns that were not to be
        synthesised, with k rows. Raises MiceSimError before `fit`, and for more sets than there are fits.
        """
        if self._model is None:
            raise MiceSimError("The synthesiser has learned nothing yet; call fit(data) or load one.")
        kept = {j: self._columns[j].name for j in self._model.kept}
        fixed = self._given(given, kept)
        k = k or (len(given) if given is not None else self._model.origin.n)
        for name, number in (("m", m), ("k", k)):
            whole(name, number)
        if given is not None and len(given) != k:
            raise MiceSimError(f"k is {k}, but the given columns have {len(given)} rows; make them agree.")
        sets = engine.generate(self._model, m, k, named_streams(seed, "sequential"), [fixed] * len(self._model.parts))
        origin = self._model.origin
        made = type(origin)(**{**vars(origin), "k": k, "m": m})
        nothing = Table(self._columns, np.zeros((len(self._columns), 0)))
        labels = pd.Index([column.name for column in self._columns])
        events = [Event(**event) for event in self.card["events"]]
        where = np.zeros((len(self._columns), 0), bool)
        return Sets(nothing, sets, made, self._model.spec, pd.RangeIndex(0), labels, events, where, None)

    def save(self, path: Path | str) -> None:
        """Write the fitted synthesiser to one file of arrays and JSON; `load_synthesizer` reads it.

        The file holds values of real people, and of linear methods for two levels the sums of each cluster. Raises
        MiceSimError before `fit`.
        """
        if self._model is None:
            raise MiceSimError("The synthesiser has learned nothing yet; call fit(data) first.")
        saved.save(path, self._model, self._columns, self.card)

    def _given(self, given: pd.DataFrame | None, kept: dict[int, str]) -> dict[int, np.ndarray]:
        if not kept:
            return {}
        if given is None or any(name not in given.columns for name in kept.values()):
            names = ", ".join(kept.values())
            raise MiceSimError(f"The columns {names} were not synthesised; pass them with given=frame.")
        values = {}
        for j, name in kept.items():
            column = self._columns[j]
            series = given[name].astype(column.dtype) if column.is_factor else given[name]
            values[j] = Table.from_pandas(series.to_frame()).values[0]
            if np.isnan(values[j]).any():
                raise MiceSimError(f"The given column '{name}' has missing values or unknown levels; fill them.")
        return values


def load_synthesizer(path: Path | str) -> Synthesizer:
    """Read a synthesiser that `Synthesizer.save` wrote; nothing in the file is run as code.

    path : of the file. Raises MiceSimError for one that is none, is damaged, or was written by a newer version.
    """
    model, columns, card = saved.load(path)
    synthesizer = Synthesizer(m=model.spec.m)
    synthesizer._model, synthesizer._columns, synthesizer.card = model, columns, card
    return synthesizer


def _trial(streams: Streams) -> Streams:
    return lambda i, name, k: streams(i, f"trial {name}", k)


def _version() -> str:
    try:
        return version("mice_sim")
    except PackageNotFoundError:
        return "unknown"
