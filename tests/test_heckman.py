"""Heckman imputation: its draws are those of the posterior, it mends what missing-at-random methods can't, and it
always has an answer or one sentence."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES
from scipy.special import log_ndtr, logsumexp, ndtr
from scipy.stats import multivariate_t, norm

import mice_sim as ms
from mice_sim import MiceSimError
from mice_sim.study.populations import make_population
from mice_sim.synthesis.kernels import heckman
from mice_sim.synthesis.kernels.heckman import DELTA, OMEGA2, UU, UV, VV
from mice_sim.synthesis.methods import METHODS
from mice_sim.synthesis.methods._heckman import correlation_time

R = json.loads((ORACLES / "heckman.json").read_text(encoding="utf-8"))
POPULATION = {
    "kind": "selection",
    "n": 300,
    "covariates": {"x": {"level": 1, "kind": "normal"}, "z": {"level": 1, "kind": "normal"}},
    "coefficients": {"x": 0.5},
    "selection": {"(Intercept)": 0.4, "x": 0.5, "z": 1},
    "rho": 0.7,
    "rows": 10,
}
CLUSTERED = {k: v for k, v in POPULATION.items() if k != "n"} | {
    "clusters": 20, "size": 15, "sd_cluster": [0.7, 0.6], "rho_cluster": 0.5,
}  # fmt: skip


def sample(config: dict, seed: int, n: int | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The complete sample of a population, and what is left of it."""
    population = make_population(config, 1)
    complete, incomplete = population.draw, population.incomplete
    assert complete is not None
    assert incomplete is not None
    rows = n or population.n
    return (
        complete(rows, np.random.default_rng(seed)).to_pandas(),
        incomplete(rows, np.random.default_rng(seed)).to_pandas(),
    )


def impute(data: pd.DataFrame, name: str = "heckman", m: int = 5, seed: int = 1, **given):
    """Impute y, by default with z as its exclusion; options of the method are those that `impute` does not take."""
    calls = {k: given.pop(k) for k in ("maxit", "predictor_matrix", "cluster", "ignore", "formulas") if k in given}
    if name.startswith("2l."):
        calls.setdefault("cluster", "cluster")
    method = {"x": "norm", "y": {"name": name, **({"exclusion": "z"} if "heckman" in name else {}), **given}}
    return ms.impute(data, m=m, maxit=calls.pop("maxit", 1), method=method, seed=seed, **calls)


def shares(y: pd.Series) -> float:
    """The mean of y, or the share of its second level."""
    return float(y.cat.codes.mean()) if isinstance(y.dtype, pd.CategoricalDtype) else float(y.mean())


# ---- the posterior


def arranged(x, z, y, cluster=None) -> tuple[np.ndarray, ...]:
    """Rows as the kernel takes them: those that are seen first."""
    order = np.argsort(np.isnan(y), kind="stable")
    seen = int((~np.isnan(y)).sum())
    return x[order][:seen], z[order], y[order][:seen], cluster[order] if cluster is not None else np.zeros(len(y), int)


