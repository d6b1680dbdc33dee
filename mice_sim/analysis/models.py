"""Regression models on one data set.

`start` may hold the estimates of a similar data set; proportional odds starts from them.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mice_sim.analysis import kernels
from mice_sim.analysis.estimates import Estimates, NotConverged
from mice_sim.analysis.formula import ModelFormula

FROM_SCRATCH = np.zeros(0)


def linear(formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None) -> Estimates:
    """Least squares; the test is t with n − p degrees of freedom.

    values : float64 (columns, n). Raises NotConverged if the model matrix is rank deficient.
    """
    x, y = formula.matrix(values), values[_response(formula)]
    ok, beta, inverse = kernels.cholesky_solve(x.T @ x, x.T @ y)
    if not ok:
        raise NotConverged(f"The model {formula.text} is rank deficient; leave out a redundant term.")
    residual = y - x @ beta
    df = float(y.size - beta.size)
    return Estimates(formula.names, beta, inverse * (residual @ residual / df), df, df)


def logistic(formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None) -> Estimates:
    """Logistic regression of a two-level response (second level against first); normal test.

    Raises NotConverged if the classes are separated or the model matrix is rank deficient.
    """
    x, y = formula.matrix(values), values[_response(formula)]
    ok, beta, covariance, _ = kernels.logistic(x, y)
    if not ok:
        raise NotConverged(f"The model {formula.text} did not converge; its classes may be separated.")
    return Estimates(formula.names, beta, covariance, np.inf, float(y.size - beta.size))


def ordinal(formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None) -> Estimates:
    """Proportional odds, logit P(Y ≤ j) = ζ_j − xβ (McCullagh 1980); normal test.

    Terms are the slopes and then the cut-points, named as in MASS::polr (`G1|G2`). The covariance is
    the inverse observed information. Raises NotConverged if a level has no rows or there is no finite
    maximum.
    """
    response = formula.columns[_response(formula)]
    levels = response.levels or ()
    x, y = formula.matrix(values)[:, int(formula.intercept) :], values[_response(formula)]
    ok, theta, covariance = kernels.ordinal(
        np.ascontiguousarray(x), y, len(levels), FROM_SCRATCH if start is None else start
    )
    if not ok:
        raise NotConverged(f"The model {formula.text} did not converge; a level of {response.name} may be empty.")
    cuts = [f"{a}|{b}" for a, b in pairwise(levels)]
    terms = (*formula.names[int(formula.intercept) :], *cuts)
    return Estimates(terms, theta, covariance, np.inf, float(y.size - theta.size))


def _response(formula: ModelFormula) -> int:
    assert formula.response is not None
    return formula.response


MODELS = {"linear": linear, "logistic": logistic, "ordinal": ordinal}
