"""Models that statsmodels fits, by short names. It is imported when the first of them is fitted."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from mice_sim.analysis.estimates import Estimates, NotConverged
from mice_sim.analysis.rows import (
    Rows,
    binary_rows,
    check_range,
    numeric_rows,
    orthonormal_columns,
    rest_of_least_squares,
)
from mice_sim.data.formula import ModelFormula
from mice_sim.errors import MiceSimError
from mice_sim.kernels import likelihood as kernels

# Iterations end when the deviance changes by less than this, as a share of it.
_IRLS = MappingProxyType({"maxiter": 1000, "tol": 1e-10, "rtol": 1e-13})
# They end when no residual changes by more than this share of their scale.
_ROBUST = MappingProxyType({"maxiter": 1000, "conv": "sresid", "tol": 1e-9})


@dataclass(frozen=True)
class Specification:
    """How statsmodels is asked for a model.

    model : the class's name in statsmodels.api. family, link : of a GLM, by the names of its classes.
    least : the smallest response allowed; above : whether it must be larger still. binary : whether the response is a
    factor of two levels. weights : the name of its weights argument, None if it takes none.
    estimates_scale : tests are t with n − p degrees of freedom, as R's summaries. fit : arguments of its fit.
    power : of the unit of the response that the linear predictor grows by; 0 where fits do not depend on the unit.
    """

    model: str = "GLM"
    family: str | None = None
    link: str | None = None
    least: float = -np.inf
    above: bool = False
    binary: bool = False
    weights: str | None = None
    estimates_scale: bool = False
    power: int = 0
    fit: Mapping[str, Any] = field(default_factory=dict)


def _glm(family: str, link: str | None = None, **given: Any) -> Specification:
    return Specification(family=family, link=link, weights="var_weights", fit=_IRLS, **given)


_PEARSON = MappingProxyType({**_IRLS, "scale": "X2"})
_COUNTS: dict[str, Any] = {"least": 0.0}

SPECIFICATIONS = {
    "poisson": _glm("Poisson", **_COUNTS),
    "ols": Specification("OLS", estimates_scale=True),
    "wls": Specification("WLS", weights="weights", estimates_scale=True),
    "rlm": Specification("RLM", power=1, fit=_ROBUST),
    "glm.gamma": _glm("Gamma", least=0.0, above=True, estimates_scale=True, power=-1),
    "glm.gamma.log": _glm("Gamma", "Log", least=0.0, above=True, estimates_scale=True),
    "glm.inverse.gaussian": _glm("InverseGaussian", least=0.0, above=True, estimates_scale=True, power=-2),
    "glm.quasipoisson": Specification(
        family="Poisson", weights="var_weights", estimates_scale=True, fit=_PEARSON, **_COUNTS
    ),
    "glm.binomial": _glm("Binomial", binary=True),
    "glm.probit": _glm("Binomial", "Probit", binary=True),
    "glm.cloglog": _glm("Binomial", "CLogLog", binary=True),
}


def fit(
    name: str,
    formula: ModelFormula,
    values: np.ndarray,
    start: np.ndarray | None = None,
    *,
    weights: np.ndarray | None = None,
) -> Estimates:
    """Fit a model of SPECIFICATIONS.

    It is fitted to orthonormal columns, as statsmodels' tolerances are absolute and its inverses leave out what is
    small beside the largest column.
    values : float64 (columns, n). start : not used. weights : float64 (n,), positive.
    Raises NotConverged where there is no finite maximum, the model matrix is rank deficient or the response of this
    data set is out of the model's range.
    """
    specification = SPECIFICATIONS[name]
    rows = (binary_rows if specification.binary else numeric_rows)(formula, values)
    check_range(formula, rows.y, specification.least, specification.above)
    basis, back = orthonormal_columns(formula, values, rows)
    given = {} if weights is None else {str(specification.weights): _checked(weights, rows)}
    hopeless = f"The model {formula.text} ({name}) did not converge; leave out terms or use a simpler model."
    with warnings.catch_warnings(record=True) as said, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            y, shift, unit = _in_units(rows.y, basis, specification.power)
            model = _build(specification, y, basis, given)
            result = _fitted(model, specification)
            estimate = np.asarray(result.params, dtype=float)
            step = _newton_step(model, estimate) if specification.model == "GLM" else np.zeros_like(estimate)
            estimate = estimate + step
            covariance = _covariance(specification, model, result, estimate)
        except (ValueError, np.linalg.LinAlgError, ArithmeticError) as error:
            raise NotConverged(hopeless) from error
    # A linear predictor that still moves is on its way to infinity; a wrong turn ends at numbers that are none.
    size = np.abs(basis @ estimate).max() if specification.power else 1.0
    steady = np.abs(basis @ step).max() < kernels.DIVERGING * size
    converged = _has_converged(result, said, specification.fit.get("maxiter", np.inf))
    if not (converged and steady and np.isfinite(estimate).all() and (np.diagonal(covariance) > 0).all()):
        raise NotConverged(hopeless)
    df = float(rows.y.size - estimate.size)
    estimate, covariance = back @ (shift + unit * estimate), unit**2 * back @ covariance @ back.T
    return Estimates(
        formula.names, estimate, covariance, df if specification.estimates_scale else np.inf, df, rows.dropped
    )


def _in_units(y: np.ndarray, basis: np.ndarray, power: int) -> tuple[np.ndarray, np.ndarray | float, float]:
    """Return the response in units of its own size, and what the coefficients β of it are in the given: shift + unit·β.

    Where they are linear in the response, it is the rest of least squares.
    """
    if power != 1:
        size = y.mean() if power else 1.0
        return y / size, 0.0, size**power
    least, rest, size = rest_of_least_squares(y, basis)
    return rest / size, least, size


def _build(specification: Specification, y: np.ndarray, x: np.ndarray, given: dict[str, np.ndarray]) -> Any:
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
    within = getattr(result, "fit_history", {}).get("iteration", 0) < limit
    return getattr(result, "converged", True) and within and not warned


def _newton_step(model: Any, estimate: np.ndarray) -> np.ndarray:
    """Return the step from where the iterations ended to the maximum."""
    return np.linalg.solve(-model.hessian(estimate, scale=1.0), model.score(estimate, scale=1.0))


def _covariance(specification: Specification, model: Any, result: Any, estimate: np.ndarray) -> np.ndarray:
    if specification.model != "GLM":
        return np.asarray(result.cov_params(), dtype=float)
    # The fit's own is that of the iteration before the last one. R inverts the expected information too.
    return np.linalg.inv(-model.hessian(estimate, scale=result.scale, observed=False))


def _checked(weights: np.ndarray, rows: Rows) -> np.ndarray:
    """Return the weights of the complete rows."""
    weights = np.asarray(weights, dtype=float)
    if weights.shape != rows.complete.shape:
        raise MiceSimError(f"There are {weights.size} weights for {rows.complete.size} rows; give one for each.")
    kept = weights[rows.complete]
    if not (np.isfinite(kept) & (kept > 0)).all():
        raise MiceSimError("A weight is missing, 0, negative or infinite; give positive numbers.")
    return kept
