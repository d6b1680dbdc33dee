"""Models, contrasts and statistics are R's, and statsmodels agrees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit, ndtr
from statsmodels.miscmodels.ordinal_model import OrderedModel

from mice_sim.analysis import MODELS, Estimates, ModelFormula, NotConverged, models, overdispersed
from mice_sim.analysis.by_statsmodels import SPECIFICATIONS
from mice_sim.analysis.descriptives import correlations, counts, describe
from mice_sim.analysis.discrimination import confusion, discriminate
from mice_sim.data import Table, contrasts
from mice_sim.errors import MiceSimError

LEVELS = {"f": ["a", "b", "c"], "g": ["g1", "g2", "g3", "g4"], "b": ["no", "yes"], "o": ["o1", "o2", "o3", "o4"]}


def fit(model: str, formula: str, table: Table) -> Estimates:
    return MODELS[model](ModelFormula.parse(formula, table.columns), table.values)


@pytest.fixture(scope="module")
def tables(r_models: dict, truth: Table) -> dict[str, Table]:
    return tables_of(r_models, truth)


def tables_of(r_models: dict, truth: Table) -> dict[str, Table]:
    """R's random data sets by number, and the boys."""
    kinds = {name: pd.CategoricalDtype(levels, ordered=name in "go") for name, levels in LEVELS.items()}
    frames = [pd.DataFrame(data).astype(kinds) for data in r_models["data"]]
    return {"boys": truth, **{str(i): Table.from_pandas(frame) for i, frame in enumerate(frames, start=1)}}


# ---- against R


@pytest.mark.parametrize("k", range(2, 13))
def test_polynomial_contrasts_are_rs_to_the_last_bit(r_models, k):
    ours = [[f"{value:.17g}" for value in row] for row in contrasts.polynomial(k)]
    assert ours == r_models["contrasts"][str(k)]


@pytest.mark.parametrize("model", ["linear", "logistic", "ordinal"])
def test_estimates_and_covariances_are_those_of_lm_glm_and_polr(r_models, tables, model):
    compared = [theirs for theirs in r_models["fits"] if theirs["model"] == model and not theirs["default"]]
    assert len(compared) >= 6
    # glm and polr stop a little short of the maximum, and polr's Hessian is numerical.
    near = {"linear": 1e-10, "logistic": 1e-6, "ordinal": 1e-5}[model]
    for theirs in compared:
        ours = fit(model, theirs["formula"], tables[theirs["data"]])
        assert list(ours.terms) == theirs["terms"]
        np.testing.assert_allclose(ours.estimate, theirs["estimate"], rtol=near, atol=near)
        scale = np.sqrt(np.outer(ours.variance, ours.variance))
        np.testing.assert_allclose(ours.covariance / scale, theirs["covariance"] / scale, atol=near)
        assert ours.df_residual == theirs["df_residual"]
        assert ours.df == (ours.df_residual if model == "linear" else np.inf)


def test_the_growth_model_is_at_least_as_likely_as_where_polr_stopped(r_models, truth):
    ours = fit("ordinal", "gen ~ age + hc + reg", truth)
    values = dict(zip(ours.terms, ours.estimate, strict=True))
    region = truth.values[truth.index("reg")]
    linear = values["age"] * truth.values[0] + values["hc"] * truth.values[truth.index("hc")]
    for level, name in enumerate(["regeast", "regwest", "regsouth", "regcity"], start=1):
        linear = linear + values[name] * (region == level)
    cuts = np.concatenate([[-np.inf], ours.estimate[-4:], [np.inf]])
    gen = truth.values[truth.index("gen")].astype(int)
    deviance = -2 * np.log(expit(cuts[gen + 1] - linear) - expit(cuts[gen] - linear)).sum()
    theirs = next(f for f in r_models["fits"] if f["default"])
    assert deviance <= theirs["deviance"] < 1522.144212
    np.testing.assert_allclose(ours.estimate, theirs["estimate"], atol=1e-4)


