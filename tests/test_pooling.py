"""Combining rules: R's numbers, and the identities that the theory promises."""

from __future__ import annotations

import json
import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES
from scipy import stats

from mice_sim.errors import MiceSimError
from mice_sim.origin import Origin
from mice_sim.pooling import (
    INFERENCE,
    RULES,
    Moments,
    choose_rule,
    default_rule,
    get_rule,
    inference,
    joint,
    pool,
    pool_scalar,
    pool_statistics,
    pool_table,
    pool_vector,
    t_quantile,
)

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


SCALARS = json.loads((ORACLES / "pooling.json").read_text(encoding="utf-8"))["scalars"]


@pytest.mark.parametrize("case", SCALARS)
def test_a_scalar_is_pooled_as_by_pool_scalar(case):
    df_complete = np.inf if case["df_complete"] is None else case["df_complete"]
    names = {"qbar": "estimate", "ubar": "within", "b": "between", "t": "total", "df": "df", "r": "riv", "fmi": "fmi"}
    for rule in ("rubin1987", "reiter2003"):
        found = pool_scalar(case["q"], case["u"], rule, df_complete)
        for name, expected in case[rule].items():
            assert found[names[name]] == pytest.approx(expected, rel=1e-10)
        assert found.attrs == {"rule": rule, "level": 0.95, "m": len(case["q"])}


def test_fractions_of_missing_information_are_for_missing_data():
    rubin, reiter = pool_scalar(Q, U, "rubin1987", 97), pool_scalar(Q, U, "reiter2003", 97)
    assert rubin[["riv", "lambda", "fmi"]].to_list() == pytest.approx([0.625, 0.03 / 0.078, 0.4418], abs=1e-4)
    assert reiter["riv"] == pytest.approx(0.625)
    assert reiter[["lambda", "fmi"]].isna().all()


# ---- every rule's own numbers, worked out by hand from ū = .048, b = .025, m = 5


@pytest.mark.parametrize(
    ("rule", "ratio", "total", "df"),
    [
        ("raab2016_simple", 1, 0.048 * 1.2, np.inf),
        ("raab2016_simple", 2, 0.048 * 2.2, np.inf),
        ("raab2016_proper", 1, 0.048 * 1.4, np.inf),
        ("raab2016_proper", 2, 0.048 * 2.6, np.inf),
        ("reiter2003", 2, 0.096 + 0.005, 4 * (1 + 0.096 / 0.005) ** 2),
        ("reiter2002", 1, 0.048, np.inf),
        ("reiter2002", 2, 0.096, np.inf),
        ("one_synthesis", 1, 0.03, 4),
        ("one_synthesis", 2, 0.03 + 0.048, 4 * (0.078 / 0.03) ** 2),
        ("vinkvanbuuren2014", 1, 0.03, 4),
        ("population", 1, 0.005, 4),
        ("population", 2, 0.005, 4),
        ("population_simple", 2, 0.0096, np.inf),
        ("population_proper", 2, 3 * 0.0096, np.inf),
    ],
)
def test_the_variance_of_a_rule(rule, ratio, total, df):
    found = pool_scalar(Q, U, rule, ratio=ratio)
    assert (found["total"], found["df"]) == pytest.approx((total, df))
    assert found["std_error"] == pytest.approx(np.sqrt(total))


def test_a_fully_synthetic_variance_is_the_difference_where_it_is_positive():
    q = 3 * np.array(Q)
    found = {rule: pool_scalar(q, U, rule) for rule in ("rrr2003", "reiter2002")}
    for pooled_ in found.values():
        assert pooled_["total"] == pytest.approx(1.2 * 0.225 - 0.048)
        assert pooled_["df"] == pytest.approx(4 * (1 - 0.048 / (1.2 * 0.225)) ** 2)


def test_a_negative_variance_is_shown_and_warned_of():
    with pytest.warns(UserWarning, match="'rrr2003' gives 'q' a negative variance.* use 'reiter2002'"):
        found = pool_scalar(Q, U, "rrr2003")
    assert found["total"] == pytest.approx(1.2 * 0.025 - 0.048)
    assert found["estimate"] == pytest.approx(1.1)
    assert found[["std_error", "statistic", "p_value", "ci_lower", "ci_upper"]].isna().all()


