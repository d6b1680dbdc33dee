"""The specification of a synthesis or imputation: everything that can be checked before the first draw."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from mice_sim.data import Table
from mice_sim.data.expressions import quote
from mice_sim.data.formula import ModelFormula
from mice_sim.errors import MiceSimError, nearest
from mice_sim.origin import Mode, Origin
from mice_sim.synthesis import methods, smoothing, twins
from mice_sim.synthesis import predictors as who
from mice_sim.synthesis.clusters import is_constant_within
from mice_sim.synthesis.conditions import Condition, Rule
from mice_sim.synthesis.derived import Constant, Derivation, Expression
from mice_sim.synthesis.design import Design
from mice_sim.synthesis.events import Event
from mice_sim.synthesis.joint.model import JointModel
from mice_sim.synthesis.joint.options import Joint, joint_of
from mice_sim.synthesis.methods import Method
from mice_sim.synthesis.methods._level_2 import shared_values

Where: TypeAlias = str | Sequence[str] | Mapping[str, str] | np.ndarray | pd.DataFrame
CompatRule = Literal["mice-3.13", "mice-3.15"]

MODES = ("impute", "linked", "sequential")
RULES = ("mice-3.13", "mice-3.15")
WHERE = ("all", "missing", "observed", "none")
MISSING = ("keep", "one-step", "two-step")
# A formula that is off by less than this share of a column's range is taken to hold: published values are rounded.
ROUNDING = 1e-3


@dataclass(frozen=True)
class Specification:
    """A checked synthesis or imputation; `specify` makes it.

    Attributes
    ----------
    mode : "impute", "linked" or "sequential"; see `Origin`.
    m, maxit : numbers of sets and iterations, ≥ 1. r : syntheses of each imputation, if missing is "two-step".
    missing : what becomes of missing cells in a synthesis: "keep", "one-step" or "two-step".
    methods : the method of each column number that is drawn.
    derived : how each column number that is computed follows from others.
    codes : int8 (columns, columns); row j says what the columns are to column j: 0 nothing, 1 predictors, and to
        methods for two levels 2 with random effects too, 3 with cluster means too, 4 with both.
    cluster : the number of the column that says which cluster a row is in, if there is one.
    formulas : the model of each column number that has one.
    visit_sequence : column numbers in order of visit; in a chain a column may be visited more than once.
    where : a word or a bool array (columns, n): which cells are replaced.
    rule : "mice-3.15" lets predictors see original values in every observed cell; "mice-3.13" lets
        them see derived values in the replaced cells too, from then on and into the next set.
    proper : True if every fit is on a bootstrap sample of the rows where the method draws no parameters.
    bounds : (least, most) of each column number that has them. rules : what holds whatever is drawn.
    ignore : bool (n,), rows that no model learns from. smoothing : how drawn numbers are smoothed, by column number.
    special : the codes that a continuous column number mixes with its numbers, such as 0 or -8.
    strata : column numbers; every combination of their values is synthesised by itself.
    imputation : the specification of the imputations of a two-step synthesis.
    k : rows of a sequential set; None for as many as there are.
    joint : the options of the joint model, if it draws all columns.
    design : how the columns look to models. decisions : what was decided here.
    """

    mode: Mode
    m: int
    maxit: int
    r: int
    missing: str
    methods: Mapping[int, Method]
    derived: Mapping[int, Derivation]
    codes: np.ndarray
    cluster: int | None
    formulas: Mapping[int, ModelFormula]
    visit_sequence: tuple[int, ...]
    where: str | np.ndarray
    rule: CompatRule
    proper: bool
    bounds: Mapping[int, tuple[float, float]]
    rules: tuple[Rule, ...]
    ignore: np.ndarray | None
    smoothing: Mapping[int, str]
    special: Mapping[int, tuple[float, ...]]
    strata: tuple[int, ...]
    imputation: Specification | None
    k: int | None
    joint: Joint | None
    design: Design
    decisions: tuple[Event, ...]

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
        cells = {"all": every, "none": ~every, "missing": ~observed, "observed": observed}[self.where]
        if self.cluster is not None:  # which rows belong together is how the data were collected
            cells = cells & (np.arange(len(cells)) != self.cluster)[:, None]
        return cells

    @property
    def plain(self) -> tuple[int, ...]:
        """The columns that models see as numbers even if they are factors: clusters that predict nothing."""
        return () if self.cluster is None or self.codes[:, self.cluster].any() else (self.cluster,)

    def origin(self, table: Table) -> Origin:
        """Return how sets made of `table` by this specification are made."""
        holes = np.isnan(table.values)
        if self.mode == "impute":
            missing = "imputed"
        elif not holes.any():
            missing = "none"
        else:
            missing = "kept" if self.missing == "keep" else self.missing
        nested = missing == "two-step"
        replaced = self.replaced(~holes)
        if self.cluster is not None:
            replaced = np.delete(replaced, self.cluster, axis=0)
        return Origin(
            mode=self.mode,
            missing=missing,  # type: ignore[arg-type]
            proper=self.proper or all(bool(method.proper) for method in self.methods.values()),
            complete=bool(replaced.all()),
            n=table.n_rows,
            k=(self.k or table.n_rows) if self.mode == "sequential" else table.n_rows,
            m=self.m,
            r=self.r if nested else 1,
        )


def specify(
    table: Table,
    *,
    mode: str = "linked",
    m: int = 5,
    maxit: int = 1,
    method: str | Mapping[str, Any] | Method | None = None,
    predictor_matrix: np.ndarray | pd.DataFrame | Mapping[str, Mapping[str, int]] | None = None,
    formulas: Mapping[str, str] | None = None,
    visit_sequence: str | Sequence[str] | None = None,
    cluster: str | None = None,
    derived: Mapping[str, str] | None = None,
    where: Where | None = None,
    rule: str = "mice-3.15",
    k: int | None = None,
    strata: str | Sequence[str] | None = None,
    missing: str | None = None,
    r: int = 1,
    imputation: Mapping[str, Any] | None = None,
    proper: bool | None = None,
    bounds: Mapping[str, Sequence[float | None]] | None = None,
    rules: Mapping[str, Mapping[str, Any]] | None = None,
    ignore: Sequence[bool] | np.ndarray | None = None,
    smoothing: str | Mapping[str, str] | None = None,
    semicontinuous: Mapping[str, Any] | None = None,
    **options: object,
) -> Specification:
    """Check a synthesis or imputation against a table and return it as a `Specification`.

    See `mice_sim.synthesize` and `mice_sim.impute` for the parameters. `predictor_matrix` may also be a mapping
    {target: {predictor: code}} of changes to the default matrix. Raises MiceSimError for anything
    that can't work, before anything runs.
    """
    _one_of("mode", mode, MODES)
    _one_of("rule", rule, RULES)
    for name, number in (("m", m), ("maxit", maxit), ("r", r), *([("k", k)] if k is not None else [])):
        whole(name, number)
    if mode != "impute" and table.n_rows == 1:
        raise MiceSimError("The data has one row, which every synthetic record would repeat; give more rows.")
    joint = joint_of(method, options, proper)
    if joint is not None:
        if missing not in (None, "two-step"):
            raise MiceSimError(
                "The joint model draws missing cells together with its parameters; leave out missing or use 'two-step'."
            )
        _check_joint(
            mode, joint, predictor_matrix=predictor_matrix, formulas=formulas, visit_sequence=visit_sequence,
            strata=strata, rules=rules, ignore=ignore, semicontinuous=semicontinuous,
        )  # fmt: skip
        method, options, proper = joint, {}, None
    _check_together(mode, where, rule, k, strata, missing, r, maxit)
    missing = missing or ("keep" if mode == "sequential" and joint is None else "one-step")
    _one_of("missing", missing, MISSING)
    checked_rules = _rules(table, rules or {}, derived or {})
    told = {*(formulas or ()), *(bounds or ()), *(smoothing if isinstance(smoothing, Mapping) else ())}
    in_cluster = _cluster(table, cluster, predictor_matrix, strata, k)
    told |= set() if in_cluster is None else {table.names[in_cluster]}
    told |= {name for rule in checked_rules for name in (table.names[rule.target], *rule.condition.parents)}
    computed, decisions = _derivations(table, derived or {}, told, mode, missing)
    parents = {name: list(derivation.parents) for name, derivation in computed.items()}
    decided = parents | {table.names[rule.target]: [] for rule in checked_rules}
    for rule_ in checked_rules:
        decided[table.names[rule_.target]] += rule_.condition.parents
    cells = _where(table, where, mode)
    if strata is not None and not (isinstance(cells, str) or cells.all()):
        raise MiceSimError("Strata are synthesised whole; leave out strata or where.")
    if mode == "sequential" and k is not None and k != table.n_rows:
        _check_kept(table, cells, computed, k)
    made = _methods(table, method, computed, cells, mode, proper, dict(options), in_cluster)
    _check_own(table, made, mode)
    models = _formulas(table, formulas or {}, computed)
    decisions += _unused_terms(table, models, made)
    codes = _codes_of_predictors(table, predictor_matrix, formulas, parents, made, in_cluster)
    special = {table.index(n): _codes(table, n, codes) for n, codes in (semicontinuous or {}).items()}
    nested = mode != "impute" and missing == "two-step"
    spec = Specification(
        mode=mode,  # type: ignore[arg-type]
        m=int(m),
        maxit=int(maxit),
        r=int(r),
        missing=missing,
        methods=made,
        derived={table.index(n): e for n, e in computed.items()},
        codes=codes,
        cluster=in_cluster,
        formulas=models,
        visit_sequence=who.visit_sequence(table, visit_sequence, decided, mode != "sequential"),
        where=cells,
        rule=rule,  # type: ignore[arg-type]
        proper=proper is True,
        bounds={table.index(n): _bounds(table, n, pair, computed) for n, pair in (bounds or {}).items()},
        rules=checked_rules,
        ignore=_ignore(table, ignore),
        smoothing=_smoothing(table, smoothing, computed),
        special=special,
        strata=_strata(table, strata),
        imputation=_imputation(
            table,
            imputation,
            nested,
            m,
            derived=derived,
            bounds=bounds,
            rules=rules,
            ignore=ignore,
            cluster=cluster,
        ),
        k=None if k is None else int(k),
        joint=joint,
        design=Design.of(()),
        decisions=tuple(decisions),
    )
    if joint is not None and not (nested and np.isnan(table.values).any()):
        JointModel.of(table, spec)  # raises what it can't be of
    return replace(spec, design=Design.of(table.columns, spec.plain))


def whole(name: str, number: object) -> None:
    """Raise MiceSimError unless `number` is a whole number of at least 1."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
        raise MiceSimError(f"{name} is {number!r}; give a whole number of at least 1.")


