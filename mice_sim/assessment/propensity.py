"""Utility by propensity: how well a model can tell synthetic records from original ones.

With p the fitted probability of being synthetic, t the label, c the share of synthetic records in all N
(Raab, Nowok & Dibben 2021, table 8; Snoke et al. 2018):

    pMSE     Σ (p − c)² / N
    SPECKS   largest distance between the distribution functions of p in both
    PO50     percent of records on the right side of c, of those on any side, less 50
    U, AUC   rank sum of the synthetic records by p, and the area under the ROC curve
    S_pMSE   pMSE by its expectation in a right synthesis
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, islice
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import chdtrc
from scipy.stats import rankdata

from mice_sim import streams
from mice_sim.analysis.discrimination import confusion
from mice_sim.assessment.data import Assessed, Synthetic, pair
from mice_sim.assessment.separation import MOST_PARAMETERS, Classifier, Logistic, Separator, Tree
from mice_sim.assessment.tabular import ALPHA, Null, check_null, comparable, tail
from mice_sim.errors import MiceSimError, nearest

Expected = Literal["analytic", "permutation", "pairs", "none"]
EXPECTED = ("analytic", "permutation", "pairs", "none")
MEASURES = ("pMSE", "SPECKS", "PO50", "U", "AUC")
METHODS = ("logistic", "cart")
MOST_PAIRS = 1035  # of sets
TIE = 1e-9  # probabilities that differ by less are equal

CALIBRATION = {
    ("Logistic", "analytic"): "calibrated where records are many by coefficient: 1 on average in a right synthesis",
    ("Logistic", "permutation"): "calibrated: 1 on average in a right synthesis",
    ("Logistic", "pairs"): "calibrated for fixed parameters; sets with parameters of their own hide their variation",
    ("Tree", "permutation"): "not calibrated: biased low, .6 to .9 in a right synthesis; compare it between syntheses",
    ("Tree", "pairs"): "not calibrated: biased low, .6 to 1 in a right synthesis; compare it between syntheses",
    ("Classifier", "permutation"): "not known to be calibrated; compare it between syntheses",
    ("Classifier", "pairs"): "not known to be calibrated; compare it between syntheses",
}


def utility_gen(
    synthetic: Synthetic,
    original: pd.DataFrame | None = None,
    *,
    method: Any = "logistic",
    maxorder: int | None = None,
    expected: Expected | None = None,
    permutations: int = 50,
    null: Null = "fresh",
    columns: Sequence[str] | None = None,
    minbucket: int = 5,
    cp: float = 1e-3,
    max_params: int = MOST_PARAMETERS,
    folds: int = 5,
    kept: Sequence[str] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Tell synthetic from original records by a model, as synthpop's `utility.gen`.

    Parameters
    ----------
    synthetic : a result of `synthesize`, a frame or a list of frames. original : the real data; for a result what it
        was made from. kept : columns that were not synthesised; see `pair`. columns : names; all by default.
    method : "logistic"; "cart", a tree with at least `minbucket` records in a leaf and the complexity `cp`; or a
        classifier of scikit-learn, whose probabilities come from cross-validation in `folds` parts (0: none).
    maxorder : of the logistic model, 0 without products of columns, 1 with those of two, …; the default is 1 where
        that gives at most `max_params` parameters, and 20 records or more for each, and else 0.
    expected : how pMSE's expectation in a right synthesis is found. "analytic" (logistic): (p − 1) c (1 − c)² / N with
        p coefficients; "permutation": from `permutations` fits to permuted labels; "pairs": from fits to pairs of
        sets, which serves SPECKS and PO50 too; "none". The default is "analytic", "permutation" for trees, and "none"
        for classifiers.
    null : "fresh" or "fitted", what p-values allow for; see `utility_tables`.
    seed : of permutations and of the Bernoulli draws behind the confusion statistics.

    Returns
    -------
    A frame with a row for each set (1..m), then "mean" and "sd" over them: pMSE, SPECKS, PO50, U, AUC, expected (pMSE's
    expectation), S_pMSE, p_value; S_SPECKS and S_PO50 for pairs; the confusion statistics of Volker & Vink (2021), each
    record's class being drawn with its probability. `attrs` holds method, maxorder, df, expected, calibrated (a
    sentence), null, c, m and notes.

    In partial synthesis only coefficients with a synthesised column count. p_value is NaN without a null distribution;
    that of "mean" is of all sets together.

    Raises
    ------
    MiceSimError
        For data that can't be compared, unknown options, and models with too many parameters.
    """
    data = comparable(pair(synthetic, original, kept)).only(columns)
    check_null(null, ALPHA)
    if not data.drawn.any():
        raise MiceSimError("None of the columns was synthesised, so there is nothing to tell apart; choose others.")
    options: dict[str, Any] = {
        "maxorder": maxorder, "minbucket": minbucket, "cp": cp, "max_params": max_params, "folds": folds,
    }  # fmt: skip
    expected = _check(method, expected, permutations, maxorder, folds, data)
    rows: list[dict[str, float]] = []
    dfs: list[int | None] = []
    notes: list[str] = []
    for i, values in enumerate(data.sets):
        model = separator(method, data, (data.original, values), **options)
        rows.append(_assess(model, data.n, values.shape[1], expected, permutations, null, seed, i))
        dfs.append(model.df)
        notes += model.notes
    if expected == "pairs":
        _add_pairs(rows, method, data, options, seed)
    c = np.array([values.shape[1] / (values.shape[1] + data.n) for values in data.sets])
    frame = pd.DataFrame(rows, index=pd.Index(range(1, data.m + 1), name="set"))
    both = pd.DataFrame({"mean": frame.mean(), "sd": frame.std(ddof=1)}).T  # sd is NaN for one set
    both["p_value"] = [_together(rows, dfs if expected == "analytic" else [None], data, c, null), np.nan]
    frame = pd.concat([frame, both]).rename_axis("set")
    kind = type(model).__name__
    frame.attrs.update(
        method=method if isinstance(method, str) else type(method).__name__,
        maxorder=model.order if isinstance(model, Logistic) else None,
        df=dfs[0],
        expected=expected,
        calibrated=CALIBRATION.get((kind, expected), "no expectation, so nothing is standardised"),
        null=null,
        c=float(c.mean()),
        m=data.m,
        notes=list(dict.fromkeys(notes)),
    )
    return frame


