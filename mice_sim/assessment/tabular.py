"""Utility by tables: how the counts of synthetic records differ from those of the original, cell by cell.

The measures are those of Raab, Nowok & Dibben (2021, Assessing, visualizing and improving the utility of synthetic
data), with their names in synthpop. With s and o the counts of a cell, c the share of synthetic records in all N, and
df one less than the cells with any record:

    VW       Σ (s − o c/(1−c))² / (c (s+o))               S_VW = S_pMSE = VW / df
    FT       4 Σ (√s − √(o c/(1−c)))²                     S_FT = FT / df
    JSD      Jensen-Shannon divergence, in bits           S_JSD = 4 n₂ JSD / (df ln 2)
    G        2 Σ s ln(s/e) − (s−e), e = o c/(1−c), s, o > 0   S_G = G / (cells with both − 1)
    dBhatt   √(1 − Σ √(p_s p_o))
    MabsDD   Σ |p_s − p_o|;  SPECKS = MabsDD / 2
    WMabsDD  Σ |s − o c/(1−c)| / √(2 c (s+o) / π)         S_WMabsDD = WMabsDD / df
    pMSE     VW c (1−c)² / N, of the saturated propensity model
    PO50     percent of records on the right side of c, of those on any side, less 50
    U, AUC   rank sum of the synthetic records by s/(s+o), and the area under the ROC curve
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from mice_sim.assessment.counts import COUNTS, MEASURES, compare_cells, count
from mice_sim.assessment.data import GROUPS, Assessed, Codes, Synthetic, encode, pair
from mice_sim.errors import MiceSimError

Null = Literal["fitted", "fresh"]
NULLS = ("fitted", "fresh")
ALPHA = 0.05
MOST_CELLS = 2**21  # of an array of counts; larger tables are of the combinations that occur


def utility_tables(
    synthetic: Synthetic,
    original: pd.DataFrame | None = None,
    *,
    ways: int | Sequence[int] = (1, 2, 3),
    columns: Sequence[str] | None = None,
    groups: int = GROUPS,
    null: Null = "fresh",
    alpha: float = ALPHA,
    kept: Sequence[str] | None = None,
    by_set: bool = False,
) -> pd.DataFrame:
    """Compare all cross-tabulations of one, two and three columns.

    Parameters
    ----------
    synthetic : a result of `synthesize`, a frame or a list of frames. original : the real data; for a result what it
        was made from. kept : columns that were not synthesised; see `pair`.
    ways : which tables, of 1, 2 and 3 columns. columns : names; all by default. groups : numbers are cut into so many
        quantile groups; missing values are a level.
    null : what p-values and alarms allow for. "fresh": synthetic records as far from the original as new data from the
        same source, where the standardised measures are 1 + k/n; no right synthesis is further away on average.
        "fitted": draws from a model that fits all associations of the tables in the original exactly; the standardised
        measures are 1 then. It is sharper, and raises false alarms where a right model leaves associations out.
    alpha : the chance that any table of a right synthesis raises an alarm, at most.
    by_set : return a row for each table and set instead of means over the sets.

    Returns
    -------
    A frame by table ("a", "a:b", "a:b:c"): way, cells, df, the measures, the standardised ones, `sd`, the standard
    deviation of S_pMSE between sets (NaN for one set); p_value, of all sets together; p_adjusted (Holm 1979 over the
    tables), alarm. `attrs` holds null, alpha, m and c. Tables of kept columns alone are left out; others with kept
    columns have a df less for each cell of these. By set there are no sd, p_adjusted and alarm.

    Raises
    ------
    MiceSimError
        For data that can't be compared, an unknown column, null or number of columns, and where nothing is synthetic.

    Notes
    -----
    p-values are those of Pearson's X² = VW (1 − c), with the mean and the variance that it has over permutations of the
    labels, so that sparse tables are no alarm; those of several sets are summed, allowing for their common original.
    """
    data = comparable(pair(synthetic, original, kept)).only(columns)
    check_null(null, alpha)
    chosen = [ways] if isinstance(ways, int | np.integer) else list(ways)
    for way in chosen:
        if isinstance(way, bool) or way not in (1, 2, 3):
            raise MiceSimError(f"ways is {ways!r}; give 1, 2, 3 or a list of these.")
    tables = [t for way in chosen for t in combinations(range(len(data.columns)), way) if data.drawn[list(t)].any()]
    if not tables:
        raise MiceSimError("There is no table with a synthesised column; choose fewer ways or other columns.")
    compared = compare_tables(encode(data, groups), data.drawn, tables)
    frame = compared.by_set() if by_set else compared.means(null, alpha)
    frame.attrs.update(null=null, alpha=alpha, m=data.m, c=compared.c)
    return frame


def comparable(data: Assessed) -> Assessed:
    """Return the data, or raise MiceSimError where sets have no missing values by design and the original has some."""
    filled = data.origin is not None and data.origin.missing in ("imputed", "one-step", "two-step")
    if filled and np.isnan(data.original).any() and not any(np.isnan(values).any() for values in data.sets):
        raise MiceSimError(
            "Missing values were imputed in the sets, so they differ from the original by design; give a completed one "
            "as original=."
        )
    return data


def check_null(null: str, alpha: float) -> None:
    """Raise MiceSimError for an unknown null, and an alpha outside (0, 1)."""
    if null not in NULLS:
        raise MiceSimError(f"null is {null!r}; give 'fitted' or 'fresh'.")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < 1:
        raise MiceSimError(f"alpha is {alpha!r}; give a number between 0 and 1, such as 0.05.")


# ---- comparing


@dataclass(frozen=True)
class Compared:
    """The measures of every table and set.

    names, ways : of the tables. values : float64 (sets, tables, measures and counts). kept : cells of each table's kept
    columns (1 if there are none). n1 : records of the original. n2 : of each set.
    """

    names: list[str]
    ways: np.ndarray
    values: np.ndarray
    kept: np.ndarray
    n1: int
    n2: np.ndarray

    @property
    def c(self) -> float:
        """The share of synthetic records."""
        return float((self.n2 / (self.n1 + self.n2)).mean())

    def of(self, name: str) -> np.ndarray:
        """Return a measure or count, float64 (sets, tables)."""
        return self.values[:, :, (*MEASURES, *COUNTS).index(name)]

    @property
    def df(self) -> np.ndarray:
        return self.of("cells") - self.kept

    @property
    def standardised(self) -> dict[str, np.ndarray]:
        """The measures by what they are in a right synthesis with fitted parameters, each (sets, tables)."""
        df, both = self.df, self.of("cells_both") - self.kept
        bits = 4 * self.n2[:, None] / np.log(2)
        return {
            "S_pMSE": _by(self.of("VW"), df),
            "S_FT": _by(self.of("FT"), df),
            "S_JSD": _by(bits * self.of("JSD"), df),
            "S_WMabsDD": _by(self.of("WMabsDD"), df),
            "S_G": _by(self.of("G"), both),
        }

    def by_set(self) -> pd.DataFrame:
        sets = len(self.values)
        index = pd.MultiIndex.from_product([self.names, range(1, sets + 1)], names=["table", "set"])
        columns = {"way": np.repeat(self.ways, sets), "cells": self.of("cells").T.ravel().astype(int)}
        columns["df"] = self.df.T.ravel().astype(int)
        numbers = {name: self.of(name) for name in MEASURES} | self.standardised
        return pd.DataFrame(columns | {name: values.T.ravel() for name, values in numbers.items()}, index)

    def means(self, null: Null, alpha: float) -> pd.DataFrame:
        """Return the frame of `utility_tables`."""
        columns = {"way": self.ways, "cells": self.of("cells").mean(axis=0), "df": self.df.mean(axis=0)}
        standardised = self.standardised
        columns |= {name: self.of(name).mean(axis=0) for name in MEASURES}
        columns |= {name: values.mean(axis=0) for name, values in standardised.items()}
        several = len(self.values) > 1
        columns["sd"] = standardised["S_pMSE"].std(axis=0, ddof=1) if several else np.full(len(self.names), np.nan)
        p = self.p_values(null)
        adjusted = holm(p)
        columns |= {"p_value": p, "p_adjusted": adjusted, "alarm": adjusted <= alpha}
        return pd.DataFrame(columns, index=pd.Index(self.names, name="table"))

    def p_values(self, null: Null) -> np.ndarray:
        """Return the chance of a larger mean VW over the sets in a right synthesis, float64 (tables,)."""
        n2 = self.n2[:, None]
        c = n2 / (self.n1 + n2)
        # In a synthesis with fitted parameters the original's own variation does not count.
        statistic = self.of("VW") * (1 - c if null == "fresh" else 1.0)
        mean, variance = _permutation_moments(
            self.of("cells"), self.of("inverse"), self.of("squares"), n2, self.n1 + n2
        )
        # Kept columns have the same counts in both, so that only so much of it can vary.
        free = _by(self.df, self.of("cells") - 1)
        shared = c.mean() if null == "fresh" else 0.0
        return tail(statistic.sum(axis=0), (free * mean).mean(axis=0), (free * variance).mean(axis=0), len(n2), shared)


def compare_tables(codes: Codes, drawn: np.ndarray, tables: Sequence[Sequence[int]]) -> Compared:
    """Compare the tables of these columns, each a sequence of column numbers."""
    sizes = codes.sizes
    values = np.empty((len(codes.sets), len(tables), len(MEASURES) + len(COUNTS)))
    kept = np.ones(len(tables))
    for t, table in enumerate(tables):
        places = np.array(table, dtype=np.int64)
        fixed = places[~drawn[places]]
        if fixed.size:
            kept[t] = len(np.unique(_cells(codes.original, fixed, sizes)))
        original, *others = _tabulate(codes, places, sizes)
        for i, synthetic in enumerate(others):
            values[i, t] = compare_cells(synthetic, original)
    return Compared(
        [":".join(codes.names[j] for j in table) for table in tables],
        np.array([len(table) for table in tables]),
        values,
        kept,
        codes.original.shape[1],
        np.array([one.shape[1] for one in codes.sets], dtype=float),
    )


def _tabulate(codes: Codes, places: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    """Return the counts of the original and of each set, over the same cells."""
    parts = [codes.original, *codes.sets]
    cells = int(np.prod(sizes[places], dtype=object))
    if cells > MOST_CELLS:
        rows = [_cells(part, places, sizes) for part in parts]
        found, place = np.unique(np.concatenate(rows), return_inverse=True)
        ends = np.cumsum([len(one) for one in rows])[:-1]
        return [np.bincount(one, minlength=len(found)) for one in np.split(place, ends)]
    counts = [np.zeros(cells, np.int64) for _ in parts]
    for part, into in zip(parts, counts, strict=True):
        count(part, places, sizes, into)
    return counts


def _cells(codes: np.ndarray, places: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    cell = codes[places[0]].astype(np.int64)
    for j in places[1:]:
        cell = cell * sizes[j] + codes[j]
    return cell


def _by(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Return the ratio; 0 where there is nothing to divide by, as nothing can differ there."""
    return np.divide(top, bottom, out=np.zeros(np.shape(top)), where=bottom > 0)


