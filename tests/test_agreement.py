"""Whole chains and sequences against R's: what mice makes of a data set, ours must make of it too.

Draws differ, so what is compared are the distributions over sets of many statistics: their means, their variances
(between-set variances, for estimates) and the mean squared standard errors. Both sides are finite samples of sets: a
mean has the variance s²/m, a log variance (κ − 1)/m where κ is the kurtosis, and a difference must stay within LIMIT
standard errors of nought. The oracle is the output of oracles/chains.R.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import ORACLES
from distributions import Distribution

import mice_sim as ms
from mice_sim.fits import fit_sets
from mice_sim.synthesis.methods import METHODS

ORACLE = json.loads((ORACLES / "chains.json").read_text(encoding="utf-8"))
SCENARIOS = ORACLE["scenarios"]
# About 2,100 comparisons are made.
LIMIT = 4.5
SLOW = {"forests", "lasso.norm", "lasso.select.norm", "lasso.logreg", "lasso.select.logreg"}
# Methods that mice has not.
OWN = {"cart.deviance", "cubertnorm", "heckman", "lognorm", "normrank", "sqrtnorm"}


def frame(name: str) -> pd.DataFrame:
    """Return one of the data sets."""
    columns = {}
    for column, stored in ORACLE["data"][name].items():
        values = stored["values"]
        if stored["levels"]:
            columns[column] = pd.Categorical(values, stored["levels"], ordered=stored["ordered"])
        else:
            columns[column] = np.array(values, dtype=float)
    return pd.DataFrame(columns)


def run(scenario: dict, seed: int, **changes) -> ms.Synthesis:
    """Do with mice_sim what the scenario says."""
    data = frame(scenario["data"])
    options: dict = {key.replace(".", "_"): value for key, value in (scenario.get("options") or {}).items()}
    own = scenario.get("own") or {}
    chosen = {c: m for c, m in scenario["method"].items() if not m.startswith("~")}
    options["method"] = {c: {"name": m, **own[c]} if c in own else m for c, m in chosen.items()}
    options["derived"] = {c: m[3:-1].replace("^", "**") for c, m in scenario["method"].items() if m.startswith("~")}
    if scenario.get("visits"):
        options["visit_sequence"] = scenario["visits"]
    if scenario.get("predictors"):
        matrix = pd.DataFrame(scenario["predictors"]).T
        options["predictor_matrix"] = matrix.loc[list(data), list(data)]
    if scenario.get("formulas"):
        options["formulas"] = scenario["formulas"]
    if scenario.get("ignored"):
        options["ignore"] = np.isin(np.arange(len(data)) + 1, scenario["ignored"])
    options |= {"m": scenario["m"], "seed": seed, **changes}
    if scenario["mode"] != "sequential":
        options["maxit"] = options.get("maxit", scenario["maxit"])
    if scenario["mode"] == "impute":
        return ms.impute(data, **options)
    return ms.synthesize(data, **({"mode": scenario["mode"]} | options))


def moments(syn: ms.Synthesis) -> Distribution:
    """Means, standard deviations and correlations, where an unordered factor is 0/1 columns."""
    names, rows = [], []
    for j, column in enumerate(syn.original.columns):
        values = syn.sets[:, j]
        if column.kind == "unordered":
            for level in range(1, column.n_levels):
                names.append(f"{column.name}{column.levels[level]}")
                rows.append((values == level).astype(float))
        else:
            names.append(column.name)
            rows.append(values + column.is_factor)
    x = np.stack(rows, axis=1)
    with np.errstate(invalid="ignore"):
        r = np.nan_to_num(np.array([np.corrcoef(values) for values in x]))
    lower, first = np.triu_indices(len(names), 1)[::-1]
    statistics = np.concatenate([x.mean(axis=2), x.std(axis=2, ddof=1), r[:, lower, first]], axis=1)
    labels = [f"mean {n}" for n in names] + [f"sd {n}" for n in names]
    labels += [f"cor {names[f]} {names[i]}" for i, f in zip(lower, first, strict=True)]
    return Distribution.of(labels, statistics)


def compare(scenario: dict, syn: ms.Synthesis) -> dict[str, float]:
    """Return what is compared and by how many standard errors it differs."""
    m = scenario["m"]
    found = dict(moments(syn).z(Distribution.stored(m, scenario["moments"])))
    for model in scenario["models"]:
        fits = syn.fit(model["formula"], model["kind"])
        ours = Distribution.of(list(fits.terms), fits.q)
        found |= {f"{model['formula']}, {k}": z for k, z in ours.z(Distribution.stored(m, model))}
        u = np.diagonal(fits.covariances, axis1=1, axis2=2)
        error = np.sqrt(u.var(axis=0, ddof=1) / syn.m + np.square(model["within_sd"]) / m)
        error = np.maximum(error, 1e-9 * u.mean(axis=0))
        z = (u.mean(axis=0) - model["within"]) / error
        found |= {f"{model['formula']}, {n}: within": float(d) for n, d in zip(fits.terms, z, strict=True)}
    return found


def disagreements(found: dict[str, float]) -> dict[str, float]:
    return {name: round(float(z), 1) for name, z in found.items() if not abs(z) < LIMIT}


def test_every_method_of_mice_is_in_a_scenario():
    in_clusters = {name for name, method in METHODS.items() if method.two_level}  # see test_two_level
    assert {method for s in SCENARIOS.values() for method in s["method"].values()} >= METHODS.keys() - OWN - in_clusters


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.oracle if name in SLOW else ()) for name in SCENARIOS]
)
def test_sets_are_distributed_as_those_of_r(name):
    assert disagreements(compare(SCENARIOS[name], run(SCENARIOS[name], seed=7))) == {}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("norm.nob", {"method": "norm"}),  # without the draw of the parameters
        ("pmm of three by both means", {"donors": 12}),
        ("ignored rows", {"ignore": None}),
        ("formula", {"formulas": None}),
        ("predictors and visits", {"predictor_matrix": None}),
        ("logreg", {"method": {"x": "norm", "b": "sample"}}),
        ("sequential, parametric", {"mode": "linked"}),
    ],
)
def test_the_comparison_tells_what_is_not_the_same(name, changes):
    assert disagreements(compare(SCENARIOS[name], run(SCENARIOS[name], seed=7, **changes)))


@pytest.mark.oracle
def test_r_still_says_so(tmp_path):
    # The script in full takes R minutes.
    chosen = ["norm.nob", "sample", "mean", "linked, matched"]
    subprocess.run(["Rscript", ORACLES / "chains.R", tmp_path, *chosen], check=True, capture_output=True)
    again = json.loads((tmp_path / "chains.json").read_text(encoding="utf-8"))
    assert again["data"] == ORACLE["data"]
    for name in chosen:
        assert again["scenarios"][name] == SCENARIOS[name]


# ---- numbers that were computed with R 4.2 and mice 3.15, before this package could impute

NHANES = "chl ~ bmi + age"
NHANES2 = "chl ~ bmi + age + hyp"
PUBLISHED = {
    "norm": (
        "norm", 200, 10, NHANES,
        {"estimate": [-73.5, 6.836, 49.10], "std_error": [70.7, 2.157, 13.56], "df": [9.6, 10.0, 7.9],
         "fmi": [0.60, 0.57, 0.68]},
    ),
    "pmm": (
        "pmm", 200, 10, NHANES,
        {"estimate": [-9.2, 5.488, 32.02], "std_error": [68.6, 2.104, 11.29], "fmi": [0.43, 0.37, 0.48]},
    ),
    "airquality": (
        "airquality", 100, 5, "Ozone ~ Wind + Temp + Solar.R",
        {"estimate": [-60.94, -3.154, 1.591, 0.0565], "std_error": [22.60, 0.650, 0.241, 0.0222]},
    ),
    "nhanes2": (
        "nhanes2", 100, 5, NHANES2,
        {"estimate": [8.68, 5.877, 47.26, 68.72, -6.28], "std_error": [66.9, 2.29, 23.42, 28.18, 23.56]},
    ),
}  # fmt: skip


def resampled(fits: ms.Fits, m: int, rng: np.random.Generator) -> ms.Fits:
    chosen = rng.integers(len(fits.estimates), size=m)
    return replace(fits, estimates=[fits.estimates[i] for i in chosen], sets=fits.sets[chosen])


@pytest.mark.parametrize("name", PUBLISHED)
def test_pooled_results_are_those_of_r(name):
    scenario, m, maxit, formula, published = PUBLISHED[name]
    fits = run(SCENARIOS[scenario] | {"maxit": maxit}, seed=3, m=m).fit(formula)
    pooled, rng = ms.pool(fits), np.random.default_rng(1)
    # The Monte Carlo error of one sample of m sets; the other has as much.
    again = [ms.pool(resampled(fits, m, rng)) for _ in range(40)]
    for column, values in published.items():
        error = np.std([frame[column] for frame in again], axis=0) * np.sqrt(2)
        z = (pooled[column].to_numpy() - values) / error
        assert np.abs(z).max() < LIMIT, f"{column}: {pooled[column].to_numpy().round(3)}, not {values}"


def test_joint_tests_are_those_of_r():
    # D1, D2 and D3 of bmi against bmi + age + hyp.
    scenario = SCENARIOS["nhanes2"] | {"maxit": 5}
    larger = run(scenario, seed=3, m=100).fit(NHANES2)
    smaller = fit_sets("chl ~ bmi", "linear", larger.parsed.columns, larger.sets, larger.origin)
    published = {"d1": (ms.d1, 3.11, 15.9), "d2": (ms.d2, 1.99, 318.9), "d3": (ms.d3, 2.49, 1762.0)}
    for name, (test, statistic, df2) in published.items():
        found = test(larger, smaller)
        draws = []
        for seed in range(20):
            rows = [resampled(fits, 100, np.random.default_rng(seed)) for fits in (larger, smaller)]
            draws.append((lambda t: (t.statistic, np.log(t.df2)))(test(rows[0], replace(rows[1], sets=rows[0].sets))))
        error = np.std(draws, axis=0) * np.sqrt(2)
        assert found.df1 == 3
        assert abs(found.statistic - statistic) < LIMIT * error[0], name
        assert abs(np.log(found.df2 / df2)) < LIMIT * error[1], name
