"""Derived columns: arithmetic on other columns, parsed and never run as code; constants; copies of a twin."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from mice_sim.errors import MiceSimError, nearest
from mice_sim.synthesis.conditions import python_names

_BINARY: dict[type, Callable] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_UNARY: dict[type, Callable] = {ast.UAdd: np.positive, ast.USub: np.negative}


class Derivation(Protocol):
    """How a column is computed from others: its name, the formula as people read it, and its parents."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def parents(self) -> tuple[str, ...]: ...

    def evaluate(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the column (n,) for arrays by column name, missing where a parent is; or its only value, ()."""
        ...


@dataclass(frozen=True)
class Expression:
    """A parsed formula of a derived column: names (`quoted` if need be), numbers, + - * / ** and parentheses."""

    name: str
    text: str
    parents: tuple[str, ...]
    tree: ast.expr
    quoted: Mapping[str, str]

    @classmethod
    def parse(cls, name: str, text: str, columns: list[str]) -> Expression:
        """Parse `text`; raises MiceSimError for an unknown column, a call or anything but arithmetic."""
        try:
            plain, quoted = python_names(str(text))
            tree = ast.parse(plain.strip(), mode="eval").body
        except SyntaxError:
            raise MiceSimError(f"The formula of '{name}' is not arithmetic: {text!r}.") from None
        parents: list[str] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                parent = quoted.get(node.id, node.id)
                if parent not in columns:
                    raise MiceSimError(
                        f"The formula of '{name}' names the unknown column '{parent}'{nearest(parent, columns)}"
                    )
                parents.append(parent)
            elif isinstance(node, ast.Call):
                raise MiceSimError(
                    f"The formula of '{name}' calls '{ast.unparse(node.func)}'; "
                    "formulas are arithmetic only: use + - * / ** and columns."
                )
            elif isinstance(node, ast.operator | ast.unaryop):
                if type(node) not in _BINARY and type(node) not in _UNARY:
                    raise MiceSimError(f"The formula of '{name}' uses an operator other than + - * / **.")
            elif isinstance(node, ast.Constant):
                if type(node.value) not in (int, float):
                    raise MiceSimError(f"The formula of '{name}' holds {node.value!r}, which is not a number.")
            elif not isinstance(node, ast.BinOp | ast.UnaryOp | ast.Load):
                raise MiceSimError(
                    f"The formula of '{name}' holds '{ast.unparse(node)}'; formulas are arithmetic only: "
                    "use + - * / ** and columns."
                )
        if name in parents:
            raise MiceSimError(f"The formula of '{name}' refers to '{name}' itself; use other columns.")
        if not parents:
            raise MiceSimError(f"The formula of '{name}' names no column; a constant needs no formula.")
        return cls(name, str(text), tuple(dict.fromkeys(parents)), tree, quoted)

    def evaluate(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the formula's value for arrays by column name; raises MiceSimError if not finite."""
        identifiers = {name: identifier for identifier, name in self.quoted.items()}
        with np.errstate(all="ignore"):
            named = {identifiers.get(name, name): values[name] for name in self.parents}
            result = np.asarray(_evaluate(self.tree, named), dtype=float)
        return _finite(self, result, values)


@dataclass(frozen=True)
class Constant:
    """A column that holds one value (NaN: none at all), as people read it in `text`, whatever the others hold."""

    name: str
    value: float
    text: str

    parents: ClassVar[tuple[str, ...]] = ()

    def evaluate(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.array(self.value)


@dataclass(frozen=True)
class Twin:
    """A continuous column that is a linear function of another: `at + slope · (twin − twin_at)`."""

    name: str
    twin: str
    at: float
    slope: float
    twin_at: float

    @property
    def parents(self) -> tuple[str, ...]:
        return (self.twin,)

    @property
    def text(self) -> str:
        return f"{self.at:g} + {self.slope:g} * ({self.twin} - {self.twin_at:g})"

    def evaluate(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        with np.errstate(over="ignore"):
            return _finite(self, self.at + self.slope * (values[self.twin] - self.twin_at), values)

    def inverse(self) -> Twin:
        return Twin(self.twin, self.name, self.twin_at, 1 / self.slope, self.at)


@dataclass(frozen=True)
class Relabel:
    """A factor whose level follows from another factor's: `levels[level of twin]`; −1 for a level never seen."""

    name: str
    twin: str
    levels: tuple[int, ...]

    @property
    def parents(self) -> tuple[str, ...]:
        return (self.twin,)

    @property
    def text(self) -> str:
        return f"by the level of {self.twin}"

    def evaluate(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        codes = values[self.twin]
        missing = np.isnan(codes)
        return np.where(missing, np.nan, np.array(self.levels, float)[np.where(missing, 0, codes).astype(int)])

    def inverse(self, n_levels: int) -> Relabel:
        """Return the twin as a function of this column; `n_levels` is this column's number of levels."""
        back = [-1] * n_levels
        for twin_level, level in enumerate(self.levels):
            if level >= 0:
                back[level] = twin_level
        return Relabel(self.twin, self.name, tuple(back))


def _finite(derivation: Derivation, result: np.ndarray, values: Mapping[str, np.ndarray]) -> np.ndarray:
    bad = ~np.isfinite(result) & ~np.any([np.isnan(values[name]) for name in derivation.parents], axis=0)
    if bad.any():
        raise MiceSimError(
            f"The derived column '{derivation.name}' ({derivation.text}) is not finite in {int(bad.sum())} rows; "
            "check for a division by zero."
        )
    return result


def _evaluate(node: ast.expr, values: Mapping[str, np.ndarray]):
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)](_evaluate(node.left, values), _evaluate(node.right, values))
    if isinstance(node, ast.UnaryOp):
        return _UNARY[type(node.op)](_evaluate(node.operand, values))
    if isinstance(node, ast.Name):
        return values[node.id]
    assert isinstance(node, ast.Constant)
    return np.float64(node.value)  # type: ignore[arg-type]