# ---- p-values


def _permutation_moments(
    cells: np.ndarray, inverse: np.ndarray, squares: np.ndarray, n2: np.ndarray, total: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact mean and variance of Pearson's X² of a (cells × 2) table over permutations of the labels.

    X² = N²/(n₁n₂) (Q − n₂²/N), Q = Σ s²/t; the s are multivariate hypergeometric, and the factorial moments of these
    are products of falling factorials. inverse : Σ 1/t. squares : Σ t².
    """
    n1 = total - n2
    f1, f2, f3, f4 = (_falling(n2, k) / np.maximum(_falling(total, k), 1) for k in (1, 2, 3, 4))
    rest = total - cells  # Σ (t − 1)
    rest2 = squares - 2 * total + cells  # Σ (t − 1)²
    first = rest * f2 + cells * f1
    # Σ E s⁴/t², by s⁴ = s₍₄₎ + 6 s₍₃₎ + 7 s₍₂₎ + s.
    own = (
        (squares - 6 * total + 11 * cells - 6 * inverse) * f4
        + 6 * (total - 3 * cells + 2 * inverse) * f3
        + 7 * (cells - inverse) * f2
        + inverse * f1
    )
    crossed = f4 * (rest**2 - rest2) + 2 * f3 * (cells - 1) * rest + f2 * cells * (cells - 1)
    scale = total**2 / (n1 * n2)
    mean = scale * (first - n2**2 / total)
    return mean, np.maximum(scale**2 * (own + crossed - first**2), 0.0)


def _falling(x: np.ndarray, k: int) -> np.ndarray:
    return np.prod([x - i for i in range(k)], axis=0)


def tail(statistic: np.ndarray, mean: np.ndarray, variance: np.ndarray, m: int, shared: float) -> np.ndarray:
    """Return P(sum over m sets > statistic), by a gamma distribution with its first three moments.

    For one set the gamma is the χ² of the mean and variance, scaled. The differences of two sets from one original
    correlate by `shared`, so their sum has the weights 1 + (m − 1) shared, once, and 1 − shared, m − 1 times.
    """
    once, others = 1 + (m - 1) * shared, 1 - shared
    second = variance * (once**2 + (m - 1) * others**2)
    third = 2 * _by(variance**2, mean) * (once**3 + (m - 1) * others**3)
    possible = third > 1e-9
    df = np.where(possible, 8 * second**3 / np.where(possible, third, 1) ** 2, 1)
    value = df + (statistic - m * mean) * np.sqrt(2 * df / np.where(possible, second, 1))
    return np.where(possible, chdtrc(df, np.maximum(value, 0)), 1.0)


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values adjusted for their number (Holm 1979): rejecting those ≤ α errs anywhere with probability ≤ α."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
