"""`2lonly.pmm`: predictive mean matching of clusters (van Buuren 2018, §7.6)."""

from __future__ import annotations

from dataclasses import dataclass

from mice_sim.synthesis.methods._level_2 import Level2
from mice_sim.synthesis.methods.pmm import Pmm


@dataclass(frozen=True)
class TwoLevelOnlyPmm(Level2, Pmm):  # type: ignore[misc]
    """Options of `pmm`, which is fitted to one row for each cluster with the means of its predictors.

    For columns that are the same in all rows of a cluster; a cluster that has a value in some rows has it in all.
    """