def _one_of(what: str, word: object, known: Sequence[str]) -> None:
    if word not in known:
        raise MiceSimError(f"There is no {what} '{word}'{nearest(str(word), list(known))}")


def _check_together(
    mode: str, where: Where, rule: str, k: int | None, strata: str | Sequence[str] | None, missing: str | None, r: int,
    maxit: int,
) -> None:  # fmt: skip
    if mode == "sequential":
        if missing == "one-step":
            raise MiceSimError(
                "missing='one-step' draws a record's missing cells together with its observed ones, so it is linked; "
                "use mode='linked', or missing='keep' or 'two-step'."
            )
        if rule != "mice-3.15":
            raise MiceSimError(f"The rule '{rule}' is one of linked synthesis; use mode='linked'.")
        if maxit != 1:
            raise MiceSimError("Sequential synthesis visits every column once; leave out maxit.")
    else:
        for name, given in (("k", k), ("strata", strata)):
            if given is not None:
                raise MiceSimError(f"{name} is for sequential synthesis; use mode='sequential' or leave it out.")
        if mode == "linked" and missing == "keep":
            raise MiceSimError(
                "missing='keep' synthesises missingness itself, which needs mode='sequential'; "
                "use missing='one-step' or 'two-step' here."
            )
    if r != 1 and (mode == "impute" or missing != "two-step"):
        raise MiceSimError("r counts the syntheses of each imputation; use it with missing='two-step'.")


