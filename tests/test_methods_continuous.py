"""Methods for continuous columns: mice's draws, exact parts, and what they do where nothing can be fitted."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES
from sklearn.linear_model import lasso_path

from mice_sim import MiceSimError
from mice_sim.data import Table
from mice_sim.synthesis.design import Design
from mice_sim.synthesis.kernels import lasso_linear, matching, regression
from mice_sim.synthesis.methods import METHODS, Predictors, Target
from mice_sim.synthesis.methods._linear import fit_linear
from mice_sim.synthesis.state import WorkingState

R = json.loads((ORACLES / "methods_continuous.json").read_text(encoding="utf-8"))
DATA = pd.DataFrame(R["data"])
THREE = ("a", "b", "c")
MANY = (*THREE, *(f"z{i}" for i in range(1, 10)))
NAMES = (
    "mean", "norm", "norm.nob", "norm.boot", "norm.predict", "pmm", "midastouch", "quadratic", "ri", "mnar.norm",
    "lasso.norm", "lasso.select.norm", "lognorm", "sqrtnorm", "cubertnorm", "normrank",
)  # fmt: skip
# Options without which a method can't be.
NEEDED: dict[str, dict] = {"quadratic": {"quad_outcome": "x0"}, "mnar.norm": {"ums": "1"}}


def parts(frame: pd.DataFrame, fitted: np.ndarray) -> tuple[Target, Predictors, Predictors]:
    """The first column as the target, the others as predictors in the fit rows, and in the rows to draw."""
    table = Table.from_pandas(frame)
    state = WorkingState(table, Design.of(table.columns))
    keep = state.design.source > 0
    rows = [np.flatnonzero(which).astype(np.uint32) for which in (fitted, ~fitted)]
    X = Predictors(state, keep, rows[0], np.zeros_like(keep))
    return Target(table.columns[0], table.values[0], rows[0]), X, X.at(rows[1])


def oracle_parts(predictors=THREE):
    return parts(DATA[["y", *predictors]], DATA["fitted"].to_numpy())


def everyone(y, x) -> tuple[Target, Predictors]:
    """All rows as fit rows; x (n, p) or a frame."""
    x = (
        x
        if isinstance(x, pd.DataFrame)
        else pd.DataFrame(np.asarray(x), columns=[f"x{k}" for k in range(np.shape(x)[1])])
    )
    target, X, _ = parts(pd.concat([pd.Series(y, name="y"), x], axis=1), np.ones(len(y), bool))
    return target, X


def draws(method, y, X, wanted, number: int) -> np.ndarray:
    """(number, rows) values."""
    rng = np.random.default_rng(1)
    fit = method.fit(y, X, rng)
    return np.array([(fit if method.deterministic else method.fit(y, X, rng)).draw(wanted, rng) for _ in range(number)])


# ---- exact parts


def test_least_squares_are_lms():
    y, X, _ = oracle_parts()
    linear, fitted = fit_linear(y.observed, X.matrix(), X.names)
    exact = R["exact"]
    np.testing.assert_allclose(linear.plane.coefficients, exact["coefficients"], rtol=1e-8)
    assert linear.length**2 == pytest.approx(exact["ssr"], rel=1e-8)
    assert ((y.observed - fitted) ** 2).sum() == pytest.approx(exact["ssr"], rel=1e-8)


def test_the_roots_of_v_give_v():
    y, X, _ = oracle_parts()
    linear, _ = fit_linear(y.observed, X.matrix(), X.names)
    slopes = linear.factor * linear.plane.inverse[:, None]
    # In the units of the data the intercept is that of the mean less what the slopes take with them.
    root = np.vstack(
        [np.append(1 / np.sqrt(linear.weight), -linear.plane.centre @ slopes), np.column_stack([np.zeros(3), slopes])]
    )
    np.testing.assert_allclose(root @ root.T, R["exact"]["v"], rtol=1e-8)


@pytest.mark.parametrize(("options", "expected"), [({}, "predictions"), ({"spline_df": 4}, "spline_predictions")])
def test_norm_predict_is_lms_line_and_natural_splines_are_rs(options, expected):
    y, X, wanted = oracle_parts()
    drawn = METHODS["norm.predict"](**options).fit(y, X, np.random.default_rng()).draw(wanted, np.random.default_rng())
    np.testing.assert_allclose(drawn, R["exact"][expected], rtol=1e-8)


def test_pmm_with_estimates_on_both_sides_draws_from_the_nearest_donors():
    y, X, wanted = oracle_parts()
    drawn = draws(METHODS["pmm"](matchtype=0), y, X, wanted, 200)
    for recipient, nearest in enumerate(R["exact"]["nearest"]):
        assert set(drawn[:, recipient]) == set(y.observed[np.array(nearest) - 1])


def test_weights_of_least_squares_count_rows():
    rng = np.random.default_rng(1)
    x, y, counts = rng.normal(size=(40, 3)), rng.normal(size=40), rng.integers(0, 3, 40)
    weighted, fitted = fit_linear(y, x, ("a", "b", "c"), counts.astype(float))
    repeated, _ = fit_linear(np.repeat(y, counts), np.repeat(x, counts, axis=0), ("a", "b", "c"))
    np.testing.assert_allclose(weighted.plane.coefficients, repeated.plane.coefficients, rtol=1e-10)
    assert weighted.length == pytest.approx(repeated.length, rel=1e-10)
    assert fitted.size == 40


def test_more_rows_than_a_block_change_nothing():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2 * regression.BLOCK + 17, 3))
    y = x @ [1.0, 2.0, 3.0] + rng.normal(size=len(x))
    linear, _ = fit_linear(y, x, ("a", "b", "c"))
    expected = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), y, rcond=None)[0]
    np.testing.assert_allclose(linear.plane.coefficients, expected, rtol=1e-9)


@pytest.mark.parametrize("size", [1e-3, 1e-5])
def test_nearly_dependent_columns_are_told_apart(size):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 2))
    x = np.column_stack([x, x.sum(axis=1) + size * rng.normal(size=200)])
    linear, _ = fit_linear(x @ [1.0, 2.0, 3.0], x, ("a", "b", "c"))
    np.testing.assert_allclose(linear.plane.coefficients[1:], [1, 2, 3], atol=1e-15 / size**2 + 1e-9)
    assert not linear.notes


def test_the_lasso_is_scikit_learns_in_every_fold():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 6))
    z = np.column_stack([x, x[:, 0] - x[:, 1] + 2 * rng.normal(size=80)])
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    folds = rng.permutation(80) % 5
    found, converged = lasso_linear.cross_validated(z, folds, 30, 1e-2)
    penalties = np.abs(z[:, :-1].T @ z[:, -1]).max() / 80 * np.geomspace(1, 1e-2, 30)
    error = np.zeros(30)
    for k in range(5):
        rest, held = z[folds != k], z[folds == k]
        centre, scale = rest.mean(axis=0), np.append(rest[:, :-1].std(axis=0), 1)
        rest, held = (rest - centre) / scale, (held - centre) / scale
        _, coef, _ = lasso_path(rest[:, :-1].copy(), rest[:, -1].copy(), alphas=penalties, tol=1e-10)
        error += ((held[:, -1:] - held[:, :-1] @ coef) ** 2).sum(axis=0)
    _, coef, _ = lasso_path(z[:, :-1].copy(), z[:, -1].copy(), alphas=penalties, tol=1e-10)
    assert converged
    assert 0 < error.argmin() < 29
    np.testing.assert_allclose(found, coef[:, error.argmin()], atol=1e-4)


# ---- mice's draws


SETTINGS = [
    ("norm", "norm", {}, THREE, 4000),
    ("norm.nob", "norm.nob", {}, THREE, 4000),
    ("norm.nob", "norm", {"proper": False}, THREE, 4000),
    ("norm.boot", "norm.boot", {}, THREE, 4000),
    ("pmm", "pmm", {}, THREE, 4000),
    ("pmm matchtype=0", "pmm", {"matchtype": 0}, THREE, 4000),
    ("pmm matchtype=0", "pmm", {"proper": False}, THREE, 4000),
    ("pmm matchtype=2", "pmm", {"matchtype": 2}, THREE, 4000),
    ("pmm donors=3", "pmm", {"donors": 3}, THREE, 4000),
    ("midastouch", "midastouch", {}, THREE, 4000),
    ("midastouch midas_kappa=3", "midastouch", {"midas_kappa": 3}, THREE, 4000),
    ("midastouch outout=False", "midastouch", {"outout": False}, THREE, 4000),
    ("quadratic", "quadratic", {"quad_outcome": "curved"}, ("curved",), 2000),
    ("quadratic more", "quadratic", {"quad_outcome": "curved"}, ("curved", "b"), 2000),
    ("mnar.norm", "mnar.norm", {"ums": "-3+.5*a-1*b"}, THREE, 4000),
    ("lasso.norm", "lasso.norm", {}, MANY, 400),
    ("lasso.select.norm", "lasso.select.norm", {}, MANY, 400),
]


@pytest.mark.parametrize(("key", "name", "options", "predictors", "number"), SETTINGS)
def test_draws_are_distributed_as_mices(key, name, options, predictors, number):
    assert np.abs(draws_z(key, name, options, predictors, number)).max() < 4


def draws_z(key: str, name: str, options: dict, predictors: tuple[str, ...], number: int) -> np.ndarray:
    """Return the z of the means and standard deviations of drawn rows, and of summaries of each draw."""
    y, X, wanted = oracle_parts(predictors)
    drawn, theirs = draws(METHODS[name](**options), y, X, wanted, number), R["methods"][key]
    first = wanted.matrix()[:, 0] - wanted.matrix()[:, 0].mean()
    each = np.column_stack([drawn.mean(axis=1), drawn.std(axis=1, ddof=1), drawn @ first / (first @ first)])
    moments = ("mean", "sd", "kurtosis")
    summaries = (list(theirs[f"summary_{moment}"].values()) for moment in moments)
    rows = (theirs[moment] for moment in moments)
    return np.concatenate([moments_z(drawn, *rows, theirs["draws"]), moments_z(each, *summaries, theirs["draws"])])


def moments_z(drawn: np.ndarray, mean: list, sd: list, kurtosis: list, number: int) -> np.ndarray:
    """Return the z of means and standard deviations of the columns beside R's over `number` draws."""
    centred = drawn - drawn.mean(axis=0)
    own = np.sqrt((centred**2).mean(axis=0))
    # The larger of both, as one of them may never have drawn what is rare and far away.
    kurtosis = np.maximum((centred**4).mean(axis=0) / own**4, kurtosis)
    z_mean = (drawn.mean(axis=0) - mean) / np.sqrt(own**2 / len(drawn) + np.square(sd) / number)
    # Var(log sd) ≈ (kurtosis − 1) / 4n.
    z_sd = np.log(own / sd) / np.sqrt((kurtosis - 1) / 4 * (1 / len(drawn) + 1 / number))
    return np.concatenate([z_mean, z_sd])


