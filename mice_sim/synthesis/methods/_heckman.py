"""What Heckman imputation shares at one and at two levels: the two equations and the chain that draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mice_sim.errors import MiceSimError, nearest
from mice_sim.synthesis import clusters
from mice_sim.synthesis.augment import Units
from mice_sim.synthesis.kernels import heckman
from mice_sim.synthesis.kernels.heckman import DELTA, OMEGA2, UU, UV, VV
from mice_sim.synthesis.methods import _categories
from mice_sim.synthesis.methods._linear import Notes
from mice_sim.synthesis.methods._two_level import WITH_MEANS, Rows, check_cycles
from mice_sim.synthesis.methods.base import Fitted, Method, Predictors, Target

Names = str | Sequence[str]
# A chain is told of that is shorter than this many times its correlation time.
ENOUGH = 10


@dataclass(frozen=True)
class Selection(Method):
    """The options and the fit of both methods.

    Missing values are drawn given that the row was not selected, so the model of y needs the rows where y is missing:
    parameters are drawn in `fit`, one chain for each set, which the next iteration continues.
    """

    exclusion: Names | None = None
    selection: Names | None = None
    cycles: int = 1000

    kinds = ("continuous", "binary")
    deterministic = False
    proper = True
    starts = True

    def __post_init__(self) -> None:
        check_cycles(self.cycles)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator, start: Fitted | None = None) -> Fitted:
        """Draw the parameters. Raises MiceSimError if nothing is missing, and for columns that are no predictors."""
        name = y.column.name
        if y.missing is None or not y.missing.size:
            why = "has no missing values" if y.missing is not None else "is drawn apart from its being missing"
            other = "logreg" if y.column.is_factor else "norm"
            raise MiceSimError(f"'{name}' {why}, so there is no selection to model; use '{other}'.")
        if self.exclusion is None:
            raise MiceSimError(
                f"'{name}' needs the option exclusion: columns that decide on whether it is missing, but not on its "
                "value; [] stands for none."
            )
        binary = y.column.is_factor
        if binary and (classes := _categories.Classes.of(y)).count == 1:
            return _categories.constant(classes, y)
        rows = self._rows(X.at(np.concatenate([y.rows, y.missing])), name)
        outcome, selection, notes = self._equations(name, X, rows)
        centre, scale = (0.0, 1.0) if binary else _units(y.observed)
        x, z = outcome.standardise(rows.matrix[: y.rows.size]), selection.standardise(rows.matrix)
        known, number = np.unique(rows.cluster, return_inverse=True)
        state, effects = _start(start, x.shape[1] + z.shape[1] + 5, known, binary, rng)
        states = heckman.sample(
            x, z, (y.observed - centre) / (scale or 1.0), binary, number, known.size, state, effects, self.cycles, rng
        )  # fmt: skip
        column = [c.name for c in X.state.columns].index(name)
        return FittedSelection(
            column, binary, centre, scale, outcome, selection, states[-1], known, effects, (*notes, *_slow(states))
        )

    def _rows(self, X: Predictors, name: str) -> Rows:
        return _in_no_cluster(X)

    def _equations(self, name: str, X: Predictors, rows: Rows) -> tuple[Part, Part, Notes]:
        """Return the predictors of y and those of its being there, and what is to be said of them."""
        columns = X.state.columns
        known = {columns[j].name for j in np.flatnonzero(X.codes)} if X.codes is not None else set()
        known |= set(X.names)
        only, chosen = (_listed(given) for given in (self.exclusion, self.selection))
        for option, wanted in (("exclusion", only), ("selection", chosen)):
            for column in wanted:
                if column not in known:
                    hint = nearest(column, sorted(known)) if known else "; nothing does."
                    raise MiceSimError(f"The {option} of '{name}' names '{column}', which does not predict it{hint}")
        own = X.names if X.formula else [columns[j].name for j in X.state.design.source[X.keep]]
        sources = [*zip(X.names, own, strict=True)]
        if len(rows.names) > len(sources):  # cluster means are behind
            sources += [pair for pair, averaged in zip(sources, X.coded(*WITH_MEANS), strict=True) if averaged]
        excluded = np.array([bool({*pair} & {*only}) for pair in sources], bool)
        selects = np.array([self.selection is None or bool({*pair} & {*chosen}) for pair in sources], bool)
        notes: Notes = ()
        if not excluded.any():
            notes = (("told the selection from the shape of the distribution alone", "there is no exclusion"),)
        return Part.of(rows.matrix, ~excluded), Part.of(rows.matrix, selects | excluded), notes


@dataclass(frozen=True)
class Part:
    """The columns of the matrix, as positions (k,), that are in one of the equations, and their units."""

    columns: np.ndarray
    units: Units

    @classmethod
    def of(cls, matrix: np.ndarray, chosen: np.ndarray) -> Part:
        columns = np.flatnonzero(chosen)
        return cls(columns, Units.of(np.ascontiguousarray(matrix[:, columns])))

    def standardise(self, matrix: np.ndarray) -> np.ndarray:
        """Return (n, 1 + columns that vary), with ones in front."""
        return self.units.standardise(np.ascontiguousarray(matrix[:, self.columns]))


@dataclass(frozen=True)
class FittedSelection:
    """A draw of the parameters; y = centre + scale · what `state`, a row of kernels/heckman.py, is of.

    column : of y, by number. known (G,) and effects (G, 2) : the clusters of the fit and their random intercepts; at
    one level G = 0.
    """

    column: int
    binary: bool
    centre: float
    scale: float
    outcome: Part
    selection: Part
    state: np.ndarray
    known: np.ndarray
    effects: np.ndarray
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        """Draw y given that it is missing or, in rows where it was not, given that it is not."""
        rows = Rows.of(X) if self.known.size else _in_no_cluster(X)
        x, z = self.outcome.standardise(rows.matrix), self.selection.standardise(rows.matrix)
        p = x.shape[1]
        expected, selected = x @ self.state[:p], z @ self.state[p : p + z.shape[1]]
        if self.known.size:
            u, v = self._effects(rows.cluster, X.new_clusters, rng).T
            expected, selected = expected + u, selected + v
        noise = np.sqrt(self.state[OMEGA2]) * rng.standard_normal(X.rows.size)
        error = heckman.errors(selected, X.state.observed[self.column, X.rows], rng)
        drawn = expected + self.state[DELTA] * error + noise
        return (drawn > 0).astype(float) if self.binary else self.centre + self.scale * drawn

    def _effects(self, cluster: np.ndarray, are_new: bool, rng: np.random.Generator) -> np.ndarray:
        """Return (u, v) of each row's cluster (n, 2); those of clusters that the fit did not see are drawn."""
        found, at = np.unique(cluster, return_inverse=True)
        number = clusters.number_in(self.known, found)
        if are_new:
            number[:] = -1
        psi = np.array([[self.state[UU], self.state[UV]], [self.state[UV], self.state[VV]]])
        fresh = rng.standard_normal((found.size, 2)) @ np.linalg.cholesky(psi).T
        return np.where((number < 0)[:, None], fresh, self.effects[number])[at]


