"""Methods for rows in clusters: what mice's make of data, calibration, exact parts, and clusters that say little.

The oracle is the output of oracles/two_level.R, statistics over many sets as in test_agreement.py.
"""

from __future__ import annotations

import json
import subprocess
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES
from distributions import Distribution
from scipy.stats import chisquare

import mice_sim as ms
from mice_sim import MiceSimError
from mice_sim.kernels.mixed import effects_given
from mice_sim.synthesis.kernels import two_level

ORACLE = json.loads((ORACLES / "two_level.json").read_text(encoding="utf-8"))
SCENARIOS = ORACLE["scenarios"]
LIMIT = 4.5


def frame(scenario: dict) -> pd.DataFrame:
    """Return the data of a scenario: its cluster, its predictors, its target."""
    whole = ms.load_dataset("popmis") if scenario["data"] == "popmis" else pd.DataFrame(ORACLE["data"]["few"])
    data = whole[[*scenario["codes"], scenario["target"]]].astype(float)
    if scenario["method"] == "2l.bin":
        data[scenario["target"]] = pd.Categorical(data[scenario["target"]])
    return data


def impute(scenario: dict, m: int, **options) -> ms.Synthesis:
    method = {"name": scenario["method"], **options}
    target, codes = scenario["target"], scenario["codes"]
    return ms.impute(
        frame(scenario), m=m, maxit=1, seed=7, method={target: method}, predictor_matrix={target: codes}
    )  # fmt: skip


def variances(values: np.ndarray, cluster: np.ndarray) -> tuple[float, float]:
    """Return the variances between and within clusters by analysis of variance."""
    _, number, size = np.unique(cluster, return_inverse=True, return_counts=True)
    mean = np.bincount(number, values) / size
    k, n = size.size, values.size
    within = ((values - mean[number]) ** 2).sum() / (n - k)
    among = (size * (mean - values.mean()) ** 2).sum() / (k - 1)
    return (among - within) / ((n - (size**2).sum() / n) / (k - 1)), within


def statistics(scenario: dict, values: np.ndarray, data: pd.DataFrame) -> list[float]:
    """What oracles/two_level.R takes of a completed target (n,)."""
    cluster, *predictors = (data[name].to_numpy() for name in scenario["codes"])
    columns = [np.ones(values.size), *predictors]
    if len(predictors) == 2:
        columns.append(predictors[0] * predictors[1])
    x = np.column_stack(columns)
    coef = np.linalg.lstsq(x, values, rcond=None)[0]
    residuals = values - x @ coef
    _, number, size = np.unique(cluster, return_inverse=True, return_counts=True)
    centred = residuals - (np.bincount(number, residuals) / size)[number]
    sds = np.sqrt(np.bincount(number, centred**2) / (size - 1))
    between, within = variances(values, cluster)
    found = [values.mean(), values.std(ddof=1), between, between / (between + within), sds.std(ddof=1), *coef]
    unseen = np.bincount(number, data[scenario["target"]].notna()) == 0
    if unseen.any():
        found.append((np.bincount(number, values) / size)[unseen].std(ddof=1))
    return found


def compare(scenario: dict, result: ms.Synthesis) -> dict[str, float]:
    """Return by how many standard errors statistics over sets differ from R's."""
    data, j = frame(scenario), len(scenario["codes"])
    stored = scenario["statistics"]
    ours = np.array([statistics(scenario, values[j], data) for values in result.sets])
    return dict(Distribution.of(stored["names"], ours).z(Distribution.stored(scenario["m"], stored)))


def disagreements(found: dict[str, float]) -> dict[str, float]:
    return {name: round(float(z), 1) for name, z in found.items() if not abs(z) < LIMIT}


# ---- against mice


@pytest.mark.parametrize("name", SCENARIOS)
def test_sets_are_distributed_as_those_of_mice(name):
    scenario = SCENARIOS[name]
    options = {"effects": "prior"} if scenario["method"] == "2l.bin" else {}
    assert disagreements(compare(scenario, impute(scenario, 200, **options))) == {}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("2l.bin", {}),  # by data
        ("2l.norm", {"method": "2l.pan"}),
        ("2l.pan", {"codes": {"g": -2, "x": 1, "w": 1}}),
        ("2l.pan, intercepts", {"codes": {"g": -2, "x": 1, "w": 0}}),
        ("2l.lmer, intercepts", {"method": "2l.pmm"}),
    ],
)
def test_the_comparison_tells_what_is_not_the_same(name, changes):
    scenario = SCENARIOS[name]
    assert disagreements(compare(scenario, impute(scenario | changes, 200)))


