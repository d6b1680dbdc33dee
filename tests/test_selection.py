"""Missing by a selection model, and missing by cluster: what makes the values of studies missing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from mice_sim import MiceSimError, streams
from mice_sim.data.ampute import Amputation
from mice_sim.study.config import compose
from mice_sim.study.populations import make_population
from mice_sim.study.resampling import make, make_amputer

ONE_LEVEL = {
    "kind": "selection",
    "n": 400,
    "covariates": {"x": {"level": 1, "kind": "normal"}, "z": {"level": 1, "kind": "normal"}},
    "coefficients": {"(Intercept)": 1, "x": 0.5},
    "selection": {"(Intercept)": 0.4, "x": 0.5, "z": 1},
    "rho": 0.6,
    "sd_residual": 2,
    "rows": 1000,
}
TWO_LEVELS = {k: v for k, v in ONE_LEVEL.items() if k != "n"} | {
    "clusters": 40, "size": [5, 15], "sd_cluster": [0.8, 0.5], "rho_cluster": -0.5,
}  # fmt: skip
FRESH = {"kind": "fresh", "amputation": {"mask": "population"}}


def many(config: dict, n: int = 200_000) -> tuple[np.ndarray, np.ndarray]:
    """The columns of many rows, and whether each y is there."""
    population = make_population(config, 1)
    complete, incomplete = population.draw, population.incomplete
    assert complete is not None
    assert incomplete is not None
    values = complete(n, np.random.default_rng(7)).values
    return values, ~np.isnan(incomplete(n, np.random.default_rng(7)).values[-1])


# ---- the selection model


def test_only_responses_are_missing_and_the_others_are_those_of_the_complete_sample():
    for config in (ONE_LEVEL, TWO_LEVELS, TWO_LEVELS | {"binary": True}):
        population = make_population(config, 1)
        sample = make(FRESH, population, 5)
        ampute = make_amputer(FRESH, population.reference.columns, 5, sample)
        complete, incomplete = sample(3), ampute(3, sample(3))
        assert not np.isnan(complete.values).any()
        missing = np.isnan(incomplete.values)
        assert not missing[:-1].any()
        assert 0.2 < missing[-1].mean() < 0.6
        assert (incomplete.values[~missing] == complete.values[~missing]).all()


def test_the_share_that_is_there_is_that_of_the_probit():
    (x, z, _), there = many(ONE_LEVEL)
    for low in (-2, -1, 0, 1):
        rows = (x > low) & (x < low + 1)
        expected = norm.cdf(0.4 + 0.5 * x[rows] + z[rows]).mean()
        assert there[rows].mean() == pytest.approx(expected, abs=4 * np.sqrt(0.25 / rows.sum()))


def test_residuals_of_what_is_there_are_off_by_the_inverse_mills_ratio():
    (x, z, y), there = many(ONE_LEVEL)
    eta = 0.4 + 0.5 * x + z
    residual, mills = (y - 1 - 0.5 * x)[there], (norm.pdf(eta) / norm.cdf(eta))[there]
    slope = (residual @ mills) / (mills @ mills)
    assert slope == pytest.approx(0.6 * 2, abs=4 * 2 / np.sqrt(mills @ mills))
    (x, z, y), there = many(ONE_LEVEL | {"rho": 0})
    assert (y - 1 - 0.5 * x)[there].mean() == pytest.approx(0, abs=4 * 2 / np.sqrt(there.sum()))


def test_a_binary_response_is_whether_the_sum_is_above_0():
    (x, _, y), _ = many(ONE_LEVEL | {"binary": True})
    assert set(y) == {0.0, 1.0}
    assert y.mean() == pytest.approx(norm.cdf((1 + 0.5 * x) / 2).mean(), abs=4 * np.sqrt(0.25 / y.size))


def test_clusters_have_the_covariance_of_both_intercepts():
    config = TWO_LEVELS | {"size": 500, "rho": 0, "sd_residual": 0.1, "selection": {"(Intercept)": 0}}
    (cluster, x, _, y), there = many(config, 40 * 500 * 60)
    sample = np.repeat(np.arange(60), 40 * 500) * 40 + cluster.astype(int)
    u = np.bincount(sample, y - 1 - 0.5 * x) / 500
    share = np.bincount(sample, there) / 500
    assert u.std() == pytest.approx(0.8, rel=0.06)
    v = norm.ppf(np.clip(share, 0.002, 0.998))
    assert v.std() == pytest.approx(0.5, rel=0.08)
    assert np.corrcoef(u, v)[0, 1] == pytest.approx(-0.5, abs=0.07)


def test_a_linear_model_of_the_covariates_with_coefficients_is_known():
    population = make_population(ONE_LEVEL, 1)
    assert population.known_truth("linear", "y~x") == {"(Intercept)": 1.0, "x": 0.5}
    assert population.known_truth("linear", "y ~ x + z") is None
    assert make_population(ONE_LEVEL | {"binary": True}, 1).known_truth("linear", "y ~ x") is None
    clustered = make_population(TWO_LEVELS, 1).known_truth("mixed", "y ~ x + (1 | cluster)")
    assert clustered is not None
    assert sorted(clustered.values()) == pytest.approx(sorted([1, 0.5, 0.8**2, 2**2, 0.64 / 4.64]))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({**ONE_LEVEL, "rho": 1}, "data.rho is 1; give a number above -1 and below 1."),
        ({**ONE_LEVEL, "n": None}, "data.n is None; give a whole number"),
        ({**ONE_LEVEL, "size": 3}, "data.size is for two levels; leave it out."),
        ({**TWO_LEVELS, "n": 3}, "data.n is for one level; leave it out."),
        ({**TWO_LEVELS, "sd_cluster": 1}, "data.sd_cluster is 1; give two standard deviations"),
        ({**TWO_LEVELS, "size": None}, "data.size is None; give a whole number"),
        ({**ONE_LEVEL, "binary": "yes"}, "data.binary is 'yes'; give true or false."),
        ({**ONE_LEVEL, "selection": {"w": 1}}, "data.selection names 'w', but there is no covariate 'w'"),
        ({k: v for k, v in ONE_LEVEL.items() if k != "selection"}, "data lacks the key 'selection'"),
    ],
)  # fmt: skip
def test_a_wrong_selection_is_refused_in_one_sentence(config, words):
    with pytest.raises(MiceSimError) as error:
        make_population(config, 1)
    assert words in str(error.value)


def test_other_populations_do_not_say_what_is_missing():
    population = make_population({"kind": "mvn", "names": ["x", "y"]}, 1)
    with pytest.raises(MiceSimError, match="goes with fresh rows of data that say what is missing"):
        make_amputer(FRESH, population.reference.columns, 1, make(FRESH, population, 1))


# ---- missing by cluster

CLUSTERED = {
    "kind": "two_level",
    "clusters": 60,
    "size": 50,
    "covariates": {"x": {"level": 1, "kind": "normal"}},
    "coefficients": {"x": 0.5},
    "icc": 0.2,
    "rows": 3000,
}


def drawn(**options):
    """The clusters of 3000 rows and what happened to them."""
    table = make_population(CLUSTERED, 1).reference
    amputation = Amputation.of(table.columns, **{"patterns": [["y"]], "cluster": "cluster", **options})
    return table.values[0].astype(int), amputation.draw(table, np.random.default_rng(3))


def test_log_odds_differ_between_clusters_by_the_spread():
    cluster, draw = drawn(mechanism="MCAR", spread=1.0, proportion=0.3)
    assert draw.probability.mean() == pytest.approx(0.3, abs=1e-9)
    by_cluster = [np.unique(draw.probability[cluster == c]) for c in range(60)]
    assert all(values.size == 1 for values in by_cluster)
    assert logit(np.concatenate(by_cluster)).std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * 60))


def test_scores_and_clusters_add_up():
    cluster, draw = drawn(spread=1.0, proportion=0.3)
    rest = logit(draw.probability) - draw.scores
    assert np.allclose(rest, np.array([rest[cluster == c][0] for c in range(60)])[cluster])
    assert draw.probability.mean() == pytest.approx(0.3, abs=1e-9)


def test_the_number_of_a_cluster_weighs_nothing_by_default():
    cluster, draw = drawn(proportion=0.3)
    assert abs(np.corrcoef(cluster, draw.scores)[0, 1]) < 4 / np.sqrt(3000)


def test_a_share_of_the_clusters_loses_everything_besides_the_proportion():
    cluster, draw = drawn(systematic=0.1, proportion=0.3)
    gone = np.array([(draw.probability[cluster == c] == 1).all() for c in range(60)])
    assert gone.sum() == 6
    assert draw.incomplete[gone[cluster]].all()
    assert draw.probability[~gone[cluster]].mean() == pytest.approx(0.3, abs=1e-9)
    assert np.isnan(draw.scores[gone[cluster]]).all()


def test_a_cluster_loses_the_values_of_one_pattern():
    cluster, draw = drawn(systematic=0.5, patterns=[["x"], ["y"]])
    gone = [c for c in range(60) if (draw.probability[cluster == c] == 1).all()]
    assert all(np.unique(draw.candidate_for[cluster == c]).size == 1 for c in gone)
    assert {int(draw.candidate_for[cluster == c][0]) for c in gone} == {0, 1}


def test_without_clusters_the_same_values_go_missing_as_ever():
    table = make_population(CLUSTERED, 1).reference
    options = {"patterns": [["y"]], "weights": {"x": 1}}
    plain = Amputation.of(table.columns, **options)(table, streams.stream(1, "amputation", 0))
    rng = streams.stream(1, "amputation", 0)
    rng.choice(1, size=3000, p=[1.0])
    x = table.values[1]
    z = (x - x.mean()) / x.std(ddof=1)
    probability = Amputation.of(table.columns, **options).probability(table, np.zeros(3000, int))
    assert np.allclose(np.diff(logit(probability) - z), 0, atol=1e-9)
    assert (np.isnan(plain.values[2]) == (rng.random(3000) < expit(logit(probability)))).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"spread": -1}, "The spread of the clusters' log-odds is -1; give a number of at least 0."),
        ({"systematic": 1}, "The share of clusters to lose all values is 1; give one from 0 to below 1."),
        ({"cluster": None, "spread": 1}, "spread and systematic are of clusters; name their column in cluster."),
        ({"spread": 1, "odds": [1, 2]}, "leave out odds or spread."),
        ({"patterns": [["cluster"]]}, "A pattern removes the clusters themselves"),
        ({"cluster": "clutser"}, "There is no column 'clutser' to ampute by; did you mean 'cluster'?"),
    ],
)
def test_a_wrong_amputation_by_cluster_is_refused_in_one_sentence(options, words):
    with pytest.raises(MiceSimError) as error:
        drawn(**options)
    assert words in str(error.value)


# ---- conf/


@pytest.mark.parametrize(
    "overrides",
    [
        ["data=selection", "+resampling/amputation=population"],
        ["data=two_level", "+resampling/amputation=clustered", "resampling.amputation.patterns=[[y]]"],
    ],
)
def test_the_files_of_conf_make_samples(overrides):
    config = compose(["resampling=fresh", "analysis=line", *overrides])
    population = make_population(config.data, config.seed)
    sample = make(config.resampling, population, config.seed)
    ampute = make_amputer(config.resampling, population.reference.columns, config.seed, sample)
    missing = np.isnan(ampute(0, sample(0)).values)
    assert 0.2 < missing[-1].mean() < 0.6
    assert not missing[:-1].any()
