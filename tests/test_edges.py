"""Tables and calls at the edge, most of them found by tests/test_fuzz.py."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mice_sim as ms
from mice_sim import MiceSimError


@pytest.fixture(autouse=True)
def no_warning():
    """Whatever a table holds, numpy's warnings are not for users."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# ---- constants and twins


@pytest.mark.parametrize("mode", ["sequential", "linked"])
def test_a_table_of_constants_alone_is_a_table(mode):
    data = pd.DataFrame({"a": [1.0, 1.0], "b": pd.Categorical(["u", "u"]), "c": [2, 2]})
    for columns in (["a"], ["a", "b"], ["a", "b", "c"]):
        drawn = ms.synthesize(data[columns], m=1, mode=mode, seed=1).completed(1)
        pd.testing.assert_frame_equal(drawn, data[columns])


def test_options_of_methods_are_none_of_constants():
    data = pd.DataFrame({"a": [1.0, 1.0]})
    pd.testing.assert_frame_equal(ms.synthesize(data, m=1, seed=1, cp=0.1, method="cart").completed(1), data)


def test_a_rule_may_look_at_a_constant_or_set_one():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=40), "one": 1.0, "y": rng.normal(size=40)})
    drawn = ms.synthesize(data, m=1, seed=1, rules={"x": {"one > 0": 7}, "one": {"y > 0": 2}}).completed(1)
    assert (drawn["one"] == np.where(drawn["y"] > 0, 2, 1)).all()
    assert (drawn["x"] == 7).all()


def test_a_rule_may_look_at_a_linear_twin():
    x = np.arange(40.0)
    data = pd.DataFrame({"x": x, "y": 2 * x})
    drawn = ms.synthesize(data, m=1, seed=1, rules={"x": {"y > 40": 0}}).completed(1)
    assert (drawn.loc[drawn["y"] > 40, "x"] == 0).all()


def test_a_factor_of_one_level_beside_a_derived_column():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"f": pd.Categorical(["a"] * 30, ordered=True), "x": rng.normal(size=30), "z": rng.random(30)})
    drawn = ms.synthesize(
        data.assign(y=data["x"] * 2 + 1), m=1, mode="linked", rule="mice-3.13", derived={"y": "x * 2 + 1"}, seed=1
    ).completed(1)
    np.testing.assert_array_equal(drawn["y"], drawn["x"] * 2 + 1)


# ---- scales


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_chains_are_told_at_any_scale(scale):
    x = np.random.default_rng(1).normal(size=50)
    chains = [ms.synthesize(pd.DataFrame({"x": x * s}), m=1, mode="linked", seed=1).chain for s in (1, scale)]
    np.testing.assert_allclose(chains[1].mean, chains[0].mean * scale, rtol=1e-12)
    np.testing.assert_allclose(chains[1].sd, chains[0].sd * scale, rtol=1e-12)


# ---- incomplete data


@pytest.mark.parametrize("mode", ["linked", "sequential"])
def test_a_single_imputation_is_synthesised_r_times_too(mode):
    x = np.random.default_rng(1).normal(size=50)
    data = pd.DataFrame({"x": np.where(x > 1, np.nan, x), "y": x**2})
    syn = ms.synthesize(data, m=1, r=3, mode=mode, missing="two-step", seed=1)
    assert len(syn.sets) == 3
    assert (syn.sets[0] != syn.sets[1]).any()


def test_a_factor_that_is_all_missing_stays_so():
    data = pd.DataFrame({"x": np.arange(9.0), "f": pd.Categorical([None] * 9, categories=["a", "b"])})
    drawn = ms.synthesize(data, m=1, seed=1).completed(1)
    assert drawn["f"].isna().all()
    assert drawn["f"].dtype == data["f"].dtype


# ---- refusals


def refusal(data: pd.DataFrame, **options) -> str:
    with pytest.raises(MiceSimError) as caught:
        ms.synthesize(data, m=1, seed=1, **options)
    return str(caught.value)


@pytest.mark.parametrize("options", [{}, {"mode": "linked"}, {"cp": 1e-8}, {"k": 10}, {"method": "joint"}])
def test_a_single_record_is_not_synthesised(options):
    said = "The data has one row, which every synthetic record would repeat; give more rows."
    assert refusal(pd.DataFrame({"x": [1.0], "y": [2.0]}), **options) == said


def test_a_kept_column_decides_on_the_number_of_rows():
    data = pd.DataFrame({"x": np.arange(9.0), "y": np.arange(9.0) ** 2})
    assert refusal(data, where=["x"], k=5) == "Column 'y' keeps its 9 values, so k can't be 5; leave k out."
    assert len(ms.synthesize(data, m=1, where=["x"], k=9, seed=1).completed(1)) == 9


