"""From a specification to sets: one front for imputation, linked and sequential synthesis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mice_sim.data import Table
from mice_sim.errors import MiceSimError
from mice_sim.origin import Origin
from mice_sim.synthesis import chained, sequential, twins
from mice_sim.synthesis.chained import ChainStatistics
from mice_sim.synthesis.events import Event, EventLog
from mice_sim.synthesis.fitting import Streams
from mice_sim.synthesis.joint import run as joint
from mice_sim.synthesis.joint.posterior import Posterior
from mice_sim.synthesis.sequential import FittedSequence
from mice_sim.synthesis.spec import Specification

Tick = Callable[[], None]
# Values (k,) of the columns that are not drawn, by column number.
Given = Mapping[int, np.ndarray]


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

    @property
    def kept(self) -> list[int]:
        """Numbers of the columns that are neither drawn nor computed nor strata, but given."""
        return [j for j in self.parts[0][0].sequence.kept if j not in self.spec.strata]


def run(
    table: Table,
    spec: Specification,
    streams: Streams,
    log: EventLog,
    chain: ChainStatistics | None = None,
    tick: Tick = lambda: None,
    posterior: list[Posterior] | None = None,
) -> np.ndarray:
    """Return the sets as float64 (sets, columns, rows); two-step sets are ordered by imputation.

    posterior : takes what the chains of a joint model say.
    """
    if spec.joint is not None:
        return _run_joint(table, spec, streams, log, tick, posterior)
    if spec.mode == "sequential":
        model, given = fit(table, spec, streams, log, chain, tick)
        return generate(model, spec.m, spec.k or table.n_rows, streams, given, tick)
    if not _two_step(table, spec):
        return chained.run(twins.fill(table, spec.derived), spec, streams, log, chain, tick)
    once = replace(spec, m=spec.r, where=spec.replaced(~np.isnan(twins.fill(table, spec.derived).values)))
    return np.concatenate(
        [
            chained.run(completed, once, _after(streams, i * spec.r), log, tick=tick)
            for i, completed in enumerate(_tables(table, spec, streams, log, chain, tick))
        ]
    )


def _run_joint(table: Table, spec: Specification, streams: Streams, log: EventLog, tick: Tick, posterior) -> np.ndarray:
    if not _two_step(table, spec):
        return joint.run(table, spec, streams, log, posterior, tick)
    once = replace(spec, m=spec.r)
    completed = _tables(table, spec, streams, log, None, tick)
    parts = [
        joint.run(part, once, _after(streams, i * spec.r), log, posterior, tick) for i, part in enumerate(completed)
    ]
    return np.concatenate(parts)


def _two_step(table: Table, spec: Specification) -> bool:
    return spec.imputation is not None and bool(np.isnan(table.values).any())


def _tables(table: Table, spec: Specification, streams: Streams, log: EventLog, chain, tick: Tick) -> list[Table]:
    """Return what is synthesised: the imputations of a two-step synthesis, or the table itself."""
    if not _two_step(table, spec):
        return [table]
    assert spec.imputation is not None
    own = lambda i, name, k: streams(i, f"imputation of {name}", k)  # noqa: E731
    if spec.imputation.joint is not None:
        completed = joint.run(table, spec.imputation, own, log)
    else:
        completed = chained.run(twins.fill(table, spec.derived), spec.imputation, own, log, chain, tick)
    return [Table(table.columns, values) for values in completed]


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
) -> tuple[Model, list[Given]]:
    """Fit a sequential synthesis to the real data, or to each of its imputations.

    Returns the model and, for each of its parts, the values of the columns that are not drawn. Raises MiceSimError for
    the joint model.
    """
    if spec.joint is not None:
        raise MiceSimError("The joint model has no fit to keep yet; use synthesize, or a method of columns.")
    origin = spec.origin(table)
    tables = _tables(table, spec, streams, log, chain, tick)
    if origin.missing == "two-step":
        once = replace(spec, m=spec.r)
        parts = [_fit_strata(part, once, _after(streams, i * spec.r), log) for i, part in enumerate(tables)]
    else:
        parts = [_fit_strata(table, spec, streams, log)]
    model = Model(spec, origin, tuple(parts))
    return model, [{j: part.values[j] for j in model.kept} for part in tables]


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
        own = replace(spec, where="all")  # strata are synthesised whole
        if spec.ignore is not None:
            own = replace(own, ignore=spec.ignore[rows])
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
    model: Model, m: int, k: int, streams: Streams, given: Sequence[Given], tick: Tick = lambda: None
) -> np.ndarray:
    """Return m (two-step: m times r) sets of k records as float64 (sets, columns, k).

    given : values of the columns that are not drawn, for each part of the model. Raises MiceSimError where the model
    has fewer fits.
    """
    most = _most_sets(model)
    if m > most:
        raise MiceSimError(
            f"The synthesiser was fitted for {most} sets, as its fits differ from set to set; ask for {most} or fewer."
        )
    if model.origin.missing == "two-step":
        r = model.spec.r
        jobs = [(i, s, _after(streams, i * r)) for i in range(m) for s in range(r)]
    else:
        jobs = [(0, i, streams) for i in range(m)]
    first = model.parts[0][0].sequence
    sets = np.zeros((len(jobs), len(first.table.columns) - len(first.splits), k))
    for result, (part, number, own) in zip(sets, jobs, strict=True):
        _one_set(model.parts[part], number, own, given[part], result)
        tick()
    return sets


def _most_sets(model: Model) -> float:
    """Return for how many sets there are fits."""
    if model.origin.missing == "two-step":
        return len(model.parts)
    fits = [len(step.fits) for stratum in model.parts[0] for step in stratum.sequence.steps]
    several = [number for number in fits if number > 1]
    return min(several, default=np.inf) if model.spec.m > 1 else np.inf


def _one_set(strata: tuple[Stratum, ...], number: int, streams: Streams, given: Given, result: np.ndarray) -> None:
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
