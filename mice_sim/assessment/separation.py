"""Models that tell synthetic records from original ones: logistic regression, a tree, or any classifier.

Each is made for two sets of records, and then fitted to as many labellings of these as wanted; `fit` returns every
record's probability of the label 1, first set before second.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import combinations
from typing import Any, Protocol

import numpy as np
from scipy.special import expit

from mice_sim.data import Column, Table
from mice_sim.errors import MiceSimError
from mice_sim.synthesis.design import Design
from mice_sim.synthesis.methods.base import Predictors, Target
from mice_sim.synthesis.methods.cart import Cart
from mice_sim.synthesis.state import WorkingState

BLOCK = 500_000  # numbers of a model matrix that are there at a time
SMALL = 1_000_000  # numbers of a model matrix that is kept whole
MOST_PARAMETERS = 400  # as in synthpop
ROWS_A_PARAMETER = 20  # for interactions that nobody asked for
ALIASED = 1e-9  # a column is redundant if so small a share of its variance is its own
SEPARATED = 30.0  # a linear predictor so large stands for a probability of 0 or 1
MAX_ITERATIONS = 50
DECREMENT = 1e-10
NO_DRAWS = np.random.default_rng(0)  # growing a tree takes none


class Separator(Protocol):
    """df : coefficients that can differ in a right synthesis, None for models without a fixed number of them.
    notes : what the fits met."""

    df: int | None
    notes: list[str]

    def fit(self, label: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray: ...


# ---- logistic regression


class Logistic:
    """Logistic regression on all columns and their products.

    Factors have a column for each level but the first, missing values of numbers an indicator. Columns are centred and
    scaled, and redundant ones left out, which changes no probability.

    columns, drawn : of both sets. order : 0 for no products, 1 for those of two columns, …
    """

    def __init__(
        self,
        columns: tuple[Column, ...],
        drawn: np.ndarray,
        sets: tuple[np.ndarray, np.ndarray],
        order: int | None,
        most: int = MOST_PARAMETERS,
    ):
        self.sets = sets
        self.notes: list[str] = []
        self._coding = [_code(column, [one[j] for one in sets]) for j, column in enumerate(columns)]
        widths = [coding.width for coding in self._coding]
        rows = sum(one.shape[1] for one in sets)
        self.order = self._choose(order, widths, rows, most)
        # Products of columns that were not synthesised come first: what is redundant is then one of the others.
        terms = [t for size in range(1, self.order + 2) for t in combinations(range(len(columns)), size)]
        fixed = [t for t in terms if not drawn[list(t)].any()]
        self.terms = fixed + [t for t in terms if drawn[list(t)].any()]
        n_fixed = 1 + sum(_width(t, widths) for t in fixed)
        self._whole: list[np.ndarray] | None = None
        self._identified = np.full(1 + sum(_width(t, widths) for t in terms), True)
        self._identified = _independent(sum(block.T @ block for block in self._blocks()))
        self.df: int | None = int(self._identified[n_fixed:].sum())
        if rows * self._identified.sum() <= SMALL:
            self._whole = [np.concatenate(list(self._blocks()))]

    def _choose(self, order: int | None, widths: list[int], rows: int, most: int) -> int:
        def parameters(order: int) -> int:
            sizes = range(1, order + 2)
            return 1 + sum(_width(t, widths) for size in sizes for t in combinations(range(len(widths)), size))

        if order is None:
            return int(parameters(1) <= min(most, rows // ROWS_A_PARAMETER))
        if parameters(order) > most:
            raise MiceSimError(
                f"A logistic model with maxorder={order} has {parameters(order)} parameters, more than max_params="
                f"{most}; give a smaller maxorder, fewer columns, or method='cart'."
            )
        return order

    def _blocks(self) -> Iterator[np.ndarray]:
        if self._whole is not None:
            yield from self._whole
            return
        rows = max(BLOCK // self._identified.size, 1)
        for one in self.sets:
            for start in range(0, one.shape[1], rows):
                part = one[:, start : start + rows]
                mains = [coding.matrix(values) for coding, values in zip(self._coding, part, strict=True)]
                products = [reduce(_product, [mains[j] for j in term]) for term in self.terms]
                yield np.concatenate([np.ones((part.shape[1], 1)), *products], axis=1)[:, self._identified]

    def fit(self, label: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Newton's method; a step is halved until the likelihood rises."""
        beta = base = np.zeros(int(self._identified.sum()))
        step, best = base, -np.inf
        for _ in range(MAX_ITERATIONS):
            likelihood, score, information, largest = self._terms(beta, label)
            if likelihood < best - 1e-9 * abs(best):
                step = step / 2
                beta = base + step
                continue
            base, best = beta, likelihood
            if largest > SEPARATED:
                break
            step = np.linalg.lstsq(information, score, rcond=1e-12)[0]
            if step @ score < DECREMENT:
                return self._probability(base + step)
            beta = base + step
        self._note("separated records: the logistic fit has no finite maximum, so pMSE has no known expectation")
        return self._probability(base)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _terms(self, beta: np.ndarray, label: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, float]:
        likelihood, largest, start = 0.0, 0.0, 0
        score, information = np.zeros(beta.size), np.zeros((beta.size, beta.size))
        for x in self._blocks():
            y = label[start : start + len(x)]
            start += len(x)
            eta = x @ beta
            p = expit(eta)
            likelihood += float(y @ eta - np.logaddexp(0, eta).sum())
            largest = max(largest, float(np.abs(eta).max()))
            score += x.T @ (y - p)
            information += (x * (p * (1 - p))[:, None]).T @ x
        return likelihood, score, information, largest

    def _probability(self, beta: np.ndarray) -> np.ndarray:
        return np.concatenate([expit(x @ beta) for x in self._blocks()])


