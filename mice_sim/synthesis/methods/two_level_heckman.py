"""`2l.heckman`: imputation of values missing not at random in clusters, by a sample selection model.

Random intercepts in both equations, as Hammon & Zinn (2020), Journal of the Royal Statistical Society C 69:547-564,
have them for binary values. Muñoz, Efthimiou, Audigier, de Jong & Debray (2023), arXiv:2301.05043, fit every cluster by
itself and pool the fits, which takes large clusters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mice_sim.errors import MiceSimError
from mice_sim.synthesis.methods._heckman import Selection
from mice_sim.synthesis.methods._two_level import FIXED_AND_RANDOM, Rows
from mice_sim.synthesis.methods.base import Predictors


@dataclass(frozen=True)
class TwoLevelHeckman(Selection):
    """Options of `2l.heckman`, which are those of `heckman`.

    y = xβ + u + ε is there where zγ + v + η > 0. ε and η correlate within clusters, u and v between them; u and v are
    normal, and slopes are the same in all clusters. Small clusters, clusters without a value and clusters without a
    missing one all count. Predictors with code 3 enter both equations by their cluster means too.
    """

    two_level: ClassVar[bool] = True

    def _rows(self, X: Predictors, name: str) -> Rows:
        varying = [column for column, varies in zip(X.names, X.coded(*FIXED_AND_RANDOM), strict=True) if varies]
        if varying:
            raise MiceSimError(
                f"2l.heckman of '{name}' has the same slopes in all clusters, but the predictor matrix lets that of "
                f"'{varying[0]}' vary; use 1 or 3."
            )
        return Rows.of(X)