def test_nested_sets_have_the_variance_of_reiter_2004():
    rng = np.random.default_rng(2004)
    q, u = rng.normal(size=(4, 3)), rng.uniform(0.5, 1, 12)
    big, inside = q.mean(axis=1).var(ddof=1), q.var(axis=1, ddof=1).mean()
    total = 1.25 * big - inside / 3 + 2 * u.mean()
    df = 1 / ((1.25 * big / total) ** 2 / 3 + (inside / 3 / total) ** 2 / (4 * 2))
    found = pool_scalar(q.ravel(), u, "reiter2004", ratio=2, r=3)
    assert (found["estimate"], found["between"]) == pytest.approx((q.mean(), big))
    assert (found["total"], found["df"]) == pytest.approx((total, df))
    assert found.attrs["m"] == 4


def test_nested_sets_of_a_population_have_no_sampling_error():
    rng = np.random.default_rng(2004)
    q, u = rng.normal(size=(4, 3)), np.ones(12)
    big, inside = q.mean(axis=1).var(ddof=1), q.var(axis=1, ddof=1).mean()
    assert big > inside / 3
    total = big - inside / 3 + big / 4
    df = 1 / ((1.25 * big / total) ** 2 / 3 + (inside / 3 / total) ** 2 / (4 * 2))
    found = pool_scalar(q.ravel(), u, "population_nested", r=3)
    assert (found["total"], found["df"]) == pytest.approx((total, df))


def test_what_imputation_adds_to_a_population_is_not_negative():
    q = np.array([[1.0, 2.0], [1.1, 2.1], [1.3, 2.3]])  # nests agree by far more than the sets within them
    big = q.mean(axis=1).var(ddof=1)
    found = pool_scalar(q.ravel(), np.ones(6), "population_nested", r=2)
    assert (found["total"], found["df"]) == pytest.approx((big / 3, 2))


def test_many_syntheses_of_every_imputation_leave_rubins_rule():
    found = RULES["reiter2004"].variance(Moments(0.048, 0.025, 5, r=10**9, in_nests=0.1))
    assert found == pytest.approx(RUBIN.variance(Moments(0.048, 0.025, 5)))


@pytest.mark.parametrize("r", [1, 2])
def test_nests_must_be_given_and_fit_the_sets(r):
    with pytest.raises(MiceSimError, match="'reiter2004' takes nests of two or more sets each; give r, a divisor of 5"):
        pool_scalar(Q, U, "reiter2004", r=r)


# ---- vectors and tables


def test_vectors_have_the_variances_of_scalars_and_rubins_covariances():
    rng = np.random.default_rng(7)
    q, half = rng.normal(size=(6, 3)), rng.normal(size=(6, 3, 3))
    u = half @ half.transpose(0, 2, 1)
    for rule, r in product(("rubin1987", "reiter2003", "rrr2003", "raab2016_simple", "reiter2004"), (1, 2)):
        if (rule == "reiter2004") != (r == 2):
            continue
        found = pool_vector(q, u, rule, 50, 1.5, r)
        for j in range(3):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                alone = pool_scalar(q[:, j], u[:, j, j], rule, 50, ratio=1.5, r=r)
            assert (found.estimate[j], found.df[j]) == pytest.approx((alone["estimate"], alone["df"]))
            assert found.covariance[j, j] == pytest.approx(alone["total"])
    found = pool_vector(q, u)
    assert found.covariance == pytest.approx(u.mean(axis=0) + 7 / 6 * np.cov(q, rowvar=False))
    mixed = pool_vector(q @ half[0], half[0].T @ u @ half[0], "reiter2004", r=3).covariance
    assert mixed == pytest.approx(half[0].T @ pool_vector(q, u, "reiter2004", r=3).covariance @ half[0])


def test_a_vector_of_one_is_a_scalar():
    found = pool_vector(np.array(Q)[:, None], np.array(U)[:, None, None], df_complete=97)
    assert found.covariance == pytest.approx(np.array([[0.078]]))


def test_an_adjusted_variance_has_no_covariances():
    with pytest.raises(MiceSimError, match="'reiter2002' gives no covariances; use 'rrr2003'"):
        pool_vector(np.zeros((3, 2)), np.ones((3, 2, 2)), "reiter2002")


