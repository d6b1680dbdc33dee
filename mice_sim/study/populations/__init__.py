"""Populations: what a study's samples come from. To add one, write (config, seed) → Population and list it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mice_sim.errors import MiceSimError, nearest
from mice_sim.study.populations.base import Population
from mice_sim.study.populations.data import DATA
from mice_sim.study.populations.model import model
from mice_sim.study.populations.mvn import mvn
from mice_sim.study.populations.selection import selection
from mice_sim.study.populations.two_level import two_level

POPULATIONS: dict[str, Callable[[Mapping[str, Any], int], Population]] = {
    **DATA,
    "mvn": mvn,
    "model": model,
    "two_level": two_level,
    "selection": selection,
}


def make_population(config: Mapping[str, Any], seed: int) -> Population:
    """Return the population that the study's `data` describes; `seed` is the study's.

    Raises MiceSimError for an unknown kind or key, and for values that make no population.
    """
    kind = str(config.get("kind"))
    if kind not in POPULATIONS:
        raise MiceSimError(f"There is no data kind '{kind}'{nearest(kind, list(POPULATIONS))}")
    return POPULATIONS[kind](config, seed)


__all__ = ["POPULATIONS", "Population", "make_population"]
