"""Models fitted to every set of a result, and what is pooled from them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mice_sim.analysis import MIXED, MODELS, Estimates, ModelFormula, NotConverged, mixed, models
from mice_sim.data import Table
from mice_sim.data.expressions import quote
from mice_sim.data.table import Column
from mice_sim.errors import MiceSimError, nearest
from mice_sim.origin import Origin
from mice_sim.pooling import choose_rule, joint
from mice_sim.pooling.joint import JointTest
from mice_sim.pooling.pool import LEVEL, t_quantile
from mice_sim.pooling.scales import limits
from mice_sim.pooling.tables import pool_frame

FISHER_LIMIT = np.nextafter(1.0, 0.0)  # Fisher's z of ±1 is infinite; the number next to it counts instead


class Sets(Protocol):
    """What a result says of its sets; `sets` is float64 (number of sets, columns, rows)."""

    @property
    def original(self) -> Table: ...
    @property
    def sets(self) -> np.ndarray: ...
    @property
    def origin(self) -> Origin: ...


@dataclass(frozen=True, eq=False, repr=False)
class Fits:
    """One model fitted to every set; `pool`, `d1` and the others combine the fits.

    Attributes
    ----------
    formula, model : as given. estimates : one `Estimates` a set. origin : how the sets were made.
    parsed : the formula on the columns. sets : float64 (number of sets, columns, rows).
    """

    formula: str
    model: str
    origin: Origin
    estimates: list[Estimates]
    parsed: ModelFormula
    sets: np.ndarray

    def __repr__(self) -> str:
        return f"<Fits: {self.model} {self.formula!r} on {len(self.estimates)} sets>"

    @property
    def terms(self) -> tuple[str, ...]:
        return self.estimates[0].terms

    @property
    def q(self) -> np.ndarray:
        """The estimates, float64 (sets, terms)."""
        return np.array([fit.estimate for fit in self.estimates])

    @property
    def covariances(self) -> np.ndarray:
        """Their covariances, float64 (sets, terms, terms)."""
        return np.array([fit.covariance for fit in self.estimates])

    @property
    def ratio(self) -> float:
        """Rows of a set for each row of the real data, k/n."""
        return self.origin.k / self.origin.n

    def df_complete(self, given: float | None) -> np.ndarray:
        """Return `given`, or the residual degrees of freedom of the first fit (terms,); at least 1, as in mice."""
        df = np.asarray(self.estimates[0].df_residual if given is None else given, dtype=float)
        return np.broadcast_to(np.maximum(df, 1.0), len(self.terms))


def fit_sets(formula: str, model: str, columns: tuple[Column, ...], sets: np.ndarray, origin: Origin) -> Fits:
    """Fit a model to every set.

    columns : of the sets, (columns, rows) each. model : a name in `MODELS`. Curves such as ns(x, 3) take their knots
    from the first set, so that their coefficients mean the same in all.
    Raises MiceSimError for an unknown model or column; NotConverged, naming the set, where the model has no
    finite estimates.
    """
    if model not in MODELS:
        raise MiceSimError(f"There is no model '{model}'{nearest(model, list(MODELS))}")
    parsed = ModelFormula.parse(formula, columns, mixed=model in MIXED).learn(sets[0])
    estimates = []
    for number, values in enumerate(sets, start=1):
        try:
            estimates.append(MODELS[model](parsed, values))
        except NotConverged as error:
            raise NotConverged(f"In set {number}: {error}") from None
        if estimates[-1].terms != estimates[0].terms:
            raise NotConverged(
                f"The model {formula} has other terms in set {number} than in set 1; drop the level that is empty."
            )
    return Fits(formula, model, origin, estimates, parsed, sets)


def pool(
    fits: Fits,
    rule: str | None = None,
    level: float = LEVEL,
    force: bool = False,
    df_complete: float | None = None,
) -> pd.DataFrame:
    """Combine the estimates of the sets.

    Parameters
    ----------
    fits : what `fit` of a result returns.
    rule : a name in `mice_sim.pooling.RULES`; the default is the one for the way the sets were made
        (`mice_sim.pooling.default_rule`). level : of the confidence interval.
    force : use a rule that is not valid for the sets. df_complete : residual degrees of freedom of a complete-data
        fit; the default is that of the first set.

    Returns
    -------
    The frame of `mice_sim.pooling.tables.pool_frame`: by term, estimate, std_error, df, statistic, p_value, ci_lower,
    ci_upper, within, between, total, riv, lambda, fmi. `attrs` holds rule, forced, level and m. Intervals of variances
    are those of their logarithms, the one of an icc that of its logit; where these are not finite they are NaN.

    Raises
    ------
    MiceSimError
        For what is no fits, an unknown rule, or one that is not valid for the sets, naming those that are.
    """
    if not isinstance(fits, Fits):
        fitting = '; fit a model first: pool(sets.fit("y ~ x"))' if hasattr(fits, "fit") else "; give what fit returns"
        raise MiceSimError(f"pool combines the fits of a model, and this is of type {type(fits).__name__}{fitting}.")
    chosen, forced = choose_rule(rule, fits.origin, force)
    u = np.array([fit.variance for fit in fits.estimates])
    frame = pool_frame(
        fits.terms, fits.q, u, chosen, fits.df_complete(df_complete), level, fits.ratio, fits.origin.r,
        fits.estimates[0].scales,
    )  # fmt: skip
    frame.attrs["forced"] = forced
    return frame


# ---- comparisons of two models


def d1(
    fits1: Fits,
    fits0: Fits | None = None,
    rule: str | None = None,
    force: bool = False,
    df_complete: float | None = None,
) -> JointTest:
    """Test by Wald that the terms which `fits1` has and `fits0` has not are zero.

    fits0 : fits of a smaller model to the same sets; the default is the model of the intercept alone.
    rule, force, df_complete : as in `pool`. The test is that of Li, Raghunathan & Rubin (1991) with the degrees of
    freedom of Reiter (2007) for imputed data, that of Reiter (2005) for synthetic data.
    Raises MiceSimError for models that are not nested, a rule that is not valid or that has no joint test.
    """
    chosen, forced = choose_rule(rule, fits1.origin, force)
    tested, terms = _tested(fits1, fits0 or _intercept_alone(fits1))
    q, u = fits1.q[:, tested], fits1.covariances[:, tested][:, :, tested]
    df = float(fits1.df_complete(df_complete)[tested].min())
    return joint.forced(joint.d1(q, u, chosen, df, fits1.ratio, terms), forced)


def d2(
    fits1: Fits,
    fits0: Fits | None = None,
    use: Literal["wald", "likelihood"] = "wald",
    rule: str | None = None,
    force: bool = False,
) -> JointTest:
    """Test as `d1`, from the χ² statistics of the single sets (Li, Meng, Raghunathan & Rubin 1991).

    use : "wald", or "likelihood" for likelihood ratios. It has less power than D1 and D3, and is for imputed data.
    All else, and errors, as for `d1`.
    """
    if use not in ("wald", "likelihood"):
        raise MiceSimError(f"use is {use!r}; give 'wald' or 'likelihood'.")
    chosen, forced = choose_rule(rule, fits1.origin, force)
    fits0 = fits0 or _intercept_alone(fits1)
    tested, terms = _tested(fits1, fits0)
    if use == "likelihood":
        statistics = 2 * (_at_maximum(fits1) - _at_maximum(fits0))
    else:
        q, u = fits1.q[:, tested], fits1.covariances[:, tested][:, :, tested]
        statistics = np.einsum("ij,ij->i", q, np.linalg.solve(u, q[:, :, None])[:, :, 0])
    return joint.forced(joint.d2(statistics, len(terms), chosen, terms), forced)


def d3(
    fits1: Fits,
    fits0: Fits | None = None,
    rule: str | None = None,
    force: bool = False,
    free_constant: bool = True,
) -> JointTest:
    """Test as `d1`, by likelihood ratios (Meng & Rubin 1992; for synthetic data Reiter 2005).

    free_constant : at the pooled coefficients, let each set have its own constant, as mice does; False is the paper's
    statistic, with all coefficients held. All else as for `d1`; raises MiceSimError for models without a likelihood
    too.
    """
    chosen, forced = choose_rule(rule, fits1.origin, force)
    fits0 = fits0 or _intercept_alone(fits1)
    _, terms = _tested(fits1, fits0)
    ratios = 2 * (_at_maximum(fits1) - _at_maximum(fits0))
    at_pooled = 2 * (_at_pooled(fits1, free_constant) - _at_pooled(fits0, free_constant))
    return joint.forced(joint.d3(ratios, at_pooled, len(terms), chosen, fits1.ratio, terms), forced)


def anova(*fits: Fits, method: Literal["D1", "D2", "D3"] = "D1", **options: object) -> pd.DataFrame:
    """Compare models, each with the next smaller one.

    fits : of two models or more to the same sets, from the largest to the smallest. method : "D1",
    "D2" or "D3", see `d1`, `d2` and `d3`; options are those of it. Raises MiceSimError as these do.

    Returns a frame with a row for each comparison ("1 ~~ 2", …): statistic, df1, df2, p_value, riv; `attrs` holds
    rule, forced and method.
    """
    tests = {"D1": d1, "D2": d2, "D3": d3}
    if method not in tests:
        raise MiceSimError(f"There is no method '{method}'{nearest(method, list(tests))}")
    if len(fits) < 2:
        raise MiceSimError("A comparison needs two models or more; give the largest first.")
    found = [tests[method](larger, smaller, **options) for larger, smaller in pairwise(fits)]  # type: ignore[operator]
    names = ["statistic", "df1", "df2", "p_value", "riv"]
    index = pd.Index([f"{i} ~~ {i + 1}" for i in range(1, len(fits))], name="models")
    frame = pd.DataFrame([{name: getattr(test, name) for name in names} for test in found], index, names)
    frame.attrs.update(rule=found[0].rule, forced=found[0].forced, method=method)
    return frame


def _intercept_alone(fits: Fits) -> Fits:
    if not fits.parsed.intercept:
        raise MiceSimError(f"The model {fits.formula!r} has no intercept to compare it with; give the smaller model.")
    parsed, response = fits.parsed, fits.formula.split("~")[0].strip()
    clusters = ""
    if parsed.random is not None and parsed.group is not None:
        clusters = f" + ({parsed.random.text} | {quote(parsed.columns[parsed.group].name)})"
    return fit_sets(f"{response} ~ 1{clusters}", fits.model, fits.parsed.columns, fits.sets, fits.origin)


def _tested(fits1: Fits, fits0: Fits) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the positions and names of the terms of the larger model that are not in the smaller one."""
    _check_comparable(fits1, fits0)
    strange = [term for term in fits0.terms if term not in fits1.terms]
    if strange:
        raise MiceSimError(
            f"The models are not nested: {fits1.formula!r} has no term '{strange[0]}'; give the larger model first."
        )
    tested = np.array([i for i, term in enumerate(fits1.terms) if term not in fits0.terms], dtype=int)
    if tested.size == 0:
        raise MiceSimError(f"The models have the same terms; drop some from {fits0.formula!r}.")
    return tested, tuple(fits1.terms[i] for i in tested)


