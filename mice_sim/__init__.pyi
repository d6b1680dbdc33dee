"""What the package offers, for type checkers and for the lazy imports of `__init__.py`: the one list of names."""

from .analysis import (
    MODELS as MODELS,
    Estimates as Estimates,
    Statistics as Statistics,
    register_model as register_model,
)
from .api import (
    impute as impute,
    synthesize as synthesize,
)
from .assessment import (
    attribute_inference as attribute_inference,
    closest_record as closest_record,
    convergence as convergence,
    copies as copies,
    disclosure as disclosure,
    flux as flux,
    leaks as leaks,
    linkability as linkability,
    md_pairs as md_pairs,
    md_pattern as md_pattern,
    membership_inference as membership_inference,
    multi_disclosure as multi_disclosure,
    replicated_uniques as replicated_uniques,
    sdc as sdc,
    split as split,
    tau as tau,
)
from .assessment.compare import (
    compare as compare,
    compare_fits as compare_fits,
)
from .assessment.propensity import (
    utility_gen as utility_gen,
)
from .assessment.tabular import (
    utility_tables as utility_tables,
)
from .data import (
    load_dataset as load_dataset,
    read_table as read_table,
    write_table as write_table,
)
from .data.amputed import (
    ampute as ampute,
)
from .errors import (
    MiceSimError as MiceSimError,
)
from .fits import (
    anova as anova,
    d1 as d1,
    d2 as d2,
    d3 as d3,
    pool as pool,
    pool_correlations as pool_correlations,
    pool_r_squared as pool_r_squared,
    pool_variance_components as pool_variance_components,
)
from .mids import (
    from_mids as from_mids,
    to_mids as to_mids,
)
from .pooling import (
    pool_scalar as pool_scalar,
    pool_table as pool_table,
    pool_vector as pool_vector,
)
from .release import (
    assess as assess,
)
from .report.diagnostics import (
    plot_box as plot_box,
    plot_convergence as plot_convergence,
    plot_density as plot_density,
    plot_flux as plot_flux,
    plot_pattern as plot_pattern,
    plot_sampler as plot_sampler,
    plot_scatter as plot_scatter,
    plot_strip as plot_strip,
    plot_traces as plot_traces,
)
from .report.utility import (
    plot_compare as plot_compare,
    plot_utility as plot_utility,
)
from .sklearn import (
    MiceImputer as MiceImputer,
)
from .studies import (
    Study as Study,
    Sweep as Sweep,
    read_study as read_study,
    read_sweep as read_sweep,
    run_study as run_study,
    run_sweep as run_sweep,
)
from .study.analyses import (
    register_analysis as register_analysis,
)
from .study.measures import (
    Measure as Measure,
    register_measure as register_measure,
)
from .synthesis.methods import (
    Method as Method,
    register_method as register_method,
)
from .synthesis.predictors import (
    quickpred as quickpred,
)
from .synthesizer import (
    Synthesizer as Synthesizer,
    load_synthesizer as load_synthesizer,
)

__version__: str
