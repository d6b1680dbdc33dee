"""Mixed models against lme4, their standard errors and degrees of freedom, and what is pooled from them."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES

import mice_sim as ms
from mice_sim.analysis import MODELS, ModelFormula, NotConverged
from mice_sim.data import Table
from mice_sim.fits import Fits, fit_sets
from mice_sim.kernels import mixed as kernels
from mice_sim.kernels.mixed_logistic import logistic_mixed
from mice_sim.origin import Origin
from mice_sim.study.config import compose
from mice_sim.study.replicate import replicator

ORACLE = json.loads((ORACLES / "mixed.json").read_text(encoding="utf-8"))


def table(name: str) -> Table:
    frame = pd.DataFrame(ORACLE["data"][name])
    return Table.from_pandas(frame.astype({c: "category" for c in ("f", "binary") if c in frame}))


def arrays(formula: str, data: Table) -> tuple:
    """Return y, x, z, group and the number of groups of a formula."""
    parsed = ModelFormula.parse(formula, data.columns, mixed=True)
    ids, group = np.unique(data.values[parsed.group], return_inverse=True)
    x, z = parsed.matrix(data.values), parsed.random.matrix(data.values)
    return parsed.respond(data.values), x, z, group, ids.size


def lower(psi: np.ndarray) -> np.ndarray:
    return psi[np.tril_indices(len(psi))]


def errors(covariance: object) -> np.ndarray:
    return np.sqrt(np.diagonal(np.atleast_2d(covariance)))


def label(case: dict) -> str:
    return f"{case['data']}: {case['formula']} {case.get('nodes', 'REML' if case.get('reml') else 'ML')}"


@pytest.mark.parametrize("case", ORACLE["linear"], ids=label)
def test_linear_mixed_models_are_those_of_lmer(case):
    fit = kernels.linear_mixed(*arrays(case["formula"], table(case["data"])), case["reml"])
    assert fit.status == kernels.CONVERGED
    assert fit.singular == case["singular"]
    assert fit.deviance == pytest.approx(case["deviance"], abs=1e-9)
    np.testing.assert_allclose(fit.beta, case["beta"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(errors(fit.covariance), errors(case["covariance"]), rtol=1e-6)
    np.testing.assert_allclose(lower(fit.psi), case["psi"], rtol=1e-5, atol=1e-8)
    assert fit.sigma2 == pytest.approx(case["sigma2"], rel=1e-6)
    np.testing.assert_allclose(fit.effects.ravel(), case["effects"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(fit.effects_covariance.ravel(), case["effects_variance"], rtol=1e-5, atol=1e-8)
    if case["components"] is not None:
        np.testing.assert_allclose(errors(fit.variance_covariance), errors(case["components"]), rtol=2e-6)


@pytest.mark.parametrize("case", ORACLE["logistic"], ids=label)
def test_logistic_mixed_models_are_those_of_glmer(case):
    fit = logistic_mixed(*arrays(case["formula"], table(case["data"])), case["nodes"])
    assert fit.status == kernels.CONVERGED
    assert fit.singular == case["singular"]
    assert -1e-5 < fit.deviance - case["deviance"] < 1e-9  # where they differ, ours is the higher likelihood
    np.testing.assert_allclose(fit.beta, case["beta"], rtol=2e-5)
    np.testing.assert_allclose(errors(fit.covariance)[: fit.beta.size], errors(case["covariance"]), rtol=1e-4)
    np.testing.assert_allclose(lower(fit.psi), case["psi"], rtol=2e-5, atol=1e-8)
    np.testing.assert_allclose(fit.effects.ravel(), case["effects"], rtol=1e-4, atol=1e-5)


def test_the_popularity_of_pupils_is_as_published():
    # The complete cases of mice's popmis; van Buuren (2018), Flexible Imputation of Missing Data, ch. 7.
    pupils = table("popmis")
    formula = ModelFormula.parse("popular ~ sex * texp + (1 + sex | school)", pupils.columns, mixed=True)
    fit = MODELS["mixed"](formula, pupils.values)
    assert fit.terms == (
        "(Intercept)", "sex", "texp", "sex:texp", "var(school, (Intercept))", "cov(school, (Intercept), sex)",
        "var(school, sex)", "var(residual)", "icc",
    )  # fmt: skip
    np.testing.assert_allclose(fit.estimate[:4], [3.3220, 1.3263, 0.1104, -0.0330], atol=5e-5)
    np.testing.assert_allclose(np.sqrt(fit.variance[:4]), [0.1690, 0.1466, 0.0108, 0.0094], atol=5e-5)
    np.testing.assert_allclose(np.sqrt(fit.estimate[[4, 6, 7]]), [0.636, 0.463, 0.636], atol=5e-4)


# ---- what is estimated


def two_level(groups=20, size=8, slope=0.0, seed=1, between=1.0) -> tuple[np.ndarray, ...]:
    """Return y, x within clusters, w of clusters and group of balanced data."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), size)
    x, w = np.tile(np.arange(size) - (size - 1) / 2, groups), rng.standard_normal(groups)[group]
    effect, slopes = (sd * rng.standard_normal(groups)[group] for sd in (between, slope))
    return 0.5 * x + 0.5 * w + effect + slopes * x + rng.standard_normal(group.size), x, w, group


