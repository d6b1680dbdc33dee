"""R's expressions: read into a tree, written as R writes them, and worked out. Nothing is ever run as code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mice_sim.errors import MiceSimError, nearest

FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "I": np.positive,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "abs": np.abs,
}
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
}
# How tightly each operator binds, the sign −x between ^ and `:`; see R's ?Syntax.
_BINDING = {"|": 0.5, "||": 0.5, "+": 1, "-": 1, "*": 2, "/": 2, "%in%": 3, ":": 4, "^": 6}
_SIGN = 5
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|`(?P<quoted>(?:[^`\\]|\\.)+)`"
    r"|(?P<name>(?:[^\W\d]|\.)[\w.]*)"
    r"|(?P<sign>\*\*|%in%|\|\||[-+*/^:()~,=|]))"
)
_SYNTACTIC = re.compile(r"(?:[^\W\d_]|\.(?![\d]))[\w.]*\Z")
_RESERVED = {
    "if", "else", "repeat", "while", "function", "for", "next", "break", "in",
    "TRUE", "FALSE", "NULL", "Inf", "NaN", "NA",
}  # fmt: skip


@dataclass(frozen=True)
class Name:
    """A column, or a bare TRUE, FALSE or `.`. quoted : written in backticks, so that it is a column in any case."""

    name: str
    quoted: bool = False

    def __str__(self) -> str:
        return self.name if self.name in (".", "TRUE", "FALSE") and not self.quoted else quote(self.name)


@dataclass(frozen=True)
class Number:
    """A number."""

    value: float

    def __str__(self) -> str:
        """Return the shorter of the fixed and the scientific notation, at 15 digits, as R does."""
        digits, exponent = f"{self.value:.14e}".split("e")
        digits = digits.rstrip("0").rstrip(".")
        scientific = f"{digits}e{int(exponent):+03d}"
        decimals = max(len(digits.replace(".", "")) - 1 - int(exponent), 0)
        fixed = f"{self.value:.{decimals}f}"
        return fixed if len(fixed) <= len(scientific) else scientific


@dataclass(frozen=True)
class Sign:
    """−x or +x."""

    sign: str
    of: Node

    def __str__(self) -> str:
        return f"{self.sign}{self.of}"


@dataclass(frozen=True)
class Binary:
    """Two parts and the operator between them."""

    operator: str
    left: Node
    right: Node

    def __str__(self) -> str:
        space = "" if self.operator in "/^:" else " "
        return f"{self.left}{space}{self.operator}{space}{self.right}"


@dataclass(frozen=True)
class Parentheses:
    """An expression in parentheses; they are kept because R keeps them in names."""

    inner: Node

    def __str__(self) -> str:
        return f"({self.inner})"


@dataclass(frozen=True)
class Call:
    """A function of arguments; `named` are those written name = value."""

    function: str
    arguments: tuple[Node, ...]
    named: tuple[tuple[str, Node], ...]

    def __str__(self) -> str:
        parts = [*map(str, self.arguments), *(f"{name} = {value}" for name, value in self.named)]
        return f"{self.function}({', '.join(parts)})"


Node = Name | Number | Sign | Binary | Parentheses | Call


def quote(name: str) -> str:
    """Return how a column is written in a formula: in backticks unless R could read the bare name."""
    if _SYNTACTIC.match(name) and name not in _RESERVED and name != ".":
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def read_formula(text: str) -> tuple[Node | None, Node]:
    """Read `left ~ right`, `~ right` or `right`; raises MiceSimError saying where it can't go on."""
    if not isinstance(text, str):
        raise MiceSimError(f"The formula {text!r} is not text; write 'y ~ x'.")
    try:
        return _Reader(text).read()
    except RecursionError:
        raise MiceSimError(f"The formula {text[:40]!r}… can't be read: it is nested too deeply.") from None


