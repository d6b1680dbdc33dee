"""`Synthesis`: the m sets that the engine returns, as frames, fits and events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mice_sim.data import Table
from mice_sim.errors import MiceSimError
from mice_sim.synthesis.events import Event
from mice_sim.synthesis.spec import Specification


@dataclass(frozen=True)
class Synthesis:
    """m synthetic data sets.

    Attributes
    ----------
    original : the table they were drawn from. sets : float64 (m, columns, n).
    spec : the specification. index, labels : the original frame's row and column labels. log : the events.
    """

    original: Table
    sets: np.ndarray
    spec: Specification
    index: pd.Index
    labels: pd.Index
    log: Iterable[Event]

    mode = "linked"

    @property
    def m(self) -> int:
        return self.sets.shape[0]

    def completed(self, number: int | None = None) -> pd.DataFrame | list[pd.DataFrame]:
        """Return set `number` (1..m) as a frame, or the list of all."""
        if number is None:
            return [self._frame(i) for i in range(self.m)]
        if not 1 <= number <= self.m:
            raise MiceSimError(f"There is no set {number}; sets are numbered 1 to {self.m}.")
        return self._frame(number - 1)

    def long(self) -> pd.DataFrame:
        """Return all sets stacked, with `.imp` (1..m) and `.id` (row number from 1) in front."""
        frames = [self._frame(i) for i in range(self.m)]
        for i, frame in enumerate(frames):
            frame.insert(0, ".imp", i + 1)
            frame.insert(1, ".id", np.arange(1, len(frame) + 1))
        return pd.concat(frames, ignore_index=True)

    @property
    def events(self) -> pd.DataFrame:
        """Every automatic decision: variable, what, why, set, iteration."""
        columns = ["variable", "what", "why", "set", "iteration"]
        return pd.DataFrame([vars(event) for event in self.log], columns=columns)

    def _frame(self, i: int) -> pd.DataFrame:
        frame = Table(self.original.columns, self.sets[i]).to_pandas().set_index(self.index)
        return frame.set_axis(self.labels, axis=1)

    def __repr__(self) -> str:
        rows, columns = self.sets.shape[2], self.sets.shape[1]
        return f"<Synthesis: m = {self.m}, {rows} × {columns}, {self.mode}, rule {self.spec.rule}>"
