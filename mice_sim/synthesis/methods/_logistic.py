"""A logistic regression as a part of other methods; a weak prior keeps it finite under separation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import expit

from mice_sim.kernels import likelihood
from mice_sim.synthesis.augment import Units

# The precision of the normal prior of a slope per standard deviation of its predictor; the intercept's is a
# hundredth of it, for when all responses are alike.
PRIOR_PRECISION = 0.01


@dataclass(frozen=True)
class Logistic:
    """P(1) = logit⁻¹([1, x] theta), with x in `units`. factor : lower Cholesky factor of the information."""

    units: Units
    theta: np.ndarray
    factor: np.ndarray

    def probability(self, matrix: np.ndarray, theta: np.ndarray | None = None) -> np.ndarray:
        """Return P(1) (n,) for the rows of `matrix` (n, p), by the estimate or by other coefficients."""
        return expit(self.units.standardise(matrix) @ (self.theta if theta is None else theta))

    def posterior(self, rng: np.random.Generator) -> np.ndarray:
        """Draw theta from its normal approximation."""
        z = rng.standard_normal(self.theta.size)
        return self.theta + solve_triangular(self.factor, z, trans="T", lower=True, check_finite=False)


def fit_logistic(matrix: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> Logistic:
    """Fit y (n,), 0.0 or 1.0, on an intercept and `matrix` (n, p).

    weights : of the rows, if pseudo-rows are among them; they keep the fit finite, so the prior is weaker then.
    """
    units = Units.of(matrix)
    x = units.standardise(matrix)
    slope = PRIOR_PRECISION if weights is None else PRIOR_PRECISION / 100
    penalty = np.full(x.shape[1], slope)
    penalty[0] = PRIOR_PRECISION / 100
    weights = np.ones(y.size) if weights is None else weights
    _, theta, factor = likelihood.multinomial(x, y, 2, weights, penalty, 100, np.zeros((1, penalty.size)))
    return Logistic(units, theta[0], factor)
