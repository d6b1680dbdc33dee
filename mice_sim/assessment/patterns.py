"""Missing data patterns: which values are missing together, and how well columns are connected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mice_sim.errors import MiceSimError

MISSING = "missing"  # the label of the totals of `md_pattern`


@dataclass(frozen=True)
class Pairs:
    """How many rows have each pair of columns observed or missing: frames (columns, columns) of counts.

    Attributes
    ----------
    rr : both observed. rm : the row's column observed, the column's missing. mr : the other way round.
    mm : both missing. The four add up to the number of rows.
    """

    rr: pd.DataFrame
    rm: pd.DataFrame
    mr: pd.DataFrame
    mm: pd.DataFrame


def md_pattern(data: pd.DataFrame) -> pd.DataFrame:
    """Return the patterns of missing values, as mice's `md.pattern`.

    Parameters
    ----------
    data : any columns; what pandas calls missing is missing. Raises MiceSimError if it is no frame or empty.

    Returns
    -------
    A frame with a row for each pattern, labelled by the number of rows of the data that have it, and a column for each
    of the data's, those with fewest missing values first: 1 observed, 0 missing. The last column, "missing", counts
    the columns that a pattern misses; the last row, "missing", the missing values of each column and of all. Patterns
    are in the order of their rows of 1 and 0, that of complete rows first.
    """
    observed = _observed(data)
    missing = (~observed).sum(axis=0)
    order = np.argsort(missing, kind="stable")
    patterns, counts = np.unique(observed[:, order], axis=0, return_counts=True)
    body = patterns[::-1].astype(int)
    totals = np.append(missing[order], missing.sum())
    return pd.DataFrame(
        np.vstack([np.column_stack([body, (1 - body).sum(axis=1)]), totals]),
        index=pd.Index([*counts[::-1].tolist(), MISSING], name="rows"),
        columns=[*data.columns[order], MISSING],
    )


def md_pairs(data: pd.DataFrame) -> Pairs:
    """Return how many rows have each pair of columns observed or missing, as mice's `md.pairs`.

    data : any columns. Returns four frames (columns × columns) of counts: `rr` both observed, `rm` the row's column
    observed and the other missing, `mr` the reverse, `mm` both missing.
    Raises MiceSimError if `data` is no frame or empty.
    """
    return Pairs(*(pd.DataFrame(c, index=data.columns, columns=data.columns) for c in _pair_counts(_observed(data))))


def flux(data: pd.DataFrame) -> pd.DataFrame:
    """Return how each column is connected to the others through what is observed, as mice's `flux`.

    Parameters
    ----------
    data : the columns to consider. Raises MiceSimError if it is no frame or empty.

    Returns
    -------
    A frame by column (Van Buuren 2018, §4.1.3; White & Carlin 2010 for the last):

    pobs : proportion observed, 0 to 1.
    influx : pairs with this column missing and another observed, by the number of observed values; 0 for a complete
        column, 1 for one that is missing throughout. NaN if nothing at all is observed.
    outflux : pairs with this column observed and another missing, by the number of missing values; 1 for a complete
        column. NaN if nothing at all is missing.
    ainb : where it is missing, the average proportion of the others that is observed; 0 where it never is.
    aout : where it is observed, the average proportion of the others that is missing; 0 where it never is.
    fico : the proportion of incomplete rows among those where it is observed; NaN where it never is.
    """
    observed = _observed(data)
    _, rm, mr, _ = _pair_counts(observed)
    here, n = observed.sum(axis=0), len(observed)
    others = observed.shape[1] - 1
    incomplete = np.any(~observed, axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "pobs": here / n,
            "influx": _ratio(mr.sum(axis=1), observed.sum()),
            "outflux": _ratio(rm.sum(axis=1), (~observed).sum()),
            "ainb": _ratio(mr.sum(axis=1), (n - here) * others, 0.0),
            "aout": _ratio(rm.sum(axis=1), here * others, 0.0),
            "fico": _ratio((observed & incomplete).sum(axis=0), here),
        },
        index=data.columns,
    )


def _observed(data: pd.DataFrame) -> np.ndarray:
    """Return bool (rows, columns), True where a value is there."""
    if not isinstance(data, pd.DataFrame):
        raise MiceSimError(f"The data must be a pandas DataFrame, not {type(data).__name__}.")
    if data.shape[0] == 0 or data.shape[1] == 0:
        raise MiceSimError("The data is empty; give at least one row and one column.")
    return data.notna().to_numpy()


def _pair_counts(observed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    r = observed.astype(float)  # whole numbers are exact, and BLAS multiplies them
    rr = (r.T @ r).astype(int)
    here, n = np.diag(rr), len(r)
    rm = here[:, None] - rr
    return rr, rm, rm.T, n - rr - rm - rm.T


def _ratio(numerator: np.ndarray, denominator: np.ndarray | int, none: float = np.nan) -> np.ndarray:
    bottom = np.broadcast_to(np.asarray(denominator, dtype=float), numerator.shape)
    return np.divide(numerator, bottom, out=np.full(numerator.shape, none), where=bottom > 0)
