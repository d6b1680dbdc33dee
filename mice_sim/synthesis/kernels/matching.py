"""Nearest donors on sorted scores."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def shuffle_ties(scores, order, rng):
    """Permute `order` (n,) in place within runs of equal `scores` (n,), which ascend."""
    n = scores.size
    start = 0
    while start < n:
        end = start + 1
        while end < n and scores[end] == scores[start]:
            end += 1
        for i in range(end - 1, start, -1):
            other = start + int(rng.random() * (i - start + 1))
            order[i], order[other] = order[other], order[i]
        start = end


@njit(cache=True, nogil=True)
def nearest(scores, targets, steps):
    """Return for each target the position of its `steps`-th nearest score; of two equally near, the upper comes first.

    scores : (n,), ascending. targets : (k,). steps : int (k,), 1 to n.
    """
    n = scores.size
    found = np.empty(targets.size, np.int64)
    for t in range(targets.size):
        target = targets[t]
        above = np.searchsorted(scores, target)
        below = above - 1
        position = 0
        for _ in range(steps[t]):
            if below < 0 or (above < n and scores[above] - target <= target - scores[below]):
                position = above
                above += 1
            else:
                position = below
                below -= 1
        found[t] = position
    return found