def _check_comparable(fits1: Fits, fits0: Fits) -> None:
    if fits1.model != fits0.model:
        raise MiceSimError(f"The models are of two kinds, {fits1.model} and {fits0.model}; fit both as one.")
    if fits1.formula.split("~")[0].strip() != fits0.formula.split("~")[0].strip():
        raise MiceSimError(f"{fits1.formula!r} and {fits0.formula!r} have different responses; give them one.")
    if _random_part(fits1) != _random_part(fits0):
        raise MiceSimError(
            f"{fits1.formula!r} and {fits0.formula!r} have different random parts; give them one, as this test "
            "is of fixed effects."
        )
    same = fits1.sets is fits0.sets or np.array_equal(fits1.sets, fits0.sets, equal_nan=True)
    if not same:
        raise MiceSimError("The models were fitted to different sets; fit both to one result.")
    if [fit.n_dropped for fit in fits1.estimates] != [fit.n_dropped for fit in fits0.estimates]:
        raise MiceSimError(
            f"{fits1.formula!r} and {fits0.formula!r} use different rows, as values are missing; impute them first."
        )


def _random_part(fits: Fits) -> tuple[object, ...]:
    random = fits.parsed.random
    return () if random is None else (fits.parsed.group, frozenset(random.names))


def _at_maximum(fits: Fits) -> np.ndarray:
    """Return each set's log-likelihood at its own estimates."""
    pairs = zip(fits.sets, fits.estimates, strict=True)
    return np.array([models.log_likelihood(fits.model, fits.parsed, v, fit.estimate) for v, fit in pairs])


