"""Assessment: what is missing and how it hangs together, and whether chains have converged."""

from mice_sim.assessment.convergence import autocorrelation, convergence, rhat
from mice_sim.assessment.patterns import Pairs, flux, md_pairs, md_pattern

__all__ = ["Pairs", "autocorrelation", "convergence", "flux", "md_pairs", "md_pattern", "rhat"]
