"""The analyses of a study: each turns data sets into blocks of rows, alone or pooled over m sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mice_sim.analysis import MIXED, MODELS, Estimates, ModelFormula, Statistics
from mice_sim.analysis import descriptives as d
from mice_sim.analysis.discrimination import CONFUSION, discriminate
from mice_sim.assessment.cells import check_groups
from mice_sim.assessment.data import Assessed, differ
from mice_sim.assessment.disclosure import ATTRIBUTE, IDENTITY, measures
from mice_sim.assessment.summary import UTILITY, utility
from mice_sim.data import Column, Table
from mice_sim.errors import MiceSimError, nearest
from mice_sim.origin import Origin
from mice_sim.pooling import INFERENCE, Rule, default_rule, get_rule, inference, pool, pool_statistics
from mice_sim.registry import register
from mice_sim.study.populations import Population

STATISTICS_POOLS: dict[str, tuple[Callable | None, Callable | None]] = {
    "mean": (None, None),
    "fisher_z": (np.arctanh, np.tanh),
}

ALL_COLUMNS = "(all columns)"
AUTO = "auto"  # the rule for sets that are made as they are

# Of the disclosure measures those that are never undefined.
DISCLOSURE = ("repU", "iS", "DiS", "DiSCO", "DiSDiO", "CAPd", "DCAP")

STATISTICS = {"descriptives": d.describe, "counts": d.counts, "correlations": d.correlations}


@dataclass(frozen=True)
class Block:
    """The rows of one analysis: every statistic of every term, statistic by statistic."""

    analysis: str
    terms: tuple[str, ...]
    statistics: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.terms) * len(self.statistics)


# The values of a block and their variances over new syntheses of the same sample, both (block.size,).
Values = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Sets:
    """What a method made of a sample: `values` (sets, columns, rows) of `sample` (columns, rows), and how."""

    values: np.ndarray
    sample: np.ndarray
    origin: Origin


class Analysis(Protocol):
    """`blocks` says which rows an analysis gives; one that is not `on_single` needs synthetic sets.

    `rule` is the combining rule, or None where plain averages are taken.
    """

    @property
    def blocks(self) -> tuple[Block, ...]: ...

    @property
    def rule(self) -> Rule | None: ...

    on_single: bool

    def single(self, values: np.ndarray) -> Values: ...

    def pooled(self, made: Sets, rng: np.random.Generator) -> list[Values]: ...


class StatisticsAnalysis:
    """Descriptive statistics, averaged over the sets, on Fisher's z scale if asked."""

    on_single = True
    rule = None

    def __init__(self, name: str, compute: Callable[[np.ndarray], Statistics], truth: Table, pool_name: str):
        if pool_name not in STATISTICS_POOLS:
            raise MiceSimError(
                f"pooling.{name} is '{pool_name}', which can't pool statistics"
                + nearest(pool_name, list(STATISTICS_POOLS))
            )
        self._compute, self._scale = compute, STATISTICS_POOLS[pool_name]
        example = _checked_statistics(name, compute(truth.values))
        self.blocks = (Block(name, example.terms, tuple(example.values)),)

    def _flat(self, values: np.ndarray) -> np.ndarray:
        return np.concatenate(list(self._compute(values).values.values()))

    def single(self, values: np.ndarray) -> Values:
        flat = self._flat(values)
        return flat, np.zeros_like(flat)

    def pooled(self, made: Sets, rng: np.random.Generator) -> list[Values]:
        return [pool_statistics(np.array([self._flat(values) for values in made.values]), *self._scale)]


def _checked_statistics(name: str, found: Any) -> Statistics:
    """Return what an analysis gave; raises MiceSimError if it is not what one must give."""
    if not isinstance(found, Statistics):
        raise MiceSimError(
            f"analysis.{name} gave {type(found).__name__}, no Statistics; return ms.Statistics(terms, values)."
        )
    for statistic, values in found.values.items():
        if np.shape(values) != (len(found.terms),):
            raise MiceSimError(
                f"analysis.{name} gave {np.size(values)} numbers as {statistic!r} of {len(found.terms)} terms; give "
                "one for each."
            )
    return found


