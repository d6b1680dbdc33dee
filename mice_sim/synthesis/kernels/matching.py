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


@njit(cache=True, nogil=True)
def draw_by_distance(scores, reach, shift, weights, targets, target_reach, kappa, floor, uniforms):
    """Return a donor for each target, drawn with probability ∝ weight · distance^−kappa.

    scores : (n,), the donors' predictions. reach : (n, p), whose products with each other say how a prediction
    changes when a donor is left out of the fit, by shift (n,). weights : (n,), positive. targets, target_reach :
    the same of the targets (k,), (k, p). floor : the least distance. uniforms : (k,) in [0, 1).
    """
    n, p = reach.shape
    found = np.empty(targets.size, np.int64)
    log_weight, running = np.empty(n), np.empty(n)
    for t in range(targets.size):
        largest = -np.inf
        for i in range(n):
            change = 0.0
            for j in range(p):
                change += (reach[i, j] - target_reach[t, j]) * reach[i, j]
            distance = max(abs(scores[i] - targets[t] - shift[i] * change), floor)
            log_weight[i] = np.log(weights[i]) - kappa * np.log(distance)
            largest = max(largest, log_weight[i])
        total = 0.0
        for i in range(n):
            total += np.exp(log_weight[i] - largest)
            running[i] = total
        found[t] = min(np.searchsorted(running, uniforms[t] * total, side="right"), n - 1)
    return found
