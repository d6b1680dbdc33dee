"""How a replicate's sample is drawn from the reference data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mice_sim import streams
from mice_sim.errors import MiceSimError, nearest
from mice_sim.study.r_random import RStream

# A resampler turns a replicate's number (from 0) into row numbers.
Resampler = Callable[[int], np.ndarray]


def bootstrap(n: int, seed: int) -> Resampler:
    """n rows with replacement, from the stream (seed, "bootstrap", replicate)."""
    return lambda replicate: streams.stream(seed, "bootstrap", replicate).integers(n, size=n)


class RBootstrap:
    """The samples of `set.seed(seed); replicate(R, sample(n, n, TRUE))` in R; R's stream is sequential."""

    def __init__(self, n: int, seed: int):
        self._n, self._stream = n, RStream(seed)
        self._samples: list[np.ndarray] = []

    def __call__(self, replicate: int) -> np.ndarray:
        while len(self._samples) <= replicate:
            self._samples.append(self._stream.sample(self._n, self._n).astype(np.int32))
        return self._samples[replicate]


def make(config: Mapping[str, Any], n: int, seed: int) -> Resampler:
    """Return the resampler that `config` names, for n rows."""
    kinds: dict[str, Callable[[], Resampler]] = {
        "bootstrap": lambda: bootstrap(n, seed),
        "r_bootstrap": lambda: RBootstrap(n, int(config.get("seed", seed))),
    }
    kind = str(config.get("kind"))
    if kind not in kinds:
        raise MiceSimError(f"There is no resampling kind '{kind}'{nearest(kind, list(kinds))}")
    return kinds[kind]()
