"""Model formulas: formulaic parses them, names are looked up, nothing is evaluated."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from formulaic import Formula
from formulaic.errors import FormulaSyntaxError
from formulaic.parser.types import Factor, Term
from numba import njit

from mice_sim.data.table import Column
from mice_sim.errors import MiceSimError, nearest


@dataclass(frozen=True)
class ModelFormula:
    """`y ~ a + b + a:b` on the columns of a table, coded as R codes it.

    Attributes
    ----------
    response : column number of the left-hand side, or None.
    intercept : whether the model has one.
    terms : per term the column numbers whose design columns are multiplied.
    names : the names of the model matrix's columns, as R prints them.
    parts : what each column of the model matrix is the product of, for `model_matrix`.
    """

    text: str
    response: int | None
    intercept: bool
    terms: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    parts: tuple[np.ndarray, np.ndarray, np.ndarray]

    @classmethod
    def parse(cls, text: str, columns: tuple[Column, ...]) -> ModelFormula:
        """Parse a formula; raises MiceSimError for an unknown column, a call or a lone interaction."""
        try:
            parsed = Formula(text)
        except FormulaSyntaxError as error:
            raise MiceSimError(f"The formula {text!r} can't be read: {str(error).splitlines()[0]}") from None
        left = list(parsed.lhs) if hasattr(parsed, "lhs") else []
        right = list(parsed.rhs) if hasattr(parsed, "rhs") else list(parsed)
        if len(left) > 1:
            raise MiceSimError(f"The formula {text!r} has more than one response; give one.")
        response = _positions(left[0], text, columns)[0] if left else None
        intercept = any(_is_one(term) for term in right)
        terms = tuple(_positions(term, text, columns) for term in right if not _is_one(term))
        _check_margins(text, terms, columns, intercept)
        names = (["(Intercept)"] if intercept else []) + [n for t in terms for n in _term_names(t, columns)]
        return cls(text, response, intercept, terms, tuple(names), columns, _parts(terms, columns, intercept))

    @cached_property
    def used(self) -> list[int]:
        """The numbers of the columns that the formula names."""
        left = [] if self.response is None else [self.response]
        return sorted({j for term in self.terms for j in term} | set(left))

    def matrix(self, values: np.ndarray) -> np.ndarray:
        """Return the model matrix (n × len(names)) of `values` (columns, n)."""
        return model_matrix(values, *self.parts)


@njit(cache=True, nogil=True)
def model_matrix(values, source, is_factor, score):
    """Return the (n, p) matrix whose column c is the product of its parts; a column without parts is 1.

    values : float64 (columns, n); where a part is missing, so is the product. source : (p, parts), the column behind each part, −1 for none.
    is_factor : (p, parts). score : (p, parts, levels), the contrast's value of each level.
    """
    n = values.shape[1]
    p, parts = source.shape
    out = np.ones((n, p))
    for c in range(p):
        for part in range(parts):
            j = source[c, part]
            if j < 0:
                break
            if is_factor[c, part]:
                for i in range(n):
                    level = values[j, i]
                    out[i, c] *= np.nan if np.isnan(level) else score[c, part, int(level)]
            else:
                for i in range(n):
                    out[i, c] *= values[j, i]
    return out


def _parts(terms: tuple[tuple[int, ...], ...], columns: tuple[Column, ...], intercept: bool) -> tuple:
    """Return, for `model_matrix`, what each column of the model matrix is the product of."""
    coded = {j: columns[j].contrasts()[1].T if columns[j].is_factor else [np.zeros(0)] for t in terms for j in t}
    # R runs through the first factor fastest.
    products = [()] * intercept + [
        tuple(zip(term, reversed(scores), strict=True))
        for term in terms
        for scores in itertools.product(*(coded[j] for j in reversed(term)))
    ]
    shape = (len(products), max((len(term) for term in terms), default=0))
    source = np.full(shape, -1, np.int64)
    is_factor = np.zeros(shape, bool)
    score = np.zeros((*shape, max((column.n_levels for column in columns), default=0)))
    for c, product in enumerate(products):
        for part, (j, scores) in enumerate(product):
            source[c, part], is_factor[c, part] = j, columns[j].is_factor
            score[c, part, : scores.size] = scores
    return source, is_factor, score


def _is_one(term: Term) -> bool:
    return all(factor.eval_method is Factor.EvalMethod.LITERAL for factor in term.factors)


def _positions(term: Term, text: str, columns: tuple[Column, ...]) -> tuple[int, ...]:
    names = [column.name for column in columns]
    positions = []
    for factor in term.factors:
        if factor.eval_method is not Factor.EvalMethod.LOOKUP:
            raise MiceSimError(
                f"The formula {text!r} holds '{factor.expr}'; formulas take column names, + : and * only."
            )
        if factor.expr not in names:
            raise MiceSimError(
                f"The formula {text!r} names the unknown column '{factor.expr}'{nearest(factor.expr, names)}"
            )
        positions.append(names.index(factor.expr))
    return tuple(positions)


def _check_margins(text: str, terms: tuple, columns: tuple[Column, ...], intercept: bool) -> None:
    present: set[frozenset[int]] = {frozenset(term) for term in terms} | ({frozenset()} if intercept else set())
    for term in terms:
        for j in term:
            if columns[j].is_factor and frozenset(term) - {j} not in present:
                raise MiceSimError(
                    f"The formula {text!r} has '{columns[j].name}' without the terms it is a contrast of; "
                    "keep the intercept and the main effects (write a*b)."
                )


def _term_names(term: tuple[int, ...], columns: tuple[Column, ...]) -> list[str]:
    names = [""]
    for j in term:
        labels = columns[j].contrasts()[0] if columns[j].is_factor else [columns[j].name]
        names = [f"{old}:{label}" if old else label for label in labels for old in names]
    return names