def separator(
    method: Any,
    data: Assessed,
    sets: tuple[np.ndarray, np.ndarray],
    *,
    maxorder: int | None = None,
    minbucket: int = 5,
    cp: float = 1e-3,
    max_params: int = MOST_PARAMETERS,
    folds: int = 5,
) -> Separator:
    """Return the model that tells the records of two sets, each (columns, rows), from each other."""
    if method == "logistic":
        return Logistic(data.columns, data.drawn, sets, maxorder, max_params)
    if method == "cart":
        return Tree(data.columns, sets, minbucket, cp)
    return Classifier(data.columns, sets, method, folds)


def measures(probability: np.ndarray, n2: int) -> dict[str, float]:
    """Return pMSE, SPECKS, PO50, U and AUC of fitted probabilities, the last n2 of which are of synthetic records."""
    total = probability.size
    n1, c = total - n2, n2 / total
    apart = probability - c
    right = int((apart[:n1] < -TIE).sum() + (apart[n1:] > TIE).sum())
    decided = int((np.abs(apart) > TIE).sum())
    ranks = rankdata(np.round(probability / TIE))
    u = float(ranks[n1:].sum())
    order = np.argsort(ranks)
    steps = np.cumsum(np.where(order < n1, 1 / n1, -1 / n2))
    last = np.append(np.diff(ranks[order]) > 0, True)  # of equal probabilities
    return {
        "pMSE": float((apart**2).mean()),
        "SPECKS": float(np.abs(steps[last]).max()),
        "PO50": 100 * right / decided - 50 if decided else 0.0,
        "U": u,
        "AUC": (u - n2 * (n2 + 1) / 2) / n1 / n2,
    }


def _check(
    method: Any, expected: str | None, permutations: int, maxorder: int | None, folds: int, data: Assessed
) -> Expected:
    if isinstance(method, str):
        if method not in METHODS:
            raise MiceSimError(f"There is no method '{method}'{nearest(method, METHODS)}")
    elif not (hasattr(method, "fit") and hasattr(method, "predict_proba")):
        raise MiceSimError(
            f"method is a {type(method).__name__}; give 'logistic', 'cart' or a classifier with fit and predict_proba."
        )
    if expected is None:
        expected = (
            {"logistic": "analytic", "cart": "permutation"}.get(method, "none") if isinstance(method, str) else "none"
        )
    if expected not in EXPECTED:
        raise MiceSimError(f"expected is {expected!r}{nearest(str(expected), EXPECTED)}")
    if expected == "analytic" and method != "logistic":
        raise MiceSimError("Only the logistic model's pMSE has an analytic expectation; give expected='permutation'.")
    if expected == "pairs" and data.m < 2:
        raise MiceSimError("Pairs need two synthetic sets or more; make more, or give expected='permutation'.")
    for name, value, least in (("permutations", permutations, 1), ("maxorder", maxorder, 0), ("folds", folds, 0)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least):
            raise MiceSimError(f"{name} is {value!r}; give a whole number of at least {least}.")
    return expected  # type: ignore[return-value]