def _check_joint(mode: str, joint: Joint, **given: object) -> None:
    """Raise MiceSimError for what the joint model does not know."""
    if mode == "linked":
        raise MiceSimError("The joint model draws new records; use mode='sequential', or other methods.")
    if mode == "impute" and not joint.proper:
        raise MiceSimError("Imputations need parameters that are drawn from their posterior; leave out proper=False.")
    if mode == "impute" and joint.noise:
        raise MiceSimError("noise is for synthetic numbers; leave it out of an imputation.")
    for name, value in given.items():
        if value is not None and not (isinstance(value, Mapping) and not value):
            raise MiceSimError(f"The joint model is one of all columns and has no {name}; leave it out.")


def _derivations(
    table: Table, given: Mapping[str, str], told: set[str], mode: str, missing: str
) -> tuple[dict[str, Derivation], list[Event]]:
    """Return how columns follow from others, by formula or as found in the data, and what was decided.

    told : columns that the user says something of, which therefore follow from nothing that is found.
    """
    expressions: dict[str, Derivation] = {}
    for name, text in given.items():
        expression = Expression.parse(name, text, table.names)
        for column in (name, *expression.parents):
            if table.columns[table.index(column)].is_factor:
                raise MiceSimError(f"The formula of '{name}' uses the factor '{column}'; arithmetic needs numbers.")
        expressions[name] = expression
    parents = {name: expression.parents for name, expression in expressions.items()}
    for name in expressions:
        who.ancestors(name, parents)
    decisions = [Event(*found) for found in _disagreements(table, expressions)]
    keeps = mode == "sequential" and missing == "keep"
    for name, (derivation, why) in twins.find(table, told | set(expressions), keeps).items():
        if isinstance(derivation, Constant) and np.isnan(derivation.value) and not keeps:
            raise MiceSimError(f"Column '{name}' is all missing; drop it or give it values.")
        expressions[name] = derivation
        decisions.append(Event(name, f"derived as {derivation.text}", why))
    return expressions, decisions


