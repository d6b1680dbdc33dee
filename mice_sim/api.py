"""The front door: `impute`, `synthesize`, `Synthesizer`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mice_sim import streams
from mice_sim.data import Table
from mice_sim.errors import MiceSimError
from mice_sim.fits import Fits, fit_sets
from mice_sim.synthesis import engine
from mice_sim.synthesis.chained import ChainStatistics
from mice_sim.synthesis.events import EventLog
from mice_sim.synthesis.fitting import Streams
from mice_sim.synthesis.joint.posterior import Posterior
from mice_sim.synthesis.methods import Method
from mice_sim.synthesis.result import Synthesis
from mice_sim.synthesis.spec import Specification, Where, specify, whole

Methods = str | Mapping[str, Any] | Method | None


@dataclass(frozen=True, repr=False, eq=False)
class Sets(Synthesis):
    """A `Synthesis` whose sets can be analysed: `syn.fit("hgt ~ age + phb")`."""

    def fit(self, formula: str, model: str = "linear") -> Fits:
        """Fit a model to every set.

        model : "linear", "logistic", "ordinal" (proportional odds), "multinomial", "poisson" or another name that
        `mice_sim.MODELS` knows. Raises MiceSimError for an unknown model or column, and where a model does not
        converge on a set.
        """
        return fit_sets(formula, model, self.original.columns, self.sets, self.origin)


def impute(
    data: pd.DataFrame,
    m: int = 5,
    *,
    maxit: int = 5,
    method: Methods = None,
    predictor_matrix: np.ndarray | pd.DataFrame | None = None,
    formulas: Mapping[str, str] | None = None,
    visit_sequence: str | Sequence[str] | None = None,
    cluster: str | None = None,
    derived: Mapping[str, str] | None = None,
    bounds: Mapping[str, Sequence[float | None]] | None = None,
    rules: Mapping[str, Mapping[str, Any]] | None = None,
    ignore: Sequence[bool] | np.ndarray | None = None,
    where: Where = "missing",
    seed: int | None = None,
    strict: bool = False,
    progress: bool = False,
    **options: object,
) -> Sets:
    """Fill missing cells by multivariate imputation by chained equations, m times (van Buuren 2018).

    Parameters
    ----------
    data : numeric, boolean and categorical columns; NaN is missing.
    m : number of sets. maxit : iterations of each chain.
    method : one name for all columns; {column: name, {"name": name, option: value} or `Method`}; by default as mice:
        "pmm" for numbers, "logreg" for two levels, "polyreg" for more, "polr" for ordered ones.
    predictor_matrix : (columns × columns) of 0 and 1, row = target (see `quickpred`); the default is everything else,
        but for derived columns predicting what they are computed from. Methods for two levels know 2 (with random
        effects), 3 (with the means by cluster), 4 (with both) and -2 (the clusters) too.
    cluster : the column that says which cluster a row is in. Columns without a method then have one for two levels:
        "2l.pmm" for numbers, "2l.bin" for two levels, "2l.cart" for more; "2lonly.pmm" or "2lonly.cart" where all rows
        of a cluster have the same value. Other methods do not look at clusters.
    formulas : {column: "x + z + x:z"}, the model of a column instead of its row of the predictor matrix.
    visit_sequence : names in order of visit, or "roman", "arabic", "monotone", "revmonotone".
    derived : {column: arithmetic on other columns}, computed anew whenever they are drawn.
    bounds : {column: [least, most]}; draws outside are set to the nearest bound; None is no bound.
    rules : {column: {"age < 18": value}}; where the condition holds the column has the value, and no model learns
        from such rows.
    ignore : True for rows that no model learns from; they are imputed all the same.
    where : which missing cells to fill, True/False for each cell (rows × columns); the others must not predict.
    seed : a whole number; the same seed gives the same sets. strict : raise at the first event.
    progress : show how far the chains are.
    **options : of the methods, such as donors=3 for "pmm".

    Returns
    -------
    The sets: `completed`, `long`, `summary`, `events`, `fit`; see `Synthesis`.

    Raises
    ------
    MiceSimError
        For anything that can't work, naming it and the remedy.
    """
    return _run(
        data, seed, strict, progress, mode="impute", m=m, maxit=maxit, method=method, predictor_matrix=predictor_matrix,
        formulas=formulas, visit_sequence=visit_sequence, cluster=cluster, derived=derived, bounds=bounds, rules=rules,
        ignore=ignore, where=where, **options,
    )  # fmt: skip


def synthesize(
    data: pd.DataFrame,
    m: int = 5,
    *,
    mode: str = "sequential",
    method: Methods = None,
    k: int | None = None,
    strata: str | Sequence[str] | None = None,
    missing: str | None = None,
    r: int = 1,
    imputation: Mapping[str, Any] | None = None,
    maxit: int | None = None,
    proper: bool | None = None,
    predictor_matrix: np.ndarray | pd.DataFrame | None = None,
    formulas: Mapping[str, str] | None = None,
    visit_sequence: str | Sequence[str] | None = None,
    cluster: str | None = None,
    derived: Mapping[str, str] | None = None,
    bounds: Mapping[str, Sequence[float | None]] | None = None,
    rules: Mapping[str, Mapping[str, Any]] | None = None,
    semicontinuous: Mapping[str, Any] | None = None,
    smoothing: str | Mapping[str, str] | None = None,
    ignore: Sequence[bool] | np.ndarray | None = None,
    where: Where = "all",
    rule: str = "mice-3.15",
    seed: int | None = None,
    strict: bool = False,
    progress: bool = False,
    **options: object,
) -> Sets:
    """Replace a data set by draws from models of it, m times.

    In the mode "sequential" records are new: each column is drawn given the synthetic columns before it, as in
    synthpop. In the mode "linked" synthetic record i is drawn given the real record i, as in mice with `where`; copies
    of a person's own values are then common (20 to 80 % of cells with trees), so that such sets are for methods
    research, not for release.

    Parameters, beside those of `impute`
    ------------------------------------
    method : as for `impute`, but "cart" by default, also for columns that a mapping leaves out; "parametric" takes
        "normrank" for numbers and for factors what `impute` takes.
    cluster : the column that says which cluster a row is in, which keeps its values: how many rows a cluster has is
        how the data were collected. Columns without a method have "2l.cart", or "2lonly.cart" at level 2. In sequential
        mode clusters are new ones, with effects drawn for them, unless other columns keep their values too.
    k : rows of a sequential set; as many as in the data by default.
    strata : columns; every combination of their values is synthesised by itself, in its real share.
    missing : what becomes of missing cells. "keep" (the default of sequential): missingness is a property of the data
        and is synthesised too. "one-step" (the default of linked): missing and observed cells are drawn together,
        `maxit` times (default 5). "two-step": `m` imputations, with `r` syntheses of each; `imputation` holds options
        of `impute`.
    proper : True draws the parameters of every set anew (by a bootstrap of the rows where the method has no
        posterior), False takes the estimates; by default what the method does.
    semicontinuous : {column: code or codes} that a numeric column mixes with its numbers, such as 0 or −8; they are
        drawn apart from the numbers.
    smoothing : "density", "spline" or "rmean" for all numeric columns, or {column: kind}.
    where : "all"; columns to replace (the others keep their values); in linked mode also "missing", "observed",
        "none", {column: "income > 100000"}, or True/False for each cell (rows × columns).
    rule : "mice-3.15", or "mice-3.13" to let predictors see derived values, as mice did until 2022 (linked mode).

    Returns
    -------
    The sets, as `impute` does. Raises MiceSimError for anything that can't work, naming it and the remedy.
    """
    if maxit is None:
        incomplete = isinstance(data, pd.DataFrame) and bool(data.isna().to_numpy().any())
        maxit = 5 if mode == "linked" and incomplete and missing != "two-step" else 1
    return _run(
        data, seed, strict, progress, mode=mode, m=m, method=method, k=k, strata=strata, missing=missing, r=r,
        imputation=imputation, maxit=maxit, proper=proper, predictor_matrix=predictor_matrix, formulas=formulas,
        visit_sequence=visit_sequence, cluster=cluster, derived=derived, bounds=bounds, rules=rules,
        semicontinuous=semicontinuous, smoothing=smoothing, ignore=ignore, where=where, rule=rule, **options,
    )  # fmt: skip


def _run(data: pd.DataFrame, seed: int | None, strict: bool, progress: bool, **options: Any) -> Sets:
    table = Table.from_pandas(data)
    spec = specify(table, **options)
    log = EventLog(strict)
    for decision in spec.decisions:
        log.add(decision)
    origin = spec.origin(table)
    chain = None
    imputing = spec.imputation if origin.missing == "two-step" and spec.imputation else spec
    if imputing.joint is None and imputing.mode != "sequential":
        chain = ChainStatistics.blank(len(table.columns), imputing.maxit, imputing.m)
    posterior: list[Posterior] = []
    with _progress(progress, spec, origin.missing == "two-step") as tick:
        sets = engine.run(table, spec, named_streams(seed, spec.mode), log, chain, tick, posterior)
    where = spec.replaced(~np.isnan(table.values)) if spec.mode != "sequential" else np.zeros(table.values.shape, bool)
    return Sets(table, sets, origin, spec, data.index, data.columns, log, where, chain, *posterior[:1])


def named_streams(seed: int | None, mode: str) -> Streams:
    """Return the streams of a call with this seed, or with fresh entropy."""
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0):
        raise MiceSimError(f"seed is {seed!r}; give a whole number of at least 0.")
    entropy = secrets.randbits(128) if seed is None else int(seed)
    purpose = "imputation" if mode == "impute" else "synthesis"
    return lambda i, name, k: streams.stream(entropy, purpose, 0, i, name, k)


class _progress:
    """A progress bar on the terminal, or nothing."""

    def __init__(self, wanted: bool, spec: Specification, nested: bool):
        self.wanted = wanted
        chains = spec.imputation if nested and spec.imputation else spec
        self.total = spec.m * spec.r if nested or spec.mode == "sequential" or spec.joint is not None else 0
        if chains.joint is None and chains.mode != "sequential":
            self.total += chains.m * chains.maxit

    def __enter__(self) -> Callable[[], None]:
        if not self.wanted:
            return lambda: None
        from rich.console import Console
        from rich.progress import Progress

        self.bar = Progress(console=Console(stderr=True), transient=True)
        self.bar.start()
        task = self.bar.add_task("drawing", total=self.total)
        return lambda: self.bar.advance(task)

    def __exit__(self, *exception: object) -> None:
        if self.wanted:
            self.bar.stop()


__all__ = ["Sets", "impute", "synthesize", "whole"]
