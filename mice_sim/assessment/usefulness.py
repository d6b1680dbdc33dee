"""Is it useful? The findings on utility: what sets the synthetic records apart from the original ones, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from mice_sim import streams
from mice_sim.assessment.compare import compare, compare_fits
from mice_sim.assessment.copies import ALL_COLUMNS
from mice_sim.assessment.data import MISSING, Assessed, encode
from mice_sim.assessment.findings import Family, Finding, Verdict, counted, number, share
from mice_sim.assessment.propensity import utility_gen
from mice_sim.assessment.tabular import comparable, utility_tables
from mice_sim.data import Column
from mice_sim.data.formula import ModelFormula
from mice_sim.errors import MiceSimError
from mice_sim.fits import fit_sets
from mice_sim.origin import Origin

LARGE = 10.0  # Raab, Nowok & Dibben (2021): above it, they would work on the synthesis
SMALL = 3.0  # and below it they would leave it
ROWS = 20_000  # of the original and of a set, that models tell apart
PERMUTATIONS = 10  # of a tree's labels: enough for its expectation, none for a test
RARE = 0.01  # a level of fewer records is a rare one, whose loss raises no alarm
# Intervals of a term that lie further apart than they are long raise an alarm. Standard errors of models that do not
# fit may be too small, and p-values with them; so far apart they would have to be by half.
OVERLAP = -1.0
SHOWN = 8  # findings of a kind that are told one by one
MODEL_OF = {"continuous": "linear", "binary": "logistic", "ordered": "ordinal", "unordered": "multinomial"}


@dataclass(frozen=True, eq=False)
class Usefulness:
    """The findings, and what they rest on: tables of one and two columns, marginals, and `compare_fits` by formula."""

    findings: tuple[Finding, ...]
    tables: pd.DataFrame
    marginals: pd.DataFrame
    fits: dict[str, pd.DataFrame]


def usefulness(data: Assessed, formulas: Sequence[str], rate: float, seed: int, quick: bool) -> Usefulness:
    """Return the findings; a right synthesis raises any alarm with probability `rate` at most.

    formulas : of models that are fitted to the original and to the sets. quick : leave the tree out.
    """
    data = comparable(data)
    if not data.drawn.any():  # a copy of the original: nothing is known to be kept, everything is to be looked at
        data = replace(data, drawn=np.full(len(data.columns), True))
    sample = _sample(data, seed)
    model = utility_gen(sample, seed=seed)
    tables = utility_tables(data, ways=[1, 2])
    marginals = compare(data)
    fits = {formula: _fit(data, formula) for formula in formulas}
    lost = _lost(data)
    tests = Family.of(
        {
            ("model of all", ALL_COLUMNS): float(model.loc["mean", "p_value"]),
            **{("column" if t.way == 1 else "pair", t.Index): t.p_value for t in tables.itertuples()},
            **{("level", level): row["p"] for level, row in lost.items()},
            **{("fit", formula): fit.attrs["lack_of_fit_p"] for formula, fit in fits.items()},
        },
        rate,
    )
    upper = 1 + float(np.mean([values.shape[1] for values in data.sets])) / data.n
    findings = [_of_model(model, tests, upper)]
    if not quick:
        findings.append(_of_tree(utility_gen(sample, method="cart", permutations=PERMUTATIONS, seed=seed), upper))
    findings += _of_columns(tables, marginals, tests, data, upper)
    findings += _of_levels(lost, tests, data)
    findings += _of_pairs(tables, tests, data, upper)
    findings += [_of_fit(formula, fit, tests) for formula, fit in fits.items()]
    return Usefulness(tuple(findings), tables, marginals, fits)


def _sample(data: Assessed, seed: int) -> Assessed:
    """Return at most ROWS records of the original and of each set; the same ones of sets of one size."""
    sizes = {values.shape[1] for values in (data.original, *data.sets)}
    rows = {n: np.sort(streams.stream(seed, "assess", "rows", n).permutation(n)[:ROWS]) for n in sizes if n > ROWS}

    def cut(values: np.ndarray) -> np.ndarray:
        return values[:, rows[values.shape[1]]] if values.shape[1] in rows else values

    return replace(data, original=cut(data.original), sets=tuple(map(cut, data.sets)))


# ---- all columns


def _of_model(found: pd.DataFrame, tests: Family, upper: float) -> Finding:
    s, auc = float(found.loc["mean", "S_pMSE"]), float(found.loc["mean", "AUC"])
    products = " and their products" if found.attrs["maxorder"] else ""
    how = "hardly" if auc < 0.55 else "somewhat" if auc < 0.65 else "clearly" if auc < 0.8 else "easily"
    verdict = tests.verdict("model of all", ALL_COLUMNS, s >= LARGE)
    return Finding(
        "utility", "model of all", ALL_COLUMNS,
        f"A logistic model of all columns{products} tells synthetic from original records {how}: its AUC is {auc:.2f} "
        f"(a guess has 0.50), its standardised pMSE {number(s)} ({_expected(upper)}).",
        "Nothing needs to be done." if verdict == "ok"
        else "See below which columns and pairs it is, and give these other methods or predictors.",
        s, LARGE, tests.adjusted("model of all", ALL_COLUMNS), verdict,
    )  # fmt: skip


def _expected(upper: float) -> str:
    return f"a right synthesis has 1 to {number(upper, 2)}"


def _of_tree(found: pd.DataFrame, upper: float) -> Finding:
    # Its AUC is not told: of a tree that fits noise it lies far above that of a guess.
    s = float(found.loc["mean", "S_pMSE"])
    verdict: Verdict = "look" if s >= SMALL else "ok"
    return Finding(
        "utility", "tree of all", ALL_COLUMNS,
        f"A classification tree, which sees curves and combinations too, has a standardised pMSE of {number(s)} "
        f"({_expected(upper)}); trees have no test, and above {SMALL:g} there is something to look at.",
        "Nothing needs to be done." if verdict == "ok"
        else "If no pair below stands out, combinations of three columns differ: take trees, or add products.",
        s, SMALL, np.nan, verdict,
    )  # fmt: skip


# ---- columns and pairs


def _of_columns(
    tables: pd.DataFrame, marginals: pd.DataFrame, tests: Family, data: Assessed, upper: float
) -> list[Finding]:
    ones = tables[tables["way"] == 1].sort_values("S_pMSE", ascending=False, kind="stable")
    off = [name for name in ones.index if tests.verdict("column", name) != "ok"]
    known = {column.name: column for column in data.columns}
    found = [
        Finding(
            "utility", "column", name,
            f"{name} is distributed otherwise: {_marginal(known[name], marginals.loc[name])}; "
            f"its standardised pMSE is {number(ones.at[name, 'S_pMSE'])} ({_expected(upper)}).",
            f"Look at {name} in the figure; give it another method, smaller leaves, bounds or smoothing.",
            float(ones.at[name, "S_pMSE"]), LARGE, tests.adjusted("column", name),
            tests.verdict("column", name, ones.at[name, "S_pMSE"] >= LARGE),
        )
        for name in off[:SHOWN]
    ]  # fmt: skip
    if len(off) > SHOWN:
        found.append(_further("column", ones.loc[off[SHOWN:]], tests))
    if not off:
        name, s = str(ones.index[0]), float(ones["S_pMSE"].iloc[0])
        found = [
            Finding(
                "utility", "column", ALL_COLUMNS,
                f"Each of the {counted(len(ones), 'column')} is distributed as in the original, as far as chance lets "
                f"one tell; the least alike is {name}, with a standardised pMSE of {number(s)} ({_expected(upper)}).",
                "Nothing needs to be done.", s, LARGE, tests.adjusted("column", name), "ok",
            )
        ]  # fmt: skip
    return found


def _further(name: str, rest: pd.DataFrame, tests: Family) -> Finding:
    s = float(rest["S_pMSE"].max())
    severe = [tests.verdict(name, subject, value >= LARGE) for subject, value in rest["S_pMSE"].items()]
    return Finding(
        "utility", name, "(further ones)",
        f"{counted(len(rest), f'further {name} differs', f'further {name}s differ')}, with standardised pMSEs up to "
        f"{number(s)}.",
        "They are in the figure and in the table by column." if name == "column" else "They are in the heat map.",
        s, LARGE, min(tests.adjusted(name, str(subject)) for subject in rest.index),
        "alarm" if "alarm" in severe else "look",
    )  # fmt: skip


def _marginal(column: Column, rows: pd.DataFrame) -> str:
    """Return what differs most in a column's marginals."""
    missing = rows.loc[[MISSING]] if MISSING in rows.index else rows.iloc[:0]
    if column.is_factor or (len(missing) and abs(missing["difference"].iloc[0]) > 0.05):
        level = (rows if column.is_factor else missing)["difference"].abs().idxmax()
        what = "missing" if level == MISSING else f"'{level}'"
        real, made = (share(rows.at[level, of]) for of in ("original", "synthetic"))
        return f"{real} are {what} in the original, {made} in the sets"
    mean, sd = rows.loc["mean"], rows.loc["sd"]
    return (
        f"its mean is {number(mean['original'])} in the original and {number(mean['synthetic'])} in the sets, its "
        f"standard deviation {number(sd['original'])} and {number(sd['synthetic'])}"
    )