def test_the_long_format_needs_its_names():
    syn = ms.synthesize(pd.DataFrame({".imp": np.arange(9.0)}), m=1, seed=1)
    with pytest.raises(MiceSimError, match=r"has a column '\.imp', which the long format needs; rename it"):
        syn.long()


def test_cells_that_where_leaves_missing_must_not_predict():
    data = pd.DataFrame({"x": [1.0, 2, np.nan, 4, 5], "y": [1.0, np.nan, 3, 4, 4], "z": [2.0, 3, 5, 7, 11]})
    where = np.zeros((5, 3), bool)
    where[2, 0] = True
    with pytest.raises(MiceSimError, match="so it can't predict 'x'; mark them"):
        ms.impute(data, m=1, where=where, seed=1)
    matrix = [[0, 0, 1], [0, 0, 0], [0, 0, 0]]
    imputed = ms.impute(data, m=1, where=where, predictor_matrix=np.array(matrix), seed=1).completed(1)
    assert imputed["x"].notna().all()
    assert imputed["y"].isna().tolist() == data["y"].isna().tolist()


def test_factors_that_agree_where_both_are_there_may_have_more_levels():
    data = pd.DataFrame({"f": pd.Categorical([*"abcabcabc", *"ddd"]), "g": pd.Categorical([*"uvwuvwuvw", *[None] * 3])})
    imputed = ms.impute(data, m=1, seed=1).completed(1)
    assert imputed["g"].notna().all()


def test_names_in_formulas_may_hold_a_tilde():
    data = pd.DataFrame({"a ~ b": np.arange(9.0), "y": np.arange(9.0) ** 2})
    fits = [ms.synthesize(data, m=1, method="norm", formulas={"y": f}, seed=1) for f in ("`a ~ b`", "y ~ `a ~ b`")]
    np.testing.assert_array_equal(fits[0].sets, fits[1].sets)


def test_a_stratum_needs_a_row_to_learn_from():
    data = pd.DataFrame({"x": np.arange(8.0), "s": [0, 0, 0, 0, 1, 1, 1, 1]})
    words = "ignore leaves no row of stratum 2 to learn from; mark some rows False."
    assert refusal(data, strata="s", ignore=data["s"] == 1) == words


# ---- options


def test_an_option_that_must_be_given_can_be_given_to_one_column():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=40), "b": (rng.random(40) < 0.5).astype(object)})
    data.loc[:9, "b"] = None
    data["b"] = data["b"].astype("boolean")
    imputed = ms.impute(data, m=1, seed=1, method={"b": {"name": "mnar.logreg", "ums": "90"}}).completed(1)
    assert imputed.loc[:9, "b"].all()


def test_a_derived_column_does_not_predict_where_its_parents_go_missing():
    rng = np.random.default_rng(1)
    x = rng.normal(size=80)
    data = pd.DataFrame({"x": np.where(rng.random(80) < 0.3, np.nan, x), "twice": 2 * x, "y": x + rng.normal(size=80)})
    drawn = ms.synthesize(data, m=1, method="norm", derived={"twice": "x * 2"}, seed=1).completed(1)
    assert drawn["y"].notna().all()
    assert drawn["x"].isna().any()
    assert drawn["twice"].equals(drawn["x"] * 2)


def test_a_two_step_synthesis_keeps_the_imputed_values_of_a_column():
    rng = np.random.default_rng(1)
    x = rng.normal(size=60)
    data = pd.DataFrame({"x": np.where(rng.random(60) < 0.3, np.nan, x), "y": x + rng.normal(size=60)})
    syn = ms.synthesize(data, m=2, r=2, missing="two-step", where=["y"], imputation={"maxit": 1}, seed=1)
    imputed = syn.sets[:, 0]
    assert not np.isnan(syn.sets).any()
    assert (imputed[0] == imputed[1]).all()
    assert (imputed[0] != imputed[2]).any()
    assert (imputed[:, data["x"].notna()] == data["x"].dropna().to_numpy()).all()
    ms.Synthesizer(m=2, r=2, missing="two-step", where=["y"], seed=1).fit(data)


@pytest.mark.parametrize("mode", ["linked", "sequential"])
def test_two_steps_are_taken_where_twins_fill_every_hole(mode):
    x = np.random.default_rng(1).normal(size=60)
    data = pd.DataFrame({"x": x, "twice": 2 * x})
    data.loc[:9, "x"] = np.nan
    syn = ms.synthesize(data, m=2, r=2, mode=mode, missing="two-step", seed=1)
    assert len(syn.sets) == syn.origin.m * syn.origin.r == 4


