"""R's random numbers: Mersenne-Twister and `sample()` by rejection, as in R ≥ 3.6."""

from __future__ import annotations

import numpy as np

_TO_UNIT = 2.3283064365386963e-10  # 2^-32, rounded as R rounds it


class RStream:
    """The stream that `set.seed(seed)` starts."""

    def __init__(self, seed: int):
        state = seed & 0xFFFFFFFF
        words = []
        for i in range(50 + 625):
            state = (69069 * state + 1) & 0xFFFFFFFF
            if i >= 50:
                words.append(state)
        self._bits = np.random.MT19937()
        self._bits.state = {
            "bit_generator": "MT19937",
            "state": {"key": np.array(words[1:], dtype=np.uint32), "pos": 624},
        }

    def uniform(self, size: int) -> np.ndarray:
        """Return `runif(size)`."""
        u = self._bits.random_raw(size) * _TO_UNIT
        return np.clip(u, 0.5 * _TO_UNIT, 1 - 0.5 * _TO_UNIT)

    def sample(self, n: int, size: int) -> np.ndarray:
        """Return `sample(n, size, replace = TRUE) - 1`, row numbers from 0."""
        bits = int(np.ceil(np.log2(n)))
        chunks = bits // 16 + 1
        accepted: list[np.ndarray] = []
        missing = size
        while missing > 0:
            # One index at a time at the end: R draws no number that it does not look at.
            attempts = missing if missing > 1 else 1
            parts = np.floor(65536 * self.uniform(attempts * chunks)).astype(np.int64)
            number = np.zeros(attempts, np.int64)
            for part in parts.reshape(attempts, chunks).T:
                number = 65536 * number + part
            number &= (1 << bits) - 1
            kept = number[number < n]
            accepted.append(kept)
            missing -= kept.size
        return np.concatenate(accepted)