def _in_no_cluster(X: Predictors) -> Rows:
    return Rows(X.matrix(), X.names, np.zeros(0, bool), np.zeros(0))


def _units(values: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation of the values, which may be huge."""
    units = Units.of(values[:, None])
    return (float(units.centre[0]), float(units.scale[0])) if units.columns.size else (float(values[0]), 0.0)


def _listed(given: Names | None) -> tuple[str, ...]:
    return () if given is None else (given,) if isinstance(given, str) else tuple(map(str, given))


def _start(
    last: Fitted | None, size: int, known: np.ndarray, binary: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the chain starts: where the last one ended or, the first time, at a correlation within ±½.

    It differs from set to set, so that chains that are too short vary too much between the sets rather than too little;
    near ±1 they would move slowly.
    """
    if isinstance(last, FittedSelection) and last.state.size == size and np.array_equal(last.known, known):
        return last.state, last.effects.copy()
    state = np.zeros(size)
    rho = rng.random() - 0.5
    state[DELTA] = rho / np.sqrt(1 - rho * rho) if binary else rho
    state[OMEGA2] = 1.0 if binary else 1 - rho * rho
    state[UU] = state[VV] = 0.1
    return state, np.zeros((known.size, 2))


def _slow(states: np.ndarray) -> Notes:
    """Return a note if the correlation of the errors moves slowly, or long from where it started."""
    time = correlation_time(states[:, DELTA] / np.sqrt(states[:, DELTA] ** 2 + states[:, OMEGA2]))
    if len(states) >= ENOUGH * time:
        return ()
    why = f"its draws of the errors' correlation hang together over about {time:.0f} cycles; more cycles are safer"
    return (("drew from a chain that moves slowly", why),)


def correlation_time(trace: np.ndarray) -> float:
    """Return 1 + 2 Σ of the autocorrelations of a trace (n,), up to where pairs of them turn negative (Geyer 1992)."""
    n = trace.size
    centred = trace - trace.mean()
    spectrum = np.fft.rfft(centred, 2 * n)
    covariance = np.fft.irfft(spectrum * spectrum.conj())[:n]
    if not covariance[0] > 0:
        return 1.0
    pairs = (covariance / covariance[0])[: 2 * (n // 2)].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    return max(2 * float(pairs[: negative[0] if negative.size else None].sum()) - 1, 1.0)