class Model:
    """A regression model of a study. However many rules pool it, sets are fitted once: the last ones are remembered."""

    def __init__(self, kind: str, formula: ModelFormula, truth: Table):
        self._fit, self._formula = MODELS[kind], formula
        original = self._fit(formula, truth.values)
        self.terms, self._start = original.terms, original.estimate
        self._last: tuple[np.ndarray | None, list[Estimates]] = (None, [])

    def of(self, values: np.ndarray) -> Estimates:
        return self._fit(self._formula, values, self._start)

    def of_sets(self, sets: np.ndarray) -> list[Estimates]:
        known, fits = self._last
        if known is not sets:
            fits = [self.of(values) for values in sets]
            self._last = (sets, fits)
        return fits


class ModelAnalysis:
    """A regression model, pooled by an inferential rule; if that is None, by the one for sets made as they are."""

    on_single = True

    def __init__(self, name: str, model: Model, rule: Rule | None, level: float):
        self._model, self.rule, self._level = model, rule, level
        self.blocks = (Block(name, model.terms, INFERENCE),)

    def single(self, values: np.ndarray) -> Values:
        fit = self._model.of(values)
        flat = inference(fit.estimate, fit.variance, np.asarray(fit.df), self._level, fit.scales).ravel()
        return flat, np.zeros_like(flat)

    def pooled(self, made: Sets, rng: np.random.Generator) -> list[Values]:
        rule = self.rule or default_rule(made.origin)
        return [pool_estimates(self._model.of_sets(made.values), rule, self._level, made.origin)]


class CopiesAnalysis:
    """The share of records whose value is the one that the same record has in the sample, by column and in all."""

    on_single = False
    rule = None

    def __init__(self, name: str, truth: Table):
        self.blocks = (Block(name, (*truth.names, ALL_COLUMNS), ("copied",)),)

    def single(self, values: np.ndarray) -> Values:
        raise NotImplementedError("copies are of a sample, in synthetic sets")

    def pooled(self, made: Sets, rng: np.random.Generator) -> list[Values]:
        if made.origin.k != made.origin.n:
            raise MiceSimError("Copies are counted record by record, so sets need as many rows as the sample.")
        equal = made.values == made.sample
        shares = np.concatenate([equal.mean(axis=2), equal.all(axis=1).mean(axis=1)[:, None]], axis=1)
        return [pool_statistics(shares)]


class UtilityAnalysis:
    """How useful the sets are in place of the sample: see `mice_sim.assessment.summary`."""

    on_single = False
    rule = None

    def __init__(self, name: str, truth: Table):
        self._columns = truth.columns
        self.blocks = (Block(name, (ALL_COLUMNS,), UTILITY),)

    def single(self, values: np.ndarray) -> Values:
        raise NotImplementedError("utility is that of synthetic sets")

    def pooled(self, made: Sets, rng: np.random.Generator) -> list[Values]:
        sets = tuple(made.values)
        data = Assessed(self._columns, made.sample, sets, differ(made.sample, sets), made.origin)
        return [pool_statistics(utility(data))]


class DisclosureAnalysis:
    """What some columns of the sets disclose of others in the sample, in percent: see `mice_sim.disclosure`."""

    on_single = False
    rule = None

    def __init__(self, name: str, given: Mapping[str, Any], truth: Table):
        keys, targets, self._groups = given.get("keys"), given.get("targets"), given.get("groups")
        for key, columns in (("keys", keys), *([("targets", targets)] if targets is not None else [])):
            if not isinstance(columns, list | tuple) or not columns:
                raise MiceSimError(f"analysis.{name}.{key} is {columns!r}; give a list of columns.")
            for column in columns:
                truth.index(column)
        assert keys is not None
        check_groups(f"analysis.{name}.groups", self._groups, truth.names)
        self._columns, self._keys = truth.columns, tuple(keys)
        self._targets = tuple(targets or [column for column in truth.names if column not in keys])
        for column in self._targets:
            if column in keys:
                raise MiceSimError(f"analysis.{name} has '{column}' among its keys and its targets; leave out one.")
        self.blocks = (Block(name, self._targets, DISCLOSURE),)

    def single(self, values: np.ndarray) -> Values:
        raise NotImplementedError("disclosure is that of synthetic sets")

    def pooled(self, made: Sets, rng: np.random.Generator) -> list[Values]:
        sets = tuple(made.values)
        data = Assessed(self._columns, made.sample, sets, differ(made.sample, sets), made.origin)
        found = measures(data, self._keys, self._targets, self._groups)
        places = [[*IDENTITY, *ATTRIBUTE].index(name) for name in DISCLOSURE]
        return [pool_statistics(found[:, places].transpose(2, 1, 0).reshape(len(sets), -1))]