@pytest.mark.parametrize(("key", "name", "options"), [s[:3] for s in SETTINGS if "donors" in R["methods"][s[0]]])
def test_donors_serve_as_often_as_mices(key, name, options):
    assert np.abs(donors_z(key, name, options)).max() < 4


def donors_z(key: str, name: str, options: dict) -> np.ndarray:
    y, X, wanted = oracle_parts()
    drawn = draws(METHODS[name](**options), y, X, wanted, 4000)
    assert np.isin(drawn, y.observed).all()
    number = R["methods"][key]["draws"]
    theirs = np.array(R["methods"][key]["donors"]) / number
    ours = (drawn[:, :3, None] == y.observed).mean(axis=0)
    share = (theirs * number + ours * 4000) / (number + 4000)
    error = np.sqrt(share * (1 - share) * (1 / number + 1 / 4000))
    return (ours - theirs)[share > 0] / error[share > 0]


def test_the_random_indicator_walks_as_mices():
    selected = pd.DataFrame(R["selected"])
    y, X, wanted = parts(selected[["y", "a", "b"]], selected["fitted"].to_numpy())
    drawn = draws(METHODS["ri"](), y, X, wanted, 400)
    expected = R["methods"]["ri"]
    means = drawn.mean(axis=1)
    theirs = [expected[part]["mean"] for part in ("summary_mean", "summary_sd")]
    assert abs(means.mean() - theirs[0]) < 4 * np.sqrt((means.var() + theirs[1] ** 2) / 400)
    # ri is a random walk from round to round; how fast it spreads agrees within 10 % or so, not exactly.
    assert means.std() == pytest.approx(theirs[1], rel=0.15)
    assert drawn.std(axis=1).mean() == pytest.approx(expected["summary_mean"]["sd"], rel=0.03)


