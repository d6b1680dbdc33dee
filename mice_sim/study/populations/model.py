"""Data whose response follows a known model, on the predictors of real data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mice_sim import streams
from mice_sim.analysis import MODELS, ModelFormula
from mice_sim.data import Table
from mice_sim.errors import MiceSimError, nearest
from mice_sim.study.populations.base import Population, check_keys, number, whole
from mice_sim.study.populations.data import DATA

# The models whose responses can be drawn.
DRAWN = ("linear", "logistic", "ordinal")


def model(config: Mapping[str, Any], seed: int) -> Population:
    """{kind: model, base: {kind: packaged, name: …}, model: linear|logistic|ordinal, formula: "y ~ a + b"}.

    The model is fitted to the base data. A draw resamples rows of predictors with replacement and draws the response
    from the model, which therefore holds by construction. Only the formula's columns are kept: how others depend
    on the new response nobody said.

    Optional: `coefficients` {term: value} in place of fitted ones, as the model names its terms (for ordinal: slopes
    and cut-points); `sigma`, the residual standard deviation of a linear model; `rows` (100,000) of the reference,
    a large draw from which every other truth is simulated.
    """
    check_keys("data", config, ["kind", "base", "model", "formula"], ["coefficients", "sigma", "rows"])
    kind = str(config["model"])
    if kind not in DRAWN:
        raise MiceSimError(f"There is no data.model '{kind}'{nearest(kind, DRAWN)}")
    base, formula = _base(config["base"], str(config["formula"]), seed)
    fit = MODELS[kind](formula, base.values)
    truth = _replace(dict(zip(fit.terms, fit.estimate.tolist(), strict=True)), config.get("coefficients") or {})
    beta = np.array(list(truth.values()))
    sigma = _sigma(config.get("sigma"), kind, formula, base, fit.estimate)
    slopes = slice(int(formula.intercept), None) if kind == "ordinal" else slice(None)
    cuts = beta[len(formula.names[slopes]) :]
    if (np.diff(cuts) <= 0).any():
        raise MiceSimError(f"The cut-points of data.coefficients do not rise ({cuts.tolist()}); put them in order.")

    def draw(n: int, rng: np.random.Generator) -> Table:
        values = base.values[:, rng.integers(base.n_rows, size=n)]
        eta = formula.matrix(values)[:, slopes] @ beta[: beta.size - cuts.size]
        values[formula.response] = _respond(kind, eta, sigma, cuts, rng)
        return Table(base.columns, values)

    rows = whole("data.rows", config.get("rows", 100_000), 2)
    reference = draw(rows, streams.stream(seed, "reference"))
    exact = f"the coefficients of {kind} {config['formula']}; all else is simulated from {rows} rows"
    return Population(reference, base.n_rows, draw, {(kind, str(config["formula"])): truth}, exact)


def _respond(kind: str, eta: np.ndarray, sigma: float, cuts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the response of each linear predictor; level numbers for factors."""
    if kind == "linear":
        return eta + sigma * rng.standard_normal(eta.size)
    # A latent logistic variable above 0, or above j cut-points: logit P(Y ≤ j) = ζ_j − η (McCullagh 1980).
    latent = eta + rng.logistic(size=eta.size)
    return latent > 0 if kind == "logistic" else np.searchsorted(cuts, latent)


def _base(config: Any, text: str, seed: int) -> tuple[Table, ModelFormula]:
    """Return the formula's columns of the base data, and the formula on them."""
    kind = str(config.get("kind")) if isinstance(config, Mapping) else str(config)
    if not isinstance(config, Mapping) or kind not in DATA:
        raise MiceSimError(f"There is no data.base kind '{kind}'{nearest(kind, list(DATA))}")
    table = DATA[kind](config, seed).reference
    used = ModelFormula.parse(text, table.columns).used
    columns, values = tuple(table.columns[j] for j in used), table.values[used]
    formula = ModelFormula.parse(text, columns)
    # An analysis would place the knots elsewhere, and its coefficients would not be the population's.
    for variable in formula.computed:
        if variable.basis is not None and not variable.basis.learned:
            raise MiceSimError(
                f"data.formula has '{variable.label}', which depends on the data; give knots and Boundary.knots, "
                "or poly(x, 2, raw = TRUE)."
            )
    if formula.left is not None and formula.response is None:
        raise MiceSimError(f"data.formula draws '{formula.left.label}'; its left side must be a column.")
    return Table(columns, values), formula


def _replace(fitted: dict[str, float], given: Any) -> dict[str, float]:
    check_keys("data.coefficients", given, [], list(fitted))
    return fitted | {term: number(f"data.coefficients of '{term}'", value) for term, value in given.items()}


def _sigma(given: Any, kind: str, formula: ModelFormula, base: Table, beta: np.ndarray) -> float:
    if given is not None:
        if kind != "linear":
            raise MiceSimError(f"data.sigma belongs to linear models; leave it out for data.model={kind}.")
        return number("data.sigma", given, above=0)
    if kind != "linear":
        return 1.0
    x = formula.matrix(base.values)
    residual = base.values[formula.response] - x @ beta
    return float(np.sqrt(residual @ residual / (x.shape[0] - x.shape[1])))
