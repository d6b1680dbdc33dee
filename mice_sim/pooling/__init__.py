"""Combining rules for multiply imputed and multiply synthesised data."""

from mice_sim.pooling.pool import INFERENCE, inference, moments, pool, pool_statistics, t_quantile
from mice_sim.pooling.rules import RULES, Moments, Rule, choose_rule, default_rule, get_rule
from mice_sim.pooling.tables import PooledVector, pool_scalar, pool_table, pool_vector

__all__ = [
    "INFERENCE",
    "RULES",
    "Moments",
    "PooledVector",
    "Rule",
    "choose_rule",
    "default_rule",
    "get_rule",
    "inference",
    "moments",
    "pool",
    "pool_scalar",
    "pool_statistics",
    "pool_table",
    "pool_vector",
    "t_quantile",
]