# ---- what each method keeps


def sample(n: int, seed: int = 1) -> tuple[np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)), rng


def test_mean_is_the_mean():
    y, X = everyone(np.array([1.0, 2.0, 6.0]), np.zeros((3, 0)))
    assert (METHODS["mean"]().fit(y, X, np.random.default_rng()).draw(X, np.random.default_rng()) == 3).all()


def test_splines_follow_a_bend_and_go_on_straight():
    rng = np.random.default_rng(1)
    x = rng.uniform(-2, 2, (2000, 2))
    y, X = everyone(np.sin(2 * x[:, 0]) + 0.1 * rng.normal(size=2000), x)
    fit = METHODS["norm.predict"](spline_df=6).fit(y, X, rng)
    assert np.std(fit.draw(X, rng) - np.sin(2 * x[:, 0])) < 0.1
    far = np.column_stack([[5.0, 6.0, 7.0], np.zeros(3)])
    _, beyond = everyone(np.zeros(3), far)
    assert np.diff(fit.draw(beyond, rng), 2) == pytest.approx(0, abs=1e-9)


def test_factors_stay_dummies_among_splines():
    x, rng = sample(300)
    group = pd.Series(pd.Categorical(rng.choice(list("uvw"), 300)), name="group")
    y = x[:, 0] ** 2 + group.cat.codes.to_numpy()
    target, X = everyone(y, pd.concat([pd.Series(x[:, 0], name="x0"), group], axis=1))
    fit = METHODS["norm"](spline_df=3).fit(target, X, rng)
    assert fit.linear.rank == 1 + 3 + 2


