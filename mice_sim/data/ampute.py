"""Make values missing: multivariate amputation (Schouten, Lugtig & Vink 2018).

Every row is a candidate for one pattern of missing columns, by chance. A candidate has a weighted sum score of its
standardised values, and becomes incomplete with a probability that is a logistic function of that score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from mice_sim.data.table import Column, Table
from mice_sim.errors import MiceSimError, nearest

MECHANISMS = ("MCAR", "MAR", "MNAR")

# Where along the score rows go missing: what is added to the shift in the logistic function.
TYPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "RIGHT": lambda z: z,
    "LEFT": lambda z: -z,
    "MID": lambda z: -np.abs(z),
    "TAIL": np.abs,
}


@dataclass(frozen=True)
class Amputation:
    """A missing data mechanism for tables with these columns.

    Attributes
    ----------
    proportion : of the rows that become incomplete, 0 ≤ p < 1, met exactly in expectation.
    patterns : bool (patterns, columns), True where the pattern removes the value.
    frequencies : (patterns,), the share of rows that are candidates for each; they add up to 1.
    weights : (patterns, columns) in the score; None where missingness is completely at random.
    types : one of TYPES for each pattern.
    """

    proportion: float
    patterns: np.ndarray
    frequencies: np.ndarray
    weights: np.ndarray | None
    types: tuple[str, ...]

    OPTIONS: ClassVar = ("proportion", "patterns", "frequencies", "mechanism", "weights", "types")

    @classmethod
    def of(
        cls,
        columns: Sequence[Column],
        *,
        proportion: float = 0.5,
        patterns: Sequence[Sequence[str]] | None = None,
        frequencies: Sequence[float] | None = None,
        mechanism: str = "MAR",
        weights: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None,
        types: str | Sequence[str] = "RIGHT",
    ) -> Amputation:
        """Check the options and translate column names.

        Parameters
        ----------
        proportion : of the rows that become incomplete, 0 ≤ p < 1.
        patterns : the columns that are missing together, such as [[x], [y, z]]; by default each column alone.
        frequencies : relative frequencies of the patterns; by default equal.
        mechanism : "MCAR", "MAR" (by default all columns weigh equally that the pattern keeps) or "MNAR" (those that
            it removes).
        weights : a list with {column: weight} for each pattern, 0 where not given; or one for all, of which a MAR
            pattern takes the columns that it keeps. Factors count by level number.
        types : "RIGHT" (high scores go missing), "LEFT", "MID" or "TAIL", for all patterns or a list.

        Raises
        ------
        MiceSimError
            For anything that can't work, such as a MAR pattern that removes every column.
        """
        if mechanism not in MECHANISMS:
            raise MiceSimError(f"There is no missing data mechanism '{mechanism}'{nearest(str(mechanism), MECHANISMS)}")
        if isinstance(proportion, bool) or not isinstance(proportion, int | float) or not 0 <= proportion < 1:
            raise MiceSimError(f"The proportion to ampute is {proportion!r}; give a number from 0 to below 1.")
        removed = _patterns(patterns, columns)
        return cls(
            float(proportion),
            removed,
            _frequencies(frequencies, len(removed)),
            _weights(weights, mechanism, removed, columns),
            _types(types, len(removed)),
        )

    def __call__(self, table: Table, rng: np.random.Generator) -> Table:
        """Return the table with NaN where values go missing; raises MiceSimError if some are missing already.

        Rows draw the same two numbers whatever the proportion, so that a higher one adds to what is missing.
        """
        if np.isnan(table.values).any():
            raise MiceSimError("The data to ampute has missing values; complete it first.")
        candidate_for = rng.choice(len(self.patterns), size=table.n_rows, p=self.frequencies)
        incomplete = rng.random(table.n_rows) < self.probability(table, candidate_for)
        values = np.where(self.patterns[candidate_for].T & incomplete, np.nan, table.values)
        return Table(table.columns, values)

    def probability(self, table: Table, candidate_for: np.ndarray) -> np.ndarray:
        """Return each row's probability (n,) to become incomplete, given the pattern it is a candidate for."""
        probability = np.full(table.n_rows, self.proportion)
        if self.weights is None:
            return probability
        for pattern, (weights, kind) in enumerate(zip(self.weights, self.types, strict=True)):
            rows = candidate_for == pattern
            if rows.any():
                scores = _standardised(weights @ _standardised(table.values[:, rows]))
                probability[rows] = logistic(TYPES[kind](scores), self.proportion)
        return probability


def ampute(table: Table, rng: np.random.Generator, **options: Any) -> Table:
    """Return a copy of a complete table with values made missing; see `Amputation.of` for the options."""
    return Amputation.of(table.columns, **options)(table, rng)