def _of_pairs(tables: pd.DataFrame, tests: Family, data: Assessed, upper: float) -> list[Finding]:
    pairs = tables[tables["way"] == 2].sort_values("S_pMSE", ascending=False, kind="stable")
    if pairs.empty:
        return []
    known = {f"{a}:{b}": (a, b) for i, a in enumerate(data.names) for b in data.names[i + 1 :]}
    off = [name for name in pairs.index if tests.verdict("pair", name) != "ok"]
    if not off:
        a, b = known[str(pairs.index[0])]
        s = float(pairs["S_pMSE"].iloc[0])
        return [
            Finding(
                "utility", "pair", ALL_COLUMNS,
                f"All {counted(len(pairs), 'pair')} of columns go together as in the original, as far as chance lets "
                f"one tell; the least alike are {a} and {b}, with a standardised pMSE of {number(s)} "
                f"({_expected(upper)}).",
                "Nothing needs to be done.", s, LARGE, tests.adjusted("pair", str(pairs.index[0])), "ok",
            )
        ]  # fmt: skip
    # A column that is off by itself is so in every pair; pairs of sound columns say more.
    sound = [name for name in off if all(tests.verdict("column", one) == "ok" for one in known[name])]
    told = sound[:SHOWN]
    found = [
        Finding(
            "utility", "pair", name,
            f"{_association(data, *known[name])}; the standardised pMSE of their table is "
            f"{number(pairs.at[name, 'S_pMSE'])} ({_expected(upper)}).",
            f"Let {known[name][0]} predict {known[name][1]}, or the other way round, and by a model that can.",
            float(pairs.at[name, "S_pMSE"]), LARGE, tests.adjusted("pair", name),
            tests.verdict("pair", name, pairs.at[name, "S_pMSE"] >= LARGE),
        )
        for name in told
    ]  # fmt: skip
    rest = [name for name in off if name not in told]
    return [*found, _further("pair", pairs.loc[rest], tests)] if rest else found


