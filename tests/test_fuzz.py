"""Any table through any mode and method: a valid result of the same schema, or one sentence that says why not.

The tables and calls come from hypothesis; the marker `fuzz` runs ten times as many.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mice_sim as ms
from mice_sim import MiceSimError
from mice_sim.data import Column, Table
from mice_sim.synthesis import twins
from mice_sim.synthesis.methods import METHODS, name_of

NAMES = ("x", "y 1", "ü", "größe", "体重", "if", "x:z", "a-b", ".imp", "y~", "0", "C(x)", "it's", "x is", " ")
LEVELS = ("a", "b c", "é", "", "1", "NA", "nan", "low", "a'b", "体")
SCALES = (1.0, 1.0, 1.0, 1e3, 1e-3, 1e9, 1e150, 1e-150, 1e300, 1e-300, 5e-324)
NUMBERS = ("float64", "float32", "int64", "int8", "uint16", "Int64", "Float64", "bool", "boolean", "int64[pyarrow]")
SHAPES = ("normal", "lognormal", "few", "spike", "constant", "huge offset", "twin", "mixed scales")
REFUSED = ("text", "dates", "complex", "infinite", "lists", "intervals of time")
DRAW_OBSERVED = ("cart", "cart.deviance", "rf", "sample", "pmm", "midastouch")

# What a table or a call may deserve to hear, and nothing else.
REFUSALS = [
    r"^The data is empty; give at least one row and one column\.$",
    r"^The data has one row, which every synthetic record would repeat; give more rows\.$",
    r"^Column '.*' is all missing; drop it or give it values\.$",
    r"^Column '.*' holds (infinite values|dates|text)",
    r"^Column '.*' has type .*; convert it with astype",
    r"^Column '.*' has the level .*, which can't be saved; rename levels to text\.$",
    r"^'.*' (has negative values|holds only zeros), which have no (logarithm|root);",
    r"^quad_outcome '.*' does not predict '.*'",
    r"^ums of '.*' uses '.*', which does not predict it",
    r"^Column '.*' has no value to learn from; give it some or drop it\.$",
    r"^Strata are synthesised whole; leave out strata or where\.$",
    r"^The strata column '.*' has missing values;",
    r"^Column '.*' is derived, so (no rule can set it|it needs no model);",
    r"^Column '.*' has missing cells that `where` leaves out, so it can't predict '.*'; mark them",
    r"^Column '.*' keeps its \d+ values, so k can't be \d+; leave k out\.$",
    r"^Column '.*' is kept but has missing values; fill them or synthesise it too\.$",
    r"^The derived column '.*' \(.*\) is not finite in \d+ rows; check for a division by zero\.$",
    r"^The model of '.*' leads to numbers that are not finite;",
    r"^Column '.*' holds whole numbers of 2\^53 and more",
    r"^ignore leaves no row (of stratum \d+ )?to learn from; mark some rows False\.$",
    r"^'.*' can't be made: (A spline|A polynomial|The powers) ",
    r"^'.*' is no finite number in \d+ rows; transform it otherwise\.$",
    r"^The formula of '.*' uses '.*', which is visited later; visit it first\.$",
    r"^The formulas or rules of .* refer to each other; break the circle\.$",
    r"^'.*' (has no missing values|is drawn apart from its being missing), so there is no selection to model;",
    r"^The exclusion of '.*' names '.*', which does not predict it",
    # Of clusters.
    r"^Column '.*' is both .*, so it can't be drawn for whole clusters; give it a method for rows",
    r"^'.*' has values in one cluster only, but the variance between clusters needs two or more;",
    r"^The cluster column '.*' has \d+ missing values; fill them or drop the rows\.$",
    r"^The cluster column '.*' keeps its \d+ values, so k can't be \d+; leave k out\.$",
    r"^Strata are synthesised each by itself, so they can't share '.*'; leave out one\.$",
    r"^'.*' has a formula, but its method '.*' reads the predictor matrix; leave out one\.$",
    r"^The predictor matrix holds \d for '.*' predicting '.*', (whose clusters it names|but its method)",
    r"^2l\.heckman of '.*' has the same slopes in all clusters, but the predictor matrix lets that of '.*' vary;",
    r"^The clusters of '.*', '.*', are visited later; visit '.*' first\.$",
]


def seldom(draw: st.DrawFn, often: int) -> bool:
    """Return True about every `often` times, and False in the simplest example."""
    return draw(st.integers(0, 10_000)) % often == often // 2


# ---- tables


@dataclass(frozen=True)
class Recipe:
    """What a column is made of; the values come from a generator."""

    kind: str
    shape: str
    scale: float
    levels: int
    missing: str


def recipes() -> st.SearchStrategy[Recipe]:
    return st.builds(
        Recipe,
        st.sampled_from((*NUMBERS, *("category", "ordered") * 4, "cut", "numbers as levels")),
        st.sampled_from(SHAPES),
        st.sampled_from(SCALES),
        st.integers(1, 6),
        st.sampled_from((*("none",) * 8, *("some",) * 6, "most", "most", "all but one", "with the one before", "all")),
    )


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """A frame of up to 60 rows and 6 columns of any type that pandas has, with any pattern of missing cells."""
    n = draw(st.one_of(st.integers(1, 12), st.integers(1, 60)))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    frame = pd.DataFrame(index=pd.RangeIndex(n))
    for name in names:
        frame[name] = column(draw(recipes()), n, frame, rng)
    if seldom(draw, 30):
        frame[names[0]] = refused(draw(st.sampled_from(REFUSED)), n)
    if seldom(draw, 4):
        frame = frame.iloc[rng.integers(0, max(n // 2, 1), n)]  # repeated rows, and a repeated index
    return frame


def column(recipe: Recipe, n: int, earlier: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    hidden = holes(recipe.missing, n, earlier, rng)
    if recipe.kind in ("category", "ordered", "cut", "numbers as levels"):
        return factor(recipe, n, rng).mask(hidden)
    numbers = values(recipe, n, earlier, rng)
    if recipe.kind in ("bool", "boolean"):
        numbers = numbers > np.median(numbers)
        series = pd.Series(numbers, dtype=recipe.kind)
        return series.mask(hidden) if recipe.kind == "boolean" else series
    if recipe.kind.startswith(("int", "uint", "Int")):
        most = {"int8": 100, "uint16": 60_000}.get(recipe.kind, 2**62 if recipe.scale == 1e300 else 2**40)
        least = 0 if recipe.kind == "uint16" else -most
        numbers = np.clip(np.round(np.nan_to_num(numbers)), least, most)
        series = pd.Series(numbers).astype("int64").astype(recipe.kind)
        return series.mask(hidden) if recipe.kind in ("Int64", "int64[pyarrow]") else series
    if recipe.kind == "float32":
        numbers = np.clip(numbers, -3e38, 3e38)
    return pd.Series(numbers).astype(recipe.kind).mask(hidden)


def values(recipe: Recipe, n: int, earlier: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    plain = rng.normal(size=n)
    if recipe.shape == "lognormal":
        plain = np.exp(2 * plain)
    elif recipe.shape == "few":
        plain = np.round(plain)
    elif recipe.shape == "spike":
        plain = np.where(rng.random(n) < 0.6, 0.0, np.abs(plain))
    elif recipe.shape == "constant":
        plain = np.ones(n)
    elif recipe.shape == "huge offset":
        plain = 1e9 + plain
    elif recipe.shape == "mixed scales":
        plain = plain * 10.0 ** rng.integers(-8, 8, n)
    elif recipe.shape == "twin":
        floats = earlier.select_dtypes("float64")
        if floats.shape[1]:
            twin = floats.iloc[:, -1].to_numpy()
            return np.nan_to_num(np.clip(3 - 2 * twin, -1e308, 1e308))
    with np.errstate(over="ignore"):
        return np.clip(plain * recipe.scale, -1e307, 1e307)


def factor(recipe: Recipe, n: int, rng: np.random.Generator) -> pd.Series:
    if recipe.kind == "cut":
        return pd.Series(pd.cut(rng.normal(size=n), [-10.0, *np.linspace(-1, 1, recipe.levels), 10.0]))
    levels = (
        list(LEVELS[: recipe.levels]) if recipe.kind != "numbers as levels" else [1.5 * i for i in range(recipe.levels)]
    )
    used = max(1, recipe.levels - int(rng.integers(3)))  # some levels are empty
    codes = rng.integers(used, size=n) if recipe.shape != "constant" else np.zeros(n, int)
    if recipe.shape == "spike":
        codes = np.where(rng.random(n) < 0.9, 0, codes)
    order = rng.permutation(recipe.levels)
    ordered = recipe.kind == "ordered"
    return pd.Series(pd.Categorical.from_codes(order[codes], categories=levels, ordered=ordered))


def holes(pattern: str, n: int, earlier: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    if pattern == "with the one before" and earlier.shape[1]:
        return earlier.iloc[:, -1].isna().to_numpy()
    if pattern == "all but one":
        return np.arange(n) != rng.integers(n)
    hidden = rng.random(n) < {"some": 0.2, "most": 0.8, "all": 1.0}.get(pattern, 0.0)
    hidden[rng.integers(n)] &= pattern == "all"
    return hidden


def refused(what: str, n: int) -> Any:
    return {
        "text": ["text"] * n,
        "dates": pd.Timestamp("2020-01-01"),
        "complex": np.full(n, 1j),
        "infinite": np.full(n, np.inf),
        "lists": [[1]] * n,
        "intervals of time": pd.Timedelta(days=1),
    }[what]


# ---- calls


@st.composite
def calls(draw: st.DrawFn, frame: pd.DataFrame) -> dict[str, Any]:
    """The options of `impute` (without mode) or `synthesize`, most of which suit the frame."""
    try:
        columns = Table.from_pandas(frame).columns
    except MiceSimError:
        return {"mode": "sequential"}
    maker = Calls(draw, columns, frame)
    mode = draw(st.sampled_from(("impute", "linked", "sequential", "sequential")))
    call = {"m": draw(st.integers(1, 3)), "seed": draw(st.integers(0, 99)), **maker.common(mode), **maker.of(mode)}
    if seldom(draw, 4):
        # What rows in clusters can't have is asked for now and then.
        unfit = () if seldom(draw, 8) else ("strata", "formulas", "k", "predictor_matrix")
        call = {name: value for name, value in call.items() if name not in unfit} | maker.in_clusters()
    return call


class Calls:
    """Draws options for a table's columns."""

    def __init__(self, draw: st.DrawFn, columns: tuple[Column, ...], frame: pd.DataFrame):
        self.draw, self.columns, self.frame = draw, columns, frame
        self.names = [column.name for column in columns]
        self.numeric = [column.name for column in columns if not column.is_factor]

    def rarely(self, often: int = 5) -> bool:
        return seldom(self.draw, often)

    def some(self, names: list[str]) -> list[str]:
        return self.draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) if names else []

    def common(self, mode: str) -> dict[str, Any]:
        options: dict[str, Any] = {"method": self.method(mode)}
        target = self.draw(st.sampled_from(self.names))
        if self.rarely() and len(self.numeric) > 1:
            child, parent = self.draw(st.permutations(self.numeric))[:2]
            options["derived"] = {
                child: self.draw(st.sampled_from(("{} * 2 + 1", "{} ** 2", "1 / {}"))).format(f"`{parent}`")
            }
        elif self.rarely() and self.numeric:
            options["bounds"] = {
                n: self.draw(st.sampled_from(([0, 1], [None, 0], [-1, None]))) for n in self.some(self.numeric)
            }
        if self.rarely() and len(self.names) > 1:
            options["rules"] = {target: {self.condition(target): self.value(target)}}
        if self.rarely():
            options["visit_sequence"] = self.draw(st.sampled_from(("arabic", "monotone", "revmonotone")))
        if self.rarely():
            entries = self.draw(
                st.lists(st.integers(0, 1), min_size=len(self.names) ** 2, max_size=len(self.names) ** 2)
            )
            options["predictor_matrix"] = np.reshape(entries, (len(self.names),) * 2) * (
                1 - np.eye(len(self.names), dtype=int)
            )
        elif self.rarely() and len(self.names) > 1:
            other = self.draw(st.sampled_from([n for n in self.names if n != target]))
            words = ["`{}`", "0 + `{}`", "`{}` * `{}`"]
            if other in self.numeric:
                words += ["log(`{}`)", "ns(`{}`, 3)", "poly(`{}`, 2)", "I(`{}` ** 2)"]
            text = self.draw(st.sampled_from(words))
            options["formulas"] = {target: text.replace("{}", other)}
        if self.rarely():
            rng = np.random.default_rng(self.draw(st.integers(0, 9)))
            options["ignore"] = rng.random(len(self.frame)) < 0.4
        return options

    def of(self, mode: str) -> dict[str, Any]:
        if mode == "impute":
            return {"maxit": self.draw(st.integers(1, 2))} | (
                {"where": self.cells(missing=True)} if self.rarely() else {}
            )
        options: dict[str, Any] = {"mode": mode}
        options["missing"] = self.draw(st.sampled_from((None, "two-step")))
        if options["missing"]:
            options |= {"r": self.draw(st.integers(1, 2)), "imputation": {"maxit": 1}}
        if self.rarely(3):
            options["proper"] = self.draw(st.booleans())
        if self.rarely(3):
            options["smoothing"] = self.draw(st.sampled_from(("density", "spline", "rmean")))
        if mode == "linked":
            if self.rarely(3):
                options["where"] = (
                    self.draw(st.sampled_from(("missing", "observed", "none")))
                    if self.draw(st.booleans())
                    else self.cells()
                )
            if self.rarely():
                options["rule"] = "mice-3.13"
            return options
        if self.rarely(2):
            options["k"] = self.draw(st.sampled_from((1, 7, 2 * len(self.frame))))
        if self.rarely(3):
            options["strata"] = self.some(
                [n for n, hidden in zip(self.names, self.frame.isna().any(), strict=True) if not hidden]
            )
        if self.rarely(3) and self.numeric:
            options["semicontinuous"] = {
                n: self.draw(st.sampled_from((0, [0, 1], [-8, 0]))) for n in self.some(self.numeric)
            }
        if self.rarely():
            options["where"] = self.some(self.names)
        return options

    def method(self, mode: str) -> Any:
        """A method for every column, or none at all."""
        if self.rarely(3):
            words = ["cart", "cart.deviance", "rf", "sample", "pmm"]
            return self.draw(st.sampled_from([None, *words] if mode == "impute" else ["parametric", *words]))
        one_level = {name: method for name, method in METHODS.items() if not method.two_level}
        suited = {c.name: sorted(name for name, m in one_level.items() if c.kind in m.kinds) for c in self.columns}
        return {name: self.with_options(name, self.draw(st.sampled_from(known))) for name, known in suited.items()}

    def in_clusters(self) -> dict[str, Any]:
        """Methods for two levels, of rows in the clusters that some column names."""
        complete = [name for name in self.names if not self.frame[name].isna().any()]
        cluster = self.draw(st.sampled_from(complete if complete and not self.rarely(8) else self.names))
        word = "2l" if self.rarely(4) else "2l."  # those of level 2 refuse columns that vary in clusters
        own = {name: method for name, method in METHODS.items() if method.two_level and name.startswith(word)}
        suited = {c.name: sorted(name for name, m in own.items() if c.kind in m.kinds) for c in self.columns}
        options: dict[str, Any] = {"cluster": cluster}
        if self.rarely(2):
            options["method"] = {
                n: self.with_options(n, self.draw(st.sampled_from(known)))
                for n, known in suited.items()
                if n != cluster
            }
        else:
            options["method"] = None
        if self.rarely(2) and len(self.names) > 1:
            target = self.draw(st.sampled_from([n for n in self.names if n != cluster]))
            others = [n for n in self.names if n not in (cluster, target)]
            if isinstance(options["method"], dict) and others:
                options["predictor_matrix"] = {target: {n: self.draw(st.integers(0, 4)) for n in others}}
        return options

    def with_options(self, column: str, method: str) -> Any:
        """The method with the options that it can't do without."""
        others = [name for name in self.numeric if name != column]
        if method.startswith("mnar"):
            return {"name": method, "ums": f"1 + 2 * `{others[0]}`" if others else "1"}
        if method.endswith("heckman"):
            return {"name": method, "exclusion": others[:1], "cycles": 20}
        return {"name": method, "quad_outcome": (others or [column])[0]} if method == "quadratic" else method

    def cells(self, missing: bool = False) -> np.ndarray:
        rng = np.random.default_rng(self.draw(st.integers(0, 9)))
        cells = rng.random((len(self.frame), len(self.names))) < self.draw(st.sampled_from((0.5, 0.95)))
        return cells & self.frame.isna().to_numpy() if missing else cells

    def condition(self, target: str) -> str:
        other = self.draw(st.sampled_from([column for column in self.columns if column.name != target]))
        words = ("{n} == {v}", "{n} != {v}", "not {n} == {v}", "{n} in ({v},)", "{n} == {v} and {n} not in ({v},)")
        if other.levels:
            value = repr(str(other.levels[0]))
        else:
            words += ("{n} > {v}", "{v} >= {n}", "-1 < {n} < {v}")
            value = self.draw(st.sampled_from(("0", "1e9", "-1")))
        return self.draw(st.sampled_from(words)).format(n=f"`{other.name}`", v=value)

    def value(self, target: str) -> Any:
        levels = self.columns[self.names.index(target)].levels
        return levels[-1] if levels else 7