def _disagreements(table: Table, expressions: Mapping[str, Derivation]) -> Iterator[tuple[str, str, str]]:
    """Yield what to say of formulas that the data does not follow."""
    for name, expression in expressions.items():
        given = table.values[table.index(name)]
        both = ~np.isnan(given)
        try:
            computed = expression.evaluate({p: table.values[table.index(p)] for p in expression.parents})
        except MiceSimError:
            continue  # told when it matters: the formula may hold in what is drawn
        both &= ~np.isnan(computed)
        scale = np.ptp(given[both]) if both.any() else 0.0
        off = int((np.abs(given[both] - computed[both]) > ROUNDING * scale).sum())
        if off:
            yield name, "derived as given", f"the formula differs from the data in {off} of {int(both.sum())} rows"


def _methods(
    table: Table,
    given: str | Mapping[str, Any] | Method | None,
    computed: Mapping[str, Derivation],
    cells: str | np.ndarray,
    mode: str,
    proper: bool | None,
    options: dict[str, object],
    cluster: int | None,
) -> dict[int, Method]:
    """Return the method of every column that is drawn."""
    names = table.names
    untouched = set() if isinstance(cells, str) else {n for n, row in zip(names, cells, strict=True) if not row.any()}
    if cluster is not None and isinstance(cells, str):
        untouched.add(names[cluster])
    if isinstance(given, Mapping):
        chosen = {str(name): method for name, method in given.items()}
        for name in chosen:
            table.index(name)
    elif given == "parametric":
        chosen = {name: methods.parametric(column) for name, column in zip(names, table.columns, strict=True)}
    else:
        chosen = dict.fromkeys(names, given)
    wanted = {
        j: chosen.get(n) or _default(table, j, mode, cluster)
        for j, n in enumerate(names)
        if n not in computed and n not in untouched
    }
    if proper is not None:
        options["proper"] = proper
    made = methods.make_each(wanted, options)
    for j, method in made.items():
        if table.columns[j].kind not in method.kinds:
            raise MiceSimError(
                f"The method '{methods.name_of(method)}' can't draw '{table.columns[j].name}', which is "
                f"{table.columns[j].kind}; use '{methods.default(table.columns[j])}' or 'cart'."
            )
    return made


