"""Who predicts whom, and in which order columns are visited."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mice_sim.data import Table
from mice_sim.errors import MiceSimError, nearest

ORDERS = ("roman", "arabic", "monotone", "revmonotone")


# {column: the columns that decide on it, by its formula or by a rule}
Parents = Mapping[str, Sequence[str]]


def ancestors(name: str, parents: Parents, path: tuple[str, ...] = ()) -> set[str]:
    """Return all columns that decide on `name`; raises MiceSimError for a circle."""
    if name in path:
        circle = " and ".join(sorted(set(path)))
        raise MiceSimError(f"The formulas or rules of {circle} refer to each other; break the circle.")
    own = parents.get(name, ())
    return set(own).union(*(ancestors(parent, parents, (*path, name)) for parent in own))


# What a column can be to another: no predictor; a predictor; also with random effects; also with its means by cluster;
# with both; its clusters.
NONE, FIXED, RANDOM, AVERAGED, RANDOM_AVERAGED, CLUSTER = 0, 1, 2, 3, 4, -2
CODES = (CLUSTER, NONE, FIXED, RANDOM, AVERAGED, RANDOM_AVERAGED)


def predictor_matrix(table: Table, given: object, computed: Parents, cluster: int | None = None) -> np.ndarray:
    """Return int8 codes (columns, columns), row = target, from a user's matrix, frame or {target: {predictor: code}}.

    The default is everything else, but for derived columns predicting what they are computed from, and for the column
    `cluster`.
    """
    names, p = table.names, len(table.names)
    matrix = np.ones((p, p), np.int8) - np.eye(p, dtype=np.int8)
    for name in computed:
        for ancestor in ancestors(name, computed):
            matrix[table.index(ancestor), table.index(name)] = NONE
    if cluster is not None:
        matrix[:, cluster] = NONE
    if given is None:
        return matrix
    if isinstance(given, Mapping):
        for target, row in given.items():
            for predictor, code in row.items():
                matrix[table.index(target), table.index(predictor)] = _code(code, target, predictor)
    else:
        array = _array(table, given)
        for i, j in np.ndindex(p, p):
            matrix[i, j] = _code(array[i, j], names[i], names[j])
    if matrix.diagonal().any():
        culprit = names[int(np.flatnonzero(matrix.diagonal())[0])]
        raise MiceSimError(f"The predictor matrix lets '{culprit}' predict itself; set that entry to 0.")
    return matrix


def marked_clusters(table: Table, given: object) -> set[int]:
    """Return the columns that a user's matrix marks as clusters."""
    if given is None:
        return set()
    if isinstance(given, Mapping):
        return {table.index(name) for row in given.values() for name, code in row.items() if code == CLUSTER}
    return {int(j) for j in np.flatnonzero((_array(table, given) == CLUSTER).any(axis=0))}


def _array(table: Table, given: Any) -> np.ndarray:
    names, p = table.names, len(table.names)
    if isinstance(given, pd.DataFrame):
        given = given.set_axis(given.index.astype(str)).set_axis(given.columns.astype(str), axis=1)
        for axis in (given.index, given.columns):
            if set(axis) != set(names) or len(axis) != p:
                raise MiceSimError("The predictor matrix must name every column of the data once, in rows and columns.")
        given = given.loc[names, names].to_numpy()
    array = np.asarray(given)
    if array.shape != (p, p):
        shape = " × ".join(map(str, array.shape))
        raise MiceSimError(f"The predictor matrix is {shape}; the data has {p} columns, so give {p} × {p}.")
    return array


def _code(code: Any, target: str, predictor: str) -> int:
    if code not in CODES:
        raise MiceSimError(
            f"The predictor matrix holds {code} for '{predictor}' predicting '{target}'; use 0 or 1, and with methods "
            "for two levels -2, 2, 3 or 4."
        )
    return int(code)


