"""Numbers that must be R's: matrices, models, statistics, pooling, patterns, convergence, trees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from agreement import Agreement, counts, numbers, relative
from conftest import quantiles, small_table

import mice_sim as ms
from mice_sim.analysis import MODELS, models
from mice_sim.analysis.descriptives import correlations, describe
from mice_sim.analysis.discrimination import confusion
from mice_sim.assessment import convergence, flux, md_pairs, md_pattern
from mice_sim.data import Table, contrasts
from mice_sim.data.formula import ModelFormula
from mice_sim.kernels.mixed import LinearFit
from mice_sim.kernels.mixed_logistic import LogisticFit
from mice_sim.study.r_random import RStream

# Where R stops short of the maximum, or differentiates numerically, so does the limit.
NEAR = {"linear": 1e-10, "logistic": 1e-6, "glm": 1e-6, "ordinal": 1e-5, "multinomial": 1e-5}
NAMES = {"linear": "lm", "logistic": "glm, binomial", "ordinal": "MASS::polr", "multinomial": "nnet::multinom"}


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def boys() -> Table:
    return Table.from_pandas(ms.load_dataset("boys_complete"))


# ---- models


def of_models(folder: Path) -> Iterator[Agreement]:
    r = read(folder, "models.json")
    small = small_table(r)
    from test_models import tables_of

    tables = tables_of(r, boys())
    yield _contrasts(r)
    yield _matrices(r, small, tables["1"])
    yield from _fits(r, small, tables)
    yield _likelihoods(r, small)
    yield _determination(r, small)
    yield _described(r, tables)
    yield _classified(r)


def _contrasts(r: dict) -> Agreement:
    wrong = [k for k, values in r["contrasts"].items()
             if [[f"{v:.17g}" for v in row] for row in contrasts.polynomial(int(k))] != values]  # fmt: skip
    return counts("Polynomial contrasts, to the last bit", "contr.poly", "2 to 12 levels", len(wrong))


def _matrices(r: dict, small: Table, data: Table) -> Agreement:
    found = []
    for theirs, table in [*((f, small) for f in r["formulas"]), *((f, data) for f in r["matrices"])]:
        values = table.values if table is small else table.values[:, :30]
        formula = ModelFormula.parse(theirs["formula"], table.columns).learn(values)
        assert list(formula.names) == theirs["names"], theirs["formula"]
        found.append(relative(formula.matrix(values), theirs["values"]))
    for theirs in r["curves"]:
        formula = ModelFormula.parse(f"~ {theirs['curve']} - 1", small.columns).learn(small.values)
        new = np.tile(small.values[:, :1], len(theirs["new"]))
        new[small.index("x")] = theirs["new"]
        found.append(relative(formula.matrix(new), theirs["values"]))
    return numbers("Model matrices: codings, curves, interactions", "model.matrix, splines", f"{len(found)} formulas",
                   found, 1e-10)  # fmt: skip


def _fits(r: dict, small: Table, tables: dict[str, Table]) -> Iterator[Agreement]:
    from test_models import with_holes

    found: dict[str, list[float]] = {}
    for theirs in [f for f in r["fits"] if not f["default"]] + r["more_fits"]:
        stored = "data" in theirs
        table = tables[theirs["data"]] if stored else small
        values = with_holes(small) if theirs.get("holes") else table.values
        formula = ModelFormula.parse(theirs["formula"], table.columns).learn(values)
        weights = np.array(theirs["weights"]) if theirs.get("weights") else None
        ours = models.fit(theirs["model"], formula, values, weights)
        assert list(ours.terms) == theirs["terms"]
        scale = np.sqrt(np.outer(ours.variance, ours.variance))
        theirs_in_ours = np.array(theirs["covariance"]) / scale
        worst = max(relative(ours.estimate, theirs["estimate"]), relative(ours.covariance / scale, theirs_in_ours))
        kind = theirs["model"] if theirs["model"] in NAMES else "ols" if theirs["model"] in ("ols", "wls") else "glm"
        found.setdefault("linear" if kind == "ols" else kind, []).append(worst)
    for kind, values in found.items():
        title = "Generalised linear models" if kind == "glm" else f"{kind.capitalize()} regression"
        yield numbers(f"{title}: coefficients, their covariances", NAMES.get(kind, "glm, eight families and links"),
                      f"{len(values)} fits", values, NEAR[kind])  # fmt: skip


def _likelihoods(r: dict, small: Table) -> Agreement:
    found = []
    for theirs in r["fixed"]:
        formula, theta = ModelFormula.parse(theirs["formula"], small.columns), np.array(theirs["theta"])
        for free, name in ((False, "held"), (True, "free")):
            ours = models.log_likelihood(theirs["model"], formula, small.values, theta, free_constant=free)
            found.append(relative(ours, theirs[name]))
    for theirs in r["more_fits"]:
        if theirs["model"] in ("linear", "poisson", "multinomial") and not (theirs.get("weights") or theirs["holes"]):
            formula = ModelFormula.parse(theirs["formula"], small.columns).learn(small.values)
            estimate = MODELS[theirs["model"]](formula, small.values).estimate
            ours = models.log_likelihood(theirs["model"], formula, small.values, estimate)
            found.append(relative(ours, theirs["log_likelihood"]))
    return numbers("Log-likelihoods, at estimates and elsewhere", "logLik", f"{len(found)} models", found, 1e-8)


def _determination(r: dict, small: Table) -> Agreement:
    found = []
    for theirs in r["r_squared"]:
        formula = ModelFormula.parse(theirs["formula"], small.columns).learn(small.values)
        for adjusted, name in ((False, "plain"), (True, "adjusted")):
            found.append(relative(models.r_squared(formula, small.values, adjusted=adjusted), theirs[name]))
    return numbers("R², plain and adjusted", "summary.lm", f"{len(found)} values", found, 1e-12)


def _described(r: dict, tables: dict[str, Table]) -> Agreement:
    found = []
    for name, theirs in r["describe"].items():
        ours = describe(tables[name].columns, tables[name].values).values
        found += [relative(ours[statistic], values) for statistic, values in theirs.items()]
    return numbers("Descriptive statistics", "psych::describe", f"{len(r['describe'])} tables", found, 1e-12)


def _classified(r: dict) -> Agreement:
    found = []
    for case in r["confusion"]:
        ours = confusion(np.array(case["actual"], bool), np.array(case["predicted"], bool)).values
        found += [relative(ours[name], value) for name, value in case["statistics"].items()]
    cases = f"{len(r['confusion'])} tables"
    return numbers("Confusion statistics", "caret::confusionMatrix", cases, found, 1e-12)


# ---- pooling


def of_pooling(folder: Path) -> Iterator[Agreement]:
    cases = read(folder, "pooling.json")
    yield _pooled(cases["fits"])
    yield from _joint_tests(cases["fits"])
    yield _pooled_determination([case for case in cases["fits"] if case["r2"]])
    yield _scalars(cases["scalars"])
    yield _pooled_correlations(cases["z"])


def _pooled(cases: list[dict]) -> Agreement:
    from test_fits import f, fitted

    found = []
    for case in cases:
        fits = fitted(case)
        for rule in ("rubin1987", "reiter2003"):
            frame = f.pool(fits, rule, force=rule == "reiter2003")
            assert list(frame.index) == case[rule]["terms"]
            found += [relative(frame[name], _floats(theirs)) for name, theirs in case[rule].items() if name != "terms"]
    return numbers("Pooled models: estimates, errors, df, p, intervals, riv, λ, fmi", "mice::pool, pool.syn",
                   f"{2 * len(cases)} models", found, 1e-5)  # fmt: skip


def _joint_tests(cases: list[dict]) -> Iterator[Agreement]:
    from test_fits import f, fitted

    found: dict[str, list[float]] = {"D1": [], "D1 of large samples": [], "D2": [], "D3": []}
    for case in cases:
        large, small, theirs = fitted(case), fitted(case, case["null"]), case["tests"]
        ratios = 2 * (f._at_maximum(large) - f._at_maximum(small))
        for name, key, test in (
            ("D1", "D1", f.d1(large, small)),
            ("D1 of large samples", "D1_large_sample", f.d1(large, small, df_complete=np.inf)),
            ("D2", "D2_wald", f.d2(large, small)),
            ("D2", "D2_likelihood", f.d2(large, small, "likelihood")),
            ("D3", "D3", f.d3(large, small)),
        ):
            if key == "D2_likelihood" and ratios.min() < 1e-5:
                continue  # mitml takes such a ratio for 0
            parts = ["statistic", "df1", "riv"]
            if name != "D1" or test.df1 * (test.m - 1) > 4:  # mice divides by zero below
                parts += ["df2", "p_value"]
            found[name].append(relative([getattr(test, part) for part in parts], [theirs[key][p] for p in parts]))
    for name, values in found.items():
        against = "mitml::testModels" if name.startswith("D1 of") else f"mice::{name}"
        yield numbers(f"{name}: statistic, df, p, riv", against, f"{len(values)} tests", values, 1e-5)


def _pooled_determination(cases: list[dict]) -> Agreement:
    from scipy.special import ndtr
    from test_fits import f, fitted

    found = []
    for case in cases:
        for adjusted in (False, True):
            theirs = case["r2"]["adjusted" if adjusted else "plain"]
            if theirs["estimate"] is None:
                continue  # mice takes the root of a negative adjusted R²
            # mice takes 1.96 for the normal quantile; a negative lower limit it squares.
            frame = f.pool_r_squared(fitted(case), adjusted, level=2 * ndtr(1.96) - 1)
            names = ["estimate", "ci_upper", "fmi"]
            found.append(relative(frame[names], _floats([theirs[name] for name in names])))
    return numbers("Pooled R²", "mice::pool.r.squared", f"{len(found)} values", found, 1e-8)


def _scalars(cases: list[dict]) -> Agreement:
    names = {"qbar": "estimate", "ubar": "within", "b": "between", "t": "total", "df": "df", "r": "riv", "fmi": "fmi"}
    found = []
    for case in cases:
        df_complete = np.inf if case["df_complete"] is None else case["df_complete"]
        for rule in ("rubin1987", "reiter2003"):
            ours = ms.pool_scalar(case["q"], case["u"], rule, df_complete)
            found += [relative(ours[names[name]], value) for name, value in case[rule].items()]
    return numbers("Pooled numbers", "mice::pool.scalar, pool.scalar.syn", f"{2 * len(cases)} numbers", found, 1e-8)


def _pooled_correlations(cases: list[dict]) -> Agreement:
    from types import SimpleNamespace

    from test_fits import completed, f, imputed

    found = []
    for case in cases:
        table, sets = completed("generated", 8)
        result = SimpleNamespace(original=table, sets=sets, origin=imputed("generated", 8))
        row = f.pool_correlations(result, [case["a"], case["b"]]).loc[(case["a"], case["b"])]
        names = ("estimate", "ci_lower", "ci_upper", "std_error", "df", "fmi")
        found += [relative(row[name], case[name]) for name in names]
    cases_ = f"{len(cases)} pairs"
    return numbers("Pooled correlations", "mice::pool.scalar of Fisher's z", cases_, found, 1e-8)


def _floats(values: object) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in np.atleast_1d(np.array(values, dtype=object))], float)


# ---- data with holes, chains


def of_patterns(folder: Path) -> Iterator[Agreement]:
    from test_ampute import ONE, R
    from test_patterns import data, result
    from test_patterns import numbers as floats

    wrong, flow = 0, []
    for name, theirs in R["patterns"].items():
        frame = data(name)
        ours, pairs = md_pattern(frame), md_pairs(frame)
        wrong += [*ours.columns] != [*theirs["columns"], "missing"] or [*ours.index] != [*theirs["rows"], "missing"]
        wrong += ours.to_numpy().tolist() != theirs["matrix"]
        wrong += sum(getattr(pairs, part).to_numpy().tolist() != R["pairs"][name][part] for part in R["pairs"][name])
        flow += [relative(flux(frame)[column], floats(values)) for column, values in R["flux"][name].items()]
    cases = f"{len(R['patterns'])} tables"
    yield counts("Patterns and pairs of missing values", "mice::md.pattern, md.pairs", cases, wrong)
    yield numbers("Influx and outflux", "mice::flux", cases, flow, 1e-12)
    found = []
    for case in R["chains"]:
        ours = convergence(result(case), case["parameter"][0])
        theirs = floats(case["psrf"])
        theirs[:, :3] = np.nan  # mice takes iterations for chains before there are four
        found += [relative(ours["ac"], floats(case["ac"])), relative(ours["rhat"], theirs)]
    cases = f"{len(R['chains'])} sets of chains"
    yield numbers("R̂ and autocorrelation of chains", "mice::convergence, rstan::Rhat", cases, found, 1e-8)
    normal = quantiles()
    wide, theirs = normal.assign(c=10 * normal["c"]), R["scores"]
    scores = [ms.ampute(wide, patterns=ONE, weights=theirs["weights"], std=std).scores for std in (True, False)]
    differences = [relative(ours, theirs[key]) for ours, key in zip(scores, ("standardised", "raw"), strict=True)]
    yield numbers("Scores that decide what goes missing", "mice::ampute", "997 rows, twice", differences, 1e-8)


# ---- trees


def of_trees(folder: Path) -> Iterator[Agreement]:
    from test_tree import stored_pairs, unexplained

    samples = RStream(123).sample(748, 748 * 1000).reshape(1000, 748)
    pairs = stored_pairs(boys(), samples)
    leaves = sum(np.unique(pair.theirs).size for pair in pairs)
    differing = [pair for pair in pairs if (pair.ours.number[pair.ours.leaf] != pair.theirs).any()]
    reasons = [reason for pair in differing for reason in unexplained(pair)]
    note = f"{len(differing)} trees part at splits proved to be equally good"
    yield counts(f"Trees, leaf by leaf ({leaves:,} leaves)", "rpart", f"{len(pairs):,} trees", len(reasons), note)


# ---- mixed models


def of_mixed(folder: Path) -> Iterator[Agreement]:
    from test_mixed import ORACLE, arrays, kernels, logistic_mixed, table

    linear = [
        (kernels.linear_mixed(*arrays(case["formula"], table(case["data"])), case["reml"]), case)
        for case in ORACLE["linear"]
    ]
    logistic = [
        (logistic_mixed(*arrays(case["formula"], table(case["data"])), case["nodes"]), case)
        for case in ORACLE["logistic"]
    ]
    yield _mixed("Linear", "lme4::lmer", linear, 1e-5)
    yield _mixed("Logistic", "lme4::glmer", logistic, 1e-4)


def _mixed(kind: str, against: str, fits: list[tuple], limit: float) -> Agreement:
    """Compare fits; where R's is less likely than ours by as much as `limit`, it has not reached the maximum."""
    reached = [(fit, case) for fit, case in fits if fit.deviance > case["deviance"] - limit]
    short = len(fits) - len(reached)
    what = f"{kind} mixed models: coefficients, errors, variances, cluster effects"
    note = f"{short} of {len(fits)} left out, which R ended at a lower likelihood than ours has" if short else ""
    return numbers(what, against, f"{len(reached)} fits", [_from_lme4(*pair) for pair in reached], limit, note)