def logistic(z: np.ndarray, proportion: float) -> np.ndarray:
    """Return 1 / (1 + exp(−z − b)) with the shift b that gives it the mean `proportion`, 0 ≤ p < 1.

    The shift lies between those at which the largest and the smallest z alone would have that probability.
    """
    middle = float(logit(proportion))
    low, high = middle - float(z.max()), middle - float(z.min())
    shift = low if low == high else brentq(lambda b: expit(z + b).mean() - proportion, low, high, xtol=1e-13)
    return expit(z + shift)


def _standardised(values: np.ndarray) -> np.ndarray:
    """Return values with mean 0 and standard deviation 1 along the last axis, or 0 where they are all the same."""
    centred = values - values.mean(axis=-1, keepdims=True)
    sd = centred.std(axis=-1, ddof=1, keepdims=True) if values.shape[-1] > 1 else np.zeros_like(centred)
    # Rounding leaves a constant an sd of this order.
    constant = sd <= 1e-12 * np.abs(values).max(axis=-1, keepdims=True)
    return np.where(constant, 0, centred / np.where(constant, 1, sd))


def _patterns(given: Any, columns: Sequence[Column]) -> np.ndarray:
    if given is None:
        return np.eye(len(columns), dtype=bool)
    if not isinstance(given, list | tuple) or not given or any(not isinstance(p, list | tuple) or not p for p in given):
        raise MiceSimError(f"The patterns are {given!r}; list the columns that go missing together: [[x], [y, z]].")
    removed = np.zeros((len(given), len(columns)), dtype=bool)
    for pattern, names in zip(removed, given, strict=True):
        for name in names:
            pattern[_position(name, columns)] = True
    return removed


def _frequencies(given: Any, n: int) -> np.ndarray:
    if given is None:
        return np.full(n, 1 / n)
    if not isinstance(given, list | tuple) or len(given) != n or not all(_is_number(f) and f > 0 for f in given):
        raise MiceSimError(f"The frequencies are {given!r}; give a positive number for each of the {n} patterns.")
    return np.array(given, dtype=float) / sum(given)


def _weights(given: Any, mechanism: str, removed: np.ndarray, columns: Sequence[Column]) -> np.ndarray | None:
    if mechanism == "MCAR":
        if given is not None:
            raise MiceSimError("Weights have no part in MCAR; leave them out, or choose MAR or MNAR.")
        return None
    if mechanism == "MAR" and removed.all(axis=1).any():
        raise MiceSimError("A pattern removes every column, which can't be MAR; keep one, or choose MNAR or MCAR.")
    if given is None:
        return np.where(removed == (mechanism == "MNAR"), 1.0, 0.0)
    listed = [given] * len(removed) if isinstance(given, Mapping) else given
    if (
        not isinstance(listed, list | tuple)
        or len(listed) != len(removed)
        or not all(isinstance(named, Mapping) for named in listed)
    ):
        raise MiceSimError(f"The weights are {given!r}; write {{x: 1, y: 2}}, or a list of such, one for each pattern.")
    weights = np.zeros(removed.shape)
    for row, named in zip(weights, listed, strict=True):
        for name, weight in named.items():
            if not _is_number(weight):
                raise MiceSimError(f"The weight of '{name}' is {weight!r}; give a number.")
            row[_position(name, columns)] = weight
    if mechanism == "MAR" and isinstance(given, Mapping):
        weights[removed] = 0
    if mechanism == "MAR" and (weights[removed] != 0).any():
        name = columns[int(np.argwhere(removed & (weights != 0))[0, 1])].name
        raise MiceSimError(f"Column '{name}' is weighed in a pattern that removes it, so this is MNAR; say so.")
    if not weights.any(axis=1).all():
        raise MiceSimError("The weights of a pattern are all 0; give one that is not, or choose MCAR.")
    return weights


def _types(given: Any, n: int) -> tuple[str, ...]:
    types = tuple(map(str, given)) if isinstance(given, list | tuple) else (str(given),) * n
    for kind in types:
        if kind not in TYPES:
            raise MiceSimError(f"There is no amputation type '{kind}'{nearest(kind, list(TYPES))}")
    if len(types) != n:
        raise MiceSimError(f"There are {len(types)} types for {n} patterns; give one, or one for each.")
    return types


def _position(name: Any, columns: Sequence[Column]) -> int:
    names = [column.name for column in columns]
    if name not in names:
        raise MiceSimError(f"There is no column '{name}' to ampute by{nearest(str(name), names)}")
    return names.index(name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
