"""The specification of a synthesis: everything that can be checked before the first draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from mice_sim.data import Table
from mice_sim.errors import MiceSimError, nearest
from mice_sim.synthesis import methods
from mice_sim.synthesis.derived import Expression
from mice_sim.synthesis.design import Design
from mice_sim.synthesis.methods import Method

Rule = Literal["mice-3.13", "mice-3.15"]
RULES = ("mice-3.13", "mice-3.15")
WHERE = ("all", "missing", "observed", "none")

Where: TypeAlias = str | np.ndarray | pd.DataFrame


@dataclass(frozen=True)
class Specification:
    """A checked synthesis in linked mode; `specify` makes it.

    Attributes
    ----------
    m, maxit : numbers of sets and iterations, ≥ 1.
    methods : the method of each column number that is drawn.
    derived : the expression of each column number that is computed.
    predictors : bool (columns, columns); row j marks the predictors of column j.
    visit_sequence : column numbers in order of visit.
    where : a word or a bool array (columns, n): which cells are replaced.
    rule : "mice-3.15" lets predictors see original values in every observed cell; "mice-3.13" lets
        them see derived values in the replaced cells too, from then on and into the next set.
    design : how the columns look to models.
    """

    m: int
    maxit: int
    methods: Mapping[int, Method]
    derived: Mapping[int, Expression]
    predictors: np.ndarray
    visit_sequence: tuple[int, ...]
    where: str | np.ndarray
    rule: Rule
    design: Design

    def replaced(self, observed: np.ndarray) -> np.ndarray:
        """Return the cells to replace, bool (columns, n), given which are observed."""
        if isinstance(self.where, np.ndarray):
            if self.where.shape != observed.shape:
                raise MiceSimError(
                    f"where has {self.where.shape[1]} rows and {self.where.shape[0]} columns, the data "
                    f"{observed.shape[1]} and {observed.shape[0]}; give one entry for each cell."
                )
            return self.where
        every = np.ones_like(observed)
        return {"all": every, "none": ~every, "missing": ~observed, "observed": observed}[self.where]


def specify(
    table: Table,
    *,
    m: int = 5,
    maxit: int = 1,
    method: str | Mapping[str, str] = "cart",
    predictor_matrix: np.ndarray | pd.DataFrame | Mapping[str, Mapping[str, int]] | None = None,
    visit_sequence: Sequence[str] | None = None,
    derived: Mapping[str, str] | None = None,
    where: Where = "all",
    rule: str = "mice-3.15",
    **options: object,
) -> Specification:
    """Check a synthesis against a table and return it as a `Specification`.

    See `mice_sim.synthesize` for the parameters. `predictor_matrix` may also be a mapping
    {target: {predictor: 0 or 1}} of changes to the default matrix. Raises MiceSimError for anything
    that can't work, before anything runs.
    """
    for name, number in (("m", m), ("maxit", maxit)):
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
            raise MiceSimError(f"{name} is {number!r}; give a whole number of at least 1.")
    if rule not in RULES:
        raise MiceSimError(f"There is no rule '{rule}'{nearest(rule, RULES)}")
    _check_columns(table)
    names = table.names
    expressions = _expressions(table, derived or {})
    by_name = {n: method for n in names} if isinstance(method, str) else dict(method)
    for name in by_name:
        table.index(name)
    undrawn = [n for n in names if n not in by_name and n not in expressions]
    if undrawn:
        raise MiceSimError(f"Column '{undrawn[0]}' has no method; give one for it, such as 'cart'.")
    drawn = {n: k for n, k in by_name.items() if n not in expressions}
    made = methods.make(set(drawn.values()), dict(options))
    return Specification(
        m=int(m),
        maxit=int(maxit),
        methods={table.index(n): made[k] for n, k in drawn.items()},
        derived={table.index(n): e for n, e in expressions.items()},
        predictors=_predictors(table, predictor_matrix, expressions),
        visit_sequence=_visits(table, visit_sequence, expressions),
        where=_where(table, where),
        rule=rule,  # type: ignore[arg-type]
        design=Design.of(table.columns),
    )


def _check_columns(table: Table) -> None:
    for column, values in zip(table.columns, table.values, strict=True):
        present = values[~np.isnan(values)]
        if present.size == 0:
            raise MiceSimError(f"Column '{column.name}' is all missing; drop it or give it values.")
        if (present == present[0]).all():
            raise MiceSimError(f"Column '{column.name}' is constant, so nothing can be drawn for it; drop it.")


def _expressions(table: Table, derived: Mapping[str, str]) -> dict[str, Expression]:
    expressions = {}
    for name, text in derived.items():
        expression = Expression.parse(name, text, table.names)
        for column in (name, *expression.parents):
            if table.columns[table.index(column)].is_factor:
                raise MiceSimError(f"The formula of '{name}' uses the factor '{column}'; arithmetic needs numbers.")
        expressions[name] = expression
    for name in expressions:
        _ancestors(name, expressions, ())
    return expressions


def _ancestors(name: str, expressions: Mapping[str, Expression], path: tuple[str, ...]) -> set[str]:
    """Return all columns that `name` is computed from; raises MiceSimError for a circle."""
    if name in path:
        raise MiceSimError(f"The formulas of {' and '.join(sorted(set(path)))} refer to each other; break the circle.")
    if name not in expressions:
        return set()
    parents = expressions[name].parents
    return set(parents).union(*(_ancestors(p, expressions, (*path, name)) for p in parents))


def _predictors(table: Table, given: object, expressions: Mapping[str, Expression]) -> np.ndarray:
    names, p = table.names, len(table.names)
    matrix = ~np.eye(p, dtype=bool)
    # By default a derived column does not predict what it is computed from.
    for name in expressions:
        for ancestor in _ancestors(name, expressions, ()):
            matrix[table.index(ancestor), table.index(name)] = False
    if given is None:
        return matrix
    if isinstance(given, Mapping):
        for target, row in given.items():
            for predictor, code in row.items():
                matrix[table.index(target), table.index(predictor)] = _code(code, target, predictor)
    else:
        if isinstance(given, pd.DataFrame):
            for axis in (given.index, given.columns):
                if set(map(str, axis)) != set(names):
                    raise MiceSimError(
                        "The predictor matrix must name every column of the data once, in rows and columns."
                    )
            given = given.loc[names, names].to_numpy()
        array = np.asarray(given)
        if array.shape != (p, p):
            shape = " × ".join(map(str, array.shape))
            raise MiceSimError(f"The predictor matrix is {shape}; the data has {p} columns, so give {p} × {p}.")
        for i, j in np.ndindex(p, p):
            matrix[i, j] = _code(array[i, j], names[i], names[j])
    if matrix.diagonal().any():
        culprit = names[int(np.flatnonzero(matrix.diagonal())[0])]
        raise MiceSimError(f"The predictor matrix lets '{culprit}' predict itself; set that entry to 0.")
    return matrix


def _code(code: object, target: str, predictor: str) -> bool:
    if code not in (0, 1):
        raise MiceSimError(f"The predictor matrix holds {code} for '{predictor}' predicting '{target}'; use 0 or 1.")
    return bool(code)


def _visits(table: Table, given: Sequence[str] | None, expressions: Mapping[str, Expression]) -> tuple[int, ...]:
    if given is not None:
        order = list(given)
        if len(set(order)) < len(order):
            raise MiceSimError("The visit sequence names a column twice; name each once.")
        for name in order:
            table.index(name)
        for name in table.names:
            if name not in order:
                raise MiceSimError(f"The visit sequence lacks '{name}'; name every column once.")
    else:
        order = list(table.names)
        for name in _topological(expressions):
            parents = expressions[name].parents
            last = max(order.index(parent) for parent in parents)
            if order.index(name) < last:
                order.remove(name)
                order.insert(last, name)
    for name, expression in expressions.items():
        late = [parent for parent in expression.parents if order.index(parent) > order.index(name)]
        if late:
            raise MiceSimError(
                f"The visit sequence has '{name}' before its parent '{late[0]}'; visit '{late[0]}' first."
            )
    return tuple(table.index(name) for name in order)


def _topological(expressions: Mapping[str, Expression]) -> list[str]:
    return sorted(expressions, key=lambda name: len(_ancestors(name, expressions, ())))


def _where(table: Table, where: Where) -> str | np.ndarray:
    if isinstance(where, str):
        if where not in WHERE:
            raise MiceSimError(f"There is no where '{where}'{nearest(where, WHERE)}")
        return where
    array = where.to_numpy() if isinstance(where, pd.DataFrame) else np.asarray(where)
    expected = (table.n_rows, len(table.columns))
    if array.shape != expected or array.dtype != bool:
        raise MiceSimError(
            f"where must be True or False for each of the {expected[0]} rows and {expected[1]} columns, "
            f"not {array.dtype} of shape {array.shape}."
        )
    return np.ascontiguousarray(array.T)