def _from_lme4(fit: LinearFit | LogisticFit, case: dict) -> float:
    from test_mixed import errors, lower

    se = errors(fit.covariance)[: fit.beta.size]
    found = [relative(fit.beta, case["beta"]), relative(se, errors(case["covariance"])),
             relative(lower(fit.psi), case["psi"]), relative(fit.effects, case["effects"]),
             relative(fit.deviance, case["deviance"])]  # fmt: skip
    if "sigma2" in case:
        found.append(relative(fit.sigma2, case["sigma2"]))
    if case.get("components") is not None:
        found.append(relative(errors(fit.variance_covariance), errors(case["components"])))
    return max(found)


# ---- what only `make verify` asks


def of_tables(folder: Path) -> Iterator[Agreement]:
    r = read(folder, "tables.json")
    related, chosen = [], 0
    for case in r["cases"]:
        frame = pd.DataFrame({name: _floats(values) for name, values in case["data"].items()})
        ours = ms.quickpred(frame, mincor=case["mincor"], minpuc=case["minpuc"], method=case["method"])
        chosen += int((ours.to_numpy() != np.array(case["predictors"])).sum())
        table = Table.from_pandas(pd.DataFrame(case["complete"]))
        found = correlations(table.columns, table.values)
        related.append(relative(found.values["correlation"], case["correlations"]))
    yield counts("Predictors chosen by correlation", "mice::quickpred", f"{len(r['cases'])} tables", chosen)
    yield numbers("Correlations", "cor", f"{len(related)} tables", related, 1e-12)


def of_mids(folder: Path) -> Iterator[Agreement]:
    from test_mids import SCHEMA, from_mids

    told = read(folder, "mids.json")
    pooled = ms.pool(from_mids(pd.read_csv(folder / "mids_long.csv"), SCHEMA).fit("y ~ x + g"))
    found = [relative(pooled[column], told[column]) for column in ("estimate", "std_error", "df")]
    yield numbers("R's own imputations, read and pooled here", "mice::complete, pool", "3 sets", found, 1e-8)