def _check_own(table: Table, made: Mapping[int, Method], mode: str) -> None:
    """Raise MiceSimError where a method leaves out a record's own value though no draw is for a record."""
    for j, method in made.items():
        if not getattr(method, "exclude_own", False):
            continue
        if mode != "linked":
            raise MiceSimError(
                f"exclude_own keeps '{table.columns[j].name}' of a real record from being drawn for it, which happens "
                "in mode='linked' only; leave it out."
            )
        if method.two_level:
            raise MiceSimError(
                f"The method '{methods.name_of(method)}' of '{table.columns[j].name}' has donors of clusters and can't "
                "exclude_own; leave it out, or use 'cart'."
            )


def _default(table: Table, j: int, mode: str, cluster: int | None) -> str:
    column = table.columns[j]
    if cluster is None or j == cluster:
        return methods.default(column) if mode == "impute" else "cart"
    level = 2 if is_constant_within(table.values[j], table.values[cluster]) else 1
    return methods.default_in_clusters(column, level) if mode == "impute" else {1: "2l.cart", 2: "2lonly.cart"}[level]


def _cluster(table: Table, name: str | None, matrix: object, strata: object, k: int | None) -> int | None:
    """Return the number of the cluster column: the one named, or the one that the predictor matrix marks."""
    marked = who.marked_clusters(table, matrix) | ({table.index(name)} if name is not None else set())
    if not marked:
        return None
    if len(marked) > 1:
        several = " and ".join(f"'{table.names[j]}'" for j in sorted(marked))
        raise MiceSimError(f"{several} are both given as clusters; methods know two levels, so give one of them.")
    (j,) = marked
    holes = int(np.isnan(table.values[j]).sum())
    if holes:
        raise MiceSimError(
            f"The cluster column '{table.names[j]}' has {holes} missing values; fill them or drop the rows."
        )
    if strata:
        raise MiceSimError(
            f"Strata are synthesised each by itself, so they can't share '{table.names[j]}'; leave out one."
        )
    if k is not None and k != table.n_rows:
        raise MiceSimError(
            f"The cluster column '{table.names[j]}' keeps its {table.n_rows} values, so k can't be {k}; leave k out."
        )
    return j


def _codes_of_predictors(
    table: Table, matrix: object, formulas: Mapping[str, str] | None,
    parents: Mapping[str, Sequence[str]], made: Mapping[int, Method], cluster: int | None,
) -> np.ndarray:  # fmt: skip
    codes = who.predictor_matrix(table, matrix, parents, cluster)
    for name, text in (formulas or {}).items():
        j = table.index(name)
        formula = _formula(table, name, text)
        codes[j] = who.NONE
        codes[j, formula.right] = who.FIXED
        if codes[j, j]:
            raise MiceSimError(f"The formula of '{name}' uses '{name}' itself; leave it out.")
    for j, method in made.items():
        _check_level(table, codes[j], table.names[j], method, cluster, table.names[j] in (formulas or {}))
    codes[codes == who.CLUSTER] = who.NONE
    return codes


def _check_level(
    table: Table, codes: np.ndarray, name: str, method: Method, cluster: int | None, has_formula: bool
) -> None:
    """Raise MiceSimError unless a column's codes are such as its method knows."""
    word = methods.name_of(method)
    if not method.two_level:
        strange = np.flatnonzero((codes != who.NONE) & (codes != who.FIXED))
        if strange.size:
            code, other = codes[strange[0]], table.names[strange[0]]
            raise MiceSimError(
                f"The predictor matrix holds {code} for '{other}' predicting '{name}', but its method '{word}' knows "
                "one level only; use 0 or 1, or a method for two levels such as '2l.pmm'."
            )
    elif cluster is None:
        raise MiceSimError(f"The method '{word}' of '{name}' needs clusters; name their column in cluster=.")
    elif has_formula:
        raise MiceSimError(
            f"'{name}' has a formula, but its method '{word}' reads the predictor matrix; leave out one."
        )
    elif codes[cluster] > 0:
        raise MiceSimError(
            f"The predictor matrix holds {codes[cluster]} for '{table.names[cluster]}' predicting '{name}', whose "
            "clusters it names; use -2 or 0."
        )
    elif method.level == 2:
        values, clusters = table.values[[table.index(name), cluster]]
        there = ~np.isnan(values)
        shared_values(table.columns[table.index(name)], values[there], table.columns[cluster], clusters[there])


