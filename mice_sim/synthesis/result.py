"""`Synthesis`: the sets that the engine returns, as frames, summaries and events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import overload

import numpy as np
import pandas as pd

from mice_sim.data import Table
from mice_sim.errors import MiceSimError
from mice_sim.origin import Origin
from mice_sim.synthesis import methods
from mice_sim.synthesis.chained import ChainStatistics
from mice_sim.synthesis.events import Event
from mice_sim.synthesis.joint.posterior import Posterior
from mice_sim.synthesis.spec import Specification


@dataclass(frozen=True, repr=False, eq=False)
class Synthesis:
    """Imputed or synthetic data sets.

    Attributes
    ----------
    original : the table they were made from. sets : float64 (sets, columns, rows). origin : how they were made.
    spec : the specification. index, labels : the original frame's row and column labels. log : the events.
    where : bool (columns, n), the cells of `original` that were replaced; all False in a sequential synthesis, whose
        rows are not those of `original`. chain : means and standard deviations along the chains, if there are any.
    sampler : what the chains of a joint model say of its parameters, in two-step data of the first imputation's; None
        for other methods.
    """

    original: Table
    sets: np.ndarray
    origin: Origin
    spec: Specification
    index: pd.Index
    labels: pd.Index
    log: Iterable[Event]
    where: np.ndarray
    chain: ChainStatistics | None
    sampler: Posterior | None = None

    @property
    def mode(self) -> str:
        return self.origin.mode

    @property
    def m(self) -> int:
        """The number of sets (in two-step data m times r)."""
        return len(self.sets)

    @overload
    def completed(self, number: int) -> pd.DataFrame: ...

    @overload
    def completed(self, number: None = None) -> list[pd.DataFrame]: ...

    def completed(self, number: int | None = None) -> pd.DataFrame | list[pd.DataFrame]:
        """Return set `number` (1..m) as a frame, or the list of all."""
        if number is None:
            return [self._frame(i) for i in range(self.m)]
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or not 1 <= number <= self.m:
            raise MiceSimError(f"There is no set {number}; sets are numbered 1 to {self.m}.")
        return self._frame(int(number) - 1)

    def long(self, original: bool = False) -> pd.DataFrame:
        """Return all sets stacked, with `.imp` (1..m) and `.id` (row number from 1) in front.

        original : put the data they were made from on top, as `.imp` 0; rows of a sequential synthesis don't
            correspond to its rows. Raises MiceSimError if the data has columns of these names.
        """
        for name in (".imp", ".id"):
            if name in self.labels:
                raise MiceSimError(f"The data has a column '{name}', which the long format needs; rename it.")
        frames = [self._frame(i) for i in range(self.m)]
        if original:
            frames.insert(0, self.original.to_pandas().set_axis(self.labels, axis=1))
        for i, frame in enumerate(frames):
            frame.insert(0, ".imp", i + (not original))
            frame.insert(1, ".id", np.arange(1, len(frame) + 1))
        return pd.concat(frames, ignore_index=True)

    @property
    def events(self) -> pd.DataFrame:
        """Every automatic decision: variable, what, why, set, iteration."""
        columns = ["variable", "what", "why", "set", "iteration"]
        return pd.DataFrame([vars(event) for event in self.log], columns=columns)

    def summary(self) -> pd.DataFrame:
        """Return what was done to each column: kind, method, predictors, cells drawn in a set, decisions."""
        spec, columns = self.spec, self.original.columns
        decisions = self.events.groupby("variable")["what"].agg(lambda what: "; ".join(dict.fromkeys(what)))
        sequential = self.mode == "sequential"
        rows = []
        for j, column in enumerate(columns):
            drawn = int(self.sets.shape[2] if sequential else self.where[j].sum())
            if j in spec.derived:
                method, predictors = "derived", spec.derived[j].text
            elif j in spec.methods and drawn:
                method = methods.name_of(spec.methods[j])
                predictors = ", ".join(columns[p].name for p in self._predictors(j)) or "none"
            else:
                method, predictors, drawn = "kept", "", 0
            rows.append((column.name, column.kind, method, predictors, drawn, decisions.get(column.name, "")))
        names = ["column", "kind", "method", "predictors", "drawn", "decisions"]
        return pd.DataFrame(rows, columns=names).set_index("column")

    def _predictors(self, j: int) -> list[int]:
        spec = self.spec
        chosen = [int(p) for p in np.flatnonzero(spec.codes[j])]
        if spec.methods[j].two_level and spec.cluster is not None:
            chosen.append(spec.cluster)
        if self.mode != "sequential":
            return chosen
        visited = spec.visit_sequence[: spec.visit_sequence.index(j)]
        return [p for p in chosen if p in visited or (p not in spec.methods and p not in spec.derived)]

    def _frame(self, i: int) -> pd.DataFrame:
        frame = Table(self.original.columns, self.sets[i]).to_pandas()
        if self.sets.shape[2] == len(self.index) and self.mode != "sequential":
            frame = frame.set_index(self.index)
        return frame.set_axis(self.labels, axis=1)

    def __repr__(self) -> str:
        rows, columns = self.sets.shape[2], self.sets.shape[1]
        size = f"m = {self.m}, {rows} × {columns}"
        if self.mode == "impute":
            return f"<Imputation: {size}>"
        return f"<Synthesis: {size}, {self.mode}, missing values {self.origin.missing}>"