def test_degrees_of_freedom_are_those_of_balanced_designs():
    y, x, w, group = two_level()
    one = np.ones(y.size)
    fit = kernels.linear_mixed(y, np.column_stack([one, x, w]), one[:, None], group, 20)
    # Clusters less their two coefficients; rows less clusters less one slope.
    np.testing.assert_allclose(fit.df, [18, 139, 18], rtol=1e-6)
    y, x, w, group = two_level(slope=1.0)
    z = np.column_stack([one, x])
    fit = kernels.linear_mixed(y, np.column_stack([one, x, w, w * x]), z, group, 20)
    np.testing.assert_allclose(fit.df, 18, rtol=1e-6)


def test_a_balanced_random_intercept_is_that_of_the_analysis_of_variance():
    y, _, _, group = two_level()
    one = np.ones((y.size, 1))
    fit = kernels.linear_mixed(y, one, one, group, 20)
    means = y.reshape(20, 8).mean(axis=1)
    within = ((y - means[group]) ** 2).sum() / 140
    between = 8 * means.var(ddof=1)
    assert fit.sigma2 == pytest.approx(within, rel=1e-9)
    assert fit.psi[0, 0] == pytest.approx((between - within) / 8, rel=1e-9)
    np.testing.assert_allclose(
        np.diagonal(fit.variance_covariance),
        [(2 * between**2 / 19 + 2 * within**2 / 140) / 64, 2 * within**2 / 140], rtol=1e-9,
    )  # fmt: skip


def test_a_random_part_that_leaves_out_slopes_converges_too():
    # The first step then goes from Λ = 1 to −1, which is as good and as bad.
    for seed in range(8):
        y, x, w, group = two_level(slope=1.0, seed=seed)
        one = np.ones(y.size)
        fit = kernels.linear_mixed(y, np.column_stack([one, x, w]), one[:, None], group, 20)
        assert fit.status == kernels.CONVERGED


def test_cluster_effects_are_given_by_any_covariance_and_for_clusters_without_rows():
    y, x, _, group = two_level(slope=0.5)
    z = np.column_stack([np.ones(y.size), x])
    psi, sigma2 = np.array([[1.0, 0.2], [0.2, 0.3]]), 0.8
    mean, covariance = kernels.effects_given(y, z, group, 21, psi, sigma2)
    mine = group == 3
    gain = psi @ z[mine].T @ np.linalg.inv(z[mine] @ psi @ z[mine].T + sigma2 * np.eye(8))
    np.testing.assert_allclose(mean[3], gain @ y[mine], rtol=1e-10)
    np.testing.assert_allclose(covariance[3], psi - gain @ z[mine] @ psi, rtol=1e-10)
    np.testing.assert_allclose(mean[20], 0)
    np.testing.assert_allclose(covariance[20], psi)


