"""Combining rules: R's numbers, and the identities that the theory promises."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mice_sim
from mice_sim.errors import MiceSimError
from mice_sim.pooling import INFERENCE, get_rule, inference, pool, pool_statistics, t_quantile

REITER, RUBIN = get_rule("reiter2003"), get_rule("rubin1987")


def pooled(q, u, rule, df_complete=np.inf) -> dict[str, float]:
    values, _ = pool(np.array(q)[:, None], np.array(u)[:, None], rule, df_complete)
    return dict(zip(INFERENCE, values[:, 0], strict=True))


# ---- against R

Q, U = [1, 1.2, 0.9, 1.1, 1.3], [0.04, 0.05, 0.045, 0.055, 0.05]


def test_reiter_2003_gives_the_numbers_of_pool_syn():
    found = pooled(Q, U, REITER, 97)
    assert found["estimate"] == pytest.approx(1.1)
    assert found["std_error"] ** 2 == pytest.approx(0.053)
    assert found["df"] == pytest.approx(449.44)
    assert (found["ci_lower"], found["ci_upper"]) == pytest.approx((0.647564, 1.552436), abs=5e-7)


def test_rubin_1987_gives_the_numbers_of_pool():
    found = pooled(Q, U, RUBIN, 97)
    assert found["std_error"] ** 2 == pytest.approx(0.078)
    assert found["df"] == pytest.approx(18.4922, abs=5e-5)
    assert found["p_value"] == pytest.approx(2 * stats.t.sf(1.1 / np.sqrt(0.078), found["df"]))


@pytest.mark.parametrize("rule", ["reiter2003", "rubin1987"])
def test_variances_and_degrees_of_freedom_are_those_of_pool_scalar(r_models, rule):
    assert {len(case["q"]) for case in r_models["pooling"]} == {3, 5, 10, 20}
    for case in r_models["pooling"]:
        found = pooled(case["q"], case["u"], get_rule(rule), float(case["df_complete"]))
        assert found["std_error"] ** 2 == pytest.approx(case[rule]["t"], rel=1e-12)
        assert found["df"] == pytest.approx(case[rule]["df"], rel=1e-10)


# ---- edges


def test_equal_sets_leave_the_variance_within_alone():
    found = pooled([2.0] * 5, [0.25] * 5, REITER, 97)
    assert (found["std_error"], found["df"]) == (0.5, np.inf)
    assert found["ci_upper"] == pytest.approx(2 + stats.norm.ppf(0.975) / 2)
    assert found["p_value"] == pytest.approx(2 * stats.norm.sf(4))


def test_equal_sets_are_pooled_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pooled([2.0] * 5, [0.25] * 5, REITER, 97)


def test_equal_sets_leave_rubin_the_degrees_of_freedom_of_complete_data():
    found = pooled([2.0] * 5, [0.25] * 5, RUBIN, 97)
    # λ is kept at 1e-4: Barnard & Rubin's ν, all but complete.
    assert found["std_error"] == 0.5
    assert found["df"] == pytest.approx(98 / 100 * 97, rel=1e-3)
    assert pooled([2.0] * 5, [0.25] * 5, RUBIN, np.inf)["df"] == pytest.approx(4 / 1e-4**2)


def test_infinite_complete_data_degrees_of_freedom_leave_rubins_own():
    found = pooled(Q, U, RUBIN, np.inf)
    share = 1.2 * 0.025 / 0.078
    assert found["df"] == pytest.approx(4 / share**2)


def test_an_infinite_df_means_the_normal_distribution():
    assert t_quantile(np.array([np.inf, 10.0])) == pytest.approx([stats.norm.ppf(0.975), stats.t.ppf(0.975, 10)])
    found = inference(np.array([1.0]), np.array([0.25]), np.array([np.inf]), 0.9)[:, 0]
    assert found[-2:] == pytest.approx(1 + 0.5 * stats.norm.ppf([0.05, 0.95]))


def test_tiny_degrees_of_freedom_count_as_a_thousandth_in_the_p_value():
    found = inference(np.array([1.0]), np.array([1.0]), np.array([1e-9]))
    assert found[4, 0] == pytest.approx(2 * stats.t.sf(1, 1e-3))


# ---- Monte Carlo variance between sets


@pytest.mark.parametrize("rule", [REITER, RUBIN])
@pytest.mark.parametrize("m", [3, 5, 20])
def test_the_jackknife_variance_of_the_estimate_is_b_over_m(rule, m):
    rng = np.random.default_rng(m)
    q, u = rng.normal(size=(m, 4)), rng.uniform(1, 2, (m, 4))
    _, variance = pool(q, u, rule, 97)
    assert variance[0] == pytest.approx(q.var(axis=0, ddof=1) / m)
    assert (variance >= 0).all()


@pytest.mark.parametrize("rule", [REITER, RUBIN])
def test_leaving_a_set_out_leaves_the_rule_alone(rule):
    """It is the rule for m sets whose value varies, though m − 1 are left."""
    q, u = np.array(Q), np.array(U)
    _, variance = pool(q[:, None], u[:, None], rule, 97)
    others = [np.delete(np.arange(5), left_out) for left_out in range(5)]
    errors = [np.sqrt(rule.variance(u[k].mean(), q[k].var(ddof=1), 5, 97)[0]) for k in others]
    assert variance[1, 0] == pytest.approx(4 * np.var(errors))


def test_the_jackknife_variance_of_the_std_error_is_that_over_new_syntheses():
    rng = np.random.default_rng(1)
    q, u = rng.normal(size=(2000, 40, 3)), rng.uniform(1, 2, (2000, 40, 3))
    found = [pool(a, b, REITER, 97) for a, b in zip(q, u, strict=True)]
    values, variances = (np.array([f[part][1] for f in found]) for part in (0, 1))
    assert variances.mean() / values.var(axis=0).mean() == pytest.approx(1, abs=0.1)


def test_two_sets_are_too_few_to_say_how_they_vary():
    values, variance = pool(np.array([[1.0], [2.0]]), np.ones((2, 1)), REITER, 97)
    assert values[0, 0] == 1.5
    assert np.isnan(variance).all()


def test_correlations_are_averaged_on_fishers_scale():
    r = np.array([[0.1], [0.5], [0.9]])
    mean, variance = pool_statistics(r, np.arctanh, np.tanh)
    assert mean[0] == pytest.approx(np.tanh(np.arctanh(r).mean()))
    left_out = np.tanh([np.arctanh(np.delete(r, i)).mean() for i in range(3)])
    assert variance[0] == pytest.approx(2 / 3 * ((left_out - left_out.mean()) ** 2).sum())


def test_the_jackknife_variance_of_a_mean_over_sets_is_b_over_m():
    values = np.random.default_rng(2).normal(size=(5, 3))
    mean, variance = pool_statistics(values)
    assert mean == pytest.approx(values.mean(axis=0))
    assert variance == pytest.approx(values.var(axis=0, ddof=1) / 5)


# ---- what the theory promises, for the mean of a normal sample of 200, m = 5

N, M, SIMULATIONS = 200, 5, 4000


def plug_in(share: float) -> tuple[np.ndarray, np.ndarray]:
    """Means and their squared standard errors (M, simulations): a share of the units is drawn anew.

    The draws are normal with the mean and the variance of the units that they replace.
    """
    rng = np.random.default_rng(2003)
    y = rng.normal(size=(SIMULATIONS, N))
    real = y[:, : int(share * N)]
    noise = rng.normal(size=(M, *real.shape))
    drawn = real.mean(axis=1)[:, None] + real.std(axis=1, ddof=1)[:, None] * noise
    return with_kept(drawn, y[:, real.shape[1] :])


def with_kept(drawn: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sets = np.concatenate([drawn, np.broadcast_to(kept, (M, *kept.shape))], axis=2)
    return sets.mean(axis=2), sets.var(axis=2, ddof=1) / N


def ratio_b_to_u(q: np.ndarray, u: np.ndarray) -> tuple[float, float]:
    """The mean over simulations of b/ū, and its Monte Carlo standard error."""
    share = q.var(axis=0, ddof=1) / u.mean(axis=0)
    return share.mean(), share.std() / np.sqrt(share.size)


def coverage(q: np.ndarray, u: np.ndarray, rule, df_complete: float = N - 1) -> float:
    values, _ = pool(q, u, rule, df_complete)
    return float(((values[-2] < 0) & (values[-1] > 0)).mean())


def near(found: float, expected: float) -> bool:
    """Whether a simulated coverage is what it should be, given its Monte Carlo error and n = 200."""
    return abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / SIMULATIONS) + 0.002


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_the_variance_between_sets_is_the_replaced_share_of_the_variance_within(share):
    mean, error = ratio_b_to_u(*plug_in(share))
    assert abs(mean - share) < 4 * error + 0.005 * share


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_reiters_variance_is_right_for_synthetic_data_and_its_intervals_cover(share):
    q, u = plug_in(share)
    values, _ = pool(q, u, REITER, N - 1)
    assert (values[1] ** 2).mean() / values[0].var() == pytest.approx(1, abs=4 * np.sqrt(2 / SIMULATIONS))
    assert near(coverage(q, u, REITER), 0.95)


def test_rubins_intervals_cover_too_often_on_synthetic_data():
    assert near(coverage(*plug_in(1.0), RUBIN), 0.987)


def test_rubins_intervals_cover_on_properly_imputed_data_and_reiters_too_seldom():
    rng = np.random.default_rng(1987)
    known = N // 2
    y = rng.normal(size=(SIMULATIONS, known))
    sigma = y.std(axis=1, ddof=1) * np.sqrt((known - 1) / rng.chisquare(known - 1, (M, SIMULATIONS)))
    mu = y.mean(axis=1) + sigma / np.sqrt(known) * rng.normal(size=(M, SIMULATIONS))
    drawn = mu[:, :, None] + sigma[:, :, None] * rng.normal(size=(M, SIMULATIONS, N - known))
    q, u = with_kept(drawn, y)
    assert near(coverage(q, u, RUBIN), 0.95)
    assert coverage(q, u, REITER) < 0.9


# ---- the front door


@pytest.fixture(scope="module")
def fits(boys: pd.DataFrame):
    return mice_sim.synthesize(boys[["hgt", "age", "gen"]], m=3, seed=1).fit("hgt ~ age")


def test_pool_returns_a_frame_by_term(fits):
    frame = mice_sim.pool(fits)
    assert list(frame.index) == ["(Intercept)", "age"]
    assert list(frame.columns) == [*INFERENCE, "within", "between"]
    assert frame["std_error"].to_numpy() ** 2 == pytest.approx((frame["within"] + frame["between"] / 3).to_numpy())


def test_a_narrower_level_narrows_the_interval_alone(fits):
    wide, narrow = mice_sim.pool(fits), mice_sim.pool(fits, level=0.5)
    assert (narrow["ci_upper"] < wide["ci_upper"]).all()
    limits = ["ci_lower", "ci_upper"]
    pd.testing.assert_frame_equal(wide.drop(columns=limits), narrow.drop(columns=limits))


def test_a_rule_that_is_not_valid_for_the_sets_warns(fits):
    with pytest.warns(UserWarning, match="not valid for linked synthetic data"):
        mice_sim.pool(fits, rule="rubin1987")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mice_sim.pool(fits)


def test_one_set_cannot_be_pooled(boys):
    one = mice_sim.synthesize(boys[["hgt", "age"]], m=1, seed=1).fit("hgt ~ age")
    with pytest.raises(MiceSimError, match="at least two sets"):
        mice_sim.pool(one)
