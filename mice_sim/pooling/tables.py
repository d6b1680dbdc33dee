"""Pooling of numbers that anyone estimated: a scalar, a vector with its covariances, a long table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mice_sim.errors import MiceSimError, nearest
from mice_sim.pooling.pool import INFERENCE, LEVEL, inference, moments
from mice_sim.pooling.rules import Moments, Rule, get_rule


def pool_frame(
    terms: Sequence[str],
    q: np.ndarray,
    u: np.ndarray,
    rule: Rule,
    df_complete: float | np.ndarray = np.inf,
    level: float = LEVEL,
    ratio: float = 1.0,
    r: int = 1,
    scales: Sequence[str] = (),
) -> pd.DataFrame:
    """Pool estimates `q` with squared standard errors `u`, both float64 (sets, terms).

    df_complete : one number, or float64 (terms,). ratio, r : as in `moments`.
    scales : of the limits, as in `inference`.

    Returns
    -------
    A frame by term: estimate, std_error, df, statistic, p_value, ci_lower, ci_upper; the mean variance within
    (`within`), the variance between sets or nests (`between`) and `total`; and mice's `riv`, (1 + 1/m)b/ū, `lambda`,
    (1 + 1/m)b/T, and `fmi`, the fraction of missing information (Rubin 1987, eq. 3.1.10), which are NaN for
    synthetic data. Where a rule gives a negative `total`, a UserWarning says so and the interval is NaN.
    `attrs` holds rule, level and m.
    """
    if not 0 < level < 1:
        raise MiceSimError(f"level is {level!r}; give a number between 0 and 1.")
    found = moments(q, u, rule, df_complete, ratio, r)
    total, df = rule.variance(found)
    _warn_of_negative(np.asarray(terms)[total < 0], rule)
    pooled = inference(q.mean(axis=0), total, df, level, scales)
    frame = pd.DataFrame(pooled.T, index=pd.Index(terms, name="term"), columns=list(INFERENCE))
    frame = frame.assign(within=found.within, between=found.between, total=total, **_fractions(found, rule, total, df))
    frame.attrs.update(rule=rule.name, level=level, m=found.m)
    return frame


def _fractions(found: Moments, rule: Rule, total: np.ndarray, df: np.ndarray) -> dict[str, np.ndarray]:
    with np.errstate(divide="ignore", invalid="ignore"):
        riv = (1 + 1 / found.m) * found.between / found.within
        share, information = (1 + 1 / found.m) * found.between / total, (riv + 2 / (df + 3)) / (riv + 1)
    if not rule.fractions:
        share = information = np.full(riv.shape, np.nan)
    return {"riv": riv, "lambda": share, "fmi": information}


def _warn_of_negative(terms: np.ndarray, rule: Rule) -> None:
    if terms.size:
        named = ", ".join(f"'{term}'" for term in terms[:3]) + (" and others" if terms.size > 3 else "")
        warnings.warn(
            f"The rule '{rule.name}' gives {named} a negative variance, so no interval; make more sets"
            + (", or use 'reiter2002'." if rule.name == "rrr2003" else "."),
            stacklevel=3,
        )


def pool_scalar(
    q: Sequence[float] | np.ndarray,
    u: Sequence[float] | np.ndarray,
    rule: str = "rubin1987",
    df_complete: float = np.inf,
    level: float = LEVEL,
    ratio: float = 1.0,
    r: int = 1,
) -> pd.Series:
    """Pool one number: `q` its estimates on the sets, `u` their squared standard errors.

    df_complete : residual degrees of freedom of a complete-data fit. ratio : rows of a set for each real row, k/n.
    r : syntheses of every imputation, sets ordered by imputation. level : of the confidence interval, between 0 and 1.
    Returns the columns of `pool_frame`.
    Raises MiceSimError for an unknown rule, too few sets, numbers that are not finite or negative variances.
    """
    estimates, variances = _checked(q, u, 1)
    frame = pool_frame(["q"], estimates[:, None], variances[:, None], get_rule(rule), df_complete, level, ratio, r)
    row = frame.iloc[0].rename(None)
    row.attrs = dict(frame.attrs)
    return row


@dataclass(frozen=True)
class PooledVector:
    """k pooled estimates: `estimate`, `df` float64 (k,); `within`, `between`, `covariance` (their T) float64 (k, k)."""

    estimate: np.ndarray
    covariance: np.ndarray
    df: np.ndarray
    within: np.ndarray
    between: np.ndarray
    m: int
    rule: str


def pool_vector(
    q: np.ndarray,
    u: np.ndarray,
    rule: str = "rubin1987",
    df_complete: float = np.inf,
    ratio: float = 1.0,
    r: int = 1,
) -> PooledVector:
    """Pool estimates `q`, float64 (sets, k), with covariances `u`, float64 (sets, k, k).

    The other arguments and errors are those of `pool_scalar`. Raises MiceSimError for 'reiter2002', which adjusts one
    variance at a time.
    """
    chosen = get_rule(rule)
    if not chosen.linear:
        raise MiceSimError(f"The rule '{rule}' gives no covariances; use 'rrr2003', or pool_scalar term by term.")
    q, u = _checked(q, u, 2)
    found = moments(q, u[:, _diagonal(u), _diagonal(u)], chosen, df_complete, ratio, r)
    nests = q.reshape(found.m, found.r, -1)
    means = nests.mean(axis=1)
    in_nests = None if found.in_nests is None else np.mean([np.cov(nest, rowvar=False) for nest in nests], axis=0)
    between = np.cov(means, rowvar=False).reshape(u.shape[1:]) if found.m > 1 else np.full(u.shape[1:], np.nan)
    matrices = Moments(u.mean(axis=0), between, found.m, df_complete, ratio, found.r, in_nests)
    total = chosen.total(matrices)
    return PooledVector(
        q.mean(axis=0), total, chosen.variance(found)[1], matrices.within, between, found.m, chosen.name
    )


def _diagonal(u: np.ndarray) -> np.ndarray:
    return np.arange(u.shape[-1])


def _checked(q: object, u: object, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return q, (sets,) or (sets, k), and u, (sets,) or (sets, k, k), as arrays; raises MiceSimError."""
    estimates, variances = np.asarray(q, dtype=float), np.asarray(u, dtype=float)
    wanted = estimates.shape + estimates.shape[1:]
    if estimates.ndim != dimensions or variances.shape != wanted or estimates.size == 0:
        shapes = "(sets,) and (sets,)" if dimensions == 1 else "(sets, k) and (sets, k, k)"
        raise MiceSimError(f"q and u have the shapes {estimates.shape} and {variances.shape}; give {shapes}.")
    if not (np.isfinite(estimates).all() and np.isfinite(variances).all()):
        raise MiceSimError("q or u holds a number that is not finite; leave out the sets without an estimate.")
    if (variances if dimensions == 1 else np.diagonal(variances, axis1=1, axis2=2)).min(initial=0) < 0:
        raise MiceSimError("A variance or standard error is negative; correct it.")
    return estimates, variances