def test_the_order_of_rows_and_the_scale_of_predictors_do_not_matter():
    y, x, w, group = two_level(slope=0.5)
    one, order = np.ones(y.size), np.random.default_rng(2).permutation(y.size)
    z = np.column_stack([one, x])
    fit = kernels.linear_mixed(y, np.column_stack([z, w]), z, group, 20)
    mixed_up = kernels.linear_mixed(y[order], np.column_stack([z, w])[order], z[order], group[order], 20)
    np.testing.assert_allclose(mixed_up.psi, fit.psi, rtol=1e-8)
    far = z * [1, 1e-4] + [0, 1e3]
    scaled = kernels.linear_mixed(1e6 * y + 1e8, np.column_stack([far, w]), far, group, 20)
    assert scaled.psi[1, 1] == pytest.approx(1e12 * 1e8 * fit.psi[1, 1], rel=1e-5)
    assert scaled.sigma2 == pytest.approx(1e12 * fit.sigma2, rel=1e-6)


def test_ten_thousand_clusters_are_fitted_at_once():
    y, x, _, group = two_level(groups=10_000, size=4, slope=0.5)
    frame = pd.DataFrame({"y": y, "x": x, "id": 1e6 + group})
    for ids in (frame, frame.astype({"id": "category"})):
        data = Table.from_pandas(ids)
        formula = ModelFormula.parse("y ~ x + (x | id)", data.columns, mixed=True)
        started = time.process_time()
        fit = MODELS["mixed"](formula, data.values)
        assert time.process_time() - started < 5
        assert abs(fit.estimate[1] - 0.5) < 4 * np.sqrt(fit.variance[1])
        assert abs(fit.estimate[2] - 1.25) < 4 * np.sqrt(fit.variance[2])


# ---- data that do not hold a model


def fit_one(formula: str, frame: pd.DataFrame, model: str = "mixed"):
    data = Table.from_pandas(frame)
    return MODELS[model](ModelFormula.parse(formula, data.columns, mixed=True), data.values)


@pytest.fixture
def pupils() -> pd.DataFrame:
    y, x, w, group = two_level(seed=5)
    two = pd.Categorical(np.where(y > 0.5, "yes", "no"))
    return pd.DataFrame({"y": y, "x": x, "w": w, "two": two, "id": group, "own": np.arange(y.size), "one": 1.0})


@pytest.mark.parametrize(
    ("formula", "model", "what"),
    [
        ("y ~ x + (1 | one)", "mixed", "too few clusters"),
        ("y ~ x + (1 | own)", "mixed", "too few rows"),
        ("two ~ x + (1 | one)", "mixed.logistic", "too few clusters"),
        ("two ~ x + (1 | own)", "mixed.logistic", "too few rows"),
        ("one ~ x + (1 | id)", "mixed", "its response is constant"),
        ("y ~ x + I(2 * x) + (1 | id)", "mixed", "rank deficient"),
        ("y ~ x + (x + I(2 * x) | id)", "mixed", "rank deficient"),
        ("y ~ x + (log(x) | id)", "mixed", "no finite number"),
        ("w ~ 1 + (1 | id)", "mixed", "constant, at least within clusters"),
    ],
)
def test_data_without_an_answer_are_said_to_have_none(pupils, formula, model, what):
    with pytest.raises(NotConverged, match=what):
        fit_one(formula, pupils, model)


def test_separated_classes_do_not_converge(pupils):
    pupils["two"] = pd.Categorical(np.where(pupils["x"] > 0, "yes", "no"))
    with pytest.raises(NotConverged, match="did not converge"):
        fit_one("two ~ x + (1 | id)", pupils, "mixed.logistic")


def test_no_variance_between_clusters_is_a_result(pupils):
    flat = pupils.assign(y=pupils["y"] - pupils.groupby("id")["y"].transform("mean"))
    fit = fit_one("y ~ x + (1 | id)", flat)
    values = dict(zip(fit.terms, fit.estimate, strict=True))
    assert values["var(id, (Intercept))"] == pytest.approx(0, abs=1e-10)
    assert values["icc"] == pytest.approx(0, abs=1e-10)
    assert np.isfinite(fit.variance).all()
    assert (fit.variance > 0).all()
    flat["two"] = pd.Categorical(np.tile(["yes", "no"], 80))
    fit = fit_one("two ~ 1 + (1 | id)", flat, "mixed.logistic")
    assert dict(zip(fit.terms, fit.estimate, strict=True))["icc"] == pytest.approx(0, abs=1e-8)
    assert np.isfinite(fit.variance).all()


