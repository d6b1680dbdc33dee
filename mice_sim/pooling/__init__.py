"""Combining rules for multiply imputed and multiply synthesised data."""

from mice_sim.pooling.pool import INFERENCE, inference, moments, pool, pool_statistics, t_quantile
from mice_sim.pooling.rules import RULES, Moments, Rule, choose_rule, default_rule, get_rule

__all__ = [
    "INFERENCE",
    "RULES",
    "Moments",
    "Rule",
    "choose_rule",
    "default_rule",
    "get_rule",
    "inference",
    "moments",
    "pool",
    "pool_statistics",
    "t_quantile",
]
