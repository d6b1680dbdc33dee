"""`quadratic`: impute a column so that its square keeps its effect on an outcome ("polynomial combination").

Vink & van Buuren (2013), Sociological Methods & Research 42:598-607; van Buuren (2018), §6.4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.errors import MiceSimError, nearest
from mice_sim.synthesis.kernels import regression
from mice_sim.synthesis.methods._linear import Notes, fit_linear
from mice_sim.synthesis.methods._logistic import Logistic, fit_logistic
from mice_sim.synthesis.methods.base import Fitted, Method, Predictors, Target
from mice_sim.synthesis.methods.pmm import FittedPmm, Pmm

# A vertex this many ranges away from the data belongs to a straight line.
FAR = 1e6
# What each of mice's eight pseudo-rows counts.
PSEUDO = 3 / 8


@dataclass(frozen=True)
class Quadratic(Method):
    """Options of `quadratic`.

    quad_outcome : the predictor that depends on the column and its square; a column's own is given in its method.
    donors : as in `pmm`.

    The combination Z = β₁x + β₂x² that the outcome is regressed on is matched as in `pmm`; which of the two x that
    have the matched Z is taken is drawn by a logistic regression on the outcome, Z and their product, with mice's
    eight pseudo-rows. The two lie mirrored about the vertex, so a drawn value may be one that nobody has.
    """

    quad_outcome: str | None = None
    donors: int = 5

    kinds: ClassVar[tuple[Kind, ...]] = ("continuous",)
    proper = True

    def __post_init__(self) -> None:
        Pmm(donors=self.donors)

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> Fitted:
        place = self._place(y, X)
        outcome, x = X.matrix()[:, place], y.observed
        own, others = Span.of(x), Span.of(outcome)
        u, o = own.unit(x), others.unit(outcome)
        curve, _ = fit_linear(o, np.column_stack([u, u**2]), ("x", "x²"), spent=-u.size)
        slope, square = curve.plane.coef * curve.plane.inverse
        vertex = float(-slope / (2 * square)) if square != 0 else np.inf
        if not abs(vertex) < FAR:
            matched = Pmm(donors=self.donors).fit(y, X, rng)
            why = f"'{self.quad_outcome}' is no quadratic function of '{y.column.name}' in these data"
            return replace(matched, notes=(*matched.notes, ("matched as pmm does", why)))
        z = u**2 - 2 * vertex * u
        combined = np.zeros_like(y.values)
        combined[y.rows] = z
        pmm = Pmm(donors=self.donors).fit(replace(y, values=combined), X, rng)
        side = _fit_side(o, z, (u > vertex).astype(float))
        return FittedQuadratic(place, own, others, vertex, pmm, side, pmm.notes)

    def _place(self, y: Target, X: Predictors) -> int:
        if self.quad_outcome is None:
            raise MiceSimError(
                f"quadratic of '{y.column.name}' needs the option quad_outcome, the name of a predictor."
            )
        if self.quad_outcome not in X.names:
            hint = nearest(self.quad_outcome, X.names) if X.names else "; nothing does."
            raise MiceSimError(f"quad_outcome '{self.quad_outcome}' does not predict '{y.column.name}'{hint}")
        return X.names.index(self.quad_outcome)


def _fit_side(o: np.ndarray, z: np.ndarray, above: np.ndarray) -> Logistic:
    """Fit which side of the vertex x is on, by outcome and Z.

    Both sides are added, with a weight of 3/8 each, where one of the two is at its mean and the other one standard
    deviation away from its own: so the regression stays finite where the data tell the sides apart.
    """
    up, flat = np.array([1.0, -1.0, 1.0, -1.0]), np.zeros(4)
    o = np.append(o, o.mean() + o.std(ddof=1) * np.append(up, flat))
    z = np.append(z, z.mean() + z.std(ddof=1) * np.append(flat, up))
    weights = np.append(np.ones(above.size), np.full(8, PSEUDO))
    return fit_logistic(_terms(o, z), np.append(above, [1, 1, 0, 0] * 2), weights)


def _terms(o: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.column_stack([o, z, o * z])


@dataclass(frozen=True)
class Span:
    centre: float
    spread: float

    @classmethod
    def of(cls, values: np.ndarray) -> Span:
        centre, spread = regression.centre_and_spread(values[:, None], regression.UNWEIGHTED)
        return cls(float(centre[0]), float(spread[0]) if spread[0] > regression.TINY else 1.0)

    def unit(self, values: np.ndarray) -> np.ndarray:
        """Return the values as distances from the mean, the largest of which is 1 in the fit rows."""
        return (values - self.centre) / self.spread


@dataclass(frozen=True)
class FittedQuadratic:
    """place : of the outcome in the matrix. own, outcome : units of the column and of the outcome.

    In units, the outcome follows a parabola with this vertex and Z is u² − 2·vertex·u; `side` gives the probability
    of u > vertex.
    """

    place: int
    own: Span
    outcome: Span
    vertex: float
    pmm: FittedPmm
    side: Logistic
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        z = self.pmm.draw(X, rng)
        o = self.outcome.unit(X.matrix()[:, self.place])
        above = self.side.probability(_terms(o, z)) > rng.random(z.size)
        distance = np.sqrt(np.maximum(z + self.vertex**2, 0.0))
        return self.own.centre + self.own.spread * (self.vertex + np.where(above, distance, -distance))