def test_a_spline_of_few_values_is_shorter_and_says_so():
    x, rng = sample(300)
    y, X = everyone(rng.normal(size=300), np.round(np.clip(x, -1, 1)))
    fit = METHODS["norm"](spline_df=5).fit(y, X, rng)
    assert fit.linear.rank == 1 + 2 * 2
    assert fit.notes == (("used fewer spline terms for x0, x1", "too few distinct values for 5 spline terms"),)


def test_lognorm_keeps_a_log_linear_relation():
    x, rng = sample(4000)
    y, X = everyone(np.exp(1 + x @ [1.0, -0.5] + 0.5 * rng.normal(size=4000)), x)
    drawn = METHODS["lognorm"]().fit(y, X, rng).draw(X, rng)
    coefficients = np.linalg.lstsq(np.column_stack([np.ones(4000), x]), np.log(drawn), rcond=None)[0]
    np.testing.assert_allclose(coefficients, [1, 1, -0.5], atol=0.05)


def test_lognorm_shifts_zeros_and_says_so():
    x, rng = sample(500)
    y, X = everyone(np.where(x[:, 0] < 0, 0.0, 2 + x[:, 0]), x)
    fit = METHODS["lognorm"]().fit(y, X, rng)
    drawn = fit.draw(X, rng)
    assert fit.shift == pytest.approx(y.observed[y.observed > 0].min() / 2)
    assert fit.notes == ((f"added {fit.shift:g} before taking logarithms", "there are zeros"),)
    assert (drawn >= 0).all()
    assert (drawn == 0).any()


