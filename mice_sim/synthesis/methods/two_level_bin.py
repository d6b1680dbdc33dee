"""`2l.bin`: a logistic model with random effects, by Laplace's approximation (Breslow & Clayton 1993)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.special import expit

from mice_sim.data.table import Kind
from mice_sim.errors import MiceSimError, nearest
from mice_sim.kernels import likelihood
from mice_sim.kernels.mixed import CONVERGED
from mice_sim.kernels.mixed_logistic import logistic_mixed
from mice_sim.synthesis import clusters
from mice_sim.synthesis.kernels import two_level
from mice_sim.synthesis.methods import _categories, _two_level
from mice_sim.synthesis.methods._linear import Notes
from mice_sim.synthesis.methods._logistic import PRIOR_PRECISION
from mice_sim.synthesis.methods._mixed import root_of
from mice_sim.synthesis.methods.base import Fitted, Method, Predictors, Target

EFFECTS = ("data", "prior")
# Weights of rows with a probability near 0 or 1 are at least this.
LEAST_WEIGHT = 1e-8


@dataclass(frozen=True)
class TwoLevelBin(Method):
    """Options of `2l.bin`, which draws factors of two levels.

    logit P(second level) = xβ + z b_g, b_g ~ N(0, Ψ). The effects of predictors with code 2 or 4 vary between
    clusters; code 3 or 4 adds the predictor's cluster means, 1 and 3 effects that are the same everywhere.
    β is drawn from its normal distribution and Ψ⁻¹ from Wishart(G, (GΨ̂)⁻¹) for G clusters.

    effects : "data" draws the effects of a cluster given its observed values, from the normal approximation at their
    estimates. "prior" is what mice 3.15 does: every cluster is drawn anew, as if nothing of it had been observed,
    and Ψ from the scatter of the estimated effects, which is too small. proper : False draws effects given the
    estimates, and no parameters.
    """

    effects: str = "data"
    proper: bool = True

    kinds: ClassVar[tuple[Kind, ...]] = ("binary",)
    two_level: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.effects not in EFFECTS:
            raise MiceSimError(f"There are no effects '{self.effects}'{nearest(str(self.effects), list(EFFECTS))}")

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> Fitted:
        classes = _categories.Classes.of(y)
        if classes.count == 1:
            return _categories.constant(classes, y)
        rows = _two_level.Rows.of(X)
        model, _ = _two_level.ClusteredModel.of(y, rows)
        x, number = model.standardise(rows), clusters.number_in(model.known, rows.cluster)
        fit = logistic_mixed(y.observed, x, x[:, : model.q], number, model.known.size)
        if fit.status != CONVERGED and model.q > 1:
            alike = ", ".join(rows.names[j] for j in model.columns[: model.q - 1])
            note = (f"let all clusters have the same slopes of {alike}", "no fit with others was found")
            model = replace(model, q=1, notes=(*model.notes, note))
            fit = logistic_mixed(y.observed, x, x[:, :1], number, model.known.size)
        if fit.status == CONVERGED:
            beta, psi, effects = fit.beta, fit.psi, fit.effects
            factor = root_of(fit.covariance[: beta.size, : beta.size])
        else:
            note = ("let clusters be alike, with a weak prior for all effects", "no fit with others was found")
            model = replace(model, notes=(*model.notes, note))
            beta, factor = _alike(x, y.observed)
            psi, effects = np.zeros((1, 1)), np.zeros((model.known.size, 1))
        return FittedTwoLevelBin(
            model, beta, factor, psi, effects, _linearised(model, rows, number, y.observed, beta, effects),
            self.effects == "data", self.proper, model.notes,
        )  # fmt: skip


def _alike(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return β of a logistic regression with a weak prior, and a root of its covariance."""
    penalty = np.full(x.shape[1], PRIOR_PRECISION)
    _, theta, factor = likelihood.multinomial(x, y, 2, np.ones(y.size), penalty, 100, np.zeros((1, penalty.size)))
    return theta[0], np.linalg.inv(factor).T


def _linearised(model, rows, number, y, beta, effects) -> np.ndarray:
    """Return the sums of clusters of the linear model that the logistic one is near its estimates.

    Its response is z b̂ + (y − μ)/w with the weights w = μ(1 − μ), of which the residual variance is 1/w.
    """
    random = model.linear(rows, number, np.zeros(beta.size), effects)
    mu = expit(model.linear(rows, number, beta, effects))
    weight = np.maximum(mu * (1 - mu), LEAST_WEIGHT)
    return model.sums(rows, random + (y - mu) / weight, weight)


@dataclass(frozen=True)
class FittedTwoLevelBin:
    """beta (p,), factor (p, p), psi (q, q), effects (G, q) : estimates, FF' being β̂'s covariance.

    sums : of the clusters, about the estimates, as kernels/two_level.py has them.
    """

    model: _two_level.ClusteredModel
    beta: np.ndarray
    factor: np.ndarray
    psi: np.ndarray
    effects: np.ndarray
    sums: np.ndarray
    by_data: bool
    proper: bool
    notes: Notes = ()

    def draw(self, X: Predictors, rng: np.random.Generator) -> np.ndarray:
        rows = _two_level.Rows.of(X)
        known, q = self.effects.shape
        beta, root = self.beta, root_of(self.psi)
        if self.proper:
            beta = beta + self.factor @ rng.standard_normal(beta.size)
            scatter, df = known * self.psi, known
            if not self.by_data:
                scatter, df = self.effects.T @ self.effects + q * self.psi, known + q
            root = two_level.inverse_wishart_root(scatter, float(df), rng)
        if self.by_data:
            effects = two_level.draw_effects(self.sums, beta - self.beta, root, np.ones(known), rng)
        else:
            effects = rng.standard_normal((known, q)) @ root.T
        number, new = self.model.locate(X, rows)
        effects = _two_level.with_new(effects, root, new, rng)
        return (rng.random(number.size) < expit(self.model.linear(rows, number, beta, effects))).astype(float)
