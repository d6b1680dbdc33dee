"""Variances and correlations of more rows than should be looked at at once."""

from __future__ import annotations

import numpy as np

from mice_sim.synthesis.design import Design

# Up to so many rows, all standardised columns are kept side by side; beyond, they are made anew block by block,
# each of which fits into the processor's cache.
MANY = 16384
BLOCK = 1024


class BlockedMoments:
    """Sums of squares and products of all design columns, then of all columns' numbers, about a shift near their means.

    So one pass is enough, without the cancellation of raw sums (Chan, Golub & LeVeque 1983, Am. Stat. 37, 242-247).
    """

    def __init__(self, size: int):
        self.shift = np.zeros(size)
        self.total = np.zeros(size)
        self.product = np.zeros((size, size))

    def update(self, design: Design, values: np.ndarray, codes: np.ndarray, rows: np.ndarray, at: np.ndarray) -> None:
        """Take the sums that the columns numbered `at` are part of anew."""
        self.shift[at] = _stack(design, values, codes, rows[:BLOCK])[at].mean(axis=1)
        total, product = np.zeros(at.size), np.zeros((at.size, self.shift.size))
        for start in range(0, rows.size, BLOCK):
            block = _stack(design, values, codes, rows[start : start + BLOCK]) - self.shift[:, None]
            total += block[at].sum(axis=1)
            product += block[at] @ block.T
        self.total[at] = total
        self.product[at] = product
        self.product[:, at] = product.T

    def result(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the variances (size,) and the correlations (size, size) of n rows; a constant has correlation 0."""
        centred = self.product - np.outer(self.total, self.total) / n
        squares = np.maximum(centred.diagonal(), 0.0)
        scale = np.where(squares > 0, np.sqrt(squares), 1.0)
        return squares / (n - 1), centred / scale / scale[:, None]


def _stack(design: Design, values: np.ndarray, codes: np.ndarray, rows: np.ndarray) -> np.ndarray:
    values, codes = values[:, rows], codes[:, rows]
    return np.vstack([*(design.row(d, values, codes) for d in range(len(design.names))), values])
