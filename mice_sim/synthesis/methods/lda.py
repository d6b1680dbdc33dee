"""`lda`: linear discriminant analysis (Venables & Ripley 2002, §12.1; Brand 1999)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mice_sim.data.table import Kind
from mice_sim.synthesis.augment import Units
from mice_sim.synthesis.methods import _categories
from mice_sim.synthesis.methods.base import Fitted, Method, Predictors, Target

# A within-group variance may fall to this share of the predictor's own before a ridge of this size is added.
LEAST_WITHIN = 1e-6


@dataclass(frozen=True)
class Lda(Method):
    """Draw from the posterior probabilities of normal groups with one covariance matrix.

    Prior probabilities are the categories' shares, the covariance matrix is the pooled one with divisor n − K.
    Parameters are not drawn, so in small samples the draws vary too little.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("binary", "unordered", "ordered")

    def fit(self, y: Target, X: Predictors, rng: np.random.Generator) -> Fitted:
        classes = _categories.Classes.of(y)
        if classes.count == 1:
            return _categories.constant(classes, y)
        x = X.matrix()
        units = Units.of(x)
        notes = _categories.left_out(units, X)
        theta, singular = _discriminant(units.standardise(x)[:, 1:], classes)
        if singular:
            notes += (("added a ridge", "predictors are constant within categories or depend on each other"),)
        return _categories.FittedMultinomial(units, classes.levels, theta, notes=notes)


def _discriminant(x: np.ndarray, classes: _categories.Classes) -> tuple[np.ndarray, bool]:
    """Return theta of `FittedMultinomial`, and whether a ridge had to be added.

    The log-odds of normal groups with means μ_k, shares π_k and one covariance W are linear in x:
    log(π_k / π_0) − (μ_k'W⁻¹μ_k − μ_0'W⁻¹μ_0) / 2 + x'W⁻¹(μ_k − μ_0).
    """
    n, q = x.shape
    groups = [x[classes.y == k] for k in range(classes.count)]
    means = np.array([group.mean(axis=0) for group in groups])
    within = np.zeros((q, q))
    for group, mean in zip(groups, means, strict=True):
        within += (group - mean).T @ (group - mean)
    within /= max(n - classes.count, 1)
    singular = bool(q) and np.linalg.eigvalsh(within)[0] < LEAST_WITHIN
    if singular:
        within += LEAST_WITHIN * np.eye(q)
    slopes = np.linalg.solve(within, means.T).T
    shares = np.array([len(group) for group in groups]) / n
    constants = np.log(shares) - 0.5 * (slopes * means).sum(axis=1)
    theta = np.column_stack([constants, slopes])
    return theta[1:] - theta[0], singular
