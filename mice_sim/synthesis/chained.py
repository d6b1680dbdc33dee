"""The chained loop of imputation and linked synthesis (van Buuren & Groothuis-Oudshoorn 2011)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from mice_sim.data import Table
from mice_sim.errors import MiceSimError
from mice_sim.synthesis.constraints import constrain, ruled
from mice_sim.synthesis.events import Event, EventLog
from mice_sim.synthesis.filter import filter_predictors
from mice_sim.synthesis.fitting import Streams, draw, fit_method, log_notes
from mice_sim.synthesis.methods import Fitted, Predictors, Target
from mice_sim.synthesis.spec import Specification
from mice_sim.synthesis.state import WorkingState


@dataclass(frozen=True)
class ChainStatistics:
    """Mean and standard deviation of what was drawn: float64 (columns, iterations, sets), NaN where nothing was.

    A factor counts by level number 1..K.
    """

    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def blank(cls, columns: int, iterations: int, sets: int) -> ChainStatistics:
        return cls(*(np.full((columns, iterations, sets), np.nan) for _ in range(2)))


def run(
    table: Table,
    spec: Specification,
    streams: Streams,
    log: EventLog,
    chain: ChainStatistics | None = None,
    tick: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Return the m completed tables as float64 (m, columns, n).

    Every cell that `spec` marks is drawn (or computed, for derived columns); all others keep their
    values. Record i stays linked to record i: its predictors are the original values in all
    observed cells, except as the rule "mice-3.13" says. `chain` is filled on the way; `tick` is called after every
    iteration of every set.
    """
    return _Chain(table, spec, streams, log, chain, tick).run()


@dataclass(frozen=True)
class _Fit:
    """A column's last fit, with the versions of the columns and the predictors that it saw."""

    version: np.ndarray
    keep: np.ndarray
    fitted: Fitted


