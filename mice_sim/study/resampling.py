"""How a replicate's sample is drawn from the population, and what is then made missing in it.

Everything is keyed by (seed, replicate) alone, so that all points of a sweep see the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mice_sim import streams
from mice_sim.data import Column, Table, load_dataset
from mice_sim.data.ampute import Amputation
from mice_sim.errors import MiceSimError, nearest
from mice_sim.study.populations import Population
from mice_sim.study.populations.base import check_keys, whole
from mice_sim.study.r_random import RStream

# The mask of a population that says itself which values are missing.
POPULATION = "population"

# A sampler turns a replicate's number (from 0) into its sample.
Sampler = Callable[[int], Table]


@dataclass(frozen=True)
class Resample:
    """Samples that are rows of the reference; `rows(replicate)` are their numbers, which may repeat."""

    reference: Table
    rows: Callable[[int], np.ndarray]

    def __call__(self, replicate: int) -> Table:
        return self.reference.take(self.rows(replicate))


@dataclass(frozen=True)
class Fresh:
    """Samples of n new rows from the stream (seed, "fresh", replicate)."""

    population: Population
    n: int
    seed: int

    def __call__(self, replicate: int) -> Table:
        assert self.population.draw is not None
        return self.population.draw(self.n, streams.stream(self.seed, "fresh", replicate))

    def incomplete(self, replicate: int) -> Table:
        """Return the same rows, with values missing as the population has it."""
        assert self.population.incomplete is not None
        return self.population.incomplete(self.n, streams.stream(self.seed, "fresh", replicate))


def bootstrap(config: Mapping[str, Any], population: Population, seed: int) -> Sampler:
    """n rows of the reference with replacement, from the stream (seed, "bootstrap", replicate)."""
    n, rows = _size(config, population), population.reference.n_rows
    return Resample(
        population.reference,
        lambda replicate: streams.stream(seed, "bootstrap", replicate).integers(rows, size=n),
    )


def subsample(config: Mapping[str, Any], population: Population, seed: int) -> Sampler:
    """n different rows of the reference, from the stream (seed, "subsample", replicate)."""
    n, rows = _size(config, population), population.reference.n_rows
    if n >= rows:
        raise MiceSimError(f"A subsample of {n} of {rows} rows leaves none out; give a smaller resampling.n.")
    return Resample(
        population.reference,
        lambda replicate: streams.stream(seed, "subsample", replicate).choice(rows, size=n, replace=False),
    )


def fresh(config: Mapping[str, Any], population: Population, seed: int) -> Sampler:
    """n new rows from the population itself, from the stream (seed, "fresh", replicate)."""
    n = _size(config, population)
    if population.draw is None:
        raise MiceSimError("Mere data has no fresh rows; choose resampling=bootstrap, or data that is generated.")
    if population.fixed_n and n != population.n:
        raise MiceSimError(
            f"resampling.n is {n}, but clusters and their sizes make {population.n} rows; change them and leave n out."
        )
    return Fresh(population, n, seed)


def r_bootstrap(config: Mapping[str, Any], population: Population, seed: int) -> Sampler:
    """R's own bootstrap samples of the reference; see `RBootstrap`."""
    if population.draw is not None:
        raise MiceSimError("resampling=r_bootstrap takes mere data, and this is generated; choose resampling=fresh.")
    given = config.get("seed")
    r_seed = seed if given is None else whole("resampling.seed", given, 0)
    return Resample(population.reference, RBootstrap(population.reference.n_rows, r_seed))


class RBootstrap:
    """The samples of `set.seed(seed); replicate(R, sample(n, n, TRUE))` in R, as row numbers from 0.

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


# Each kind with the keys it takes beside kind and amputation.
KINDS: dict[str, tuple[Callable[[Mapping[str, Any], Population, int], Sampler], tuple[str, ...]]] = {
    "bootstrap": (bootstrap, ("n",)),
    "r_bootstrap": (r_bootstrap, ("seed",)),
    "subsample": (subsample, ("n",)),
    "fresh": (fresh, ("n",)),
}


def make(config: Mapping[str, Any], population: Population, seed: int) -> Sampler:
    """Return the sampler of complete samples that the study's `resampling` describes.

    Raises MiceSimError for an unknown kind or key, and a kind that does not suit the population.
    """
    kind = str(config.get("kind"))
    if kind not in KINDS:
        raise MiceSimError(f"There is no resampling kind '{kind}'{nearest(kind, list(KINDS))}")
    maker, keys = KINDS[kind]
    check_keys("resampling", config, ["kind"], [*keys, "amputation"])
    return maker(config, population, seed)


def make_amputer(
    config: Mapping[str, Any], columns: tuple[Column, ...], seed: int, sample: Sampler | None = None
) -> Callable[[int, Table], Table] | None:
    """Return (replicate, sample) -> the sample with missing values, or None if `resampling` has no amputation.

    Values go missing by a mechanism, from the stream (seed, "amputation", replicate); or, by
    {mask: a packaged data set}, where that data set itself has none: it holds the rows that `sample` resamples,
    before they were completed. By {mask: population} they are missing as a population has it that knows.
    """
    given = config.get("amputation")
    if given is None:
        return None
    if isinstance(given, Mapping) and given.get("mask") is not None:
        return _make_mask(given, columns, sample)
    check_keys("resampling.amputation", given, [], (*Amputation.OPTIONS, "mask"))
    amputation = Amputation.of(columns, **{key: value for key, value in given.items() if key != "mask"})
    return lambda replicate, sample: amputation(sample, streams.stream(seed, "amputation", replicate))


def _make_mask(
    given: Mapping[str, Any], columns: tuple[Column, ...], sample: Sampler | None
) -> Callable[[int, Table], Table]:
    check_keys("resampling.amputation", given, ["mask"])
    if given["mask"] == POPULATION:
        if not isinstance(sample, Fresh) or sample.population.incomplete is None:
            raise MiceSimError(
                f"The mask '{POPULATION}' goes with fresh rows of data that say what is missing; choose data=selection "
                "and resampling=fresh, or another amputation."
            )
        fresh = sample
        return lambda replicate, found: fresh.incomplete(replicate)
    mask = Table.from_pandas(load_dataset(str(given["mask"])))
    if not isinstance(sample, Resample):
        raise MiceSimError("A mask goes with resampled rows; choose resampling=bootstrap, or another amputation.")
    if mask.names != [c.name for c in columns] or mask.n_rows != sample.reference.n_rows:
        raise MiceSimError(
            f"The mask '{given['mask']}' has other columns or rows than the data; use the data set that was completed."
        )
    missing = np.isnan(mask.values)
    rows = sample.rows
    return lambda replicate, found: Table(found.columns, np.where(missing[:, rows(replicate)], np.nan, found.values))


def _size(config: Mapping[str, Any], population: Population) -> int:
    return population.n if config.get("n") is None else whole("resampling.n", config["n"], 2)