def _at_pooled(fits: Fits, free_constant: bool) -> np.ndarray:
    """Return each set's log-likelihood at the pooled estimates."""
    pooled, free = fits.q.mean(axis=0), free_constant and fits.parsed.intercept
    return np.array([models.log_likelihood(fits.model, fits.parsed, v, pooled, free_constant=free) for v in fits.sets])


# ---- variance components, with intervals on scales where they are closer to normal


def pool_variance_components(
    fits: Fits, rule: str | None = None, level: float = LEVEL, force: bool = False
) -> pd.DataFrame:
    """Pool the variances, correlations and intraclass correlation of a mixed model.

    Variances and icc are those of `pool`. A correlation is that of the pooled variances and covariance; its standard
    error pools what it is linear in at them. The intervals are those of the logarithm of a variance, the logit of the
    icc and Fisher's z of a correlation, by the delta method at the pooled estimate: an estimate on these scales in
    every set would be infinite where one set has a variance of 0.

    fits : of one of the mixed models. rule, level, force : as in `pool`.

    Returns
    -------
    A frame by component (`var(…)`, `cor(…)`, `var(residual)`, `icc`): estimate, std_error, sd (the root of a variance),
    df, ci_lower, ci_upper, fmi. The interval of an estimate on the border, such as a variance of 0, is NaN.
    `attrs` holds rule, forced, level and m.

    Raises
    ------
    MiceSimError
        For a model without variance components, and as `pool`.
    """
    if fits.model not in MIXED:
        raise MiceSimError(
            f"The model '{fits.model}' has no variance components; fit a mixed model, such as model='mixed'."
        )
    chosen, forced = choose_rule(rule, fits.origin, force)
    names, estimates, slopes, scales = _components(fits)
    q, u = fits.q @ slopes.T, np.einsum("kt,mts,ks->mk", slopes, fits.covariances, slopes)
    frame = pool_frame(names, q, u, chosen, np.inf, level, fits.ratio, fits.origin.r)
    frame["estimate"] = estimates
    half = t_quantile(frame["df"].to_numpy(), level) * frame["std_error"].to_numpy()
    low, high = limits(estimates, half, scales)
    deviations = [np.sqrt(estimates[i]) if scale == "log" else np.nan for i, scale in enumerate(scales)]
    frame = frame.assign(sd=deviations, ci_lower=low, ci_upper=high)
    frame.index.name = "component"
    frame.attrs["forced"] = forced
    return frame[["estimate", "std_error", "sd", "df", "ci_lower", "ci_upper", "fmi"]]


