"""Model formulas as R reads them: names are looked up, functions are from a list, nothing is evaluated as code."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numba import njit

from mice_sim.data.bases import Basis, Polynomials, Powers, Spline
from mice_sim.data.expressions import (
    FUNCTIONS,
    Arithmetic,
    Binary,
    Call,
    Name,
    Node,
    Number,
    Parentheses,
    Sign,
    column_number,
    read_formula,
)
from mice_sim.data.table import Column
from mice_sim.errors import MiceSimError, nearest

MOST_TERMS = 20_000
MOST_PAIRS = 2_000_000
_AS_FACTOR = ("C", "factor", "as.factor")
# What poly, ns and bs take after their variable.
_ARGUMENTS = {
    "poly": ("degree", "raw"),
    "ns": ("df", "knots", "intercept", "Boundary.knots"),
    "bs": ("df", "knots", "degree", "intercept", "Boundary.knots"),
}
_INTERCEPT: frozenset[str] = frozenset()
_BARS = ("|", "||")
_CONSTANTS = (Number(0), Number(1))

Term = frozenset[str]


class NotFinite(MiceSimError):
    """A transformation has no value in some row: the logarithm of 0, a division by 0."""


@dataclass(frozen=True)
class Variable:
    """What a term multiplies: a column, or rows that are computed from columns.

    label : as R prints it. column : the number of a column that is used as it is, or None. arithmetic : what is
    computed, where it is not. basis : the curves that the result is spread on, if any.
    """

    label: str
    column: int | None = None
    arithmetic: Arithmetic | None = None
    basis: Basis | None = None

    @property
    def columns(self) -> tuple[int, ...]:
        """The numbers of the columns it reads."""
        if self.arithmetic is None:
            assert self.column is not None
            return (self.column,)
        return self.arithmetic.columns

    @property
    def width(self) -> int:
        return 1 if self.basis is None else self.basis.width

    @property
    def labels(self) -> list[str]:
        """The names of its computed rows."""
        return [self.label] if self.width == 1 else [f"{self.label}{k + 1}" for k in range(self.width)]

    def evaluate(self, values: np.ndarray) -> np.ndarray:
        """Return its (n,) numbers before the basis; raises NotFinite where the columns are there and it is not."""
        if self.arithmetic is None:
            return values[self.column]
        result = self.arithmetic.evaluate(values)
        wrong = ~np.isfinite(result) & ~np.isnan(values[list(self.columns)]).any(axis=0)
        if wrong.any():
            raise NotFinite(f"'{self.label}' is no finite number in {int(wrong.sum())} rows; transform it otherwise.")
        return result

    def rows(self, values: np.ndarray) -> np.ndarray:
        """Return its (width, n) computed rows; raises MiceSimError if the basis has not learned yet."""
        numbers = self.evaluate(values)
        if self.basis is None:
            return numbers[None]
        if not self.basis.learned:
            raise MiceSimError(f"'{self.label}' depends on the data it was made for; call formula.learn(values) first.")
        return self.basis.rows(numbers)

    def learn(self, values: np.ndarray) -> Variable:
        """Return it with a basis that has learned from the rows where it has a value."""
        if self.basis is None or self.basis.learned:
            return self
        numbers = self.evaluate(values)
        present = numbers[~np.isnan(numbers)]
        if present.size == 0:
            raise MiceSimError(f"'{self.label}' has no value to learn from; its columns are missing in every row.")
        try:
            return replace(self, basis=self.basis.learn(present))
        except MiceSimError as error:
            raise MiceSimError(f"'{self.label}' can't be made: {error}") from None


@dataclass(frozen=True)
class ModelFormula:
    """`y ~ a + b + a:b` on the columns of a table, read and coded as R does.

    Right of the `~`: names (in backticks where needed), + - : * / ^ ** %in% ( ), 1, 0, `.` for all columns that are
    not on the left; I(), log, log2, log10, log1p, sqrt, exp and abs of arithmetic; poly(x, d), ns(x, df) and
    bs(x, df) of one numeric variable; C(f). Left: a column or arithmetic on columns. A mixed model has one random part,
    `(1 + x | g)`, as in lme4.

    Attributes
    ----------
    response : column number of the left-hand side, or None where there is none or it is computed (`left`).
    intercept : whether the model has one.
    terms : per term the numbers of the columns it reads.
    names : the names of the model matrix's columns, as R prints them.
    parts : what each column of the model matrix is the product of, for `model_matrix`; computed rows follow the
        columns of the table.
    computed : the variables that are not columns. left : the response, or None.
    random : of a mixed model, the formula left of its bar. group : the number of the column right of it, whose values
        number the clusters, be they levels or not.
    """

    text: str
    response: int | None
    intercept: bool
    terms: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    parts: tuple[np.ndarray, np.ndarray, np.ndarray]
    computed: tuple[Variable, ...] = ()
    left: Variable | None = None
    random: ModelFormula | None = None
    group: int | None = None

    @classmethod
    def parse(cls, text: str, columns: tuple[Column, ...], mixed: bool = False) -> ModelFormula:
        """Read a formula; raises MiceSimError for an unknown column or function and for what can't be read.

        mixed : whether it is of a mixed model, and so has a random part; else it must have none.
        """
        left_tree, right_tree = read_formula(text)
        try:
            left = None if left_tree is None else _response(left_tree, columns)
            fixed_tree, bars = _split(right_tree)
            if not bars:
                plain = cls._of(text, left, right_tree, columns)
                if not mixed:
                    return plain
                raise MiceSimError("there is no random part; add one, such as (1 | school), or fit a plain model.")
            if not mixed:
                raise MiceSimError(f"'({bars[0]})' is a random part; fit a mixed model, such as model='mixed'.")
            random_tree, group = _random(bars, left, columns)
            fixed = cls._of(text, left, fixed_tree, columns, group)
            random = cls._of(str(random_tree), left, random_tree, columns, group)
        except MiceSimError as error:
            raise MiceSimError(f"In the formula {text!r}, {error}") from None
        if not random.names:
            raise MiceSimError(f"In the formula {text!r}, the random part has no term; write (1 | g).")
        return replace(fixed, random=random, group=group)

    @classmethod
    def _of(
        cls, text: str, left: Variable | None, tree: Node, columns: tuple[Column, ...], group: int | None = None
    ) -> ModelFormula:
        """Read a right-hand side; a dot stands for all columns but those on the left and `group`."""
        terms = _Terms(columns, left, group)
        terms.read(tree)
        coded = terms.coded()
        computed = tuple(v for v in terms.variables.values() if v.arithmetic is not None)
        widths = [0, *itertools.accumulate(variable.width for variable in computed)]
        first = {variable.label: len(columns) + at for variable, at in zip(computed, widths[:-1], strict=True)}
        products = [product for term in coded for product in _products(term, columns, first)]
        intercept = terms.intercept
        return cls(
            text=text,
            response=left.column if left is not None else None,
            intercept=intercept,
            terms=tuple(tuple(dict.fromkeys(j for v, _ in term for j in v.columns)) for term in coded),
            names=("(Intercept)",) * intercept + tuple(":".join(part[0] for part in product) for product in products),
            columns=columns,
            parts=_parts([()] * intercept + products, columns),
            computed=computed,
            left=left,
        )

    @cached_property
    def right(self) -> list[int]:
        """The numbers of the columns on the right-hand side."""
        return sorted({j for term in self.terms for j in term})

    @cached_property
    def used(self) -> list[int]:
        """The numbers of the columns that the formula names."""
        left = () if self.left is None else self.left.columns
        random = () if self.random is None or self.group is None else (*self.random.right, self.group)
        return sorted({*self.right, *left, *random})

    def learn(self, values: np.ndarray) -> ModelFormula:
        """Return the formula with the knots and centres of its poly, ns and bs learned from `values` (columns, n).

        Missing values are left out, and what was learned before stays. A formula without such terms is returned
        as it is. Raises MiceSimError where the values are too few or too alike.
        """
        learned = tuple(variable.learn(values) for variable in self.computed)
        random = None if self.random is None else self.random.learn(values)
        same = random is self.random and all(new is old for new, old in zip(learned, self.computed, strict=True))
        return self if same else replace(self, computed=learned, random=random)

    @property
    def bases(self) -> tuple[Basis | None, ...]:
        """What was learned, for keeping it without the data."""
        return tuple(variable.basis for variable in self.computed)

    def with_bases(self, bases: Sequence[Basis | None]) -> ModelFormula:
        """Return the formula with what another one of the same text learned."""
        pairs = zip(self.computed, bases, strict=True)
        return replace(self, computed=tuple(replace(variable, basis=basis) for variable, basis in pairs))

    def matrix(self, values: np.ndarray) -> np.ndarray:
        """Return the model matrix (n × len(names)) of `values` (columns, n); NaN where a part is missing.

        Raises NotFinite for a transformation without a value, MiceSimError for a basis that has not learned.
        """
        if self.computed:
            values = np.concatenate([values, *(variable.rows(values) for variable in self.computed)])
        return model_matrix(values, *self.parts)

    def respond(self, values: np.ndarray) -> np.ndarray:
        """Return the response (n,) of `values` (columns, n)."""
        assert self.left is not None
        return self.left.evaluate(values)


# ---- terms


class _Terms:
    """The right-hand side: its variables in order of appearance, and its terms as sets of them."""

    def __init__(self, columns: tuple[Column, ...], left: Variable | None, group: int | None = None):
        self.columns, self.left, self.group = columns, left, group
        self.variables: dict[str, Variable] = {}
        self.terms: list[Term] = []

    @property
    def intercept(self) -> bool:
        return _INTERCEPT in self.terms

    def read(self, tree: Node) -> None:
        """Go through the sum from left to right; `+ 0` and `- 1` take the intercept away."""
        self.terms = [_INTERCEPT]
        for sign, node in _summands(tree):
            zero = node == Number(0)
            found = [_INTERCEPT] if zero else self.expand(node)
            self.terms = _union(self.terms, found) if (sign == "+") != zero else _without(self.terms, found)

    def coded(self) -> list[list[tuple[Variable, bool]]]:
        """Return the variables of each term, by degree, each with whether it takes part with all its levels.

        A factor enters a term by its contrasts where an earlier term holds the rest of the term, and else by all
        its levels (Chambers & Hastie 1992, Statistical Models in S, p. 38). Without an intercept, the first
        factor has all its levels.
        """
        terms = sorted((term for term in self.terms if term), key=len)
        order = {label: position for position, label in enumerate(self.variables)}
        full_left = not self.intercept
        coded: list[list[tuple[Variable, bool]]] = []
        seen: set[Term] = set()
        for t, term in enumerate(terms):
            members = []
            for label in sorted(term, key=order.__getitem__):
                rest = term - {label}
                full = bool(rest) and rest not in seen and not any(rest <= earlier for earlier in terms[:t])
                if full_left and self._is_factor(label):
                    full, full_left = True, False
                members.append((self.variables[label], full))
            coded.append(members)
            seen.add(term)
        return coded

    def _is_factor(self, label: str) -> bool:
        column = self.variables[label].column
        return column is not None and self.columns[column].is_factor

    def expand(self, node: Node) -> list[Term]:
        """Return the terms that part of the right-hand side stands for."""
        match node:
            case Number(value=1):
                return [_INTERCEPT]
            case Name(name=".", quoted=False):
                taken = () if self.left is None else self.left.columns
                others = [c.name for j, c in enumerate(self.columns) if j not in taken and j != self.group]
                return [term for name in others for term in self._variable(Name(name, quoted=True))]
            case Name() | Call():
                return self._variable(node)
            case Parentheses():
                return self.expand(node.inner)
            case Binary() if node.operator in _BARS:
                raise MiceSimError(f"'({node})' is a random part, which can only be added; write + ({node}).")
            case Binary():
                return self._combine(node)
        raise MiceSimError(f"'{node}' stands where a column should; put arithmetic into I().")

    def _combine(self, node: Binary) -> list[Term]:
        if node.operator == "^":
            return self._power(node)
        left, right = self.expand(node.left), self.expand(node.right)
        match node.operator:
            case "+":
                return _union(left, right)
            case "-":
                return _without(left, right)
            case "*":
                return _union(_union(left, right), _cross(left, right))
            case "/" if left:
                return _union(left, _cross([frozenset().union(*left)], right))
            case "%in%":
                return _cross(left, [frozenset().union(*right)])
        return _cross(left, right)

    def _power(self, node: Binary) -> list[Term]:
        if not isinstance(node.right, Number) or node.right.value < 1 or node.right.value % 1:
            raise MiceSimError(f"'{node}' needs a whole number as its power; put arithmetic into I().")
        base = self.expand(node.left)
        found = base
        for _ in range(int(node.right.value) - 1):
            more = _cross(base, found)  # which holds the base, each term times itself, in R's order
            if len(more) == len(found):
                return more
            found = more
        return found

    def _variable(self, node: Name | Call) -> list[Term]:
        variable = _variable(node, self.columns)
        if self.left is not None and variable.label == self.left.label:
            raise MiceSimError(f"'{variable.label}' is on both sides; leave it out on the right.")
        self.variables.setdefault(variable.label, variable)
        return [frozenset([variable.label])]


def _summands(tree: Node, sign: str = "+") -> list[tuple[str, Node]]:
    if isinstance(tree, Parentheses) and sign == "+":
        return _summands(tree.inner)
    if isinstance(tree, Sign):
        return [("-" if (tree.sign == "-") != (sign == "-") else "+", tree.of)]
    if isinstance(tree, Binary) and tree.operator in ("+", "-") and sign == "+":
        right = _summands(tree.right, tree.operator)
        if isinstance(tree.right, Parentheses) and any(s == "-" and n not in _CONSTANTS for s, n in right):
            right = [(tree.operator, tree.right)]  # in a + (b - a), nothing is taken from the first a
        return _summands(tree.left) + right
    return [(sign, tree)]


def _union(left: list[Term], right: list[Term]) -> list[Term]:
    return list(dict.fromkeys([*left, *right]))


def _without(left: list[Term], right: list[Term]) -> list[Term]:
    return [term for term in left if term not in right]


def _cross(left: list[Term], right: list[Term]) -> list[Term]:
    if len(left) * len(right) > MOST_PAIRS:
        raise MiceSimError(f"it has more than {MOST_TERMS} terms; leave out interactions.")
    found = list(dict.fromkeys(a | b for a in left for b in right))
    if len(found) > MOST_TERMS:
        raise MiceSimError(f"it has more than {MOST_TERMS} terms; leave out interactions.")
    return found


# ---- the random part of a mixed model


def _split(tree: Node) -> tuple[Node, list[Binary]]:
    """Take the parts in parentheses with a bar out of a sum; return the rest (1 if nothing is left) and them."""
    if isinstance(tree, Binary) and tree.operator in _BARS:
        raise MiceSimError(f"'{tree}' lacks parentheses; write ({tree}).")
    kept: list[tuple[str, Node]] = []
    bars: list[Binary] = []
    for sign, node in _summands(tree):
        if isinstance(node, Binary) and node.operator in _BARS:
            bars.append(node)
        else:
            kept.append((sign, node))
    if not bars:
        return tree, bars
    rest: Node = Number(1.0)
    for position, (sign, node) in enumerate(kept):
        first = position == 0 and sign == "+"
        rest = node if first else Binary(sign, rest, node)
    return rest, bars


def _random(bars: list[Binary], left: Variable | None, columns: tuple[Column, ...]) -> tuple[Node, int]:
    """Return the terms left of the one bar and the number of the grouping column right of it."""
    if len(bars) > 1:
        raise MiceSimError(
            f"there are {len(bars)} random parts, but mixed models have one here; put all terms into one, (1 + x | g)."
        )
    bar = bars[0]
    if bar.operator == "||":
        raise MiceSimError(f"'{bar}' asks for uncorrelated effects, which are not fitted; write one bar.")
    if not isinstance(bar.right, Name):
        raise MiceSimError(
            f"'{bar.right}' groups by more than a column, which is not fitted; make one column that numbers the groups."
        )
    group = column_number(bar.right, [column.name for column in columns])
    if left is not None and group in left.columns:
        raise MiceSimError(f"'{bar.right}' is the response and the grouping; group by another column.")
    return bar.left, group


# ---- variables


def _response(tree: Node, columns: tuple[Column, ...]) -> Variable:
    names = [column.name for column in columns]
    if isinstance(tree, Parentheses):
        return _response(tree.inner, columns)
    if isinstance(tree, Binary) and tree.operator == "+":
        raise MiceSimError(f"there is more than one response, '{tree}'; give one, or a sum as I({tree}).")
    if isinstance(tree, Name):
        return Variable(str(tree), column_number(tree, names))
    return Variable(str(tree), arithmetic=_arithmetic(tree, columns))


def _variable(node: Name | Call, columns: tuple[Column, ...]) -> Variable:
    names = [column.name for column in columns]
    if isinstance(node, Name):
        return Variable(str(Name(node.name, quoted=True)), column_number(node, names))
    if node.function in _AS_FACTOR:
        return _as_factor(node, columns)
    if node.function in _ARGUMENTS:
        if not node.arguments:
            raise MiceSimError(f"'{node}' names no variable; write {node.function}(x, 3).")
        return Variable(str(node), arithmetic=_arithmetic(node.arguments[0], columns), basis=_basis(node))
    if node.function not in FUNCTIONS:
        known = (*FUNCTIONS, *_ARGUMENTS, "C")
        raise MiceSimError(f"'{node}' calls an unknown function{nearest(node.function, known)}")
    return Variable(str(node), arithmetic=_arithmetic(node, columns))


def _as_factor(node: Call, columns: tuple[Column, ...]) -> Variable:
    if len(node.arguments) != 1 or node.named or not isinstance(node.arguments[0], Name):
        raise MiceSimError(f"'{node}' has the wrong arguments; write {node.function}(x) of a column.")
    position = column_number(node.arguments[0], [column.name for column in columns])
    if not columns[position].is_factor:
        raise MiceSimError(
            f"'{node}' makes a factor of the continuous column '{columns[position].name}'; "
            "convert it with astype('category') before."
        )
    return Variable(str(node), position)


def _arithmetic(tree: Node, columns: tuple[Column, ...]) -> Arithmetic:
    arithmetic = Arithmetic.of(tree, [column.name for column in columns])
    for j in arithmetic.columns:
        if columns[j].is_factor:
            raise MiceSimError(
                f"'{tree}' calculates with the {columns[j].kind} column '{columns[j].name}'; use numbers."
            )
    return arithmetic


def _basis(call: Call) -> Basis:
    """Return the basis that poly, ns or bs asks for, with R's arguments and defaults."""
    allowed = _ARGUMENTS[call.function]
    # R takes poly's raw by name only.
    positional = allowed[:1] if call.function == "poly" else allowed
    if len(call.arguments) - 1 > len(positional):
        raise MiceSimError(f"'{call}' has too many arguments; it takes one variable and {', '.join(allowed)}.")
    given = dict(zip(positional, call.arguments[1:], strict=False)) | dict(call.named)
    for name in given:
        if name not in allowed or name == "intercept":
            raise MiceSimError(
                f"'{call}' has the unknown argument '{name}'; {call.function} takes {', '.join(allowed)}."
            )
    if call.function == "poly":
        width = _whole(call, given.get("degree"), 1)
        return Powers(width) if _truth(call, given.get("raw")) else Polynomials(width)
    natural = call.function == "ns"
    degree = _whole(call, given.get("degree"), 3)
    fewest = 1 if natural else degree
    knots, boundary = _numbers(call, given.get("knots")), _numbers(call, given.get("Boundary.knots"))
    if knots is not None and "df" in given:
        raise MiceSimError(f"'{call}' has both df and knots; give one of them.")
    width = _whole(call, given.get("df"), fewest) if knots is None else fewest + knots.size
    if width < fewest:
        raise MiceSimError(f"'{call}' has too few degrees of freedom; give df = {fewest} or more.")
    if boundary is not None and boundary.size != 2:
        raise MiceSimError(f"'{call}' needs two boundary knots; write Boundary.knots = c(0, 1).")
    return Spline(width, natural, degree, knots, boundary)


