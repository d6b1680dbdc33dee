"""Median regression of one data set."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from mice_sim.analysis.estimates import Estimates, NotConverged
from mice_sim.analysis.rows import numeric_rows, orthonormal_columns, rest_of_least_squares
from mice_sim.data.formula import ModelFormula


def median(formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None) -> Estimates:
    """Least absolute deviations (Koenker & Bassett 1978, Econometrica 46, 33-50); t tests with n − p df.

    values : float64 (columns, n). start : not used. The covariance is that of equal densities at the median,
    (X'X)⁻¹ / (2f)², f by Epanechnikov's kernel and the bandwidth of Hall & Sheather (1988), JRSS B 50, 381-391, as in
    statsmodels. Where several medians fit alike, one at which p residuals are 0 is taken.
    Raises NotConverged if the model matrix is rank deficient or half of the residuals or more are 0.
    """
    rows = numeric_rows(formula, values)
    basis, back = orthonormal_columns(formula, values, rows)
    n, p = basis.shape
    least, rest, size = rest_of_least_squares(rows.y, basis)
    with np.errstate(all="ignore"):
        theta = least + size * _least_deviations(basis, rest / size) if size > 0 else least
        density = _density_at_median(rows.y, rows.y - basis @ theta)
        covariance = back @ back.T / (n * (2 * density) ** 2)
    if not (np.isfinite(theta).all() and (np.diagonal(covariance) > 0).all() and n > p):
        raise NotConverged(f"The model {formula.text} did not converge; leave out terms or use a simpler model.")
    df = float(n - p)
    return Estimates(formula.names, back @ theta, covariance, df, df, rows.dropped)


def _least_deviations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the coefficients (p,): prices of the constraints of the dual linear program, which has few of them."""
    from scipy.optimize import linprog

    solved = linprog(-y, A_eq=x.T, b_eq=x.sum(axis=0) / 2, bounds=(0, 1), method="highs-ds")
    return -solved.eqlin.marginals if solved.success else np.full(x.shape[1], np.nan)


def _density_at_median(y: np.ndarray, residual: np.ndarray) -> float:
    quantiles = (1.5 / (2 * np.pi)) ** (1 / 3) * ndtri(0.975) ** (2 / 3) * y.size ** (-1 / 3)
    spread = min(np.std(y), np.subtract(*np.percentile(residual, [75, 25])) / 1.34)
    width = spread * (ndtri(0.5 + quantiles) - ndtri(0.5 - quantiles))
    return float((0.75 * np.maximum(1 - (residual / width) ** 2, 0)).sum() / (y.size * width))
