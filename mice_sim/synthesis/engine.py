"""The chained loop in linked mode: mice's over-imputation of any cells (van Buuren & Groothuis-Oudshoorn 2011)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mice_sim.data import Table
from mice_sim.errors import MiceSimError
from mice_sim.synthesis.events import Event, EventLog
from mice_sim.synthesis.filter import filter_predictors
from mice_sim.synthesis.methods import Fitted, Predictors, Target
from mice_sim.synthesis.spec import Specification
from mice_sim.synthesis.state import WorkingState

# (set, column, iteration) -> the random stream of that draw; iteration 0 initialises.
Streams = Callable[[int, str, int], np.random.Generator]


def run(table: Table, spec: Specification, streams: Streams, log: EventLog) -> np.ndarray:
    """Return the m completed tables as float64 (m, columns, n).

    Every cell that `spec` marks is drawn (or computed, for derived columns); all others keep their
    values. Synthetic record i stays linked to record i: its predictors are the original values in all
    observed cells, except as the rule "mice-3.13" says.
    """
    return _Chain(table, spec, streams, log).run()


@dataclass(frozen=True)
class _Fit:
    """A column's last fit, with the versions of the columns and the predictors that it saw."""

    version: np.ndarray
    keep: np.ndarray
    fitted: Fitted


class _Chain:
    def __init__(self, table: Table, spec: Specification, streams: Streams, log: EventLog):
        self.table, self.spec, self.streams, self.log = table, spec, streams, log
        self.design = spec.design
        self.state = WorkingState(table, self.design)
        observed = self.state.observed
        replaced = spec.replaced(observed)
        # Row numbers by column: where a value is wanted, where predictors see it, where models learn.
        self.wanted = [np.flatnonzero(cells).astype(np.uint32) for cells in replaced]
        self.shown = [np.flatnonzero(cells) for cells in replaced & ~observed]
        self.fit_rows = [np.flatnonzero(cells).astype(np.uint32) for cells in observed]
        self.masks = [self.design.mask(row) for row in spec.predictors]
        self.uses = [np.flatnonzero(row | (np.arange(row.size) == j)) for j, row in enumerate(spec.predictors)]
        self.sets = np.repeat(table.values[None], spec.m, axis=0)
        # Under mice-3.13 the derived columns, and they alone, change from set to set.
        volatile = np.zeros(len(table.columns), bool)
        volatile[list(spec.derived)] = spec.rule == "mice-3.13"
        self.constant = ~volatile
        self.volatile = self.design.mask(volatile)
        self.fits: dict[int, _Fit] = {}

    def run(self) -> np.ndarray:
        self._check_unfilled()
        self._initialise()
        for iteration in range(1, self.spec.maxit + 1):
            for i in range(self.spec.m):
                for j, rows in enumerate(self.shown):
                    if rows.size:
                        self.state.write(j, rows, self.sets[i, j, rows])
                for j in self.spec.visit_sequence:
                    if self.wanted[j].size:
                        self._visit(iteration, i, j)
        return self.sets

    def _check_unfilled(self) -> None:
        # Predictors must be complete: a missing cell outside `where` would stay missing for ever.
        for j, column in enumerate(self.table.columns):
            if self.shown[j].size + self.fit_rows[j].size < self.table.n_rows:
                raise MiceSimError(
                    f"Column '{column.name}' has missing cells that `where` leaves out, so it can't predict; "
                    "mark them in `where` or drop the rows."
                )

    def _initialise(self) -> None:
        """Start the missing cells at random draws from the observed ones."""
        for j, rows in enumerate(self.shown):
            for i in range(self.spec.m if rows.size else 0):
                pool = self.table.values[j, self.fit_rows[j]]
                rng = self.streams(i + 1, self.table.columns[j].name, 0)
                self.sets[i, j, rows] = pool[rng.integers(pool.size, size=rows.size)]

    def _visit(self, iteration: int, i: int, j: int) -> None:
        rows = self.wanted[j]
        if j in self.spec.derived:
            drawn = self._derive(i, j)[rows]
            # What predictors see of a derived column is all that the two rules differ in.
            seen = rows if self.spec.rule == "mice-3.13" else self.shown[j]
        else:
            rng = self.streams(i + 1, self.table.columns[j].name, iteration)
            fitted, keep = self._fit(iteration, i, j, rng)
            drawn = fitted.draw(Predictors(self.state, keep, rows, self.volatile), rng)
            seen = self.shown[j]
        self.sets[i, j, rows] = drawn
        if seen.size:
            self.state.write(j, seen, self.sets[i, j, seen])

    def _derive(self, i: int, j: int) -> np.ndarray:
        expression = self.spec.derived[j]
        return expression.evaluate({p: self.sets[i, self.table.index(p)] for p in expression.parents})

    def _fit(self, iteration: int, i: int, j: int, rng: np.random.Generator) -> tuple[Fitted, np.ndarray]:
        """Fit column j's method, or take the last fit if nothing that it saw has changed; return it and its columns."""
        method = self.spec.methods[j]
        used = self.uses[j]
        version = self.state.version[used]
        last = self.fits.get(j) if method.deterministic else None
        if last and (version == last.version).all():
            return last.fitted, last.keep
        column, rows = self.table.columns[j], self.fit_rows[j]
        keep = self.masks[j]
        if method.uses_predictors and keep.any():
            keep = filter_predictors(self.state, j, keep, rows)
            self._report_dropped(iteration, i, j, keep)
        target = Target(column, self.table.values[j], rows)
        predictors = Predictors(self.state, keep, rows, self.volatile)
        alike = last and (keep == last.keep).all() and (version == last.version)[self.constant[used]].all()
        memory = {"previous": last.fitted} if last and alike and method.remembers else {}
        fitted = method.fit(target, predictors, rng, **memory)
        self.fits[j] = _Fit(version, keep, fitted)
        return fitted, keep

    def _report_dropped(self, iteration: int, i: int, j: int, keep: np.ndarray) -> None:
        gone = self.masks[j] & ~keep
        if not gone.any():
            return
        dropped = ", ".join(self.design.names[d] for d in np.flatnonzero(gone))
        why = "constant or near-dependent predictors, as in mice"
        self.log.add(Event(self.table.columns[j].name, f"dropped {dropped}", why, i + 1, iteration))
