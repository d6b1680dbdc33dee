"""Descriptive statistics of one data set."""

from __future__ import annotations

import numpy as np

from mice_sim.analysis import kernels
from mice_sim.analysis.estimates import Statistics
from mice_sim.data import Column

DESCRIPTIVES = ("n", "mean", "sd", "median", "min", "max", "skew", "kurtosis")


def describe(columns: tuple[Column, ...], values: np.ndarray) -> Statistics:
    """Univariate statistics of every column; a factor counts as its level numbers 1..K.

    Skew and kurtosis as psych::describe's type 3. values : float64 (columns, n).
    """
    shift = np.array([1.0 if column.is_factor else 0.0 for column in columns])
    numbers = values + shift[:, None]
    n = values.shape[1]
    mean, sd, least, most, skew, kurtosis = kernels.describe(numbers).T
    halves = [(n - 1) // 2, n // 2]
    median = np.partition(numbers, halves, axis=1)[:, halves].mean(axis=1)
    table = (np.full(len(columns), float(n)), mean, sd, median, least, most, skew, kurtosis)
    return Statistics(tuple(c.name for c in columns), dict(zip(DESCRIPTIVES, table, strict=True)))


def counts(columns: tuple[Column, ...], values: np.ndarray) -> Statistics:
    """Number of rows in each level of each factor; terms are `column:level`."""
    terms, found = [], []
    for column, row in zip(columns, values, strict=True):
        if column.is_factor:
            terms += [f"{column.name}:{level}" for level in column.levels or ()]
            found.append(np.bincount(row.astype(np.intp), minlength=column.n_levels))
    return Statistics(tuple(terms), {"count": np.concatenate(found).astype(float) if found else np.zeros(0)})


def correlations(columns: tuple[Column, ...], values: np.ndarray) -> Statistics:
    """Pearson correlations of all pairs of continuous columns; terms are `a:b`."""
    numeric = [j for j, column in enumerate(columns) if not column.is_factor]
    centred = values[numeric] - values[numeric].mean(axis=1, keepdims=True)
    products = centred @ centred.T
    scale = np.sqrt(products.diagonal())
    matrix = products / np.outer(scale, scale)
    upper = np.triu_indices(len(numeric), 1)
    names = [columns[j].name for j in numeric]
    terms = tuple(f"{names[a]}:{names[b]}" for a, b in zip(*upper, strict=True))
    return Statistics(terms, {"correlation": matrix[upper]})
