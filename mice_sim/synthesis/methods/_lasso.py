"""The cross-validated logistic lasso that `lasso.logreg` and `lasso.select.logreg` share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from mice_sim.synthesis.kernels import lasso
from mice_sim.synthesis.methods._categories import Notes

# Held-out probabilities are kept this far from 0 and 1, as in glmnet.
LEAST_PROBABILITY = 1e-5


@dataclass(frozen=True)
class Path:
    """Coefficients (penalties, 1 + q), intercept in front, at descending penalties."""

    penalties: np.ndarray
    coefficients: np.ndarray


def fit_path(x: np.ndarray, y: np.ndarray, penalties: np.ndarray | None = None) -> Path:
    """Fit a logistic lasso of y (0 or 1, both there) on x (n, q), each predictor scaled to variance 1.

    As in glmnet 4, without penalties given there are 100, or fewer if nothing is gained any more.
    """
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1
    scaled = np.ascontiguousarray(((x - centre) / scale).T)
    wanted = lasso.penalties(scaled, y) if penalties is None else penalties
    done, coefficients = lasso.logistic_path(scaled, y, wanted)
    slopes = coefficients[:, 1:] / scale
    whole = Path(wanted, np.column_stack([coefficients[:, 0] - slopes @ centre, slopes]))
    return whole if penalties is not None else Path(wanted[:done], whole.coefficients[:done])


def cross_validate(x: np.ndarray, y: np.ndarray, penalties: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the mean deviance (penalties,) of rows whose fold (n,) the fit has not seen."""
    total = np.zeros(penalties.size)
    for fold in np.unique(folds):
        held = folds == fold
        path = fit_path(x[~held], y[~held], penalties)
        log_odds = path.coefficients[:, :1] + path.coefficients[:, 1:] @ x[held].T
        probability = np.clip(expit(log_odds), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        total -= 2 * np.log(np.where(y[held] == 1, probability, 1 - probability)).sum(axis=1)
    return total / y.size


def deal(y: np.ndarray, nfolds: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random fold 0..nfolds−1 for each row; each class is spread evenly, so none is missing in training."""
    order = rng.permutation(y.size)
    order = order[np.argsort(y[order], kind="stable")]
    folds = np.empty(y.size, np.int64)
    folds[order] = np.arange(y.size) % nfolds
    return folds


def choose(x: np.ndarray, y: np.ndarray, nfolds: int, rng: np.random.Generator) -> tuple[np.ndarray, Notes]:
    """Return the coefficients (1 + q) at the penalty with the least cross-validated deviance (glmnet's lambda.min).

    All slopes are 0, and a note says so, if one of the classes has a single row.
    """
    n, q = x.shape
    rarest = min(y.sum(), n - y.sum())
    if q == 0 or rarest < 2:
        alone = np.append(logit(y.mean()), np.zeros(q))
        return alone, (("used no predictors", "a category with a single row can't be cross-validated"),) if q else ()
    path = fit_path(x, y)
    deviance = cross_validate(x, y, path.penalties, deal(y, nfolds, rng))
    return path.coefficients[deviance.argmin()], ()
