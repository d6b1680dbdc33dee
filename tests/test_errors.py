"""Every wrong input is answered by one sentence that names the thing and says what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import mice_sim
from mice_sim import MiceSimError, load_dataset
from mice_sim.cli import main
from mice_sim.data import Table, read_table
from mice_sim.study.config import compose

synthesize = partial(mice_sim.synthesize, mode="linked", maxit=1)


def refusal(call: Callable[[], object]) -> str:
    """Return the message with which a call is refused, checked to be one readable sentence."""
    with pytest.raises(MiceSimError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert re.fullmatch(r"[A-Z`'a-z].{20,300}[.?]", message), message
    assert not re.search(r"\w\.\s+[A-Z]", message.replace("e.g.", "")), f"more than one sentence: {message}"
    return message


def frame(**columns) -> pd.DataFrame:
    return pd.DataFrame({"a": [1.0, 2, 3, 5], "b": [2.0, 1, 4, 3], **columns})


# ---- data


@pytest.mark.parametrize(
    ("columns", "culprit", "remedy"),
    [
        ({"c": [np.nan] * 4}, "'c' is all missing", "drop it"),
        ({"c": [1.0, np.inf, 2, 3]}, "'c' holds infinite values", "replace them"),
        ({"c": ["x", "y", "x", "y"]}, "'c' has type", "astype('category')"),
        ({"c": [1, "y", None, 2.0]}, "'c' has type object", "astype('category')"),
        ({"c": pd.to_datetime(["2021-01-01"] * 4)}, "'c' holds dates", "convert it to a number"),
        ({"c": pd.date_range("2021-01-01", periods=4, tz="UTC")}, "'c' holds dates", "convert it to a number"),
        ({"c": [1j, 2j, 3j, 4j]}, "'c' has type complex128", "to a number"),
        ({"c": pd.Categorical([np.nan] * 4)}, "'c' is a factor without levels", "drop it"),
    ],
)
def test_a_column_that_cannot_be_synthesised_is_named(columns, culprit, remedy):
    message = refusal(lambda: synthesize(frame(**columns)))
    assert culprit in message
    assert remedy in message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (frame().to_numpy(), "must be a pandas DataFrame, not ndarray"),
        (frame().iloc[:0], "is empty; give at least one row"),
        (frame()[[]], "is empty; give at least one row"),
        (pd.concat([frame(), frame()], axis=1), "'a' occurs more than once; rename"),
        (frame().set_axis([1, "1"], axis=1), "'1' occurs more than once; rename"),
    ],
)
def test_a_frame_that_cannot_be_taken_is_refused(data, words):
    assert words in refusal(lambda: Table.from_pandas(data))


@pytest.fixture
def schema(tmp_path):
    """A CSV file with its schema; the test writes the rows."""
    (tmp_path / "schema.yaml").write_text(
        "columns:\n  x: {kind: continuous}\n  g: {kind: ordered, levels: [low, high]}\n", encoding="utf-8"
    )

    def read(text: str) -> pd.DataFrame:
        (tmp_path / "data.csv").write_text(text, encoding="utf-8")
        return read_table(tmp_path / "data.csv", tmp_path / "schema.yaml")

    return read


def test_a_csv_file_is_read_by_its_schema(schema):
    data = schema("x,g\n1,high\n2,\n")
    assert data["g"].tolist() == ["high", np.nan]
    assert list(data["g"].cat.categories) == ["low", "high"]
    assert data["g"].cat.ordered


def test_the_columns_of_a_file_may_stand_in_another_order_than_in_its_schema(schema):
    pd.testing.assert_frame_equal(schema("g,x\nhigh,1\n,2\n"), schema("x,g\n1,high\n2,\n"))


@pytest.mark.parametrize(
    ("text", "culprit", "remedy"),
    [
        ("x,g\n1,high\n2,medium\n", "'g' holds the level 'medium'", "add it to the levels (low, high) or recode it"),
        ("x,h\n1,high\n", "'g' is not in both", "make them agree"),
    ],
)
def test_a_csv_file_at_odds_with_its_schema_is_refused(schema, text, culprit, remedy):
    message = refusal(lambda: schema(text))
    assert culprit in message
    assert remedy in message


def test_an_unknown_data_set_is_met_with_the_nearest():
    assert "'boy'; did you mean 'boys'?" in refusal(lambda: load_dataset("boy"))


# ---- the specification of a synthesis


@pytest.mark.parametrize(
    ("options", "culprit", "remedy"),
    [
        ({"m": 0}, "m is 0", "at least 1"),
        ({"m": 2.5}, "m is 2.5", "whole number"),
        ({"m": True}, "m is True", "whole number"),
        ({"maxit": 0}, "maxit is 0", "at least 1"),
        ({"minbucket": 0}, "minbucket is 0", "at least 1"),
        ({"minbucket": 2.5}, "minbucket is 2.5", "whole number"),
        ({"minsplit": -1}, "minsplit is -1", "at least 1"),
        ({"maxdepth": 31}, "maxdepth is 31", "between 1 and 30"),
        ({"cp": np.nan}, "cp is nan", "finite number"),
        ({"cp": np.inf}, "cp is inf", "finite number"),
        ({"cp": "small"}, "cp is 'small'", "finite number"),
        ({"minbuckets": 3}, "no option 'minbuckets'", "did you mean 'minbucket'?"),
        ({"method": "sample", "minbucket": 3}, "'sample' has no option 'minbucket'", "none"),
        ({"method": "carts"}, "no method 'carts'", "did you mean 'cart'?"),
        ({"method": {"a": "carts", "b": "cart"}}, "no method 'carts'", "did you mean 'cart'?"),
        ({"method": {"a": "cart", "b": "cart", "bb": "cart"}}, "no column 'bb'", "did you mean 'b'?"),
        ({"rule": "mice-3.14"}, "no rule 'mice-3.14'", "did you mean"),
        ({"where": "everything"}, "no where 'everything'", "known are all"),
        ({"where": np.ones((3, 2), bool)}, "where must be", "4 rows and 2 columns"),
        ({"where": np.ones((4, 2))}, "float64", "True or False"),
        ({"visit_sequence": ["a"]}, "lacks 'b'", "name every column once"),
        ({"mode": "sequential", "visit_sequence": ["a", "a", "b"]}, "a column twice", "name each once"),
        ({"visit_sequence": ["a", "b", "aa"]}, "no column 'aa'", "did you mean 'a'?"),
        ({"visit_sequence": ["b", "a"], "derived": {"b": "2 * a"}}, "'b' before its parent 'a'", "visit 'a' first"),
        ({"predictor_matrix": np.zeros((3, 3))}, "is 3 × 3", "give 2 × 2"),
        ({"predictor_matrix": np.zeros(4)}, "is 4", "give 2 × 2"),
        ({"predictor_matrix": np.full((2, 2), 5)}, "5 for 'a' predicting 'a'", "use 0 or 1"),
        ({"predictor_matrix": np.eye(2)}, "'a' predict itself", "set that entry to 0"),
        ({"predictor_matrix": frame().iloc[:2].set_axis(["a", "c"])}, "must name every column", "once"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_specification_that_cannot_work_is_refused_before_anything_runs(options, culprit, remedy):
    message = refusal(lambda: synthesize(frame(), **options))
    assert culprit in message
    assert remedy in message


@pytest.mark.parametrize("matrix", [np.full((2, 2), np.nan), pd.DataFrame("x", ["a", "b"], ["a", "b"])])
def test_a_predictor_matrix_holds_zeros_and_ones_alone(matrix):
    assert "use 0 or 1" in refusal(lambda: synthesize(frame(), predictor_matrix=matrix))


@pytest.mark.parametrize(
    ("formula", "culprit"),
    [
        ("a + wgt", "unknown column 'wgt'"),
        ("a + aa", "unknown column 'aa'; did you mean 'a'?"),
        ("log(a)", "calls 'log'"),
        ("__import__('os').system('true')", "calls"),
        ("a.real", "'a.real'; formulas are arithmetic only"),
        ("a[0]", "'a[0]'; formulas are arithmetic only"),
        ("[x for x in a]", "arithmetic only"),
        ("(lambda: a)()", "calls"),
        ("a if b else a", "arithmetic only"),
        ("a > b", "arithmetic only"),
        ("a and b", "arithmetic only"),
        ("a // b", "operator other than + - * / **"),
        ("not a", "operator other than + - * / **"),
        ("a + 'x'", "'x', which is not a number"),
        ("a + True", "True, which is not a number"),
        ("(c := a)", "arithmetic only"),
        ("a +", "is not arithmetic: 'a +'"),
        ("import os", "is not arithmetic"),
        ("", "is not arithmetic"),
        ("2 * 3", "names no column"),
        ("c + a", "refers to 'c' itself"),
    ],
)
def test_a_derived_columns_formula_is_arithmetic_or_refused(formula, culprit):
    message = refusal(lambda: synthesize(frame(c=[1.0, 2, 3, 4]), derived={"c": formula}))
    assert culprit in message
    assert "formula of 'c'" in message


@pytest.mark.parametrize(
    ("derived", "words"),
    [
        ({"d": "a + b"}, "no column 'd'"),
        ({"a": "b + 1", "b": "a - 1"}, "a and b refer to each other; break the circle"),
        ({"a": "g + 1"}, "the factor 'g'; arithmetic needs numbers"),
        ({"g": "a + 1"}, "the factor 'g'; arithmetic needs numbers"),
    ],
)
def test_derived_columns_that_cannot_be_computed_are_named(derived, words):
    data = frame(g=pd.Categorical(["x", "y", "x", "y"]))
    assert words in refusal(lambda: synthesize(data, derived=derived))


def test_a_derived_column_that_is_not_finite_is_named_with_its_cause():
    data = frame(c=[0.0, 1, 0, 1])
    assert "'b' (a / c) is not finite" in refusal(lambda: synthesize(data, derived={"b": "a / c"}))


# ---- analyses of a synthesis


@pytest.fixture(scope="module")
def syn() -> mice_sim.api.FittableSynthesis:
    rng = np.random.default_rng(1)
    return synthesize(pd.DataFrame(rng.normal(size=(50, 2)), columns=["a", "b"]), m=2, seed=1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.fit("a ~ bb"), "'bb'; did you mean 'b'?"),
        (lambda s: s.fit("~ b"), "has no response"),
        (lambda s: s.fit("a ~ b", model="liner"), "no model 'liner'; did you mean 'linear'?"),
        (lambda s: s.fit("a ~ b", model="ordinal"), "'a'"),
        (lambda s: s.fit("a ~ b", model="logistic"), "'a'"),
        (lambda s: s.completed(3), "no set 3; sets are numbered 1 to 2"),
        (lambda s: s.completed(0), "no set 0"),
        (lambda s: mice_sim.pool(s.fit("a ~ b"), rule="reiter203"), "'reiter203'; did you mean 'reiter2003'?"),
        (lambda s: mice_sim.pool(s.fit("a ~ b"), level=95), "level is 95; give a number between 0 and 1"),
    ],
)
def test_what_cannot_be_estimated_or_pooled_is_named(syn, call, words):
    assert words in refusal(lambda: call(syn))


# ---- the command line


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("experiment=volker_vink", "no experiment 'volker_vink'; did you mean 'volker_vink_2021'?"),
        ("execution.engine=loki", "no engine 'loki'; did you mean 'loky'?"),
        ("synthesis.rule=mice-3.12", "no rule 'mice-3.12'; did you mean"),
        ("synthesis.method=carts", "no method 'carts'; did you mean 'cart'?"),
        ("+synthesis.minbuckets=3", "no option 'minbuckets'; did you mean 'minbucket'?"),
        ("synthesis.mode=sequencial", "no synthesis.mode 'sequencial'; did you mean 'sequential'?"),
        ("synthesis.m=0", "m is 0"),
        ("synthesis.m=1", "at least two sets"),
        ("synthesis.minbucket=0", "minbucket is 0"),
        ("synthesis.cp=inf", "cp is inf"),
        ("+synthesis.derived.bmi='wgt / height'", "unknown column 'height'"),
        ("+synthesis.predictors.height={bmi: 0}", "no column 'height'"),
        ("pooling.linear=rubin", "no pooling rule 'rubin'; did you mean 'rubin1987'?"),
        ("pooling.correlations=fisher", "'fisher'"),
        ("pooling.level=95", "pooling.level is 95; give a number between 0 and 1"),
        ("+pooling.liner=rubin1987", "'liner', which is no analysis; did you mean 'linear'?"),
        ("analysis.linear.kind=liner", "unknown kind 'liner'; did you mean 'linear'?"),
        ("analysis.linear.formula='hgt ~ agee'", "'agee'; did you mean 'age'?"),
        ("analysis.linear.formula='~ age'", "response"),
        ("~analysis.linear.formula", "'linear' needs a formula"),
        ("resampling.kind=jackknife", "no resampling kind 'jackknife'"),
        ("data.name=girls", "no data set 'girls'"),
        ("data=girls", "no data 'girls'"),
        ("data.name=boys", "'boys' has missing values; a study needs complete reference data"),
        ("replicates=0", "replicates is 0"),
        ("replicates=many", "replicates is 'many'"),
        ("seed=-1", "seed is -1"),
        ("replicate=5", "no key 'replicate'"),
        ("synthesis.bucket=5", "no key 'synthesis.bucket'"),
        ("+colour=red", "no key 'colour'"),
        ("execution.chunk=0", "execution.chunk is 0"),
        ("execution.workers=0", "execution.workers is 0"),
        ("replicates", "replicates"),
        ("report.published=volker", "no published study 'volker'; known are volker_vink_2021"),
    ],
)
def test_mice_sim_run_refuses_a_wrong_override_in_one_line(tmp_path, override, words):
    output = tmp_path / "out"
    result = CliRunner().invoke(main, ["run", "replicates=2", f"output={output}", "execution=serial", override])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("mice-sim: ")
    assert words in line
    assert not (output / "replicates").exists()


def test_mice_sim_report_says_that_a_folder_holds_no_study(tmp_path):
    result = CliRunner().invoke(main, ["report", str(tmp_path)])
    assert result.exit_code == 1
    assert "holds no study; run one first" in result.stderr


def test_mice_sim_run_names_a_folder_that_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = CliRunner().invoke(main, ["run", "replicates=1", f"output={tmp_path}/file/out"])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert f"{tmp_path}/file" in line
    assert "check the path" in line


def test_every_message_of_a_composition_is_one_sentence():
    for overrides in (["experiment=x"], ["replicate=5"], ["synthesis.bucket=5"], ["execution.engine=x"]):
        refusal(lambda overrides=overrides: compose(overrides))


# ---- a method of one's own


@dataclass(frozen=True)
class Odd(mice_sim.Method):
    """A method that draws what it was given, whatever was asked."""

    gives: Any = None

    def fit(self, y, X, rng):
        return SimpleNamespace(draw=lambda X, rng: self.gives)


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        (np.zeros(3), "3 values"),
        (np.zeros((7, 2)), r"an array of shape \(7, 2\)"),
        (None, "something of type NoneType"),
        (1.0, "something of type float"),
        (["a"] * 9, "something of type list"),
    ],
)
def test_a_method_that_draws_something_else_than_numbers_is_named(gives, said):
    data = pd.DataFrame({"a": np.arange(20.0), "b": [np.nan, *np.arange(19.0) ** 2]})
    for verb, mode, needed in (("impute", {}, 1), ("synthesize", {}, 20), ("synthesize", {"mode": "linked"}, 20)):
        words = f"^The method 'odd' gave {said} for 'b', not an array of shape \\({needed},\\); let its draw"
        with pytest.raises(MiceSimError, match=words):
            getattr(mice_sim, verb)(data, m=1, method={"a": "sample", "b": Odd(gives)}, seed=1, **mode)


# ---- pooling and choice of predictors


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: mice_sim.pool(synthesize(frame(), m=2, seed=1)),
            'pool combines the fits of a model, and this is of type Sets; fit a model first: pool(sets.fit("y ~ x")).',
        ),
        (
            lambda: mice_sim.pool([1, 2]),
            "pool combines the fits of a model, and this is of type list; give what fit returns.",
        ),
        (lambda: mice_sim.quickpred(frame(), mincor="x"), "mincor is 'x'; give a number between 0 and 1."),
        (lambda: mice_sim.quickpred(frame(), minpuc=2), "minpuc is 2; give a number between 0 and 1."),
        (lambda: mice_sim.pool_scalar([1, 2], [1, -1]), "A variance or standard error is negative; correct it."),
        (
            lambda: mice_sim.pooling.pool_vector(np.ones((2, 1)), np.array([[[1.0]], [[-1.0]]])),
            "A variance or standard error is negative; correct it.",
        ),
    ],
)
def test_what_can_not_be_pooled_or_chosen_is_refused(call, said):
    assert refusal(call) == said