class _Factor:
    def __init__(self, levels: int, rows: list[np.ndarray]):
        # Missing values are a level of their own, the first one.
        place = [np.where(np.isnan(values), 0, values + 1).astype(int) for values in rows]
        counts = np.sum([np.bincount(one, minlength=levels + 1) for one in place], axis=0)
        self._present = np.flatnonzero(counts)[1:]
        self._shares = counts[self._present] / counts.sum()
        self.width = self._present.size

    def matrix(self, values: np.ndarray) -> np.ndarray:
        place = np.where(np.isnan(values), 0, values + 1)
        return ((place[:, None] == self._present) - self._shares) / np.sqrt(self._shares * (1 - self._shares))


class _Number:
    def __init__(self, rows: list[np.ndarray]):
        values = np.concatenate(rows)
        holes = np.isnan(values)
        self._holes, present = bool(holes.any()), values[~holes]
        self._mean = float(present.mean()) if present.size else 0.0
        self._scale = float(present.std()) or 1.0 if present.size else 1.0
        self.width = 1 + self._holes

    def matrix(self, values: np.ndarray) -> np.ndarray:
        holes = np.isnan(values)
        scaled = np.where(holes, 0.0, (values - self._mean) / self._scale)
        return np.column_stack([scaled, holes]) if self._holes else scaled[:, None]


def _code(column: Column, rows: list[np.ndarray]) -> _Factor | _Number:
    return _Number(rows) if column.levels is None else _Factor(column.n_levels, rows)


def _width(term: tuple[int, ...], widths: list[int]) -> int:
    return int(np.prod([widths[j] for j in term]))


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)