def _association(data: Assessed, a: str, b: str) -> str:
    """Return how two columns go together, in the original and on average in the sets."""
    one = data.only([a, b])
    if not any(column.is_factor for column in one.columns):
        real, *made = [_correlation(*values) for values in (one.original, *one.sets)]
        what = "have a correlation of"
    else:
        codes = encode(one)
        real, *made = [_cramer(x, y, codes.sizes) for x, y in (codes.original, *codes.sets)]
        what = "have an association (Cramér's V of their table) of"
    return f"{a} and {b} {what} {real:.2f} in the original and {np.mean(made):.2f} in the sets".replace(" -", " −")


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    both = ~(np.isnan(x) | np.isnan(y))
    x, y = x[both], y[both]
    return float(np.corrcoef(x, y)[0, 1]) if both.sum() > 1 and np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0


def _cramer(x: np.ndarray, y: np.ndarray, sizes: np.ndarray) -> float:
    """Return Cramér's V (1946), √(X²/(n (r − 1))) with r the lesser number of levels that occur."""
    counts = np.bincount(x.astype(np.int64) * sizes[1] + y, minlength=int(sizes.prod())).reshape(sizes).astype(float)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2:
        return 0.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    return float(np.sqrt(((counts - expected) ** 2 / expected).sum() / counts.sum() / (min(counts.shape) - 1)))


