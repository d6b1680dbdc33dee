"""The few numbers that say how useful a set is, for studies that ask it of many sets."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from mice_sim.assessment.data import Assessed, encode
from mice_sim.assessment.propensity import measures
from mice_sim.assessment.separation import Logistic
from mice_sim.assessment.tabular import comparable, compare_tables

UTILITY = ("pmse", "s_pmse", "specks", "auc", "s_pmse_oneway", "s_pmse_twoway")


def utility(data: Assessed) -> np.ndarray:
    """Return `UTILITY` of each set, float64 (sets, 6).

    pmse, s_pmse, specks, auc : of a logistic model on all columns without products; see `utility_gen`.
    s_pmse_oneway, s_pmse_twoway : S_pMSE on average over the tables of one and of two columns; see `utility_tables`.

    Raises MiceSimError where the sets have no missing values by design and the original has some.
    """
    comparable(data)
    columns = range(len(data.columns))
    every: list[tuple[int, ...]] = [*combinations(columns, 1), *combinations(columns, 2)]
    tables = [table for table in every if data.drawn[list(table)].any()]
    compared = compare_tables(encode(data), data.drawn, tables)
    standardised = compared.standardised["S_pMSE"]
    by_way = [standardised[:, compared.ways == way].mean(axis=1) if way in compared.ways else np.full(data.m, np.nan)
              for way in (1, 2)]  # fmt: skip
    rows = [(*_told(data, values), *of_tables) for values, *of_tables in zip(data.sets, *by_way, strict=True)]
    return np.array(rows)


def _told(data: Assessed, values: np.ndarray) -> tuple[float, float, float, float]:
    n1, n2 = data.n, values.shape[1]
    model = Logistic(data.columns, data.drawn, (data.original, values), order=0)
    found = measures(model.fit(np.repeat([0.0, 1.0], [n1, n2])), n2)
    c, total = n2 / (n1 + n2), n1 + n2
    expected = (model.df or 0) * c * (1 - c) ** 2 / total
    return found["pMSE"], found["pMSE"] / expected if expected else np.nan, found["SPECKS"], found["AUC"]
