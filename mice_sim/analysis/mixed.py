"""Mixed models of one data set: their fixed effects, variance components and intraclass correlation.

The terms are those of the fixed part as R names them, then the variances and covariances of the random part,
`var(school, (Intercept))` and `cov(school, (Intercept), x)`, the residual variance `var(residual)` of a linear model,
and, if there is a random intercept, its share of the variance where all other random terms are 0, `icc`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mice_sim.analysis.estimates import Estimates, NotConverged
from mice_sim.analysis.rows import Rows, binary_rows, no_estimates, numeric_rows
from mice_sim.data.formula import ModelFormula, NotFinite
from mice_sim.errors import MiceSimError
from mice_sim.kernels import mixed as kernels
from mice_sim.kernels.mixed_logistic import logistic_mixed

INTERCEPT = "(Intercept)"
ICC = "icc"
RESIDUAL = "var(residual)"
# Of the standard logistic distribution, on whose scale the effects of a logistic model are.
LOGISTIC_VARIANCE = np.pi**2 / 3


def linear(
    formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None, *, reml: bool = True
) -> Estimates:
    """Linear mixed model; t tests of the fixed effects with Satterthwaite's df, normal ones of the others.

    values : float64 (columns, n). start : not used. reml : restricted maximum likelihood, as lme4; else plain.
    The standard errors of variances and covariances are those of the observed information, of the expected one where
    the fit is singular. Raises NotConverged where the data do not hold the model's parameters.
    """
    rows = numeric_rows(formula, values)
    z, group, n_groups = _clusters(formula, values, rows)
    fit = kernels.linear_mixed(rows.y, rows.x, z, group, n_groups, reml)
    if fit.status != kernels.CONVERGED:
        raise no_estimates(formula, values, rows, _REASONS[fit.status](formula))
    psi = fit.psi[np.tril_indices(len(fit.psi))]
    p, components = len(fit.beta), np.append(psi, fit.sigma2)
    covariance = np.zeros((p + components.size, p + components.size))
    covariance[:p, :p], covariance[p:, p:] = fit.covariance, fit.variance_covariance
    terms = (*formula.names, *_component_names(formula), RESIDUAL)
    estimate = np.concatenate([fit.beta, components])
    terms, estimate, covariance = _with_icc(formula, terms, estimate, covariance, None)
    df = np.concatenate([fit.df, np.full(len(terms) - p, np.inf)])
    return Estimates(terms, estimate, covariance, df, df, rows.dropped, _scales(terms))


def logistic(
    formula: ModelFormula, values: np.ndarray, start: np.ndarray | None = None, *, nodes: int = 1
) -> Estimates:
    """Logistic mixed model of a two-level response, second level against first, by maximum likelihood; normal tests.

    values, start : as in `linear`. nodes : of the adaptive quadrature; 1 is Laplace's approximation.
    Raises NotConverged where the data do not hold the model's parameters, MiceSimError for more nodes than one and more
    random terms than one.
    """
    if nodes > 1 and formula.random is not None and len(formula.random.names) > 1:
        raise MiceSimError(
            f"Quadrature is for one random term, and {formula.text} has more; fit it with model='mixed.logistic'."
        )
    rows = binary_rows(formula, values)
    z, group, n_groups = _clusters(formula, values, rows)
    fit = logistic_mixed(rows.y, rows.x, z, group, n_groups, nodes)
    if fit.status != kernels.CONVERGED:
        raise no_estimates(formula, values, rows, _REASONS[fit.status](formula))
    estimate = np.concatenate([fit.beta, fit.psi[np.tril_indices(len(fit.psi))]])
    terms = (*formula.names, *_component_names(formula))
    df = float(rows.y.size - estimate.size)
    terms, estimate, covariance = _with_icc(formula, terms, estimate, fit.covariance, LOGISTIC_VARIANCE)
    return Estimates(terms, estimate, covariance, np.inf, df, rows.dropped, _scales(terms))


_REASONS: dict[int, Callable[[ModelFormula], str]] = {
    kernels.NOT_CONVERGED: lambda f: f"The model {f.text} did not converge; leave out random terms.",
    kernels.RANK_DEFICIENT: lambda f: f"The model {f.text} is rank deficient; leave out a redundant term.",
    kernels.NOT_IDENTIFIED: lambda f: (
        f"The variances of {f.text} can't be told apart, as there are too few clusters or too few rows in them; leave "
        "out random terms."
    ),
    kernels.EXACT: lambda f: (
        f"The model {f.text} leaves no residual; its response is constant, at least within clusters."
    ),
}


def _clusters(formula: ModelFormula, values: np.ndarray, rows: Rows) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the random part's matrix (n, q), the cluster of each complete row from 0, and how many there are."""
    if formula.random is None or formula.group is None:
        raise MiceSimError(f"The formula {formula.text!r} has no random part; add one, such as (1 | school).")
    complete = np.ascontiguousarray(values[:, rows.complete]) if rows.dropped else values
    ids, group = np.unique(complete[formula.group], return_inverse=True)
    try:
        return formula.random.matrix(complete), group, ids.size
    except NotFinite as error:
        raise NotConverged(f"The model {formula.text} can't be fitted: {error}") from None


def random_terms(formula: ModelFormula) -> list[tuple[int, int]]:
    """Return the row and column in Ψ of each element of its lower triangle, row by row."""
    assert formula.random is not None
    return list(zip(*np.tril_indices(len(formula.random.names)), strict=True))


def component_name(formula: ModelFormula, i: int, j: int) -> str:
    """Return what Ψ[i, j] is called."""
    assert formula.random is not None
    assert formula.group is not None
    group, names = formula.columns[formula.group].name, formula.random.names
    return f"var({group}, {names[i]})" if i == j else f"cov({group}, {names[j]}, {names[i]})"


def _component_names(formula: ModelFormula) -> list[str]:
    return [component_name(formula, i, j) for i, j in random_terms(formula)]


def _scales(terms: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("log" if term.startswith("var(") else "logit" if term == ICC else "" for term in terms)


def _with_icc(
    formula: ModelFormula, terms: tuple[str, ...], estimate: np.ndarray, covariance: np.ndarray, residual: float | None
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Add the intraclass correlation, by the delta method; residual : its variance where that is not the last term."""
    if INTERCEPT not in formula.random.names:  # type: ignore[union-attr]
        return terms, estimate, covariance
    first = len(formula.names)
    between, within = estimate[first], estimate[-1] if residual is None else residual
    slope = np.zeros((1, estimate.size))
    slope[0, first] = within / (between + within) ** 2
    if residual is None:
        slope[0, -1] = -between / (between + within) ** 2
    turn = np.vstack([np.eye(estimate.size), slope])
    return (*terms, ICC), np.append(estimate, between / (between + within)), turn @ covariance @ turn.T