@pytest.mark.parametrize(
    ("q", "u", "wanted"),
    [
        (Q, U[:4], r"shapes \(5,\) and \(4,\); give \(sets,\) and \(sets,\)"),
        ([], [], r"shapes \(0,\)"),
        ([1, np.nan], [1, 1], "not finite"),
        ([1, 2], [1, np.inf], "not finite"),
        ([1], [1], "at least two sets; make m=2 or more"),
    ],
)
def test_numbers_that_cannot_be_pooled_are_refused(q, u, wanted):
    with pytest.raises(MiceSimError, match=wanted):
        pool_scalar(q, u)


def test_a_table_must_have_every_term_of_every_set():
    table = pd.DataFrame({"term": list("abab"), "estimate": [1.0, 2, 3, 4], "std_error": 1.0})
    assert pool_table(table)["estimate"].to_dict() == {"a": 2, "b": 3}
    with pytest.raises(MiceSimError, match="every term once a set, but 'b' occurs 1 times"):
        pool_table(table.iloc[:3])
    with pytest.raises(MiceSimError, match="it is empty"):
        pool_table(table.iloc[:0])
    with pytest.raises(MiceSimError, match="no column 'std_error'; did you mean 'std_err'"):
        pool_table(table.rename(columns={"std_error": "std_err"}))


# ---- which rule is valid for which sets


def origin(mode="sequential", missing="none", proper=False, complete=True, r=1) -> Origin:
    return Origin(mode, missing, proper, complete, n=100, k=100, m=5, r=r)


VALID = {
    origin("impute", "imputed", complete=False): {"rubin1987", "vinkvanbuuren2014"},
    origin("linked"): {"reiter2003"},
    origin("linked", proper=True): {"reiter2003"},
    origin("linked", complete=False): {"reiter2003"},
    origin("linked", "one-step"): set(),
    origin("linked", "two-step"): set(),
    origin("linked", "two-step", r=2): {"reiter2004"},
    origin(): {"reiter2003", "raab2016_simple", "population", "population_simple"},
    origin(missing="kept"): {"reiter2003", "raab2016_simple", "population", "population_simple"},
    origin(complete=False): {"reiter2003", "population"},
    origin(proper=True, complete=False): {"reiter2003", "population"},
    origin(proper=True): {"reiter2003", "rrr2003", "reiter2002", "raab2016_proper", "population", "population_proper"},
    origin(missing="two-step"): {"one_synthesis"},
    origin(missing="two-step", proper=True): {"rrr2003", "reiter2002"},
    origin(missing="two-step", complete=False): set(),
    origin(missing="one-step"): set(),
    origin(missing="two-step", proper=True, r=3): {"reiter2004", "population_nested"},
    origin(missing="one-step", proper=True): {"rrr2003", "reiter2002"},
    origin(missing="one-step", proper=True, complete=False): set(),
}
DEFAULTS = ["rubin1987", "reiter2003", "reiter2003", "reiter2003", None, None, "reiter2004", "raab2016_simple",
            "raab2016_simple", "reiter2003", "reiter2003", "raab2016_proper", "one_synthesis", "reiter2002", None,
            None, "reiter2004", "reiter2002", None]  # fmt: skip


@pytest.mark.parametrize(("made", "valid"), VALID.items())
def test_rules_know_what_they_are_valid_for_and_say_which_are(made, valid):
    refusals = {name: rule.refusal(made) for name, rule in RULES.items()}
    assert {name for name, refusal in refusals.items() if refusal is None} == valid
    for name, refusal in refusals.items():
        if refusal and made.missing == "one-step" and not valid:
            assert "experiments/incomplete_boys" in refusal
        elif refusal:
            assert refusal.startswith(f"The rule '{name}' is not valid for ")
            assert all(f"'{other}'" in refusal for other in valid)
            assert valid or "make two or more syntheses of every imputation" in refusal


@pytest.mark.parametrize(("made", "name"), list(zip(VALID, DEFAULTS, strict=True)))
def test_the_default_rule_is_one_that_is_valid(made, name):
    if name:
        assert default_rule(made).name == name
        assert default_rule(made).refusal(made) is None
    else:
        with pytest.raises(MiceSimError):
            default_rule(made)


def test_sets_of_unknown_origin_are_pooled_by_the_rule_that_is_named():
    assert choose_rule("rrr2003", None) == (RULES["rrr2003"], False)
    with pytest.raises(MiceSimError, match="give rule=, one of reiter2003, rubin1987"):
        choose_rule(None, None)