class _Reader:
    """Reads by binding strength: a part goes on while operators bind tighter than the one before it."""

    def __init__(self, text: str):
        self.text = text
        self.tokens = list(self._tokens())
        self.at = 0

    def read(self) -> tuple[Node | None, Node]:
        first = None if self._peek() == "~" else self._expression()
        if first is not None and self._peek() != "~":
            left, right = None, first
        else:
            self._take("~")
            left, right = first, self._expression()
        if self._peek() is not None:
            raise self._stuck()
        return left, right

    def _tokens(self) -> Iterator[tuple[str, str]]:
        at = 0
        end = len(self.text.rstrip())
        while at < end:
            found = _TOKEN.match(self.text, at)
            if found is None:
                raise MiceSimError(
                    f"The formula {self.text!r} can't be read from {self.text[at:].strip()!r} on; "
                    "columns with other signs in their names go in backticks."
                )
            kind = str(found.lastgroup)
            yield kind, found[kind]
            at = found.end()

    def _peek(self) -> str | None:
        """Return the operator or parenthesis that comes next, "" for anything else, None at the end."""
        if self.at == len(self.tokens):
            return None
        kind, token = self.tokens[self.at]
        return token.replace("**", "^") if kind == "sign" else ""

    def _take(self, sign: str) -> None:
        if self._peek() != sign:
            raise self._stuck(f"; '{sign}' is missing")
        self.at += 1

    def _stuck(self, why: str = "") -> MiceSimError:
        where = f"at '{self.tokens[self.at][1]}'" if self.at < len(self.tokens) else "at its end"
        return MiceSimError(f"The formula {self.text!r} can't be read {where}{why}.")

    def _expression(self, bound: float = 0) -> Node:
        node = self._part()
        while (sign := self._peek()) and _BINDING.get(sign, 0) > bound:
            self.at += 1
            # Powers group from the right: 2^3^2 is 2^(3^2), and x^-1 takes the sign along.
            node = Binary(sign, node, self._expression(_BINDING[sign] - (sign == "^")))
        return node

    def _part(self) -> Node:
        sign = self._peek()
        if sign in ("+", "-"):
            self.at += 1
            return Sign(sign, self._expression(_SIGN))
        if sign == "(":
            self.at += 1
            inner = self._expression()
            self._take(")")
            return Parentheses(inner)
        if sign != "":
            raise self._stuck()
        kind, token = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return Number(float(token))
        if kind == "quoted":
            return Name(re.sub(r"\\(.)", r"\1", token), quoted=True)
        return self._call(token) if self._peek() == "(" else Name(token)

    def _call(self, function: str) -> Call:
        self._take("(")
        arguments: list[Node] = []
        named: list[tuple[str, Node]] = []
        while self._peek() != ")":
            if arguments or named:
                self._take(",")
            node = self._expression()
            if self._peek() == "=" and isinstance(node, Name):
                self._take("=")
                named.append((node.name, self._expression()))
            else:
                arguments.append(node)
        self._take(")")
        return Call(function, tuple(arguments), tuple(named))


@dataclass(frozen=True)
class Arithmetic:
    """Arithmetic on numeric columns: + - * / ^, parentheses, and the functions of FUNCTIONS.

    columns : the numbers of the columns it reads.
    """

    tree: Node
    names: tuple[str, ...]
    columns: tuple[int, ...]

    @classmethod
    def of(cls, tree: Node, names: Sequence[str]) -> Arithmetic:
        """Check a tree; raises MiceSimError for an unknown column or function, or anything but arithmetic."""
        columns = tuple(dict.fromkeys(_columns(tree, names)))
        if not columns:
            raise MiceSimError(f"'{tree}' names no column; a constant is no predictor.")
        return cls(tree, tuple(names), columns)

    def evaluate(self, values: np.ndarray) -> np.ndarray:
        """Return the (n,) results for `values` (columns, n); NaN where a value is missing or none exists."""
        with np.errstate(all="ignore"):
            return np.asarray(self._value(self.tree, values), dtype=float)

    def _value(self, node: Node, values: np.ndarray) -> np.ndarray | float:
        match node:
            case Name():
                return values[self.names.index(node.name)]
            case Number():
                return node.value
            case Sign():
                value = self._value(node.of, values)
                return -value if node.sign == "-" else value
            case Parentheses():
                return self._value(node.inner, values)
            case Binary():
                return _ARITHMETIC[node.operator](self._value(node.left, values), self._value(node.right, values))
            case Call():
                found = [self._value(argument, values) for argument in node.arguments]
                result = FUNCTIONS[node.function](np.asarray(found[0]))
                return result / np.log(found[1]) if len(found) == 2 else result


def _columns(node: Node, names: Sequence[str]) -> Iterator[int]:
    """Yield the columns that a tree reads, in order; raises MiceSimError for what is not arithmetic."""
    match node:
        case Name():
            yield column_number(node, names)
        case Number():
            pass
        case Sign():
            yield from _columns(node.of, names)
        case Parentheses():
            yield from _columns(node.inner, names)
        case Binary() if node.operator in _ARITHMETIC:
            yield from _columns(node.left, names)
            yield from _columns(node.right, names)
        case Binary():
            raise MiceSimError(f"'{node}' is not arithmetic; use + - * / ^ and parentheses.")
        case Call():
            _check_call(node)
            for argument in node.arguments:
                yield from _columns(argument, names)


def _check_call(call: Call) -> None:
    if call.function not in FUNCTIONS:
        raise MiceSimError(f"'{call}' calls an unknown function{nearest(call.function, tuple(FUNCTIONS))}")
    most = 2 if call.function == "log" else 1
    if call.named or not 1 <= len(call.arguments) <= most:
        raise MiceSimError(f"'{call}' has the wrong arguments; write {call.function}(x).")


def column_number(name: Name, names: Sequence[str]) -> int:
    """Return the position of a column, or raise MiceSimError with the nearest name."""
    if name.name not in names:
        raise MiceSimError(f"there is no column '{name.name}'{nearest(name.name, tuple(names))}")
    return list(names).index(name.name)