def test_proportional_odds_reach_the_same_maximum_from_wherever_they_start(truth, r_samples):
    formula = ModelFormula.parse("gen ~ age + hc + reg", truth.columns)
    reference = MODELS["ordinal"](formula, truth.values).estimate
    for rows in r_samples[:20]:
        values = truth.values[:, rows]
        scratch, started = (MODELS["ordinal"](formula, values, start) for start in (None, reference))
        np.testing.assert_allclose(started.estimate, scratch.estimate, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(started.covariance, scratch.covariance, rtol=1e-5)
    far = np.where(np.arange(9)[:, None] == truth.index("hc"), 1e3 * truth.values, truth.values)
    started = MODELS["ordinal"](formula, far, 1e3 * reference)
    np.testing.assert_allclose(started.estimate, MODELS["ordinal"](formula, far).estimate, rtol=1e-9, atol=1e-9)


def test_model_matrices_are_rs(r_models, tables):
    for theirs in r_models["matrices"]:
        formula = ModelFormula.parse(theirs["formula"], tables["1"].columns)
        assert list(formula.names) == theirs["names"]
        np.testing.assert_allclose(formula.matrix(tables["1"].values[:, :30]), theirs["values"], atol=1e-14)


def test_other_models_are_those_of_glm_multinom_and_lm(r_models, small):
    # multinom stops where its optimiser does.
    near = {"multinomial": 1e-5}
    holes = with_holes(small)
    for theirs in r_models["more_fits"]:
        values = holes if theirs["holes"] else small.values
        formula = ModelFormula.parse(theirs["formula"], small.columns).learn(values)
        weights = np.array(theirs["weights"]) if theirs["weights"] else None
        ours = models.fit(theirs["model"], formula, values, weights)
        tolerance = near.get(theirs["model"], 1e-8)
        assert list(ours.terms) == theirs["terms"]
        np.testing.assert_allclose(ours.estimate, theirs["estimate"], rtol=tolerance, atol=tolerance)
        scale = np.sqrt(np.outer(ours.variance, ours.variance))
        np.testing.assert_allclose(ours.covariance / scale, theirs["covariance"] / scale, atol=tolerance)
        assert ours.df_residual == theirs["df_residual"]
        assert ours.n_dropped == np.isnan(values[formula.used]).any(axis=0).sum()
        assert theirs["holes"] == (ours.n_dropped > 0)


def test_likelihoods_at_fixed_coefficients_are_those_of_mices_d3(r_models, small):
    for theirs in r_models["fixed"]:
        formula, theta = ModelFormula.parse(theirs["formula"], small.columns), np.array(theirs["theta"])
        for free, name in ((False, "held"), (True, "free")):
            ours = models.log_likelihood(theirs["model"], formula, small.values, theta, free_constant=free)
            assert ours == pytest.approx(theirs[name], abs=1e-8)


def test_the_likelihood_at_the_estimates_is_rs(r_models, small, truth):
    compared = [
        f for f in r_models["more_fits"] if f["model"] in ("linear", "poisson", "multinomial") and not f["weights"]
    ]
    assert len(compared) > 5
    for theirs in compared:
        values = with_holes(small) if theirs["holes"] else small.values
        formula = ModelFormula.parse(theirs["formula"], small.columns).learn(values)
        ours = models.log_likelihood(
            theirs["model"], formula, values, MODELS[theirs["model"]](formula, values).estimate
        )
        assert ours == pytest.approx(theirs["log_likelihood"], abs=1e-7)
    theirs = next(f for f in r_models["fits"] if f["default"])
    formula = ModelFormula.parse(theirs["formula"], truth.columns)
    ours = models.log_likelihood("ordinal", formula, truth.values, np.array(theirs["estimate"]))
    assert -2 * ours == pytest.approx(theirs["deviance"], abs=1e-8)


def test_r_squared_is_that_of_lm(r_models, small):
    for theirs in r_models["r_squared"]:
        formula = ModelFormula.parse(theirs["formula"], small.columns).learn(small.values)
        assert models.r_squared(formula, small.values) == pytest.approx(theirs["plain"], abs=1e-12)
        assert models.r_squared(formula, small.values, adjusted=True) == pytest.approx(theirs["adjusted"], abs=1e-12)


def with_holes(small: Table) -> np.ndarray:
    """The holes of oracles/models.R."""
    values = small.values.copy()
    values[small.index("x"), 2:6] = np.nan
    values[small.index("f"), 4:9] = np.nan
    values[small.index("y"), 10] = np.nan
    return values


def test_descriptive_statistics_are_those_of_psych(r_models, tables):
    for name, theirs in r_models["describe"].items():
        ours = describe(tables[name].columns, tables[name].values).values
        assert list(ours) == list(theirs)
        for statistic, values in theirs.items():
            np.testing.assert_allclose(ours[statistic], values, rtol=1e-12, atol=1e-12, err_msg=statistic)


def test_confusion_statistics_are_those_of_caret(r_models):
    for case in r_models["confusion"]:
        ours = confusion(np.array(case["actual"], bool), np.array(case["predicted"], bool)).values
        assert {name: float(value[0]) for name, value in ours.items()} == pytest.approx(case["statistics"], rel=1e-12)


def test_mcnemars_p_is_one_when_both_errors_are_as_frequent():
    actual = np.array([False, False, True, True, True])
    drawn = np.array([True, False, False, True, True])
    assert confusion(actual, drawn).values["mcnemarpvalue"] == 1.0


# ---- against statsmodels


@pytest.fixture(scope="module", params=range(4))
def random_frame(request) -> pd.DataFrame:
    rng = np.random.default_rng(request.param)
    n = int(rng.integers(60, 500))
    x, z = rng.normal(size=n), rng.exponential(size=n)
    signal = x - 0.5 * z
    b = pd.Categorical.from_codes((signal + rng.logistic(size=n) > 0).astype(int), ["no", "yes"])
    o = pd.cut(signal + rng.logistic(size=n), [-np.inf, -1, 0, 1.5, np.inf], labels=list("abcd"))
    return pd.DataFrame({"x": x, "z": z, "y": signal + rng.normal(size=n), "b": b, "o": o})


def test_least_squares_is_statsmodels(random_frame):
    theirs = sm.OLS(random_frame["y"], sm.add_constant(random_frame[["x", "z"]])).fit()
    assert_same(fit("linear", "y ~ x + z", Table.from_pandas(random_frame)), theirs, 1e-10)


def test_logistic_regression_is_statsmodels(random_frame):
    theirs = sm.Logit(random_frame["b"].cat.codes, sm.add_constant(random_frame[["x", "z"]])).fit(disp=0, tol=1e-12)
    assert_same(fit("logistic", "b ~ x + z", Table.from_pandas(random_frame)), theirs, 1e-8)


def test_proportional_odds_are_statsmodels(random_frame):
    model = OrderedModel(random_frame["o"], random_frame[["x", "z"]], distr="logit")
    theirs = model.fit(method="bfgs", gtol=1e-8, maxiter=500, disp=0)
    ours = fit("ordinal", "o ~ x + z", Table.from_pandas(random_frame))
    found = np.concatenate([theirs.params[:2], model.transform_threshold_params(theirs.params)[1:-1]])
    np.testing.assert_allclose(ours.estimate, found, atol=1e-5)
    np.testing.assert_allclose(np.sqrt(ours.variance[:2]), theirs.bse[:2], rtol=1e-4)


def assert_same(ours: Estimates, theirs, tolerance: float) -> None:
    np.testing.assert_allclose(ours.estimate, theirs.params, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(ours.covariance, theirs.cov_params(), rtol=tolerance, atol=tolerance)


# ---- no finite maximum


@pytest.fixture(scope="module")
def hopeless() -> Table:
    """x separates the classes b and o, `twice` is redundant beside x, a level of `empty` has no rows.

    `count` is 0 in the last class, and `nothing` is missing.
    """
    x = np.linspace(-1, 1, 40)
    o = pd.cut(x, [-2, -0.4, 0.4, 2], labels=["low", "mid", "high"])
    return Table.from_pandas(
        pd.DataFrame(
            {
                "x": x,
                "twice": 2 * x,
                "y": np.sin(50 * x),
                "count": np.where(x > 0.4, 0.0, np.arange(40) % 4),
                "nothing": np.nan,
                "b": pd.Categorical.from_codes((x > 0).astype(int), ["no", "yes"]),
                "o": o,
                "empty": o.add_categories("none"),
            }
        )
    )


@pytest.mark.parametrize(
    ("model", "formula"),
    [
        ("linear", "y ~ x + twice"),
        ("logistic", "b ~ x"),
        ("logistic", "b ~ y + x"),
        ("logistic", "b ~ o"),
        ("logistic", "b ~ x + twice"),
        ("ordinal", "o ~ x"),
        ("ordinal", "o ~ x + y"),
        ("ordinal", "empty ~ y"),
        ("ordinal", "o ~ y + empty"),
        ("multinomial", "o ~ x"),
        ("multinomial", "empty ~ y"),
        ("multinomial", "b ~ x + y"),
        ("multinomial", "o ~ y + twice + x"),
        ("poisson", "count ~ o"),
        ("poisson", "count ~ x + twice"),
        ("poisson", "y ~ x"),
        ("poisson", "log(count) ~ x"),
        ("negativebinomial", "count ~ o"),
        ("zeroinflatedpoisson", "x ~ y"),
        ("glm.binomial", "b ~ x"),
        ("glm.probit", "b ~ x + y"),
        ("glm.cloglog", "b ~ o"),
        ("glm.gamma", "count ~ x"),
        ("ols", "y ~ x + twice"),
        ("linear", "y ~ log(x)"),
    ],
)
def test_a_model_without_a_finite_maximum_raises(hopeless, model, formula):
    with pytest.raises(NotConverged, match="The model"):
        fit(model, formula, hopeless)


def test_data_without_a_complete_row_are_named(hopeless):
    with pytest.raises(NotConverged, match="no complete row; impute"):
        fit("linear", "y ~ nothing", hopeless)


def test_separated_records_make_the_discrimination_model_fail(truth):
    formula = ModelFormula.parse("~ age", truth.columns)
    true = formula.matrix(truth.values)
    with pytest.raises(NotConverged, match="separated"):
        discriminate(formula, true - [0, 100], true, np.random.default_rng(1))


# ---- models by name


def test_every_model_finds_the_coefficients_that_its_data_were_drawn_with():
    rng = np.random.default_rng(5)
    n = 4000
    x = rng.normal(size=n)
    eta = 0.5 + 0.4 * x
    mean = np.exp(eta)
    b = pd.CategoricalDtype(["no", "yes"])
    binary = {"glm.binomial": expit(eta), "glm.probit": ndtr(eta), "glm.cloglog": 1 - np.exp(-mean)}
    numeric = {
        "poisson": rng.poisson(mean),
        "glm.quasipoisson": rng.negative_binomial(2, 2 / (2 + mean)),
        "negativebinomial": rng.negative_binomial(2, 2 / (2 + mean)),
        "zeroinflatedpoisson": rng.poisson(mean) * (rng.random(n) > 0.3),
        "glm.gamma.log": rng.gamma(2, mean / 2),
        "glm.gamma": rng.gamma(2, 0.5 / (4.5 + 0.4 * x)),
        "glm.inverse.gaussian": rng.wald(1 / np.sqrt(4.5 + 0.4 * x), 5),
        "ols": eta + rng.normal(size=n),
        "wls": eta + rng.normal(size=n),
        "rlm": eta + rng.standard_t(3, size=n),
        "quantreg": eta + rng.laplace(size=n),
    }
    numbers = {name: np.asarray(y, float) for name, y in numeric.items()}
    factors = {name: pd.Categorical.from_codes((rng.random(n) < p).astype(int), dtype=b) for name, p in binary.items()}
    assert set(numbers) | set(factors) == {*SPECIFICATIONS, "quantreg", "negativebinomial", "zeroinflatedpoisson"}
    for name, y in (numbers | factors).items():
        found = fit(name, "y ~ x", Table.from_pandas(pd.DataFrame({"x": x, "y": y})))
        at = found.terms.index("x")
        intercept = 4.5 if name in ("glm.gamma", "glm.inverse.gaussian") else 0.5
        truths = np.array([intercept, 0.4])
        z = (found.estimate[[at - 1, at]] - truths) / np.sqrt(found.variance[[at - 1, at]])
        assert np.abs(z).max() < 4, name
        extra = dict(zip(found.terms, found.estimate, strict=True))
        assert extra.get("alpha", 0.5) == pytest.approx(0.5, abs=0.1)
        assert expit(extra.get("inflate_const", logit(0.3))) == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize(
    ("model", "seed", "theirs"),
    [  # glm(y ~ x, family) in R: coefficients, and standard errors
        ("glm.inverse.gaussian", 0, [[1.353948, 0.581891], [0.4975809, 0.2191992]]),  # statsmodels stops
        ("glm.gamma", 10, [[0.6545824, 0.3134195], [0.1544113, 0.08965362]]),  # it goes on with negative means
    ],
)
def test_a_fit_that_leaves_the_range_of_its_link_is_begun_within_it(model, seed, theirs):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=20).round(1)
    y = rng.wald(1 / np.sqrt(np.maximum(1 + 0.8 * x, 0.05)), 1).round(2) + 0.01
    found = fit(model, "y ~ x", Table.from_pandas(pd.DataFrame({"x": x, "y": y})))
    assert np.stack([found.estimate, np.sqrt(found.variance)]) == pytest.approx(np.array(theirs), rel=2e-6)


# ---- units, and columns that are nearly collinear


@pytest.fixture(scope="module")
def years() -> pd.DataFrame:
    """Columns whose spread is small beside their mean."""
    rng = np.random.default_rng(1)
    year = rng.integers(2000, 2011, 60).astype(float)
    t = (year - 2005) / 3
    u = 0.6 * t - 0.4 * t**2 + rng.logistic(size=60)
    return pd.DataFrame(
        {
            "year": year,
            "far": 1e6 + rng.normal(size=60).round(1),
            "y": u.round(2),
            "b": pd.Categorical(np.where(u > 0, "yes", "no")),
            "o": pd.cut(u, [-99, -1.5, 0.5, 99], labels=["a", "b", "c"]),
            "count": rng.negative_binomial(2, 2 / (2 + np.exp(0.5 + 0.4 * t))).astype(float),
        }
    )


@pytest.mark.parametrize(
    ("model", "formula", "theirs"),
    [  # R: coefficients and standard errors of the last term, of multinom's for level b; of far - 1e6 but for lm
        ("linear", "y ~ year + I(year^2)", (-8.90810780157e-03, 2.45044504782e-02)),  # lm
        ("ols", "y ~ year + I(year^2)", (-8.90810780157e-03, 2.45044504782e-02)),
        ("linear", "y ~ far", (1.75618218460e-02, 2.49249964986e-01)),
        ("logistic", "b ~ far", (0.12982465363, 0.2798570299)),  # glm, binomial
        ("glm.binomial", "b ~ far", (0.12982465363, 0.2798570299)),
        ("ordinal", "o ~ far", (0.1157872356, 0.2533151970)),  # polr
        ("multinomial", "o ~ far", (0.2287895236, 0.3767680098)),  # multinom
    ],
)
def test_columns_far_from_0_and_a_year_with_its_square_are_fitted_as_by_r(years, model, formula, theirs):
    found = fit(model, formula, Table.from_pandas(years))
    at = {"ordinal": 0, "multinomial": 1}.get(model, -1)
    assert (found.estimate[at], np.sqrt(found.variance[at])) == pytest.approx(theirs, rel=3e-7)


NUMERIC = sorted(set(MODELS) - {name for name in MODELS if "mixed" in name} - {"ordinal", "multinomial", "logistic"})


@pytest.mark.parametrize(
    "model", [name for name in NUMERIC if not SPECIFICATIONS.get(name, SPECIFICATIONS["ols"]).binary]
)
def test_estimates_do_not_depend_on_units(model, years):
    x = years["far"] - 1e6
    positive = {"y": years["count"] + np.exp(years["y"] / 4) / 9} if "g" in model[:1] else {"y": years["count"]}
    frame = pd.DataFrame({"x": x, "b": years["b"], **positive})
    plain = fit(model, "y ~ x + b", Table.from_pandas(frame))
    counts = model in ("poisson", "glm.quasipoisson", "negativebinomial", "zeroinflatedpoisson")
    unit = 1.0 if counts else 1e-6
    power = {"glm.gamma": -1, "glm.inverse.gaussian": -2, "glm.gamma.log": 0}.get(model, 1)
    other = fit(model, "y ~ x + b", Table.from_pandas(frame.assign(x=1e4 * x, y=unit * frame["y"])))
    scale = np.array([unit**power / 1e4 if term == "x" else unit**power for term in plain.terms])
    errors = np.sqrt(plain.variance)
    at = [plain.terms.index(term) for term in ("x", "byes")]
    np.testing.assert_allclose((other.estimate / scale)[at], plain.estimate[at], atol=1e-6 * errors.min())
    np.testing.assert_allclose((np.sqrt(other.variance) / scale)[at], errors[at], rtol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_no_line_through_two_points_is_nearer_than_the_median_regression(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=15), 1e-5 * rng.standard_t(1.5, size=15)  # heavy tails, small numbers
    found = fit("quantreg", "y ~ x", Table.from_pandas(pd.DataFrame({"x": x, "y": y})))
    i, j = np.triu_indices(15, 1)
    slope = (y[j] - y[i]) / (x[j] - x[i])  # one of these lines is the nearest (Koenker & Bassett 1978)
    distances = np.abs(y[:, None] - (y[i] - slope * x[i]) - slope * x[:, None]).sum(axis=0)
    assert np.abs(y - found.estimate @ [np.ones(15), x]).sum() == pytest.approx(distances.min(), rel=1e-12)


def test_the_errors_of_median_regression_are_those_of_statsmodels(random_frame):
    found = fit("quantreg", "y ~ x + z", Table.from_pandas(random_frame))
    theirs = sm.QuantReg(random_frame["y"], sm.add_constant(random_frame[["x", "z"]])).fit()
    np.testing.assert_allclose(found.estimate, theirs.params, atol=1e-5)
    np.testing.assert_allclose(np.sqrt(found.variance), theirs.bse, rtol=1e-4)


def test_negative_binomial_regression_is_that_of_glm_nb(years):
    found = fit("negativebinomial", "count ~ year", Table.from_pandas(years))
    # MASS::glm.nb(count ~ year): coefficients, and 1 / theta
    assert found.estimate == pytest.approx(np.array([-390.8074840305, 0.1950343017, 0.5916361444]), rel=1e-8)
    theirs = sm.NegativeBinomial(years["count"], sm.add_constant(years["year"] - 2005)).fit(disp=0, maxiter=500)
    np.testing.assert_allclose(np.sqrt(found.variance[1:]), theirs.bse.iloc[1:], rtol=1e-3)


@pytest.mark.parametrize("most", [5, 500])  # statsmodels' Hessian overflows where counts are large
def test_zero_inflated_regression_is_at_a_maximum_of_its_likelihood(most):
    rng = np.random.default_rng(3)
    x = rng.normal(size=120)
    y = (rng.poisson(most * np.exp(0.3 * x)) * (rng.random(120) > 0.3)).astype(float)
    found = fit("zeroinflatedpoisson", "y ~ x", Table.from_pandas(pd.DataFrame({"x": x, "y": y})))
    assert found.terms == ("inflate_const", "(Intercept)", "x")
    model = sm.ZeroInflatedPoisson(y, sm.add_constant(x))
    np.testing.assert_allclose(model.score(found.estimate), 0, atol=1e-4)
    width = 1e-4 * np.sqrt(found.variance)[:, None] * np.eye(3)
    curved = [(model.score(found.estimate + w) - model.score(found.estimate - w)) / (2 * w.sum()) for w in width]
    scale = np.sqrt(np.outer(found.variance, found.variance))
    np.testing.assert_allclose(np.linalg.inv(-np.array(curved)) / scale, found.covariance / scale, atol=1e-4)


@pytest.mark.parametrize("model", ["negativebinomial", "zeroinflatedpoisson"])
def test_counts_that_vary_less_than_poissons_have_no_finite_maximum(model):
    rng = np.random.default_rng(4)
    for size in (10, 20, 40):
        frame = pd.DataFrame({"x": rng.normal(size=size), "y": rng.binomial(8, 0.7, size).astype(float)})
        with pytest.raises(NotConverged, match="as 'poisson'"):
            fit(model, "y ~ x", Table.from_pandas(frame))


@pytest.mark.parametrize(
    ("model", "formula", "weights", "culprit"),
    [
        ("possion", "hgt ~ age", None, "did you mean 'poisson'"),
        ("linear", "hgt ~ age", np.ones(748), "'linear' takes no weights"),
        ("wls", "hgt ~ age", np.ones(700), "700 weights for 748 rows"),
        ("wls", "hgt ~ age", np.zeros(748), "0, negative"),
        ("poisson", "reg ~ age", None, "'reg' of 'reg ~ age' is unordered"),
        ("glm.binomial", "hgt ~ age", None, "'hgt' of 'hgt ~ age' is continuous"),
        ("multinomial", "log(hgt) ~ age", None, "'log(hgt)' of 'log(hgt) ~ age' is continuous"),
        ("logistic", "reg ~ age", None, "a factor of two levels"),
        ("linear", "~ age", None, "has no response"),
    ],
)
def test_what_a_model_cannot_take_is_named(truth, model, formula, weights, culprit):
    with pytest.raises(MiceSimError) as caught:
        models.fit(model, ModelFormula.parse(formula, truth.columns), truth.values, weights)
    assert culprit in str(caught.value)


@pytest.mark.parametrize("model", ["rlm", "negativebinomial", "glm.gamma.log"])
def test_iterations_that_end_at_their_limit_are_no_fit(truth, model, monkeypatch):
    if model in SPECIFICATIONS:
        given = SPECIFICATIONS[model]
        monkeypatch.setitem(SPECIFICATIONS, model, replace(given, fit={**given.fit, "maxiter": 2}))
    monkeypatch.setattr(overdispersed, "MAX_ITERATIONS", 2)
    with pytest.raises(NotConverged, match="did not converge"):
        fit(model, "hgt ~ age + hc", truth)


def test_models_without_a_likelihood_or_with_several_constants_say_so(truth):
    formula = ModelFormula.parse("gen ~ age", truth.columns)
    with pytest.raises(MiceSimError, match="D1 or D2"):
        models.log_likelihood("quantreg", formula, truth.values, np.zeros(2))
    with pytest.raises(MiceSimError, match="free_constant=False"):
        models.log_likelihood("ordinal", formula, truth.values, np.zeros(5), free_constant=True)


# ---- statistics that need no oracle


def test_the_classes_of_the_discrimination_model_are_drawn_with_their_fitted_probabilities(truth):
    formula = ModelFormula.parse("~ age + hc", truth.columns)
    true = formula.matrix(truth.values)
    synthetic = true * [1, 1.2, 1]
    stacked, is_true = np.concatenate([synthetic, true]), np.repeat([0, 1], len(true))
    p = sm.Logit(is_true, stacked).fit(disp=0).predict()
    drawn = [discriminate(formula, synthetic, true, np.random.default_rng(seed))[1] for seed in range(200)]
    accuracy = np.mean([statistics.values["accuracy"] for statistics in drawn])
    # ½ + 2·pMSE, where the likelier class alone would be right more often.
    assert abs(accuracy - (0.5 + 2 * ((p - 0.5) ** 2).mean())) < 4 * 0.5 / np.sqrt(200 * p.size)
    assert np.maximum(p, 1 - p).mean() > accuracy + 0.02


def test_counts_list_every_level_even_an_empty_one():
    frame = pd.DataFrame({"f": pd.Categorical(["a", "a", "b"], ["a", "b", "c"])})
    table = Table.from_pandas(frame)
    found = counts(table.columns, table.values)
    assert dict(zip(found.terms, found.values["count"], strict=True)) == {"f:a": 2, "f:b": 1, "f:c": 0}


def test_correlations_are_pearsons_of_all_pairs(boys, truth):
    found = correlations(truth.columns, truth.values)
    expected = boys.select_dtypes("number").corr()
    assert len(found.terms) == 15
    for term, value in zip(found.terms, found.values["correlation"], strict=True):
        assert value == pytest.approx(expected.loc[*term.split(":")], abs=1e-12)


# ---- levels without rows


def with_an_empty_level() -> tuple[tuple, np.ndarray]:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "y": rng.poisson(3, 60).astype(float),
            "b": pd.Categorical(rng.choice(["no", "yes"], 60)),
            "o": pd.Categorical(rng.choice(["lo", "mid", "hi"], 60), ["lo", "mid", "hi"], ordered=True),
            "region": pd.Categorical(rng.choice(["east", "north"], 60), ["east", "north", "west"]),
            "id": np.repeat(np.arange(12.0), 5),
        }
    )
    table = Table.from_pandas(frame)
    return table.columns, table.values


@pytest.mark.parametrize(
    ("model", "formula"),
    [
        ("linear", "y ~ region"),
        ("poisson", "y ~ region"),
        ("logistic", "b ~ region"),
        ("ordinal", "o ~ region"),
        ("multinomial", "b ~ region"),
        ("mixed", "y ~ region + (1 | id)"),
    ],
)
def test_a_level_without_rows_is_named(model, formula):
    columns, values = with_an_empty_level()
    parsed = ModelFormula.parse(formula, columns, mixed=model == "mixed")
    with pytest.raises(NotConverged, match=r" has no row with region = west; drop the level or merge it\.$"):
        MODELS[model](parsed, values)


def test_a_product_of_levels_without_rows_is_named():
    columns, values = with_an_empty_level()
    columns = (*columns[:3], replace(columns[3], levels=("east", "north")), columns[4])
    values[3] = np.where(values[1] == 1, 0, values[3])
    parsed = ModelFormula.parse("y ~ b * region", columns)
    with pytest.raises(NotConverged, match=r"has no row where byes:regionnorth is not 0; leave out that term\.$"):
        MODELS["linear"](parsed, values)