# ---- what must hold


def outcome(frame: pd.DataFrame, call: dict[str, Any]) -> str:
    """Run a call and check what it gives; return "valid" or the refusal."""
    run = ms.synthesize if "mode" in call else ms.impute
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = run(frame, **call)
        except MiceSimError as refusal:
            check_refusal(str(refusal))
            return str(refusal)
        check(frame, call, result)
    return "valid"


def check_refusal(sentence: str) -> None:
    assert "\n" not in sentence
    assert any(re.search(known, sentence) for known in REFUSALS), sentence


def check(frame: pd.DataFrame, call: dict[str, Any], result: ms.api.Sets) -> None:
    table, sets = result.original, result.sets
    k = call.get("k") or len(frame)
    nested = result.origin.missing == "two-step"
    assert sets.shape == (call["m"] * (call.get("r", 1) if nested else 1), frame.shape[1], k)
    check_schema(frame, result)
    for data in sets:
        check_cells(result, data)
        check_constraints(call, result, data)
    # A value that its twin's tells is known as if it were there.
    known = twins.fill(table, result.spec.derived).values
    for j, column_ in enumerate(table.columns):
        check_values(result, j, column_, known[j], sets[:, j])
    result.summary()
    if ".imp" not in frame:
        result.long()
    if result.mode == "sequential" and "where" not in call and call["seed"] % 8 == 1:
        check_saved(frame, call)
    assert (result.events["what"].str.len() > 0).all()