def _whole(call: Call, node: Node | None, default: int) -> int:
    if node is None:
        return default
    if not isinstance(node, Number) or node.value % 1 or not 1 <= node.value <= 100:
        raise MiceSimError(f"'{call}' has '{node}' where a whole number from 1 to 100 should be.")
    return int(node.value)


def _truth(call: Call, node: Node | None) -> bool:
    if node is not None and str(node) not in ("TRUE", "FALSE"):
        raise MiceSimError(f"'{call}' has '{node}' where TRUE or FALSE should be.")
    return str(node) == "TRUE"


def _numbers(call: Call, node: Node | None) -> np.ndarray | None:
    if node is None:
        return None
    members = node.arguments if isinstance(node, Call) and node.function == "c" and not node.named else (node,)
    found = []
    for member in members:
        number = member.of if isinstance(member, Sign) else member
        if not isinstance(number, Number):
            raise MiceSimError(f"'{call}' has '{member}' where a number should be.")
        found.append(-number.value if isinstance(member, Sign) and member.sign == "-" else number.value)
    return np.sort(found)


# ---- the model matrix

# One factor of a product: its name, the row it is in, and its value for each level of a factor (None for numbers).
_Part = tuple[str, int, np.ndarray | None]


def _products(
    term: list[tuple[Variable, bool]], columns: tuple[Column, ...], first: dict[str, int]
) -> list[tuple[_Part, ...]]:
    """Return what the term's columns of the model matrix are products of; R runs through the first factor fastest.

    first : the row where each computed variable begins.
    """
    choices = [_choices(variable, full, columns, first) for variable, full in term]
    return [tuple(reversed(product)) for product in itertools.product(*reversed(choices))]