class _Chain:
    def __init__(
        self, table: Table, spec: Specification, streams: Streams, log: EventLog, chain: ChainStatistics | None,
        tick: Callable[[], None],
    ):  # fmt: skip
        self.table, self.spec, self.streams, self.log, self.chain, self.tick = table, spec, streams, log, chain, tick
        self.design = spec.design
        self.state = WorkingState(table, self.design)
        observed = self.state.observed
        replaced = spec.replaced(observed)
        # Row numbers by column: where a value is wanted, where predictors see it, where models learn.
        self.wanted = [np.flatnonzero(cells).astype(np.uint32) for cells in replaced]
        self.shown = [np.flatnonzero(cells) for cells in replaced & ~observed]
        taken = np.ones(table.n_rows, bool) if spec.ignore is None else ~spec.ignore
        self.fit_rows = [np.flatnonzero(cells).astype(np.uint32) for cells in observed & taken]
        self.missing = [np.flatnonzero(cells).astype(np.uint32) for cells in ~observed & taken]
        self.masks = [self.design.mask(row > 0) for row in spec.codes]
        self.uses = [np.unique([j, *self._predictors(j)]) for j in range(len(table.columns))]
        self.sets = np.repeat(table.values[None], spec.m, axis=0)
        # Under mice-3.13 the derived columns, and they alone, change from set to set.
        volatile = np.zeros(len(table.columns), bool)
        volatile[list(spec.derived)] = spec.rule == "mice-3.13"
        self.constant = ~volatile
        self.volatile = self.design.mask(volatile)
        self.fits: dict[int, _Fit] = {}
        # By set and column: a set's fits must not hang on how many sets there are.
        self.starts: dict[tuple[int, int], Fitted] = {}
        self.is_ruled = {rule.target for rule in spec.rules}

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
                self.tick()
        return self.sets

    def _check_unfilled(self) -> None:
        for j in filter(lambda j: self.wanted[j].size, range(len(self.table.columns))):
            name = self.table.names[j]
            if not self.fit_rows[j].size and j not in self.spec.derived:
                raise MiceSimError(f"Column '{name}' has no value to learn from; give it some or drop it.")
            for p in self._sources(j):
                # A missing cell outside `where` would stay missing for ever.
                if self.shown[p].size + int(self.state.observed[p].sum()) < self.table.n_rows:
                    raise MiceSimError(
                        f"Column '{self.table.names[p]}' has missing cells that `where` leaves out, so it can't "
                        f"predict '{name}'; mark them in `where` or drop the rows."
                    )

    def _sources(self, j: int) -> list[int]:
        """Return the columns that decide on column j and must be complete."""
        if j in self.spec.derived:
            return [self.table.index(parent) for parent in self.spec.derived[j].parents]
        return self._predictors(j) if self.spec.methods[j].uses_predictors else []

    def _predictors(self, j: int) -> list[int]:
        """Return the columns that column j's model sees."""
        method = self.spec.methods.get(j)
        chosen = np.flatnonzero(self.spec.codes[j]).tolist()
        if method is None or not method.two_level or self.spec.cluster is None:
            return chosen
        return [*chosen, self.spec.cluster]

    def _initialise(self) -> None:
        """Start the missing cells at random draws from the observed ones."""
        for j, rows in enumerate(self.shown):
            if not rows.size or not self.fit_rows[j].size:
                continue
            pool = self.table.values[j, self.fit_rows[j]]
            for i in range(self.spec.m):
                rng = self.streams(i + 1, self.table.columns[j].name, 0)
                self.sets[i, j, rows] = pool[rng.integers(pool.size, size=rows.size)]
        for j in self.spec.visit_sequence:
            if j in self.spec.derived and self.shown[j].size:
                for i in range(self.spec.m):
                    self.sets[i, j, self.shown[j]] = self._derive(i, j)[self.shown[j]]

    def _visit(self, iteration: int, i: int, j: int) -> None:
        rows = self.wanted[j]
        if j in self.spec.derived:
            drawn = self._derive(i, j)[rows]
            # What predictors see of a derived column is all that the two rules differ in.
            seen = rows if self.spec.rule == "mice-3.13" else self.shown[j]
        else:
            drawn = self._draw(iteration, i, j)
            seen = self.shown[j]
        self.sets[i, j, rows] = drawn
        if seen.size:
            self.state.write(j, seen, self.sets[i, j, seen])
        if self.chain is not None:
            mean, sd = _mean_and_sd(drawn)
            self.chain.mean[j, iteration - 1, i] = mean + self.table.columns[j].is_factor
            self.chain.sd[j, iteration - 1, i] = sd

    def _draw(self, iteration: int, i: int, j: int) -> np.ndarray:
        spec, name, rows = self.spec, self.table.columns[j].name, self.wanted[j]
        rng = self.streams(i + 1, name, iteration)
        fitted, keep = self._fit(iteration, i, j, rng)
        drawn = draw(fitted, self._seen(j, keep, rows), rng, name, spec.methods[j])
        if j in self.is_ruled or j in spec.bounds or j in spec.smoothing:
            others = dict(zip(self.table.names, self.sets[i], strict=True))
            drawn = constrain(spec, j, drawn, rows, others, self.table.values[j, self.fit_rows[j]], rng)
        return drawn

    def _derive(self, i: int, j: int) -> np.ndarray:
        derivation = self.spec.derived[j]
        values = derivation.evaluate({p: self.sets[i, self.table.index(p)] for p in derivation.parents})
        return np.broadcast_to(values, self.table.n_rows)

    def _fit(self, iteration: int, i: int, j: int, rng: np.random.Generator) -> tuple[Fitted, np.ndarray]:
        """Fit column j's method, or take the last fit if nothing that it saw has changed; return it and its columns."""
        method = self.spec.methods[j]
        bootstrap = self.spec.proper and not method.proper
        used = self.uses[j]
        version = self.state.version[used]
        last = self.fits.get(j) if method.deterministic and not bootstrap and j not in self.is_ruled else None
        if last and (version == last.version).all():
            return last.fitted, last.keep
        column, rows = self.table.columns[j], self._free(j, self.fit_rows[j])
        keep = self.masks[j]
        if method.uses_predictors and keep.any() and j not in self.spec.formulas:
            keep = filter_predictors(self.state, j, keep, rows)
            self._report_dropped(iteration, i, j, keep)
        alike = (
            last
            and method.remembers
            and (keep == last.keep).all()
            and (version == last.version)[self.constant[used]].all()
        )
        target = Target(column, self.table.values[j], rows, self._free(j, self.missing[j]))
        fitted = fit_method(
            method, target, self._seen(j, keep, rows), rng, bootstrap,
            previous=last.fitted if last and alike else None, start=self.starts.get((i, j)),
        )  # fmt: skip
        if method.starts:
            self.starts[i, j] = fitted
        log_notes(self.log, fitted, column.name, i + 1, iteration)
        self.fits[j] = _Fit(version, keep, fitted)
        return fitted, keep

    def _seen(self, j: int, keep: np.ndarray, rows: np.ndarray) -> Predictors:
        spec = self.spec
        return Predictors(self.state, keep, rows, self.volatile, spec.formulas.get(j), spec.codes[j], spec.cluster)

    def _free(self, j: int, rows: np.ndarray) -> np.ndarray:
        """Return those of `rows` in which no rule decides on column j; all of them if there is no such row."""
        if j not in self.is_ruled:
            return rows
        decided = ruled(self.spec, j, dict(zip(self.table.names, self.state.values, strict=True)))
        free = rows[~decided[rows]] if decided is not None else rows
        return free if free.size else rows

    def _report_dropped(self, iteration: int, i: int, j: int, keep: np.ndarray) -> None:
        gone = self.masks[j] & ~keep
        if not gone.any():
            return
        dropped = ", ".join(self.design.names[d] for d in np.flatnonzero(gone))
        why = "constant or near-dependent predictors, as in mice"
        self.log.add(Event(self.table.columns[j].name, f"dropped {dropped}", why, i + 1, iteration))


@njit(cache=True, nogil=True)
def _mean_and_sd(values: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation, 0 for a single value; a power of two keeps sums and squares within range."""
    exponent = math.frexp(np.abs(values).max())[1]
    mean, squares = 0.0, 0.0
    for value in values:
        mean += math.ldexp(value, -exponent)
    mean /= values.size
    for value in values:
        squares += (math.ldexp(value, -exponent) - mean) ** 2
    return math.ldexp(mean, exponent), math.ldexp(math.sqrt(squares / max(values.size - 1, 1)), exponent)