def check_schema(frame: pd.DataFrame, result: ms.api.Sets) -> None:
    for data, numbers in zip(result.completed(), result.sets, strict=True):
        assert list(data.columns) == list(frame.columns)
        shown = Table.from_pandas(data).values
        np.testing.assert_allclose(shown, numbers, rtol=1e-7, atol=1e-44)  # float32 keeps so much
        for old, new in zip(frame.dtypes, data.dtypes, strict=True):
            # Drawn numbers need not be whole, nor kept missing values fit into plain integers.
            assert new == old or (not isinstance(old, pd.CategoricalDtype) and new == np.float64)
    if result.mode != "sequential":
        assert data.index.equals(frame.index)


def check_cells(result: ms.api.Sets, data: np.ndarray) -> None:
    """Nothing is missing but what is synthesised as missing or not to be filled; what is not drawn stays."""
    original = result.original.values
    assert not np.isinf(data).any()
    if result.mode == "sequential":
        incomplete = np.isnan(original).any(axis=1) & (result.origin.missing == "kept")
        for j in result.spec.visit_sequence:
            if j in result.spec.derived:
                incomplete[j] |= any(incomplete[result.original.index(p)] for p in result.spec.derived[j].parents)
        assert not np.isnan(data[~incomplete]).any()
        return
    assert not np.isnan(data[result.where]).any()
    if result.origin.missing == "two-step":
        original = np.where(np.isnan(original), data, original)
    np.testing.assert_array_equal(data[~result.where], original[~result.where])