def pool_table(
    table: pd.DataFrame,
    rule: str = "rubin1987",
    df_complete: float | None = None,
    level: float = LEVEL,
    ratio: float = 1.0,
    r: int = 1,
) -> pd.DataFrame:
    """Pool a long table of estimates: one row for every term of every set, as `broom::tidy` writes them.

    Parameters
    ----------
    table : columns term, estimate and std_error (or std.error); sets in order. A column df_residual (or df.residual)
        gives the degrees of freedom, if df_complete does not; without either they are infinite.
    rule, level, ratio, r : as in `pool_scalar`. Returns the frame of `pool_frame`.

    Raises
    ------
    MiceSimError
        For a column that is not there, terms that are not in every set, or numbers that are not finite.
    """
    estimate, error = _column(table, "estimate"), _column(table, "std_error", "std.error")
    codes, terms = pd.factorize(_column(table, "term"))
    counts = np.bincount(codes, minlength=1)
    if len(terms) == 0 or (counts != counts[0]).any():
        fewest = f"'{terms[counts.argmin()]}' occurs {counts.min()} times" if len(terms) else "it is empty"
        raise MiceSimError(f"The table must have every term once a set, but {fewest}; complete it.")
    order = np.argsort(codes, kind="stable")
    q, errors = (np.asarray(a, dtype=float)[order].reshape(len(terms), -1).T for a in (estimate, error))
    _checked(q.ravel(), errors.ravel(), 1)
    if df_complete is None:
        given = [name for name in ("df_residual", "df.residual") if name in table]
        df_complete = float(table[given[0]].iloc[0]) if given else np.inf
    return pool_frame(list(map(str, terms)), q, errors**2, get_rule(rule), df_complete, level, ratio, r)


def _column(table: pd.DataFrame, *names: str) -> pd.Series:
    for name in names:
        if name in table:
            return table[name]
    raise MiceSimError(f"The table has no column '{names[0]}'{nearest(names[0], [str(c) for c in table.columns])}")
