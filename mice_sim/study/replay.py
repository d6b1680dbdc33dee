"""Passports put to the test: rebuild one replicate alone, or a few by other engines, and compare hash chains."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import mice_sim
from mice_sim import streams
from mice_sim.errors import MiceSimError
from mice_sim.study.config import Execution, stored_config
from mice_sim.study.own import REGISTRIES
from mice_sim.study.replicate import replicator
from mice_sim.study.rows import Failure
from mice_sim.study.run import Point, identity, one_thread, run_points
from mice_sim.study.status import ranges
from mice_sim.study.store import Store, study_hash

CERTIFYING = (Execution("serial", 1, 1), Execution("loky", 2, 1), Execution("loky", 2, 3))
CERTIFICATE = "certificate.json"


@dataclass(frozen=True)
class Replay:
    """A replicate that was rebuilt alone.

    links : the steps of its hash chain. differs : the first step whose hash is not the stored one, "" if all are.
    largest_difference : of the values, relative to the stored ones. same_code : whether the code is that of the study.
    failures : what failed in it now.
    """

    replicate: int
    links: list[dict[str, str]]
    passport: list[str]
    differs: str
    largest_difference: float
    same_code: bool
    failures: list[Failure]


def _check_known(store: Store) -> None:
    """Raise MiceSimError for a study whose user's own code this process does not know."""
    for what, things in store.identity["configuration"].get("own", {}).items():
        for name in things:
            if name not in REGISTRIES[what]:
                raise MiceSimError(
                    f"The study uses {what} '{name}' of its user's own, which only a script that registers it knows; "
                    "call replay or certify of ms.read_study(…) there."
                )


def replay(directory: Path, replicate: int) -> Replay:
    """Rebuild one stored replicate from its streams; raises MiceSimError if the study has not got it."""
    store = Store(directory)
    config = stored_config(directory)
    part = store.records().get(replicate)
    if part is None:
        raise MiceSimError(f"{directory} holds no replicate {replicate}; there are {ranges(store.records())}.")
    _check_known(store)
    key = config.key()
    with one_thread():
        rows = replicator(key).run(replicate)
    stored = store.replicate(replicate)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.abs(rows.value - stored) / np.maximum(np.abs(stored), np.finfo(float).tiny)
    apart = np.where((rows.value == stored) | (np.isnan(rows.value) & np.isnan(stored)), 0.0, apart)
    differs = _first_difference(store.links(), part.passports[replicate], rows.passport)
    same_code = identity(key) == store.identity
    return Replay(
        replicate, store.links(), rows.passport, differs, float(np.nan_to_num(apart, nan=np.inf).max()), same_code,
        rows.failures,
    )  # fmt: skip


def _first_difference(links: list[dict[str, str]], stored: list[str], found: list[str]) -> str:
    for link, old, new in zip(links, stored, found, strict=True):
        if old != new:
            return link["link"]
    return ""


def same_samples(a: Store, b: Store) -> tuple[int, int]:
    """Return how many replicates two studies have in common, and in how many of them the sample is the same."""
    one, other = a.records(), b.records()
    common = one.keys() & other.keys()
    return len(common), sum(one[r].passports[r][0] == other[r].passports[r][0] for r in common)


def certify(directory: Path, count: int, executions: list[Execution]) -> dict:
    """Run a few random replicates again, under each execution in another order; write and return the certificate.

    The replicates are drawn from the stream (seed, "certify"). Raises MiceSimError if the code is not the
    study's, since other code may give other numbers.
    """
    for execution in executions:
        if execution.engine == "slurm" and not execution.slurm["wait"]:
            raise MiceSimError("A certificate needs the replicates at once; add execution.slurm.wait=true.")
    store, config = Store(directory), stored_config(directory)
    _check_known(store)
    key = config.key()
    own = identity(key)
    if own != store.identity:
        raise MiceSimError(f"{directory} was made by other code or data; certify it with the version that made it.")
    records = store.records()
    rng = streams.stream(config.seed, "certify")
    chosen = sorted(rng.choice(list(records), size=min(count, len(records)), replace=False).tolist())
    checks = []
    for execution in executions:
        order = rng.permutation(chosen).tolist()
        with tempfile.TemporaryDirectory(prefix="certify-", dir=store.directory) as folder:
            again = Store(Path(folder))
            other = dataclasses.replace(config, output=folder, execution=execution)
            again.open(other, own, store.links())
            run_points([Point(other, key, again, study_hash(own), 0, 0, order, [])], execution)
            found = again.records()
            for number in chosen:
                stored, new = records[number].passports[number], found[number].passports[number]
                differs = _first_difference(store.links(), stored, new)
                checks.append(
                    {"engine": execution.engine, "workers": execution.workers, "chunk": execution.chunk,
                     "replicate": number, "hash": stored[-1], "differs": differs}
                )  # fmt: skip
    certificate = {
        "study_hash": study_hash(own),
        "mice_sim": mice_sim.__version__,
        "replicates": len(records),
        "agrees": not any(check["differs"] for check in checks),
        "checks": checks,
    }
    (store.directory / CERTIFICATE).write_text(json.dumps(certificate, indent=1) + "\n", encoding="utf-8")
    return certificate