def test_of_two_minima_of_the_deviance_the_lower_one_is_found():
    rng = np.random.default_rng(83)
    group, x = np.repeat(np.arange(8), 4), rng.normal(size=32).round(1)
    x[0] = -20.0  # one such row, and the deviance has a minimum at a variance of 1.014 too, where lmer ends
    y = (rng.normal(size=8)[group] * 0.8 * x + rng.normal(size=32) * 1.5).round(1)
    fit = kernels.linear_mixed(y, np.column_stack([np.ones(32), x]), x[:, None], group, 8, reml=False)
    # lmer(y ~ x + (0 + x | g), REML = FALSE, start = 0.01)
    assert (fit.deviance, fit.psi[0, 0]) == pytest.approx((123.40455371498, 0.0), abs=1e-9)
    np.testing.assert_allclose([*fit.beta, fit.sigma2], [0.01233410998, -0.16007742490, 2.76908028277], rtol=1e-8)


def test_a_minimum_at_the_end_of_a_flat_valley_is_reached():
    rng = np.random.default_rng(321)
    group, x = np.repeat(np.arange(12), 4), rng.normal(size=48).round(1)
    y = (rng.normal(size=12)[group] * x + rng.logistic(size=48) > 0).astype(float)
    design = np.column_stack([np.ones(48), x])
    fit = logistic_mixed(y, design, design, group, 12)
    # glmer(y ~ x + (1 + x | g), binomial) with the optimizer bobyqa, rhoend = 1e-9
    assert fit.status == kernels.CONVERGED
    assert fit.deviance == pytest.approx(64.26829241947, abs=1e-7)
    np.testing.assert_allclose(fit.beta, [-0.10722608755, 0.06931544418], atol=1e-5)
    np.testing.assert_allclose(lower(fit.psi), [0.07339616557, 0.48805132924, 3.24532076189], rtol=1e-4)


def test_rows_with_a_missing_value_are_left_out_and_counted(pupils):
    holes = pupils.astype({"id": float})
    holes.loc[3, "x"], holes.loc[10, "y"], holes.loc[17, "id"] = np.nan, np.nan, np.nan
    fit = fit_one("y ~ x + (1 | id)", holes)
    assert fit.n_dropped == 3
    np.testing.assert_array_equal(fit.estimate, fit_one("y ~ x + (1 | id)", holes.dropna()).estimate)


@pytest.mark.parametrize(
    ("formula", "what"),
    [
        ("y ~ x", "there is no random part; add one"),
        ("y ~ x + (1 | id) + (1 | own)", "2 random parts"),
        ("y ~ x + (x || id)", "uncorrelated effects"),
        ("y ~ x + (1 | id/own)", "make one column that numbers the groups"),
        ("y ~ x + 1 | id", "lacks parentheses"),
        ("y ~ x * (1 | id)", "can only be added"),
        ("y ~ x + (0 | id)", "no term"),
        ("y ~ x + (1 | y)", "the response and the grouping"),
        ("y ~ x + (1 | ix)", "there is no column 'ix'"),
    ],
)
def test_other_random_parts_are_refused(pupils, formula, what):
    with pytest.raises(ms.MiceSimError, match=what):
        fit_one(formula, pupils)


def test_models_without_clusters_refuse_random_parts_and_mixed_ones_need_one(pupils):
    data = Table.from_pandas(pupils)
    with pytest.raises(ms.MiceSimError, match="fit a mixed model"):
        ModelFormula.parse("y ~ x + (1 | id)", data.columns)
    with pytest.raises(ms.MiceSimError, match="has no random part"):
        MODELS["mixed"](ModelFormula.parse("y ~ x", data.columns), data.values)
    with pytest.raises(ms.MiceSimError, match="one random term"):
        fit_one("two ~ x + (x | id)", pupils, "mixed.logistic.agq")


def test_a_dot_leaves_out_the_grouping_column(pupils):
    assert fit_one("y ~ . + (1 | id)", pupils.drop(columns=["one", "two"])).terms[:4] == (
        "(Intercept)",
        "x",
        "w",
        "own",
    )