def _components(fits: Fits) -> tuple[list[str], np.ndarray, np.ndarray, list[str]]:
    """Return names, pooled estimates (k,), their slopes by the model's terms (k, terms) and scales."""
    parsed, terms = fits.parsed, list(fits.terms)
    pooled = fits.q.mean(axis=0)
    names, estimates, slopes, scales = [], [], [], []
    for i, j in mixed.random_terms(parsed):
        at = [terms.index(mixed.component_name(parsed, a, b)) for a, b in ((i, j), (i, i), (j, j))]
        slope = np.zeros(len(terms))
        if i == j:
            slope[at[0]], estimate, name = 1.0, pooled[at[0]], terms[at[0]]
        else:
            covariance, *variances = pooled[at]
            with np.errstate(divide="ignore", invalid="ignore"):
                root = np.sqrt(np.prod(variances))
                estimate = covariance / root
                slope[at] = 1 / root, *(-estimate / (2 * np.array(variances)))
            name = "cor" + terms[at[0]].removeprefix("cov")
        names.append(name)
        estimates.append(estimate)
        slopes.append(slope)
        scales.append("log" if i == j else "fisher")
    for term, scale in ((mixed.RESIDUAL, "log"), (mixed.ICC, "logit")):
        if term in terms:
            names.append(term)
            estimates.append(pooled[terms.index(term)])
            slopes.append(np.eye(len(terms))[terms.index(term)])
            scales.append(scale)
    return names, np.array(estimates), np.array(slopes), scales


