"""The Gibbs sampler of the latent-normal joint model: what it is told, where it starts, and what it says.

Level 1, record i of cluster j: Y_ij = B'x_ij + u_j + e_ij with e_ij ~ N(0, Ω₁). Level 2: W_j = B₂'x_j + v_j with
(u_j, v_j) ~ N(0, Ω₂). A continuous column is a latent column itself. A binary one is 1 where its latent column is
above 0; an ordinal one tells between which cut-points (the first is 0) its latent column lies; a nominal one with K
levels has K − 1 latent columns and the level of the largest, or the first level if none is above 0. The latent
covariance of a categorical column is fixed where it would not be identified: 1, and 1/2 between latent columns of one
nominal column (Goldstein, Carpenter, Kenward & Levin 2009; Carpenter & Kenward 2013, ch. 4-5).

Priors: flat for coefficients and cut-points; inverse-Wishart for Ω₁ and Ω₂, with as many degrees of freedom as rows
and, if `Priors` says nothing else, the identity as scale, restricted to the fixed entries.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from mice_sim.data.table import Kind
from mice_sim.synthesis.joint import kernels
from mice_sim.synthesis.joint.kernels import Clusters, Level, Prior, State

KINDS = {"binary": kernels.BINARY, "ordered": kernels.ORDINAL, "unordered": kernels.NOMINAL}
# Latent covariance of two differences of utilities with equal and independent errors, of variance 1.
WITHIN_NOMINAL = 0.5


@dataclass(frozen=True)
class Variable:
    """A column as the model sees it: numbers, or level numbers 0, 1, … of levels that all occur; NaN is missing.

    values : (n,) at level 1, (clusters,) at level 2. levels : their names; () if continuous.
    """

    name: str
    kind: Kind
    values: np.ndarray
    levels: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many latent columns it has."""
        return len(self.levels) - 1 if self.kind == "unordered" else 1

    @property
    def latent_names(self) -> list[str]:
        if self.kind in ("continuous", "ordered"):
            return [self.name]
        return [f"{self.name}{level}" for level in self.levels[1:]]


@dataclass(frozen=True)
class Side:
    """One level of a model: its variables, and predictors (r, n) that are kept as they are, with their names."""

    variables: tuple[Variable, ...]
    X: np.ndarray
    x_names: tuple[str, ...]

    @property
    def width(self) -> int:
        return sum(variable.width for variable in self.variables)

    @property
    def latent_names(self) -> list[str]:
        return [name for variable in self.variables for name in variable.latent_names]


@dataclass(frozen=True)
class Parameters:
    """One draw of all parameters: B (r, p), Ω₁ (p, p), B₂ (r₂, q), Ω₂ (p + q, p + q), empty without clusters, and by
    column name the cut-points, the first of which is 0."""

    B: np.ndarray
    omega_1: np.ndarray
    B_2: np.ndarray
    omega_2: np.ndarray
    cuts: dict[str, np.ndarray]


@dataclass(frozen=True)
class Priors:
    """Priors that differ from those above.

    precision : of independent normal priors of coefficients. rate : of exponential priors of distances of cut-points.
    scale_1, scale_2 : scales of the inverse-Wishart priors. df_1, df_2 : their degrees of freedom.
    """

    precision: float = 0.0
    rate: float = 0.0
    scale_1: np.ndarray | None = None
    scale_2: np.ndarray | None = None
    df_1: float | None = None
    df_2: float | None = None