# ---- types


@pytest.mark.parametrize("dtype", ["int8", "Int8", "int8[pyarrow]"])
def test_whole_numbers_beyond_their_type_become_floats(dtype):
    data = pd.DataFrame({"x": pd.Series(range(60, 100), dtype=dtype), "double": pd.Series([0, 1] * 20, dtype=dtype)})
    drawn = ms.synthesize(data, m=1, derived={"double": "x * 2"}, seed=1).completed(1)
    assert drawn["x"].dtype == data["x"].dtype
    np.testing.assert_array_equal(drawn["double"].to_numpy(float), drawn["x"].to_numpy(float) * 2)


def test_whole_numbers_that_floats_cannot_hold_are_refused():
    assert "2^53 and more" in refusal(pd.DataFrame({"id": [2**53 + 1, 2, 3]}))


def test_a_single_row_is_a_table():
    data = pd.DataFrame({"x": [1.0], "y": [2.0], "f": pd.Categorical(["a"])})
    drawn = ms.impute(data, m=1, bounds={"x": [0, None], "y": [0, None]}, seed=1).completed(1)
    pd.testing.assert_frame_equal(drawn, data)


def test_draws_beyond_all_numbers_are_refused():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=40), "z": rng.normal(size=40), "y": 1e307 * rng.normal(size=40)})
    words = refusal(data, method="norm", derived={"z": "x * 1e9"}, formulas={"y": "z"})
    assert words.startswith("The model of 'y' leads to numbers that are not finite; measure it in other units")


def test_numbers_beyond_single_precision_become_doubles():
    data = pd.DataFrame({"x": np.linspace(1, 3e38, 30, dtype="float32"), "y": np.float32(0)})
    drawn = ms.synthesize(data, m=1, derived={"y": "x * 2"}, seed=1).completed(1)
    assert drawn["x"].dtype == "float32"
    np.testing.assert_allclose(drawn["y"], drawn["x"].to_numpy(float) * 2)


def test_strata_may_name_every_column_to_replace():
    data = pd.DataFrame({"x": np.arange(8.0), "s": [0, 0, 0, 0, 1, 1, 1, 1]})
    named = ms.synthesize(data, m=1, strata="s", where=["x", "s"], seed=1)
    np.testing.assert_array_equal(named.sets, ms.synthesize(data, m=1, strata="s", seed=1).sets)


def test_a_rule_sets_values_where_the_data_has_codes_only():
    data = pd.DataFrame({"x": np.arange(40.0), "income": [0.0, -8.0] * 20})
    syn = ms.synthesize(data, m=1, semicontinuous={"income": [0, -8]}, rules={"income": {"x > 20": 7}}, seed=1)
    drawn = syn.completed(1)
    assert (drawn.loc[drawn["x"] > 20, "income"] == 7).all()
    assert drawn.loc[drawn["x"] <= 20, "income"].isin([0, -8]).all()


def test_polynomials_of_extreme_numbers_are_refused():
    data = pd.DataFrame({"x": np.arange(9.0) * 1e-200, "y": np.arange(9.0) ** 2})
    words = refusal(data, method="norm", formulas={"y": "poly(x, 2)"})
    assert words == "'poly(x, 2)' can't be made: The powers up to 2 of these values are no numbers; use other units."


def test_numbers_are_smoothed_at_any_scale():
    x = np.random.default_rng(1).normal(size=50)
    plain, huge = (
        ms.synthesize(pd.DataFrame({"x": x * s}), m=1, smoothing="density", seed=1).sets for s in (1, 2.0**990)
    )
    np.testing.assert_allclose(huge, plain * 2.0**990, rtol=1e-12)


def test_values_that_are_all_alike_stay_when_smoothed():
    x = np.array([1e200] * 30 + [2e200])
    drawn = ms.synthesize(pd.DataFrame({"x": x}), m=1, method="mean", smoothing="spline", seed=1).completed(1)
    np.testing.assert_allclose(drawn["x"], x.mean())


@pytest.mark.parametrize("holes", [0, 10])
def test_predictors_are_told_apart_at_huge_scales(holes):
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=(2, 60))
    data = pd.DataFrame({"x": x, "z": z, "y": x + 0.5 * z + rng.normal(size=60)})
    data.loc[: holes - 1, "y"] = np.nan
    options = {"m": 1, "mode": "linked", "missing": "one-step", "method": "norm.predict", "where": ["y"], "maxit": 1}
    plain, huge = (ms.synthesize(data * s, seed=1, **options).sets for s in (1, 2.0**1000))
    np.testing.assert_allclose(huge, plain * 2.0**1000, rtol=1e-9)