def chain(rows, binary: bool, clusters: int, cycles: int, seed: int = 1) -> np.ndarray:
    """States of the kernel after a start from zero, without the first tenth."""
    x, z, y, cluster = rows
    start = np.zeros(x.shape[1] + z.shape[1] + 5)
    start[OMEGA2], start[UU], start[VV] = 1.0, 0.2, 0.2
    states = heckman.sample(
        x, z, y, binary, cluster, clusters, start, np.zeros((clusters, 2)), cycles, np.random.default_rng(seed)
    )
    return states[cycles // 10 :]


def identified(states: np.ndarray, p: int, binary: bool, clusters: int) -> np.ndarray:
    """β, γ, atanh ρ, log σ_ξ unless binary; log sds and atanh of the correlation of the clusters' intercepts."""
    sd = np.sqrt(states[:, DELTA] ** 2 + states[:, OMEGA2])
    unit = sd if binary else np.ones(len(sd))
    parts = [states[:, :p] / unit[:, None], states[:, p:DELTA], np.arctanh(states[:, DELTA] / sd)[:, None]]
    if not binary:
        parts.append(np.log(states[:, OMEGA2])[:, None] / 2)
    if clusters:
        u, v = np.sqrt(states[:, UU]), np.sqrt(states[:, VV])
        parts.append(np.column_stack([np.log(u / unit), np.log(v), np.arctanh(states[:, UV] / (u * v))]))
    return np.hstack(parts)


NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(13)
GRID = np.array([(a, b) for a in NODES for b in NODES])
LOG_WEIGHTS = np.log(np.outer(WEIGHTS, WEIGHTS).ravel() / WEIGHTS.sum() ** 2)
LEGENDRE = np.polynomial.legendre.leggauss(20)


def below_both(a: np.ndarray, b: np.ndarray, r: float) -> np.ndarray:
    """P(A < a, B < b) of standard normal numbers with correlation r, by Plackett's identity."""
    t = np.arcsin(r)
    angle = t * (LEGENDRE[0] + 1) / 2
    a_, b_ = a[..., None], b[..., None]
    f = np.exp(-(a_**2 + b_**2 - 2 * a_ * b_ * np.sin(angle)) / (2 * np.cos(angle) ** 2))
    return ndtr(a) * ndtr(b) + (f @ LEGENDRE[1]) * t / (4 * np.pi)


def log_posterior(theta: np.ndarray, rows, binary: bool, clusters: int) -> float:
    """The log-density of what `identified` returns, with the random intercepts integrated out on a grid."""
    x, z, y, cluster = rows
    p, q, s = x.shape[1], z.shape[1], len(y)
    beta, gamma, rest = theta[:p], theta[p : p + q], theta[p + q :]
    rho = np.tanh(rest[0])
    tau = np.sqrt(1 - rho**2)
    sd = 1.0 if binary else np.exp(rest[1]) / tau
    u, v, prior = np.zeros(1), np.zeros(1), np.log(1 - rho**2)
    if clusters:
        su, sv, r = np.exp(rest[-3]), np.exp(rest[-2]), np.tanh(rest[-1])
        u, v = su * GRID[:, 0], sv * (r * GRID[:, 0] + np.sqrt(1 - r * r) * GRID[:, 1])
        # Huang & Wand (2013), with ν = 2 and A = 1; of a binary response in units of √(1 + δ²).
        wu = su / tau if binary else su
        det = (wu * sv) ** 2 * (1 - r * r)
        prior += -3 * np.log(det) - 2 * np.log(2 * sv**2 / det + 1) - 2 * np.log(2 * wu**2 / det + 1)
        prior += 3 * np.log(wu * sv) + np.log(1 - r * r)
        if binary:
            prior += np.log(1 - rho**2) / 2
    precision = [np.append(1 / 100, np.full(k - 1, 1 / 25)) for k in (p, q)]
    prior -= (precision[0] @ (beta / (tau if binary else 1)) ** 2 + precision[1] @ gamma**2) / 2
    mean, index = (x @ beta)[:, None] + u, (z @ gamma)[:, None] + v
    if binary:
        sign = (2 * y - 1)[:, None]
        chance = np.where(sign > 0, below_both(mean, index[:s], rho), below_both(-mean, index[:s], -rho))
        seen = np.log(np.maximum(chance, 1e-300))
    else:
        error = (y[:, None] - mean) / sd
        seen = norm.logpdf(error) - np.log(sd) + log_ndtr((index[:s] + rho * error) / tau)
    each = np.vstack([seen, log_ndtr(-index[s:])])
    if not clusters:
        return prior + each.sum()
    total = np.zeros((clusters, len(u)))
    np.add.at(total, cluster, each)
    return prior + logsumexp(total + LOG_WEIGHTS, axis=1).sum()


def by_importance(states: np.ndarray, rows, binary: bool, clusters: int, size: int) -> tuple[np.ndarray, ...]:
    """Means of the posterior by its density, their Monte Carlo errors, and standard deviations."""
    proposal = multivariate_t(states.mean(axis=0), np.cov(states.T), df=6, seed=3)
    theta = proposal.rvs(size)
    log_weight = np.array([log_posterior(t, rows, binary, clusters) for t in theta]) - proposal.logpdf(theta)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = weight @ theta
    assert 1 / (weight**2).sum() > 200
    return mean, np.sqrt(weight**2 @ (theta - mean) ** 2), np.sqrt(weight @ (theta - mean) ** 2)


@pytest.mark.parametrize(
    ("config", "n", "size", "cycles"),
    [
        (POPULATION, 100, 2000, 20_000),
        (POPULATION | {"binary": True}, 150, 2000, 40_000),
        pytest.param(CLUSTERED | {"size": 8}, 160, 4000, 100_000, marks=pytest.mark.oracle),
        pytest.param(CLUSTERED | {"size": 8, "binary": True}, 160, 3000, 200_000, marks=pytest.mark.oracle),
    ],
)
def test_the_chain_draws_from_the_posterior(config, n, size, cycles):
    _, data = sample(config, 4, n)
    binary, clusters = "binary" in config, config.get("clusters", 0)
    y = data["y"].cat.codes.replace(-1, np.nan).to_numpy(float) if binary else data["y"].to_numpy()
    one = np.ones(len(data))
    cluster = data["cluster"].cat.codes.to_numpy(np.int64) if clusters else None
    rows = arranged(np.column_stack([one, data["x"]]), np.column_stack([one, data[["x", "z"]]]), y, cluster)
    states = identified(chain(rows, binary, clusters, cycles), 2, binary, clusters)
    mean, error, sd = by_importance(states, rows, binary, clusters, size)
    error = np.hypot(error, sd * np.sqrt([correlation_time(trace) / len(states) for trace in states.T]))
    assert (np.abs(states.mean(axis=0) - mean) < 4 * error).all()
    assert np.log(states.std(axis=0) / sd) == pytest.approx(0, abs=0.25)  # sds near 0 have long logarithms


@pytest.mark.parametrize("kind", ["continuous", "binary"])
def test_in_a_large_sample_the_posterior_is_the_maximum_that_r_finds(kind):
    distance, ratio = from_maximum(kind)
    assert (np.abs(distance) < 0.45).all()
    assert ratio == pytest.approx(np.ones(ratio.size), rel=0.2)


def from_maximum(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return how many standard errors posterior means are from R's estimates, and posterior SDs in these errors."""
    columns = {name: np.array(values, float) for name, values in R[kind]["data"].items()}
    one, binary = np.ones(2500), kind == "binary"
    x, z = np.column_stack([one, columns["x"]]), np.column_stack([one, columns["x"], columns["z"]])
    states = identified(chain(arranged(x, z, columns["y"]), binary, 0, 8000), 2, binary, 0)
    if not binary:  # to log σ
        states[:, 6] += np.log(np.cosh(states[:, 5]))
    estimate, se = np.array(R[kind]["estimate"]), np.array(R[kind]["se"])
    return (states.mean(axis=0) - estimate) / se, states.std(axis=0) / se


def test_normal_numbers_above_a_bound_have_the_moments_of_a_truncated_normal():
    rng = np.random.default_rng(1)
    for bound in (-3.0, -0.5, 0.0, 0.5, 2.0, 8.0, 35.0):
        drawn = np.array([heckman.above(bound, rng) for _ in range(5_000)])
        mills = np.exp(norm.logpdf(bound) - norm.logsf(bound))
        assert drawn.min() > bound
        variance = 1 + bound * mills - mills**2
        assert drawn.mean() == pytest.approx(mills, abs=4 * np.sqrt(max(variance, 1e-4) / 5_000))


# ---- draws


def test_missing_values_are_drawn_as_not_selected_and_others_as_selected():
    complete, data = sample(POPULATION, 1, 15_000)
    drawn = ms.synthesize(
        data,
        mode="linked",
        m=1,
        where=["y"],
        method={"y": {"name": "heckman", "exclusion": "z", "cycles": 300}},
        seed=1,
    ).completed(1)
    missing = data["y"].isna()
    eta = 0.4 + 0.5 * data["x"] + data["z"]
    # The mean of the error is ρ times that of η.
    for rows, mills in ((missing, -norm.pdf(eta) / norm.sf(eta)), (~missing, norm.pdf(eta) / norm.cdf(eta))):
        error = (drawn["y"] - 0.5 * data["x"])[rows]
        expected = 0.7 * mills[rows]
        assert error.mean() == pytest.approx(expected.mean(), abs=0.06)
        assert np.cov(error, mills[rows])[0, 1] / mills[rows].var() == pytest.approx(0.7, abs=0.12)
    assert drawn["y"].mean() == pytest.approx(complete["y"].mean(), abs=0.05)
    assert (drawn["y"] != complete["y"]).all()


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("name", ["heckman", "2l.heckman"])
def test_what_methods_for_missing_at_random_get_wrong_is_mended(name, binary):
    config = (CLUSTERED | {"clusters": 50, "size": 30} if name == "2l.heckman" else POPULATION) | {"binary": binary}
    complete, data = sample(config, 2, 1500)
    truth = shares(complete["y"])
    at_random = impute(data.drop(columns="cluster", errors="ignore"), "logreg" if binary else "norm")
    off = np.mean([shares(d["y"]) for d in at_random.completed()]) - truth
    mended = np.mean([shares(d["y"]) for d in impute(data, name, cycles=500).completed()]) - truth
    assert off > (0.05 if binary else 0.15)
    assert abs(mended) < 0.35 * off


def test_an_exclusion_is_in_the_selection_alone():
    _, data = sample(POPULATION, 3, 400)
    moved = data.assign(z=data["z"].where(data["y"].notna(), data["z"] - 1.0))
    for frame in (data, moved):
        fit = impute(frame, m=2)
        assert fit.events.empty
    # With ρ near 0 a large effect of z on y shows only if z predicts y.
    strong = data.assign(y=data["y"] + 5 * data["z"])
    for exclusion, least, most in (("z", -0.3, 0.6), ("x", 0.9, 1.0)):
        drawn = impute(strong, m=1, exclusion=exclusion).completed(1)
        missing = data["y"].isna()
        assert least < np.corrcoef(drawn["y"][missing], drawn["z"][missing])[0, 1] < most


def test_the_selection_has_the_predictors_that_it_is_given():
    _, data = sample(POPULATION | {"selection": {"(Intercept)": 0.4, "z": 1}}, 3, 300)
    data["w"] = np.random.default_rng(1).normal(size=300)
    same = [impute(data, m=1, selection=given).completed(1)["y"] for given in (None, ["x", "w"], ["w", "x", "z"])]
    assert same[0].equals(same[1])
    assert same[0].equals(same[2])
    assert not impute(data, m=1, selection="x").completed(1)["y"].equals(same[0])


def test_factors_and_formulas_are_excluded_by_name():
    _, data = sample(POPULATION, 3, 300)
    data["site"] = pd.Categorical(np.where(data["z"] > 0.5, "a", np.where(data["z"] > -0.5, "b", "c")))
    assert impute(data, exclusion=["z", "site"], m=2).events.empty
    by_formula = impute(data, formulas={"y": "~ x + I(x^2) + z"}, m=2)
    assert by_formula.events.empty
    assert not by_formula.completed(1)["y"].isna().any()
    with pytest.raises(MiceSimError, match="names 'site', which does not predict it"):
        impute(data, formulas={"y": "~ x + z"}, exclusion="site")


@pytest.mark.parametrize("name", ["heckman", "2l.heckman"])
def test_sets_are_drawn_from_chains_of_their_own_that_go_on(name):
    _, data = sample(CLUSTERED, 5)
    data.loc[::7, "x"] = np.nan
    if name == "heckman":
        data = data.drop(columns="cluster")
    two, three = impute(data, name, m=2, maxit=2, cycles=50), impute(data, name, m=3, maxit=2, cycles=50)
    assert two.completed(2).equals(three.completed(2))
    assert not two.completed(1)["y"].equals(two.completed(2)["y"])


def test_a_chain_that_moves_slowly_is_told_of():
    _, data = sample(POPULATION | {"binary": True, "selection": {"x": 1, "z": 0.01}}, 5, 400)
    events = impute(data, m=1, cycles=100).events
    assert "drew from a chain that moves slowly" in set(events["what"])
    assert "more cycles are safer" in events["why"].iloc[0]
    assert impute(sample(POPULATION, 5)[1]).events.empty


def test_rows_that_are_ignored_teach_neither_equation():
    _, data = sample(POPULATION, 6)
    ignore = np.arange(300) >= 200
    changed = data.copy()
    changed.loc[ignore, "z"] = -changed.loc[ignore, "z"]
    changed.loc[ignore & changed["y"].notna(), "y"] += 3
    first, second = (impute(d, m=2, ignore=ignore).completed(1)["y"] for d in (data, changed))
    assert first[:200].equals(second[:200])
    assert not first.isna().any()


# ---- two levels


def test_clusters_are_imputed_about_their_own_means():
    config = CLUSTERED | {"clusters": 25, "size": 60, "sd_cluster": [1.5, 0.3], "rho_cluster": 0}
    complete, data = sample(config, 7)
    missing = data["y"].isna()
    drawn = pd.concat([d.loc[missing, ["cluster", "y"]] for d in impute(data, "2l.heckman", m=10).completed()])
    expected = complete.loc[missing].groupby("cluster", observed=True)["y"].mean()
    found = drawn.groupby("cluster", observed=True)["y"].mean()
    assert np.corrcoef(found, expected)[0, 1] > 0.95
    assert (found - expected).mean() == pytest.approx(0, abs=0.3)


def test_a_cluster_without_a_value_has_the_spread_of_all_clusters():
    config = CLUSTERED | {"clusters": 40, "size": 30, "sd_cluster": [1.5, 0.3], "rho": 0, "rho_cluster": 0}
    _, data = sample(config, 8)
    data.loc[data["cluster"].isin(["1", "2", "3", "4"]), "y"] = np.nan
    sets = impute(data, "2l.heckman", m=30, cycles=300).completed()
    means = np.array([[d.loc[d["cluster"] == c, "y"].mean() for c in ("1", "2", "3", "4")] for d in sets])
    # Besides, such clusters are not like others in their selection either, and what follows from it is uncertain.
    assert 1.3 < means.std(axis=0, ddof=1).mean() < 3


def test_cluster_means_enter_both_equations():
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(40), 10)
    level = rng.normal(size=40)
    x = level[cluster] + rng.normal(size=400)
    z, eta = rng.normal(size=(2, 400))
    y = 3 * level[cluster] + 0.5 * eta + rng.normal(size=400)
    data = pd.DataFrame({"cluster": pd.Categorical(cluster.astype(str)), "x": x, "z": z, "y": y})
    data.loc[(0.3 + z + eta < 0) | (cluster < 15), "y"] = np.nan
    for code, least, most in ((1, -1, 0.8), (3, 0.9, 1)):
        sets = impute(data, "2l.heckman", m=10, predictor_matrix={"y": {"x": code}}).completed()
        means = np.mean([np.bincount(cluster, d["y"]) / 10 for d in sets], axis=0)
        assert least < np.corrcoef(means[:15], level[:15])[0, 1] < most


def test_slopes_that_vary_are_refused():
    _, data = sample(CLUSTERED, 9)
    with pytest.raises(MiceSimError, match=r"has the same slopes in all clusters, but .* that of 'x' vary; use 1 or 3"):
        impute(data, "2l.heckman", predictor_matrix={"y": {"x": 2}})


# ---- calibration


def coverage(config: dict, name: str, replicates: int, m: int, n: int | None) -> float:
    """How often the 95 % interval of the mean of y covers the population's, 0 or one half."""
    truth = 0.5 if config.get("binary") else 0.0
    hits = 0
    for r in range(replicates):
        _, data = sample(config, 1000 + r, n)
        values = np.array([d["y"].cat.codes if config.get("binary") else d["y"] for d in
                           impute(data, name, m=m, seed=r).completed()], float)  # fmt: skip
        within = values.var(axis=1, ddof=1).mean() / values.shape[1]
        between = values.mean(axis=1).var(ddof=1) * (1 + 1 / m)
        hits += abs(values.mean() - truth) < 1.96 * np.sqrt(within + between)
    return hits / replicates


def test_intervals_cover_in_small_samples():
    assert coverage(POPULATION, "heckman", 60, 5, 100) >= 0.85
    assert coverage(POPULATION, "norm", 20, 5, 300) <= 0.3


@pytest.mark.oracle
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_intervals_cover_at_every_correlation(binary, rho):
    found = coverage(POPULATION | {"binary": binary, "rho": rho}, "heckman", 250, 10, 200)
    assert found == pytest.approx(0.95, abs=0.05)


# ---- where little can be fitted


def odd(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = pd.DataFrame(rng.normal(size=(n, 3)), columns=["x", "z", "y"])
    data["cluster"] = pd.Categorical(np.repeat(np.arange(n // 6), 6).astype(str))
    data.loc[data["z"] + rng.normal(size=n) < 0, "y"] = np.nan
    return data


def with_one_row_each(data):
    return data.assign(cluster=pd.Categorical(np.arange(len(data)).astype(str)))


ODD = {
    "one cluster": lambda d: d.assign(cluster=pd.Categorical(["a"] * len(d))),
    "clusters of one row": with_one_row_each,
    "a cluster without values": lambda d: d.assign(y=d["y"].where(d["cluster"] != "0")),
    "a cluster without missing values": lambda d: d.assign(y=d["y"].where(d["cluster"] != "0", 1.0)),
    "the exclusion decides alone": lambda d: d.assign(y=np.where(d["z"] > 0, d["x"], np.nan)),
    "the exclusion is constant": lambda d: d.assign(z=1.0),
    "predictors are constant": lambda d: d.assign(z=1.0, x=2.0),
    "predictors are the same": lambda d: d.assign(x=d["z"]),
    "all values are the same": lambda d: d.assign(y=d["y"].where(d["y"].isna(), 4.0)),
    "y is x": lambda d: d.assign(y=d["x"].where(d["y"].notna())),
    "one value is missing": lambda d: d.assign(y=d["x"].where(np.arange(len(d)) != 5)),
    "one value is there": lambda d: d.assign(y=d["x"].where(np.arange(len(d)) == 5)),
    "two rows": lambda d: d.assign(y=d["x"].where(np.arange(len(d)) == 0))[:2],
    "three rows": lambda d: d.assign(y=d["x"].where(np.arange(len(d)) < 2))[:3],
    "huge values": lambda d: d.assign(y=d["y"] * 1e200, x=d["x"] * 1e150),
    "tiny values": lambda d: d.assign(y=d["y"] * 1e-200, x=d["x"] * 1e-150),
    "an outlier": lambda d: d.assign(x=d["x"].where(np.arange(len(d)) != 5, 1e6)),
}


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("name", ["heckman", "2l.heckman"])
@pytest.mark.parametrize("how", ODD)
def test_every_missing_value_gets_a_number(how, name, binary):
    data = ODD[how](odd())
    if binary:
        data["y"] = pd.Categorical(np.where(data["y"].isna(), None, np.where(data["y"] > 0, "b", "a")), ["a", "b"])
    if name == "heckman":
        data = data.drop(columns="cluster")
    drawn = impute(data, name, m=2, maxit=2, cycles=100)
    for d in drawn.completed():
        assert not d["y"].isna().any()
        assert d["y"].loc[data["y"].notna()].equals(data["y"].dropna())
        if not binary:
            assert np.isfinite(d["y"]).all()
    if how == "all values are the same" and not binary:
        assert (drawn.completed(1)["y"] == 4).all()


def test_nothing_to_learn_from_and_nothing_missing_are_told():
    data = odd().drop(columns="cluster")
    with pytest.raises(MiceSimError, match="'y' has no missing values, so there is no selection to model; use 'norm'"):
        ms.synthesize(
            data.fillna(0.0), mode="linked", m=1, method={"y": {"name": "heckman", "exclusion": "z"}}, where=["y"]
        )
    with pytest.raises(MiceSimError, match="'y' is drawn apart from its being missing, so there is no"):
        ms.synthesize(data, m=1, mode="sequential", method={"y": {"name": "heckman", "exclusion": "z"}})
    with pytest.raises(MiceSimError, match="missing"):
        impute(data.assign(y=np.nan))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"exclusion": None}, "'y' needs the option exclusion"),
        ({"exclusion": "w"}, "The exclusion of 'y' names 'w', which does not predict it; known are x, z."),
        ({"selection": ["x", "w"]}, "The selection of 'y' names 'w'"),
        ({"cycles": 0}, "cycles is 0; give a whole number of at least 1."),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(options, words):
    with pytest.raises(MiceSimError) as error:
        impute(odd().drop(columns="cluster"), **options)
    assert words in str(error.value)


def test_an_exclusion_must_predict():
    with pytest.raises(MiceSimError, match="names 'z', which does not predict it"):
        impute(odd().drop(columns="cluster"), predictor_matrix={"y": {"z": 0}})


@pytest.mark.parametrize("how", [[], "z"])
def test_without_an_exclusion_it_says_what_the_answer_hangs_on(how):
    data = odd().drop(columns="cluster")
    events = impute(data if how == [] else data.assign(z=1.0), exclusion=how, m=1).events
    assert "told the selection from the shape of the distribution alone" in set(events["what"])


def test_a_binary_column_of_one_level_is_drawn_as_it_is():
    data = odd().drop(columns="cluster")
    first = np.arange(len(data)) == data["y"].first_valid_index()
    data["y"] = pd.Categorical(np.where(data["y"].isna(), None, np.where(first, "a", "b")), ["a", "b"])
    drawn = impute(data, m=1, ignore=first)
    assert (drawn.completed(1)["y"][~first] == "b").all()
    assert "drew 'b' only" in set(drawn.events["what"])


def test_both_are_methods_by_name():
    assert METHODS["heckman"]().kinds == METHODS["2l.heckman"]().kinds == ("continuous", "binary")
