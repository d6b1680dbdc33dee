"""Compiled counting: cross-tabulations of coded columns, and the measures that compare two of them."""

from __future__ import annotations

import numpy as np
from numba import njit

# What `compare_cells` returns, in its order; `tabular` says what they are.
MEASURES = ("VW", "FT", "JSD", "G", "dBhatt", "MabsDD", "WMabsDD", "SPECKS", "PO50", "U", "AUC", "pMSE")
# And after them: cells with any record, cells with records of both, Σ 1/t and Σ t² over the cells' sizes t.
COUNTS = ("cells", "cells_both", "inverse", "squares")


@njit(cache=True, nogil=True)
def count(codes: np.ndarray, places: np.ndarray, sizes: np.ndarray, counts: np.ndarray) -> None:
    """Add to `counts` how many rows fall into each cell of the columns `places`; the last one runs fastest.

    codes : int32 (columns, n). places : int64 (k,). sizes : int64 (columns,), levels. counts : int64 (cells,).
    """
    for row in range(codes.shape[1]):
        cell = np.int64(codes[places[0], row])
        for k in range(1, places.shape[0]):
            cell = cell * sizes[places[k]] + codes[places[k], row]
        counts[cell] += 1


@njit(cache=True, nogil=True)
def compare_cells(synthetic: np.ndarray, original: np.ndarray) -> np.ndarray:
    """Return the measures of two tables of counts, float64 (len(MEASURES) + len(COUNTS),).

    Formulas: Raab, Nowok & Dibben (2021), table 8. Cells without any record count for nothing.
    """
    n2, n1 = synthetic.sum(), original.sum()
    total = n1 + n2
    c, r = n2 / total, n2 / n1
    vw = ft = divergence = g = affinity = apart = weighted = inverse = squares = 0.0
    cells = both = right = decided = 0
    ratio = np.empty(synthetic.shape[0])
    size = np.empty(synthetic.shape[0])
    drawn = np.empty(synthetic.shape[0])
    for i in range(synthetic.shape[0]):
        s, o = synthetic[i], original[i]
        t = s + o
        if t == 0:
            continue
        ratio[cells], size[cells], drawn[cells] = s / t, t, s
        cells += 1
        expected = o * r
        difference = s - expected
        ps, po = s / n2, o / n1
        vw += difference * difference / (c * t)
        ft += (np.sqrt(s) - np.sqrt(expected)) ** 2
        if s > 0:
            divergence += ps * np.log2(2 * ps / (ps + po))
        if o > 0:
            divergence += po * np.log2(2 * po / (ps + po))
        if s > 0 and o > 0:
            both += 1
            g += s * np.log(s / expected) - difference
            affinity += np.sqrt(ps * po)
        apart += abs(ps - po)
        weighted += abs(difference) / np.sqrt(2 * c * t / np.pi)
        if s * n1 != o * n2:
            decided += t
            right += s if s * n1 > o * n2 else o
        inverse += 1 / t
        squares += t * t
    ranks = _rank_sum(ratio[:cells], size[:cells], drawn[:cells])
    return np.array([
        vw, 4 * ft, divergence / 2, 2 * g, np.sqrt(max(1 - affinity, 0.0)), apart, weighted, apart / 2,
        100 * right / decided - 50 if decided else 0.0, ranks, (ranks - n2 * (n2 + 1) / 2) / n1 / n2,
        vw * c * (1 - c) ** 2 / total, cells, both, inverse, squares,
    ])  # fmt: skip


@njit(cache=True, nogil=True)
def _rank_sum(ratio: np.ndarray, size: np.ndarray, drawn: np.ndarray) -> float:
    """Return the sum of the mean ranks of `drawn` records, of cells with so many of `size` records each."""
    order = np.argsort(ratio)
    below = total = 0.0
    i = 0
    while i < order.shape[0]:
        level, tied, mine = ratio[order[i]], 0.0, 0.0
        while i < order.shape[0] and ratio[order[i]] == level:
            tied += size[order[i]]
            mine += drawn[order[i]]
            i += 1
        total += mine * (below + (tied + 1) / 2)
        below += tied
    return total
