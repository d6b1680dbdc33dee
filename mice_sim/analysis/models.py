"""Regression models on one data set.

`start` may hold the estimates of a similar data set; proportional odds starts from them. Rows with a missing
value in a column of the formula are left out and counted, as R's na.omit does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
from scipy.linalg import cho_solve
from scipy.optimize import brentq
from scipy.special import expit, gammaln, logit, logsumexp

from mice_sim.analysis import by_statsmodels, mixed
from mice_sim.analysis.estimates import Estimates
from mice_sim.analysis.median import median
from mice_sim.analysis.overdispersed import negative_binomial, zero_inflated
from mice_sim.analysis.rows import Rows, binary_rows, complete_rows, no_estimates, numeric_rows, orthonormal_columns
from mice_sim.data.formula import ModelFormula
from mice_sim.errors import MiceSimError, nearest
from mice_sim.kernels import likelihood as kernels
from mice_sim.registry import register

FROM_SCRATCH = np.zeros(0)


def linear(formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None) -> Estimates:
    """Least squares; the test is t with n − p degrees of freedom.

    values : float64 (columns, n). Raises NotConverged if the model matrix is rank deficient.
    """
    rows = numeric_rows(formula, values)
    y = rows.y
    # The square x'x would double the digits that nearly collinear columns lose, such as a year and its square.
    basis, back = orthonormal_columns(formula, values, rows)
    theta = basis.T @ y / y.size
    residual = y - basis @ theta
    theta += basis.T @ residual / y.size
    residual = y - basis @ theta
    df = float(y.size - theta.size)
    covariance = back @ back.T * (residual @ residual / df / y.size)
    return Estimates(formula.names, back @ theta, covariance, df, df, rows.dropped)


def logistic(formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None) -> Estimates:
    """Logistic regression of a two-level response (second level against first); normal test.

    Raises NotConverged if the classes are separated or the model matrix is rank deficient.
    """
    rows = binary_rows(formula, values)
    x, y = rows.x, rows.y
    ok, beta, covariance = _or_of_basis(lambda x: kernels.logistic(x, y)[:3], x)
    if not ok:
        raise no_estimates(
            formula, values, rows, f"The model {formula.text} did not converge; its classes may be separated."
        )
    return Estimates(formula.names, beta, covariance, np.inf, float(y.size - beta.size), rows.dropped)


def ordinal(formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None) -> Estimates:
    """Proportional odds, logit P(Y ≤ j) = ζ_j − xβ (McCullagh 1980); normal test.

    Terms are the slopes and then the cut-points, named as in MASS::polr (`G1|G2`). The covariance is
    the inverse observed information. Raises NotConverged if a level has no rows or there is no finite
    maximum.
    """
    rows = _ordered_rows(formula, values)
    y, levels = rows.y, rows.levels
    x = np.ascontiguousarray(rows.x[:, int(formula.intercept) :])
    ok, theta, covariance = kernels.ordinal(x, y, len(levels), FROM_SCRATCH if start is None else start)
    if not ok and start is not None:  # which may be far from data unlike those that it was found in
        ok, theta, covariance = kernels.ordinal(x, y, len(levels), FROM_SCRATCH)
    if not ok:  # as in `_or_of_basis`
        ok, theta, covariance = _ordinal_of_basis(x, y, len(levels))
    if not ok:
        raise no_estimates(
            formula, values, rows, f"The model {formula.text} did not converge; a level of its response may be empty."
        )
    cuts = [f"{a}|{b}" for a, b in pairwise(levels)]
    terms = (*formula.names[int(formula.intercept) :], *cuts)
    return Estimates(terms, theta, covariance, np.inf, float(y.size - theta.size), rows.dropped)


_Fit = tuple[bool, np.ndarray, np.ndarray]


def _or_of_basis(fit: Callable[[np.ndarray], _Fit], x: np.ndarray, blocks: int = 1) -> _Fit:
    """Return (ok, theta, covariance) of `fit(x)`, or of a fit to orthonormal columns if that does not converge.

    Columns may be so nearly collinear, or far from 0, that x'x looks singular. blocks : of coefficients in theta.
    """
    ok, theta, covariance = fit(x)
    distinct, basis, back = (False, x, x) if ok else kernels.orthonormal(x)
    if not distinct:
        return ok, theta, covariance
    ok, theta, covariance = fit(basis)
    turn = np.kron(np.eye(blocks), back)
    return ok, turn @ theta, turn @ covariance @ turn.T


def _ordinal_of_basis(x: np.ndarray, y: np.ndarray, n_levels: int) -> _Fit:
    """Return (ok, theta, covariance) of proportional odds, fitted to orthonormal columns of x that have a mean of 0."""
    p, cuts = x.shape[1], n_levels - 1
    ok, basis, back = kernels.orthonormal(np.column_stack([np.ones(len(x)), x]))
    if not ok:
        return False, FROM_SCRATCH, FROM_SCRATCH
    ok, theta, covariance = kernels.ordinal(np.ascontiguousarray(basis[:, 1:]), y, n_levels, FROM_SCRATCH)
    turn = np.eye(p + cuts)
    turn[:p, :p] = back[1:, 1:]
    turn[p:, :p] = -back[0, 1:]
    return ok, turn @ theta, turn @ covariance @ turn.T


def multinomial(formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None) -> Estimates:
    """Multinomial logistic regression of a factor, each level against the first; normal test.

    Terms are named as those of nnet::multinom: `level:term`, level by level, and `term` alone if there are two levels.
    Raises NotConverged if a level has no rows, the classes are separated or the model matrix is rank deficient.
    """
    rows = _factor_rows(formula, values)
    n_levels = len(rows.levels)
    ok, theta, covariance = _or_of_basis(lambda x: _multinomial(x, rows.y, n_levels), rows.x, n_levels - 1)
    if not ok:
        raise no_estimates(
            formula, values, rows,
            f"The model {formula.text} did not converge; its classes may be separated or one of them empty.",
        )  # fmt: skip
    levels = rows.levels[1:]
    terms = (
        formula.names if len(levels) == 1 else tuple(f"{level}:{name}" for level in levels for name in formula.names)
    )
    return Estimates(terms, theta, covariance, np.inf, float(rows.y.size - theta.size), rows.dropped)


def _multinomial(x: np.ndarray, y: np.ndarray, n_levels: int) -> _Fit:
    """Return (ok, theta, covariance), the coefficients level by level."""
    p = x.shape[1]
    ending, theta, factor = kernels.multinomial(
        x, y, n_levels, np.ones(y.size), np.zeros(p), kernels.MAX_ITERATIONS, np.zeros((n_levels - 1, p))
    )
    ok = ending == kernels.CONVERGED
    return ok, theta.ravel(), cho_solve((factor, True), np.eye(theta.size)) if ok else factor


def _ordered_rows(formula: ModelFormula, values: np.ndarray) -> Rows:
    return complete_rows(formula, values, "an ordered factor", lambda column: column.kind == "ordered")


def _factor_rows(formula: ModelFormula, values: np.ndarray) -> Rows:
    return complete_rows(formula, values, "a factor", lambda column: column.is_factor)


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
    x, y, *_ = numeric_rows(formula, values)
    residual = y - x @ theta
    if free_constant:
        residual = residual - residual.mean()
    return float(-y.size / 2 * (np.log(2 * np.pi * (residual @ residual) / y.size) + 1))


def _logistic_likelihood(formula: ModelFormula, values: np.ndarray, theta: np.ndarray, free_constant: bool) -> float:
    x, y, *_ = binary_rows(formula, values)
    eta = x @ theta
    if free_constant:
        # The fitted mean rises with the constant, and equals the share of ones between these two.
        share = y.mean()
        low, high = logit(share) - eta.max() - 1, logit(share) - eta.min() + 1
        eta = eta + brentq(lambda constant: expit(eta + constant).mean() - share, low, high, xtol=1e-13)
    return float(y @ eta - np.logaddexp(0, eta).sum())


def _poisson_likelihood(formula: ModelFormula, values: np.ndarray, theta: np.ndarray, free_constant: bool) -> float:
    x, y, *_ = numeric_rows(formula, values)
    eta = x @ theta
    if free_constant:
        eta = eta + np.log(y.sum() / np.exp(eta).sum())
    return float(y @ eta - np.exp(eta).sum() - gammaln(y + 1).sum())


def _ordinal_likelihood(formula: ModelFormula, values: np.ndarray, theta: np.ndarray, free_constant: bool) -> float:
    _refuse_constant("ordinal", free_constant)
    x, y, *_ = _ordered_rows(formula, values)
    slopes = x.shape[1] - int(formula.intercept)
    eta = x[:, int(formula.intercept) :] @ theta[:slopes]
    cuts = np.concatenate([[-np.inf], theta[slopes:], [np.inf]])
    k = y.astype(int)
    return float(np.log(expit(cuts[k + 1] - eta) - expit(cuts[k] - eta)).sum())


def _multinomial_likelihood(formula: ModelFormula, values: np.ndarray, theta: np.ndarray, free_constant: bool) -> float:
    _refuse_constant("multinomial", free_constant)
    x, y, levels, _ = _factor_rows(formula, values)
    eta = np.column_stack([np.zeros(y.size), x @ theta.reshape(len(levels) - 1, -1).T])
    return float(eta[np.arange(y.size), y.astype(int)].sum() - logsumexp(eta, axis=1).sum())


def _refuse_constant(model: str, free_constant: bool) -> None:
    if free_constant:
        raise MiceSimError(f"The model '{model}' has several constants; hold all coefficients, free_constant=False.")


_LIKELIHOODS: dict[str, Callable[[ModelFormula, np.ndarray, np.ndarray, bool], float]] = {
    "linear": _linear_likelihood,
    "logistic": _logistic_likelihood,
    "ordinal": _ordinal_likelihood,
    "poisson": _poisson_likelihood,
    "multinomial": _multinomial_likelihood,
}


def r_squared(formula: ModelFormula, values: np.ndarray, adjusted: bool = False) -> float:
    """Return R² of the linear model on one data set, about the mean if it has an intercept and about 0 if not.

    adjusted : for its degrees of freedom, 1 − (1 − R²)(n − intercept)/(n − p), which may be negative.
    """
    x, y, *_ = numeric_rows(formula, values)
    beta = linear(formula, values).estimate
    residual = y - x @ beta
    about = y - y.mean() if formula.intercept else y
    unexplained = residual @ residual / (about @ about)
    if adjusted:
        unexplained *= (y.size - int(formula.intercept)) / (y.size - beta.size)
    return float(1 - unexplained)


MODELS: dict[str, Callable[..., Estimates]] = {
    "linear": linear,
    "logistic": logistic,
    "ordinal": ordinal,
    "multinomial": multinomial,
    "mixed": mixed.linear,
    "mixed.ml": partial(mixed.linear, reml=False),
    "mixed.logistic": mixed.logistic,
    "mixed.logistic.agq": partial(mixed.logistic, nodes=9),
    **{name: partial(by_statsmodels.fit, name) for name in by_statsmodels.SPECIFICATIONS},
    "quantreg": median,
    "negativebinomial": negative_binomial,
    "zeroinflatedpoisson": zero_inflated,
}


def register_model(name: str, function: Callable[..., Estimates]) -> None:
    """Make a model available as `model="name"` and as the kind of a study's analysis, in this process.

    name : any but those of the package; one of your own is replaced. function : (formula, values, start=None) →
    `Estimates`; values are float64 (columns, n), factors by level number from 0, and `formula` gives the model matrix.
    It raises `MiceSimError` where there is no finite maximum. Raises MiceSimError if the package has a model of this
    name.
    """
    register(MODELS, "a model", name, function)


def fit(model: str, formula: ModelFormula, values: np.ndarray, weights: np.ndarray | None = None) -> Estimates:
    """Fit a model by its name.

    values : float64 (columns, n). weights : float64 (n,), positive; as glm's prior weights in R.
    Raises MiceSimError for an unknown model and for weights of a model that takes none.
    """
    if model not in MODELS:
        raise MiceSimError(f"There is no model '{model}'{nearest(model, list(MODELS))}")
    if weights is None:
        return MODELS[model](formula, values)
    if model not in WEIGHTED:
        raise MiceSimError(f"The model '{model}' takes no weights; those that do are {', '.join(WEIGHTED)}.")
    return MODELS[model](formula, values, weights=weights)


MIXED = tuple(name for name in MODELS if name.startswith("mixed"))
WEIGHTED = tuple(name for name, given in by_statsmodels.SPECIFICATIONS.items() if given.weights is not None)
