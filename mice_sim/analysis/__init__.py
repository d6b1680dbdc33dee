"""What is estimated on one data set."""

from mice_sim.analysis.estimates import Estimates, NotConverged, Statistics
from mice_sim.analysis.models import MIXED, MODELS, register_model
from mice_sim.data.formula import ModelFormula

__all__ = ["MIXED", "MODELS", "Estimates", "ModelFormula", "NotConverged", "Statistics", "register_model"]
