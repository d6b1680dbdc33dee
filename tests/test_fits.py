"""Pooling of models fitted to every set: R's numbers on the very sets that mice made, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES
from scipy import stats
from scipy.special import ndtr

from mice_sim import fits as f
from mice_sim.analysis import NotConverged, models
from mice_sim.data import Table
from mice_sim.errors import MiceSimError
from mice_sim.origin import Origin
from mice_sim.pooling import INFERENCE
from mice_sim.pooling.tables import pool_table

R = json.loads((ORACLES / "pooling.json").read_text(encoding="utf-8"))
LINKED = Origin("linked", "none", proper=False, complete=True, n=120, k=120, m=8)
CASES = list(range(len(R["fits"])))
# Relative and absolute; generalised linear fits, R's and ours, stop at tolerances of their own.
TOLERANCE = {"linear": (1e-8, 1e-10), "logistic": (1e-6, 1e-8), "poisson": (1e-6, 1e-8)}


def close(found, expected, rel: float = 1e-8, abs_: float = 1e-10) -> None:
    expected = np.array([np.nan if v is None else v for v in np.atleast_1d(np.array(expected, dtype=object))], float)
    np.testing.assert_allclose(np.atleast_1d(np.asarray(found, dtype=float)), expected, rtol=rel, atol=abs_)


def completed(name: str, m: int) -> tuple[Table, np.ndarray]:
    """The first m sets that mice made: their table and float64 (m, columns, rows)."""
    columns = R["data"][name]
    frame = pd.DataFrame({
        name: pd.Categorical.from_codes(np.array(c["values"][0], int), c["levels"]) if c["levels"] else c["values"][0]
        for name, c in columns.items()
    })  # fmt: skip
    sets = np.array([c["values"][:m] for c in columns.values()], dtype=float)
    return Table.from_pandas(frame), np.ascontiguousarray(sets.transpose(1, 0, 2))


def imputed(name: str, m: int) -> Origin:
    rows = len(next(iter(R["data"][name].values()))["values"][0])
    return Origin("impute", "imputed", proper=True, complete=False, n=rows, k=rows, m=m)


def fitted(case: dict, formula: str | None = None, origin: Origin | None = None) -> f.Fits:
    table, sets = completed(case["data"], case["m"])
    origin = origin or imputed(case["data"], case["m"])
    return f.fit_sets(formula or case["formula"], case["model"], table.columns, sets, origin)


def generated(formula: str = "y ~ x + z", model: str = "linear", **origin) -> f.Fits:
    return fitted({"data": "generated", "m": 8, "model": model}, formula, dataclasses.replace(LINKED, **origin))


# ---- R's numbers


@pytest.mark.parametrize("number", CASES)
@pytest.mark.parametrize("rule", ["rubin1987", "reiter2003"])
def test_pooled_models_are_those_of_pool(number, rule):
    case = R["fits"][number]
    frame = f.pool(fitted(case), rule, force=rule == "reiter2003")
    assert list(frame.index) == case[rule]["terms"]
    for name in [*INFERENCE, "within", "between", "total", "riv", "lambda", "fmi"]:
        close(frame[name], case[rule][name], *TOLERANCE[case["model"]])


@pytest.mark.parametrize("number", CASES)
def test_joint_tests_are_those_of_mice_and_mitml(number):
    case = R["fits"][number]
    large, small, expected = fitted(case), fitted(case, case["null"]), case["tests"]
    found = {
        "D1": f.d1(large, small),
        "D1_large_sample": f.d1(large, small, df_complete=np.inf),
        "D2_wald": f.d2(large, small),
        "D2_likelihood": f.d2(large, small, "likelihood"),
        "D3": f.d3(large, small),
    }
    for name, test in found.items():
        compared = ["statistic", "df1", "riv"]
        if name != "D1" or test.df1 * (test.m - 1) > 4:  # mice divides by zero below
            compared += ["df2", "p_value"]
        found_parts, parts = [getattr(test, part) for part in compared], [expected[name][part] for part in compared]
        close(found_parts, parts, *TOLERANCE[case["model"]])
        assert test.rule == "rubin1987"
        assert not test.forced


@pytest.mark.parametrize("number", [i for i in CASES if R["fits"][i]["r2"]])
@pytest.mark.parametrize("adjusted", [False, True])
def test_r_squared_is_that_of_pool_r_squared(number, adjusted):
    case = R["fits"][number]
    expected = case["r2"]["adjusted" if adjusted else "plain"]
    # mice takes 1.96 for the normal quantile.
    frame = f.pool_r_squared(fitted(case), adjusted, level=2 * ndtr(1.96) - 1)
    roots = np.tanh(np.arctanh(np.sqrt(expected["estimate"])) * 2 - np.arctanh(np.sqrt(expected["ci_upper"])))
    assert list(frame.index) == ["adj R^2" if adjusted else "R^2"]
    close(frame[["estimate", "ci_upper", "fmi"]], [[expected[name] for name in ("estimate", "ci_upper", "fmi")]])
    close(roots**2, expected["ci_lower"])
    close(frame["ci_lower"], roots**2 if roots > 0 else -(roots**2) * adjusted)


@pytest.mark.parametrize("number", range(3))
def test_correlations_are_pooled_as_pool_scalar_pools_fishers_z(number):
    case = R["z"][number]
    table, sets = completed("generated", 8)
    result = SimpleNamespace(original=table, sets=sets, origin=imputed("generated", 8))
    row = f.pool_correlations(result, [case["a"], case["b"]]).loc[(case["a"], case["b"])]
    for name in ("estimate", "ci_lower", "ci_upper", "std_error", "df", "fmi"):
        close(row[name], case[name])


@pytest.mark.parametrize("names", [("std_error", "df_residual"), ("std.error", "df.residual")])
def test_a_long_table_of_estimates_is_pooled_like_the_fits(names):
    fits = fitted(R["fits"][0])
    rows = [
        {"term": term, "estimate": estimate, names[0]: error, names[1]: fit.df_residual}
        for fit in fits.estimates
        for term, estimate, error in zip(fit.terms, fit.estimate, np.sqrt(fit.variance), strict=True)
    ]
    pd.testing.assert_frame_equal(pool_table(pd.DataFrame(rows)), f.pool(fits), rtol=1e-12)
    given = pool_table(pd.DataFrame(rows), df_complete=7)
    pd.testing.assert_frame_equal(given, f.pool(fits, df_complete=7), rtol=1e-12)
    assert (given["df"] < 7).all()


# ---- the rule that is used


def test_the_default_rule_is_that_of_the_origin_and_is_recorded():
    frame = f.pool(generated())
    assert frame.attrs == {"rule": "reiter2003", "forced": False, "level": 0.95, "m": 8}
    assert list(frame.columns) == [*INFERENCE, "within", "between", "total", "riv", "lambda", "fmi"]
    assert frame["total"].to_numpy() == pytest.approx((frame["within"] + frame["between"] / 8).to_numpy())
    assert f.pool(generated(mode="impute")).attrs["rule"] == "rubin1987"
    assert f.pool(generated(mode="sequential")).attrs["rule"] == "raab2016_simple"


def test_a_rule_that_is_not_valid_is_refused_unless_it_is_forced_which_is_recorded():
    fits = generated()
    wanted = "'rubin1987' is not valid for linked synthetic data.*use 'reiter2003', or give force=True"
    for refused in (f.pool, f.d1, f.d2, f.d3, f.pool_r_squared):
        with pytest.raises(MiceSimError, match=wanted):
            refused(fits, rule="rubin1987")
    frame = f.pool(fits, "rubin1987", force=True)
    assert (frame.attrs["rule"], frame.attrs["forced"]) == ("rubin1987", True)
    assert f.d1(fits, rule="rubin1987", force=True).forced
    assert f.pool_r_squared(fits, rule="rubin1987", force=True).attrs["forced"]
    assert not f.pool(fits, "reiter2003", force=True).attrs["forced"]


def test_variances_are_scaled_to_the_size_of_the_real_data():
    one, half = f.pool(generated(mode="sequential")), f.pool(generated(mode="sequential", n=240))
    assert one["total"].to_numpy() == pytest.approx((one["within"] * (1 + 1 / 8)).to_numpy())
    assert half["total"].to_numpy() == pytest.approx((one["within"] * (1 / 2 + 1 / 8)).to_numpy())


def test_two_step_sets_are_pooled_by_nests():
    fits = generated(missing="two-step", m=4, r=2)
    frame = f.pool(fits)
    nests = fits.q.reshape(4, 2, -1)
    assert frame.attrs["rule"] == "reiter2004"
    assert frame["between"].to_numpy() == pytest.approx(nests.mean(axis=1).var(axis=0, ddof=1))
    inside = nests.var(axis=1, ddof=1).mean(axis=0)
    total = 1.25 * frame["between"] - inside / 2 + frame["within"]
    assert frame["total"].to_numpy() == pytest.approx(total.to_numpy())


def test_a_narrower_level_narrows_the_interval_alone():
    wide, narrow = f.pool(generated()), f.pool(generated(), level=0.5)
    assert (narrow["ci_upper"] < wide["ci_upper"]).all()
    limits = ["ci_lower", "ci_upper"]
    pd.testing.assert_frame_equal(wide.drop(columns=limits), narrow.drop(columns=limits))
    with pytest.raises(MiceSimError, match="level is 95; give a number between 0 and 1"):
        f.pool(generated(), level=95)


# ---- tests of several parameters


def test_synthetic_data_have_the_tests_of_reiter_2005():
    large, small = generated("y ~ x + z + f"), generated("y ~ x")
    q, u = large.q[:, 2:], large.covariances[:, 2:, 2:]
    estimate, within, m, k = q.mean(axis=0), u.mean(axis=0), 8, 3
    r = np.trace(np.cov(q, rowvar=False) @ np.linalg.inv(within)) / (m * k)
    t = k * (m - 1)
    test = f.d1(large, small)
    assert test.terms == ("z", "fb", "fc")
    assert test.statistic == pytest.approx(estimate @ np.linalg.inv(within) @ estimate / (k * (1 + r)))
    assert test.df2 == pytest.approx(4 + (t - 4) * (1 + (1 - 2 / t) / r) ** 2)
    assert test.p_value == pytest.approx(stats.f.sf(test.statistic, k, test.df2))
    assert test.riv == pytest.approx(r)


def test_the_likelihood_ratio_of_synthetic_data_has_the_increase_of_reiter_2005():
    large, small = generated("y ~ x + z + f"), generated("y ~ x")
    pairs = [(fits, fits.q.mean(axis=0)) for fits in (large, small)]
    at_pooled = [
        np.mean([models.log_likelihood("linear", fits.parsed, v, theta) for v in fits.sets]) for fits, theta in pairs
    ]
    at_own = [
        np.mean([
            models.log_likelihood("linear", fits.parsed, v, e.estimate)
            for v, e in zip(fits.sets, fits.estimates, strict=True)
        ])
        for fits in (large, small)
    ]  # fmt: skip
    own, pooled = 2 * (at_own[0] - at_own[1]), 2 * (at_pooled[0] - at_pooled[1])
    r = (own - pooled) / (3 * 7)
    test = f.d3(large, small, free_constant=False)
    assert test.riv == pytest.approx(r)
    assert test.statistic == pytest.approx(pooled / (3 * (1 + r)))


def test_the_smaller_model_is_the_intercept_unless_it_is_given():
    large, small = generated("y ~ x + f"), generated("y ~ 1")
    for test in (f.d1, f.d3):
        assert test(large) == test(large, small)
    assert f.d1(large).terms == ("x", "fb", "fc")
    assert f.d2(generated("y ~ x + f", mode="impute")).df1 == 3


def test_models_are_compared_each_with_the_next():
    chain = [generated(formula, mode="impute") for formula in ("y ~ x + z + f", "y ~ x + z", "y ~ x")]
    for method, test in (("D1", f.d1), ("D2", f.d2), ("D3", f.d3)):
        frame = f.anova(*chain, method=method)
        assert list(frame.index) == ["1 ~~ 2", "2 ~~ 3"]
        expected = [test(a, b) for a, b in pairwise(chain)]
        assert list(frame["p_value"]) == [e.p_value for e in expected]
        assert frame.attrs == {"rule": "rubin1987", "forced": False, "method": method}
    assert (
        f.anova(*chain, method="D2", use="likelihood")["statistic"].iloc[0] == f.d2(*chain[:2], "likelihood").statistic
    )


@pytest.mark.parametrize(
    ("larger", "smaller", "wanted"),
    [
        ({}, {"formula": "y ~ n"}, "not nested: 'y ~ x .* z' has no term 'n'"),
        ({}, {"formula": "y ~ z + x"}, "the same terms; drop some from 'y ~ z . x'"),
        ({}, {"formula": "n ~ x"}, "different responses"),
    ],
)
def test_models_that_cannot_be_compared_are_refused(larger, smaller, wanted):
    with pytest.raises(MiceSimError, match=wanted):
        f.d1(generated(**larger), generated(**smaller))


def test_models_of_two_kinds_or_of_different_sets_are_refused():
    large, small = generated("y ~ x + z"), generated("y ~ x")
    with pytest.raises(MiceSimError, match="of two kinds, linear and logistic"):
        f.d1(large, dataclasses.replace(small, model="logistic"))
    with pytest.raises(MiceSimError, match="fitted to different sets"):
        f.d1(large, dataclasses.replace(small, sets=small.sets + 1))
    with pytest.raises(MiceSimError, match="give the largest first"):
        f.anova(large)
    with pytest.raises(MiceSimError, match="no method 'D4'; known are D1, D2, D3"):
        f.anova(large, small, method="D4")
    with pytest.raises(MiceSimError, match="use is 'score'; give 'wald' or 'likelihood'"):
        f.d2(large, small, use="score")


def test_models_on_different_rows_are_refused():
    table, sets = completed("generated", 8)
    sets = sets.copy()
    sets[:, table.index("z"), :3] = np.nan
    large, small = (f.fit_sets(text, "linear", table.columns, sets, LINKED) for text in ("y ~ x + z", "y ~ x"))
    with pytest.raises(MiceSimError, match="use different rows, as values are missing"):
        f.d1(large, small)


def test_d2_is_for_imputed_data():
    with pytest.raises(MiceSimError, match=r"D2 is derived for imputed data only, .* 'reiter2003'; use D1 or D3"):
        f.d2(generated("y ~ x + z"))


def test_no_joint_test_is_derived_for_nested_sets():
    with pytest.raises(MiceSimError, match="No joint test is derived for the rule 'reiter2004'"):
        f.d1(generated("y ~ x + z", missing="two-step", m=4, r=2))


# ---- what is fitted


def test_a_curve_has_the_same_knots_in_every_set():
    fits = generated("y ~ ns(x, 3)")
    own = f.fit_sets("y ~ ns(x, 3)", "linear", fits.parsed.columns, fits.sets[::-1].copy(), fits.origin)
    assert np.abs(fits.estimates[0].estimate - own.estimates[-1].estimate).max() > 1e-3
    direct = models.fit("linear", fits.parsed, fits.sets[-1])
    np.testing.assert_array_equal(fits.estimates[-1].estimate, direct.estimate)
    x = fits.sets[0][[column.name for column in fits.parsed.columns].index("x")]
    np.testing.assert_array_equal(fits.parsed.bases[0].knots, np.quantile(x, [1 / 3, 2 / 3]))


def test_fits_are_shown_in_a_line():
    assert repr(generated("y ~ x")) == "<Fits: linear 'y ~ x' on 8 sets>"


def test_an_unknown_model_and_a_set_without_estimates_are_named():
    table, sets = completed("generated", 8)
    with pytest.raises(MiceSimError, match="no model 'linaer'; did you mean 'linear'"):
        f.fit_sets("y ~ x", "linaer", table.columns, sets, LINKED)
    sets = sets.copy()
    sets[2, table.index("x")] = 1
    with pytest.raises(NotConverged, match=r"In set 3: .* rank deficient"):
        f.fit_sets("y ~ x", "linear", table.columns, sets, LINKED)


def test_sets_with_different_terms_are_refused(monkeypatch):
    table, sets = completed("generated", 8)
    terms = iter(["a", "a", "b"])
    fit = models.linear

    def renamed(formula, values):
        return dataclasses.replace(fit(formula, values), terms=("(Intercept)", next(terms)))

    monkeypatch.setitem(models.MODELS, "linear", renamed)
    with pytest.raises(MiceSimError, match="other terms in set 3 than in set 1"):
        f.fit_sets("y ~ x", "linear", table.columns, sets, LINKED)


def test_one_set_can_be_pooled_only_where_the_variance_between_is_not_needed():
    table, sets = completed("generated", 1)
    linked = f.fit_sets("y ~ x", "linear", table.columns, sets, dataclasses.replace(LINKED, m=1))
    with pytest.raises(MiceSimError, match="at least two sets"):
        f.pool(linked)
    frame = f.pool(dataclasses.replace(linked, origin=dataclasses.replace(linked.origin, mode="sequential")))
    assert frame["total"].to_numpy() == pytest.approx(2 * frame["within"].to_numpy())
    assert np.isfinite(frame[list(INFERENCE[:2])].to_numpy()).all()


# ---- R² and correlations


def test_a_negative_adjusted_r_squared_keeps_its_sign():
    table, sets = completed("generated", 8)
    sets = sets.copy()
    sets[:, 0] = np.random.default_rng(6).normal(size=(8, 1)) + np.tile([1.0, -1.0], 60)
    sets[:, 1] = np.repeat([1.0, -1.0], 60)
    fits = f.fit_sets("y ~ x", "linear", table.columns, sets, LINKED)
    shares = [models.r_squared(fits.parsed, values, True) for values in fits.sets]
    assert max(shares) < 0
    row = f.pool_r_squared(fits, adjusted=True).iloc[0]
    roots = -np.sqrt(np.abs(shares))
    assert row["estimate"] == pytest.approx(-(np.tanh(np.arctanh(roots).mean()) ** 2))
    assert row["ci_lower"] < row["estimate"] < row["ci_upper"]


def test_r_squared_of_a_constant_is_refused():
    table, sets = completed("generated", 8)
    sets = sets.copy()
    sets[5, 0] = 0
    fits = f.fit_sets("y ~ x", "linear", table.columns, sets, LINKED)
    with pytest.raises(MiceSimError, match="undefined in set 6, where the response is constant"):
        f.pool_r_squared(fits)


def test_r_squared_is_of_linear_models():
    with pytest.raises(MiceSimError, match="not of a logistic one; fit it with model='linear'"):
        f.pool_r_squared(generated("b ~ x", "logistic"))


def correlated(sets: np.ndarray, table: Table | None = None, **origin) -> SimpleNamespace:
    if table is None:
        table = Table.from_pandas(pd.DataFrame(sets[0].T, columns=[f"v{j}" for j in range(sets.shape[1])]))
    return SimpleNamespace(original=table, sets=sets, origin=dataclasses.replace(LINKED, **origin))


def test_all_continuous_columns_are_correlated():
    table, sets = completed("generated", 8)
    frame = f.pool_correlations(correlated(sets, table))
    assert list(frame.index) == [("y", "x"), ("y", "z"), ("y", "n"), ("x", "z"), ("x", "n"), ("z", "n")]
    assert frame.attrs == {"rule": "reiter2003", "forced": False, "level": 0.95, "m": 8}
    z = np.arctanh([np.corrcoef(values[0], values[1])[0, 1] for values in sets])
    first = frame.loc[("y", "x")]
    assert first["estimate"] == pytest.approx(np.tanh(z.mean()))
    assert first["std_error"] == pytest.approx(np.sqrt(1 / 117 + z.var(ddof=1) / 8))
    assert frame["fmi"].isna().all()


def test_correlations_leave_out_rows_pair_by_pair():
    sets = np.random.default_rng(1).normal(size=(3, 3, 40))
    sets[:, 1, :10] = np.nan
    frame = f.pool_correlations(correlated(sets))
    z = np.arctanh([np.corrcoef(v[0, 10:], v[1, 10:])[0, 1] for v in sets])
    assert frame.loc[("v0", "v1"), "estimate"] == pytest.approx(np.tanh(z.mean()))
    assert frame.loc[("v0", "v1"), "std_error"] == pytest.approx(np.sqrt(1 / 27 + z.var(ddof=1) / 3))
    z = np.arctanh([np.corrcoef(v[0], v[2])[0, 1] for v in sets])
    assert frame.loc[("v0", "v2"), "std_error"] == pytest.approx(np.sqrt(1 / 37 + z.var(ddof=1) / 3))


@pytest.mark.parametrize("scale", [1e-170, 1.0, 1e170])
def test_a_correlation_of_one_is_pooled_whatever_the_scale(scale):
    x = np.random.default_rng(2).normal(size=(3, 1, 30))
    frame = f.pool_correlations(correlated(scale * np.concatenate([x, -2 * x], axis=1)))
    assert frame["estimate"].iloc[0] == pytest.approx(-1, abs=1e-12)
    assert np.isfinite(frame[["ci_lower", "ci_upper"]].to_numpy()).all()


def test_what_has_no_correlation_is_refused():
    table, sets = completed("generated", 8)
    with pytest.raises(MiceSimError, match="Column 'f' is a factor and has no correlation"):
        f.pool_correlations(correlated(sets, table), ["y", "f"])
    with pytest.raises(MiceSimError, match="two continuous columns or more"):
        f.pool_correlations(correlated(sets, table), ["y"])
    constant = sets.copy()
    constant[4, table.index("x")] = 0.1
    with pytest.raises(MiceSimError, match="'y' and 'x' is undefined in set 5"):
        f.pool_correlations(correlated(constant, table), ["y", "x"])
    with pytest.raises(MiceSimError, match="four or more rows"):
        f.pool_correlations(correlated(sets[:, :, :3], table), ["y", "x"])