@pytest.mark.oracle
def test_r_still_says_so(tmp_path):
    chosen = ["2l.pan", "2l.lmer, intercepts"]
    subprocess.run(["Rscript", ORACLES / "two_level.R", tmp_path, *chosen], check=True, capture_output=True)
    again = json.loads((tmp_path / "two_level.json").read_text(encoding="utf-8"))
    assert again["data"] == ORACLE["data"]
    for name in chosen:
        assert again["scenarios"][name] == SCENARIOS[name]


# Of popular ~ sex * texp in the complete data (Hox 2002), the estimates that Oberman (2022) compares methods with.
TRUTH = {"(Intercept)": 3.314, "sex": 1.330, "texp": 0.110, "sex:texp": -0.034}
SPREAD = {"(Intercept)": 0.16, "sex": 0.133, "texp": 0.0102, "sex:texp": 0.0087}


@pytest.mark.parametrize("method", ["2l.norm", "2l.pan", "2l.lmer", "2l.pmm", "norm", "pmm"])
def test_methods_for_clusters_keep_them_apart_in_popmis(method):
    scenario = SCENARIOS["2l.pan, popmis"]
    codes = scenario["codes"] if method.startswith("2l") else {"school": 0, "sex": 1, "texp": 1}
    result = impute(scenario | {"method": method, "codes": scenario["codes"] | codes}, 20)
    data = frame(scenario)
    found = np.mean([statistics(scenario, values[3], data) for values in result.sets], axis=0)
    of = dict(zip(SCENARIOS["2l.pan, popmis"]["statistics"]["names"], found, strict=True))
    if not method.startswith("2l"):
        assert of["icc"] < 0.42
        return
    assert of["icc"] > 0.53
    assert {n for n, value in TRUTH.items() if abs(of[n] - value) > 2 * SPREAD[n]} == set()


# ---- calibration


def clustered(groups: int, size: int, rng: np.random.Generator, sd=(1.0, 0.5), sigma=1.0) -> pd.DataFrame:
    """Rows in clusters: y = 2 + x + 0.5 w + effects of intercept and x + noise; w is the same in a cluster."""
    g = np.repeat(np.arange(groups), size)
    x, w = rng.normal(size=g.size) + 3, rng.normal(size=groups)[g]
    slope = 1 + sd[1] * rng.normal(size=groups)[g]
    y = 2 + slope * x + 0.5 * w + sd[0] * rng.normal(size=groups)[g] + sigma * rng.normal(size=g.size)
    return pd.DataFrame({"g": g.astype(float), "x": x, "w": w, "y": y})


def uniform(ranks: np.ndarray, draws: int) -> float:
    """Return the p-value of ranks 0..draws being equally likely, as they are if truth and draws are exchangeable."""
    return chisquare(np.bincount(ranks, minlength=draws + 1)).pvalue


def check_priors(replicates: int, groups: int) -> None:
    """Talts et al. (2018), arXiv:1804.06788: parameters from the prior, data, posterior draws, ranks.

    β has a flat prior, which any value stands for: ranks do not depend on it.
    """
    rng, draws, size = np.random.default_rng(5), 19, 6
    ranks: dict[str, list[int]] = {name: [] for name in ("beta", "psi", "correlation", "sigma2", "effect")}
    number = np.repeat(np.arange(groups), size)
    for _ in range(replicates):
        x = np.column_stack([np.ones(number.size), rng.normal(size=number.size)])
        root = two_level.inverse_wishart_root(np.eye(2), 4.0, rng)
        sigma2 = 1 / rng.chisquare(3)
        b = rng.normal(size=(groups, 2)) @ root.T
        y = x @ [1.0, 2.0] + (x * b[number]).sum(axis=1) + np.sqrt(sigma2) * rng.normal(size=number.size)
        sums = two_level.products(x, y, np.ones(y.size), number, groups)
        found = []
        for _ in range(draws):
            beta, lower, effects, variance = two_level.sample_one_variance(
                sums, y.size, 60, 4.0, np.eye(2), 3.0, 1.0, False, rng
            )
            psi = lower @ lower.T
            found.append([beta[1], psi[0, 0], psi[0, 1], variance, effects[0, 1]])
        psi = root @ root.T
        for name, below in zip(
            ranks, (np.array(found) < [2.0, psi[0, 0], psi[0, 1], sigma2, b[0, 1]]).sum(axis=0), strict=True
        ):
            ranks[name].append(int(below))
    assert {name: p for name, r in ranks.items() if (p := uniform(np.array(r), draws)) < 1e-3} == {}


