"""Imputation and synthesis by the joint model: chains, then sets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mice_sim.data import Table
from mice_sim.errors import MiceSimError
from mice_sim.synthesis import twins
from mice_sim.synthesis.constraints import constrain
from mice_sim.synthesis.events import Event, EventLog
from mice_sim.synthesis.fitting import Streams
from mice_sim.synthesis.joint.chains import Columns, Plain
from mice_sim.synthesis.joint.compatible import Compatible
from mice_sim.synthesis.joint.model import JointModel
from mice_sim.synthesis.joint.options import NAME
from mice_sim.synthesis.joint.posterior import Posterior
from mice_sim.synthesis.spec import Specification

# Draws of a chain that are kept to look at.
MOST_DRAWS = 1000


def run(
    table: Table,
    spec: Specification,
    streams: Streams,
    log: EventLog,
    posterior: list[Posterior] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Return the sets as float64 (m, columns, rows), and add what the chains say to `posterior`.

    Set i comes from chain i modulo the number of chains, so more sets change no other set. A chain draws from the
    stream (its number, "joint", 0), set i from (i, "joint", 1). `tick` is called after each set.
    """
    assert spec.joint is not None
    options = spec.joint
    table = twins.fill(table, spec.derived)
    model = JointModel.of(table, spec)
    sampler = Plain(model) if model.response is None else Compatible(model)
    n_chains = min(options.chains, spec.m)
    rows: list[np.ndarray] = [np.zeros(0)] * spec.m
    completed: list[Columns] = [{}] * spec.m
    traces = []
    for c in range(n_chains):
        chain = sampler.start(streams(c + 1, NAME, 0))
        chain.run(options.burn_in, adapting=True)
        parts = []
        for i in range(c, n_chains * -(-spec.m // n_chains), n_chains):
            parts.append(chain.run(options.between))
            if i < spec.m:
                rows[i] = parts[-1][-1]
                completed[i] = chain.completed() if spec.mode == "impute" else {}
        traces.append(np.concatenate(parts))
    draws = np.stack(traces, axis=1)
    _look(sampler, draws, log, posterior)
    mean = draws.mean(axis=(0, 1))
    sets = np.empty((spec.m, len(table.columns), spec.k or table.n_rows))
    for i, result in enumerate(sets):
        rng = streams(i + 1, NAME, 1)
        if spec.mode == "impute":
            _impute(table, spec, model, completed[i], rng, result)
        else:
            columns = sampler.new(rows[i] if options.proper else mean, result.shape[1], rng)
            _synthesise(table, spec, model, columns, rng, result)
        tick()
    return sets


def _look(sampler: Plain | Compatible, draws: np.ndarray, log: EventLog, posterior: list[Posterior] | None) -> None:
    """Keep what the chains say, and log an event if they are not to be trusted; draws: (cycles, chains, parameters)."""
    options = sampler.model.options
    if not np.isfinite(draws).all():
        raise MiceSimError(
            "The chains of the joint model lead to numbers that are not finite; drop columns that follow from others, "
            "or predictors that tell a category for certain."
        )
    thin = -(-len(draws) // MOST_DRAWS)
    kept = sampler.natural(draws[thin - 1 :: thin])[..., sampler.free]
    names = tuple(name for name, free in zip(sampler.names, sampler.free, strict=True) if free)
    found = Posterior(names, kept, options.burn_in, thin)
    doubts = found.doubts()
    if doubts:
        log.add(Event("joint model", "chains may not have converged; raise burn_in and between", doubts))
    if posterior is not None:
        posterior.append(found)


def _impute(
    table: Table, spec: Specification, model: JointModel, completed: Columns, rng: np.random.Generator,
    result: np.ndarray,
) -> None:  # fmt: skip
    result[:] = table.values
    wanted = spec.replaced(~np.isnan(table.values))
    by_name = dict(zip(table.names, result, strict=True))
    for j, values in completed.items():
        rows = np.flatnonzero(wanted[j])
        if not rows.size:
            continue
        known = model.values[j]  # a column of the clusters may be known from another row
        found = np.empty(table.n_rows)
        found[model.order] = np.where(np.isnan(known), values, known)
        observed = table.values[j][~np.isnan(table.values[j])]
        result[j, rows] = constrain(spec, j, found[rows], rows, by_name, observed, rng)
    _derive(spec, by_name, table, wanted, result)


def _synthesise(
    table: Table, spec: Specification, model: JointModel, columns: Columns, rng: np.random.Generator,
    result: np.ndarray,
) -> None:  # fmt: skip
    rows = np.arange(result.shape[1], dtype=np.uint32)
    by_name = dict(zip(table.names, result, strict=True))
    for j in (*model.kept_columns, *(() if spec.cluster is None else (spec.cluster,))):
        result[j] = table.values[j]
    whole = rows.size == model.order.size
    for j, values in columns.items():
        found = np.empty(rows.size)
        found[model.order if whole else rows] = values
        observed = table.values[j][~np.isnan(table.values[j])]
        result[j] = constrain(spec, j, found, rows, by_name, observed, rng)
    _derive(spec, by_name, table, np.ones(result.shape, bool), result)


def _derive(spec: Specification, by_name: dict, table: Table, wanted: np.ndarray, result: np.ndarray) -> None:
    for j in dict.fromkeys(spec.visit_sequence):
        if j in spec.derived and wanted[j].any():
            derivation = spec.derived[j]
            values = derivation.evaluate({name: by_name[name] for name in derivation.parents})
            result[j] = np.where(wanted[j], values, result[j])