class DiscriminationAnalysis:
    """P(record is true) on each synthetic set stacked with the reference data, and its confusion statistics."""

    on_single = False

    def __init__(self, name: str, formula: ModelFormula, truth: Table, rule: Rule, level: float):
        self._formula, self.rule, self._level = formula, rule, level
        self._true = formula.matrix(truth.values)
        self.blocks = (Block(name, formula.names, INFERENCE), Block("confusion", ("all",), CONFUSION))

    def single(self, values: np.ndarray) -> Values:
        raise NotImplementedError("discrimination compares synthetic sets with the reference data")

    def pooled(self, made: Sets, rng: np.random.Generator) -> list[Values]:
        fits, confusions = [], []
        for values in made.values:
            fit, confusion = discriminate(self._formula, self._formula.matrix(values), self._true, rng)
            fits.append(fit)
            confusions.append(np.concatenate(list(confusion.values.values())))
        return [pool_estimates(fits, self.rule, self._level, made.origin), pool_statistics(np.array(confusions))]


def pool_estimates(fits: list[Estimates], rule: Rule, level: float, origin: Origin) -> Values:
    """Pool the fits of sets of this origin; rows as in `INFERENCE`, term by term."""
    q = np.array([fit.estimate for fit in fits])
    u = np.array([fit.variance for fit in fits])
    value, variance = pool(q, u, rule, fits[0].df_residual, level, origin.k / origin.n, origin.r, fits[0].scales)
    return value.ravel(), variance.ravel()


def make(config: Mapping[str, Mapping[str, Any]], pooling: Mapping[str, Any], truth: Table) -> dict[str, Analysis]:
    """Return the analyses that `config` names, in its order.

    `pooling` maps kinds of analyses, and single ones by name, to their rules.
    Raises MiceSimError for an unknown kind, rule or column, or a model that can't be fitted to the data.
    """
    known = [*config, *_kinds(), "level"]
    for name in pooling:
        if name not in known:
            raise MiceSimError(f"pooling names '{name}', which is no analysis{nearest(name, known)}")
    if sum(given.get("kind") == "discrimination" for given in config.values()) > 1:
        raise MiceSimError("A study takes one analysis of kind discrimination; drop the others.")
    models: dict[tuple[str, str], Model] = {}
    return {name: _make(name, given, pooling, truth, models) for name, given in config.items()}


def register_analysis(name: str, function: Callable[[tuple[Column, ...], np.ndarray], Statistics]) -> None:
    """Make `kind: name` an analysis of studies, in this process.

    name : any but those of the package; one of your own is replaced. function : (columns, values) → `Statistics`, where
    values are float64 (columns, rows), factors by level number from 0. Raises MiceSimError if the package has an
    analysis of this name.
    """
    if name not in STATISTICS and name in _kinds():
        raise MiceSimError(f"The package has an analysis '{name}'; choose another name.")
    register(STATISTICS, "an analysis", name, function)


KEYS = ("kind", "formula", "truth", "variants")
# Keys of one kind of analysis.
OWN_KEYS = {"disclosure": ("keys", "targets", "groups")}


def _kinds() -> list[str]:
    return [*STATISTICS, *MODELS, "copies", "utility", "disclosure", "discrimination"]


