"""Reproducible simulation studies of synthetic data and multiple imputation."""

from importlib.metadata import PackageNotFoundError, version

import lazy_loader

from mice_sim.compiled import find_a_folder

try:
    __version__ = version("mice_sim")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

find_a_folder()

# Names and their homes are those of `__init__.pyi`. The numerical libraries are loaded when something is used, not
# when the package is named.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
