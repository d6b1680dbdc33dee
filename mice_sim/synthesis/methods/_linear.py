"""The linear regression that the parametric methods share."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from mice_sim.data.bases import Spline
from mice_sim.errors import MiceSimError
from mice_sim.synthesis.kernels import regression
from mice_sim.synthesis.methods.base import Predictors, Target

Notes = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Plane:
    """A regression plane: mean + (x − centre)·inverse·coef.

    centre, inverse, coef : (p,). Slopes are kept apart from the scale of x, so that they can't overflow.
    """

    centre: np.ndarray
    inverse: np.ndarray
    mean: float
    coef: np.ndarray

    def at(self, matrix: np.ndarray) -> np.ndarray:
        """Return the plane's height (n,) over the rows of `matrix` (n, p)."""
        return regression.predict(np.ascontiguousarray(matrix), self.centre, self.inverse, self.mean, self.coef)

    @property
    def coefficients(self) -> np.ndarray:
        """The intercept and the slopes (p + 1,) in the units of the data."""
        slopes = self.coef * self.inverse
        return np.append(self.mean - slopes @ self.centre, slopes)


@dataclass(frozen=True)
class LinearFit:
    """A least squares fit; `fit_linear` makes it.

    Attributes
    ----------
    plane : the estimate. factor : (p, p), F with F F' = (Z'Z)⁻¹ of the scaled columns. length : √SSR.
    weight : the sum of the weights, n if there are none. rank : coefficients without the dependent
        ones, the intercept included. notes : automatic decisions.
    """

    plane: Plane
    factor: np.ndarray
    length: float
    weight: float
    rank: int
    notes: Notes = ()

    @property
    def df(self) -> int:
        """The residual degrees of freedom, at least 1 (as in mice)."""
        return max(round(self.weight) - self.rank, 1)

    @property
    def sigma(self) -> float:
        """The residual standard deviation as norm.nob and norm.boot of mice have it: √(SSR / (n − p − 1))."""
        return self.length / math.sqrt(max(round(self.weight) - self.rank - 1, 1))

    def posterior(self, rng: np.random.Generator) -> tuple[Plane, float]:
        """Draw σ and the plane from their posterior under a flat prior (Rubin 1987, p. 167).

        σ*² = SSR / χ²_df and β* = β̂ + σ* V^½ z. Any root V^½ serves; this one has the intercept apart.
        """
        sigma = self.length / math.sqrt(rng.chisquare(self.df))
        z = rng.standard_normal(self.plane.coef.size + 1)
        mean = self.plane.mean + sigma * z[0] / math.sqrt(self.weight)
        coef = self.plane.coef + sigma * (self.factor @ z[1:])
        return Plane(self.plane.centre, self.plane.inverse, mean, coef), sigma


def fit_linear(
    y: np.ndarray, matrix: np.ndarray, names: tuple[str, ...], weights: np.ndarray | None = None, spent: int = 0
) -> tuple[LinearFit, np.ndarray]:
    """Return the least squares fit of y (n,) on an intercept and `matrix` (n, p), and its fitted values (n,).

    Coefficients of columns that depend on the columns before them, or come after as many columns as there are
    rows less 2, are 0; the notes say which.
    `weights` (n,) are ≥ 0 and count rows, as a bootstrap does. `spent` degrees of freedom are lost besides
    those of the coefficients.
    """
    *plane, factor, length, kept, fitted = regression.least_squares(
        np.ascontiguousarray(matrix), y, regression.UNWEIGHTED if weights is None else weights
    )
    total = float(y.size if weights is None else weights.sum())
    rank = int(np.count_nonzero(kept)) + 1
    notes = []
    if rank <= kept.size:
        zero = ", ".join(name for name, k in zip(names, kept, strict=True) if not k)
        rows = y.size if weights is None else np.count_nonzero(weights)
        why = "they depend on the other predictors" if rank < rows - 1 else f"there are only {rows} rows"
        notes.append((f"set the coefficients of {zero} to 0", why))
    if round(total) - rank - spent < 1:
        notes.append(("set the residual degrees of freedom to 1", f"{round(total)} rows for {rank} coefficients"))
    return LinearFit(Plane(*plane), factor, length, total, rank, tuple(notes)), fitted