def _formulas(table: Table, given: Mapping[str, str], computed: Mapping[str, Derivation]) -> dict[int, ModelFormula]:
    for name in given:
        if name in computed:
            raise MiceSimError(f"Column '{name}' is derived, so it needs no model; leave out one of the formulas.")
    return {table.index(name): _formula(table, name, text).learn(table.values) for name, text in given.items()}


def _unused_terms(table: Table, models: Mapping[int, ModelFormula], made: Mapping[int, Method]) -> Iterator[Event]:
    """Yield an event for each formula whose terms a tree does not look at."""
    for j, formula in models.items():
        main = [n for c in formula.right for n in Design.of((table.columns[c],)).names]
        if j in made and not made[j].uses_terms and set(formula.names) - {"(Intercept)"} != set(main):
            what, why = (
                "used the columns of its formula, not its terms",
                "trees find interactions and curves themselves",
            )
            yield Event(table.names[j], what, why)


def _formula(table: Table, name: str, text: str) -> ModelFormula:
    """Return a column's formula, given as `x + z + x:z` or `y ~ x + z + x:z`."""
    response = re.match(r"((?:`[^`]*`|[^~`])*)~", str(text))
    left = response[1].strip() if response else ""
    if left not in ("", name, f"`{name}`"):
        raise MiceSimError(f"The formula of '{name}' has the response '{left}'; write '{name} ~ …' or '~ …'.")
    right = str(text)[response.end() if response else 0 :]
    return ModelFormula.parse(f"{quote(name)} ~ {right}", table.columns)


def _where(table: Table, where: Where | None, mode: str) -> str | np.ndarray:
    """Return the cells to replace as a word or bool (columns, n)."""
    if where is None:
        return "missing" if mode == "impute" else "all"
    expected = (table.n_rows, len(table.columns))
    if isinstance(where, str):
        _one_of("where", where, WHERE)
        cells: str | np.ndarray = where
    elif isinstance(where, Mapping):
        cells = np.zeros(expected[::-1], bool)
        values = dict(zip(table.names, table.values, strict=True))
        for name, condition in where.items():
            cells[table.index(name)] = Condition.parse(condition, table.columns).holds(values)
    elif isinstance(where, Sequence):
        cells = np.zeros(expected[::-1], bool)
        cells[[table.index(str(name)) for name in where]] = True
    else:
        array = where.to_numpy() if isinstance(where, pd.DataFrame) else np.asarray(where)
        if array.shape != expected or array.dtype != bool:
            raise MiceSimError(
                f"where must be True or False for each of the {expected[0]} rows and {expected[1]} columns, "
                f"not {array.dtype} of shape {array.shape}."
            )
        cells = np.ascontiguousarray(array.T)
    if mode == "impute" and (cells not in ("missing", "none") if isinstance(cells, str) else _observed(table, cells)):
        raise MiceSimError("An imputation replaces missing cells only; to replace observed ones, synthesize.")
    if mode == "sequential" and not isinstance(cells, str) and (cells.any(axis=1) != cells.all(axis=1)).any():
        raise MiceSimError(
            "Sequential synthesis replaces whole columns; name them in `where`, or use mode='linked' for single cells."
        )
    if mode == "sequential" and isinstance(cells, str) and cells != "all":
        raise MiceSimError(f"where='{cells}' is for linked synthesis; sequential synthesis replaces whole columns.")
    return cells