# ---- pooling


def imputed(sets: list[np.ndarray], data: Table, formula: str, model: str = "mixed") -> Fits:
    n = data.values.shape[1]
    origin = Origin("impute", "imputed", True, False, n=n, k=n, m=len(sets), r=1)
    return fit_sets(formula, model, data.columns, np.array(sets), origin)


@pytest.fixture(scope="module")
def sets() -> tuple[list[np.ndarray], Table]:
    y, x, w, group = two_level(groups=30, slope=0.6, seed=3)
    data = Table.from_pandas(pd.DataFrame({"y": y, "x": x, "w": w, "g": group}))
    rng = np.random.default_rng(4)
    noisy = []
    for _ in range(5):
        noisy.append(data.values.copy())
        noisy[-1][0] += 0.3 * rng.standard_normal(y.size)
    return noisy, data


def test_every_term_is_pooled_by_its_own_degrees_of_freedom(sets):
    fits = imputed(*sets, "y ~ x + w + (1 + x | g)")
    frame = ms.pool(fits)
    for i, term in enumerate(fits.terms):
        u = fits.covariances[:, i, i]
        alone = ms.pool_scalar(fits.q[:, i], u, df_complete=fits.estimates[0].df[i])
        np.testing.assert_allclose(frame.loc[term, "df"], alone["df"], rtol=1e-12)
        np.testing.assert_allclose(frame.loc[term, "std_error"], alone["std_error"], rtol=1e-12)
    assert (frame.loc[["(Intercept)", "x", "w"], "df"] < 28).all()


def test_components_are_pooled_as_they_are_and_have_intervals_on_their_scales(sets):
    fits = imputed(*sets, "y ~ x + w + (1 + x | g)")
    plain, frame = ms.pool(fits), ms.pool_variance_components(fits)
    assert list(frame.index) == ["var(g, (Intercept))", "cor(g, (Intercept), x)", "var(g, x)", "var(residual)", "icc"]
    same = frame.index.drop("cor(g, (Intercept), x)")
    for column in ("estimate", "std_error", "df", "fmi", "ci_lower", "ci_upper"):
        np.testing.assert_allclose(frame.loc[same, column], plain.loc[same, column], rtol=1e-10)
    row = frame.loc["var(g, x)"]
    assert row["sd"] == pytest.approx(np.sqrt(row["estimate"]))
    assert row["ci_lower"] * row["ci_upper"] == pytest.approx(row["estimate"] ** 2)  # even on the logarithm's scale
    correlation = frame.loc["cor(g, (Intercept), x)"]
    variances = plain.loc[["var(g, (Intercept))", "var(g, x)"], "estimate"]
    assert correlation["estimate"] == pytest.approx(
        plain.loc["cov(g, (Intercept), x)", "estimate"] / np.sqrt(variances.prod())
    )
    middle = np.arctanh(correlation[["ci_lower", "ci_upper"]].astype(float)).mean()
    assert np.tanh(middle) == pytest.approx(correlation["estimate"])
    assert frame.attrs["rule"] == "rubin1987"
    assert frame.attrs["forced"] is False


def test_the_standard_error_of_a_correlation_is_that_of_the_delta_method(sets):
    noisy, data = sets
    fits = imputed(noisy[:1] * 2, data, "y ~ x + w + (1 + x | g)")
    frame = ms.pool_variance_components(fits)
    q, u = fits.q[0], fits.covariances[0]
    at = [fits.terms.index(f"{kind}(g, {names})") for kind, names in
          (("var", "(Intercept)"), ("cov", "(Intercept), x"), ("var", "x"))]  # fmt: skip

    def correlation(v: np.ndarray) -> float:
        return v[1] / np.sqrt(v[0] * v[2])

    slope = [(correlation(q[at] + h) - correlation(q[at] - h)) / 2e-6 for h in 1e-6 * np.eye(3)]
    expected = np.sqrt(slope @ u[np.ix_(at, at)] @ slope)
    assert frame.loc["cor(g, (Intercept), x)", "std_error"] == pytest.approx(expected, rel=1e-6)


