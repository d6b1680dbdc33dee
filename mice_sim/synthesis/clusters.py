"""Rows in clusters: which cluster a row is in, and what is the same for all rows of one."""

from __future__ import annotations

import numpy as np


def number_in(known: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Return the position int64 (n,) of each of `clusters` (n,) among the ascending `known`; -1 for one that is not."""
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
    _, number, size = np.unique(clusters, return_inverse=True, return_counts=True)
    sums = np.array([np.bincount(number, column, size.size) for column in values.T]).reshape(-1, size.size)
    return (sums / size).T[number[rows]]