def _choices(variable: Variable, full: bool, columns: tuple[Column, ...], first: dict[str, int]) -> list[_Part]:
    if variable.column is None:
        return [(label, first[variable.label] + k, None) for k, label in enumerate(variable.labels)]
    column = columns[variable.column]
    if not column.is_factor:
        return [(variable.label, variable.column, None)]
    if full:
        labels, scores = list(map(str, column.levels or ())), np.eye(column.n_levels)
    else:
        found, scores = column.contrasts()
        labels = [label[len(column.name) :] for label in found]
    return [(variable.label + label, variable.column, s) for label, s in zip(labels, scores.T, strict=True)]


def _parts(
    products: Sequence[tuple[_Part, ...]], columns: tuple[Column, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the products as arrays for `model_matrix`."""
    shape = (len(products), max((len(product) for product in products), default=0))
    source = np.full(shape, -1, np.int64)
    is_factor = np.zeros(shape, bool)
    score = np.zeros((*shape, max((column.n_levels for column in columns), default=0)))
    for c, product in enumerate(products):
        for part, (_, row, scores) in enumerate(product):
            source[c, part], is_factor[c, part] = row, scores is not None
            if scores is not None:
                score[c, part, : scores.size] = scores
    return source, is_factor, score


@njit(cache=True, nogil=True)
def model_matrix(values: np.ndarray, source: np.ndarray, is_factor: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return the (n, p) matrix whose column c is the product of its parts; a column without parts is 1.

    values : float64 (rows, n); where a part is missing, so is the product. source : (p, parts), the row behind
    each part, −1 for none. is_factor : (p, parts). score : (p, parts, levels), the contrast's value of each level.
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
