"""Derived columns: arithmetic on other columns, parsed and never run as code."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mice_sim.errors import MiceSimError, nearest

_BINARY: dict[type, Callable] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_UNARY: dict[type, Callable] = {ast.UAdd: np.positive, ast.USub: np.negative}


@dataclass(frozen=True)
class Expression:
    """A parsed formula of a derived column: names, numbers, + - * / ** and parentheses."""

    name: str
    text: str
    parents: tuple[str, ...]
    tree: ast.expr

    @classmethod
    def parse(cls, name: str, text: str, columns: list[str]) -> Expression:
        """Parse `text`; raises MiceSimError for an unknown column, a call or anything but arithmetic."""
        try:
            tree = ast.parse(str(text).strip(), mode="eval").body
        except SyntaxError:
            raise MiceSimError(f"The formula of '{name}' is not arithmetic: {text!r}.") from None
        parents: list[str] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                if node.id not in columns:
                    raise MiceSimError(
                        f"The formula of '{name}' names the unknown column '{node.id}'{nearest(node.id, columns)}"
                    )
                parents.append(node.id)
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
        return cls(name, str(text), tuple(dict.fromkeys(parents)), tree)

    def evaluate(self, values: dict[str, np.ndarray]) -> np.ndarray:
        """Return the formula's value for arrays by column name; raises MiceSimError if not finite."""
        with np.errstate(all="ignore"):
            result = np.asarray(_evaluate(self.tree, values), dtype=float)
        if not np.isfinite(result).all():
            raise MiceSimError(
                f"The derived column '{self.name}' ({self.text}) is not finite in "
                f"{int((~np.isfinite(result)).sum())} rows; check for a division by zero."
            )
        return result


def _evaluate(node: ast.expr, values: dict[str, np.ndarray]):
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)](_evaluate(node.left, values), _evaluate(node.right, values))
    if isinstance(node, ast.UnaryOp):
        return _UNARY[type(node.op)](_evaluate(node.operand, values))
    if isinstance(node, ast.Name):
        return values[node.id]
    assert isinstance(node, ast.Constant)
    return np.float64(node.value)  # type: ignore[arg-type]
