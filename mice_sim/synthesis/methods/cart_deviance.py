"""`cart.deviance`: `cart` with class trees that keep splits which change shares though not the majority."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mice_sim.synthesis.methods.cart import Cart


@dataclass(frozen=True)
class CartDeviance(Cart):
    """Options of `cart.deviance`: those of `cart`, but that cp is a share of the root's deviance for a factor.

    rpart prunes class trees on misclassification: a split between groups with 60 and 90 % in the same class goes,
    and with it the association, and that of every rare class. Here such trees grow by Gini as in `cart` and are
    pruned on the deviance −2 Σ n_k log(n_k/n) (Clark & Pregibon 1992, in Statistical Models in S, ch. 9; trees for
    class probabilities: Breiman et al. 1984, §4.6). Numeric targets get the tree of `cart`.
    """

    by_deviance: ClassVar[bool] = True