def check_values(result: ms.api.Sets, j: int, column: Column, original: np.ndarray, drawn: np.ndarray) -> None:
    """Factors and columns whose method draws observed values hold those, or what the user gave, and no others."""
    spec = result.spec
    given = [*(rule.value for rule in spec.rules if rule.target == j), *spec.bounds.get(j, ())]
    observes = j in spec.methods and name_of(spec.methods[j]) in DRAW_OBSERVED and j not in spec.smoothing
    if column.is_factor or observes:
        assert np.isin(drawn[~np.isnan(drawn)], [*original[~np.isnan(original)], *given]).all()


def check_saved(frame: pd.DataFrame, call: dict[str, Any]) -> None:
    """A fitted synthesiser that is saved and loaded draws the same."""
    synthesizer = ms.Synthesizer(**{key: value for key, value in call.items() if key != "k"}).fit(frame)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        try:
            synthesizer.save(path)
        except MiceSimError as refusal:
            check_refusal(str(refusal))
            return
        loaded = ms.load_synthesizer(path)
    rows: dict[str, Any] = {"given": frame[[call["cluster"]]]} if "cluster" in call else {"k": 5}
    drawn = [which.generate(1, seed=1, **rows) for which in (synthesizer, loaded)]
    np.testing.assert_array_equal(drawn[0].sets, drawn[1].sets)
    pd.testing.assert_frame_equal(drawn[0].completed(1), drawn[1].completed(1))


