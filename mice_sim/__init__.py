"""Reproducible simulation studies of synthetic data and multiple imputation."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mice_sim.errors import MiceSimError

try:
    __version__ = version("mice_sim")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

_HOMES = {
    "MODELS": "mice_sim.analysis",
    "Method": "mice_sim.synthesis.methods",
    "MiceImputer": "mice_sim.sklearn",
    "Synthesizer": "mice_sim.synthesizer",
    "ampute": "mice_sim.data.amputed",
    "anova": "mice_sim.fits",
    "assess": "mice_sim.release",
    "attribute_inference": "mice_sim.assessment",
    "closest_record": "mice_sim.assessment",
    "compare": "mice_sim.assessment.compare",
    "compare_fits": "mice_sim.assessment.compare",
    "convergence": "mice_sim.assessment",
    "copies": "mice_sim.assessment",
    "d1": "mice_sim.fits",
    "d2": "mice_sim.fits",
    "d3": "mice_sim.fits",
    "disclosure": "mice_sim.assessment",
    "flux": "mice_sim.assessment",
    "from_mids": "mice_sim.mids",
    "impute": "mice_sim.api",
    "leaks": "mice_sim.assessment",
    "linkability": "mice_sim.assessment",
    "load_dataset": "mice_sim.data",
    "load_synthesizer": "mice_sim.synthesizer",
    "md_pairs": "mice_sim.assessment",
    "md_pattern": "mice_sim.assessment",
    "membership_inference": "mice_sim.assessment",
    "multi_disclosure": "mice_sim.assessment",
    **{
        f"plot_{figure}": "mice_sim.report.diagnostics"
        for figure in ("box", "convergence", "density", "flux", "pattern", "sampler", "scatter", "strip", "traces")
    },
    "plot_compare": "mice_sim.report.utility",
    "plot_utility": "mice_sim.report.utility",
    "pool": "mice_sim.fits",
    "pool_correlations": "mice_sim.fits",
    "pool_r_squared": "mice_sim.fits",
    "pool_scalar": "mice_sim.pooling",
    "pool_table": "mice_sim.pooling",
    "pool_variance_components": "mice_sim.fits",
    "pool_vector": "mice_sim.pooling",
    "quickpred": "mice_sim.synthesis.predictors",
    "read_table": "mice_sim.data",
    "register_method": "mice_sim.synthesis.methods",
    "replicated_uniques": "mice_sim.assessment",
    "sdc": "mice_sim.assessment",
    "split": "mice_sim.assessment",
    "synthesize": "mice_sim.api",
    "tau": "mice_sim.assessment",
    "to_mids": "mice_sim.mids",
    "utility_gen": "mice_sim.assessment.propensity",
    "utility_tables": "mice_sim.assessment.tabular",
    "write_table": "mice_sim.data",
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