def _make(
    name: str,
    given: Mapping[str, Any],
    pooling: Mapping[str, Any],
    truth: Table,
    models: dict[tuple[str, str], Model],
) -> Analysis:
    kind, kinds = str(given.get("kind", "")), _kinds()
    if kind not in kinds:
        raise MiceSimError(f"The analysis '{name}' has the unknown kind '{kind}'{nearest(kind, kinds)}")
    keys = (*KEYS, *OWN_KEYS.get(kind, ()))
    for key in given:
        if key not in keys:
            raise MiceSimError(f"The analysis '{name}' has no key '{key}'{nearest(key, keys)}")
    if kind == "copies":
        return CopiesAnalysis(name, truth)
    if kind == "utility":
        return UtilityAnalysis(name, truth)
    if kind == "disclosure":
        return DisclosureAnalysis(name, given, truth)
    pool_name = str(pooling.get(name, pooling.get(kind, AUTO if kind in MODELS else None)))
    if pool_name == "None":
        raise MiceSimError(f"pooling has no rule for the analysis '{name}'; give it one with +pooling.{name}=RULE.")
    if kind in STATISTICS:
        function = STATISTICS[kind]
        return StatisticsAnalysis(name, lambda values: function(truth.columns, values), truth, pool_name)
    if "formula" not in given:
        raise MiceSimError(f"The analysis '{name}' needs a formula, such as 'y ~ x'.")
    text, level = str(given["formula"]), float(pooling["level"])
    rule = None if pool_name == AUTO and kind in MODELS else get_rule(pool_name)
    formula = ModelFormula.parse(text, truth.columns, mixed=kind in MIXED).learn(truth.values)
    if kind == "discrimination":
        return DiscriminationAnalysis(name, formula, truth, get_rule(pool_name), level)
    if (kind, text) not in models:
        models[kind, text] = Model(kind, formula, truth)
    return ModelAnalysis(name, models[kind, text], rule, level)


def chosen(config: Mapping[str, Mapping[str, Any]], methods: Iterable[str]) -> dict[str, list[str]]:
    """Return the analyses of each method: all but those whose `variants` name others.

    Raises MiceSimError for a variant that there is not.
    """
    known = list(methods)
    for name, given in config.items():
        wanted = given.get("variants")
        if wanted is not None and not isinstance(wanted, list | tuple):
            raise MiceSimError(f"analysis.{name}.variants is {wanted!r}; give a list, such as [{known[0]}].")
        for variant in wanted or ():
            if variant not in known:
                raise MiceSimError(f"analysis.{name}.variants names '{variant}'{nearest(str(variant), known)}")
    return {
        method: [name for name, given in config.items() if method in (given.get("variants") or known)]
        for method in known
    }


def true_values(name: str, given: Mapping[str, Any], block: Block, found: np.ndarray, population: Population) -> Values:
    """Return the true values of an analysis's rows: `found` in the reference data, unless they are known better.

    A study gives them as `truth: {term: value}`; a population knows those of its own model. What is known
    exactly has no standard error, and a term that is not named has no truth.
    """
    known = given.get("truth", "reference")
    if known in ("reference", "sample"):
        reference = known == "reference"
        known = population.known_truth(str(given["kind"]), str(given.get("formula", "")))
        if known is None and reference and given["kind"] in MIXED and population.fixed_n:
            raise MiceSimError(
                f"analysis.{name} has no known truth, as the clusters of the reference are those of many samples; give "
                "truth: {term: value}, or the model that the data follow."
            )
        if known is None:
            return found, np.zeros_like(found)
    if not isinstance(known, Mapping):
        raise MiceSimError(f"analysis.{name}.truth is {known!r}; give 'reference', 'sample' or {{term: value}}.")
    if block.statistics != INFERENCE and len(block.statistics) > 1:
        raise MiceSimError(f"analysis.{name} has several statistics a term; its truth is 'reference' or 'sample'.")
    for term in known:
        if term not in block.terms:
            raise MiceSimError(f"analysis.{name}.truth names the term '{term}'{nearest(str(term), block.terms)}")
        if isinstance(known[term], bool) or not isinstance(known[term], int | float):
            raise MiceSimError(f"analysis.{name}.truth.{term} is {known[term]!r}; give a number.")
    # The first statistic of a block is its estimate; others, such as standard errors, have no truth then.
    values = np.full((len(block.statistics), len(block.terms)), np.nan)
    values[0] = [float(known.get(term, np.nan)) for term in block.terms]
    return values.ravel(), np.zeros(block.size)
