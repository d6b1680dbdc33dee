"""Conditional methods, one file each: a fit/draw pair registered under the name people type.

To add one, write a frozen dataclass whose fields are its options, with `fit(y, X, rng, previous) -> fitted` and
`fitted.draw(rows, rng) -> values`, and list it in `METHODS` (or call `register`).
"""

from __future__ import annotations

import dataclasses

from mice_sim.errors import MiceSimError, nearest
from mice_sim.synthesis.methods.base import Fitted, Method, Predictors, Target
from mice_sim.synthesis.methods.cart import Cart
from mice_sim.synthesis.methods.sample import Sample

METHODS: dict[str, type] = {"cart": Cart, "sample": Sample}

__all__ = ["METHODS", "Fitted", "Method", "Predictors", "Target", "make", "register"]


def register(name: str, method: type) -> None:
    """Make `method` available as `method="name"`; raises MiceSimError if the name is taken."""
    if name in METHODS:
        raise MiceSimError(f"There is a method '{name}' already; choose another name.")
    METHODS[name] = method


def make(names: set[str], options: dict) -> dict[str, Method]:
    """Return the methods called `names`, each with those of the options that it knows.

    Raises MiceSimError for an unknown method, or for an option that none of the methods has.
    """
    for name in sorted(names):
        if name not in METHODS:
            raise MiceSimError(f"There is no method '{name}'{nearest(name, list(METHODS))}")
    known = {name: {f.name for f in dataclasses.fields(METHODS[name])} for name in names}
    for option in options:
        if not any(option in fields for fields in known.values()):
            all_options = sorted(set().union(*known.values()))
            raise MiceSimError(
                f"The method '{', '.join(sorted(names))}' has no option '{option}'"
                + (nearest(option, all_options) if all_options else "; it has none.")
            )
    return {n: METHODS[n](**{k: v for k, v in options.items() if k in known[n]}) for n in names}
