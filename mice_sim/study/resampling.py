"""How a replicate's sample is drawn from the reference data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mice_sim import streams
from mice_sim.errors import MiceSimError, nearest
from mice_sim.data import Table
from mice_sim.study.populations import Population
from mice_sim.study.r_random import RStream

# A resampler turns a replicate's number (from 0) into row numbers.
Resampler = Callable[[int], np.ndarray]


def bootstrap(n: int, seed: int) -> Resampler:
    """n rows with replacement, from the stream (seed, "bootstrap", replicate)."""
    return lambda replicate: streams.stream(seed, "bootstrap", replicate).integers(n, size=n)


class RBootstrap:
    """The samples of `set.seed(seed); replicate(R, sample(n, n, TRUE))` in R.

    R's stream is sequential: samples before the one asked for are drawn and passed over.
    """

    def __init__(self, n: int, seed: int):
        self._n, self._seed = n, seed
        self._rewind()

    def _rewind(self) -> None:
        self._stream, self._number = RStream(self._seed), -1

    def __call__(self, replicate: int) -> np.ndarray:
        if replicate < self._number:
            self._rewind()
        while self._number < replicate:
            self._sample = self._stream.sample(self._n, self._n)
            self._number += 1
        return self._sample


def make(config: Mapping[str, Any], population: Population, seed: int) -> Callable[[int], Table]:
    """Return the sampler that `config` names."""
    n = population.reference.n_rows
    kinds: dict[str, Callable[[], Resampler]] = {
        "bootstrap": lambda: bootstrap(n, seed),
        "r_bootstrap": lambda: RBootstrap(n, int(config.get("seed", seed))),
    }
    kind = str(config.get("kind"))
    if kind not in kinds:
        raise MiceSimError(f"There is no resampling kind '{kind}'{nearest(kind, list(kinds))}")
    rows = kinds[kind]()
    return lambda replicate: population.reference.take(rows(replicate))


def make_amputation(config: Mapping[str, Any], truth: Table, seed: int) -> Callable[[Table, int], Table] | None:
    """Return what takes values out of a replicate's sample; None if samples stay complete."""
    return None
