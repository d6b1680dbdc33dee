"""Utility by comparison: the marginals of synthetic and original data, and models fitted to both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import chdtrc, fdtrc, ndtr, ndtri

from mice_sim.analysis import MODELS, Estimates
from mice_sim.assessment.data import MISSING, Assessed, Synthetic, pair
from mice_sim.data import Table
from mice_sim.data.table import Column
from mice_sim.errors import MiceSimError
from mice_sim.fits import Fits, pool
from mice_sim.pooling.pool import LEVEL

QUANTILES = {"min": 0.0, "5%": 0.05, "25%": 0.25, "median": 0.5, "75%": 0.75, "95%": 0.95, "max": 1.0}


def compare(
    synthetic: Synthetic,
    original: pd.DataFrame | None = None,
    columns: Sequence[str] | None = None,
    kept: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Compare each column's distribution in the sets with that in the original.

    synthetic, original, kept : see `mice_sim.assessment.data.pair`. columns : names; all by default.

    Returns
    -------
    A frame by column and statistic: for numbers mean, sd and quantiles of what is not missing, for factors the share
    of each level among what is not missing, and the share "missing" where there is any; original, synthetic (mean over
    sets), sd (between sets, NaN for one), difference. Raises MiceSimError for data that can't be compared.
    """
    data = pair(synthetic, original, kept).only(columns)
    rows = []
    for j, column in enumerate(data.columns):
        real, *sets = [_marginals(column, values) for values in _of_column(data, j)]
        for statistic, value in real.items():
            drawn = np.array([one[statistic] for one in sets])
            if statistic == MISSING and not value and not drawn.any():
                continue
            sd = drawn.std(ddof=1) if len(drawn) > 1 else np.nan
            rows.append((column.name, statistic, value, drawn.mean(), sd, drawn.mean() - value))
    names = ["column", "statistic", "original", "synthetic", "sd", "difference"]
    return pd.DataFrame(rows, columns=names).set_index(names[:2])


def _of_column(data: Assessed, j: int) -> list[np.ndarray]:
    return [data.original[j], *(values[j] for values in data.sets)]


def _marginals(column: Column, values: np.ndarray) -> dict[str, float]:
    present = values[~np.isnan(values)]
    if column.levels is not None:
        shares = np.bincount(present.astype(int), minlength=column.n_levels) / max(present.size, 1)
        found = {str(level): float(share) for level, share in zip(column.levels, shares, strict=True)}
    elif present.size == 0:
        found = dict.fromkeys(("mean", "sd", *QUANTILES), np.nan)
    else:
        found = {"mean": float(present.mean()), "sd": float(present.std(ddof=1)) if present.size > 1 else np.nan}
        found |= dict(zip(QUANTILES, map(float, np.quantile(present, list(QUANTILES.values()))), strict=True))
    return found | {MISSING: 1 - present.size / max(values.size, 1)}


# ---- models