def test_pans_sampler_draws_from_the_posterior_of_its_priors():
    check_priors(150, 8)


@pytest.mark.oracle
def test_pans_sampler_draws_from_the_posterior_of_its_priors_a_thousand_times():
    check_priors(1500, 5)


def check_ranks(method: str, replicates: int, draws: int = 9) -> None:
    """Missing values of seen and unseen clusters rank among their draws as if they were one of them."""
    rng = np.random.default_rng(6)
    ranks: dict[str, list[int]] = {"seen": [], "unseen": [], "extreme": []}
    for replicate in range(replicates):
        data = clustered(25, 8, rng)
        truth = data["y"].to_numpy(copy=True)
        extreme = 8 * int(np.abs(truth.reshape(25, 8)[2:].mean(axis=1) - truth.mean()).argmax() + 2)
        data.loc[[*range(8), 8, extreme + 1], "y"] = np.nan
        result = ms.impute(
            data, m=draws, maxit=1, seed=replicate, method={"y": method},
            predictor_matrix={"y": {"g": -2, "x": 2, "w": 1}},
        )  # fmt: skip
        drawn = result.sets[:, 3]
        for name, row in (("seen", 8), ("unseen", 0), ("extreme", extreme + 1)):
            ranks[name].append(int((drawn[:, row] < truth[row]).sum()))
    assert {name: p for name, r in ranks.items() if (p := uniform(np.array(r), draws)) < 1e-3} == {}


@pytest.mark.parametrize("method", ["2l.norm", "2l.pan"])
def test_missing_values_are_exchangeable_with_their_draws(method):
    check_ranks(method, 100)


@pytest.mark.oracle
@pytest.mark.parametrize("method", ["2l.norm", "2l.pan"])
def test_missing_values_are_exchangeable_with_their_draws_a_thousand_times(method):
    check_ranks(method, 1000)


def test_probabilities_are_calibrated_where_clusters_are_drawn_given_their_data():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(250), 14)
    x = rng.normal(size=g.size)
    y = x + 1.2 * rng.normal(size=250)[g] + rng.logistic(size=g.size) > 0
    data = pd.DataFrame({"g": g.astype(float), "x": x, "y": pd.Categorical(np.where(y, "yes", "no"))})
    hidden = np.arange(g.size) % 14 < 4
    data.loc[hidden, "y"] = None
    brier = {}
    for effects in ("data", "prior"):
        result = ms.impute(
            data, m=20, maxit=1, seed=1, method={"y": {"name": "2l.bin", "effects": effects}},
            predictor_matrix={"y": {"g": -2, "x": 1}},
        )  # fmt: skip
        share = result.sets[:, 2][:, hidden].mean(axis=0)
        brier[effects] = ((share - y[hidden]) ** 2).mean()
        if effects == "data":
            # Of 20 draws the share's own error weakens the slope by what it adds to the variance.
            noise = (share * (1 - share)).mean() / 20
            slope = np.cov(share, y[hidden])[0, 1] / (share.var() - noise)
            assert abs(slope - 1) < 0.15
            assert abs(share.mean() - y[hidden].mean()) < 0.05
    assert brier["data"] < brier["prior"] - 0.02


# ---- exact parts


