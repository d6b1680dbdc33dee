"""What holds of drawn values whatever the model says: smoothing, bounds and rules, in this order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mice_sim.synthesis.smoothing import smooth
from mice_sim.synthesis.spec import Specification


def constrain(
    spec: Specification,
    j: int,
    drawn: np.ndarray,
    rows: np.ndarray,
    others: Mapping[str, np.ndarray],
    observed: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return what column number `j` gets in `rows` of a set whose columns are `others`, given what was drawn.

    observed : the column's real values, for the smoother.
    """
    if j in spec.smoothing:
        drawn = smooth(spec.smoothing[j], drawn, observed, rng)
    if j in spec.bounds:
        drawn = np.clip(drawn, *spec.bounds[j])
    return overrule(spec, j, drawn, rows, others)


def overrule(
    spec: Specification, j: int, drawn: np.ndarray, rows: np.ndarray, others: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Return what is left of `drawn` once the rules for column `j` have been followed."""
    for rule in spec.rules:
        if rule.target == j:
            seen = {name: others[name][rows] for name in rule.condition.parents}
            drawn = np.where(rule.condition.holds(seen), rule.value, drawn)
    return drawn


def ruled(spec: Specification, j: int, values: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return bool (n,): the rows in which a rule, not a model, decides on column `j`; None if no rule does."""
    held = [rule.condition.holds(values) for rule in spec.rules if rule.target == j]
    return np.logical_or.reduce(held) if held else None
