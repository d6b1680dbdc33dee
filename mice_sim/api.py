"""The front door: `synthesize`, `fit`, `pool`."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mice_sim import streams
from mice_sim.analysis import MODELS, Estimates, ModelFormula
from mice_sim.data import Table
from mice_sim.errors import MiceSimError, nearest
from mice_sim.pooling import INFERENCE, get_rule
from mice_sim.pooling import pool as pool_arrays
from mice_sim.synthesis import engine
from mice_sim.synthesis.events import EventLog
from mice_sim.synthesis.result import Synthesis
from mice_sim.synthesis.spec import Where, specify


def synthesize(
    data: pd.DataFrame,
    m: int = 5,
    *,
    method: str | Mapping[str, str] = "cart",
    maxit: int = 1,
    predictor_matrix: np.ndarray | pd.DataFrame | None = None,
    visit_sequence: Sequence[str] | None = None,
    derived: Mapping[str, str] | None = None,
    where: Where = "all",
    rule: str = "mice-3.15",
    seed: int | None = None,
    strict: bool = False,
    **options: object,
) -> FittableSynthesis:
    """Replace cells of a data set by draws from chained conditional models, m times.

    Synthetic record i stays linked to record i, as in mice with `where`: its predictors are the observed
    values of record i. Copies of a person's own values are common; such sets are for methods research,
    not for release.

    Parameters
    ----------
    data : numeric, boolean and categorical columns; NaN is missing.
    m : number of sets. maxit : iterations; one is enough for complete data.
    method : one name for all columns, or a name for each.
    predictor_matrix : (columns × columns) of 0 and 1, row = target; the default is everything else, but
        for derived columns predicting what they are computed from.
    visit_sequence : all column names in order of visit.
    derived : {column: arithmetic on other columns}; computed from the synthetic values of each set.
    where : "all", "missing", "observed", "none", or True/False for each cell (rows × columns).
    rule : "mice-3.15", or "mice-3.13" to let predictors see derived values, as mice did until 2022.
    seed : a whole number; the same seed gives the same sets. strict : raise at the first event.
    **options : of the methods, such as minbucket=3, cp=1e-8 for "cart".

    Raises
    ------
    MiceSimError
        For anything that can't work, naming it and the remedy.
    """
    table = Table.from_pandas(data)
    spec = specify(
        table, m=m, maxit=maxit, method=method, predictor_matrix=predictor_matrix,
        visit_sequence=visit_sequence, derived=derived, where=where, rule=rule, **options,
    )  # fmt: skip
    entropy = secrets.randbits(128) if seed is None else seed
    log = EventLog(strict)
    sets = engine.run(table, spec, lambda i, name, k: streams.stream(entropy, "synthesis", 0, i, name, k), log)
    return FittableSynthesis(table, sets, spec, data.index, data.columns, log)


class FittableSynthesis(Synthesis):
    """A `Synthesis` whose sets can be analysed: `syn.fit("hgt ~ age + phb")`."""

    def fit(self, formula: str, model: str = "linear") -> Fits:
        """Fit a model to every set.

        model : "linear", "logistic" or "ordinal" (proportional odds). Raises MiceSimError for an unknown
        model or column, and where a model does not converge on a set.
        """
        if model not in MODELS:
            raise MiceSimError(f"There is no model '{model}'{nearest(model, list(MODELS))}")
        parsed = ModelFormula.parse(formula, self.original.columns)
        return Fits(formula, model, self.mode, [MODELS[model](parsed, values) for values in self.sets])


@dataclass(frozen=True)
class Fits:
    """One model fitted to m sets; `pool` combines it. mode : how the sets were made."""

    formula: str
    model: str
    mode: str
    estimates: list[Estimates]


def pool(fits: Fits, rule: str = "reiter2003", level: float = 0.95) -> pd.DataFrame:
    """Combine the estimates of m sets.

    Parameters
    ----------
    rule : "reiter2003" for synthetic data, "rubin1987" for imputed data; a rule that is not valid for the
        sets at hand warns. level : of the confidence interval.

    Returns
    -------
    A frame by term: estimate, std_error, df, statistic, p_value, ci_lower, ci_upper, and the mean
    variance within (`within`) and the variance between sets (`between`).
    """
    chosen = get_rule(rule)
    if len(fits.estimates) < 2:
        raise MiceSimError("Pooling needs at least two sets; synthesize with m=2 or more.")
    if not 0 < level < 1:
        raise MiceSimError(f"level is {level!r}; give a number between 0 and 1.")
    if fits.mode not in chosen.valid_for:
        warnings.warn(
            f"The rule '{rule}' is not valid for {fits.mode} synthetic data; its intervals will be off.", stacklevel=2
        )
    q = np.array([fit.estimate for fit in fits.estimates])
    u = np.array([fit.variance for fit in fits.estimates])
    pooled, _ = pool_arrays(q, u, chosen, fits.estimates[0].df_residual, level)
    frame = pd.DataFrame(pooled.T, index=pd.Index(fits.estimates[0].terms, name="term"), columns=list(INFERENCE))
    return frame.assign(within=u.mean(axis=0), between=q.var(axis=0, ddof=1))
