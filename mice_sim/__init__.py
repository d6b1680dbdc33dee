"""Reproducible simulation studies of synthetic data and multiple imputation."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("mice_sim")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
