"""The methods for factors: their models are R's, their draws are mice's, and nothing makes them fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES

import mice_sim as ms
from mice_sim.data import Table
from mice_sim.errors import MiceSimError
from mice_sim.kernels import likelihood
from mice_sim.synthesis.augment import Units, pseudo_rows
from mice_sim.synthesis.design import Design
from mice_sim.synthesis.methods import METHODS, Fitted, Method, Predictors, Target, _categories, _lasso
from mice_sim.synthesis.methods._unidentified import Shift
from mice_sim.synthesis.state import WorkingState

LEVELS = {"f": list("abc"), "b": ["no", "yes"], "u": list("pqrs"), "o": ["o1", "o2", "o3", "o4"]}
BINARY = ["logreg", "logreg.boot", "mnar.logreg", "lasso.logreg", "lasso.select.logreg", "lda", "polyreg"]
SEVERAL = ["polyreg", "polr", "lda"]


class Problem:
    """A column to be drawn in the rows where it is missing, given all others."""

    def __init__(self, frame: pd.DataFrame, name: str):
        table = Table.from_pandas(frame)
        j = table.index(name)
        missing = np.isnan(table.values[j])
        design = Design.of(table.columns)
        keep = design.mask(np.arange(len(table.columns)) != j)
        with np.errstate(invalid="ignore"):
            state = WorkingState(table, design)
        rows = np.arange(table.n_rows, dtype=np.uint32)
        self.y = Target(table.columns[j], table.values[j], rows[~missing])
        self.x = Predictors(state, keep, rows[~missing], np.zeros_like(keep))
        self.wanted = self.x.at(rows[missing])

    def fit(self, method: Method, seed: int = 1) -> Fitted:
        return method.fit(self.y, self.x, np.random.default_rng(seed))

    def draws(self, method: Method, n: int, seed: int = 1) -> np.ndarray:
        """Return (wanted rows, n) level numbers; a method that is not deterministic is fitted for each."""
        rng = np.random.default_rng(seed)
        fitted = method.fit(self.y, self.x, rng)
        out = []
        for _ in range(n):
            if not method.deterministic:
                fitted = method.fit(self.y, self.x, rng)
            out.append(fitted.draw(self.wanted, rng))
        return np.array(out).T

    def probabilities(self, fitted: _categories.FittedMultinomial) -> np.ndarray:
        """Return what the fitted model says of the wanted rows: (rows, categories)."""
        eta = fitted.units.standardise(self.wanted.matrix()) @ fitted.theta.T
        odds = np.exp(np.column_stack([np.zeros(len(eta)), eta]))
        return odds / odds.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def oracle() -> dict:
    return json.loads((ORACLES / "methods_categorical.json").read_text())


@pytest.fixture(scope="module")
def frame(oracle: dict) -> pd.DataFrame:
    return frame_of(oracle)


def frame_of(oracle: dict) -> pd.DataFrame:
    kinds = {name: pd.CategoricalDtype(levels, ordered=name == "o") for name, levels in LEVELS.items()}
    return pd.DataFrame(oracle["data"]).astype(kinds)


@pytest.fixture(scope="module")
def problem(frame: pd.DataFrame) -> Callable[[str], Problem]:
    return lambda name: Problem(frame[["x", "z", "f", name]], name)


def small(y: list, levels: list | None = None, **predictors) -> Problem:
    """Return a problem of a factor `y`; its levels are those it has, in order of appearance, if none are given."""
    levels = levels or list(dict.fromkeys(v for v in y if v is not None))
    ordered = len(levels) > 2
    return Problem(pd.DataFrame({**predictors, "y": pd.Categorical(y, levels, ordered=ordered)}), "y")


# ---- against R


@pytest.mark.parametrize("name", ["b", "u", "o"])
def test_pseudo_rows_are_those_of_mice(oracle, problem, name):
    one, theirs = problem(name), oracle["augmented"][name]
    units = _categories.measure(one.x, one.x.matrix())
    x, y, weight = pseudo_rows(units, len(LEVELS[name]))
    np.testing.assert_allclose(x[:, 1:] * units.scale + units.centre, theirs["x"], rtol=1e-8, atol=1e-8)
    assert [LEVELS[name][int(k)] for k in y] == theirs["y"]
    np.testing.assert_allclose(np.full(y.size, weight), theirs["w"], rtol=1e-12)


def test_logreg_fits_the_model_of_glm_and_its_covariance(oracle, problem):
    one = problem("b")
    fitted = one.fit(METHODS["logreg"]())
    x = fitted.units.standardise(one.wanted.matrix())
    np.testing.assert_allclose(x @ fitted.theta[0], oracle["fits"]["logreg"]["eta"], rtol=1e-8)
    root = np.linalg.solve(fitted.factor, x.T)
    np.testing.assert_allclose((root**2).sum(axis=0), oracle["fits"]["logreg"]["variance"], rtol=1e-8)


@pytest.mark.parametrize(
    ("method", "name", "case", "near"),
    [("polyreg", "u", "polyreg", 1e-6), ("polyreg", "o", "polyreg_ordered", 1e-6), ("lda", "u", "lda", 1e-10)],
)
def test_probabilities_are_those_of_multinom_and_lda(oracle, problem, method, name, case, near):
    one = problem(name)
    ours = one.probabilities(one.fit(METHODS[method]()))
    np.testing.assert_allclose(ours, oracle["fits"][case]["probability"], atol=near)


def test_polr_probabilities_are_those_of_polr_with_the_levels_in_order(oracle, problem):
    one = problem("o")
    fitted = one.fit(METHODS["polr"]())
    eta = fitted.units.standardise(one.wanted.matrix())[:, 1:] @ fitted.slopes
    below = 1 / (1 + np.exp(eta[:, None] - fitted.cuts))
    ours = np.diff(below, prepend=0, append=1)
    np.testing.assert_allclose(ours, oracle["fits"]["polr"]["probability"], atol=1e-6)


@pytest.mark.parametrize(
    ("method", "name", "n"),
    [
        ("logreg", "b", 4000), ("logreg.boot", "b", 1500), ("mnar.logreg", "b", 4000), ("polyreg", "u", 4000),
        ("polr", "o", 4000), ("lda", "u", 4000), ("lasso.logreg", "b", 100), ("lasso.select.logreg", "b", 100),
    ],
)  # fmt: skip
def test_draws_are_distributed_as_those_of_mice(oracle, problem, method, name, n):
    assert np.abs(draws_z(oracle, problem(name), method, name, n)).max() < 4


def draws_z(oracle: dict, problem: Problem, method: str, name: str, n: int) -> np.ndarray:
    """Return the z of the shares of levels in the first rows and in all, and of how these vary from draw to draw."""
    theirs = oracle["draws"][method]
    options = {"ums": oracle["ums"]} if method == "mnar.logreg" else {}
    drawn = problem.draws(METHODS[method](**options), n)
    here = drawn[..., None] == np.arange(len(LEVELS[name]))
    both = 1 / n + 1 / theirs["n"]
    # The first rows, over all draws.
    expected = np.array(theirs["shares"])
    pooled = (expected * theirs["n"] + here[: len(expected)].sum(axis=1) + 1) / (n + theirs["n"] + 2)
    z = (here[: len(expected)].mean(axis=1) - expected) / np.sqrt(pooled * (1 - pooled) * both)
    # All rows: the levels' shares, and how they vary from draw to draw.
    shares, spread = here.mean(axis=0), np.array(theirs["spread"])
    of_mean = (shares.mean(axis=0) - theirs["mean"]) / (spread * np.sqrt(both))
    of_spread = (shares.std(axis=0, ddof=1) / spread - 1) / np.sqrt(both / 2)
    return np.concatenate([z.ravel(), of_mean, of_spread])


@pytest.fixture(scope="module")
def lasso_data(oracle: dict) -> tuple[np.ndarray, np.ndarray]:
    seen = np.array([level is not None for level in oracle["data"]["b"]])
    y = np.array([level == "yes" for level in oracle["data"]["b"]], float)
    return np.array(oracle["lasso"]["x"])[seen], y[seen]


def test_the_lasso_path_is_that_of_glmnet(oracle, lasso_data):
    theirs = oracle["lasso"]
    path = _lasso.fit_path(*lasso_data)
    np.testing.assert_allclose(path.penalties, theirs["lambda"], rtol=1e-8)
    at = np.array(theirs["at"]) - 1
    np.testing.assert_allclose(path.coefficients[at].T, theirs["coefficients"], atol=5e-4)


def test_cross_validation_is_that_of_glmnet(oracle, lasso_data):
    theirs = oracle["lasso"]
    penalties = np.array(theirs["lambda"])
    deviance = _lasso.cross_validate(*lasso_data, penalties, np.array(theirs["folds"]))
    np.testing.assert_allclose(deviance, theirs["deviance"], atol=2e-4)
    assert penalties[deviance.argmin()] == pytest.approx(theirs["lambda_min"], rel=1e-8)


# ---- kernels


def test_a_row_of_weight_two_counts_as_two_rows():
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(60), rng.normal(size=(60, 2))])
    y = rng.integers(3, size=60).astype(float)
    weights = rng.integers(1, 4, size=60)
    many, all_y, ones = x.repeat(weights, axis=0), y.repeat(weights), np.ones(weights.sum())
    _, theta, factor = likelihood.multinomial(x, y, 3, weights.astype(float), np.zeros(3), 50, np.zeros((2, 3)))
    _, theta2, factor2 = likelihood.multinomial(many, all_y, 3, ones, np.zeros(3), 50, np.zeros((2, 3)))
    np.testing.assert_allclose(theta, theta2, rtol=1e-9)
    np.testing.assert_allclose(factor, factor2, rtol=1e-9, atol=1e-9)
    ok, theta, covariance = likelihood.weighted_ordinal(x[:, 1:].copy(), y, 3, weights.astype(float), np.zeros(0))
    _, theta2, covariance2 = likelihood.ordinal(many[:, 1:].copy(), all_y, 3, np.zeros(0))
    assert ok
    np.testing.assert_allclose(theta, theta2, rtol=1e-9)
    np.testing.assert_allclose(covariance, covariance2, rtol=1e-7)


def test_a_multinomial_model_of_two_classes_is_a_logistic_model():
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(80), rng.normal(size=(80, 3))])
    y = (rng.random(80) < 0.4).astype(float)
    ending, theta, factor = likelihood.multinomial(x, y, 2, np.ones(80), np.zeros(4), 50, np.zeros((1, 4)))
    _, beta, covariance, _ = likelihood.logistic(x, y)
    assert ending == likelihood.CONVERGED
    np.testing.assert_allclose(theta[0], beta, rtol=1e-10)
    np.testing.assert_allclose(np.linalg.inv(factor @ factor.T), covariance, rtol=1e-7)


def test_separated_classes_are_called_unidentified_and_a_prior_identifies_them():
    x = np.column_stack([np.ones(20), np.arange(20) - 9.5])
    y = (x[:, 1] > 0).astype(float)
    assert (
        likelihood.multinomial(x, y, 2, np.ones(20), np.zeros(2), 100, np.zeros((1, 2)))[0] == likelihood.UNIDENTIFIED
    )
    ending, theta, _ = likelihood.multinomial(x, y, 2, np.ones(20), np.array([0.0, 0.01]), 100, np.zeros((1, 2)))
    assert ending == likelihood.CONVERGED
    # At the maximum the score of the slope is its penalty.
    probability = 1 / (1 + np.exp(-(x @ theta[0])))
    assert x[:, 1] @ (y - probability) == pytest.approx(0.01 * theta[0, 1], rel=1e-6)


@pytest.mark.parametrize(("method", "name"), [("logreg", "b"), ("polyreg", "u"), ("polr", "o")])
def test_a_fit_does_not_hang_on_where_it_starts(problem, method, name):
    one, made_so = problem(name), METHODS[method]()
    fitted = one.fit(made_so)
    slopes = "slopes" if method == "polr" else "theta"
    for far in (1.5, -3.0, 100.0, -1e4):
        begin = replace(fitted, **{slopes: far * getattr(fitted, slopes)})
        again = made_so.fit(one.y, one.x, None, start=begin)
        assert again.notes == ()
        np.testing.assert_allclose(getattr(again, slopes), getattr(fitted, slopes), rtol=1e-6, atol=1e-9)


# ---- draws of parameters


@pytest.mark.parametrize("method", ["logreg", "polyreg", "polr"])
def test_improper_draws_always_use_the_same_parameters(problem, method):
    one = problem({"logreg": "b", "polyreg": "u", "polr": "o"}[method])
    fitted = one.fit(METHODS[method](proper=False))
    rng = np.random.default_rng(1)
    draw = fitted.draw_parameters if method == "polr" else lambda rng: (fitted.draw_theta(rng),)
    assert all((a == b).all() for a, b in zip(draw(rng), draw(rng), strict=True))


def test_theta_is_drawn_with_the_inverse_information_as_covariance(problem):
    fitted = problem("u").fit(METHODS["polyreg"](proper=True))
    rng = np.random.default_rng(3)
    drawn = np.array([fitted.draw_theta(rng).ravel() for _ in range(8000)])
    expected = np.linalg.inv(fitted.factor @ fitted.factor.T)
    sd = np.sqrt(np.diag(expected))
    error = (np.cov(drawn.T) - expected) / np.outer(sd, sd)
    # The standard error of an empirical correlation or relative variance is at most √(2/n).
    assert np.abs(error).max() < 5 * np.sqrt(2 / 8000)
    assert np.abs((drawn.mean(axis=0) - fitted.theta.ravel()) / sd).max() < 4.5 / np.sqrt(8000)


def test_drawn_cut_points_keep_their_order_and_vary_as_their_covariance_says(problem):
    one = problem("o")
    fitted = one.fit(METHODS["polr"](proper=True))
    rows = _categories.augmented(_categories.Classes.of(one.y), one.x.matrix(), fitted.units)
    _, theta, covariance = likelihood.weighted_ordinal(rows.x[:, 1:].copy(), rows.y, 4, rows.weights, np.zeros(0))
    rng = np.random.default_rng(4)
    drawn = np.array([np.concatenate(fitted.draw_parameters(rng)) for _ in range(8000)])
    q = fitted.slopes.size
    distances = np.diff(drawn[:, q:], axis=1)
    assert (distances > 0).all()
    # Slopes, first cut and the logarithms of distances are normal, by the delta method.
    drawn[:, q + 1 :] = np.log(distances)
    jacobian = np.eye(q + 3)
    for k in (q + 1, q + 2):
        jacobian[k] = (np.eye(q + 3)[k] - np.eye(q + 3)[k - 1]) / (theta[k] - theta[k - 1])
    centre = np.concatenate([theta[: q + 1], np.log(np.diff(theta[q:]))])
    expected = jacobian @ covariance @ jacobian.T
    sd = np.sqrt(np.diag(expected))
    assert np.abs((drawn.mean(axis=0) - centre) / sd).max() < 4.5 / np.sqrt(8000)
    assert np.abs((np.cov(drawn.T) - expected) / np.outer(sd, sd)).max() < 5 * np.sqrt(2 / 8000)


def test_polr_follows_the_order_of_the_levels_not_the_alphabet():
    x = np.linspace(-2, 2, 60)
    noise = np.random.default_rng(5).logistic(size=60)
    group = np.digitize(2 * x + noise, [-1, 1])
    names = ["low", "mid", "high"]
    one = small([*(names[g] for g in group), *[None] * 2], names, x=[*x, -1.9, 1.9])
    first, last = one.draws(METHODS["polr"](), 300)
    assert (first == 0).mean() > 0.7
    assert (last == 2).mean() > 0.7


# ---- whatever the data are


def made(name: str) -> Method:
    return METHODS[name](ums="-1") if name == "mnar.logreg" else METHODS[name]()


def hard_cases(levels: str) -> dict[str, Problem]:
    rng = np.random.default_rng(6)
    n = 24
    y = [levels[i % len(levels)] for i in range(n)]
    code = np.array([levels.index(v) for v in y], float)
    x = rng.normal(size=n)

    def with_missing(y, **predictors):
        return small([*y, None, None, None], **{k: [*v, *v[:2], 3 * v[0]] for k, v in predictors.items()})

    return {
        "no predictors": with_missing(y),
        "one predictor": with_missing(y, x=x),
        "separated": with_missing(y, x=code),
        "collinear": with_missing(y, a=x, b=2 * x, c=x + 1),
        "constant": with_missing(y, a=np.ones(n), x=x),
        "constant everywhere": small([*y, None], a=np.ones(n + 1), x=[*x, 0]),
        "more predictors than rows": with_missing(y, **{f"x{i}": rng.normal(size=n) for i in range(30)}),
        "huge": with_missing(y, x=x * 1e150, z=code * 1e150),
        "tiny": with_missing(y, x=x * 1e-150, z=code * 1e-150),
        "far from zero": with_missing(y, x=x + 1e9),
        "two scales": with_missing(y, x=x * 1e150, z=x[::-1] * 1e-150),
        "as few rows as levels": with_missing(y[: len(levels)], x=x[: len(levels)]),
        "one row for a level": with_missing([levels[1]] + [levels[0]] * (n - 1), x=x),
    }


@pytest.mark.parametrize("method", [*BINARY, *dict.fromkeys(["polr", *SEVERAL])])
@pytest.mark.parametrize("case", hard_cases("ab"))
def test_every_draw_is_an_observed_level_whatever_the_data_are(method, case):
    several = "polr" if method == "polr" else None
    one = hard_cases("abcd" if several else "ab")[case]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        drawn = one.fit(made(method), seed).draw(one.wanted, rng)
        assert drawn.dtype == float
        assert np.isin(drawn, one.y.observed).all()


@pytest.mark.parametrize("method", [*BINARY, "polr"])
def test_the_only_category_is_drawn_and_said(method):
    one = Problem(
        pd.DataFrame({"x": [1.0, 2, 3], "y": pd.Categorical(["b", "b", None], list("abc"), ordered=True)}), "y"
    )
    fitted = one.fit(made(method))
    assert fitted.draw(one.wanted, np.random.default_rng(1)).tolist() == [1.0]
    assert fitted.notes == (("drew 'b' only", "no other category is observed"),)


@pytest.mark.parametrize("method", ["logreg", "polyreg", "polr", "lda"])
def test_neither_scale_nor_origin_of_a_predictor_matters(frame, method):
    name = {"logreg": "b", "polr": "o"}.get(method, "u")
    one = Problem(frame[["x", "z", "f", name]], name)
    other = Problem(frame.assign(x=frame["x"] * 1e-3 - 7, z=frame["z"] * 1e12)[["x", "z", "f", name]], name)
    assert (one.draws(METHODS[method](), 20) == other.draws(METHODS[method](), 20)).all()


@pytest.mark.parametrize("method", ["logreg", "polyreg", "polr", "lda", "mnar.logreg"])
def test_the_deterministic_methods_use_no_random_numbers_in_their_fit(problem, method):
    one = problem({"polyreg": "u", "polr": "o", "lda": "u"}.get(method, "b"))
    assert made(method).deterministic
    assert made(method).fit(one.y, one.x, None) is not None


def test_missing_rows_of_other_columns_do_not_count_for_the_pseudo_rows():
    x = np.array([0.0, 1, 2, 3, np.nan, 100])
    y = pd.Categorical(["a", "b", "a", "b", None, None], list("ab"))
    predictors = Problem(pd.DataFrame({"x": x, "y": y}), "y").x
    units = _categories.measure(predictors, predictors.matrix())
    assert units.centre[0] == pytest.approx(np.nanmean(x))


# ---- what is decided by itself is said


def test_polr_with_two_observed_levels_is_a_multinomial_model_and_says_so():
    y = pd.Categorical(["l", "h"] * 10 + [None], ["l", "m", "h"], ordered=True)
    one = Problem(pd.DataFrame({"x": np.arange(21.0), "y": y}), "y")
    fitted = one.fit(METHODS["polr"]())
    assert isinstance(fitted, _categories.FittedMultinomial)
    assert fitted.notes == (("fell back to a multinomial model", "fewer than three categories are observed"),)


def test_a_ridge_is_said():
    one = hard_cases("ab")["separated"]
    for method in ("logreg.boot", "lda"):
        assert "added a ridge" in dict(one.fit(made(method)).notes)


def test_perfect_prediction_leaves_some_doubt():
    one = hard_cases("ab")["separated"]
    fitted = one.fit(METHODS["polyreg"]())
    probability = one.probabilities(fitted)[:2].max(axis=1)
    assert fitted.notes == ()
    assert (probability > 0.8).all()
    assert (probability < 0.999).all()


def test_a_predictor_that_is_left_out_is_named():
    seen, everywhere = hard_cases("ab")["constant"], hard_cases("ab")["constant everywhere"]
    for method in BINARY:
        assert ("left out a", "constant predictors") in seen.fit(made(method)).notes
        assert ("left out a", "constant predictors") in everywhere.fit(made(method)).notes


def test_a_fit_that_is_stopped_says_so(problem):
    fitted = problem("u").fit(METHODS["polyreg"](nnet_maxit=2))
    assert fitted.notes == (("stopped before convergence", "2 steps of the multinomial fit were taken"),)


def test_the_lasso_with_a_single_row_of_a_level_uses_no_predictors_and_says_so():
    one = hard_cases("ab")["one row for a level"]
    fitted = one.fit(METHODS["lasso.select.logreg"]())
    assert fitted.units.columns.size == 0
    assert dict(fitted.notes) == {"used no predictors": "a category with a single row can't be cross-validated"}


def test_the_lasso_selects_what_matters():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(401, 20))
    y = np.where(rng.random(401) < 1 / (1 + np.exp(-2 * x[:, 3])), "b", "a").astype(object)
    y[-1] = None
    one = small(list(y), **{f"x{i}": x[:, i] for i in range(20)})
    chosen = one.fit(METHODS["lasso.select.logreg"]()).units.columns
    assert 3 in chosen
    assert chosen.size < 15


# ---- errors


@pytest.mark.parametrize("method", SEVERAL[:2])
def test_over_fifty_categories_are_refused_with_a_remedy(method):
    many = small([f"l{i % 51}" for i in range(102)], x=np.arange(102.0))
    with pytest.raises(MiceSimError, match=f"'y' has 51 categories and {method} takes at most 50.*cart"):
        many.fit(METHODS[method]())


def test_too_many_weights_are_refused_with_a_remedy(problem):
    with pytest.raises(MiceSimError, match="'u' has 24 weights and nnet_MaxNWts is 23; raise it"):
        problem("u").fit(METHODS["polyreg"](nnet_MaxNWts=23))
    problem("u").fit(METHODS["polyreg"](nnet_MaxNWts=24))


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("polyreg", {"nnet_maxit": 0}), ("polr", {"nnet_MaxNWts": True}), ("lasso.logreg", {"nfolds": 2}),
        ("lasso.select.logreg", {"nfolds": 2.5}),
    ],
)  # fmt: skip
def test_an_option_that_is_no_such_number_is_refused(method, options):
    (name,) = options
    with pytest.raises(MiceSimError, match=f"{name} is .*; give a whole number of at least"):
        METHODS[method](**options)


# ---- mnar.logreg


@pytest.mark.parametrize(
    ("text", "shift"),
    [
        ("-3+2*bmi", Shift(-3, ("bmi",), (2,))),
        ("2+1*ZCat1-3*ZCat2", Shift(2, ("ZCat1", "ZCat2"), (1, -3))),
        (" .5 * `reg south-west` - 1e-2 ", Shift(-0.01, ("reg south-west",), (0.5,))),
        ("+1.5", Shift(1.5, (), ())),
        ("-2*phb.L+1*phb^4", Shift(0, ("phb.L", "phb^4"), (-2, 1))),
    ],
)
def test_a_shift_is_read_as_mice_reads_it(text, shift):
    assert Shift.parse(text) == shift


@pytest.mark.parametrize("text", ["", "bmi", "2*", "1+2", "2*x+3*x", "2 3", "import os", "1+2*x)", "2**x", 3])
def test_what_is_no_shift_is_refused(text):
    with pytest.raises(MiceSimError, match="ums is "):
        METHODS["mnar.logreg"](ums=text)


def test_mnar_logreg_without_a_shift_is_refused(problem):
    with pytest.raises(MiceSimError, match="of 'b' needs the option ums"):
        problem("b").fit(METHODS["mnar.logreg"]())


def test_a_shift_by_what_does_not_predict_is_refused(problem):
    with pytest.raises(MiceSimError, match="ums of 'b' uses 'fd', which does not predict it; known are x, z, fb, fc"):
        problem("b").fit(METHODS["mnar.logreg"](ums="1*fd"))


def test_no_shift_is_logreg(problem):
    drawn = problem("b").draws(METHODS["mnar.logreg"](ums="0"), 2000).mean()
    assert drawn == pytest.approx(problem("b").draws(METHODS["logreg"](), 2000, seed=2).mean(), abs=0.01)


# ---- in the engine


@pytest.mark.parametrize("method", ["logreg", "logreg.boot", "lasso.logreg", "lasso.select.logreg"])
def test_a_synthesiser_draws_the_same_after_it_was_saved(frame, tmp_path, method):
    complete = frame.dropna()
    methods = {"x": "sample", "z": "cart", "f": "lda", "b": method, "u": "polyreg", "o": "polr"}
    synthesizer = ms.Synthesizer(method=methods, m=2, seed=1, proper=True).fit(complete)
    synthesizer.save(tmp_path / "saved.npz")
    again = ms.load_synthesizer(tmp_path / "saved.npz")
    assert (again.generate(2, 80, seed=3).sets == synthesizer.generate(2, 80, seed=3).sets).all()


def test_every_column_of_an_imputation_may_have_its_own_shift(frame):
    data = frame[["x", "z", "b"]]
    down, up = (ms.impute(data, m=20, seed=1, method={"b": {"name": "mnar.logreg", "ums": ums}}) for ums in ("-2", "2"))
    drawn = data["b"].isna()
    share = [np.mean([(one.loc[drawn, "b"] == "yes").mean() for one in sets.completed()]) for sets in (down, up)]
    assert share[0] < 0.45
    assert share[1] > 0.85


def test_units_keep_their_range():
    x = np.array([[0.0, 5, 1], [1, 5, 1e-300], [3, 5, 0]])
    units = Units.of(x)
    assert units.columns.tolist() == [0, 2]
    standard = units.standardise(x)
    np.testing.assert_allclose(standard[:, 1:].mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(standard[:, 1:].std(axis=0, ddof=1), 1)
    np.testing.assert_allclose(standard[:, 1:].min(axis=0), units.low)
    np.testing.assert_allclose(standard[:, 1:].max(axis=0), units.high)
