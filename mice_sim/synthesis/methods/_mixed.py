"""A linear mixed model of rows in clusters by restricted maximum likelihood, and draws of its parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_solve

from mice_sim.kernels.mixed import CONVERGED, EXACT, NOT_IDENTIFIED, linear_mixed
from mice_sim.synthesis import clusters
from mice_sim.synthesis.kernels import two_level
from mice_sim.synthesis.methods._two_level import ClusteredModel, Rows

# The least variance within clusters, as a share of that of the least squares residuals.
LEAST = 1 / two_level.RANGE
WHY = {EXACT: "nothing is left to vary within clusters", NOT_IDENTIFIED: "no cluster tells its rows' variance apart"}


class Parameters(NamedTuple):
    """beta (p,), root (q, q) of Ψ, effects (G, q), sigma2."""

    beta: np.ndarray
    root: np.ndarray
    effects: np.ndarray
    sigma2: float


@dataclass(frozen=True)
class Mixed:
    """What is known of the parameters, in the model's units.

    factor (p, p) : F with FF' = β̂'s covariance. psi (q, q) : of Ψ. effects (G, q) : of the clusters.
    df : of the residuals. sums : of the clusters, as kernels/two_level.py has them.
    """

    beta: np.ndarray
    factor: np.ndarray
    psi: np.ndarray
    effects: np.ndarray
    sigma2: float
    df: int
    sums: np.ndarray

    @property
    def scatter(self) -> np.ndarray:
        """Σ b̂b̂' (q, q) of the estimated effects."""
        return self.effects.T @ self.effects

    def posterior(self, scatter: np.ndarray, rng: np.random.Generator) -> Parameters:
        """Draw σ² and Ψ, β given σ², and the effects given all of them and the data.

        σ² = df σ̂² / χ²_df, β ~ N(β̂, σ²/σ̂² times its covariance) and Ψ⁻¹ ~ Wishart(G, scatter⁻¹).
        """
        sigma2 = max(self.df * self.sigma2 / rng.chisquare(self.df), LEAST)
        z = rng.standard_normal(self.beta.size)
        beta = self.beta + np.sqrt(sigma2 / self.sigma2) * (self.factor @ z)
        root = two_level.inverse_wishart_root(scatter, float(len(self.effects)), rng)
        return self._with_effects(beta, root, sigma2, rng)

    def estimates(self, rng: np.random.Generator) -> Parameters:
        """Return the estimates, and effects drawn given these and the data."""
        return self._with_effects(self.beta, root_of(self.psi), self.sigma2, rng)

    def plug_in(self) -> Parameters:
        """Return the estimates, the effects' among them."""
        return Parameters(self.beta, root_of(self.psi), self.effects, self.sigma2)

    def _with_effects(self, beta, root, sigma2, rng) -> Parameters:
        each = np.full(len(self.effects), sigma2)
        return Parameters(beta, root, two_level.draw_effects(self.sums, beta, root, each, rng), sigma2)


def root_of(matrix: np.ndarray) -> np.ndarray:
    """Return a lower triangular root of a positive semidefinite matrix."""
    lower = np.zeros(matrix.shape)
    two_level.factorise(matrix, lower)
    return lower


def fit_mixed(model: ClusteredModel, rows: Rows, residuals: np.ndarray) -> tuple[ClusteredModel, Mixed]:
    """Fit the model; return it too, as slopes that don't let themselves be estimated stop varying, and notes say so."""
    x, number, known = model.standardise(rows), clusters.number_in(model.known, rows.cluster), model.known.size
    sums, df = model.sums(rows, residuals), max(residuals.size - x.shape[1], 1)
    fit = linear_mixed(residuals, x, x[:, : model.q], number, known)
    if fit.status != CONVERGED and model.q > 1:
        alike = ", ".join(rows.names[j] for j in model.columns[: model.q - 1])
        note = (f"let all clusters have the same slopes of {alike}", WHY.get(fit.status, "no fit was found"))
        model = replace(model, q=1, notes=(*model.notes, note))
        fit = linear_mixed(residuals, x, x[:, :1], number, known)
    if fit.status == CONVERGED:
        return model, Mixed(fit.beta, root_of(fit.covariance), fit.psi, fit.effects, fit.sigma2, df, sums)
    note = ("took the variance between clusters from their means", WHY.get(fit.status, "no fit was found"))
    return replace(model, notes=(*model.notes, note)), _by_means(sums, df)


def _by_means(sums: np.ndarray, df: int) -> Mixed:
    """Fit intercepts that vary by generalised least squares and the analysis of variance of residuals, in turn."""
    size, first = sums[:, 0, 0], sums[:, 0]
    n, groups, p = size.sum(), size.size, sums.shape[1] - 1
    between, within = (1.0, 1e-6) if n > groups else (0.0, 1.0)
    for _ in range(5):
        share = between / (size * between + within)
        normal = sums.sum(axis=0) - (share[:, None] * first).T @ first
        normal += two_level.LEAST * np.diag(np.diag(sums.sum(axis=0)))
        root = root_of(normal[:p, :p])
        beta = cho_solve((root, True), normal[:p, p])
        left = np.append(-beta, 1.0)
        mean = first @ left / size
        squares = np.maximum(np.einsum("gij,i,j->g", sums, left, left), 0)
        inside = np.maximum(squares - size * mean**2, 0).sum()
        within = max(inside / (n - groups) if n > groups else squares.sum() / df, LEAST)
        between = max((mean**2).mean() - within * (1 / size).mean(), 0.0) if n > groups else 0.0
    factor = np.sqrt(within) * np.linalg.inv(root).T
    effects = size * between / (size * between + within) * mean
    return Mixed(beta, factor, np.array([[between]]), effects[:, None], within, df, sums)
