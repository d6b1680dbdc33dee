"""The front door of amputation: a frame in, a frame with missing values out, in the terms of mice's `ampute`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mice_sim import streams
from mice_sim.data.ampute import Amputation
from mice_sim.data.table import Table
from mice_sim.errors import MiceSimError

DEFAULT_ODDS = [1, 2, 3, 4]

Matrix: TypeAlias = pd.DataFrame | np.ndarray | Sequence[Any]


@dataclass(frozen=True)
class Amputed:
    """An amputed data set and how it came about. `patterns` and `weights` may be changed and used again.

    Attributes
    ----------
    amp : the data with missing values; data : the complete data.
    prop : of the rows that become incomplete, in expectation. mech : "MCAR", "MAR" or "MNAR".
    patterns : frame (patterns, columns), 0 where a value goes missing. freq : share of the rows that are candidates
        for each. weights : frame (patterns, columns), or None under MCAR.
    type : of each pattern; None with odds. odds : for each pattern; None without.
    cand : the pattern each row was a candidate for, from 1. scores : its weighted sum score, standardised among the
        candidates; NaN under MCAR. probability : to become incomplete. These three are indexed as the data.
    """

    amp: pd.DataFrame
    data: pd.DataFrame
    prop: float
    mech: str
    patterns: pd.DataFrame
    freq: pd.Series
    weights: pd.DataFrame | None
    type: tuple[str, ...] | None
    odds: tuple[tuple[float, ...], ...] | None
    cand: pd.Series
    scores: pd.Series
    probability: pd.Series

    def __repr__(self) -> str:
        rows, incomplete = len(self.amp), int(self.amp.isna().any(axis=1).sum())
        return f"<Amputed: {self.mech}, {len(self.patterns)} patterns, {incomplete} of {rows} rows incomplete>"


def ampute(
    data: pd.DataFrame,
    prop: float = 0.5,
    patterns: Matrix | None = None,
    freq: Sequence[float] | pd.Series | np.ndarray | None = None,
    mech: str = "MAR",
    weights: Matrix | Mapping[str, float] | None = None,
    cont: bool = True,
    type: str | Sequence[str] = "RIGHT",
    odds: Matrix | None = None,
    bycases: bool = True,
    std: bool = True,
    seed: int | None = None,
) -> Amputed:
    """Make values missing: multivariate amputation (Schouten, Lugtig & Vink 2018), as mice's `ampute`.

    Every row is a candidate for one pattern, by chance, and becomes incomplete with a probability that depends on its
    weighted sum score. The proportion is met exactly in expectation.

    Parameters
    ----------
    data : complete; numeric, boolean and categorical columns (categories count by level number, from 0).
    prop : of the rows that become incomplete, 0 ≤ p < 1; with `bycases=False` of all cells.
    patterns : (patterns, columns) of 0 and 1, 0 where a value goes missing, or lists of the columns that go missing
        together: [["x"], ["y", "z"]]. By default each column alone.
    freq : relative frequencies of the patterns; by default equal.
    mech : "MCAR", "MAR" or "MNAR".
    weights : (patterns, columns), or {column: weight} for each pattern. By default 1 for what the pattern keeps (MAR)
        or removes (MNAR).
    cont : whether the probability is a logistic function of the score, of this `type`: "RIGHT" (high scores go
        missing), "LEFT", "MID" or "TAIL", for all patterns or a list. If False it depends on the `odds`.
    odds : relative probabilities of equal groups of candidates, from low to high scores, for all patterns or for each
        (NaN fills a matrix up); by default 1, 2, 3, 4. Where a probability would exceed 1, the other groups make up.
    std : whether values are standardised before they are weighed.
    seed : a whole number; the same seed makes the same values missing, and more of them with a higher prop.

    Raises
    ------
    MiceSimError
        For missing values in the data, and anything that can't work, naming it and the remedy.
    """
    table = Table.from_pandas(data)
    if cont and odds is not None:
        raise MiceSimError("Odds count only where missingness is not continuous in the score; add cont=False.")
    if not cont and type != "RIGHT":
        raise MiceSimError("A type counts only where missingness is continuous in the score; leave out cont or type.")
    amputation = Amputation.of(
        table.columns,
        proportion=prop,
        patterns=_removed(patterns, table.names),
        frequencies=None if freq is None else np.asarray(freq, dtype=float).tolist(),
        mechanism=mech,
        weights=_weighed(weights, table.names),
        types=type,
        odds=_listed(DEFAULT_ODDS if odds is None else odds) if not cont and mech != "MCAR" else None,
        by_cases=bycases,
        standardise=std,
    )
    drawn = amputation.draw(table, streams.stream(secrets.randbits(128) if seed is None else seed, "amputation"))
    missing = amputation.patterns[drawn.candidate_for] & drawn.incomplete[:, None]
    numbers = pd.RangeIndex(1, len(amputation.patterns) + 1, name="pattern")

    def by_pattern(values: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(values, index=numbers, columns=data.columns)

    def by_row(values: np.ndarray, name: str) -> pd.Series:
        return pd.Series(values, index=data.index, name=name)

    return Amputed(
        amp=_without(data, missing),
        data=data,
        prop=amputation.proportion,
        mech=mech,
        patterns=by_pattern(1 - amputation.patterns.astype(int)),
        freq=pd.Series(amputation.frequencies, index=numbers, name="freq"),
        weights=None if amputation.weights is None else by_pattern(amputation.weights),
        type=amputation.types if cont and mech != "MCAR" else None,
        odds=amputation.odds,
        cand=by_row(drawn.candidate_for + 1, "cand"),
        scores=by_row(drawn.scores, "score"),
        probability=by_row(drawn.probability, "probability"),
    )


def _without(data: pd.DataFrame, missing: np.ndarray) -> pd.DataFrame:
    """Return the frame without these cells; what can't hold missing values takes a type that can and means the same."""
    holds = {
        name: "boolean" for name, hit in zip(data, missing.T, strict=True) if data[name].dtype == bool and hit.any()
    }
    return data.astype(holds).mask(missing)