# ---- levels


def _lost(data: Assessed) -> dict[str, dict[str, Any]]:
    """Return every level of a synthesised factor: its records, those expected in the sets, and p of there being so few.

    p is that of none among all sets' records where original and synthetic records come from one source; of right
    syntheses with one model for all sets, none is rarer still. It is 1 where there is one.
    """
    found = {}
    made = sum(values.shape[1] for values in data.sets)
    for j, column in enumerate(data.columns):
        if column.levels is None or not data.drawn[j]:
            continue
        real, *others = [
            np.bincount(values[j][~np.isnan(values[j])].astype(int), minlength=column.n_levels)
            for values in (data.original, *data.sets)
        ]
        for level, n, k in zip(column.levels, real, np.sum(others, axis=0), strict=True):
            if n:
                p = float(hypergeom.pmf(0, data.n + made, n, made)) if k == 0 else 1.0
                found[f"{column.name} = {level}"] = {
                    "column": column.name, "level": level, "n": int(n), "p": p, "expected": n * made / data.n,
                }  # fmt: skip
    return found


def _of_levels(lost: dict[str, dict[str, Any]], tests: Family, data: Assessed) -> list[Finding]:
    off = [name for name in lost if tests.verdict("level", name) != "ok"]
    return [
        Finding(
            "utility", "level", name,
            f"No synthetic record has '{row['level']}' in {row['column']}, which {row['n']} of {data.n:,} original "
            f"records have; {number(row['expected'], 2)} were to be expected.",
            "A rare level may be dropped on purpose; else give its column smaller leaves, or merge levels before.",
            0.0, row["expected"], tests.adjusted("level", name),
            tests.verdict("level", name, row["n"] >= RARE * data.n),
        )
        for name, row in ((name, lost[name]) for name in off)
    ]  # fmt: skip


# ---- models


def _fit(data: Assessed, formula: str) -> pd.DataFrame:
    """Return `compare_fits` of the model that the response asks for."""
    parsed = ModelFormula.parse(formula, data.columns)
    model = "linear" if parsed.response is None else MODEL_OF[data.columns[parsed.response].kind]
    k = min(values.shape[1] for values in data.sets)
    # Of sets from elsewhere it is not known whether parameters were drawn; that they were allows for more variation.
    origin = data.origin or Origin("sequential", "none", True, bool(data.drawn.all()), data.n, k, data.m)
    fits = fit_sets(formula, model, data.columns, data.sets, origin)  # type: ignore[arg-type]
    (known,) = fit_sets(formula, model, data.columns, (data.original,), origin).estimates  # type: ignore[arg-type]
    if known.terms != fits.terms:
        raise MiceSimError(f"The model {formula} has other terms in the original than in the sets; merge rare levels.")
    found = compare_fits(fits, known)
    found.attrs["model"] = model
    return found


def _of_fit(formula: str, fit: pd.DataFrame, tests: Family) -> Finding:
    overlap, least = fit.attrs["mean_ci_overlap"], fit["ci_overlap"].idxmin()
    apart = fit["ci_overlap"].min() < OVERLAP
    untested = bool(np.isnan(fit.attrs["lack_of_fit_p"]))
    verdict: Verdict = "look" if untested and apart else tests.verdict("fit", formula, apart)
    return Finding(
        "utility", "fit", formula,
        f"Fitted to both, the 95 % intervals of {formula} have {_overlap(overlap)} of their lengths in common on "
        f"average, least in {least} ({number(fit.at[least, 'original'])} in the original, "
        f"{number(fit.at[least, 'synthetic'])} in the sets, overlap {_overlap(fit.at[least, 'ci_overlap'])}).",
        "Conclusions from this model hold." if verdict == "ok"
        else "Do not draw conclusions on these terms from the sets; let the response's predictors be in its model.",
        float(fit["ci_overlap"].min()), OVERLAP, tests.adjusted("fit", formula), verdict,
    )  # fmt: skip


def _overlap(value: float) -> str:
    return share(value) if value >= 0 else "nothing"