def _assess(
    model: Separator, n1: int, n2: int, expected: str, permutations: int, null: str, seed: int, i: int
) -> dict[str, float]:
    """Return one set's row."""
    total, c = n1 + n2, n2 / (n1 + n2)
    label = np.repeat([0.0, 1.0], [n1, n2])
    rng = streams.stream(seed, "utility", i)
    probability = model.fit(label, rng)
    found = measures(probability, n2)
    mean = p_value = np.nan
    # New data from the same source, and permuted labels, vary 1 / (1 − c) times as much as draws given the original.
    if expected == "analytic":
        assert model.df is not None
        mean = model.df * c * (1 - c) ** 2 / total
        if model.df:
            p_value = float(chdtrc(model.df, _chi_square(found["pMSE"], total, c, null)))
    elif expected == "permutation":
        shuffled = [_permuted(model, label, rng) for _ in range(permutations)]
        mean = float(np.mean(shuffled)) * (1 - c)
        null_draws = np.array(shuffled) * (1 - c if null == "fitted" else 1.0)
        p_value = float((1 + (null_draws >= found["pMSE"]).sum()) / (1 + permutations))
    found |= {"expected": mean, "S_pMSE": found["pMSE"] / mean if mean > 0 else np.nan, "p_value": p_value}
    drawn = rng.random(total) < 1 - probability
    return found | {name: float(v[0]) for name, v in confusion(label == 0, drawn).values.items()}


def _permuted(model: Separator, label: np.ndarray, rng: np.random.Generator) -> float:
    return float(((model.fit(rng.permutation(label), rng) - label.mean()) ** 2).mean())


def _chi_square(pmse: float, total: int, c: float, null: str) -> float:
    return pmse * total / (c * (1 - c) ** 2) * (1 - c if null == "fresh" else 1.0)


def _add_pairs(rows: list[dict[str, float]], method: Any, data: Assessed, options: dict[str, Any], seed: int) -> None:
    """Fill in expectations from pairs of sets.

    Two sets given one original differ with variances p/n₂ + p/n₂, a set from the original with p/n₂ alone; so pMSE of
    the latter is 8 c² (1 − c)² times that of the former (a half for c = ½), and distances its square root.
    """
    found = []
    for a, b in islice(combinations(range(data.m), 2), MOST_PAIRS):
        model = separator(method, data, (data.sets[a], data.sets[b]), **options)
        n = [data.sets[i].shape[1] for i in (a, b)]
        rng = streams.stream(seed, "utility pairs", a, b)
        found.append(measures(model.fit(np.repeat([0.0, 1.0], n), rng), n[1]))
    for row, values in zip(rows, data.sets, strict=True):
        c = values.shape[1] / (values.shape[1] + data.n)
        share = 8 * c**2 * (1 - c) ** 2
        means = {name: float(np.mean([one[name] for one in found])) for name in ("pMSE", "SPECKS", "PO50")}
        row["expected"] = means["pMSE"] * share
        for name, power in (("pMSE", 1.0), ("SPECKS", 0.5), ("PO50", 0.5)):
            row[f"S_{name}"] = row[name] / (means[name] * share**power) if means[name] > 0 else np.nan


def _together(
    rows: list[dict[str, float]], dfs: Sequence[int | None], data: Assessed, c: np.ndarray, null: str
) -> float:
    """Return the p-value of all sets together."""
    known = [df for df in dfs if df]
    if len(known) < len(dfs):
        return float(np.minimum(1.0, len(rows) * np.min([row["p_value"] for row in rows])))  # Bonferroni; NaN stays
    total = [data.n + values.shape[1] for values in data.sets]
    statistic = sum(_chi_square(row["pMSE"], t, k, null) for row, t, k in zip(rows, total, c, strict=True))
    df = np.array([np.mean(known)])
    shared = float(c.mean()) if null == "fresh" else 0.0
    return float(tail(np.array([statistic]), df, 2 * df, data.m, shared)[0])
