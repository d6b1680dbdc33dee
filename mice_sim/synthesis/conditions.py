"""Conditions on columns, such as `age < 18 and sex == 'm'`: parsed, never run as code."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mice_sim.data import Column
from mice_sim.errors import MiceSimError, nearest

_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
_FLIPPED: dict[type, type] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
# Which rows satisfy a condition, bool (n,), given arrays by column name.
Test = Callable[[Mapping[str, np.ndarray]], np.ndarray]
_EQUALITY = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def python_names(text: str) -> tuple[str, dict[str, str]]:
    """Return the text with `quoted names` replaced by identifiers, and the name behind each identifier."""
    names: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        identifier = f"_quoted_{len(names)}_"
        names[identifier] = match[1]
        return identifier

    return re.sub(r"`([^`]+)`", replace, text), names


@dataclass(frozen=True)
class Condition:
    """A parsed condition: comparisons of a column with a number or a level, joined by and, or, not.

    text : as given. parents : the columns that it looks at.
    """

    text: str
    parents: tuple[str, ...]
    test: Test

    @classmethod
    def parse(cls, text: str, columns: Sequence[Column]) -> Condition:
        """Parse `text`; raises MiceSimError for an unknown column or level, a call or anything else."""
        plain, quoted = python_names(str(text))
        try:
            tree = ast.parse(plain.strip(), mode="eval").body
        except SyntaxError:
            example = "age < 18 and sex == 'm'"
            raise MiceSimError(f"The condition {text!r} can't be read; write it like {example!r}.") from None
        parser = _Parser(str(text), {column.name: column for column in columns}, quoted)
        test = parser.test(tree)
        return cls(str(text), tuple(dict.fromkeys(parser.parents)), test)

    def holds(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return bool (n,) for arrays by column name (level numbers for factors); missing values satisfy nothing."""
        return self.test(values)


class _Parser:
    """Turns a tree into a function of {column: values}, checking names and levels on the way."""

    def __init__(self, text: str, columns: Mapping[str, Column], quoted: Mapping[str, str]):
        self.text, self.columns, self.quoted = text, columns, quoted
        self.parents: list[str] = []

    def test(self, node: ast.expr) -> Test:
        if isinstance(node, ast.BoolOp):
            parts = [self.test(value) for value in node.values]
            join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return lambda values: join.reduce([part(values) for part in parts])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.test(node.operand)
            present = list(self.parents)
            return lambda values: ~inner(values) & ~np.any([np.isnan(values[name]) for name in present], axis=0)
        if isinstance(node, ast.Compare):
            return self.comparison(node)
        raise self.refusal(node)

    def comparison(self, node: ast.Compare) -> Test:
        terms = [node.left, *node.comparators]
        tests = [self.pair(a, op, b) for a, op, b in zip(terms, node.ops, terms[1:], strict=False)]
        return lambda values: np.logical_and.reduce([test(values) for test in tests])

    def pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Test:
        kind = type(op)
        if isinstance(right, ast.Name) and not isinstance(left, ast.Name):
            left, right, kind = right, left, _FLIPPED.get(kind, kind)
        if not isinstance(left, ast.Name) or (kind not in _COMPARE and kind not in _EQUALITY):
            raise self.refusal(left)
        column = self.column(left)
        name = column.name
        if column.kind in ("unordered", "binary") and kind not in _EQUALITY:
            raise MiceSimError(f"The condition {self.text!r} orders '{name}', which has no order; use == or in.")
        if kind in (ast.In, ast.NotIn):
            if not isinstance(right, ast.Tuple | ast.List | ast.Set):
                raise self.refusal(right)
            known = np.array([self.constant(column, item) for item in right.elts])
            inside = kind is ast.In
            return lambda values: (np.isin(values[name], known) == inside) & ~np.isnan(values[name])
        compare = _COMPARE[kind]
        if isinstance(right, ast.Name):
            other = self.column(right).name
            return lambda values: (
                compare(values[name], values[other]) & ~np.isnan(values[name]) & ~np.isnan(values[other])
            )
        constant = self.constant(column, right)
        return lambda values: compare(values[name], constant) & ~np.isnan(values[name])

    def column(self, node: ast.Name) -> Column:
        name = self.quoted.get(node.id, node.id)
        if name not in self.columns:
            raise MiceSimError(
                f"The condition {self.text!r} names the unknown column '{name}'{nearest(name, list(self.columns))}"
            )
        self.parents.append(name)
        return self.columns[name]

    def constant(self, column: Column, node: ast.expr) -> float:
        """Return the number, or the number of the level, that a node stands for."""
        try:
            value = ast.literal_eval(node)
        except ValueError:
            raise self.refusal(node) from None
        if column.levels is not None:
            return float(level_number(column, value, f"The condition {self.text!r}"))
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise MiceSimError(f"The condition {self.text!r} compares the numbers of '{column.name}' with {value!r}.")
        return float(value)

    def refusal(self, node: ast.AST) -> MiceSimError:
        return MiceSimError(
            f"The condition {self.text!r} holds '{ast.unparse(node)}'; compare columns with numbers or levels "
            "(< <= > >= == != in), joined by and, or, not."
        )


def level_number(column: Column, value: object, where: str) -> int:
    """Return the number 0..K−1 of a factor's level, given the level or its text; raises MiceSimError if it has none."""
    levels = column.levels or ()
    for number, level in enumerate(levels):
        if level == value or str(level) == str(value):
            return number
    hint = nearest(str(value), list(levels))
    raise MiceSimError(f"{where} names {value!r}, which is no level of '{column.name}'{hint}")


@dataclass(frozen=True)
class Rule:
    """If the condition holds, column number `target` has `value` (a level's number for a factor)."""

    target: int
    condition: Condition
    value: float

    @classmethod
    def parse(cls, target: int, columns: Sequence[Column], condition: str, value: object) -> Rule:
        """Check `condition` and `value` (a number or a level) for a column."""
        column = columns[target]
        parsed = Condition.parse(condition, columns)
        if column.name in parsed.parents:
            raise MiceSimError(f"The rule for '{column.name}' looks at '{column.name}' itself; look at other columns.")
        if column.is_factor:
            return cls(target, parsed, float(level_number(column, value, f"The rule for '{column.name}'")))
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise MiceSimError(f"The rule for '{column.name}' sets {value!r}; give a number.")
        return cls(target, parsed, float(value))
