"""Draws that must have the distribution of R's: methods, chains, clusters, amputation, copies, the paper's study."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from agreement import Agreement, draws, numbers, relative
from conftest import quantiles
from exact import read
from scipy.stats import norm
from scipy.stats import t as student

import mice_sim as ms
from mice_sim.data import Table
from mice_sim.study.config import compose
from mice_sim.study.r_random import RStream
from mice_sim.study.replicate import replicator
from mice_sim.synthesis.methods import METHODS

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "experiments" / "volker_vink_2021" / "oracle" / "study.R"
# R's scripts read it too.
SEED = int(os.environ["MICE_SIM_SEED"])
RULES = ("mice-3.13", "mice-3.15")
REPLICATES = range(1 + SEED % 900, 31 + SEED % 900)


def _plural(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number > 1)}"


# ---- methods, one column at a time


def of_numbers(folder: Path) -> Iterator[Agreement]:
    """Methods for continuous columns."""
    from test_methods_continuous import SETTINGS, R, donors_z, draws_z, fit_linear, oracle_parts

    y, X, _ = oracle_parts()
    linear, _ = fit_linear(y.observed, X.matrix(), X.names)
    exact = R["exact"]
    found = [relative(linear.plane.coefficients, exact["coefficients"]), relative(linear.length**2, exact["ssr"])]
    yield numbers("What norm and pmm fit", "lm", "a table", found, 1e-8)
    by_method: dict[str, list[np.ndarray]] = {}
    for key, name, options, predictors, number in SETTINGS:
        own = by_method.setdefault(name, [])
        own.append(draws_z(key, name, options, predictors, number))
        if "donors" in R["methods"][key]:
            own.append(donors_z(key, name, options))
    for name, z in by_method.items():
        settings = sum(name == setting[1] for setting in SETTINGS)
        yield draws(f"Draws by {name}", f"mice.impute.{name}", _plural(settings, "setting"), z)


def of_factors(folder: Path) -> Iterator[Agreement]:
    """Methods for factors."""
    from test_methods_categorical import Problem, draws_z, frame_of

    r = read(folder, "methods_categorical.json")
    frame = frame_of(r)
    problem = {name: Problem(frame[["x", "z", "f", name]], name) for name in "buo"}
    fits, found = r["fits"], []
    for method, name, case in (("polyreg", "u", "polyreg"), ("polyreg", "o", "polyreg_ordered"), ("lda", "u", "lda")):
        one = problem[name]
        found.append(relative(one.probabilities(one.fit(METHODS[method]())), fits[case]["probability"]))
    logreg = problem["b"].fit(METHODS["logreg"]())
    x = logreg.units.standardise(problem["b"].wanted.matrix())
    found.append(relative(x @ logreg.theta[0], fits["logreg"]["eta"]))
    polr = problem["o"].fit(METHODS["polr"]())
    eta = polr.units.standardise(problem["o"].wanted.matrix())[:, 1:] @ polr.slopes
    shares = np.diff(1 / (1 + np.exp(eta[:, None] - polr.cuts)), prepend=0, append=1)
    found.append(relative(shares, fits["polr"]["probability"]))
    yield numbers("What logreg, polyreg, polr, lda fit", "glm, multinom, polr, lda", "a table", found, 1e-5)
    for method in r["draws"]:
        name = {"polyreg": "u", "lda": "u", "polr": "o"}.get(method, "b")
        number = 200 if method.startswith("lasso") else 1500 if method == "logreg.boot" else 4000
        z = draws_z(r, problem[name], method, name, number)
        yield draws(f"Draws by {method}", f"mice.impute.{method}", "a table", [z])


def of_forests(folder: Path) -> Iterator[Agreement]:
    from test_forest import forest_z, table_of

    r = read(folder, "forest.json")
    settings = {"y": 10, "y_ntree1": 1, "class": 10, "class_ntree3": 3}
    z = [forest_z(table_of(r), r, name, name.split("_")[0], n) for name, n in settings.items()]
    yield draws("Draws by rf: means and their spread over forests", "mice.impute.rf, ranger", "4 settings", z)


# ---- whole data sets


KINDS = {
    "cart": ["cart", "trees", "linked, trees", "sequential, trees"], "rf": ["rf", "forests", "sequential, forests"],
    "lasso": ["lasso.norm", "lasso.select.norm", "lasso.logreg", "lasso.select.logreg"],
    "derived columns and quadratic terms": ["body", "quadratic"],
}  # fmt: skip


def of_chains(folder: Path) -> Iterator[Agreement]:
    """Chained equations and sequences, from data to pooled models."""
    from test_agreement import SCENARIOS, compare, run

    found: dict[str, list[np.ndarray]] = {}
    for name, scenario in SCENARIOS.items():
        mode = {"impute": "other imputation", "linked": "other linked synthesis", "sequential": "other sequences"}
        kind = next((kind for kind, names in KINDS.items() if name in names), mode[scenario["mode"]])
        found.setdefault(kind, []).append(np.array(list(compare(scenario, run(scenario, seed=7)).values()), float))
    for kind, z in found.items():
        yield draws(f"Whole sets: {kind}", "mice", _plural(len(z), "scenario"), z)


def of_clusters(folder: Path) -> Iterator[Agreement]:
    from test_two_level import SCENARIOS, compare, impute

    found: dict[str, list[np.ndarray]] = {}
    for name, scenario in SCENARIOS.items():
        if name == "2l.norm":  # few clusters: R's draws have tails without a variance, ours are kept from these
            continue
        options = {"effects": "prior"} if scenario["method"] == "2l.bin" else {}
        z = compare(scenario, impute(scenario, 200, **options))
        found.setdefault(scenario["method"], []).append(np.array(list(z.values())))
    for method, z in found.items():
        yield draws(f"Whole sets: {method}", f"mice.impute.{method}", _plural(len(z), "scenario"), z)


def of_level_2(folder: Path) -> Iterator[Agreement]:
    from test_clusters_engine import level_2_z

    r = read(folder, "level_2.json")
    for method in ("norm", "pmm"):
        z, spread = level_2_z(r, method)
        # Of 400 draws on either side a log standard deviation has the variance 1/800.
        yield draws(f"Draws by 2lonly.{method}", f"mice.impute.2lonly.{method}", "20 schools", [z, np.log(spread) * 20])


def of_joint(folder: Path) -> Iterator[Agreement]:
    from test_joint import compared

    r = read(folder, "joint.json")
    continuous = [compared(r[name], 6_000) for name in ("single", "clusters", "pupils", "cities")]
    z = [(frame["difference"] / frame["error"]).to_numpy() for frame in continuous]
    yield draws("Joint model, posterior means", "jomo", "4 data sets of numbers", z)
    spread = [np.abs(frame["ours"] / frame["theirs"] - 1).max() for frame in continuous]
    note = "of 6,000 and 10,000 cycles that hang together"
    yield Agreement("Joint model, posterior SDs", "jomo", "4 data sets of numbers", "of it", max(spread), 0.25, note)
    mixed = [compared(r[name], 10_000) for name in ("single_mixed", "clusters_mixed")]
    apart = [(frame["difference"].abs() / frame["theirs"]).max() for frame in mixed]
    # A coarse limit: it is ours that are calibrated (tests/test_joint.py, ranks of the truth).
    note = "jomo's draws of factors' latent columns are off: intercepts of rare levels, spreads of clusters' effects"
    yield Agreement("Joint model with factors, posterior means", "jomo", "2 data sets", "SDs", max(apart), 0.8, note)


def of_selection(folder: Path) -> Iterator[Agreement]:
    from test_heckman import from_maximum

    distance = [np.abs(from_maximum(kind)[0]).max() for kind in ("continuous", "binary")]
    yield Agreement("Selection models, posterior means", "the likelihood and optim", "2 tables of 2,500 rows", "SEs",
                    max(distance), 0.6, "a posterior mean is near the maximum, not at it")  # fmt: skip


# ---- amputation, copies


def of_amputation(folder: Path) -> Iterator[Agreement]:
    from test_populations import R_AMPUTED, amputed_z

    table = Table.from_pandas(quantiles())
    z = [np.maximum(amputed_z(table, setting), 0) for setting in R_AMPUTED]
    yield draws("What ampute makes missing, and where", "mice::ampute", f"{len(z)} settings", z,
                "beyond .003, which R's search for a shift leaves")  # fmt: skip


def of_odds(folder: Path) -> Iterator[Agreement]:
    from test_ampute import ODDS, odds_z

    z = [odds_z(quantiles(), name) for name in ODDS]
    yield draws("What ampute makes missing by odds", "mice::ampute(cont = FALSE)", f"{len(z)} settings", z)


def of_copies(folder: Path) -> Iterator[Agreement]:
    from test_disclosure import alike_z, own_shares

    r, boys = read(folder, "copies.json"), ms.load_dataset("boys_complete")
    rows = RStream(123 + SEED).sample(748, 748)
    paper = {"minbucket": 3, "cp": 1e-8, "derived": {"bmi": "wgt / (hgt / 100) ** 2"}}
    samples = {"truth": boys, "sample": boys.iloc[rows].reset_index(drop=True)}
    shares = {name: own_shares(data, paper, "linked", m=20, seed=3) for name, data in samples.items()}
    z = [alike_z(found, r[name], 20, r["m"]) for name, found in shares.items()]
    yield draws("Real values that linked sets copy", "mice, cart", "2 samples of boys", z)


# ---- the paper's study


def of_study(folder: Path) -> Iterator[Agreement]:
    for rule in RULES:
        theirs = pd.read_csv(folder / f"{rule}.csv.gz").set_index("replicate")
        chosen = theirs.filter(regex=r"\|(estimate|std_error|mean)$|^confusion")
        ours = _replicates(rule)[chosen.columns]
        difference = ours - chosen
        statistic = difference.mean() / (difference.std() / np.sqrt(len(difference)))
        z = norm.isf(student.sf(np.abs(statistic), len(difference) - 1))
        yield draws(f"Volker & Vink (2021) by the rule of {rule}", "mice, pool.syn, glm, polr",
                    f"{len(difference)} replicates in pairs", [z])  # fmt: skip


def _replicates(rule: str) -> pd.DataFrame:
    study = replicator(compose(["experiment=volker_vink_2021", f"synthesis.rule={rule}", f"seed={SEED}"]).key())
    layout, rows = study.layout, {r: study.run(r - 1).value for r in REPLICATES}
    statistic = np.where(layout.statistic == "correlation", "estimate", layout.statistic)
    names = layout.analysis + "|" + layout.term + "|" + statistic
    synthetic = layout.source == "synthetic"
    return pd.DataFrame({r: values[synthetic] for r, values in rows.items()}, index=names[synthetic]).T
