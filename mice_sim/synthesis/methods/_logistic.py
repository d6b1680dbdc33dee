"""A logistic regression as a part of other methods; a weak prior keeps it finite under separation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import expit

from mice_sim.kernels import likelihood
from mice_sim.synthesis.augment import Units, pseudo_rows

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


def fit_logistic(matrix: np.ndarray, y: np.ndarray, augment: bool = False) -> Logistic:
    """Fit y (n,), 0.0 or 1.0, on an intercept and `matrix` (n, p), with pseudo-rows beside the data if asked."""
    units = Units.of(matrix)
    x, weights = units.standardise(matrix), np.ones(y.size)
    precision = PRIOR_PRECISION
    if augment:
        more_x, more_y, weight = pseudo_rows(units, 2)
        x, y, weights = np.vstack([x, more_x]), np.append(y, more_y), np.append(weights, np.full(more_y.size, weight))
        precision /= 100
    penalty = np.full(x.shape[1], precision)
    penalty[0] = PRIOR_PRECISION / 100
    _, theta, factor = likelihood.multinomial(x, y, 2, weights, penalty, 100, np.zeros((1, penalty.size)))
    return Logistic(units, theta[0], factor)
