"""The cross-validated lasso that `lasso.norm` and `lasso.select.norm` share (Tibshirani 1996)."""

from __future__ import annotations

import numpy as np

from mice_sim.synthesis.kernels import lasso_linear, regression
from mice_sim.synthesis.methods._linear import Notes, Plane

N_PENALTIES = 100


def fit_lasso(
    y: np.ndarray, matrix: np.ndarray, nfolds: int, rng: np.random.Generator
) -> tuple[Plane, np.ndarray, Notes]:
    """Return the lasso plane of y (n,) on `matrix` (n, p), the columns it uses as bool (p,), and notes.

    The penalty is that of 100 which has the least cross-validated squared error: glmnet's lambda.min on glmnet's
    grid (Friedman, Hastie & Tibshirani 2010, §2.5), on columns in units of their standard deviations.
    """
    n, p = matrix.shape
    centre, inverse = _standardisers(matrix)
    y_centre, y_inverse = _standardisers(y[:, None])
    flat = Plane(centre, np.zeros(p), float(y_centre[0]), np.zeros(p))
    if n < 3 or p == 0 or y_inverse[0] == 0:
        few = (("used no predictors", f"{n} rows are too few to cross-validate"),)
        return flat, np.zeros(p, bool), few if n < 3 and p else ()
    z = np.column_stack([(matrix - centre) * inverse, (y - y_centre) * y_inverse])
    folds = rng.permutation(n) % min(nfolds, n)
    coef, converged = lasso_linear.cross_validated(z, folds, N_PENALTIES, 1e-4 if n > p else 1e-2)
    notes = () if converged else (("used a lasso that had not converged", "predictors are nearly dependent"),)
    return Plane(centre, inverse, float(y_centre[0]), coef / y_inverse[0]), coef != 0, notes


def _standardisers(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns' means and one over their standard deviations (0 for a constant)."""
    centre, spread = regression.centre_and_spread(np.ascontiguousarray(matrix), regression.UNWEIGHTED)
    varies = spread > np.maximum(regression.CONSTANT * np.abs(centre), regression.TINY)
    unit = np.where(varies, spread, 1.0)
    sd = np.where(varies, ((matrix - centre) / unit).std(axis=0), 1.0)
    return centre, np.where(varies, 1 / unit / sd, 0.0)
