"""Named random streams: the same name gives the same numbers, whoever asks and in whatever order."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np


def key(*parts: object) -> int:
    """Return a 128-bit key of a stream's name.

    Every part is preceded by its length, so that no two names collide.
    """
    digest = blake2b(digest_size=16)
    for part in parts:
        text = str(part).encode()
        digest.update(len(text).to_bytes(4, "little") + text)
    return int.from_bytes(digest.digest(), "little")


def stream(seed: int, purpose: str, *parts: object) -> np.random.Generator:
    """Return the generator named (seed, purpose, …), such as (123, "synthesis", replicate, set, "age")."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key(seed, purpose, *parts))))
