"""Models that statsmodels fits, by short names. It is imported when the first of them is fitted."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from mice_sim.analysis.estimates import Estimates, NotConverged
from mice_sim.analysis.rows import Rows, binary_rows, numeric_rows
from mice_sim.data.formula import ModelFormula
from mice_sim.errors import MiceSimError
from mice_sim.kernels import likelihood as kernels

_NEWTON = MappingProxyType({"method": "newton", "maxiter": 100, "disp": 0})
# Iterations end when the deviance changes by less than this, as a share of it.
_IRLS = MappingProxyType({"maxiter": 100, "tol": 1e-10, "rtol": 1e-13})


@dataclass(frozen=True)
class Specification:
    """How statsmodels is asked for a model.

    model : the class's name in statsmodels.api. family, link : of a GLM, by the names of its classes.
    least : the smallest response allowed; above : whether it must be larger still. binary : whether the response is a
    factor of two levels. weights : the name of its weights argument, None if it takes none.
    estimates_scale : tests are t with n − p degrees of freedom, as R's summaries. fit : arguments of its fit.
    """

    model: str = "GLM"
    family: str | None = None
    link: str | None = None
    least: float = -np.inf
    above: bool = False
    binary: bool = False
    weights: str | None = None
    estimates_scale: bool = False
    fit: Mapping[str, Any] = field(default_factory=dict)


def _glm(family: str, link: str | None = None, **given: Any) -> Specification:
    return Specification(family=family, link=link, weights="var_weights", fit=_IRLS, **given)


# Likelihoods whose derivatives statsmodels gives; a last step of Newton's method ends their fits.
_SMOOTH = ("GLM", "NegativeBinomial")
_PEARSON = MappingProxyType({**_IRLS, "scale": "X2"})
_COUNTS: dict[str, Any] = {"least": 0.0}

SPECIFICATIONS = {
    "poisson": _glm("Poisson", **_COUNTS),
    "ols": Specification("OLS", estimates_scale=True),
    "wls": Specification("WLS", weights="weights", estimates_scale=True),
    "rlm": Specification("RLM", fit={"maxiter": 100}),
    "quantreg": Specification("QuantReg", estimates_scale=True),
    "glm.gamma": _glm("Gamma", least=0.0, above=True, estimates_scale=True),
    "glm.gamma.log": _glm("Gamma", "Log", least=0.0, above=True, estimates_scale=True),
    "glm.inverse.gaussian": _glm("InverseGaussian", least=0.0, above=True, estimates_scale=True),
    "glm.quasipoisson": Specification(
        family="Poisson", weights="var_weights", estimates_scale=True, fit=_PEARSON, **_COUNTS
    ),
    "glm.binomial": _glm("Binomial", binary=True),
    "glm.probit": _glm("Binomial", "Probit", binary=True),
    "glm.cloglog": _glm("Binomial", "CLogLog", binary=True),
    "negativebinomial": Specification("NegativeBinomial", fit=_NEWTON, **_COUNTS),
    "zeroinflatedpoisson": Specification(
        "ZeroInflatedPoisson", least=0.0, fit={"method": "bfgs", "maxiter": 500, "gtol": 1e-8, "disp": 0}
    ),
}


def fit(
    name: str,
    formula: ModelFormula,
    values: np.ndarray,
    start: np.ndarray | None = None,
    *,
    weights: np.ndarray | None = None,
) -> Estimates:
    """Fit a model of SPECIFICATIONS; terms beside those of the formula have statsmodels' names (`alpha`).

    values : float64 (columns, n). start : not used. weights : float64 (n,), positive.
    Raises NotConverged where there is no finite maximum, the model matrix is rank deficient or the response of this
    data set is out of the model's range.
    """
    specification = SPECIFICATIONS[name]
    rows = (binary_rows if specification.binary else numeric_rows)(formula, values)
    _check_range(formula, rows.y, specification)
    if not kernels.cholesky_solve(rows.x.T @ rows.x, rows.x.T @ rows.y)[0]:
        raise NotConverged(f"The model {formula.text} is rank deficient; leave out a redundant term.")
    given = {} if weights is None else {str(specification.weights): _checked(weights, rows)}
    hopeless = f"The model {formula.text} ({name}) did not converge; leave out terms or use a simpler model."
    with warnings.catch_warnings(record=True) as said, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            model = _build(specification, rows.y, pd.DataFrame(rows.x, columns=list(formula.names)), given)
            result = _fitted(model, specification)
            estimate = np.asarray(result.params, dtype=float)
            step = _newton_step(model, estimate) if specification.model in _SMOOTH else np.zeros_like(estimate)
            estimate = estimate + step
            covariance = _covariance(specification, model, result, estimate)
        except (ValueError, np.linalg.LinAlgError, ArithmeticError) as error:
            raise NotConverged(hopeless) from error
    # A linear predictor that still moves is on its way to infinity; a wrong turn ends at numbers that are none.
    steady = np.abs(rows.x @ step[: rows.x.shape[1]]).max() < kernels.DIVERGING
    converged = _has_converged(result, said, specification.fit.get("maxiter", np.inf))
    if not (converged and steady and np.isfinite(estimate).all() and (np.diagonal(covariance) > 0).all()):
        raise NotConverged(hopeless)
    df = float(rows.y.size - estimate.size)
    terms = tuple(str(term) for term in model.exog_names)
    return Estimates(terms, estimate, covariance, df if specification.estimates_scale else np.inf, df, rows.dropped)


def _build(specification: Specification, y: np.ndarray, x: pd.DataFrame, given: dict[str, np.ndarray]) -> Any:
    import statsmodels.api as sm

    family: dict[str, Any] = {}
    if specification.family is not None:
        link = None if specification.link is None else getattr(sm.families.links, specification.link)()
        family = {"family": getattr(sm.families, specification.family)(link=link)}
    return getattr(sm, specification.model)(y, x, **family, **given)


def _fitted(model: Any, specification: Specification) -> Any:
    """Return the model's fit; a GLM's that left the range of its link is begun again within it."""
    if specification.model != "GLM":
        return model.fit(**specification.fit)
    with suppress(ValueError):
        result = model.fit(**specification.fit)
        if np.isfinite(_deviance(model, result.params)):
            return result
    return model.fit(start_params=_within_range(model), **specification.fit)


def _deviance(model: Any, coefficients: np.ndarray) -> float:
    """Return the deviance, infinite where a mean is not positive: statsmodels goes on from there, to a wrong end."""
    mean = model.predict(coefficients)
    inside = np.isfinite(mean).all() and (mean > 0).all()
    return float(model.family.deviance(model.endog, mean, model.var_weights)) if inside else np.inf


def _within_range(model: Any, steps: int = 100) -> np.ndarray:
    """Return coefficients near the maximum of a GLM: scoring from equal means, by steps halved until they ascend.

    Where a link's inverse has values for some linear predictors only, whole steps may leave these (Marschner 2011, The
    R Journal 3(2), 12-15).
    """
    equal = np.full(model.endog.size, float(model.family.link(model.endog.mean())))
    now = np.linalg.lstsq(model.exog, equal, rcond=None)[0]
    least = _deviance(model, now)
    for _ in range(steps):
        step = np.linalg.solve(-model.hessian(now, scale=1.0, observed=False), model.score(now, scale=1.0))
        tried = ((new, _deviance(model, new)) for new in (now + step / 2**halved for halved in range(30)))
        new, reached = next(((new, reached) for new, reached in tried if reached < least), (now, least))
        settled = np.isfinite(least) and least - reached <= 1e-10 * least
        now, least = new, reached
        if settled:
            break
    return now


def _has_converged(result: Any, said: list[warnings.WarningMessage], limit: float) -> bool:
    """Return whether the fit came to its end; each class of statsmodels says it in another way."""
    warned = any(one.category.__name__ in ("ConvergenceWarning", "IterationLimitWarning") for one in said)
    found = getattr(result, "mle_retvals", {}).get("converged", getattr(result, "converged", True))
    return found and not warned and getattr(result, "fit_history", {}).get("iteration", 0) < limit


def _newton_step(model: Any, estimate: np.ndarray) -> np.ndarray:
    """Return the step from where the iterations ended to the maximum."""
    scale = {"scale": 1.0} if hasattr(model, "family") else {}
    return np.linalg.solve(-model.hessian(estimate, **scale), model.score(estimate, **scale))


def _covariance(specification: Specification, model: Any, result: Any, estimate: np.ndarray) -> np.ndarray:
    if specification.model != "GLM":
        return np.asarray(result.cov_params(), dtype=float)
    # The fit's own is that of the iteration before the last one. R inverts the expected information too.
    return np.linalg.inv(-model.hessian(estimate, scale=result.scale, observed=False))


def _check_range(formula: ModelFormula, y: np.ndarray, specification: Specification) -> None:
    if (y < specification.least).any() or (specification.above and (y <= specification.least).any()):
        allowed = f"more than {specification.least:g}" if specification.above else f"{specification.least:g} or more"
        raise NotConverged(
            f"The model {formula.text} needs a response of {allowed}, but it has {y.min():g}; transform it."
        )


def _checked(weights: np.ndarray, rows: Rows) -> np.ndarray:
    """Return the weights of the complete rows."""
    weights = np.asarray(weights, dtype=float)
    if weights.shape != rows.complete.shape:
        raise MiceSimError(f"There are {weights.size} weights for {rows.complete.size} rows; give one for each.")
    kept = weights[rows.complete]
    if not (np.isfinite(kept) & (kept > 0)).all():
        raise MiceSimError("A weight is missing, 0, negative or infinite; give positive numbers.")
    return kept
