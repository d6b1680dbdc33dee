"""Rows in clusters: which cluster a row is in, and what is the same for all rows of one."""

from __future__ import annotations

import numpy as np

from mice_sim.synthesis.state import HUGE, SHRINK


def number_in(known: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Return the position int64 (n,) of each of `clusters` (n,) among the ascending `known`; -1 for one that is not."""
    if not known.size:
        return np.full(clusters.size, -1)
    position = np.searchsorted(known, clusters)
    position[position == known.size] = 0
    return np.where(known[position] == clusters, position, -1)


def is_constant_within(values: np.ndarray, clusters: np.ndarray) -> bool:
    """Return whether all rows of a cluster have the same value (n,), if any; of clusters of one row it says nothing.

    So it is False where no cluster has two rows with a value.
    """
    there = ~np.isnan(values)
    order = np.lexsort((values[there], clusters[there]))
    value, cluster = values[there][order], clusters[there][order]
    together = cluster[1:] == cluster[:-1]
    return bool(together.any() and (value[1:] == value[:-1])[together].all())


def means(values: np.ndarray, clusters: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the mean of values (n, p) over the cluster of each of `rows`, by clusters (n,): float64 (rows, p)."""
    _, number = np.unique(clusters, return_inverse=True)
    return means_of_each(values, number)[number[rows]]


def means_of_each(values: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Return the mean of values (n, p) over each cluster: float64 (clusters, p).

    number : int (n,), 0 to clusters − 1, the cluster of each row; none is empty. A column that is constant within a
    cluster keeps its value to the last bit.
    """
    scale = np.where(np.abs(values).max(axis=0, initial=0.0) > HUGE, SHRINK, 1.0)  # exact, and sums stay finite
    values = values * scale
    size = np.bincount(number)
    first = np.empty((size.size, values.shape[1]))
    first[number[::-1]] = values[::-1]
    beyond = values - first[number]
    sums = np.array([np.bincount(number, column, size.size) for column in beyond.T]).reshape(-1, size.size)
    return (first + (sums / size).T) / scale


def value_of_each(values: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, tuple[int, float, float] | None]:
    """Return the value (clusters,) that the rows of each cluster share.

    values : (n,), without missing ones. number : as for `means_of_each`. Returns also the first cluster that has two
    values, with the two, or None.
    """
    value = np.empty(number.max(initial=-1) + 1)
    value[number[::-1]] = values[::-1]
    off = np.flatnonzero(values != value[number])
    if not off.size:
        return value, None
    row = off[np.argmin(number[off])]
    return value, (int(number[row]), float(value[number[row]]), float(values[row]))
