"""What every population is, and the checks that their configurations share."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mice_sim.data import Table
from mice_sim.errors import MiceSimError, nearest

# n fresh rows from a generator of random numbers.
Draw = Callable[[int, np.random.Generator], Table]
Truth = Mapping[tuple[str, str], Mapping[str, float]]


@dataclass(frozen=True)
class Population:
    """What samples come from.

    Attributes
    ----------
    reference : complete rows to resample from; what is estimated on them is the truth unless `truth` knows better.
    n : rows of one sample where the study does not say.
    draw : (n, rng) -> n fresh rows, or None for mere data.
    truth : {(model kind, formula): {term: value}}, known exactly.
    exact : in words, which analyses of the reference are exact for the population.
    fixed_n : whether the design leaves samples no other size than n.
    incomplete : (n, rng) -> the rows that `draw` gives, with values missing as the population has it, if it has.
    """

    reference: Table
    n: int
    draw: Draw | None = None
    truth: Truth = field(default_factory=dict)
    exact: str = "all: the reference is the population"
    fixed_n: bool = False
    incomplete: Draw | None = None

    def known_truth(self, kind: str, formula: str) -> Mapping[str, float] | None:
        """Return the exact {term: value} of a model, or None; spaces in the formula and its order do not matter."""
        wanted = (kind, _summands(formula))
        for (known, text), values in self.truth.items():
            if (known, _summands(text)) == wanted:
                return values
        return None


def _summands(formula: str) -> tuple[str, frozenset[str] | str]:
    """Return response and terms; the order of terms stays where it makes the names of products."""
    response, _, right = "".join(formula.split()).partition("~")
    return response, right if re.search("[:*^/]", right) else frozenset(re.split(r"\+(?![^(]*\))", right))


def check_keys(what: str, given: Any, required: Sequence[str], optional: Sequence[str] = ()) -> None:
    """Raise MiceSimError unless `given` is a mapping with all required keys and no unknown one."""
    if not isinstance(given, Mapping):
        raise MiceSimError(f"{what} is {given!r}; write keys and values: {{{required[0] if required else 'key'}: …}}.")
    known = [*required, *optional]
    for key in given:
        if key not in known:
            raise MiceSimError(f"{what} has no key '{key}'{nearest(str(key), known)}")
    for key in required:
        if given.get(key) is None:
            raise MiceSimError(f"{what} lacks the key '{key}'; give it a value.")


def whole(what: str, value: Any, least: int = 1) -> int:
    """Return a whole number of at least `least`, or raise MiceSimError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise MiceSimError(f"{what} is {value!r}; give a whole number of at least {least}.")
    return value


def number(
    what: str, value: Any, *, above: float = -math.inf, least: float = -math.inf, below: float = math.inf
) -> float:
    """Return a finite number above `above`, of at least `least` and below `below`, or raise MiceSimError."""
    real = isinstance(value, int | float) and not isinstance(value, bool)
    if not real or not (above < value < below and value >= least):
        bounds = {"above": above, "of at least": least, "below": below}
        said = " and ".join(f"{words} {bound:g}" for words, bound in bounds.items() if math.isfinite(bound))
        raise MiceSimError(f"{what} is {value!r}; give a number {said}".rstrip() + ".")
    return float(value)
