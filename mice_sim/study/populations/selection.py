"""Data of which a response goes missing by a selection model (Heckman 1976), at one or at two levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mice_sim import streams
from mice_sim.analysis import ModelFormula
from mice_sim.data import Column, Table
from mice_sim.errors import MiceSimError
from mice_sim.study.populations.base import Population, check_keys, number, whole
from mice_sim.study.populations.two_level import (
    Covariate,
    components,
    fixed_part,
    make_columns,
    read_covariates,
    read_sizes,
)

REQUIRED = ("kind", "covariates", "coefficients", "selection")
AT_ONE_LEVEL, AT_TWO_LEVELS = ("n",), ("clusters", "size", "sd_cluster", "rho_cluster")
OPTIONS = ("rho", "binary", "sd_residual", "rows")


def selection(config: Mapping[str, Any], seed: int) -> Population:
    """{kind: selection, n: 500, covariates: {…}, coefficients: {x: 0.5}, selection: {x: 0.5, z: 1}, rho: 0.6, …}.

    y = β₀ + Σ β_k x_k + u + ε goes missing, by resampling.amputation={mask: population}, unless γ₀ + Σ γ_k x_k + v + η
    > 0. The errors ε ~ N(0, sd_residual²) and η ~ N(0, 1) correlate by rho; at 0 values are missing at random.

    covariates, coefficients : as in data of kind two_level; `selection` gives the γ. A covariate that has one and no β
    is an exclusion restriction. n : rows of a sample. In its place `clusters` and their `size` make two levels: u and v
    are normal with the standard deviations sd_cluster = [of u, of v] and the correlation rho_cluster.
    binary : y is whether that sum exceeds 0, a factor of "0" and "1". rows : of the reference (100,000), from which all
    truth is simulated but the coefficients of a linear model.
    """
    check_keys("data", config, REQUIRED, (*OPTIONS, *AT_ONE_LEVEL, *AT_TWO_LEVELS))
    in_clusters = config.get("clusters") is not None
    for key in AT_ONE_LEVEL if in_clusters else AT_TWO_LEVELS:
        if config.get(key) is not None:
            raise MiceSimError(f"data.{key} is for {'one level' if in_clusters else 'two levels'}; leave it out.")
    binary = config.get("binary", False)
    if not isinstance(binary, bool):
        raise MiceSimError(f"data.binary is {binary!r}; give true or false.")
    covariates = read_covariates(config["covariates"])
    clusters = whole("data.clusters", config["clusters"], 2) if in_clusters else 0
    columns = make_columns(clusters, covariates, binary)
    formula, beta = fixed_part("coefficients", config["coefficients"], covariates, columns)
    _, gamma = fixed_part("selection", config["selection"], covariates, columns)
    sd_residual = config.get("sd_residual", 1)
    model = Selection(
        columns,
        tuple(covariates.values()),
        read_sizes(config.get("size"), clusters) if in_clusters else np.zeros(0, int),
        formula,
        np.column_stack([beta, gamma]),
        _root([sd_residual, 1], config.get("rho", 0), "data.sd_residual", "data.rho"),
        _root(config.get("sd_cluster"), config.get("rho_cluster", 0), "data.sd_cluster", "data.rho_cluster")
        if in_clusters
        else np.zeros((2, 2)),
    )
    rows = whole("data.rows", config.get("rows", 100_000), 2)
    known = {} if binary else _truth(columns, formula, beta, config.get("sd_cluster"), sd_residual)
    exact = f"{' and '.join(map(' '.join, known)) or 'nothing'}; all else is simulated from {rows} rows"
    return Population(
        reference=model.complete(rows, streams.stream(seed, "reference")),
        n=int(model.sizes.sum()) if in_clusters else whole("data.n", config.get("n"), 2),
        draw=model.complete,
        truth=known,
        exact=exact,
        fixed_n=in_clusters,
        incomplete=model.incomplete,
    )


@dataclass(frozen=True)
class Selection:
    """Both equations.

    sizes : of the clusters, none at one level. coefficients : (terms of the formula, 2), β and γ. within, between :
    (2, 2), roots of the covariances of (ε, η) and (u, v).
    """

    columns: tuple[Column, ...]
    covariates: tuple[Covariate, ...]
    sizes: np.ndarray
    formula: ModelFormula
    coefficients: np.ndarray
    within: np.ndarray
    between: np.ndarray

    def complete(self, n: int, rng: np.random.Generator) -> Table:
        """Draw n rows."""
        return self._draw(n, rng)[0]

    def incomplete(self, n: int, rng: np.random.Generator) -> Table:
        """Draw the same rows, without the responses that are not selected."""
        table, there = self._draw(n, rng)
        values = table.values.copy()
        values[-1, ~there] = np.nan
        return Table(table.columns, values)

    def _draw(self, n: int, rng: np.random.Generator) -> tuple[Table, np.ndarray]:
        """Return n rows and whether the response of each is there."""
        values = np.zeros((len(self.columns), n))
        cluster, total = np.zeros(n, int), 1
        if self.sizes.size:
            samples = -(-n // int(self.sizes.sum()))
            total = samples * self.sizes.size
            cluster = np.repeat(np.arange(total), np.tile(self.sizes, samples))[:n]
            values[0] = cluster % self.sizes.size
        first = len(self.columns) - 1 - len(self.covariates)
        for j, covariate in enumerate(self.covariates, first):
            values[j] = covariate.draw(n, rng) if covariate.level == 1 else covariate.draw(total, rng)[cluster]
        random = (rng.standard_normal((total, 2)) @ self.between.T)[cluster]
        errors = rng.standard_normal((n, 2)) @ self.within.T
        latent = self.formula.matrix(values) @ self.coefficients + random + errors
        values[-1] = latent[:, 0] > 0 if self.columns[-1].is_factor else latent[:, 0]
        return Table(self.columns, values), latent[:, 1] > 0


def _truth(
    columns: tuple[Column, ...], formula: ModelFormula, beta: np.ndarray, sd_cluster: Any, sd_residual: float
) -> dict[tuple[str, str], dict[str, float]]:
    """Return what is known of models of the terms that have coefficients."""
    fixed = dict(zip(formula.names, beta.tolist(), strict=True))
    terms = [name for name, value in fixed.items() if value and name != "(Intercept)"]
    fixed = {name: value for name, value in fixed.items() if name in ("(Intercept)", *terms)}
    text = f"y ~ {' + '.join(terms) or '1'}"
    if sd_cluster is None:
        return {("linear", text): fixed}
    with_clusters, variances = components(text, columns, [sd_cluster[0]], [], sd_residual)
    return {("linear", text): fixed, **{(kind, with_clusters): fixed | variances for kind in ("mixed", "mixed.ml")}}


def _root(sds: Any, correlation: Any, sd_key: str, rho_key: str) -> np.ndarray:
    """Return R (2, 2) with R R' the covariance."""
    if not isinstance(sds, list | tuple) or len(sds) != 2:
        raise MiceSimError(f"{sd_key} is {sds!r}; give two standard deviations, [of y, of its selection].")
    first, second = (number(sd_key, sd, least=0) for sd in sds)
    rho = number(rho_key, correlation, above=-1, below=1)
    return np.array([[first, 0.0], [rho * second, np.sqrt(1 - rho * rho) * second]])