def _check_kept(table: Table, cells: str | np.ndarray, computed: Mapping[str, Derivation], k: int) -> None:
    if isinstance(cells, str):
        return
    kept = [name for name, row in zip(table.names, cells, strict=True) if not row.any() and name not in computed]
    if kept:
        raise MiceSimError(f"Column '{kept[0]}' keeps its {table.n_rows} values, so k can't be {k}; leave k out.")


def _observed(table: Table, cells: np.ndarray) -> bool:
    return bool((cells & ~np.isnan(table.values)).any())


def _bounds(table: Table, name: str, pair: Sequence[float | None], computed: Container[str]) -> tuple[float, float]:
    column = table.columns[table.index(name)]
    if column.is_factor or name in computed:
        what = "a factor" if column.is_factor else "derived; bound its parents"
        raise MiceSimError(f"Column '{name}' can't have bounds: it is {what}.")
    low, high = (np.nan, np.nan) if len(pair) != 2 else (
        -np.inf if pair[0] is None else float(pair[0]), np.inf if pair[1] is None else float(pair[1])
    )  # fmt: skip
    if not low <= high:
        raise MiceSimError(f"The bounds of '{name}' are {list(pair)}; give [least, most], None for no bound.")
    return low, high


def _rules(table: Table, given: Mapping[str, Mapping[str, Any]], derived: Mapping[str, str]) -> tuple[Rule, ...]:
    for name in given:
        if name in derived:
            raise MiceSimError(f"Column '{name}' is derived, so no rule can set it; change its formula.")
    return tuple(
        Rule.parse(table.index(name), table.columns, condition, value)
        for name, cases in given.items()
        for condition, value in cases.items()
    )


def _ignore(table: Table, given: object) -> np.ndarray | None:
    if given is None:
        return None
    rows = np.asarray(given)
    if rows.shape != (table.n_rows,) or rows.dtype != bool:
        raise MiceSimError(f"ignore must be True or False for each of the {table.n_rows} rows.")
    if rows.all():
        raise MiceSimError("ignore leaves no row to learn from; mark some rows False.")
    return rows


def _smoothing(table: Table, given: str | Mapping[str, str] | None, computed: Container[str]) -> dict[int, str]:
    if isinstance(given, str):
        given = {c.name: given for c in table.columns if not c.is_factor and c.name not in computed}
    for name, kind in (given or {}).items():
        if table.columns[table.index(name)].is_factor or name in computed:
            raise MiceSimError(f"Column '{name}' can't be smoothed: it is a factor or derived.")
        _one_of("smoothing", kind, smoothing.KINDS)
    return {table.index(name): kind for name, kind in (given or {}).items()}


def _codes(table: Table, name: str, codes: Any) -> tuple[float, ...]:
    column = table.columns[table.index(name)]
    if column.is_factor:
        raise MiceSimError(f"Column '{name}' is a factor; only numbers can hold special codes.")
    codes = codes if isinstance(codes, Sequence) and not isinstance(codes, str) else [codes]
    for code in codes:
        if isinstance(code, bool) or not isinstance(code, int | float) or not np.isfinite(code):
            raise MiceSimError(f"The special code {code!r} of '{name}' is not a number.")
    return tuple(float(code) for code in codes)


def _strata(table: Table, given: str | Sequence[str] | None) -> tuple[int, ...]:
    columns = [given] if isinstance(given, str) else list(given or ())
    for name in columns:
        if np.isnan(table.values[table.index(name)]).any():
            raise MiceSimError(f"The strata column '{name}' has missing values; fill them or leave it out of strata.")
    return tuple(table.index(name) for name in columns)


def _imputation(
    table: Table, given: Mapping[str, Any] | None, nested: bool, m: int, **constraints: Any
) -> Specification | None:
    """Return how a two-step synthesis imputes; by default as `mice_sim.impute` does, with the same constraints."""
    if not nested:
        if given is not None:
            raise MiceSimError("imputation says how a two-step synthesis imputes; use it with missing='two-step'.")
        return None
    return specify(table, mode="impute", m=m, **{"maxit": 5, **constraints, **dict(given or {})})