def test_effects_are_drawn_from_their_distribution_given_the_data():
    rng = np.random.default_rng(1)
    data = clustered(6, 5, rng)
    number = data["g"].to_numpy(int)
    x = np.column_stack([np.ones(len(data)), data[["x", "w"]]])
    beta, psi, sigma2 = np.array([2.0, 1.0, 0.5]), np.array([[1.0, 0.3], [0.3, 0.5]]), 0.8
    mean, covariance = effects_given(data["y"].to_numpy() - x @ beta, x[:, :2], number, 6, psi, sigma2)
    sums = two_level.products(x, data["y"].to_numpy(), np.ones(len(data)), number, 6)
    root = np.linalg.cholesky(psi)
    drawn = np.array([two_level.draw_effects(sums, beta, root, np.full(6, sigma2), rng) for _ in range(4000)])
    for g in range(6):
        error = np.sqrt(np.diag(covariance[g]) / 4000)
        assert (np.abs(drawn[:, g].mean(axis=0) - mean[g]) < 4.5 * error).all()
        np.testing.assert_allclose(np.cov(drawn[:, g].T), covariance[g], atol=0.1 * covariance[g].max())


def test_draws_of_covariance_matrices_have_the_moments_of_the_inverse_wishart():
    rng, scatter = np.random.default_rng(2), np.array([[4.0, 1.0], [1.0, 2.0]])
    drawn = [r @ r.T for r in (two_level.inverse_wishart_root(scatter, 12.0, rng) for _ in range(5000))]
    np.testing.assert_allclose(np.mean(drawn, axis=0), scatter / (12 - 3), rtol=0.05)
    precisions = np.mean([np.linalg.inv(d) for d in drawn], axis=0)
    np.testing.assert_allclose(precisions, 12 * np.linalg.inv(scatter), rtol=0.05)


# ---- what people rely on

NUMERIC = ["2l.norm", "2l.pan", "2l.lmer", "2l.pmm"]
CODES = {"g": -2, "x": 2, "w": 1}


def drawn(data: pd.DataFrame, method, m: int = 3, seed: int = 1, codes=CODES) -> np.ndarray:
    """Return the imputed y (m, missing)."""
    result = ms.impute(data, m=m, maxit=1, seed=seed, method={"y": method}, predictor_matrix={"y": codes})
    return result.sets[:, list(data).index("y")][:, data["y"].isna()]


def holed(data: pd.DataFrame, share: float = 0.3) -> pd.DataFrame:
    hidden = np.random.default_rng(9).random(len(data)) < share
    return data.assign(y=data["y"].mask(hidden))


@pytest.mark.parametrize("method", ["2l.norm", "2l.lmer", "2l.pmm"])
@pytest.mark.parametrize("unit", [1e-120, 1e120])
def test_the_units_of_the_data_change_nothing(method, unit):
    data = holed(clustered(20, 10, np.random.default_rng(1)))
    # The filter leaves out predictors that vary little, and all where the target does, so these have none.
    codes, slope = (CODES, 1e6) if unit > 1 else ({"g": -2, "x": 0, "w": 0}, 1.0)
    other = data.assign(y=data["y"] * unit + 3 * unit, x=slope * data["x"] - slope)
    a, b = (drawn(which, method, codes=codes) for which in (data, other))
    np.testing.assert_allclose(b / unit - 3, a, rtol=1e-6, atol=1e-6)


def test_2l_pmm_draws_observed_values_of_any_kind():
    data = holed(clustered(20, 10, np.random.default_rng(1)))
    assert np.isin(drawn(data, "2l.pmm"), data["y"]).all()
    levels = pd.cut(data["y"], [-np.inf, 3, 5, 7, np.inf], labels=["a", "b", "c", "d"])
    found = drawn(data.assign(y=levels), "2l.pmm")
    assert set(np.unique(found)) <= {0.0, 1.0, 2.0, 3.0}
    assert found.std() > 0.5


@pytest.mark.parametrize("method", NUMERIC)
def test_predictors_coded_1_have_one_effect_and_those_coded_2_one_in_each_cluster(method):
    rng = np.random.default_rng(4)
    data = clustered(60, 40, rng, sd=(1.0, 1.5))
    whole = data["y"].to_numpy(copy=True)
    data = holed(data, 0.5)
    hidden = data["y"].isna().to_numpy()
    errors = {}
    for code in (1, 2):
        values = drawn(data, method, codes={"g": -2, "x": code, "w": 1})
        errors[code] = np.sqrt(((values - whole[hidden]) ** 2).mean())
    # Drawn with the true slopes, a value and its draw are √2 apart.
    assert abs(errors[2] - np.sqrt(2)) < 0.15
    assert errors[1] > 2


