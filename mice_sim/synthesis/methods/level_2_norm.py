"""`2lonly.norm`: Bayesian linear regression of clusters (van Buuren 2018, §7.6)."""

from __future__ import annotations

from dataclasses import dataclass

from mice_sim.synthesis.methods._level_2 import Level2
from mice_sim.synthesis.methods.norm import Norm


@dataclass(frozen=True)
class TwoLevelOnlyNorm(Level2, Norm):  # type: ignore[misc]
    """Options of `norm`, which is fitted to one row for each cluster with the means of its predictors.

    For columns that are the same in all rows of a cluster; a cluster that has a value in some rows has it in all.
    """