def compare_fits(
    fits: Fits, original: pd.DataFrame | Estimates, level: float = LEVEL, population: bool = False
) -> pd.DataFrame:
    """Compare a model's fits to the sets with its fit to the original (Raab & Nowok 2017, as synthpop's `compare`).

    Parameters
    ----------
    fits : of the sets. original : the real data, to which the same model is fitted, or that fit.
    level : of the confidence intervals. population : compare the interval that the sets give for the population (by
        the default rule of `pool`) with the original's. By default the synthetic interval is about the pooled estimate
        with the original's standard error, so that an overlap is 1 − |std_diff| / (2 z), z = 1.96 for 95 %.

    Returns
    -------
    A frame by term: original, original_se, synthetic, synthetic_se (of the original's estimate, from the sets alone:
    √(mean variance · k/n)), difference, std_diff (difference by original_se), p_value, ci_overlap (share of the
    intervals' lengths that they have in common, on average; negative for intervals that do not meet). p_value is that
    of a difference from the original with variance V/m, V = (n/k) v in a synthesis with fixed parameters, (1 + n/k) v
    with drawn ones, v being the original's; the variance between the sets where some values are real (t, m − 1).

    `attrs`: mean_abs_std_diff, expected_abs_std_diff (in a right synthesis), mean_ci_overlap; lack_of_fit, df, df2,
    lack_of_fit_p: Δ'(V/m)⁻¹Δ of all differences, χ² with as many degrees of freedom as terms, or Hotelling's as an F
    on df and df2 = m − df where some values are real (NaN for m ≤ df).

    Raises
    ------
    MiceSimError
        For an original with other columns, or a fit with other terms.
    """
    known = _fit_original(fits, original)
    origin, m, p = fits.origin, len(fits.estimates), len(fits.terms)
    partial = origin.mode != "sequential" or not origin.complete
    difference = fits.q.mean(axis=0) - known.estimate
    se = np.sqrt(known.variance)
    between = np.atleast_2d(np.cov(fits.q, rowvar=False)) if m > 1 else np.full((p, p), np.nan)
    # Synthetic estimates vary about the original's as the original's about the truth; drawn parameters add as much.
    spread = between if partial else known.covariance * (float(origin.proper) + 1 / fits.ratio)
    t = difference / np.sqrt(np.diagonal(spread) / m)
    p_value = fdtrc(1, max(m - 1, 1), t**2) if partial else 2 * ndtr(-np.abs(t))
    z = float(ndtri((1 + level) / 2))
    ours = (fits.q.mean(axis=0) - z * se, fits.q.mean(axis=0) + z * se)
    if population:
        pooled = pool(fits, level=level)
        ours = (pooled["ci_lower"].to_numpy(), pooled["ci_upper"].to_numpy())
    overlap = _overlap((known.estimate - z * se, known.estimate + z * se), ours)
    v = np.array([fit.variance for fit in fits.estimates]).mean(axis=0)
    frame = pd.DataFrame(
        {
            "original": known.estimate, "original_se": se, "synthetic": fits.q.mean(axis=0),
            "synthetic_se": np.sqrt(v * fits.ratio), "difference": difference, "std_diff": difference / se,
            "p_value": p_value, "ci_overlap": overlap,
        },
        index=pd.Index(fits.terms, name="term"),
    )  # fmt: skip
    frame.attrs.update(
        mean_abs_std_diff=float(np.abs(difference / se).mean()),
        expected_abs_std_diff=float(np.mean(np.sqrt(2 * np.diagonal(spread) / (m * np.pi)) / se)),
        mean_ci_overlap=float(overlap.mean()),
        m=m,
        level=level,
        **_lack_of_fit(difference, spread, m, partial),
    )
    return frame


def _fit_original(fits: Fits, original: pd.DataFrame | Estimates) -> Estimates:
    if isinstance(original, Estimates):
        known = original
    else:
        columns = fits.parsed.columns
        table = Table.from_pandas(original)
        schema = [(c.name, c.levels) for c in table.columns]
        if schema != [(c.name, c.levels) for c in columns]:
            raise MiceSimError("The original has other columns or levels than the sets; give the data they stand for.")
        known = MODELS[fits.model](fits.parsed, table.values)
    if known.terms != fits.terms:
        raise MiceSimError(
            f"The model of the original has the terms {', '.join(known.terms)} and that of the sets "
            f"{', '.join(fits.terms)}; fit the same one to both."
        )
    return known


def _overlap(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the average share of two intervals' lengths that they have in common (Karr et al. 2006)."""
    common = np.minimum(a[1], b[1]) - np.maximum(a[0], b[0])
    return (common / (a[1] - a[0]) + common / (b[1] - b[0])) / 2


def _lack_of_fit(difference: np.ndarray, spread: np.ndarray, m: int, partial: bool) -> dict[str, float]:
    p = difference.size
    if partial and m <= p:
        return {"lack_of_fit": np.nan, "df": p, "df2": m - p, "lack_of_fit_p": np.nan}
    statistic = float(difference @ np.linalg.solve(spread / m, difference))
    if not partial:
        return {"lack_of_fit": statistic, "df": p, "df2": np.inf, "lack_of_fit_p": float(chdtrc(p, statistic))}
    f = statistic * (m - p) / (p * (m - 1))
    return {"lack_of_fit": f, "df": p, "df2": m - p, "lack_of_fit_p": float(fdtrc(p, m - p, f))}
