"""Sequential synthesis: new records, column by column, each drawn given the synthetic columns before it.

Models learn from the real data and draw with synthetic predictors (Raghunathan, Reiter & Rubin 2003; Nowok, Raab &
Dibben 2016), so that no synthetic record belongs to a real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mice_sim.data import Table
from mice_sim.errors import MiceSimError
from mice_sim.synthesis import fitting
from mice_sim.synthesis.constraints import constrain, overrule, ruled
from mice_sim.synthesis.events import Event, EventLog
from mice_sim.synthesis.fitting import Streams, fit_method, log_notes, released
from mice_sim.synthesis.methods import Fitted, Predictors, Target
from mice_sim.synthesis.recoding import Split, split
from mice_sim.synthesis.spec import Specification
from mice_sim.synthesis.state import WorkingState


@dataclass(frozen=True)
class Step:
    """One column of a sequence: the design columns that predict it, and its fits.

    fits : one that serves every set, or one for each. observed : the real values, where a smoother needs them.
    """

    column: int
    keep: np.ndarray
    fits: tuple[Fitted, ...]
    observed: np.ndarray


@dataclass(frozen=True)
class FittedSequence:
    """Everything that is needed to generate records without the real data.

    table : a table without rows, for its columns (indicators of `splits` behind the others). kept : numbers of the
    columns that are not drawn but given. n : rows of the real data.
    """

    table: Table
    spec: Specification
    splits: Mapping[int, Split]
    steps: tuple[Step, ...]
    kept: tuple[int, ...]
    n: int


def fit(table: Table, spec: Specification, streams: Streams, log: EventLog) -> FittedSequence:
    """Fit every column's method on the real data, given the columns before it.

    A method that uses random numbers in its fit, or that is bootstrapped for proper draws, is fitted m times.
    """
    replaced: np.ndarray = np.any(spec.replaced(~np.isnan(table.values)), axis=1)
    replaced[list(spec.strata)] = False
    kept = tuple(int(j) for j in np.flatnonzero(~replaced) if j not in spec.derived)
    holes = [table.names[j] for j in kept if np.isnan(table.values[j]).any()]
    if holes:
        raise MiceSimError(f"Column '{holes[0]}' is kept but has missing values; fill them or synthesise it too.")
    drawn = replaced.copy()
    drawn[list(spec.derived)] = False
    wide, wide_spec, splits = split(table, spec, drawn)
    steps = _Fitter(table, wide, wide_spec, splits, kept, streams, log).run()
    empty = Table(wide.columns, np.zeros((len(wide.columns), 0)))
    return FittedSequence(empty, wide_spec, splits, steps, kept, table.n_rows)


class _Fitter:
    def __init__(self, table, wide, spec: Specification, splits, kept, streams: Streams, log: EventLog):
        self.table, self.wide, self.spec, self.splits = table, wide, spec, splits
        self.streams, self.log = streams, log
        self.state = WorkingState(wide, spec.design, copy=False)  # nothing is written to it
        self.earlier = np.zeros(len(wide.columns), bool)
        self.earlier[list(kept)] = True
        self.kept = kept
        self.steps: list[Step] = []

    def run(self) -> tuple[Step, ...]:
        everyone = np.ones(self.table.n_rows, bool) if self.spec.ignore is None else ~self.spec.ignore
        by_name = dict(zip(self.table.names, self.table.values, strict=True))
        for j in self.spec.visit_sequence:
            if j in self.kept:
                continue
            if j in self.spec.derived:
                self._note_derived(j)
                continue
            decided = ruled(self.spec, j, by_name)
            learned = everyone if decided is None or not (everyone & ~decided).any() else everyone & ~decided
            if j in self.splits:
                indicator = self.splits[j].indicator
                self._fit(indicator, learned)
                self.earlier[indicator] = True
                learned = learned & (self.wide.values[indicator] == 0)
            if learned.any():
                self._fit(j, learned)
            self.earlier[j] = True
        return tuple(self.steps)

    def _note_derived(self, j: int) -> None:
        # A column that is not there for everyone can't predict; its parents do.
        self.earlier[j] = self._is_whole(j)
        if not self.earlier[j] and not np.isnan(self.table.values[j]).all():
            self.log.add(Event(self.table.names[j], "predicts no other column", "derived, with missing values"))

    def _is_whole(self, j: int) -> bool:
        """Return whether a column has no missing values, in the data or derived from its parents'."""
        derivation = self.spec.derived.get(j)
        parents = derivation.parents if derivation else ()
        return not np.isnan(self.table.values[j]).any() and all(self._is_whole(self.table.index(p)) for p in parents)

    def _fit(self, j: int, learned: np.ndarray) -> None:
        spec, name = self.spec, self.wide.names[j]
        keep = spec.design.mask((spec.codes[j] > 0) & self.earlier)
        formula = spec.formulas.get(j)
        late = [self.table.names[c] for c in (formula.right if formula else ()) if not self.earlier[c]]
        if late:
            raise MiceSimError(f"The formula of '{name}' uses '{late[0]}', which is visited later; visit it first.")
        rows = np.flatnonzero(learned).astype(np.uint32)
        y = Target(self.wide.columns[j], self.wide.values[j], rows)
        method = spec.methods[j]
        if method.two_level and not self.earlier[spec.cluster]:
            cluster = self.table.names[spec.cluster]
            raise MiceSimError(f"The clusters of '{name}', '{cluster}', are visited later; visit '{cluster}' first.")
        X = Predictors(self.state, keep, rows, np.zeros_like(keep), formula, spec.codes[j], spec.cluster)
        bootstrap = spec.proper and not method.proper
        fits = []
        for i in range(1 if method.deterministic and not bootstrap else spec.m):
            fits.append(fit_method(method, y, X, self.streams(i + 1, name, 0), bootstrap))
            log_notes(self.log, fits[-1], name, i + 1, 1)
        observed = y.observed if j in spec.smoothing else np.zeros(0)
        self.steps.append(Step(j, keep, tuple(released(f) for f in fits), observed))


