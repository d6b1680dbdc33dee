"""Reproducible simulation studies of synthetic data and multiple imputation."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mice_sim.errors import MiceSimError

try:
    __version__ = version("mice_sim")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

_HOMES = {
    "Method": "mice_sim.synthesis.methods",
    "Synthesizer": "mice_sim.synthesizer",
    "ampute": "mice_sim.data",
    "convergence": "mice_sim.assessment",
    "flux": "mice_sim.assessment",
    "impute": "mice_sim.api",
    "load_dataset": "mice_sim.data",
    "load_synthesizer": "mice_sim.synthesizer",
    "md_pairs": "mice_sim.assessment",
    "md_pattern": "mice_sim.assessment",
    "pool": "mice_sim.fits",
    "quickpred": "mice_sim.synthesis.predictors",
    "register_method": "mice_sim.synthesis.methods",
    "read_table": "mice_sim.data",
    "synthesize": "mice_sim.api",
}
# Names that are shorter at home.
_THERE = {"register_method": "register"}
__all__ = ["MiceSimError", *_HOMES]


def __getattr__(name: str) -> Any:
    # The numerical libraries are loaded when something is used, not when the package is named.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), _THERE.get(name, name))
    raise AttributeError(f"module 'mice_sim' has no attribute '{name}'")