@pytest.mark.parametrize(("name", "power"), [("sqrtnorm", 2), ("cubertnorm", 3)])
def test_roots_are_linear_on_their_scale(name, power):
    x, rng = sample(4000)
    root = 6 + x @ [1.0, -0.5] + 0.5 * rng.normal(size=4000)
    y, X = everyone(root**power, x)
    drawn = METHODS[name]().fit(y, X, rng).draw(X, rng)
    coefficients = np.linalg.lstsq(np.column_stack([np.ones(4000), x]), drawn ** (1 / power), rcond=None)[0]
    np.testing.assert_allclose(coefficients, [6, 1, -0.5], atol=0.05)


def test_cube_roots_of_negative_values_are_negative():
    x, rng = sample(1000)
    y, X = everyone(x[:, 0] ** 3, x)
    drawn = METHODS["cubertnorm"]().fit(y, X, rng).draw(X, rng)
    np.testing.assert_allclose(drawn, x[:, 0] ** 3, atol=1e-8)


def test_normrank_keeps_the_distribution_and_the_rank_correlation():
    x, rng = sample(4000)
    skewed = np.exp(2 * (0.8 * x[:, 0] + 0.6 * rng.normal(size=4000)))
    y, X = everyone(skewed, x)
    drawn = METHODS["normrank"]().fit(y, X, rng).draw(X, rng)
    assert np.isin(drawn, skewed).all()
    shares = [0.05, 0.25, 0.5, 0.75, 0.95]
    np.testing.assert_allclose(np.log(np.quantile(drawn, shares)), np.log(np.quantile(skewed, shares)), atol=0.12)
    assert pd.Series(drawn).corr(pd.Series(x[:, 0]), method="spearman") == pytest.approx(0.785, abs=0.03)


def test_normrank_of_tied_values_keeps_their_shares():
    rng = np.random.default_rng(1)
    values = rng.choice([0.0, 1.0, 5.0], size=6000, p=[0.5, 0.3, 0.2])
    y, X = everyone(values, np.zeros((6000, 0)))
    drawn = METHODS["normrank"](proper=False).fit(y, X, rng).draw(X, rng)
    # Mean ranks shrink the scores' variance where many are tied, so the shares are near, not equal.
    shares = [(drawn == v).mean() for v in (0, 1, 5)]
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=0.1)


def test_quadratic_keeps_both_coefficients_where_norm_does_not():
    rng = np.random.default_rng(1)
    x = rng.normal(size=4000)
    outcome = x + x**2 + rng.normal(size=4000)
    missing = rng.random(4000) < 0.5
    frame = pd.DataFrame({"x": x, "outcome": outcome})
    found = {}
    for name, options in (("quadratic", {"quad_outcome": "outcome"}), ("norm", {})):
        y, X, wanted = parts(frame, ~missing)
        completed = x.copy()
        completed[missing] = METHODS[name](**options).fit(y, X, rng).draw(wanted, rng)
        design = np.column_stack([np.ones(4000), completed, completed**2])
        found[name] = np.linalg.lstsq(design, outcome, rcond=None)[0][1:]
    np.testing.assert_allclose(found["quadratic"], [1, 1], atol=0.06)
    assert np.abs(found["norm"] - 1).max() > 0.15


