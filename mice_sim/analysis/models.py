"""Regression models on one data set.

`start` may hold the estimates of a similar data set; proportional odds starts from them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from mice_sim.analysis import kernels
from mice_sim.analysis.estimates import Estimates, NotConverged
from mice_sim.data import Column
from mice_sim.data.formula import ModelFormula
from mice_sim.errors import MiceSimError

FROM_SCRATCH = np.zeros(0)


def linear(formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None) -> Estimates:
    """Least squares; the test is t with n − p degrees of freedom.

    values : float64 (columns, n). Raises NotConverged if the model matrix is rank deficient.
    """
    response = _response(formula, "a continuous one", lambda column: not column.is_factor)
    x, y = formula.matrix(values), values[response]
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
    response = _response(formula, "a factor of two levels", lambda column: column.n_levels == 2)
    x, y = formula.matrix(values), values[response]
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
    response = _response(formula, "an ordered factor", lambda column: column.kind == "ordered")
    levels = formula.columns[response].levels or ()
    x, y = formula.matrix(values)[:, int(formula.intercept) :], values[response]
    ok, theta, covariance = kernels.ordinal(
        np.ascontiguousarray(x), y, len(levels), FROM_SCRATCH if start is None else start
    )
    if not ok:
        raise NotConverged(f"The model {formula.text} did not converge; a level of its response may be empty.")
    cuts = [f"{a}|{b}" for a, b in pairwise(levels)]
    terms = (*formula.names[int(formula.intercept) :], *cuts)
    return Estimates(terms, theta, covariance, np.inf, float(y.size - theta.size))


def _response(formula: ModelFormula, wanted: str, fits: Callable[[Column], bool]) -> int:
    """Return the response's column number; raises MiceSimError if there is none or of another kind."""
    if formula.response is None:
        raise MiceSimError(f"The formula {formula.text!r} has no response; write 'y ~ x'.")
    column = formula.columns[formula.response]
    if not fits(column):
        raise MiceSimError(
            f"The response '{column.name}' of {formula.text!r} is {column.kind}; the model needs {wanted}."
        )
    return formula.response


MODELS = {"linear": linear, "logistic": logistic, "ordinal": ordinal}
