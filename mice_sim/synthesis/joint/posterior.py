"""What the joint model's chains say of its parameters, and whether they have converged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

# From where on a chain counts as not converged (Vehtari et al. 2021, §4), and how few draws tell too little.
MOST_RHAT, LEAST_SIZE = 1.05, 100


@dataclass(frozen=True, eq=False)
class Posterior:
    """The draws of all free parameters after burn-in, every `thin`-th cycle of each chain.

    Attributes
    ----------
    names : of the parameters: "y ~ x" for coefficients, "level 1: y, z" for covariances (y twice: the variance),
        "y cut 2" for cut-points. Latent columns of continuous variables are in the variable's own units unless it is
        transformed.
    draws : float64 (draws, chains, parameters). burn_in, thin : in cycles.
    """

    names: tuple[str, ...]
    draws: np.ndarray
    burn_in: int
    thin: int

    def summary(self) -> pd.DataFrame:
        """Return a row for each parameter: mean, sd, Monte Carlo standard error of the mean (mcse), effective number of
        draws (ess), R-hat (split, rank-normalised) and autocorrelation (ac) of a kept draw with the one before it."""
        from mice_sim.assessment.convergence import autocorrelation, effective_size, rhat  # loads all of assessment

        mean, sd = self.draws.mean(axis=(0, 1)), self.draws.std(axis=(0, 1), ddof=1)
        each = list(np.moveaxis(self.draws, 2, 0))
        size = np.array([effective_size(chains) for chains in each])
        return pd.DataFrame(
            {
                "mean": mean,
                "sd": sd,
                "mcse": sd / np.sqrt(size),
                "ess": size,
                "rhat": [rhat(chains) for chains in each],
                "ac": [autocorrelation(chains.reshape(len(chains), -1)) for chains in each],
            },
            index=pd.Index(self.names, name="parameter"),
        )

    def doubts(self) -> str:
        """Return in a few words why convergence is in doubt, or nothing."""
        frame = self.summary()
        if frame[["rhat", "ess"]].isna().any(axis=None):
            return f"{len(self.draws)} draws of a chain are too few to tell"
        worst, least = frame["rhat"].idxmax(), frame["ess"].idxmin()
        if not frame.loc[worst, "rhat"] <= MOST_RHAT:
            return f"R-hat of {worst} is {frame.loc[worst, 'rhat']:.2f}"
        if not frame.loc[least, "ess"] >= LEAST_SIZE:
            return f"{least} has {frame.loc[least, 'ess']:.0f} effective draws"
        return ""
