"""What an analysis of one data set returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mice_sim.errors import MiceSimError


class NotConverged(MiceSimError):
    """A model without a finite maximum; a study records it as an event, not as a number."""


@dataclass(frozen=True)
class Estimates:
    """Model coefficients.

    terms : names (k). estimate : float64 (k,). covariance : float64 (k, k). df : residual degrees of
    freedom of the complete-data test, inf for a normal one; one number, or one a term (k,). df_residual : those that
    pooling takes for complete data, n − k where the model has none of its own; again one number, or (k,).
    n_dropped : rows left out because a value is missing. scales : on which intervals are taken, a name ("log", "logit")
    or "" for each term; plain ones if empty.
    """

    terms: tuple[str, ...]
    estimate: np.ndarray
    covariance: np.ndarray
    df: float | np.ndarray
    df_residual: float | np.ndarray
    n_dropped: int = 0
    scales: tuple[str, ...] = ()

    @property
    def variance(self) -> np.ndarray:
        """Squared standard errors (k,)."""
        return np.diagonal(self.covariance)


@dataclass(frozen=True)
class Statistics:
    """Descriptive numbers: `values[statistic]` has one entry for each of `terms`."""

    terms: tuple[str, ...]
    values: dict[str, np.ndarray]
