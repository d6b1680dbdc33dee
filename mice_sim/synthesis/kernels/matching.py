"""Nearest donors on sorted scores."""

from __future__ import annotations

import numpy as np
from numba import njit


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


@njit(cache=True, nogil=True)
def among_equals(scores, positions, uniforms):
    """Return for each position one drawn uniformly from those with the same score, given uniforms in [0, 1).

    scores : (n,), ascending. Equal scores come in no order: whoever takes one of them takes any.
    """
    n = scores.size
    first = np.empty(n, np.int64)
    last = np.empty(n, np.int64)
    for i in range(n):
        first[i] = first[i - 1] if i > 0 and scores[i] == scores[i - 1] else i
    for i in range(n - 1, -1, -1):
        last[i] = last[i + 1] if i < n - 1 and scores[i] == scores[i + 1] else i
    drawn = np.empty(positions.size, np.int64)
    for t in range(positions.size):
        low, high = first[positions[t]], last[positions[t]]
        drawn[t] = low + int(uniforms[t] * (high - low + 1))
    return drawn