@pytest.mark.parametrize("ratio", [0.5, 1, 2])
def test_one_synthesis_is_the_nested_rule_with_w_known(ratio):
    """With r = 1 and fixed parameters, w is the variance of k new records, ū."""
    nest = RULES["reiter2004"].total(Moments(0.048, 0.025, 5, np.inf, ratio, 1, 0.048))
    assert RULES["one_synthesis"].total(Moments(0.048, 0.025, 5, np.inf, ratio)) == pytest.approx(nest)
    drawn = RULES["reiter2004"].total(Moments(0.048, 0.025, 5, np.inf, ratio, 1, (1 + ratio) * 0.048))
    assert RULES["rrr2003"].total(Moments(0.048, 0.025, 5, np.inf, ratio)) == pytest.approx(drawn)


SINGLE = {"raab2016_simple", "raab2016_proper", "population_simple", "population_proper"}


@pytest.mark.parametrize("name", RULES)
def test_one_set_is_enough_for_rules_that_do_without_the_variance_between_sets(name):
    rule = RULES[name]
    assert (rule.least == 1) == (name in SINGLE)
    if name in SINGLE:
        found = pool_scalar([1.0], [0.04], name)
        assert found["total"] == pytest.approx(rule.total(Moments(0.04, np.nan, 1)))
        assert np.isfinite(found[["std_error", "ci_lower", "ci_upper"]]).all()
    else:
        with pytest.raises(MiceSimError, match="two"):
            pool_scalar([1.0], [0.04], name, r=2 if rule.nested else 1)


# ---- edges


def test_no_variance_at_all_leaves_the_estimate():
    found = pooled([2.0] * 5, [0.0] * 5, RUBIN, 97)
    assert (found["ci_lower"], found["ci_upper"]) == (2, 2)


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
    errors = [np.sqrt(rule.variance(Moments.of(q[k], u[k], 5, 97))[0]) for k in others]
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


# ---- one synthesis of every imputation; the sample as the population


def covers(values: np.ndarray, truth: np.ndarray | float = 0.0) -> float:
    return float(((values[-2] < truth) & (values[-1] > truth)).mean())


@pytest.mark.parametrize("k", [N, 3 * N])
def test_intervals_of_one_synthesis_of_every_imputation_cover(k):
    """Half of N normal values are missing; each of M proper imputations is synthesised once, with fixed parameters."""
    rng = np.random.default_rng(2004)
    half = N // 2
    seen, shape = rng.normal(size=(SIMULATIONS, half)), (M, SIMULATIONS)
    mu, variance = posterior(seen.mean(axis=1), seen.var(axis=1, ddof=1), half, shape, rng)
    filled = mu[:, :, None] + np.sqrt(variance)[:, :, None] * rng.normal(size=(*shape, half))
    completed = np.concatenate([np.broadcast_to(seen, (M, *seen.shape)), filled], axis=2)
    q, s2 = normal_sets(completed.mean(axis=2), completed.var(axis=2, ddof=1), k, rng)
    found = {
        name: covers(pool(q, s2 / k, RULES[name], N - 1, ratio=k / N)[0]) for name in ("one_synthesis", "reiter2003")
    }
    assert near(found["one_synthesis"], 0.95)
    assert found["reiter2003"] < 0.9


@pytest.mark.parametrize("m", [2, 5])
@pytest.mark.parametrize("k", [N, 3 * N])
@pytest.mark.parametrize(("proper", "known", "other"), [(False, "population_simple", "population_proper"),
                                                        (True, "population_proper", "population_simple")])  # fmt: skip
def test_intervals_for_a_whole_population_cover_its_own_mean(proper, known, other, k, m):
    q, u = fully_synthetic(proper, k, m)
    # `fully_synthetic` begins with the samples, so that they are these.
    own, _ = normal_sets(np.zeros(SIMULATIONS), np.ones(SIMULATIONS), N, np.random.default_rng(2016))
    values = {name: pool(q, u, RULES[name], N - 1, ratio=k / N)[0] for name in ("population", known, other)}
    assert near(covers(values["population"], own), 0.95)
    assert near(covers(values[known], own), 0.95)
    assert not near(covers(values[other], own), 0.95)
    assert covers(pool(q, u, RULES["vinkvanbuuren2014"], N - 1)[0], own) > 0.96


# ---- properly drawn and nested sets


