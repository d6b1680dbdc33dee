"""Combining rules for multiply imputed and multiply synthesised data."""

from mice_sim.pooling.pool import INFERENCE, inference, pool, pool_statistics, t_quantile
from mice_sim.pooling.rules import RULES, Rule, get_rule

__all__ = ["INFERENCE", "RULES", "Rule", "get_rule", "inference", "pool", "pool_statistics", "t_quantile"]
