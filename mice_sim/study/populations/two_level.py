"""Two-level normal data: rows within clusters, with random intercepts and slopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mice_sim import streams
from mice_sim.analysis import ModelFormula, mixed
from mice_sim.data import Column, Table
from mice_sim.data.expressions import quote
from mice_sim.errors import MiceSimError, nearest
from mice_sim.study.populations.base import Population, check_keys, number, whole

INTERCEPT = "(Intercept)"
OPTIONS = ("coefficients", "sd_cluster", "icc", "sd_slope", "sd_residual", "rows")


def two_level(config: Mapping[str, Any], seed: int) -> Population:
    """{kind: two_level, clusters: 50, size: 20, covariates: {…}, coefficients: {x: 0.5}, icc: 0.2, …}.

    y_ij = β₀ + Σ β_k (term k)_ij + u_0j + Σ u_hj x_hij + e_ij with independent u_0j ~ N(0, sd_cluster²),
    u_hj ~ N(0, sd_slope_h²) and e_ij ~ N(0, sd_residual²) (Raudenbush & Bryk 2002, ch. 2).

    clusters, size : number of clusters and of rows in each; [low, high] makes sizes rise evenly from low to high.
    covariates : {name: {level: 1, kind: normal, mean: 0, sd: 1}} or {name: {level: 2, kind: binary, probability: 0.5}}.
    coefficients : {(Intercept): …, x: …, "x:w": …} of the covariates and their products; 0 where not given.
    sd_cluster, or icc = sd_cluster² / (sd_cluster² + sd_residual²). sd_slope : {level-1 covariate: sd}.
    sd_residual : 1 where not given. rows : of the reference (100,000), a large draw from which every truth but the
    fixed effects is simulated.

    `cluster` is an unordered factor: from a number, methods would read an order. Its levels number the clusters of
    one sample; in the reference they repeat, once for each sample that it is made of.
    """
    check_keys("data", config, ["kind", "clusters", "size", "covariates"], OPTIONS)
    covariates = read_covariates(config["covariates"])
    clusters = whole("data.clusters", config["clusters"], 2)
    sizes = read_sizes(config["size"], clusters)
    columns = make_columns(clusters, covariates)
    formula, beta = fixed_part("coefficients", config.get("coefficients") or {}, covariates, columns)
    sd_residual = number("data.sd_residual", config.get("sd_residual", 1), above=0)
    sd_cluster = _sd_cluster(config, sd_residual)
    sd_slope = _sd_slope(config.get("sd_slope") or {}, covariates)

    def draw(n: int, rng: np.random.Generator) -> Table:
        samples = -(-n // int(sizes.sum()))
        total = samples * clusters
        cluster = np.repeat(np.arange(total), np.tile(sizes, samples))[:n]
        values = np.zeros((len(columns), n))
        values[0] = cluster % clusters
        for j, covariate in enumerate(covariates.values(), 1):
            values[j] = covariate.draw(n, rng) if covariate.level == 1 else covariate.draw(total, rng)[cluster]
        random = (sd_cluster * rng.standard_normal(total))[cluster]
        for j, sd in sd_slope.items():
            random += (sd * rng.standard_normal(total))[cluster] * values[j]
        values[-1] = formula.matrix(values) @ beta + random + sd_residual * rng.standard_normal(n)
        return Table(columns, values)

    rows = whole("data.rows", config.get("rows", 100_000), 2)
    fixed = dict(zip(formula.names, beta.tolist(), strict=True))
    text, variances = components(formula.text, columns, [sd_cluster, *sd_slope.values()], list(sd_slope), sd_residual)
    both = {(kind, text): fixed | variances for kind in ("mixed", "mixed.ml")}
    truth = {("linear", formula.text): fixed, **both}
    exact = f"the terms of linear {formula.text} and mixed {text}; all else is simulated from {rows} rows"
    reference = draw(rows, streams.stream(seed, "reference"))
    return Population(reference, int(sizes.sum()), draw, truth, exact, fixed_n=True)


@dataclass(frozen=True)
class Covariate:
    """A normal covariate, or a binary one (levels "0" and "1"), of the rows (1) or the clusters (2)."""

    level: int
    kind: str
    mean: float = 0.0
    sd: float = 1.0
    probability: float = 0.5

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        if self.kind == "binary":
            return (rng.random(size) < self.probability).astype(float)
        return self.mean + self.sd * rng.standard_normal(size)


COVARIATE_KEYS = {"normal": ("mean", "sd"), "binary": ("probability",)}


def read_covariates(given: Any) -> dict[str, Covariate]:
    if not isinstance(given, Mapping) or not given:
        raise MiceSimError(f"data.covariates is {given!r}; write {{x: {{level: 1, kind: normal}}}}.")
    for name in ("cluster", "y"):
        if name in given:
            raise MiceSimError(f"data.covariates holds '{name}', the name of another column; rename it.")
    return {str(name): _covariate(f"data.covariates.{name}", config) for name, config in given.items()}


def _covariate(what: str, config: Any) -> Covariate:
    kind = str(config.get("kind")) if isinstance(config, Mapping) else "normal"
    if kind not in COVARIATE_KEYS:
        raise MiceSimError(f"{what} has the kind '{kind}'{nearest(kind, list(COVARIATE_KEYS))}")
    check_keys(what, config, ["level", "kind"], COVARIATE_KEYS[kind])
    if config["level"] not in (1, 2):
        raise MiceSimError(f"{what}.level is {config['level']!r}; give 1 for rows or 2 for clusters.")
    bounds: dict[str, dict[str, float]] = {"mean": {}, "sd": {"above": 0}, "probability": {"above": 0, "below": 1}}
    numbers = {
        key: number(f"{what}.{key}", config[key], **bounds[key]) for key in COVARIATE_KEYS[kind] if key in config
    }
    return Covariate(config["level"], kind, **numbers)


def read_sizes(given: Any, clusters: int) -> np.ndarray:
    """Return the rows of each cluster, one size or sizes that rise evenly from low to high."""
    low, high = given if isinstance(given, list | tuple) and len(given) == 2 else (given, given)
    low, high = whole("data.size", low), whole("data.size", high)
    if low > high:
        raise MiceSimError(f"data.size is [{low}, {high}]; give the smaller size first.")
    return np.linspace(low, high, clusters).round().astype(int)


def make_columns(clusters: int, covariates: Mapping[str, Covariate], binary: bool = False) -> tuple[Column, ...]:
    """Return the columns cluster (if there are clusters), the covariates and y, a factor of "0" and "1" if `binary`."""

    def factor(name: str, levels: list[str]) -> Column:
        kind = "binary" if len(levels) == 2 else "unordered"
        return Column(name, kind, tuple(levels), pd.CategoricalDtype(levels))  # type: ignore[arg-type]

    def numeric(name: str) -> Column:
        return Column(name, "continuous", None, np.dtype(float))

    middle = [factor(name, ["0", "1"]) if c.kind == "binary" else numeric(name) for name, c in covariates.items()]
    first = [factor("cluster", [str(j + 1) for j in range(clusters)])] if clusters else []
    return (*first, *middle, factor("y", ["0", "1"]) if binary else numeric("y"))


def fixed_part(
    key: str, given: Any, covariates: Mapping[str, Covariate], columns: tuple[Column, ...]
) -> tuple[ModelFormula, np.ndarray]:
    """Return the model of the fixed effects, with the main effects of all covariates, and its coefficients."""
    if not isinstance(given, Mapping):
        raise MiceSimError(f"data.{key} is {given!r}; write {{{INTERCEPT}: 0, x: 0.5}}.")
    values = {str(term): number(f"data.{key} of '{term}'", value) for term, value in given.items()}
    for term in values:
        for name in term.split(":"):
            if term != INTERCEPT and name not in covariates:
                raise MiceSimError(
                    f"data.{key} names '{term}', but there is no covariate '{name}'"
                    + nearest(name, [INTERCEPT, *covariates])
                )
    products = [term for term in values if ":" in term]
    formula = ModelFormula.parse("y ~ " + " + ".join([*covariates, *products]), columns)
    positions = {frozenset(term): i for i, term in enumerate(formula.terms, 1)}
    before = len(columns) - len(covariates) - 1
    beta = np.zeros(len(formula.names))
    for term, value in values.items():
        names = frozenset(before + list(covariates).index(name) for name in term.split(":") if term != INTERCEPT)
        beta[positions[names] if names else 0] = value
    return formula, beta


def components(
    fixed: str, columns: tuple[Column, ...], sds: list[float], slopes: list[int], sd_residual: float
) -> tuple[str, dict[str, float]]:
    """Return the formula of the mixed model that the data follow, and the true values of its variance components."""
    text = f"{fixed} + ({' + '.join(['1', *(quote(columns[j].name) for j in slopes)])} | cluster)"
    formula = ModelFormula.parse(text, columns, mixed=True)
    components = {
        mixed.component_name(formula, i, j): sds[i] ** 2 if i == j else 0.0 for i, j in mixed.random_terms(formula)
    }
    icc = sds[0] ** 2 / (sds[0] ** 2 + sd_residual**2)
    return text, components | {mixed.RESIDUAL: sd_residual**2, mixed.ICC: icc}


def _sd_cluster(config: Mapping[str, Any], sd_residual: float) -> float:
    sd, icc = config.get("sd_cluster"), config.get("icc")
    if (sd is None) == (icc is None):
        raise MiceSimError("data of kind two_level needs either sd_cluster or icc; give one of them.")
    if sd is not None:
        return number("data.sd_cluster", sd, least=0)
    icc = number("data.icc", icc, least=0, below=1)
    return sd_residual * float(np.sqrt(icc / (1 - icc)))


def _sd_slope(given: Any, covariates: Mapping[str, Covariate]) -> dict[int, float]:
    """Return {column number: sd} of the slopes that vary between clusters."""
    level_1 = [name for name, covariate in covariates.items() if covariate.level == 1]
    check_keys("data.sd_slope", given, [], level_1)
    return {1 + list(covariates).index(n): number(f"data.sd_slope.{n}", sd, least=0) for n, sd in given.items()}