@pytest.mark.parametrize("method", NUMERIC)
def test_cluster_means_have_an_effect_of_their_own(method):
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(80), 20)
    x = 2 * rng.normal(size=80)[g] + rng.normal(size=g.size)
    mean = np.bincount(g, x)[g] / 20
    y = (x - mean) - 2 * mean + 0.3 * rng.normal(size=g.size)
    y[g < 10] = np.nan  # clusters of which only the means of x are known
    data = pd.DataFrame({"g": g.astype(float), "x": x, "y": y})
    expected = ((x - mean) - 2 * mean)[g < 10]
    with_means, without = (drawn(data, method, codes={"g": -2, "x": code}).mean(axis=0) for code in (3, 1))
    assert np.sqrt(((with_means - expected) ** 2).mean()) < 0.6
    assert np.sqrt(((without - expected) ** 2).mean()) > 1.5


@pytest.mark.parametrize("method", NUMERIC)
def test_new_records_come_from_new_clusters_that_differ_as_the_real_ones_do(method):
    data = clustered(150, 12, np.random.default_rng(8), sd=(2.0, 0.0))[["g", "y"]]
    real = data.groupby("g")["y"].mean().to_numpy()
    like = {}
    for mode in ("linked", "sequential"):
        syn = ms.synthesize(data, m=1, seed=1, mode=mode, cluster="g", method={"y": method})
        made = syn.completed(1).groupby("g")["y"].mean().to_numpy()
        like[mode] = np.corrcoef(real, made)[0, 1]
        assert abs(np.log(made.var() / real.var())) < 0.6
    assert like["linked"] > 0.9
    assert abs(like["sequential"]) < 0.3


@pytest.mark.parametrize("method", [*NUMERIC, "2l.bin"])
def test_without_a_draw_of_parameters_sets_differ_less(method):
    data = clustered(12, 6, np.random.default_rng(2))[["g", "w", "y"]]
    if method == "2l.bin":
        data["y"] = pd.Categorical(np.where(data["y"] > data["y"].mean(), "b", "a"))
    data = holed(data, 0.5)
    spread = {}
    for proper in (True, False):
        values = drawn(data, {"name": method, "proper": proper}, 400, codes={"g": -2, "w": 1})
        spread[proper] = values.mean(axis=1).var()
    assert spread[False] < spread[True]


@pytest.mark.parametrize("method", NUMERIC)
def test_a_saved_synthesiser_draws_the_same(method, tmp_path):
    data = clustered(15, 8, np.random.default_rng(2))
    binary = pd.Categorical(np.where(data["x"] > 3, "b", "a"))
    data = data.assign(z=binary)[["g", "w", "x", "z", "y"]]
    methods = {"w": method, "x": method, "z": "2l.bin", "y": method}
    made = ms.Synthesizer(mode="sequential", cluster="g", method=methods, m=2, seed=1).fit(data)
    made.save(tmp_path / "model.npz")
    read = ms.load_synthesizer(tmp_path / "model.npz")
    again = [s.generate(2, given=data[["g"]], seed=5).sets for s in (made, read)]
    np.testing.assert_array_equal(*again)


# ---- clusters that say little


def numbers(groups, size, share=0.3):
    return holed(clustered(groups, size, np.random.default_rng(1)), share)


def exact(data: pd.DataFrame, y) -> pd.DataFrame:
    return data.assign(y=pd.Series(y).where(data["y"].notna()))


SPARSE = {
    "clusters of one row": numbers(50, 1),
    "two clusters": numbers(2, 20),
    "three clusters": numbers(3, 20),
    "four rows": numbers(4, 2, 0.5),
    "most clusters unseen": (lambda d: d.assign(y=d["y"].where(d["g"] < 4)))(numbers(20, 6)),
    "a constant in clusters": (lambda d: exact(d, 2 * d["g"] % 7))(numbers(20, 6)),
    "a line in each cluster": (lambda d: exact(d, d["g"] + d["x"] * (d["g"] % 5)))(numbers(20, 6)),
    "an outlier": (lambda d: exact(d, d["y"].where(d.index != d["y"].first_valid_index(), 1e9)))(numbers(20, 6)),
    "a predictor twice": (lambda d: d.assign(w=d["x"] + 1e-9 * d["w"]))(numbers(20, 6)),
    "huge predictors": (lambda d: d.assign(x=1e200 * d["x"]))(numbers(20, 6)),
    "no predictors": numbers(20, 6).assign(x=1.0, w=2.0),
}