def test_quadratic_of_a_straight_line_matches_as_pmm_and_says_so():
    rng = np.random.default_rng(1)
    binary = rng.integers(0, 2, 100).astype(float)
    y, X = everyone(binary, (binary + rng.normal(size=100))[:, None])
    fit = METHODS["quadratic"](quad_outcome="x0").fit(y, X, rng)
    assert fit.notes[-1] == ("matched as pmm does", "'x0' is no quadratic function of 'y' in these data")
    assert set(fit.draw(X, rng)) == {0.0, 1.0}


def test_ums_shifts_by_predictors():
    x, rng = sample(50)
    y, X = everyone(x @ [1.0, 2.0], x)
    drawn = METHODS["mnar.norm"](ums="2 - 3*x1").fit(y, X, rng).draw(X, rng)
    np.testing.assert_allclose(drawn, x @ [1.0, 2.0] + 2 - 3 * x[:, 1], atol=1e-6)


def test_an_effect_is_found_among_noise_by_both_lassos():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 30))
    y, X = everyone(3 * x[:, 4] + rng.normal(size=400), x)
    for name in ("lasso.norm", "lasso.select.norm"):
        drawn = METHODS[name]().fit(y, X, rng).draw(X, rng)
        slope, residual = np.polyfit(x[:, 4], drawn, 1, full=True)[:2]
        assert slope[0] == pytest.approx(3, abs=0.25)
        assert residual[0] / 400 == pytest.approx(1, abs=0.3)
    assert METHODS["lasso.select.norm"]().fit(y, X, rng).active[4]


# ---- matching


def test_the_nearest_are_counted_from_both_sides():
    scores = np.array([0.0, 1.0, 3.0, 4.0])
    targets = np.repeat([-1.0, 1.9, 2.0, 9.0], 4)
    found = matching.nearest(scores, targets, np.tile(np.arange(1, 5), 4))
    assert found.reshape(4, 4).tolist() == [[0, 1, 2, 3], [1, 2, 0, 3], [2, 1, 3, 0], [3, 2, 1, 0]]


def test_any_of_many_tied_donors_may_serve():
    y, X = everyone(np.arange(200.0), np.zeros((200, 0)))
    drawn = METHODS["pmm"]().fit(y, X, np.random.default_rng(1)).draw(X, np.random.default_rng(1))
    assert len(set(drawn)) > 100


def test_excluded_values_are_neither_fitted_nor_donated():
    x, rng = sample(300)
    values = np.round(x[:, 0])
    spoilt = np.where(np.arange(300) % 10 == 0, 99.0, values)
    y, X = everyone(spoilt, x)
    fit = METHODS["pmm"](exclude=[99]).fit(y, X, rng)
    left = spoilt != 99
    alone, _ = fit_linear(spoilt[left], x[left], ("x0", "x1"))
    np.testing.assert_allclose(fit.linear.plane.coefficients, alone.plane.coefficients)
    assert 99.0 not in fit.draw(X, rng)


def test_levels_are_excluded_by_name_and_others_drawn():
    x, rng = sample(300)
    levels = pd.Series(pd.cut(x[:, 0], [-9, -0.5, 0.5, 9], labels=["low", "mid", "high"]), name="y")
    y, X = everyone(levels, x)
    assert set(METHODS["pmm"](exclude="mid").fit(y, X, rng).draw(X, rng)) == {0.0, 2.0}
    with pytest.raises(MiceSimError, match="exclude names 'mild', no level of 'y'; did you mean 'mid'"):
        METHODS["pmm"](exclude="mild").fit(y, X, rng)


def test_fewer_donors_than_asked_are_said():
    x, rng = sample(3)
    y, X = everyone(np.array([1.0, 2.0, 3.0]), x[:, :1])
    fit = METHODS["pmm"](donors=5).fit(y, X, rng)
    assert ("matched with 3 donors", "there are fewer than 5") in fit.notes
    assert set(fit.draw(X, rng)) <= {1.0, 2.0, 3.0}