def normal_sets(mean: np.ndarray, variance: np.ndarray, n: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the variance (divisor n − 1) of normal samples of n; they are independent."""
    return mean + np.sqrt(variance / n) * rng.normal(size=mean.shape), variance * rng.chisquare(n - 1, mean.shape) / (
        n - 1
    )


def posterior(mean: np.ndarray, variance: np.ndarray, n: int, shape: tuple, rng) -> tuple[np.ndarray, np.ndarray]:
    """Draws of a normal's mean and variance given those of a sample of n, under the flat prior."""
    drawn = variance * (n - 1) / rng.chisquare(n - 1, shape)
    return mean + np.sqrt(drawn / n) * rng.normal(size=shape), drawn


def fully_synthetic(proper: bool, k: int = N, m: int = M, simulations: int = SIMULATIONS):
    """Means and squared errors (m, simulations) of sets of k new rows, drawn from the fit to N real ones."""
    rng = np.random.default_rng(2016)
    real = normal_sets(np.zeros(simulations), np.ones(simulations), N, rng)
    parameters = posterior(*real, N, (m, simulations), rng) if proper else [np.tile(a, (m, 1)) for a in real]
    q, s2 = normal_sets(*parameters, k, rng)
    return q, s2 / k


def test_properly_drawn_sets_vary_twice_as_much_as_the_variance_within():
    mean, error = ratio_b_to_u(*fully_synthetic(proper=True))
    assert abs(mean - 2) < 4 * error + 0.02


def test_a_fully_synthetic_variance_is_negative_as_often_as_it_must_be():
    q, u = fully_synthetic(proper=True)
    total, _ = RULES["rrr2003"].variance(Moments.of(q, u, M))
    # (1 + 1/m)b < ū where b is 2ū χ²/(m − 1).
    expected = stats.chi2.cdf((M - 1) / (2 * (1 + 1 / M)), M - 1)
    assert near(float((total < 0).mean()), expected)
    ratio = total / u.mean(axis=0)
    assert ratio.mean() == pytest.approx(1 + 2 / M, abs=4 * ratio.std() / np.sqrt(SIMULATIONS) + 0.02)
    assert total.mean() == pytest.approx(q.mean(axis=0).var(), rel=4 * np.sqrt(2 / SIMULATIONS) + 0.05)


@pytest.mark.parametrize("k", [N, 3 * N])
@pytest.mark.parametrize(("proper", "rules"), [(False, ["raab2016_simple", "reiter2003"]),
                                               (True, ["raab2016_proper", "reiter2003"])])  # fmt: skip
def test_intervals_of_new_rows_cover_whatever_their_number(k, proper, rules):
    q, u = fully_synthetic(proper, k)
    for name in rules:
        values, _ = pool(q, u, RULES[name], N - 1, ratio=k / N)
        covered = ((values[-2] < 0) & (values[-1] > 0)).mean()
        assert near(float(covered), 0.95)


def test_with_many_sets_fully_synthetic_intervals_cover():
    """With few, ν varies with T and the t quantile is too large."""
    q, u = fully_synthetic(proper=True, m=400)
    for name in ("rrr2003", "reiter2002"):
        values = inference(q.mean(axis=0), *RULES[name].variance(Moments.of(q, u, 400)))
        assert near(float(((values[-2] < 0) & (values[-1] > 0)).mean()), 0.95)


def nested(known: int, r: int) -> tuple[np.ndarray, np.ndarray]:
    """Estimates of M·r sets of N rows, of which `known` are observed, imputed M times and synthesised r times."""
    rng = np.random.default_rng(2004)
    mean, variance = normal_sets(np.zeros(SIMULATIONS), np.ones(SIMULATIONS), known, rng)
    mean, variance = np.tile(mean, (M, 1)), np.tile(variance, (M, 1))
    missing = N - known
    if missing:
        mu, sigma2 = posterior(mean, variance, known, mean.shape, rng)
        m2, v2 = normal_sets(mu, sigma2, missing, rng)
        squares = (known - 1) * variance + (missing - 1) * v2 + known * missing / N * (mean - m2) ** 2
        mean, variance = (known * mean + missing * m2) / N, squares / (N - 1)
    nests = [np.repeat(a[:, None], r, axis=1).reshape(M * r, -1) for a in (mean, variance)]
    q, s2 = normal_sets(*nests, N, rng)
    return q, s2 / N


def test_intervals_of_two_step_sets_cover_and_those_of_reiter_2003_do_not():
    q, u = nested(N // 2, 3)
    values, _ = pool(q, u, RULES["reiter2004"], N - 1, r=3)
    assert (values[1] ** 2).mean() / values[0].var() == pytest.approx(1, abs=4 * np.sqrt(2 / SIMULATIONS))
    assert near(float(((values[-2] < 0) & (values[-1] > 0)).mean()), 0.95)
    assert coverage(q, u, REITER) < 0.9


def test_where_nothing_is_missing_reiter_2004_is_reiter_2003_on_average():
    q, u = nested(N, 3)
    (found, _), (flat, _) = (pool(q, u, rule, N - 1, r=3) for rule in (RULES["reiter2004"], REITER))
    difference = (found[1] ** 2 - flat[1] ** 2) / flat[1] ** 2
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(SIMULATIONS)


def test_the_jackknife_leaves_out_nests():
    q, u = np.random.default_rng(3).normal(size=(6, 2)), np.ones((6, 2))
    _, variance = pool(q, u, RULES["reiter2004"], 97, r=2)
    assert variance[0] == pytest.approx(q.reshape(3, 2, 2).mean(axis=1).var(axis=0, ddof=1) / 3)


# ---- joint tests


def test_one_parameter_is_tested_jointly_as_it_is_alone():
    rng = np.random.default_rng(11)
    q, u = 2 * rng.normal(size=(5, 1)), rng.uniform(0.5, 1, (5, 1, 1))
    for name, df_complete in product(RULES, (20.0, np.inf)):
        if RULES[name].joint is None:
            continue
        test, alone = joint.d1(q, u, RULES[name], df_complete), pool_scalar(q[:, 0], u[:, 0, 0], name, df_complete)
        found = (test.statistic, test.df1, test.df2, test.p_value)
        # Barnard & Rubin's λ has a floor, which is far below this one.
        assert found == pytest.approx((alone["statistic"] ** 2, 1, alone["df"], alone["p_value"]))


def test_a_negative_joint_variance_gives_no_number():
    q, u = np.array(Q)[:, None], np.array(U)[:, None, None]
    test = joint.d1(q, u, RULES["rrr2003"])
    assert np.isnan([test.statistic, test.p_value]).all()
    assert joint.d1(q, u, RULES["reiter2002"]).statistic == pytest.approx(1.1**2 / 0.048)


def test_equal_sets_are_tested_by_their_own_wald_statistic():
    q, u = np.tile([1.0, 2.0], (3, 1)), np.tile(np.eye(2), (3, 1, 1))
    for name, df_complete in product(("rubin1987", "reiter2003"), (50.0, np.inf)):
        test = joint.d1(q, u, RULES[name], df_complete)
        assert test.statistic == pytest.approx(2.5)
        assert test.riv == 0
        assert test.p_value >= stats.chi2.sf(5, 2) - 1e-12


def test_small_samples_never_have_more_degrees_of_freedom_than_large_ones():
    for m, k, x, df_complete in product((2, 3, 5, 20), (1, 2, 5), (0.0, 0.1, 1.0, 50.0), (1.0, 5.0, 30.0, 1e9)):
        q = np.sqrt(x) * np.random.default_rng(m + k).normal(size=(m, k)) + 1
        tests = [joint.d1(q, np.tile(np.eye(k), (m, 1, 1)), RUBIN, df) for df in (df_complete, np.inf)]
        assert 0 < tests[0].df2 <= tests[1].df2 * (1 + 1e-9)


def test_singular_covariances_are_refused():
    with pytest.raises(MiceSimError, match="covariances of the tested terms are singular"):
        joint.d1(np.ones((3, 2)), np.ones((3, 2, 2)), RUBIN)


@pytest.mark.parametrize(("name", "proper"), [("raab2016_simple", False), ("reiter2003", False),
                                              ("raab2016_proper", True)])  # fmt: skip
def test_joint_tests_of_synthetic_data_reject_as_often_as_they_should(name, proper):
    """Three independent means at once, under the null; 1333 simulations, m = 5."""
    q, u = (a[:, : SIMULATIONS // 3 * 3].reshape(M, -1, 3) for a in fully_synthetic(proper))
    p = [joint.d1(q[:, i], u[:, i, :, None] * np.eye(3), RULES[name]).p_value for i in range(q.shape[1])]
    assert abs(np.mean(np.array(p) < 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / len(p))