def generate(
    fitted: FittedSequence, number: int, streams: Streams, given: Mapping[int, np.ndarray], result: np.ndarray
) -> None:
    """Draw set `number` (0, 1, …) into `result`, float64 (columns, k).

    given : values (k,) of the columns that are not drawn.
    """
    spec, splits = fitted.spec, fitted.splits
    names, k = fitted.table.names, result.shape[1]
    p = len(names) - len(splits)
    # What predictors see and what the set holds differ only where a column was split.
    seen = np.zeros((len(names), k)) if splits else result
    state = WorkingState(Table(fitted.table.columns, seen), spec.design, copy=False)
    rows = np.arange(k, dtype=np.uint32)
    steps = {step.column: step for step in fitted.steps}
    by_name = dict(zip(names, result, strict=False))
    # Clusters of which nothing real is kept are new ones.
    is_new = set(fitted.kept) <= {spec.cluster}

    def draw(j: int) -> np.ndarray:
        step = steps[j]
        X = Predictors(
            state, step.keep, rows, np.zeros_like(step.keep), spec.formulas.get(j), spec.codes[j], spec.cluster, is_new
        )
        rng = streams(number + 1, names[j], 1)
        drawn = fitting.draw(step.fits[number % len(step.fits)], X, rng, names[j], spec.methods[j])
        return drawn if j >= p else constrain(spec, j, drawn, rows, by_name, step.observed, rng)

    for j in fitted.kept:
        result[j] = given[j]
        state.write(j, rows, given[j])
    for j in spec.visit_sequence:
        if j in fitted.kept:
            continue
        if j in spec.derived:
            derivation = spec.derived[j]
            result[j] = derivation.evaluate({name: by_name[name] for name in derivation.parents})
            state.write(j, rows, result[j])
            continue
        if j in splits:
            part = splits[j]
            decided = ruled(spec, j, by_name)
            kind = draw(part.indicator) if decided is None else np.where(decided, 0, draw(part.indicator))
            state.write(part.indicator, rows, kind)
        # A column without a value to learn from has those that rules give it.
        values = draw(j) if j in steps else overrule(spec, j, np.full(k, np.nan), rows, by_name)
        result[j] = values
        if j in splits:
            result[j] = np.array([np.nan, *part.codes])[kind.astype(int)]
            result[j, kind == 0] = values[kind == 0]
            values = np.where(kind == 0, values, part.fill)
        state.write(j, rows, values)
