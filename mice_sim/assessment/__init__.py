"""Assessment: what is missing, whether chains have converged, and what synthetic data disclose."""

from mice_sim.assessment.cells import tau
from mice_sim.assessment.convergence import autocorrelation, convergence, rhat
from mice_sim.assessment.copies import ReplicatedUniques, copies, replicated_uniques
from mice_sim.assessment.disclosure import Disclosure, MultiDisclosure, disclosure, multi_disclosure
from mice_sim.assessment.patterns import Pairs, flux, md_pairs, md_pattern

__all__ = [
    "Disclosure",
    "MultiDisclosure",
    "Pairs",
    "ReplicatedUniques",
    "autocorrelation",
    "convergence",
    "copies",
    "disclosure",
    "flux",
    "md_pairs",
    "md_pattern",
    "multi_disclosure",
    "replicated_uniques",
    "rhat",
    "tau",
]
