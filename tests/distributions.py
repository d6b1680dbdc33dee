"""Statistics over sets, ours and R's, and by how many of their Monte Carlo standard errors they differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Without a limit on their tails, few sets understate their kurtosis; a normal's is 3.
KURTOSIS = 3.0


@dataclass(frozen=True)
class Distribution:
    """Of statistics over m sets: arrays by statistic."""

    names: list[str]
    m: int
    mean: np.ndarray
    variance: np.ndarray
    kurtosis: np.ndarray

    @classmethod
    def of(cls, names: list[str], values: np.ndarray) -> Distribution:
        """values : (sets, statistics)."""
        spread = values.var(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            kurtosis = np.where(spread > 0, ((values - values.mean(axis=0)) ** 4).mean(axis=0) / spread**2, 0)
        return cls(names, len(values), values.mean(axis=0), values.var(axis=0, ddof=1), kurtosis)

    @classmethod
    def stored(cls, m: int, entry: dict) -> Distribution:
        names = entry["names"] if isinstance(entry["names"], list) else [entry["names"]]
        return cls(names, m, *(np.atleast_1d(entry[key]).astype(float) for key in ("mean", "variance", "kurtosis")))

    def z(self, other: Distribution) -> Iterator[tuple[str, float]]:
        """Yield the differences of means and of log variances, in their Monte Carlo standard errors."""
        assert self.names == other.names
        for i, name in enumerate(self.names):
            v, w = self.variance[i], other.variance[i]
            size = 1e-7 * max(abs(other.mean[i]), 1e-3)
            if max(v, w) < size**2:  # the same in every set
                yield f"{name}: mean", 0.0 if abs(self.mean[i] - other.mean[i]) < size else np.inf
                continue
            yield f"{name}: mean", (self.mean[i] - other.mean[i]) / np.sqrt(v / self.m + w / other.m)
            kurtosis = max(self.kurtosis[i], other.kurtosis[i], KURTOSIS)
            error = np.sqrt((kurtosis - 1) * (1 / self.m + 1 / other.m))
            with np.errstate(divide="ignore"):
                yield f"{name}: variance", (np.log(v) - np.log(w)) / error
