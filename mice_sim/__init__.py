"""Reproducible simulation studies of synthetic data and multiple imputation."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mice_sim.errors import MiceSimError

try:
    __version__ = version("mice_sim")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["MiceSimError", "load_dataset", "pool", "synthesize"]

_HOMES = {"load_dataset": "mice_sim.data", "synthesize": "mice_sim.api", "pool": "mice_sim.api"}


def __getattr__(name: str) -> Any:
    # The numerical libraries are loaded when something is used, not when the package is named.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mice_sim' has no attribute '{name}'")