class Sampler:
    """The model of given data, ready to run chains.

    Parameters
    ----------
    one, two : the two levels; `two` may have no variables. cluster : int (n,), the number of each record's cluster in
    `two`, ascending; None for a single level.
    """

    def __init__(
        self, one: Side, two: Side | None = None, cluster: np.ndarray | None = None, priors: Priors = Priors()
    ):
        self.one, self.two, self.two_level = one, two or Side((), np.zeros((0, 0)), ()), cluster is not None
        p, n = one.width, one.X.shape[1]
        self.level_1, self.values_1 = _level(one, n, 0)
        groups = 0 if cluster is None else int(cluster[-1]) + 1
        self.level_2, self.values_2 = _level(self.two, groups, p if self.two_level else 0)
        self.clusters = _clusters(cluster, one.X, groups)
        q = p + self.two.width if self.two_level else 0
        self.prior = Prior(
            float(priors.precision),
            float(priors.rate),
            float(p if priors.df_1 is None else priors.df_1),
            np.eye(p) if priors.scale_1 is None else np.ascontiguousarray(priors.scale_1, dtype=float),
            float(q if priors.df_2 is None else priors.df_2),
            np.eye(q) if priors.scale_2 is None else np.ascontiguousarray(priors.scale_2, dtype=float),
        )
        self.names, self.free = self._parameter_names()

    def _parameter_names(self) -> tuple[list[str], np.ndarray]:
        names: list[str] = []
        free: list[bool] = []
        for number, side, level in ((1, self.one, self.level_1), (2, self.two, self.level_2)):
            own = side.latent_names
            if number == 2 and not self.two_level:
                break
            latent = [*self.one.latent_names, *own] if number == 2 else own
            names += [f"{y} ~ {x}" for x in side.x_names for y in own]
            free += [True] * (len(own) * len(side.x_names))
            pairs = [(i, j) for i in range(len(latent)) for j in range(i + 1)]
            names += [f"level {number}: {latent[i]}, {latent[j]}" for i, j in pairs]
            free += [not (level.block[i] == level.block[j] >= 0) for i, j in pairs]
            cuts = [(v.name, k) for v in side.variables for k in range(1, _n_cuts(v))]
            names += [f"{name} cut {k + 1}" for name, k in cuts]
            free += [True] * len(cuts)
        return names, np.array(free, bool)

    def start(self, rng: np.random.Generator) -> tuple[State, State]:
        """Return starting values that differ between chains: missing and latent values drawn at random."""
        p = self.one.width
        state_1 = _start(self.level_1, self.values_1, self.one, rng)
        if not self.two_level:
            return state_1, _start(self.level_2, np.zeros((0, 0)), self.two, rng)
        effects = np.zeros((p, self.clusters.size.size))
        state_2 = _start(self.level_2, np.vstack([effects, self.values_2]), self.two, rng)
        free = np.arange(p)
        state_2.covariance[free, free] = 0.3 * np.diag(state_1.covariance) * np.exp(0.5 * rng.standard_normal(p))
        return state_1, state_2

    def run(
        self, states: tuple[State, State], cycles: int, rng: np.random.Generator, adapting: bool = False
    ) -> np.ndarray:
        """Run cycles, changing the states, and return all parameters after each, float64 (cycles, parameters).

        adapting : let the steps of cut-points' proposals adapt; draws from the posterior are those without.
        """
        trace = np.empty((cycles, len(self.names)))
        kernels.cycles(
            self.level_1, states[0], self.level_2, states[1], self.clusters, self.prior, trace, adapting, rng
        )
        return trace

    def row(self, states: tuple[State, State]) -> np.ndarray:
        """Return the parameters of states as a row of a trace."""
        row = np.empty(len(self.names))
        at = kernels.write(self.level_1, states[0], row, 0)
        if self.two_level:
            kernels.write(self.level_2, states[1], row, at)
        return row

    def without_missing(self) -> Sampler:
        """Return a sampler that takes the missing cells of rows as known."""
        result = copy(self)
        level = self.level_1
        result.level_1 = level._replace(rows=level.rows[:0], start=level.start[:1], unknown=level.unknown[:0])
        return result

    def parameters(self, row: np.ndarray) -> Parameters:
        """Return a row of a trace (or a mean of rows) as arrays."""
        p, at = self.one.width, 0
        arrays: list[np.ndarray] = []
        cuts: dict[str, np.ndarray] = {}
        for side, size in ((self.one, p), (self.two, p + self.two.width if self.two_level else 0)):
            r, q = len(side.x_names), side.width
            B = row[at : at + r * q].reshape(r, q)
            at += r * q
            lower = np.zeros((size, size))
            lower[np.tril_indices(size)] = row[at : at + size * (size + 1) // 2]
            at += size * (size + 1) // 2
            arrays += [B, lower + np.tril(lower, -1).T]
            for variable in side.variables:
                extra = max(_n_cuts(variable) - 1, 0)
                if variable.kind == "ordered":
                    cuts[variable.name] = np.append(0.0, row[at : at + extra])
                    at += extra
        return Parameters(arrays[0], arrays[1], arrays[2], arrays[3], cuts)


def _n_cuts(variable: Variable) -> int:
    return len(variable.levels) - 1 if variable.kind == "ordered" else 0


def _level(side: Side, n: int, offset: int) -> tuple[Level, np.ndarray]:
    """Return what the kernels know of a level, and its latent values (p, n), NaN where not observed as numbers.

    offset : latent columns before its own: at level 2 the effects of clusters.
    """
    p = offset + side.width
    Y = np.full((side.width, n), np.nan)
    block = np.full(p, -1)
    unknown = np.zeros((p, n), bool)
    factors = [v for v in side.variables if v.kind != "continuous"]
    first: list[int] = []
    at = offset
    for variable in side.variables:
        columns = slice(at, at + variable.width)
        unknown[columns] = np.isnan(variable.values)
        if variable.kind == "continuous":
            Y[at - offset] = variable.values
        else:
            block[columns] = len(first)
            first.append(at)
        at += variable.width
    codes = np.array([np.where(np.isnan(v.values), -1, v.values) for v in factors], np.int64).reshape(len(factors), n)
    rows, start, patterns = _patterns(unknown)
    level = Level(
        X=np.ascontiguousarray(side.X, dtype=float),
        gram=np.ascontiguousarray(side.X @ side.X.T, dtype=float),
        offset=offset,
        codes=codes,
        first=np.array(first, np.int64),
        width=np.array([v.width for v in factors], np.int64),
        kind=np.array([KINDS[v.kind] for v in factors], np.int64),
        levels=np.array([len(v.levels) for v in factors], np.int64),
        block=block.astype(np.int64),
        rows=rows,
        start=start,
        unknown=patterns,
    )
    return level, Y


def _patterns(unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return records with unknown columns by pattern, where each pattern starts, and the patterns (patterns, p)."""
    records = np.flatnonzero(unknown.any(axis=0))
    if not records.size:
        return records.astype(np.int64), np.zeros(1, np.int64), np.zeros((0, len(unknown)), bool)
    patterns, member, counts = np.unique(unknown[:, records], axis=1, return_inverse=True, return_counts=True)
    rows = records[np.argsort(member.ravel(), kind="stable")]
    start = np.append(0, np.cumsum(counts))
    return rows.astype(np.int64), start.astype(np.int64), np.ascontiguousarray(patterns.T)


def _clusters(cluster: np.ndarray | None, X: np.ndarray, groups: int) -> Clusters:
    member = np.zeros(0, np.int64) if cluster is None else cluster.astype(np.int64)
    size = np.bincount(member, minlength=groups)
    sizes, which = np.unique(size, return_inverse=True)
    first = np.searchsorted(member, np.arange(groups))
    upper = np.ascontiguousarray(X[:, first]) if groups else np.zeros((len(X), 0))
    constant = np.flatnonzero((upper[:, member] == X).all(axis=1)) if groups else np.zeros(0, np.int64)
    upper = np.ascontiguousarray(upper[constant])
    return Clusters(
        member, size.astype(np.int64), sizes.astype(float), which.ravel().astype(np.int64),
        constant.astype(np.int64), upper, upper @ upper.T,
    )  # fmt: skip


def _start(level: Level, values: np.ndarray, side: Side, rng: np.random.Generator) -> State:
    p, n = level.block.size, level.codes.shape[1] if level.codes.size else values.shape[1]
    Y = rng.standard_normal((p, n))
    for c, row in enumerate(values):
        known = ~np.isnan(row)
        if known.any():
            Y[c] = np.where(known, row, rng.choice(row[known], n))
    R = Y.copy()
    own = Y[level.offset :]
    B = np.zeros((len(side.x_names), side.width))
    if B.size:
        B = np.ascontiguousarray(np.linalg.lstsq(level.X.T, own.T, rcond=None)[0])
        R[level.offset :] -= B.T @ level.X
    covariance = np.diag(np.maximum(R.var(axis=1), 1e-6) * np.exp(0.5 * rng.standard_normal(p))) if p else np.eye(0)
    for v, first in enumerate(level.first):
        columns = np.arange(first, first + level.width[v])
        covariance[np.ix_(columns, columns)] = WITHIN_NOMINAL * (1 + np.eye(columns.size))
    return State(Y, R, B, covariance, _start_cuts(level), np.full(level.kind.size, 0.1))


def _start_cuts(level: Level) -> np.ndarray:
    """Return the cut-points of a normal column that has the observed shares of levels, from the first one."""
    cuts = np.zeros((level.kind.size, max([1, *(level.levels - 1)])))
    for v in np.flatnonzero(level.kind == kernels.ORDINAL):
        counts = np.bincount(level.codes[v][level.codes[v] >= 0], minlength=level.levels[v])
        cut = ndtri(np.cumsum(counts + 0.5)[:-1] / (counts + 0.5).sum())
        cuts[v, : cut.size] = cut - cut[0]
    return cuts