@dataclass(frozen=True)
class Basis:
    """Continuous predictors as natural cubic splines, with their knots fixed.

    knots : one array for each column of the matrix, ascending; the column stays as it is where there
    are fewer than three.
    """

    knots: tuple[np.ndarray, ...] = ()

    @classmethod
    def learn(cls, X: Predictors, matrix: np.ndarray, df: int | None) -> Basis:
        """Place df + 1 knots at equally spaced quantiles of each continuous column, as ns(x, df) does in R."""
        if df is None:
            return cls()
        if X.formula is not None:
            raise MiceSimError(
                "spline_df and a formula are given for one column; write ns(x, 4) in the formula instead."
            )
        is_factor = X.state.design.is_factor[X.keep]
        shares = np.linspace(0, 1, df + 1)
        return cls(
            tuple(
                np.zeros(0) if factor else np.unique(np.quantile(column, shares))
                for column, factor in zip(matrix.T, is_factor, strict=True)
            )
        )

    def expand(self, matrix: np.ndarray) -> np.ndarray:
        """Return the matrix (n, columns of the basis); beyond the outer knots the splines go on straight."""
        if not self.knots:
            return matrix
        columns = [_natural_spline(x, k) for x, k in zip(matrix.T, self.knots, strict=True)]
        return np.hstack([np.zeros((len(matrix), 0)), *columns])

    def names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of the expanded columns: x[1], x[2], … for a spline of x."""
        if not self.knots:
            return names
        widths = [k.size - 1 if k.size > 2 else 0 for k in self.knots]
        parts = ([f"{n}[{i}]" for i in range(1, w + 1)] or [n] for n, w in zip(names, widths, strict=True))
        return tuple(part for several in parts for part in several)


def _natural_spline(x: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Return the natural cubic splines (n, knots − 1) of R's ns on these knots; x itself if there are fewer than 3."""
    if knots.size < 3:
        return x[:, None]
    # In units of the range, so that no scale of x overflows.
    inner = (knots[1:-1] - knots[0]) / (knots[-1] - knots[0])
    spline = Spline(knots.size - 1, natural=True, knots=inner, boundary=np.array([0.0, 1.0]))
    return spline.rows((x - knots[0]) / (knots[-1] - knots[0])).T


def regress(
    y: Target, X: Predictors, spline_df: int | None, weights: np.ndarray | None = None, spent: int = 0
) -> tuple[Basis, LinearFit, np.ndarray]:
    """Fit y on X, continuous predictors as splines if `spline_df` says so; return basis, fit and fitted values."""
    matrix, names = X.matrix(), X.names
    basis = Basis.learn(X, matrix, spline_df)
    linear, fitted = fit_linear(y.observed, basis.expand(matrix), basis.names(names), weights, spent)
    short = [name for name, k in zip(names, basis.knots, strict=bool(basis.knots)) if 0 < k.size <= (spline_df or 0)]
    if short:
        why = f"too few distinct values for {spline_df} spline terms"
        linear = replace(linear, notes=(*linear.notes, (f"used fewer spline terms for {', '.join(short)}", why)))
    return basis, linear, fitted


def check_spline_df(df: int | None) -> None:
    """Raise MiceSimError unless `df` is None or a whole number of at least 2."""
    if df is not None and (isinstance(df, bool) or not isinstance(df, int | np.integer) or df < 2):
        raise MiceSimError(f"spline_df is {df!r}; give a whole number of at least 2, or None for straight lines.")


def bootstrap_counts(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each of n rows is in a bootstrap sample of n, as float64 weights (n,)."""
    return np.bincount(rng.integers(n, size=n), minlength=n).astype(float)
