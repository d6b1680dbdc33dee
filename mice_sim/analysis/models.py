"""Regression models on one data set.

`start` may hold the estimates of a similar data set; proportional odds starts from them. Rows with a missing
value in a column of the formula are left out and counted, as R's na.omit does.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, gammaln, logit

from mice_sim.analysis.estimates import Estimates, NotConverged
from mice_sim.data import Column
from mice_sim.data.formula import ModelFormula, NotFinite
from mice_sim.errors import MiceSimError
from mice_sim.kernels import likelihood as kernels

FROM_SCRATCH = np.zeros(0)

# Model matrix (n, p), response (n,), its levels, rows left out.
Data = tuple[np.ndarray, np.ndarray, tuple, int]


def linear(formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None) -> Estimates:
    """Least squares; the test is t with n − p degrees of freedom.

    values : float64 (columns, n). Raises NotConverged if the model matrix is rank deficient.
    """
    x, y, _, dropped = _linear_data(formula, values)
    ok, beta, inverse = kernels.cholesky_solve(x.T @ x, x.T @ y)
    if not ok:
        raise NotConverged(f"The model {formula.text} is rank deficient; leave out a redundant term.")
    residual = y - x @ beta
    df = float(y.size - beta.size)
    return Estimates(formula.names, beta, inverse * (residual @ residual / df), df, df, dropped)


def logistic(formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None) -> Estimates:
    """Logistic regression of a two-level response (second level against first); normal test.

    Raises NotConverged if the classes are separated or the model matrix is rank deficient.
    """
    x, y, _, dropped = _logistic_data(formula, values)
    ok, beta, covariance, _ = kernels.logistic(x, y)
    if not ok:
        raise NotConverged(f"The model {formula.text} did not converge; its classes may be separated.")
    return Estimates(formula.names, beta, covariance, np.inf, float(y.size - beta.size), dropped)


def ordinal(formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None) -> Estimates:
    """Proportional odds, logit P(Y ≤ j) = ζ_j − xβ (McCullagh 1980); normal test.

    Terms are the slopes and then the cut-points, named as in MASS::polr (`G1|G2`). The covariance is
    the inverse observed information. Raises NotConverged if a level has no rows or there is no finite
    maximum.
    """
    x, y, levels, dropped = _data(formula, values, "an ordered factor", lambda column: column.kind == "ordered")
    x = np.ascontiguousarray(x[:, int(formula.intercept) :])
    ok, theta, covariance = kernels.ordinal(x, y, len(levels), FROM_SCRATCH if start is None else start)
    if not ok and start is not None:  # which may be far from data unlike those that it was found in
        ok, theta, covariance = kernels.ordinal(x, y, len(levels), FROM_SCRATCH)
    if not ok:
        raise NotConverged(f"The model {formula.text} did not converge; a level of its response may be empty.")
    cuts = [f"{a}|{b}" for a, b in pairwise(levels)]
    terms = (*formula.names[int(formula.intercept) :], *cuts)
    return Estimates(terms, theta, covariance, np.inf, float(y.size - theta.size), dropped)


def log_likelihood(
    model: str, formula: ModelFormula, values: np.ndarray, theta: np.ndarray, *, free_constant: bool = False
) -> float:
    """Return the log-likelihood of one data set where the coefficients are held at `theta` (k,).

    The residual variance of a linear model is the one that maximises it, RSS / n. The likelihood-ratio test D3
    (Meng & Rubin 1992) evaluates all sets at their pooled coefficients.

    free_constant : maximise over a constant that is added to the linear predictor too. mice's D3 does so: it
        fits `. ~ 1` with the fixed linear predictor as an offset.

    Raises MiceSimError for a model that has none here.
    """
    if model not in _LIKELIHOODS:
        raise MiceSimError(
            f"There is no likelihood with fixed coefficients of the model '{model}' (only of "
            f"{', '.join(_LIKELIHOODS)}); compare such models by D1 or D2."
        )
    return _LIKELIHOODS[model](formula, values, theta, free_constant)


def _linear_likelihood(formula: ModelFormula, values: np.ndarray, theta: np.ndarray, free_constant: bool) -> float:
    x, y, _, _ = _linear_data(formula, values)
    residual = y - x @ theta
    if free_constant:
        residual = residual - residual.mean()
    return float(-y.size / 2 * (np.log(2 * np.pi * (residual @ residual) / y.size) + 1))


def _logistic_likelihood(formula: ModelFormula, values: np.ndarray, theta: np.ndarray, free_constant: bool) -> float:
    x, y, _, _ = _logistic_data(formula, values)
    eta = x @ theta
    if free_constant:
        # The fitted mean rises with the constant, and equals the share of ones between these two.
        share = y.mean()
        low, high = logit(share) - eta.max() - 1, logit(share) - eta.min() + 1
        eta = eta + brentq(lambda constant: expit(eta + constant).mean() - share, low, high, xtol=1e-13)
    return float(y @ eta - np.logaddexp(0, eta).sum())


def _poisson_likelihood(formula: ModelFormula, values: np.ndarray, theta: np.ndarray, free_constant: bool) -> float:
    x, y, _, _ = _linear_data(formula, values)
    eta = x @ theta
    if free_constant:
        eta = eta + np.log(y.sum() / np.exp(eta).sum())
    return float(y @ eta - np.exp(eta).sum() - gammaln(y + 1).sum())


_LIKELIHOODS = {"linear": _linear_likelihood, "logistic": _logistic_likelihood, "poisson": _poisson_likelihood}


def r_squared(formula: ModelFormula, values: np.ndarray, adjusted: bool = False) -> float:
    """Return R² of the linear model on one data set, about the mean if it has an intercept and about 0 if not.

    adjusted : for its degrees of freedom, 1 − (1 − R²)(n − intercept)/(n − p), which may be negative.
    """
    x, y, _, _ = _linear_data(formula, values)
    beta = linear(formula, values).estimate
    residual = y - x @ beta
    about = y - y.mean() if formula.intercept else y
    unexplained = residual @ residual / (about @ about)
    if adjusted:
        unexplained *= (y.size - int(formula.intercept)) / (y.size - beta.size)
    return float(1 - unexplained)


def _linear_data(formula: ModelFormula, values: np.ndarray) -> Data:
    return _data(formula, values, "a continuous one", None)


def _logistic_data(formula: ModelFormula, values: np.ndarray) -> Data:
    return _data(formula, values, "a factor of two levels", lambda column: column.n_levels == 2)


def _data(formula: ModelFormula, values: np.ndarray, wanted: str, fits: Callable[[Column], bool] | None) -> Data:
    """Return the model matrix and the response of the complete rows, the response's levels, and how many are not.

    wanted : the response that the model needs, in words. fits : whether a column is such a factor; None for numbers.
    """
    levels = _levels(formula, wanted, fits)
    missing = np.isnan(values[formula.used]).any(axis=0)
    dropped = int(missing.sum())
    if dropped:
        values = np.ascontiguousarray(values[:, ~missing])
    if values.shape[1] == 0:
        raise NotConverged(f"The model {formula.text} has no complete row; impute the missing values first.")
    try:
        return formula.matrix(values), formula.respond(values), levels, dropped
    except NotFinite as error:
        raise NotConverged(f"In the model {formula.text}, {error}") from None


def _levels(formula: ModelFormula, wanted: str, fits: Callable[[Column], bool] | None) -> tuple:
    """Return the response's levels; raises MiceSimError if there is no response or one of another kind."""
    if formula.left is None:
        raise MiceSimError(f"The formula {formula.text!r} has no response; write 'y ~ x'.")
    column = None if formula.response is None else formula.columns[formula.response]
    right = column is None or not column.is_factor if fits is None else column is not None and fits(column)
    if not right:
        kind = "continuous" if column is None else column.kind
        raise MiceSimError(
            f"The response '{formula.left.label}' of {formula.text!r} is {kind}; the model needs {wanted}."
        )
    return () if column is None else column.levels or ()


MODELS = {"linear": linear, "logistic": logistic, "ordinal": ordinal}
