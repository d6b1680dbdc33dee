"""Have the chains converged? R-hat and autocorrelation of what was drawn, iteration by iteration.

Chains are the m sets; a chain's state at an iteration is the mean or standard deviation of a column's drawn cells.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import rankdata

from mice_sim.errors import MiceSimError
from mice_sim.synthesis.result import Synthesis

PARAMETERS = ("mean", "sd")


def convergence(result: Synthesis, parameter: Literal["mean", "sd"] = "mean") -> pd.DataFrame:
    """Return R-hat and autocorrelation over the iterations so far, as mice's `convergence`.

    Parameters
    ----------
    result : of `impute`, or of `synthesize` in linked mode, with m ≥ 2 sets and at least 3 iterations.
    parameter : of each column's drawn cells, "mean" or "sd".

    Returns
    -------
    A frame with a row for each column and iteration: variable, iteration (from 1), ac and rhat; see `autocorrelation`
    and `rhat`. Both are NaN where nothing was drawn. Converged chains have an ac near 0 and an R-hat near 1.

    Raises
    ------
    MiceSimError
        For a result without chains, too few sets or iterations, and an unknown parameter.

    Notes
    -----
    In iterations 1 to 3 mice 3.15 has numbers for R-hat that are none of the chains': a half of one iteration loses
    its dimension in R, and iterations take the part of chains. Here they are NaN.
    """
    if parameter not in PARAMETERS:
        raise MiceSimError(f"There is no parameter '{parameter}' of chains; choose 'mean' or 'sd'.")
    if result.chain is None:
        raise MiceSimError("The sets were not drawn by iterating, so there are no chains that could converge.")
    chains = getattr(result.chain, parameter)
    iterations, m = chains.shape[1:]
    if m < 2 or iterations < 3:
        raise MiceSimError(
            f"Convergence shows from two sets and three iterations on, and these are {m} and {iterations}; "
            "raise m or maxit."
        )
    names = result.original.names
    return pd.DataFrame(
        {
            "variable": np.repeat(np.array(names, dtype=object), iterations),
            "iteration": np.tile(np.arange(1, iterations + 1), len(names)),
            "ac": np.concatenate([[autocorrelation(c[:t]) for t in range(1, iterations + 1)] for c in chains]),
            "rhat": np.concatenate([[rhat(c[:t]) for t in range(1, iterations + 1)] for c in chains]),
        }
    )


def rhat(chains: np.ndarray) -> float:
    """Return the potential scale reduction factor: rank-normalised, folded and split (Vehtari et al. 2021).

    The larger one of R-hat in the bulk and R-hat in the tails (of the distances from the median). Ranks r of S values
    become normal scores at (r − 1/2) / S, as in mice.

    Parameters
    ----------
    chains : (iterations, chains), at least 4 and 1; the middle one of an odd number of iterations falls out of the
        halves. Fewer iterations, NaN, or chains that never move give NaN.
    """
    chains = np.asarray(chains, dtype=float)
    if len(chains) < 4 or np.isnan(chains).any():
        return float("nan")
    folded = np.abs(chains - np.median(chains))
    return float(np.maximum(_split_rhat(chains), _split_rhat(folded)))  # NaN if one is


def effective_size(chains: np.ndarray) -> float:
    """Return how many independent draws tell as much of the mean as these (Vehtari et al. 2021, eq. 10-13).

    From the autocorrelations of the half chains, summed in pairs as long as these fall and are positive (Geyer 1992).

    Parameters
    ----------
    chains : (iterations, chains), at least 8 and 1. Fewer iterations, NaN, or chains that never move give NaN.
    """
    chains = np.asarray(chains, dtype=float)
    n = len(chains) // 2
    if n < 4 or np.isnan(chains).any():
        return float("nan")
    halves = np.hstack([chains[:n], chains[-n:]])
    centred = halves - halves.mean(axis=0)
    spectrum = np.abs(np.fft.rfft(centred, 2 * n, axis=0)) ** 2
    covariance = np.fft.irfft(spectrum, axis=0)[:n].mean(axis=1) / n  # mean over chains, by lag
    within = covariance[0] * n / (n - 1)
    total = within * (n - 1) / n + halves.mean(axis=0).var(ddof=1)
    if within == 0:
        return float("nan")
    correlation = 1 - (within - covariance * n / (n - 1)) / total
    correlation[0] = 1.0
    pairs = correlation[: n // 2 * 2].reshape(-1, 2).sum(axis=1)
    positive = pairs[: np.argmax(pairs < 0)] if (pairs < 0).any() else pairs
    spread = -1 + 2 * np.minimum.accumulate(positive).sum()
    return float(halves.size / max(spread, 1 / np.log10(halves.size)))


def autocorrelation(chains: np.ndarray) -> float:
    """Return the mean correlation, over chains, of an iteration with the one before, as in mice.

    It is 0 for a pair of iterations in one of which all chains agree.

    Parameters
    ----------
    chains : (iterations, chains), at least 2 and 2. Fewer, or NaN, give NaN.
    """
    chains = np.asarray(chains, dtype=float)
    if min(chains.shape) < 2 or np.isnan(chains).any():
        return float("nan")
    centred = chains - chains.mean(axis=1, keepdims=True)
    centred[np.ptp(chains, axis=1) == 0] = 0  # rounding must not make a correlation of equal values
    sizes = np.sqrt((centred**2).sum(axis=1))
    products, scales = (centred[1:] * centred[:-1]).sum(axis=1), sizes[1:] * sizes[:-1]
    return float(np.divide(products, scales, out=np.zeros(len(products)), where=scales > 0).mean())


def _split_rhat(values: np.ndarray) -> float:
    """Return R-hat of the normal scores of the half chains (Vehtari et al. 2021, eqs. 1-4)."""
    n = len(values) // 2
    halves = np.hstack([values[:n], values[-n:]])
    scores = ndtri((rankdata(halves).reshape(halves.shape) - 0.5) / halves.size)
    within = scores.var(axis=0, ddof=1).mean()
    if within == 0:
        return float("nan")
    return float(np.sqrt((n - 1) / n + scores.mean(axis=0).var(ddof=1) / within))
