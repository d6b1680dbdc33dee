"""From a specification to sets: one front for imputation, linked and sequential synthesis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mice_sim.data import Table
from mice_sim.errors import MiceSimError
from mice_sim.origin import Origin
from mice_sim.synthesis import chained, sequential, twins
from mice_sim.synthesis.chained import ChainStatistics
from mice_sim.synthesis.events import Event, EventLog
from mice_sim.synthesis.fitting import Streams
from mice_sim.synthesis.sequential import FittedSequence
from mice_sim.synthesis.spec import Specification

Tick = Callable[[], None]


@dataclass(frozen=True)
class Stratum:
    """One combination of the strata's values, how many real rows have it, and its sequence."""

    values: tuple[float, ...]
    n: int
    sequence: FittedSequence


@dataclass(frozen=True)
class Model:
    """A fitted sequential synthesis: for each imputation (one, if none was needed) its strata (one, if none)."""

    spec: Specification
    origin: Origin
    parts: tuple[tuple[Stratum, ...], ...]


def run(
    table: Table,
    spec: Specification,
    streams: Streams,
    log: EventLog,
    chain: ChainStatistics | None = None,
    tick: Tick = lambda: None,
) -> np.ndarray:
    """Return the sets as float64 (sets, columns, rows); two-step sets are ordered by imputation."""
    if spec.mode == "sequential":
        model = fit(table, spec, streams, log, chain, tick)
        given = {j: table.values[j] for j in model.parts[0][0].sequence.kept if j not in spec.strata}
        return generate(model, spec.m, spec.k or table.n_rows, streams, given, tick)
    table = twins.fill(table, spec.derived)
    if not _two_step(table, spec):
        return chained.run(table, spec, streams, log, chain, tick)
    cells = spec.replaced(~np.isnan(table.values))
    once = replace(spec, m=spec.r, where=cells)
    return np.concatenate(
        [
            chained.run(Table(table.columns, completed), once, _after(streams, i * spec.r), log, tick=tick)
            for i, completed in enumerate(_imputations(table, spec, streams, log, chain, tick))
        ]
    )


def _two_step(table: Table, spec: Specification) -> bool:
    return spec.imputation is not None and bool(np.isnan(table.values).any())


def _imputations(table: Table, spec: Specification, streams: Streams, log: EventLog, chain, tick: Tick) -> np.ndarray:
    assert spec.imputation is not None
    return chained.run(
        table, spec.imputation, lambda i, name, k: streams(i, f"imputation of {name}", k), log, chain, tick
    )


def _after(streams: Streams, number: int) -> Streams:
    """Return streams for the sets that follow set `number`."""
    return lambda i, name, k: streams(number + i, name, k)


def fit(
    table: Table,
    spec: Specification,
    streams: Streams,
    log: EventLog,
    chain: ChainStatistics | None = None,
    tick: Tick = lambda: None,
) -> Model:
    """Fit a sequential synthesis to the real data, or to each of its imputations."""
    origin = spec.origin(table)
    if spec.missing == "two-step":
        table = twins.fill(table, spec.derived)
    if not _two_step(table, spec):
        return Model(spec, origin, (_fit_strata(table, spec, streams, log),))
    once = replace(spec, m=spec.r)
    parts = [
        _fit_strata(Table(table.columns, completed), once, _after(streams, i * spec.r), log)
        for i, completed in enumerate(_imputations(table, spec, streams, log, chain, tick))
    ]
    return Model(spec, origin, tuple(parts))


def _fit_strata(table: Table, spec: Specification, streams: Streams, log: EventLog) -> tuple[Stratum, ...]:
    if not spec.strata:
        return (Stratum((), table.n_rows, sequential.fit(table, spec, streams, log)),)
    combinations, member = np.unique(table.values[list(spec.strata)], axis=1, return_inverse=True)
    strata = []
    for number, values in enumerate(combinations.T):
        rows = np.flatnonzero(member.ravel() == number)
        if rows.size < LEAST_ROWS:
            names = ", ".join(table.names[j] for j in spec.strata)
            log.add(Event(names, f"stratum {number + 1} has {rows.size} rows", "models of so few rows are poor"))
        own = spec
        if spec.ignore is not None:
            own = replace(spec, ignore=spec.ignore[rows])
            if spec.ignore[rows].all():
                raise MiceSimError(f"ignore leaves no row of stratum {number + 1} to learn from; mark some rows False.")
        sequence = sequential.fit(table.take(rows), own, _within(streams, number), log)
        strata.append(Stratum(tuple(map(float, values)), rows.size, sequence))
    return tuple(strata)


# A stratum with fewer rows is reported.
LEAST_ROWS = 30


def _within(streams: Streams, stratum: int) -> Streams:
    return lambda i, name, k: streams(i, f"stratum {stratum} {name}", k)


def generate(
    model: Model, m: int, k: int, streams: Streams, given: Mapping[int, np.ndarray], tick: Tick = lambda: None
) -> np.ndarray:
    """Return m (two-step: m times r) sets of k records as float64 (sets, columns, k).

    given : values (k,) of the columns that are not drawn. Raises MiceSimError where the model has fewer fits.
    """
    most = _most_sets(model)
    if m > most:
        raise MiceSimError(
            f"The synthesiser was fitted for {most} sets, as its fits differ from set to set; ask for {most} or fewer."
        )
    if model.origin.missing == "two-step":
        r = model.spec.r
        jobs = [(strata, s, _after(streams, i * r)) for i, strata in enumerate(model.parts[:m]) for s in range(r)]
    else:
        jobs = [(model.parts[0], i, streams) for i in range(m)]
    first = model.parts[0][0].sequence
    sets = np.zeros((len(jobs), len(first.table.columns) - len(first.splits), k))
    for result, (strata, number, own) in zip(sets, jobs, strict=True):
        _one_set(strata, number, own, given, result)
        tick()
    return sets


def _most_sets(model: Model) -> float:
    """Return for how many sets there are fits."""
    if model.origin.missing == "two-step":
        return len(model.parts)
    fits = [len(step.fits) for stratum in model.parts[0] for step in stratum.sequence.steps]
    several = [number for number in fits if number > 1]
    return min(several, default=np.inf) if model.spec.m > 1 else np.inf


def _one_set(
    strata: tuple[Stratum, ...], number: int, streams: Streams, given: Mapping[int, np.ndarray], result: np.ndarray
) -> None:
    spec = strata[0].sequence.spec
    if not spec.strata:
        sequential.generate(strata[0].sequence, number, streams, given, result)
        return
    start = 0
    for position, (stratum, rows) in enumerate(
        zip(strata, shares([s.n for s in strata], result.shape[1]), strict=True)
    ):
        fixed = {j: np.full(rows, value) for j, value in zip(spec.strata, stratum.values, strict=True)}
        part = np.zeros((result.shape[0], rows))
        sequential.generate(stratum.sequence, number, _within(streams, position), fixed, part)
        result[:, start : start + rows] = part
        start += rows


def shares(sizes: list[int], k: int) -> list[int]:
    """Divide k rows in proportion to `sizes`, by largest remainders."""
    exact = np.array(sizes) * (k / sum(sizes))
    rows = np.floor(exact + 1e-9).astype(int)
    short = k - int(rows.sum())
    rows[np.argsort(-(exact - rows), kind="stable")[:short]] += 1
    return rows.tolist()
