"""Design columns: how the columns of a table look to a model, in R's coding."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from mice_sim.data import Column


@dataclass(frozen=True)
class Design:
    """All design columns of a table, in column order; a target uses a subset of them.

    A continuous column gives one design column; a factor of K levels gives K−1 contrasts.

    Attributes
    ----------
    names : as R names them (`reg` + level, `phb.L`, `phb^4`).
    source : int32 (D,), the column behind each design column.
    is_factor : bool (D,), whether it is a contrast.
    score : float64 (D, max levels), the contrast's value of each level; 0 for continuous columns.
    by_score : int32 (D, max levels), levels by ascending score. Absent levels are listed too: they
        never occur in the data.
    """

    names: tuple[str, ...]
    source: np.ndarray
    is_factor: np.ndarray
    score: np.ndarray
    by_score: np.ndarray

    @classmethod
    def of(cls, columns: tuple[Column, ...], plain: Container[int] = ()) -> Design:
        """Return the design of `columns`; the column numbers in `plain` stay numbers even if they are factors."""
        names: list[str] = []
        source: list[int] = []
        scores: list[np.ndarray] = []
        for position, column in enumerate(columns):
            has_contrasts = column.is_factor and position not in plain
            labels, matrix = column.contrasts() if has_contrasts else ([column.name], np.zeros((0, 1)))
            names += labels
            source += [position] * len(labels)
            scores += list(matrix.T)
        widest = max(max((s.size for s in scores), default=0), 1)
        score = np.zeros((len(names), widest))
        by_score = np.zeros((len(names), widest), np.int32)
        for row, s in enumerate(scores):
            score[row, : s.size] = s
            by_score[row, : s.size] = np.argsort(s, kind="stable")
            by_score[row, s.size :] = np.arange(s.size, widest)
        is_factor = np.array([columns[j].is_factor and j not in plain for j in source])
        return cls(tuple(names), np.array(source, np.int32), is_factor, score, by_score)

    def mask(self, predictors: np.ndarray) -> np.ndarray:
        """Return which design columns belong to the columns marked in `predictors` (bool, columns)."""
        return predictors[self.source]

    def row(self, d: int, values: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return design column `d` (n,) for the given values and level numbers (columns, n)."""
        j = self.source[d]
        return self.score[d][codes[j]] if self.is_factor[d] else values[j]
