"""What is estimated on one data set."""

from mice_sim.analysis.estimates import Estimates, NotConverged, Statistics
from mice_sim.analysis.formula import ModelFormula
from mice_sim.analysis.models import MODELS

__all__ = ["MODELS", "Estimates", "ModelFormula", "NotConverged", "Statistics"]
