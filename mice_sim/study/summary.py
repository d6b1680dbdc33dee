"""One pass over stored replicates: moments and coverages, in fixed blocks, in the order of replicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from mice_sim.study.measures import covered
from mice_sim.study.store import Store

KEYS = ["source", "analysis", "term", "statistic"]


@dataclass(frozen=True)
class Summary:
    """What the replicates add up to.

    rows : a frame with one row for each (source, analysis, term, statistic): n, mean, sd (over
        replicates), `synthesis_variance`: the variance of the mean over new syntheses of the same
        samples, and `sd_synthesis_variance`: the same for the sd.
    coverage : a frame with one row for each (source, analysis, term) of a model whose truth is known:
        n, coverage, synthesis_variance.
    dispersion : mean and variance of b/(mū) for each pooled model term, for the referee's judgement
        of degrees of freedom.
    replicates : how many replicates went in.
    """

    rows: pd.DataFrame
    coverage: pd.DataFrame
    dispersion: pd.DataFrame
    replicates: int


def summary_of(store: Store, config: Mapping[str, Any]) -> Summary:
    """Add up what a study has stored; `config` is its stored configuration."""
    return summarise(store, config["replicates"], config["synthesis"]["m"])


@np.errstate(over="ignore")  # a rule may give almost no degrees of freedom, and limits beyond 1e150
def summarise(store: Store, replicates: int, m: int) -> Summary:
    """Add up the stored replicates 0..replicates−1."""
    labels = store.labels()
    truth = reference_values(store, labels)
    k = len(labels)
    at = {key: i for i, key in enumerate(labels.itertuples(index=False, name=None))}
    models = [key for key in at if key[3] == "ci_lower"]
    position = {
        s: np.array([at[(*key[:3], s)] for key in models], dtype=int)
        for s in ("estimate", "df", "ci_lower", "ci_upper")
    }
    known = truth[position["estimate"]]

    n = np.zeros(k)
    v1, v2, vx, vxx = (np.zeros(k) for _ in range(4))
    s1, s2 = np.zeros(k), np.zeros(k)
    hits, possible, wobble = (np.zeros(len(models)) for _ in range(3))
    f0, f1, f2 = (np.zeros(len(models)) for _ in range(3))
    shift = None
    count = 0
    for numbers, values, variances in store.blocks(replicates):
        count += len(numbers)
        if shift is None:
            shift = np.where(np.isfinite(values[0]), values[0], 0.0)
        ok = np.isfinite(values)
        x = np.where(ok, values - shift, 0.0)
        v = np.where(ok & np.isfinite(variances), variances, 0.0)
        n += ok.sum(axis=0)
        s1 += x.sum(axis=0)
        s2 += (x * x).sum(axis=0)
        v1 += v.sum(axis=0)
        v2 += (v * v).sum(axis=0)
        vx += (v * x).sum(axis=0)
        vxx += (v * x * x).sum(axis=0)
        part = {s: values[:, p] for s, p in position.items()}
        inside = covered(part["ci_lower"], part["ci_upper"], known)
        fine = ~np.isnan(inside)
        hits += np.nansum(inside, axis=0)
        possible += fine.sum(axis=0)
        wobble += np.where(fine, _coverage_variance(part, variances[:, position["estimate"]], known), 0.0).sum(axis=0)
        share = _dispersion(part["df"], m)
        usable = np.isfinite(share)
        f0 += usable.sum(axis=0)
        f1 += np.where(usable, share, 0.0).sum(axis=0)
        f2 += np.where(usable, share**2, 0.0).sum(axis=0)

    with np.errstate(divide="ignore", invalid="ignore"):
        centre = s1 / n
        variance = np.maximum(s2 - n * centre**2, 0.0) / (n - 1)
        # The delta method: Var(S²) = Σ(4d²v + 2v²)/(R−1)², with d the deviation and v its variance.
        spread = 4 * (vxx - 2 * centre * vx + centre**2 * v1) + 2 * v2
        sd_variance = spread / (n - 1) ** 2 / (4 * variance)
        rows = labels.assign(
            truth=truth, n=n.astype(int), mean=shift + centre if shift is not None else np.nan, sd=np.sqrt(variance),
            synthesis_variance=v1 / n**2, sd_synthesis_variance=np.where(variance > 0, sd_variance, 0.0),
        )  # fmt: skip
        model = pd.DataFrame([key[:3] for key in models], columns=KEYS[:3])
        coverage = model.assign(
            n=possible.astype(int), coverage=hits / possible, synthesis_variance=wobble / possible**2
        )
        mean = f1 / f0
        dispersion = model.assign(n=f0.astype(int), mean=mean, variance=np.maximum(f2 / f0 - mean**2, 0.0))
    return Summary(rows, coverage, dispersion, count)


def reference_values(store: Store, labels: pd.DataFrame) -> np.ndarray:
    """Return the reference data's value of every row's statistic (rows,); NaN where it has none."""
    original = store.original().set_index(["analysis", "term", "statistic"])["value"]
    keys = pd.MultiIndex.from_frame(labels[["analysis", "term", "statistic"]])
    original.index = original.index.set_levels([level.astype(str) for level in original.index.levels])
    return original.reindex(keys).to_numpy(dtype=float)


def _coverage_variance(part: dict[str, np.ndarray], variance: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """π(1−π) of each replicate, with π the chance that a new synthesis of its sample covers the truth.

    The pooled estimate is taken as normal about the one at hand, with variance b/m, at a fixed width.
    """
    spread = np.sqrt(np.where(variance > 0, variance, np.nan))
    chance = ndtr((part["ci_upper"] - truth) / spread) - ndtr((part["ci_lower"] - truth) / spread)
    return np.nan_to_num(chance * (1 - chance))


def _dispersion(df: np.ndarray, m: int) -> np.ndarray:
    """b/(mū), from Reiter's degrees of freedom ν = (m−1)(1 + mū/b)²."""
    if m < 2:
        return np.full(df.shape, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(df / (m - 1))
        return np.where(np.isfinite(root) & (root > 1), 1 / (root - 1), np.nan)