# ---- R² and correlations, on Fisher's scale


def pool_r_squared(
    fits: Fits, adjusted: bool = False, rule: str | None = None, level: float = LEVEL, force: bool = False
) -> pd.DataFrame:
    """Pool the R² of a linear model: √R² on Fisher's z scale, with the variance 1/(n − 3) (Harel 2009).

    fits : of the model "linear". adjusted : R² adjusted for its degrees of freedom; a negative one keeps its sign on
    the way there and back.
    rule, level, force : as in `pool`. The interval is normal, as mice's is; the lower limit of R² is 0 where √R² may
    be 0, while mice squares a negative limit.

    Returns
    -------
    A frame of one row: estimate, ci_lower, ci_upper, fmi; `attrs` holds rule, forced, level and m.
    """
    if fits.model != "linear":
        raise MiceSimError(f"R² is that of a linear model, not of a {fits.model} one; fit it with model='linear'.")
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.array([models.r_squared(fits.parsed, values, adjusted) for values in fits.sets])
    if not np.isfinite(shares).all():
        number = int(np.argmin(np.isfinite(shares))) + 1
        raise MiceSimError(f"R² of {fits.formula!r} is undefined in set {number}, where the response is constant.")
    z = _fisher(np.sign(shares) * np.sqrt(np.abs(shares)))
    rows = fits.sets.shape[2] - np.array([fit.n_dropped for fit in fits.estimates])
    _check_rows(rows)
    name = "adj R^2" if adjusted else "R^2"
    pooled, attrs = _pool_z([name], z[:, None], rows[:, None], fits.origin, rule, level, force)
    half = ndtri((1 + level) / 2) * pooled["std_error"]
    roots = np.tanh([pooled["estimate"], pooled["estimate"] - half, pooled["estimate"] + half])
    squares = np.sign(roots) * roots**2
    if not adjusted:
        squares = np.maximum(squares, 0.0)
    columns = dict(zip(("estimate", "ci_lower", "ci_upper"), squares, strict=True))
    frame = pd.DataFrame({**columns, "fmi": pooled["fmi"].to_numpy()}, index=pd.Index([name], name="statistic"))
    frame.attrs.update(attrs)
    return frame


