"""Bases of curves: polynomials and splines of one variable, with R's values.

A basis learns from data what depends on them (means, knots) and can then be worked out for any other data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import qr

from mice_sim.errors import MiceSimError

if TYPE_CHECKING:
    from scipy.interpolate import BSpline


@dataclass(frozen=True)
class Powers:
    """x, x², …, x^degree: R's poly(x, degree, raw = TRUE). Nothing is learned."""

    width: int
    learned = True

    def learn(self, x: np.ndarray) -> Powers:
        return self

    def rows(self, x: np.ndarray) -> np.ndarray:
        """Return the (width, n) powers of x (n,)."""
        return x ** np.arange(1, self.width + 1)[:, None]


@dataclass(frozen=True)
class Polynomials:
    """Polynomials of degree 1..width that are orthonormal on the data they learned from: R's poly(x, degree).

    By the three-term recurrence of Forsythe (1957). centres : (width,) its shifts. norms : (width + 1,) the
    squared lengths of the polynomials of degree 0..width with leading coefficient 1.
    """

    width: int
    centres: np.ndarray | None = None
    norms: np.ndarray | None = None

    @property
    def learned(self) -> bool:
        return self.centres is not None

    def learn(self, x: np.ndarray) -> Polynomials:
        """Return the basis orthonormal on x (n,); raises MiceSimError for too few values or too large powers."""
        if np.unique(x).size <= self.width:
            raise MiceSimError(
                f"A polynomial of degree {self.width} needs more than {self.width} different values; lower the degree."
            )
        before, current = np.zeros_like(x), np.ones_like(x)
        centres, norms = np.zeros(self.width), [float(x.size)]
        with np.errstate(all="ignore"):
            for k in range(self.width):
                centres[k] = (x * current) @ current / norms[-1]
                before, current = current, _next(x, before, current, centres[k], norms)
                norms.append(float(current @ current))
        if not all(0 < norm < np.inf for norm in norms):
            raise MiceSimError(f"The powers up to {self.width} of these values are no numbers; use other units.")
        return replace(self, centres=centres, norms=np.array(norms))

    def rows(self, x: np.ndarray) -> np.ndarray:
        """Return the (width, n) polynomials at x (n,)."""
        assert self.centres is not None
        assert self.norms is not None
        before, current = np.zeros_like(x), np.ones_like(x)
        rows = np.empty((self.width, x.size))
        for k in range(self.width):
            before, current = current, _next(x, before, current, self.centres[k], self.norms[: k + 1])
            rows[k] = current / np.sqrt(self.norms[k + 1])
        return rows


def _next(
    x: np.ndarray, before: np.ndarray, current: np.ndarray, centre: float, norms: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Return the polynomial of the next degree; norms : squared lengths up to the current one."""
    shrink = norms[-1] / norms[-2] if len(norms) > 1 else 0.0
    return (x - centre) * current - shrink * before


@dataclass(frozen=True)
class Spline:
    """Piecewise polynomials with `width` free parameters beside the constant: R's bs and ns (package splines).

    natural : cubic, and straight beyond the boundary; otherwise of `degree`, and beyond the boundary the
    outermost pieces go on. knots : (k,) inner knots; unless given, quantiles of the data at equal distances.
    boundary : (2,) unless given, the range of the data.
    """

    width: int
    natural: bool
    degree: int = 3
    knots: np.ndarray | None = None
    boundary: np.ndarray | None = None

    @property
    def learned(self) -> bool:
        return self.knots is not None and self.boundary is not None

    def learn(self, x: np.ndarray) -> Spline:
        """Return the basis with its knots; raises MiceSimError where x (n,) has too few values or too many ties."""
        boundary = np.array([x.min(), x.max()]) if self.boundary is None else self.boundary
        knots = self.knots
        if knots is None:
            inner = self.width - (1 if self.natural else self.degree)
            inside = x[(x >= boundary[0]) & (x <= boundary[1])]
            knots = np.quantile(inside, np.arange(1, inner + 1) / (inner + 1)) if inside.size else np.zeros(inner)
        if not (np.diff([boundary[0], *knots, boundary[1]]) > 0).all():
            raise MiceSimError(
                f"A spline with {self.width} degrees of freedom has coinciding knots, or knots out of its boundary, "
                "on these values; use fewer, or give other knots."
            )
        return replace(self, knots=knots, boundary=boundary)

    def rows(self, x: np.ndarray) -> np.ndarray:
        """Return the (width, n) curves at x (n,)."""
        assert self.boundary is not None
        if not self.natural:
            return self._curves(x).T
        inside = np.clip(x, *self.boundary)
        rows = self._curves(inside)
        beyond = x != inside
        if beyond.any():
            rows[beyond] += (x - inside)[beyond, None] * self._curves.derivative()(inside[beyond])
        return rows.T

    @cached_property
    def _curves(self) -> BSpline:
        from scipy.interpolate import BSpline

        assert self.boundary is not None
        assert self.knots is not None
        low, high = self.boundary
        ends = self.degree + 1
        knots = np.concatenate([np.full(ends, low), self.knots, np.full(ends, high)])
        # The curves add up to 1, so the first is left out beside an intercept.
        weights = np.eye(knots.size - ends)[:, 1:]
        if self.natural:
            # Those without curvature at both ends, in the orthogonal basis that R takes from a QR decomposition.
            curvature = BSpline(knots, weights, self.degree).derivative(2)(self.boundary)
            weights = weights @ qr(curvature.T)[0][:, 2:]
        return BSpline(knots, weights, self.degree)


Basis = Powers | Polynomials | Spline