@pytest.mark.parametrize("method", NUMERIC)
@pytest.mark.parametrize("what", SPARSE)
def test_sparse_clusters_give_finite_values(method, what):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = drawn(SPARSE[what], method)
    assert np.isfinite(values).all()
    if what == "a constant in clusters" and method != "2l.pan":  # whose prior says that something varies
        data = SPARSE[what]
        hidden = data["y"].isna()
        known = data.loc[hidden, "g"].isin(data.loc[~hidden, "g"]).to_numpy()
        expected = (2 * data.loc[hidden, "g"] % 7).to_numpy()
        assert np.abs(values - expected)[:, known].max() < 0.5


def test_2l_bin_draws_only_the_level_that_it_learned_of_and_says_so():
    seen = np.arange(40) % 3 > 0
    codes = np.where(np.arange(40) < 30, 1, 0)  # the rows with the other level are not learned from
    column = pd.Series(pd.Categorical.from_codes(codes, ["no", "yes"])).where(seen)
    data = pd.DataFrame({"y": column, "g": np.repeat(np.arange(8.0), 5), "x": np.sin(np.arange(40))})
    ignore = np.arange(40) >= 30
    result = ms.impute(data, m=50, maxit=1, seed=1, cluster="g", method={"y": "2l.bin"}, ignore=ignore)
    assert (result.sets[:, 0, ~seen] == 1).all()
    assert "drew 'yes' only" in set(result.events["what"])


@pytest.mark.parametrize("shift", [-1e6, 0.0, 1e6])
def test_2l_bin_gives_values_where_clusters_or_predictors_tell_all(shift):
    data = numbers(20, 8)
    tells = {"cluster": data["g"] > 9, "predictor": data["x"] > 3, "neither": data["w"] > shift}
    for y in tells.values():
        wanted = data.assign(y=pd.Series(np.where(y, "b", "a")).where(data["y"].notna()).astype("category"))
        assert np.isin(drawn(wanted, "2l.bin"), [0, 1]).all()


def test_slopes_of_too_few_clusters_and_notes_of_what_was_decided():
    result = ms.impute(numbers(4, 20), m=1, maxit=1, method={"y": "2l.lmer"}, predictor_matrix={"y": CODES})
    (event,) = result.events.to_dict("records")
    assert event["what"] == "let all clusters have the same slopes of x"
    assert event["why"] == "there are only 4 clusters"


def test_pan_says_when_its_prior_outweighs_the_data():
    data = numbers(20, 6)
    small = data.assign(y=data["y"] / 100)
    result = ms.impute(small, m=1, maxit=1, method={"y": "2l.pan"}, predictor_matrix={"y": CODES})
    assert "from its prior" in " ".join(result.events["what"])


@pytest.mark.parametrize("method", NUMERIC)
def test_one_cluster_is_refused_in_a_sentence(method):
    with pytest.raises(
        MiceSimError, match=r"^'y' has values in one cluster only, but .* give it a method for one level"
    ):
        drawn(numbers(1, 20), method)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("2l.norm", {"cycles": 0}, "cycles is 0; give a whole number of at least 1."),
        ("2l.pan", {"cycles": 2.5}, "cycles is 2.5; give a whole number of at least 1."),
        ("2l.pmm", {"donors": 0}, "donors is 0; give a whole number of at least 1."),
        ("2l.bin", {"effects": "dat"}, "There are no effects 'dat'; did you mean 'data'?"),
    ],
)
def test_options_are_checked(method, options, message):
    with pytest.raises(MiceSimError) as refusal:
        ms.impute(numbers(5, 5), method={"y": {"name": method, **options}}, cluster="g")
    assert str(refusal.value) == message


def test_ten_thousand_clusters_take_no_time():
    data = numbers(10_000, 5)
    drawn(numbers(20, 5), "2l.norm")  # compiles
    start = time.process_time()
    values = drawn(data, "2l.norm", m=1)
    assert time.process_time() - start < 2
    assert np.isfinite(values).all()
