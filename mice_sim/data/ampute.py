"""Make values missing: multivariate amputation (Schouten, Lugtig & Vink 2018).

Every row is a candidate for one pattern of missing columns, by chance. A candidate has a weighted sum score of its
standardised values, and becomes incomplete with a probability that is a logistic function of that score, or that
depends on the quantile group it falls in (Brand 1999, pp. 110-113).
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
class Draw:
    """What happened to each row, arrays of shape (n,).

    Attributes
    ----------
    candidate_for : the number of the pattern it was a candidate for, from 0.
    scores : its score among the candidates for that pattern, NaN where missingness is completely at random.
    probability : to become incomplete, given these. incomplete : whether it did.
    """

    candidate_for: np.ndarray
    scores: np.ndarray
    probability: np.ndarray
    incomplete: np.ndarray


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
    odds : for each pattern the relative probabilities of equal groups of candidates from low to high scores, in the
        place of types; None for the logistic function.
    standardise : whether values are standardised before they are weighed.
    cluster : the number of the column whose values are clusters that differ in what goes missing, or None. spread :
        the standard deviation of the clusters' log-odds. systematic : the share of clusters that lose every value of
        one pattern; `proportion` is of the rows of the others.
    """

    proportion: float
    patterns: np.ndarray
    frequencies: np.ndarray
    weights: np.ndarray | None
    types: tuple[str, ...]
    odds: tuple[tuple[float, ...], ...] | None = None
    standardise: bool = True
    cluster: int | None = None
    spread: float = 0.0
    systematic: float = 0.0

    OPTIONS: ClassVar = (
        "proportion", "patterns", "frequencies", "mechanism", "weights", "types", "odds", "by_cases", "standardise",
        "cluster", "spread", "systematic",
    )  # fmt: skip

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
        odds: Sequence[float] | Sequence[Sequence[float]] | None = None,
        by_cases: bool = True,
        standardise: bool = True,
        cluster: str | None = None,
        spread: float = 0.0,
        systematic: float = 0.0,
    ) -> Amputation:
        """Check the options and translate column names.

        Parameters
        ----------
        proportion : of the rows that become incomplete, 0 ≤ p < 1; with `by_cases=False` of all cells.
        patterns : the columns that are missing together, such as [[x], [y, z]]; by default each column alone.
        frequencies : relative frequencies of the patterns; by default equal.
        mechanism : "MCAR", "MAR" (by default all columns weigh equally that the pattern keeps) or "MNAR" (those that
            it removes).
        weights : a list with {column: weight} for each pattern, 0 where not given; or one for all, of which a MAR
            pattern takes the columns that it keeps. Factors count by level number.
        types : "RIGHT" (high scores go missing), "LEFT", "MID" or "TAIL", for all patterns or a list.
        odds : relative probabilities, such as [1, 2, 3, 4] for quarters of the candidates from low to high scores; for
            all patterns, or a list of such. They take the place of types.
        standardise : whether values are standardised, among the candidates, before they are weighed.
        cluster : a column whose values are clusters. Their log-odds of becoming incomplete differ by a normal number
            with the standard deviation `spread`, ≥ 0; and a share `systematic`, 0 ≤ s < 1, of them, rounded to whole
            clusters, loses every value of one pattern (systematically missing, Resche-Rigon & White 2018). These come
            on top of the proportion.

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
        shares = _frequencies(frequencies, len(removed))
        proportion = float(proportion) if by_cases else _of_cases(proportion, removed, shares)
        weighed = _weights(weights, mechanism, removed, columns)
        if odds is not None and weighed is None:
            raise MiceSimError("Odds have no part in MCAR; leave them out, or choose MAR or MNAR.")
        kinds = _types(types, len(removed))
        position = None if cluster is None else _position(cluster, columns)
        _check_clusters(position, spread, systematic, odds, removed)
        if position is not None and weights is None and weighed is not None:
            weighed[:, position] = 0  # the numbers of clusters say nothing
        return cls(
            proportion, removed, shares, weighed, kinds, _odds(odds, len(removed), proportion), bool(standardise),
            position, float(spread), float(systematic),
        )  # fmt: skip

    def __call__(self, table: Table, rng: np.random.Generator) -> Table:
        """Return the table with NaN where values go missing; raises MiceSimError if some are missing already.

        Rows draw the same two numbers whatever the proportion, so that a higher one adds to what is missing.
        """
        drawn = self.draw(table, rng)
        values = np.where(self.patterns[drawn.candidate_for].T & drawn.incomplete, np.nan, table.values)
        return Table(table.columns, values)

    def draw(self, table: Table, rng: np.random.Generator) -> Draw:
        """Draw which rows become incomplete, by which pattern; raises MiceSimError if values are missing already."""
        if np.isnan(table.values).any():
            raise MiceSimError("The data to ampute has missing values; complete it first.")
        candidate_for = rng.choice(len(self.patterns), size=table.n_rows, p=self.frequencies)
        if self.cluster is None:
            scores = self.scores(table, candidate_for)
            probability = self._given_scores(scores, candidate_for)
        else:
            _, cluster = np.unique(table.values[self.cluster], return_inverse=True)
            candidate_for, shift = self._by_cluster(cluster, candidate_for, rng)
            scores, probability = np.full(table.n_rows, np.nan), np.ones(table.n_rows)
            rest = np.flatnonzero(np.isfinite(shift))
            scores[rest] = self.scores(table.take(rest), candidate_for[rest])
            probability[rest] = self._given_scores(scores[rest], candidate_for[rest], shift[rest])
        return Draw(candidate_for, scores, probability, rng.random(table.n_rows) < probability)

    def _by_cluster(
        self, cluster: np.ndarray, candidate_for: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what each row is a candidate for, and the log-odds (n,) of its cluster: ∞ where all is missing."""
        clusters = int(cluster.max()) + 1
        shift = self.spread * rng.standard_normal(clusters)
        gone = rng.permutation(clusters)[: round(self.systematic * clusters)]
        pattern = rng.choice(len(self.patterns), size=clusters, p=self.frequencies)
        shift[gone] = np.inf
        return np.where(np.isfinite(shift[cluster]), candidate_for, pattern[cluster]), shift[cluster]

    def scores(self, table: Table, candidate_for: np.ndarray) -> np.ndarray:
        """Return each row's weighted sum score (n,), standardised among the candidates for its pattern.

        NaN where missingness is completely at random.
        """
        scores = np.full(table.n_rows, np.nan)
        if self.weights is not None:
            for pattern, weights in enumerate(self.weights):
                rows = candidate_for == pattern
                if rows.any():
                    values = table.values[:, rows]
                    scores[rows] = _standardised(weights @ (_standardised(values) if self.standardise else values))
        return scores

    def probability(self, table: Table, candidate_for: np.ndarray) -> np.ndarray:
        """Return each row's probability (n,) to become incomplete, given the pattern it is a candidate for."""
        return self._given_scores(self.scores(table, candidate_for), candidate_for)

    def _given_scores(
        self, scores: np.ndarray, candidate_for: np.ndarray, shift: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the probabilities; `shift` (n,) is what clusters add to the log-odds."""
        probability = np.full(len(scores), self.proportion)
        added = np.zeros(len(scores)) if shift is None else shift
        if self.weights is None:
            return probability if shift is None or not len(shift) else logistic(shift, self.proportion)
        for pattern, kind in enumerate(self.types):
            rows = candidate_for == pattern
            if rows.any() and self.odds is not None:
                probability[rows] = grouped(scores[rows], self.odds[pattern], self.proportion)
            elif rows.any():
                probability[rows] = logistic(TYPES[kind](scores[rows]) + added[rows], self.proportion)
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


def grouped(scores: np.ndarray, odds: Sequence[float], proportion: float) -> np.ndarray:
    """Return probabilities proportional to the odds of the group that a score falls in, with the mean `proportion`.

    The groups are cut at the quantiles of the scores, one for each of the odds, so that equal scores share a group
    (Brand 1999, pp. 110-113). Where a probability would exceed 1 it is 1, and the others share what is left in their
    proportions; where nobody is left with positive odds, the mean stays below `proportion`.
    """
    cuts = np.quantile(scores, np.arange(1, len(odds)) / len(odds))
    weights = np.asarray(odds, dtype=float)[np.searchsorted(cuts, scores)]
    if weights.max() == weights.min():
        return np.full(len(scores), proportion)
    heaviest = np.sort(weights[weights > 0])[::-1]
    # With the k heaviest at 1, the others' odds times the k-th factor add up to what is left.
    factors = (proportion * len(scores) - np.arange(len(heaviest))) / np.cumsum(heaviest[::-1])[::-1]
    fits = factors * heaviest <= 1
    return np.minimum(factors[fits.argmax()] * weights, 1) if fits.any() else (weights > 0).astype(float)


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


def _odds(given: Any, n: int, proportion: float) -> tuple[tuple[float, ...], ...] | None:
    if given is None:
        return None
    listed = (
        [given] * n if isinstance(given, list | tuple) and given and not isinstance(given[0], list | tuple) else given
    )
    if (
        not isinstance(listed, list | tuple)
        or len(listed) != n
        or not all(isinstance(odds, list | tuple) and odds for odds in listed)
        or not all(_is_number(o) and o >= 0 for odds in listed for o in odds)
    ):
        raise MiceSimError(
            f"The odds are {given!r}; write numbers from 0, [1, 2, 3, 4], or such a list for each of the {n} patterns."
        )
    for odds in listed:
        reach = sum(o > 0 for o in odds) / len(odds)
        if reach < proportion or reach == 0:
            raise MiceSimError(
                f"The odds {list(odds)} let at most {reach:.3g} of the rows become incomplete, not {proportion:.3g}; "
                "raise some above 0, or lower the proportion."
            )
    return tuple(tuple(map(float, odds)) for odds in listed)


def _check_clusters(cluster: int | None, spread: Any, systematic: Any, odds: Any, removed: np.ndarray) -> None:
    if not _is_number(spread) or spread < 0:
        raise MiceSimError(f"The spread of the clusters' log-odds is {spread!r}; give a number of at least 0.")
    if not _is_number(systematic) or not 0 <= systematic < 1:
        raise MiceSimError(f"The share of clusters to lose all values is {systematic!r}; give one from 0 to below 1.")
    if cluster is None and (spread or systematic):
        raise MiceSimError("spread and systematic are of clusters; name their column in cluster.")
    if spread and odds is not None:
        raise MiceSimError("Odds make groups of equal size, which no cluster can shift; leave out odds or spread.")
    if cluster is not None and removed[:, cluster].any():
        raise MiceSimError("A pattern removes the clusters themselves; list patterns without them.")


def _of_cases(cells: float, removed: np.ndarray, frequencies: np.ndarray) -> float:
    """Return the proportion of rows that have to be incomplete for this proportion of cells to be missing."""
    largest = float(frequencies @ removed.mean(axis=1))
    if cells >= largest:
        raise MiceSimError(
            f"The proportion of cells to ampute is {cells!r}, but these patterns can remove less than {largest:.3g} of "
            "them; lower it, or let the patterns remove more columns."
        )
    return float(cells) / largest


def _position(name: Any, columns: Sequence[Column]) -> int:
    names = [column.name for column in columns]
    if name not in names:
        raise MiceSimError(f"There is no column '{name}' to ampute by{nearest(str(name), names)}")
    return names.index(name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