def _independent(gram: np.ndarray) -> np.ndarray:
    """Return which columns are no combination of those before them, bool (p,), from X'X."""
    size = np.sqrt(np.diagonal(gram))
    scaled = gram / np.outer(np.where(size > 0, size, 1), np.where(size > 0, size, 1))
    independent = np.full(len(gram), False)
    root = np.zeros_like(gram)  # of the columns found so far, one a row
    for j in range(len(gram)):
        known = root[independent]
        own = scaled[j, j] - known[:, j] @ known[:, j]
        if own > ALIASED:
            root[j] = (scaled[j] - known[:, j] @ known) / np.sqrt(own)
            independent[j] = True
    return independent


# ---- trees and classifiers


class Tree:
    """A classification tree as rpart grows it; a record's probability is the share of ones in its leaf."""

    df: int | None = None

    def __init__(self, columns: tuple[Column, ...], sets: tuple[np.ndarray, np.ndarray], minbucket: int, cp: float):
        self.notes: list[str] = []
        table = _without_holes(columns, sets)
        self._method = Cart(minbucket=minbucket, cp=cp)
        design = Design.of(table.columns)
        rows = np.arange(table.n_rows, dtype=np.uint32)
        every = np.full(len(design.names), True)
        self._predictors = Predictors(WorkingState(table, design, copy=False), every, rows, ~every)

    def fit(self, label: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        side = Column("synthetic", "binary", ("no", "yes"), None)
        leaf = self._method.fit(Target(side, label, self._predictors.rows), self._predictors, NO_DRAWS).leaf
        assert leaf is not None
        return (np.bincount(leaf, label) / np.maximum(np.bincount(leaf), 1))[leaf]


class Classifier:
    """A classifier of scikit-learn, fitted to columns coded as for `Logistic` without products.

    folds : probabilities are those of models that did not see the record, so many of them; 0 for in-sample ones.
    """

    df: int | None = None

    def __init__(self, columns: tuple[Column, ...], sets: tuple[np.ndarray, np.ndarray], given: Any, folds: int):
        self.notes: list[str] = []
        self._given, self._folds = given, folds
        coding = [_code(column, [one[j] for one in sets]) for j, column in enumerate(columns)]
        self._x = np.concatenate([
            np.concatenate([c.matrix(values) for c, values in zip(coding, one, strict=True)], axis=1) for one in sets
        ])  # fmt: skip

    def fit(self, label: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        from sklearn.base import clone
        from sklearn.model_selection import StratifiedKFold, cross_val_predict

        model = clone(self._given)
        seed = int((rng or NO_DRAWS).integers(2**31))
        if "random_state" in model.get_params() and model.get_params()["random_state"] is None:
            model.set_params(random_state=seed)
        if self._folds == 0:
            return model.fit(self._x, label).predict_proba(self._x)[:, 1]
        split = StratifiedKFold(self._folds, shuffle=True, random_state=seed)
        return cross_val_predict(model, self._x, label, cv=split, method="predict_proba")[:, 1]


def _without_holes(columns: tuple[Column, ...], sets: tuple[np.ndarray, np.ndarray]) -> Table:
    """Return both sets as one table; missing values are a level, or an indicator beside the mean."""
    holed = [any(np.isnan(rows[j]).any() for rows in sets) for j in range(len(columns))]
    indicated = sum(hole and column.levels is None for hole, column in zip(holed, columns, strict=True))
    values = np.empty((len(columns) + indicated, sum(rows.shape[1] for rows in sets)))
    found: list[Column] = []
    for j, column in enumerate(columns):
        one = np.concatenate([rows[j] for rows in sets], out=values[len(found)])
        found.append(column)
        holes = np.isnan(one) if holed[j] else np.zeros(0, bool)
        if holed[j] and column.levels is not None:
            levels = (*column.levels, ("missing",))  # a tuple is no level of the data
            found[-1] = Column(column.name, "unordered", levels, None)
            one[holes] = column.n_levels
        elif holed[j]:
            one[holes] = one[~holes].mean() if not holes.all() else 0.0
            values[len(found)] = holes
            found.append(Column(f"{column.name} is missing", "binary", ("no", "yes"), None))
    return Table(tuple(found), values)