def test_a_set_without_variance_between_clusters_can_be_pooled(sets):
    noisy, data = sets
    flat = noisy[0].copy()
    flat[0] -= pd.Series(flat[0]).groupby(flat[3]).transform("mean")
    frame = ms.pool_variance_components(imputed([flat, *noisy[1:]], data, "y ~ x + (1 | g)"))
    assert np.isfinite(frame[["estimate", "std_error", "ci_lower", "ci_upper"]]).all(axis=None)
    none = ms.pool_variance_components(imputed([flat, flat], data, "y ~ x + (1 | g)"))
    assert none.loc["var(g, (Intercept))", "estimate"] == pytest.approx(0, abs=1e-10)


def test_fixed_effects_of_one_random_part_are_tested_together(sets):
    large = imputed(*sets, "y ~ x + w + (1 + x | g)")
    test = ms.d1(large, imputed(*sets, "y ~ x + (1 + x | g)"))
    assert test.terms == ("w",)
    term = ms.pool(large).loc["w"]
    assert test.statistic == pytest.approx(term["statistic"] ** 2, rel=1e-9)
    assert ms.d1(large).terms == ("x", "w")
    with pytest.raises(ms.MiceSimError, match="different random parts"):
        ms.d1(large, imputed(*sets, "y ~ x + (1 | g)"))
    with pytest.raises(ms.MiceSimError, match="compare such models by D1"):
        ms.d3(large, imputed(*sets, "y ~ x + (1 + x | g)"))


def test_other_models_have_no_variance_components(sets):
    with pytest.raises(ms.MiceSimError, match="has no variance components"):
        ms.pool_variance_components(imputed(*sets, "y ~ x", "linear"))


# ---- studies


def test_a_study_covers_fixed_effects_and_variance_components():
    study = replicator(compose([
        "data=two_level", "data.clusters=60", "data.size=12", "data.icc=0.25", "+data.sd_slope.x=0.5",
        "data.rows=3000", "resampling=fresh", "analysis=regression", "~analysis.correlations", "~analysis.linear",
        "+analysis.two={kind: mixed, formula: 'y ~ x + w + (1 + x | cluster)'}", "+pooling.mixed=rubin1987",
        "synthesis=impute", "synthesis.m=2", "+resampling/amputation=mar",
    ]).key())  # fmt: skip
    truth = pd.Series(study.population.known_truth("mixed", "y ~ x + w + (1 + x | cluster)"))
    assert truth["var(cluster, x)"] == 0.25
    assert truth["icc"] == pytest.approx(0.25)
    (analysis,) = study.analyses.values()
    found = np.array([analysis.single(study.sample(r).values)[0].reshape(7, -1) for r in range(400)])
    terms = list(analysis.blocks[0].terms)
    bias = found[:, 0] - truth[terms].to_numpy()
    z = bias.mean(axis=0) / (bias.std(axis=0, ddof=1) / 20)
    covered = ((found[:, 5] <= truth[terms].to_numpy()) & (truth[terms].to_numpy() <= found[:, 6])).mean(axis=0)
    assert np.abs(z[: terms.index("var(residual)") + 1]).max() < 4  # REML is unbiased, the icc's ratio nearly so
    assert (np.abs(covered - 0.95) < 4 * 0.011).all()
    errors = found[:, 1].mean(axis=0) / found[:, 0].std(axis=0, ddof=1)
    np.testing.assert_allclose(errors, 1, atol=0.15)


def test_a_study_refuses_a_truth_from_clusters_that_are_many():
    overrides = ["data=two_level", "data.rows=2000", "resampling=fresh", "analysis=regression", "synthesis=impute",
                 "+resampling/amputation=mar",
                 "~analysis.correlations", "~analysis.linear", "+pooling.mixed=rubin1987"]  # fmt: skip
    known = replicator(compose([*overrides, "+analysis.two={kind: mixed, formula: 'y ~ w+x + (1|cluster)'}"]).key())
    assert np.isfinite(known.original().value[:6]).all()
    other = replicator(compose([*overrides, "+analysis.two={kind: mixed, formula: 'y ~ x + (1 | cluster)'}"]).key())
    with pytest.raises(ms.MiceSimError, match=r"analysis\.two has no known truth"):
        other.original()
