"""Models of counts that vary more than Poisson's: negative binomial, and with too many zeros."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import digamma, expit, gammaln, logit, polygamma

from mice_sim.analysis.estimates import Estimates, NotConverged
from mice_sim.analysis.rows import check_range, numeric_rows, orthonormal_columns
from mice_sim.data.formula import ModelFormula
from mice_sim.kernels import likelihood as kernels

# Log-likelihood, score (k,) and Hessian (k, k).
_Terms = tuple[float, np.ndarray, np.ndarray]
MAX_ITERATIONS = 200
# What the variance of a negative binomial count must exceed its mean by, as a share of it, somewhere.
NO_EXTRA = 1e-5


def negative_binomial(formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None) -> Estimates:
    """Counts of mean μ = exp(xβ) and variance μ + αμ², by maximum likelihood; normal tests.

    values : float64 (columns, n). start : not used. Terms are those of the formula and `alpha`. The covariance is the
    inverse observed information (Lawless 1987, Can. J. Stat. 15, 209-225).
    Raises NotConverged where there is no finite maximum, as with counts that vary no more than Poisson's (α = 0), or
    the model matrix is rank deficient.
    """

    def terms(theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> _Terms:
        mean, size = np.exp(x @ theta[:-1]), np.exp(-theta[-1])
        total = size + mean
        value = gammaln(y + size) - gammaln(size) + size * np.log(size / total) + y * np.log(mean / total)
        by_size = digamma(y + size) - digamma(size) + np.log(size / total) + (mean - y) / total
        second = polygamma(1, y + size) - polygamma(1, size) + 1 / size - 1 / total - (mean - y) / total**2
        return value.sum(), *_derivatives(
            x, size * (y - mean) / total, -size * mean * (size + y) / total**2, -size * mean * (y - mean) / total**2,
            -size * by_size.sum(), size**2 * second.sum() + size * by_size.sum(),
        )  # fmt: skip

    def begin(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.append(x.T @ np.log(y + 0.5) / len(x), 0.0)

    return _fit("negativebinomial", formula, values, terms, begin, alpha=True)


def zero_inflated(formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None) -> Estimates:
    """Poisson counts of mean exp(xβ), some of them 0 instead (Lambert 1992, Technometrics 34, 1-14); normal tests.

    values, start : as in `negative_binomial`. Terms are `inflate_const`, the logit of that share, and those of the
    formula. The covariance is the inverse observed information. Raises NotConverged where there is no finite maximum,
    as with no more zeros than Poisson's (a share of 0), or the model matrix is rank deficient.
    """

    def terms(theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> _Terms:
        eta, inflation = x @ theta[:-1], theta[-1]
        mean, share, zero = np.exp(eta), expit(theta[-1]), y == 0
        value = np.where(zero, np.logaddexp(inflation, -mean), y * eta - mean) - np.logaddexp(0, inflation)
        extra = np.where(zero, expit(inflation + mean), 0.0)  # how likely a zero is none of Poisson's
        doubt = extra * expit(-inflation - mean)
        return value.sum(), *_derivatives(
            x, y - (1 - extra) * mean, doubt * mean**2 - (1 - extra) * mean, doubt * mean,
            (extra - share).sum(), (doubt - share * (1 - share)).sum(),
        )  # fmt: skip

    def begin(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        share = max((y == 0).mean() / 2, 0.5 / len(y))
        return np.append(x.T @ np.log(np.where(y > 0, y, y.sum() / max((y > 0).sum(), 1)) + 0.5) / len(x), logit(share))

    return _fit("zeroinflatedpoisson", formula, values, terms, begin, alpha=False)


def _derivatives(
    x: np.ndarray, first: np.ndarray, second: np.ndarray, mixed: np.ndarray, score: float, curvature: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return score and Hessian; first, second : by the linear predictors (n,), mixed : by them and the last term."""
    hessian = np.empty((x.shape[1] + 1,) * 2)
    hessian[:-1, :-1] = (x.T * second) @ x
    hessian[-1, :-1] = hessian[:-1, -1] = mixed @ x
    hessian[-1, -1] = curvature
    return np.append(first @ x, score), hessian


def _fit(
    name: str,
    formula: ModelFormula,
    values: np.ndarray,
    terms: Callable[[np.ndarray, np.ndarray, np.ndarray], _Terms],
    begin: Callable[[np.ndarray, np.ndarray], np.ndarray],
    alpha: bool,
) -> Estimates:
    """Maximise in orthonormal columns; alpha : whether the last parameter is the logarithm of what is wanted."""
    rows = numeric_rows(formula, values)
    check_range(formula, rows.y, 0.0)
    basis, back = orthonormal_columns(formula, values, rows)
    with np.errstate(all="ignore"):
        theta, information = _maximise(lambda theta: terms(theta, basis, rows.y), begin(basis, rows.y))
        # Less is rounding on the way to α = 0, which the logarithm does not reach.
        poisson = alpha and theta is not None and np.exp(theta[-1] + (basis @ theta[:-1]).max()) < NO_EXTRA
    if theta is None or poisson:
        raise NotConverged(
            f"The model {formula.text} ({name}) did not converge; leave out terms or use a simpler model, as 'poisson'."
        )
    p = len(back)
    turn = np.eye(p + 1)
    turn[:p, :p] = back
    estimate = turn @ theta
    if alpha:
        estimate[-1] = turn[-1, -1] = np.exp(theta[-1])
    covariance = turn @ np.linalg.inv(information) @ turn.T
    names = (*formula.names, "alpha")
    if not alpha:
        order = np.r_[p, :p]
        estimate, covariance, names = estimate[order], covariance[order][:, order], ("inflate_const", *formula.names)
    return Estimates(names, estimate, covariance, np.inf, float(rows.y.size - estimate.size), rows.dropped)


def _maximise(terms: Callable[[np.ndarray], _Terms], theta: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Return where the log-likelihood is largest and the information there; None if it is so nowhere.

    Newton's method, curvatures counted as downward and steps halved until the log-likelihood rises.
    """
    value, score, hessian = terms(theta)
    for _ in range(MAX_ITERATIONS):
        if not (np.isfinite(value) and np.isfinite(hessian).all()):
            break
        curvatures, vectors = np.linalg.eigh(-hessian)
        along = (vectors.T @ score) / np.maximum(np.abs(curvatures), 1e-12 * np.abs(curvatures).max())
        step, decrement = vectors @ along, along @ (vectors.T @ score)
        if decrement < kernels.DECREMENT:
            found = curvatures[0] > 1e-12 * curvatures[-1] and np.abs(step).max() < kernels.DIVERGING
            return (theta + step if found else None), -hessian
        for halved in range(40):
            new = terms(theta + step / 2**halved)
            if new[0] >= value - kernels.SLACK * abs(value):
                break
        theta, (value, score, hessian) = theta + step / 2**halved, new
    return None, hessian