def visit_sequence(table: Table, given: str | Sequence[str] | None, parents: Parents, repeats: bool) -> tuple[int, ...]:
    """Return column numbers in order of visit.

    given : a list of names; "roman" (left to right, the default), "arabic" (right to left), "monotone" (few missing
        values first) or "revmonotone". In an order by word, columns that others decide on come right after these.
    repeats : whether a list may name a column more than once.
    """
    if given is None or isinstance(given, str):
        return tuple(table.index(name) for name in _ordered(table, given or "roman", parents))
    order = [str(name) for name in given]
    for name in order:
        table.index(name)
    if len(set(order)) < len(order) and not repeats:
        raise MiceSimError("The visit sequence names a column twice; name each once.")
    for name in table.names:
        if name not in order:
            raise MiceSimError(f"The visit sequence lacks '{name}'; name every column once.")
    last = {name: len(order) - 1 - order[::-1].index(name) for name in order}
    for name, own in parents.items():
        late = [parent for parent in own if last[parent] > last[name]]
        if late:
            raise MiceSimError(
                f"The visit sequence has '{name}' before its parent '{late[0]}'; visit '{late[0]}' first."
            )
    return tuple(table.index(name) for name in order)


def _ordered(table: Table, word: str, parents: Parents) -> list[str]:
    if word not in ORDERS:
        raise MiceSimError(f"There is no visit sequence '{word}'{nearest(word, ORDERS)}")
    order = list(table.names)
    if word == "arabic":
        order.reverse()
    elif word != "roman":
        missing = np.isnan(table.values).sum(axis=1) * (1 if word == "monotone" else -1)
        order = [order[j] for j in np.argsort(missing, kind="stable")]
    for name in sorted(parents, key=lambda name: len(ancestors(name, parents))):
        last = max((order.index(parent) for parent in parents[name]), default=0)
        if order.index(name) < last:
            order.remove(name)
            order.insert(last, name)
    return order


def quickpred(
    data: pd.DataFrame,
    mincor: float = 0.1,
    minpuc: float = 0.0,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    method: str = "pearson",
) -> pd.DataFrame:
    """Choose predictors by correlation (van Buuren, Boshuizen & Knook 1999, §3.4).

    A column predicts a target with missing values if its absolute correlation with the target, or with the
    target's being observed, is at least `mincor`, and if at least a share `minpuc` of the target's missing cells
    have it observed. Factors count by level number.

    Parameters
    ----------
    data : rows × columns. mincor, minpuc : 0 to 1. include, exclude : columns that always or never predict;
        `include` wins. method : "pearson", "kendall" or "spearman".

    Returns
    -------
    A frame of 0 and 1, row = target, for `predictor_matrix`. Raises MiceSimError for unknown columns and methods.
    """
    for what, least in (("mincor", mincor), ("minpuc", minpuc)):
        if isinstance(least, bool) or not isinstance(least, int | float | np.number) or not 0 <= least <= 1:
            raise MiceSimError(f"{what} is {least!r}; give a number between 0 and 1.")
    table = Table.from_pandas(data)
    names = table.names
    for name in (*include, *exclude):
        table.index(name)
    if method not in ("pearson", "kendall", "spearman"):
        raise MiceSimError(f"There is no correlation '{method}'{nearest(method, ('pearson', 'kendall', 'spearman'))}")
    from scipy.stats import ConstantInputWarning

    numbers = pd.DataFrame(table.values.T, columns=names)
    observed = numbers.notna()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)  # what is always observed has no correlation
        among = numbers.corr(method=method).abs().fillna(0.0)
        with_response = pd.DataFrame(
            {name: numbers.corrwith(observed[name].astype(float), method=method).abs() for name in names}
        ).T.fillna(0.0)
    chosen = np.maximum(among, with_response[names]) >= mincor
    usable = (~observed).T.astype(float) @ observed.astype(float)
    shares = usable.div((~observed).sum().clip(lower=1), axis=0)
    chosen &= shares >= minpuc
    chosen[list(exclude)] = False
    chosen[list(include)] = True
    matrix = chosen.to_numpy(dtype=int, copy=True)
    np.fill_diagonal(matrix, 0)
    matrix[observed.all().to_numpy()] = 0
    return pd.DataFrame(matrix, index=names, columns=names)
