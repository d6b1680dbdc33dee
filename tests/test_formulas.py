"""Formulas mean what R's mean: names, codings, transformations and curves; and they never run anything."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from mice_sim.data import Table
from mice_sim.data.expressions import quote
from mice_sim.data.formula import ModelFormula, NotFinite
from mice_sim.errors import MiceSimError

ODD_NAMES = [
    "1",
    ".",
    "x y",
    "a`b",
    "a\\b",
    "log(x)",
    "in",
    "lambda",
    "TRUE",
    "_x",
    "été",
    "身長",
    "वजन",
    "a:b",
    "x^2",
    "2x",
]


def parse(formula: str, table: Table) -> ModelFormula:
    return ModelFormula.parse(formula, table.columns).learn(table.values)


# ---- against R


def test_names_and_values_of_the_model_matrix_are_rs(r_models, small):
    assert len(r_models["formulas"]) > 50
    for theirs in r_models["formulas"]:
        ours = parse(theirs["formula"], small)
        assert list(ours.names) == theirs["names"], theirs["formula"]
        values = np.array(theirs["values"])
        np.testing.assert_allclose(ours.matrix(small.values), values, rtol=1e-10, atol=1e-10, err_msg=theirs["formula"])


def test_curves_are_rs_for_new_values_too_beyond_the_old_ones(r_models, small):
    for theirs in r_models["curves"]:
        formula = parse(f"~ {theirs['curve']} - 1", small)
        new = np.tile(small.values[:, :1], len(theirs["new"]))
        new[small.index("x")] = theirs["new"]
        np.testing.assert_allclose(formula.matrix(new), theirs["values"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("hgt ~ age + phb", ["(Intercept)", "age", "phb.L", "phb.Q", "phb.C", "phb^4", "phb^5"]),
        ("hgt ~ reg", ["(Intercept)", "regeast", "regwest", "regsouth", "regcity"]),
        ("hgt ~ age * hc", ["(Intercept)", "age", "hc", "age:hc"]),
        ("hgt ~ age - 1", ["age"]),
        ("hgt ~ 1", ["(Intercept)"]),
        ("~ wgt", ["(Intercept)", "wgt"]),
        ("wgt", ["(Intercept)", "wgt"]),
        # colnames(model.matrix(...)) of R
        ("~ age %in% (hgt + wgt)", ["(Intercept)", "age:hgt:wgt"]),
        ("~ age + (hgt - age)", ["(Intercept)", "age", "hgt"]),
        ("~ (age - age) / hgt", ["(Intercept)"]),
        (
            "~ (age + hgt + wgt:hc)^2",
            ["(Intercept)", "age", "hgt", "age:hgt", "wgt:hc", "age:wgt:hc", "hgt:wgt:hc"],
        ),
        (
            "~ (age + hgt:wgt + hc)^3",
            ["(Intercept)", "age", "hc", "age:hc", "hgt:wgt", "age:hgt:wgt", "hgt:wgt:hc", "age:hgt:wgt:hc"],
        ),
    ],
)
def test_terms_have_rs_names(truth, formula, names):
    assert list(ModelFormula.parse(formula, truth.columns).names) == names


# ---- what is learned


@pytest.mark.parametrize("curve", ["poly(age, 3)", "ns(age, df = 4)", "bs(log(age), 5)"])
def test_a_curve_is_the_same_in_every_set(truth, curve):
    formula = parse(f"hgt ~ {curve}", truth)
    rows = np.arange(0, 748, 3)
    np.testing.assert_array_equal(formula.matrix(truth.values)[rows], formula.matrix(truth.values[:, rows].copy()))
    assert formula.learn(truth.values[:, rows]) is formula
    kept = ModelFormula.parse(f"hgt ~ {curve}", truth.columns).with_bases(formula.bases)
    np.testing.assert_array_equal(kept.matrix(truth.values), formula.matrix(truth.values))


def test_a_curve_that_has_not_learned_refuses_and_says_what_to_do(truth):
    with pytest.raises(MiceSimError, match=r"poly\(age, 2\).*call formula.learn"):
        ModelFormula.parse("hgt ~ poly(age, 2)", truth.columns).matrix(truth.values)


def test_curves_learn_from_the_values_that_are_there(truth):
    holes = truth.values.copy()
    holes[truth.index("age"), ::5] = np.nan
    formula = ModelFormula.parse("~ ns(age, 3)", truth.columns).learn(holes)
    present = np.delete(truth.values, np.s_[::5], axis=1)
    assert_equal = np.testing.assert_array_equal
    assert_equal(
        formula.bases[0].knots, ModelFormula.parse("~ ns(age, 3)", truth.columns).learn(present).bases[0].knots
    )
    assert_equal(np.isnan(formula.matrix(holes)).any(axis=1), np.arange(748) % 5 == 0)


def test_what_is_computed_from_a_missing_value_is_missing(truth):
    holes = truth.values.copy()
    holes[truth.index("reg"), 3], holes[truth.index("age"), 4] = np.nan, np.nan
    matrix = ModelFormula.parse("~ reg * log(age) + hgt", truth.columns).matrix(holes)
    assert np.flatnonzero(np.isnan(matrix).any(axis=1)).tolist() == [3, 4]
    np.testing.assert_array_equal(matrix[:, -1].size, 748)


# ---- any column, any text


def test_every_column_can_be_named(small):
    values = np.arange(1.0, 1 + len(ODD_NAMES) * 7).reshape(len(ODD_NAMES), 7)
    table = Table.from_pandas(pd.DataFrame(dict(zip(ODD_NAMES, values, strict=True))))
    for name, row in zip(ODD_NAMES, values, strict=True):
        for text in (f"~ {quote(name)} - 1", f"~ 0 + I(2 * {quote(name)} / 2)"):
            np.testing.assert_array_equal(ModelFormula.parse(text, table.columns).matrix(table.values)[:, 0], row)
    everything = ModelFormula.parse("~ . - 1", table.columns)
    np.testing.assert_array_equal(everything.matrix(table.values), values.T)
    assert [quote(name) for name in ODD_NAMES] == list(everything.names)


@pytest.mark.parametrize("name", ["x", ".x", "x.1", "x_1", "été", "..", "lambda"])
def test_names_that_r_reads_stand_bare(name):
    assert quote(name) == name


@pytest.mark.parametrize("name", ["_x", ".1", "1x", "x y", "in", "TRUE", "NA", "."])
def test_names_that_r_cannot_read_stand_in_backticks(name):
    assert quote(name) == f"`{name}`"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("z^2^3", 256.0),
        ("z^-1*2", 1.0),
        ("-z^2", -4.0),
        ("2*-z", -4.0),
        ("8/z/z", 2.0),
        ("8-z-z", 4.0),
        ("2**z**z", 16.0),
    ],
)
def test_operators_bind_as_in_r(text, value):
    table = Table.from_pandas(pd.DataFrame({"z": [2.0]}))
    assert ModelFormula.parse(f"~ I({text}) - 1", table.columns).matrix(table.values).item() == value


@pytest.mark.parametrize(
    ("formula", "culprit"),
    [
        ("hgt ~ agee", "'agee'; did you mean 'age'?"),
        ("height ~ age", "'height'"),
        ("hgt ~ log(agee)", "'agee'; did you mean 'age'?"),
        ("hgt + wgt ~ age", "more than one response"),
        ("hgt ~ hgt + age", "on both sides"),
        ("hgt ~ (age", "can't be read at its end"),
        ("hgt ~ age wgt", "can't be read at 'wgt'"),
        ("hgt ~ age $ wgt", "can't be read from '$ wgt' on"),
        ("hgt ~ age ~ wgt", "can't be read at '~'"),
        ("hgt ~", "can't be read at its end"),
        ("", "can't be read at its end"),
        (3, "not text"),
        ("hgt ~ " + "(" * 5000 + "age" + ")" * 5000, "nested too deeply"),
        ("hgt ~ 2", "'2' stands where a column should"),
        ("hgt ~ age ^ wgt", "needs a whole number"),
        ("hgt ~ log(reg)", "the unordered column 'reg'"),
        ("hgt ~ log(age, 2, 3)", "wrong arguments"),
        ("hgt ~ lgo(age)", "did you mean 'log'?"),
        ("hgt ~ log(f(age))", "'f(age)' calls an unknown function"),
        ("hgt ~ I(2)", "names no column"),
        ("hgt ~ C(age)", "continuous column 'age'"),
        ("hgt ~ poly(age, 2.5)", "'2.5'"),
        ("hgt ~ poly(age, 2, 3)", "too many arguments"),
        ("hgt ~ poly()", "names no variable"),
        ("hgt ~ ns(age, dg = 3)", "'dg'"),
        ("hgt ~ ns(age, 3, knots = 2)", "both df and knots"),
        ("hgt ~ bs(age, 2)", "too few degrees of freedom"),
        ("hgt ~ poly(age, 2, raw = maybe)", "TRUE or FALSE"),
        ("hgt ~ ns(age, knots = c(1, wgt))", "'wgt' where a number"),
        ("hgt ~ ns(age, 2, Boundary.knots = 3)", "two boundary knots"),
    ],
)
def test_what_a_formula_cannot_hold_is_named(truth, formula, culprit):
    with pytest.raises(MiceSimError) as caught:
        ModelFormula.parse(formula, truth.columns)
    assert culprit in str(caught.value)


@pytest.mark.parametrize(
    ("formula", "culprit"),
    [
        ("~ poly(x, 4)", "more than 4 different values"),
        ("~ ns(x, 6)", "coinciding knots"),
        ("~ ns(x, knots = 9)", "out of its boundary"),
        ("~ ns(none, 2)", "missing in every row"),
    ],
)
def test_too_few_values_for_a_curve_are_named(formula, culprit):
    table = Table.from_pandas(pd.DataFrame({"x": [1.0, 2, 2, 2, 3, 4], "none": np.nan}))
    with pytest.raises(MiceSimError, match=culprit):
        parse(formula, table)


def test_a_transformation_without_a_value_is_named_but_a_missing_one_is_none():
    table = Table.from_pandas(pd.DataFrame({"x": [1.0, 0, -1, np.nan], "y": 1.0}))
    with pytest.raises(NotFinite, match=r"'log\(x\)' is no finite number in 2 rows"):
        parse("y ~ log(x)", table).matrix(table.values)


@pytest.mark.parametrize(
    "payload",
    ["open('{trap}', 'w')", "__import__(`{trap}`)", "{{open('{trap}', 'w')}}", "I(open(`{trap}`))", "age.__class__"],
)
def test_a_formula_never_runs_code(truth, tmp_path, payload):
    trap = tmp_path / "ran"
    with pytest.raises(MiceSimError):
        ModelFormula.parse("hgt ~ " + payload.format(trap=trap), truth.columns)
    assert not trap.exists()


def test_powers_end_where_no_more_terms_come_and_too_many_terms_are_refused(truth):
    start = time.perf_counter()
    formula = ModelFormula.parse("hgt ~ (age + wgt + hc) ^ 999999999", truth.columns)
    assert formula.names[-1] == "age:wgt:hc"
    wide = Table.from_pandas(pd.DataFrame(np.ones((1, 60)), columns=[f"x{i}" for i in range(60)]))
    with pytest.raises(MiceSimError, match="more than 20000 terms"):
        ModelFormula.parse("~ .^3", wide.columns)
    assert time.perf_counter() - start < 5
