"""`2lonly.cart`: draw from the leaf of a tree of clusters."""

from __future__ import annotations

from dataclasses import dataclass

from mice_sim.synthesis.methods._level_2 import Level2
from mice_sim.synthesis.methods.cart import Cart


@dataclass(frozen=True)
class TwoLevelOnlyCart(Level2, Cart):  # type: ignore[misc]
    """Options of `cart`, which is grown on one row for each cluster with the means of its predictors.

    For columns that are the same in all rows of a cluster; a cluster that has a value in some rows has it in all.
    `minbucket` and `minsplit` count clusters.
    """
