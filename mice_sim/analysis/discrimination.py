"""Can a logistic model tell synthetic records from true ones?"""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc

from mice_sim.analysis.estimates import Estimates, NotConverged, Statistics
from mice_sim.data.formula import ModelFormula
from mice_sim.kernels import likelihood as kernels

CONFUSION = (
    "accuracy", "balanced_accuracy", "kappa", "mcnemarpvalue", "sensitivity", "specificity", "prevalence",
)  # fmt: skip


def discriminate(
    formula: ModelFormula, synthetic: np.ndarray, true: np.ndarray, rng: np.random.Generator
) -> tuple[Estimates, Statistics]:
    """Fit P(record is true) on synthetic and true records together, and classify at random.

    As in Volker & Vink (2021), every record's class is a Bernoulli draw with its fitted probability;
    "positive" is a synthetic record.

    Parameters
    ----------
    formula : one-sided, on the columns of both. synthetic, true : model matrices (rows × terms).
    """
    x = np.concatenate([synthetic, true])
    is_true = np.concatenate([np.zeros(len(synthetic)), np.ones(len(true))])
    ok, beta, covariance, probability = kernels.logistic(x, is_true)
    if not ok:
        raise NotConverged(f"The discrimination model {formula.text} did not converge; the records may be separated.")
    estimates = Estimates(formula.names, beta, covariance, np.inf, float(is_true.size - beta.size))
    drawn = rng.random(is_true.size) < probability
    return estimates, confusion(is_true.astype(bool), drawn)


def confusion(actual: np.ndarray, predicted: np.ndarray) -> Statistics:
    """Confusion statistics as caret::confusionMatrix gives them; the positive class is False.

    McNemar's test has the continuity correction; its p is 1 when the off-diagonal cells are equal.
    """
    n = actual.size
    positive = ~actual
    sensitivity = (~predicted[positive]).mean()
    specificity = predicted[actual].mean()
    accuracy = (actual == predicted).mean()
    expected = (actual.mean() * predicted.mean()) + (1 - actual.mean()) * (1 - predicted.mean())
    n01, n10 = int((actual & ~predicted).sum()), int((~actual & predicted).sum())
    mcnemar = 1.0 if n01 == n10 else chdtrc(1, (abs(n01 - n10) - 1) ** 2 / (n01 + n10))
    values = (
        accuracy, (sensitivity + specificity) / 2, (accuracy - expected) / (1 - expected), mcnemar,
        sensitivity, specificity, positive.sum() / n,
    )  # fmt: skip
    return Statistics(("all",), {name: np.array([float(v)]) for name, v in zip(CONFUSION, values, strict=True)})