def test_a_donor_at_no_distance_is_sure_to_serve_midastouch():
    rng = np.random.default_rng(1)
    x = np.arange(20.0)
    y, X = everyone(2 * x, x[:, None])
    method = METHODS["midastouch"](midas_kappa=50)
    fit = method.fit(y, X, rng)
    there = np.isin(2 * x, fit.donors)
    assert (fit.draw(X, rng)[there] == 2 * x[there]).all()


# ---- where little or nothing can be fitted


CONSTANT = np.full(30, 0.1)
X30, _ = sample(30)
Y30 = np.abs(X30 @ [1.0, 2.0] + np.random.default_rng(2).normal(size=30)) + 0.1
DEGENERATE = {
    "no predictors": (Y30, X30[:, :0]),
    "one row": (Y30[:1], X30[:1]),
    "two rows": (Y30[:2], X30[:2]),
    "as many columns as rows": (Y30[:3], X30[:3]),
    "more columns than rows": (Y30[:4], np.random.default_rng(3).normal(size=(4, 9))),
    "constant y": (CONSTANT, X30),
    "constant predictor": (Y30, np.column_stack([X30, CONSTANT])),
    "dependent predictors": (Y30, np.column_stack([X30, X30.sum(axis=1), 2 * X30[:, 0]])),
    "huge": (Y30 * 1e150, X30 * 1e150),
    "tiny": (Y30 * 1e-150, X30 * 1e-150),
    "huge on tiny": (Y30 * 1e150, X30 * 1e-150),
    "tiny on huge": (Y30 * 1e-150, X30 * 1e150),
    "nearly nothing": (Y30 * 1e-310, X30 * 1e-310),
    "nearly too much": (Y30 * 1e306, X30 * 1e306),
}


# quadratic can't be without the predictor that it is named after.
@pytest.mark.parametrize(("case", "name"), sorted(set(product(DEGENERATE, NAMES)) - {("no predictors", "quadratic")}))
def test_what_is_drawn_is_finite_whatever_the_data(case, name):
    y, x = DEGENERATE[case]
    for options in ({}, {"spline_df": 4}):
        if options and "spline_df" not in METHODS[name].__dataclass_fields__:
            continue
        rng = np.random.default_rng(1)
        method = METHODS[name](**NEEDED.get(name, {}), **options)
        # Level numbers of numbers do not count.
        with np.errstate(invalid="ignore"):
            target, X = everyone(y, x)
        drawn = method.fit(target, X, rng).draw(X, rng)
        assert drawn.shape == y.shape
        assert np.isfinite(drawn).all()


@pytest.mark.parametrize(("scale_y", "scale_x"), [(1e150, 1e150), (1e-150, 1e-150), (1e150, 1e-150), (1e-150, 1e150)])
@pytest.mark.parametrize("name", ["norm", "pmm", "midastouch", "quadratic", "ri", "lasso.select.norm", "normrank"])
def test_units_do_not_matter(name, scale_y, scale_x):
    rng = np.random.default_rng(1)
    values, x = X30 @ [1.0, 2.0] + rng.normal(size=30), X30
    found = []
    # Powers of two change no digit.
    powers = [2.0 ** np.round(np.log2(scale)) for scale in (scale_y, scale_x)]
    for a, b in ((1.0, 1.0), powers):
        with np.errstate(invalid="ignore"):
            target, X = everyone(values * a, x * b)
        rng = np.random.default_rng(2)
        found.append(METHODS[name](**NEEDED.get(name, {})).fit(target, X, rng).draw(X, rng) / a)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)


def test_dependent_predictors_change_no_draw_and_are_named():
    rng = np.random.default_rng(1)
    both = []
    for x in (X30, np.column_stack([X30, X30.sum(axis=1)])):
        y, X = everyone(Y30, x)
        fit = METHODS["norm.predict"]().fit(y, X, rng)
        both.append(fit.draw(X, rng))
    np.testing.assert_allclose(both[1], both[0], rtol=1e-10)
    assert fit.notes == (("set the coefficients of x2 to 0", "they depend on the other predictors"),)
    assert fit.plane.coefficients[3] == 0


