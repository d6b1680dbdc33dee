"""Exact nearest records in mixed data, by Gower's distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from mice_sim.assessment.data import Assessed

# Records in a box of neighbours.
BOX = 64
# Where missing values lie.
FAR = 1e9
# Twice the rounding error of a number in single precision.
SINGLE = 2.0**-23


@dataclass(frozen=True, eq=False)
class Metric:
    """Coordinates in which Gower's distance (1971, Biometrics 27, 857-871) is a mean of min(|a − b|, 1) over columns.

    A factor's levels are whole numbers, so that two differ by 1; numbers lie in [0, 1], by their rank among the real
    ones or on their range; a missing value lies far off, at 1 from all others and at 0 from its like.
    """

    factor: np.ndarray
    real: tuple[np.ndarray, ...]
    by_rank: bool

    @classmethod
    def of(cls, data: Assessed, by_rank: bool, *others: np.ndarray) -> Metric:
        """Return the metric of the real values, those of `data` and `others` (columns, rows), such as a holdout."""
        factor = np.array([column.is_factor for column in data.columns])
        real = []
        for j in range(len(data.columns)):
            values = np.concatenate([data.original[j], *(other[j] for other in others)])
            real.append(np.sort(values[~np.isnan(values)]))
        return cls(factor, tuple(real), by_rank)

    def points(self, values: np.ndarray) -> np.ndarray:
        """Return the coordinates of records, float64 (rows, columns), of values (columns, rows)."""
        points = np.empty(values.shape[::-1])
        for j, (row, real) in enumerate(zip(values, self.real, strict=True)):
            if self.factor[j] or real.size == 0:
                placed = row
            elif self.by_rank:
                placed = (np.searchsorted(real, row, "left") + np.searchsorted(real, row, "right")) / (2 * real.size)
            else:
                placed = (row - real[0]) / (np.ptp(real) or 1.0)
            points[:, j] = np.where(np.isnan(row), FAR, placed)
        return points


@dataclass(frozen=True, eq=False)
class Index:
    """Points in boxes of neighbours: `points` (n, p) box by box, box b from starts[b]; `order`, their numbers."""

    points: np.ndarray
    order: np.ndarray
    starts: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray) -> Index:
        order, starts = in_boxes(points, BOX)
        points = np.ascontiguousarray(points[order])
        return cls(
            points, order, np.append(starts, len(points)),
            np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts),
        )  # fmt: skip

    def nearest(self, queries: np.ndarray, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return distances (queries, k), ascending, and the numbers of the points, of the k nearest of each query.

        Of equally near points the one that is met first counts.
        """
        distance, found = _search(np.ascontiguousarray(queries), self.points, self.starts, self.low, self.high, k)
        return distance / self.points.shape[1], self.order[found]


def in_boxes(points: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an order of points (n, p) in which neighbours stand together, and where each box of `most` begins in it.

    Boxes are halved at the median of the column in which they are widest (Bentley 1975, CACM 18, 509-517).
    """
    order: list[np.ndarray] = []
    starts: list[int] = []
    stack = [np.arange(len(points))]
    while stack:
        rows = stack.pop()
        if rows.size <= most:
            starts.append(starts[-1] + order[-1].size if starts else 0)
            order.append(rows)
            continue
        widest = np.clip(np.ptp(points[rows], axis=0), 0, 1) * points[rows].std(axis=0)
        middle = rows.size // 2
        halves = np.argpartition(points[rows, widest.argmax()], middle)
        stack += [rows[halves[middle:]], rows[halves[:middle]]]
    return np.concatenate(order), np.array(starts)


@njit(cache=True, nogil=True)
def _search(
    queries: np.ndarray, points: np.ndarray, starts: np.ndarray, low: np.ndarray, high: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    n_boxes, p = low.shape
    near_points = np.ascontiguousarray(points.astype(np.float32).T)
    distance = np.full((queries.shape[0], k), np.inf)
    found = np.full((queries.shape[0], k), -1, np.int64)
    bound = np.empty(n_boxes)
    rough = np.empty(np.max(starts[1:] - starts[:-1]), np.float32)
    # A sum of p numbers up to 1 in single precision is as close as this.
    slack, one = SINGLE * p * (p + 1), np.float32(1)
    for i in range(queries.shape[0]):
        query = queries[i]
        near_query = query.astype(np.float32)
        closest = 0
        for b in range(n_boxes):
            total = 0.0
            for j in range(p):
                away = max(low[b, j] - query[j], query[j] - high[b, j])
                total += min(max(away, 0.0), 1.0)
            bound[b] = total
            if total < bound[closest]:
                closest = b
        # The closest box first: then most others are too far away to be opened.
        for turn in range(-1, n_boxes):
            b = closest if turn < 0 else turn
            if bound[b] >= distance[i, k - 1] or turn == closest:
                continue
            first, size = starts[b], starts[b + 1] - starts[b]
            # All points of the box side by side, in half the digits; what comes close is measured exactly.
            rough[:size] = 0
            for j in range(p):
                column, value = near_points[j, first : first + size], near_query[j]
                for r in range(size):
                    rough[r] += min(abs(column[r] - value), one)
            for r in range(size):
                if rough[r] > distance[i, k - 1] + slack:
                    continue
                total = 0.0
                for j in range(p):
                    total += min(abs(points[first + r, j] - query[j]), 1.0)
                place = k
                while place > 0 and total < distance[i, place - 1]:
                    place -= 1
                for q in range(k - 1, place, -1):
                    distance[i, q], found[i, q] = distance[i, q - 1], found[i, q - 1]
                if place < k:
                    distance[i, place], found[i, place] = total, first + r
    return distance, found
