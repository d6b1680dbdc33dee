"""Assessment: missing data patterns, convergence of chains, and how useful and how safe synthetic sets are."""

from mice_sim.assessment.attacks import (
    ClosestRecord,
    Membership,
    attribute_inference,
    closest_record,
    linkability,
    membership_inference,
    split,
)
from mice_sim.assessment.cells import tau
from mice_sim.assessment.convergence import autocorrelation, convergence, rhat
from mice_sim.assessment.copies import ReplicatedUniques, copies, replicated_uniques
from mice_sim.assessment.disclosure import Disclosure, MultiDisclosure, disclosure, multi_disclosure
from mice_sim.assessment.leaks import Leaks, leaks
from mice_sim.assessment.patterns import Pairs, flux, md_pairs, md_pattern
from mice_sim.assessment.sdc import sdc

__all__ = [
    "ClosestRecord",
    "Disclosure",
    "Leaks",
    "Membership",
    "MultiDisclosure",
    "Pairs",
    "ReplicatedUniques",
    "attribute_inference",
    "autocorrelation",
    "closest_record",
    "convergence",
    "copies",
    "disclosure",
    "flux",
    "leaks",
    "linkability",
    "md_pairs",
    "md_pattern",
    "membership_inference",
    "multi_disclosure",
    "replicated_uniques",
    "rhat",
    "sdc",
    "split",
    "tau",
]
