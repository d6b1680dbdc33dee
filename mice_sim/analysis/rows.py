"""What a model is fitted to: the complete rows of one data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mice_sim.analysis.estimates import NotConverged
from mice_sim.data import Column
from mice_sim.data.formula import ModelFormula, NotFinite
from mice_sim.errors import MiceSimError
from mice_sim.kernels import likelihood as kernels


class Rows(NamedTuple):
    """x : model matrix (n, p). y : response (n,). levels : of the response. complete : which rows of the data."""

    x: np.ndarray
    y: np.ndarray
    levels: tuple[Any, ...]
    complete: np.ndarray

    @property
    def dropped(self) -> int:
        """How many rows of the data are left out."""
        return self.complete.size - self.y.size


def numeric_rows(formula: ModelFormula, values: np.ndarray) -> Rows:
    """Return the complete rows for a model of numbers; see `complete_rows`."""
    return complete_rows(formula, values, "a continuous one", None)


def binary_rows(formula: ModelFormula, values: np.ndarray) -> Rows:
    """Return the complete rows for a model of two classes; see `complete_rows`."""
    return complete_rows(formula, values, "a factor of two levels", lambda column: column.n_levels == 2)


def complete_rows(
    formula: ModelFormula, values: np.ndarray, wanted: str, fits: Callable[[Column], bool] | None
) -> Rows:
    """Leave out the rows with a missing value in a column of the formula, and code the others.

    values : float64 (columns, n). wanted : the response that the model needs, in words. fits : whether a column is
    such a factor; None for numbers. Raises MiceSimError for another response, NotConverged where no row is left or a
    transformation has no value.
    """
    levels = _levels(formula, wanted, fits)
    complete = ~np.isnan(values[formula.used]).any(axis=0)
    if not complete.all():
        values = np.ascontiguousarray(values[:, complete])
    if values.shape[1] == 0:
        raise NotConverged(f"The model {formula.text} has no complete row; impute the missing values first.")
    try:
        return Rows(formula.matrix(values), formula.respond(values), levels, complete)
    except NotFinite as error:
        raise NotConverged(f"The model {formula.text} can't be fitted: {error}") from None


def no_estimates(formula: ModelFormula, values: np.ndarray, rows: Rows, otherwise: str) -> NotConverged:
    """Return the error of a model without estimates: of a level or a product without rows, or what it is otherwise."""
    for column, of_rows in ((formula.columns[j], values[j, rows.complete]) for j in formula.right):
        for number, level in enumerate(column.levels or ()):
            if not (of_rows == number).any():
                return NotConverged(
                    f"The model {formula.text} has no row with {column.name} = {level}; drop the level or merge it."
                )
    for name, held in zip(formula.names, rows.x.T, strict=True):
        if not held.any():
            return NotConverged(f"The model {formula.text} has no row where {name} is not 0; leave out that term.")
    return NotConverged(otherwise)


def rank_deficient(formula: ModelFormula, values: np.ndarray, rows: Rows) -> NotConverged:
    """Return the error of a model matrix whose columns depend on each other."""
    return no_estimates(
        formula, values, rows, f"The model {formula.text} is rank deficient; leave out a redundant term."
    )


def orthonormal_columns(formula: ModelFormula, values: np.ndarray, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return (basis, back) of `kernels.likelihood.orthonormal`; raises NotConverged if the matrix is rank deficient."""
    ok, basis, back = kernels.orthonormal(rows.x)
    if not ok:
        raise rank_deficient(formula, values, rows)
    return basis, back


def rest_of_least_squares(y: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the coefficients of an orthonormal basis (p,), what they leave of y (n,), and its root mean square."""
    least = basis.T @ y / y.size
    rest = y - basis @ least
    return least, rest, np.sqrt(rest @ rest / y.size)


def _levels(formula: ModelFormula, wanted: str, fits: Callable[[Column], bool] | None) -> tuple[Any, ...]:
    """Return the response's levels; raises MiceSimError if there is no response or one of another kind."""
    if formula.left is None:
        raise MiceSimError(f"The formula {formula.text!r} has no response; write 'y ~ x'.")
    column = None if formula.response is None else formula.columns[formula.response]
    right = column is None or not column.is_factor if fits is None else column is not None and fits(column)
    if not right:
        kind = "continuous" if column is None else column.kind
        raise MiceSimError(
            f"The response '{formula.left.label}' of {formula.text!r} is {kind}; the model needs {wanted}."
        )
    return () if column is None else column.levels or ()


def check_range(formula: ModelFormula, y: np.ndarray, least: float, above: bool = False) -> None:
    """Raise NotConverged for a response of less than `least`, or not more than it if `above`."""
    if (y < least).any() or (above and (y <= least).any()):
        allowed = f"more than {least:g}" if above else f"{least:g} or more"
        raise NotConverged(
            f"The model {formula.text} needs a response of {allowed}, but it has {y.min():g}; transform it."
        )