def _removed(given: Matrix | None, names: list[str]) -> list[list[str]] | Any:
    """Return the columns that each pattern removes; lists of names stay as they are."""
    if given is None or _holds_names(given):
        return given
    keeps = _matrix("patterns", given, names)
    if not np.isin(keeps, (0, 1)).all():
        raise MiceSimError("The patterns hold other numbers than 0 (goes missing) and 1 (stays); write these.")
    if (keeps == 1).all(axis=1).any():
        raise MiceSimError("A pattern has only ones, so nothing goes missing; leave it out and lower prop instead.")
    return [[name for name, keep in zip(names, row, strict=True) if keep == 0] for row in keeps]


def _weighed(given: Matrix | Mapping[str, float] | None, names: list[str]) -> Any:
    """Return {column: weight} for each pattern; what is written so stays as it is."""
    if given is None or isinstance(given, Mapping):
        return given
    if isinstance(given, list | tuple) and any(isinstance(row, Mapping) for row in given):
        return given
    matrix = _matrix("weights", given, names)
    return [dict(zip(names, row.tolist(), strict=True)) for row in matrix]


def _listed(given: Matrix) -> Any:
    """Return odds as lists, without the NaN that fill a matrix up."""
    if isinstance(given, pd.DataFrame | np.ndarray):
        given = np.asarray(given, dtype=float).tolist()
    if not isinstance(given, list | tuple):
        return given
    return [[o for o in row if o == o] if isinstance(row, list | tuple) else row for row in given]


def _holds_names(given: Matrix) -> bool:
    return isinstance(given, list | tuple) and any(
        isinstance(p, str) or (isinstance(p, list | tuple) and any(isinstance(name, str) for name in p)) for p in given
    )


def _matrix(what: str, given: Matrix, names: list[str]) -> np.ndarray:
    """Return a (patterns, columns) array; a frame's columns are brought into the data's order."""
    if isinstance(given, pd.DataFrame):
        labels = [str(label) for label in given.columns]
        if sorted(labels) != sorted(names):
            raise MiceSimError(f"The {what} have columns {labels}, the data {names}; give one for each.")
        given = given.set_axis(labels, axis=1)[names]
    try:
        matrix = np.atleast_2d(np.asarray(given, dtype=float))
    except (TypeError, ValueError):
        matrix = np.empty((0, 0))
    if matrix.ndim != 2 or matrix.shape[0] == 0 or matrix.shape[1] != len(names):
        raise MiceSimError(f"The {what} are not a matrix with a row a pattern and {len(names)} columns; give one.")
    return matrix