def test_dates_are_no_constants():
    y, X = everyone(Y30, X30 + 1e8)
    fit = METHODS["norm.predict"]().fit(y, X, np.random.default_rng(1))
    y, near = everyone(Y30, X30)
    other = METHODS["norm.predict"]().fit(y, near, np.random.default_rng(1))
    np.testing.assert_allclose(fit.draw(X, None), other.draw(near, None), atol=1e-5)


def test_one_degree_of_freedom_is_left_and_said():
    y, X = everyone(Y30[:4], np.random.default_rng(3).normal(size=(4, 9)))
    fit = METHODS["norm"]().fit(y, X, np.random.default_rng(1))
    assert fit.linear.rank == 3
    assert fit.linear.length > 0
    assert fit.notes == (
        (f"set the coefficients of {', '.join(f'x{k}' for k in range(2, 9))} to 0", "there are only 4 rows"),
    )


def test_too_few_degrees_of_freedom_are_said():
    y, X = everyone(Y30[:1], X30[:1, :0])
    fit = METHODS["norm"]().fit(y, X, np.random.default_rng(1))
    assert fit.notes == (("set the residual degrees of freedom to 1", "1 rows for 1 coefficients"),)


# ---- options


def test_matching_on_estimates_alone_is_not_proper():
    assert METHODS["pmm"]().proper
    assert not METHODS["pmm"](matchtype=0).proper
    assert not METHODS["pmm"](proper=False).proper


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("pmm", {"donors": 0}, "donors is 0; give a whole number of at least 1"),
        ("pmm", {"matchtype": 3}, "matchtype is 3; give 0, 1 or 2"),
        ("norm", {"spline_df": 1}, "spline_df is 1; give a whole number of at least 2"),
        ("lognorm", {"spline_df": 2.5}, "spline_df is 2.5"),
        ("midastouch", {"midas_kappa": -1}, "midas_kappa is -1; give a number of at least 0"),
        ("ri", {"ri_maxit": 0}, "ri_maxit is 0; give a whole number of at least 1"),
        ("lasso.norm", {"nfolds": 2}, "nfolds is 2; give a whole number of at least 3"),
        ("lasso.select.norm", {"nfolds": True}, "nfolds is True"),
        ("quadratic", {"donors": "a"}, "donors is 'a'"),
        ("mnar.norm", {"ums": "print(1)"}, "ums is 'print"),
    ],
)
def test_wrong_options_are_refused(name, options, message):
    with pytest.raises(MiceSimError, match=message):
        METHODS[name](**options)


@pytest.mark.parametrize(
    ("name", "options", "values", "message"),
    [
        ("lognorm", {}, X30[:, 0], "'y' has negative values, which have no logarithm; use cubertnorm or norm"),
        ("lognorm", {}, np.zeros(30), "'y' holds only zeros"),
        ("sqrtnorm", {}, X30[:, 0], "'y' has negative values, which have no root; use cubertnorm or norm"),
        ("mnar.norm", {}, Y30, "mnar.norm of 'y' needs the option ums"),
        ("quadratic", {}, Y30, "quadratic of 'y' needs the option quad_outcome"),
        ("quadratic", {"quad_outcome": "x9"}, Y30, "quad_outcome 'x9' does not predict 'y'; known are x0, x1"),
        ("mnar.norm", {"ums": "1+2*x9"}, Y30, "ums of 'y' uses 'x9', which does not predict it; known are x0, x1"),
        ("pmm", {"exclude": [0.0]}, np.zeros(30), "Every observed value of 'y' is in exclude"),
    ],
)
def test_what_can_not_be_fitted_is_refused(name, options, values, message):
    y, X = everyone(values, X30)
    with pytest.raises(MiceSimError, match=message):
        METHODS[name](**options).fit(y, X, np.random.default_rng(1))