def pool_correlations(
    result: Sets,
    columns: list[str] | None = None,
    rule: str | None = None,
    level: float = LEVEL,
    force: bool = False,
) -> pd.DataFrame:
    """Pool Pearson's correlations of every two columns, on Fisher's z scale with the variance 1/(n − 3).

    result : of `impute` or `synthesize`. columns : names; the default are all continuous ones. Rows in which one of the
    two is missing are left out.
    rule, level, force : as in `pool`.

    Returns
    -------
    A frame by pair of columns: estimate, ci_lower, ci_upper; on the z scale std_error, df, statistic, p_value; fmi.
    `attrs` holds rule, forced, level and m.

    Raises
    ------
    MiceSimError
        For fewer than two columns, a factor, a column that is constant in a set, or fewer than four rows.
    """
    positions = _continuous(result.original, columns)
    names = [result.original.columns[j].name for j in positions]
    first, second = np.triu_indices(len(names), 1)
    z, rows = zip(*(_correlations(values[positions], names, i) for i, values in enumerate(result.sets, 1)), strict=True)
    pairs = pd.MultiIndex.from_arrays([np.array(names)[first], np.array(names)[second]], names=["column", "with"])
    q, n = (np.array(a)[:, first, second] for a in (z, rows))
    pooled, attrs = _pool_z([f"{a}, {b}" for a, b in pairs], q, n, result.origin, rule, level, force)
    pooled = pooled.set_axis(pairs)
    scaled = ["estimate", "ci_lower", "ci_upper"]
    frame = pd.concat([np.tanh(pooled[scaled]), pooled[["std_error", "df", "statistic", "p_value", "fmi"]]], axis=1)
    frame.attrs.update(attrs)
    return frame


def _pool_z(
    terms: list[str], z: np.ndarray, rows: np.ndarray, origin: Origin, rule: str | None, level: float, force: bool
) -> tuple[pd.DataFrame, dict[str, object]]:
    """Pool Fisher's z, float64 (sets, terms), of so many rows; return the frame and its attributes."""
    chosen, forced = choose_rule(rule, origin, force)
    u = np.broadcast_to(1 / (rows - 3), z.shape)
    frame = pool_frame(terms, z, u, chosen, np.inf, level, origin.k / origin.n, origin.r)
    return frame, {**frame.attrs, "forced": forced}


def _check_rows(rows: np.ndarray) -> None:
    if (rows < 4).any():
        raise MiceSimError("Fisher's z has a variance for four or more rows; these sets have fewer complete ones.")


def _fisher(r: np.ndarray) -> np.ndarray:
    return np.arctanh(np.clip(r, -FISHER_LIMIT, FISHER_LIMIT))


def _continuous(table: Table, names: list[str] | None) -> list[int]:
    if names is None:
        positions = [j for j, column in enumerate(table.columns) if not column.is_factor]
    else:
        positions = [table.index(name) for name in names]
    for j in positions:
        if table.columns[j].is_factor:
            raise MiceSimError(f"Column '{table.columns[j].name}' is a factor and has no correlation; leave it out.")
    if len(positions) < 2:
        raise MiceSimError("Correlations need two continuous columns or more; name them in columns=.")
    return positions


def _correlations(values: np.ndarray, names: list[str], number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Fisher's z of every two rows of `values` (columns, n), and the number of complete cells behind each."""
    present = ~np.isnan(values)
    rows = present.astype(int) @ present.T.astype(int)
    _check_rows(rows)
    if present.all():
        r = _corrcoef(values)
    else:
        r = np.eye(len(values))
        for i, j in zip(*np.triu_indices(len(values), 1), strict=True):
            both = present[i] & present[j]
            r[i, j] = _corrcoef(values[[i, j]][:, both])[0, 1]
    undefined = np.argwhere(np.isnan(r))
    if undefined.size:
        i, j = undefined[0]
        raise MiceSimError(
            f"The correlation of '{names[i]}' and '{names[j]}' is undefined in set {number}, where a column is "
            "constant; leave it out."
        )
    return _fisher(r), rows


def _corrcoef(values: np.ndarray) -> np.ndarray:
    """Return the correlations of rows of complete values; NaN for a constant one."""
    constant = values.max(axis=1) == values.min(axis=1)
    centred = values - values.mean(axis=1, keepdims=True)
    # Squares of numbers of at most 1 neither overflow nor vanish.
    centred /= np.where(constant, np.nan, np.abs(centred).max(axis=1))[:, None]
    length = np.sqrt((centred**2).sum(axis=1))
    return (centred @ centred.T) / np.outer(length, length)