def check_constraints(call: dict[str, Any], result: ms.api.Sets, data: np.ndarray) -> None:
    """Bounds, rules and formulas hold in every drawn cell."""
    spec, names = result.spec, result.original.names
    drawn = result.where.copy()
    if result.mode == "sequential":
        drawn = ~np.isnan(data)
        if isinstance(spec.where, np.ndarray):
            drawn &= spec.where.any(axis=1, keepdims=True)
    by_name = dict(zip(names, data, strict=True))
    drawn[[*spec.strata, *([] if spec.cluster is None else [spec.cluster])]] = False
    for j, (low, high) in spec.bounds.items():
        cells = data[j, drawn[j]]
        excepted = [*spec.special.get(j, ()), *(rule.value for rule in spec.rules if rule.target == j)]
        assert ((cells >= low) & (cells <= high) | np.isin(cells, excepted)).all()
    for rule in spec.rules:
        ruled = rule.condition.holds(by_name) & drawn[rule.target]
        assert (data[rule.target, ruled] == rule.value).all()
    for j, derivation in spec.derived.items():
        if not drawn[j].any():
            continue
        computed = np.broadcast_to(derivation.evaluate({p: by_name[p] for p in derivation.parents}), data.shape[1])
        np.testing.assert_array_equal(data[j, drawn[j]], computed[drawn[j]])


def profile(examples: int):
    return settings(
        max_examples=examples, deadline=None, derandomize=True, database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip


@profile(200)
@given(st.data())
def test_any_table_gives_a_valid_result_or_one_sentence(data):
    frame = data.draw(tables())
    outcome(frame, data.draw(calls(frame)))


@pytest.mark.fuzz
@profile(2000)
@given(st.data())
def test_two_thousand_tables_give_valid_results_or_one_sentence(data):
    frame = data.draw(tables())
    outcome(frame, data.draw(calls(frame)))
