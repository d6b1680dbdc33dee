"""`pmm`: predictive mean matching (Little 1988; van Buuren 2018, §3.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mice_sim.errors import MiceSimError, nearest
from mice_sim.synthesis.kernels import matching
from mice_sim.synthesis.methods._linear import Basis, LinearFit, Notes, check_spline_df, regress
from mice_sim.synthesis.methods.base import Method, Predictors, Target


@dataclass(frozen=True)
class Pmm(Method):
    """Options of `pmm`, with the defaults of mice.

    donors : how many nearest donors one is drawn from, ≥ 1. matchtype : 1 compares the donors' predictions from
    the estimated coefficients with the recipients' from drawn ones, 0 both from the estimates, 2 both from
    drawn ones. exclude : values (of a factor, its levels) that are neither fitted nor donated. spline_df : as in
    `norm`. proper : False is matchtype 0, which draws no coefficients.

    A factor is matched on its level numbers, as mice 3.15 does.
    """

    donors: int = 5
    matchtype: int = 1
    exclude: tuple = ()
    spline_df: int | None = None
    proper: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.donors, bool) or not isinstance(self.donors, int | np.integer) or self.donors < 1:
            raise MiceSimError(f"donors is {self.donors!r}; give a whole number of at least 1.")
        if isinstance(self.matchtype, bool) or self.matchtype not in (0, 1, 2):
            raise MiceSimError(f"matchtype is {self.matchtype!r}; give 0, 1 or 2.")
        check_spline_df(self.spline_df)
        single = isinstance(self.exclude, str) or not np.iterable(self.exclude)
        object.__setattr__(self, "exclude", (self.exclude,) if single else tuple(self.exclude))
        # Without drawn coefficients the engine must bootstrap if draws are to be proper.
        object.__setattr__(self, "proper", bool(self.proper) and self.matchtype != 0)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> FittedPmm:
        if self.exclude:
            y, X = self._without_excluded(y, X)
        basis, linear, fitted = regress(y, X, self.spline_df)
        order = np.argsort(fitted, kind="stable")
        notes = linear.notes
        if y.rows.size < self.donors:
            notes += ((f"matched with {y.rows.size} donors", f"there are fewer than {self.donors}"),)
        matchtype = self.matchtype if self.proper else 0
        again = basis.expand(X.matrix()) if matchtype == 2 else None
        return FittedPmm(
            basis, linear, y.observed[order], fitted[order], None if again is None else again[order],
            min(self.donors, y.rows.size), matchtype, notes,
        )  # fmt: skip

    def _without_excluded(self, y: Target, X: Predictors) -> tuple[Target, Predictors]:
        levels, excluded = y.column.levels, list(self.exclude)
        if levels is not None:
            for value in excluded:
                if value not in levels:
                    hint = nearest(value, list(map(str, levels)))
                    raise MiceSimError(f"exclude names {value!r}, no level of '{y.column.name}'{hint}")
            excluded = [levels.index(value) for value in excluded]
        left = np.flatnonzero(~np.isin(y.observed, excluded))
        if left.size == 0:
            raise MiceSimError(f"Every observed value of '{y.column.name}' is in exclude; leave some as donors.")
        return replace(y, rows=y.rows[left]), X.at(X.rows[left])


@dataclass(frozen=True)
class FittedPmm:
    """Donors (n,) by ascending score (n,); matrix (n, p) of their predictors if their scores are drawn too."""

    basis: Basis
    linear: LinearFit
    donors: np.ndarray
    scores: np.ndarray
    matrix: np.ndarray | None
    k: int
    matchtype: int
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        plane = self.linear.plane if self.matchtype == 0 else self.linear.posterior(rng)[0]
        scores, donors = self.scores, self.donors
        if self.matrix is not None:
            scores = plane.at(self.matrix)
            order = np.argsort(scores, kind="stable")
            scores, donors = scores[order], donors[order]
        targets = plane.at(self.basis.expand(X.matrix()))
        steps = rng.integers(1, self.k + 1, size=targets.size)
        found = matching.nearest(scores, targets, steps)
        # mice orders tied donors once for all recipients, which then share few of many; here each takes any of them.
        return donors[matching.among_equals(scores, found, rng.random(targets.size))]
