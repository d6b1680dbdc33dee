"""The referee: every published number against ours, one by one and all together.

Deterministic cells (the reference data, and the paper's own bootstrap samples) must agree in every
printed digit. The others are judged by z = (ours − published) / √(both runs' Monte Carlo variance +
rounding). Where the samples are the published study's own, only the synthesis is random, and the
variance that counts is that of new syntheses of the same samples.

All cells together: the joint p-value is twice the smaller of Holm's (1979) and the Cauchy combination's
(Liu & Xie 2020), which both hold under the strong dependence between cells.

Means of Reiter's degrees of freedom have no variance: with m sets ν grows as b⁻², and E(b⁻²) is infinite
when b has m − 1 ≤ 4 degrees of freedom. They are judged by simulating the ratio of two such means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from mice_sim import streams
from mice_sim.report.published import Published, load_published
from mice_sim.report.style import SAMPLES
from mice_sim.study.measures import mean_mcse, sd_mcse, share_mcse
from mice_sim.study.summary import KEYS, Summary

LIMIT = 4.0  # |z| above this is outside
CLEAR = 3  # Monte Carlo errors that a coverage may be off
ALPHA = 0.01  # the joint test rejects below this
SIMULATIONS = 1000  # of a mean of degrees of freedom

COLUMNS = ["table", "source", "term", "statistic", "published", "printed", "ours", "mcse", "z", "verdict", "note"]

# What a published statistic is made of: our statistic, and how it is summed up over replicates.
MEASURES = {
    "bias": ("estimate", "bias"),
    "coverage": ("coverage", "coverage"),
    "mean_std_error": ("std_error", "mean"),
    "mean_df": ("df", "mean"),
    "true_minus_synthetic": ("correlation", "true_minus_mean"),
    "mean_of_replicate_means": ("mean", "mean"),
    "sd_of_replicate_means": ("mean", "sd"),
    "mean_count": ("count", "mean"),
    "sd_count": ("count", "sd"),
}


@dataclass(frozen=True)
class Verdict:
    """What the referee says.

    agrees : True, False, or None where nothing was judged. headline, sentences : the verdict in words.
    agreement : one row a published number, columns as in `COLUMNS`.
    """

    agrees: bool | None
    headline: str
    sentences: list[str]
    agreement: pd.DataFrame | None


@dataclass(frozen=True)
class Ours:
    """Our value of a cell, its Monte Carlo variance over new samples, and over new syntheses of the same."""

    value: float
    variance: float
    synthesis_variance: float
    deterministic: bool = False


def judge(summary: Summary, config: dict) -> Verdict:
    """Hold a study against the published one that its configuration names."""
    name = config["report"].get("published")
    if not name:
        return Verdict(None, *_of_coverages(summary, float(config["pooling"]["level"])), None)
    published = load_published(name)
    same_samples = config["resampling"] == published.design["resampling"]
    complete = summary.replicates == published.design["replicates"]
    book = _Book(summary)
    rows = [
        _judge_cell(cell, book, published, config, same_samples and complete)
        for cell in published.cells.itertuples(index=False)
    ]
    agreement = pd.DataFrame(rows, columns=COLUMNS)
    if not complete:
        agreement.loc[agreement["source"] != "original", "verdict"] = "not judged"
    return _verdict(agreement, published, summary, complete)


def _of_coverages(summary: Summary, level: float) -> tuple[str, list[str]]:
    """Return a headline and sentences for a study that has no published one: how its methods cover."""
    methods = ~summary.coverage["source"].isin(SAMPLES)
    rows = summary.coverage[methods].dropna(subset=["coverage"])
    if rows.empty:
        return "There is no published study to compare with, and no coverage of a known truth.", []
    off = (rows["coverage"] - level).abs() > CLEAR * share_mcse(level, rows["n"])
    furthest = rows.loc[(rows["coverage"] - level).abs().idxmax()]
    where = f"{furthest['coverage']:.3f}, of {furthest['term']} ({furthest['analysis']}) by {furthest['source']}"
    if not off.any():
        return f"All coverages are within {CLEAR} Monte Carlo errors of {level:g}.", [f"The furthest is {where}."]
    told = f"{off.sum()} of {len(rows)} coverages are more than {CLEAR} Monte Carlo errors from {level:g}."
    return told, [f"The furthest is {where}."]


class _Book:
    """Our numbers by (analysis, source, term, statistic)."""

    def __init__(self, summary: Summary):
        self.summary = summary
        self.rows = summary.rows.set_index(KEYS)
        self.coverage = summary.coverage.set_index(KEYS[:3])
        self.dispersion = summary.dispersion.set_index(KEYS[:3])

    def find(self, source: str, analysis: str, term: str, statistic: str) -> Ours | None:
        statistic, measure = MEASURES.get(statistic, (statistic, "mean"))
        if measure == "coverage":
            key = (source, analysis, term)
            if key not in self.coverage.index:
                return None
            row = self.coverage.loc[key]
            p = float(row["coverage"])
            return Ours(p, share_mcse(p, row["n"]) ** 2, float(row["synthesis_variance"]))
        # The reference data's own value stands beside the rows of the bootstrap.
        key4 = ("bootstrap" if source == "original" else source, analysis, term, statistic)
        if key4 not in self.rows.index:
            return None
        row = self.rows.loc[key4]
        if source == "original":
            return Ours(float(row["truth"]), 0.0, 0.0, deterministic=True)
        n, sd = int(row["n"]), float(row["sd"])
        if measure == "sd":
            return Ours(sd, sd_mcse(sd, n) ** 2, float(row["sd_synthesis_variance"]))
        mean, truth = float(row["mean"]), float(row["truth"])
        value = {"mean": mean, "bias": mean - truth, "true_minus_mean": truth - mean}[measure]
        return Ours(value, mean_mcse(sd, n) ** 2, float(row["synthesis_variance"]), deterministic=sd == 0)


def _judge_cell(cell, book: _Book, published: Published, config: dict, same_samples: bool) -> tuple:
    target = float(cell.value)
    labels = (cell.table, cell.source, cell.term, cell.statistic, target, cell.printed)
    analysis = published.tables[cell.table]["analysis"]
    ours = book.find(cell.source, analysis, cell.term, cell.statistic)
    if ours is None or not math.isfinite(ours.value):
        return (*labels, np.nan, np.nan, np.nan, "different", "this study has no such number")
    exact = ours.deterministic or (same_samples and cell.source == "bootstrap")
    if exact:
        verdict, note = _judge_exact(cell, ours.value, target, published)
        return (*labels, ours.value, 0.0, np.nan, verdict, note)
    note, mcse = "", math.nan
    variance = ours.synthesis_variance if same_samples else ours.variance
    if cell.statistic == "mean_df" and _rule(config, analysis) == "reiter2003":
        z = _df_z(book, (cell.source, analysis, cell.term), ours.value, target, config)
        note = "judged by simulation: the mean of these degrees of freedom has no variance"
    else:
        # Both runs err alike; rounding is uniform within half a unit of the last digit.
        rounding = 10.0 ** -_decimals(cell.value) / math.sqrt(12)
        spread = math.sqrt(2 * variance + rounding**2)
        z = (ours.value - target) / spread
        mcse = math.sqrt(variance)
    return (*labels, ours.value, mcse, z, "within" if abs(z) <= LIMIT else "outside", note)


def _rule(config: dict, analysis: str) -> str:
    pooling = config["pooling"]
    return pooling.get(analysis, pooling[config["analysis"][analysis]["kind"]])


def _judge_exact(cell, ours: float, target: float, published: Published) -> tuple[str, str]:
    if cell.printed:
        same = f"{ours:.{_decimals(cell.printed)}f}" == cell.printed
    else:
        same = abs(ours - target) <= 10.0 ** -_decimals(cell.value)
    if same:
        return "exact", ""
    for known in published.explained:
        alike = all(known[k] == getattr(cell, k) for k in ("table", "source", "term", "statistic"))
        if alike and abs(ours - target) <= known["tolerance"]:
            return "explained", known["reason"]
    return "different", "a deterministic number that differs in a printed digit"


def _decimals(text: str) -> int:
    """Return the number of digits after the point, as in 1.50 or -4.3e-05."""
    mantissa, _, exponent = text.lower().partition("e")
    return len(mantissa.partition(".")[2]) - int(exponent or 0)


def _df_z(book: _Book, key: tuple, ours: float, target: float, config: dict) -> float:
    """Return the signed normal score of the ratio of two means of Reiter's degrees of freedom.

    Each replicate's b/(mū) is φ·χ²/(m−1), with φ gamma over samples: its mean and variance are those of
    our replicates.
    """
    m, replicates = int(config["synthesis"]["m"]), book.summary.replicates
    row = book.dispersion.loc[key]
    mean, variance = float(row["mean"]), float(row["variance"])
    if not (math.isfinite(mean) and mean > 0 and ours > 0):
        return math.inf
    noise = 2 / (m - 1)
    between = max((variance / mean**2 - noise) / (1 + noise), 1e-6)
    rng = streams.stream(int(config["seed"]), "referee", *key)
    logs = []
    for _ in range(2):
        total = np.zeros(SIMULATIONS)
        for _ in range(replicates):
            share = mean * rng.gamma(1 / between, between, SIMULATIONS) * rng.chisquare(m - 1, SIMULATIONS) / (m - 1)
            total += (m - 1) * (1 + 1 / share) ** 2
        logs.append(np.log(total))
    ratios = np.abs(logs[0] - logs[1])
    distance = math.log(ours / target)
    p = (1 + (ratios >= abs(distance)).sum()) / (SIMULATIONS + 1)
    return math.copysign(-float(ndtri(p / 2)), distance)


def joint_p_value(z: np.ndarray) -> float:
    """Return twice the smaller of Holm's and the Cauchy combination's p-value of |z| scores."""
    p = np.maximum(2 * ndtr(-np.abs(z)), 1e-300)
    if p.size == 0:
        return 1.0
    holm = min(1.0, p.min() * p.size)
    with np.errstate(over="ignore"):
        # tan((½ − p)π) is 1/(pπ) for small p, where the tangent loses its digits.
        terms = np.where(p < 1e-8, 1 / (p * np.pi), np.tan((0.5 - p) * np.pi))
        statistic = terms.mean()
    cauchy = 0.5 - math.atan(statistic) / math.pi if statistic < 1e8 else 1 / (statistic * math.pi)
    return min(1.0, 2 * min(holm, cauchy))


def _verdict(agreement: pd.DataFrame, published: Published, summary: Summary, complete: bool) -> Verdict:
    count = agreement["verdict"].value_counts()
    scores = agreement.loc[agreement["verdict"].isin(["within", "outside"]), "z"].to_numpy()
    p = joint_p_value(scores)
    holm = np.maximum(2 * ndtr(-agreement["z"].abs()), 1e-300) * len(scores)
    agreement.loc[(agreement["verdict"] == "within") & (holm < ALPHA), "verdict"] = "outside"
    bad = agreement[agreement["verdict"].isin(["outside", "different"])]
    sentences = [f"{len(agreement)} published numbers of {published.title}."]
    if count.get("exact", 0) + count.get("explained", 0):
        sentences.append(
            f"{count.get('exact', 0)} deterministic numbers agree in every printed digit"
            + (
                f", {count['explained']} differs for a known reason: {_names(agreement, 'explained')}."
                if count.get("explained")
                else "."
            )
        )
    if len(scores):
        sentences.append(
            f"{len(scores)} random numbers: largest |z| {np.abs(scores).max():.2f} (limit {LIMIT:g}), "
            f"joint p {f'{p:.3g}' if p > 1e-16 else 'below 1e-16'} (limit {ALPHA:g})."
        )
    if len(bad):
        sentences.append(f"{len(bad)} numbers do not agree: {_names(agreement, 'different', 'outside')}.")
    if not complete and not len(bad):
        ran, wanted = summary.replicates, published.design["replicates"]
        return Verdict(None, f"Not judged: {ran} of the published {wanted} replicates were run.", sentences, agreement)
    agrees = not len(bad) and p >= ALPHA
    if agrees:
        headline = "The study agrees with the published one."
    else:
        headline = "The study does not agree with the published one."
        if not len(bad):
            sentences.append("No single number is outside, but together they are too far off.")
    return Verdict(bool(agrees), headline, sentences, agreement)


def _names(agreement: pd.DataFrame, *verdicts: str, most: int = 12) -> str:
    """Name the cells with these verdicts, the farthest first."""
    chosen = agreement[agreement["verdict"].isin(verdicts)]
    chosen = chosen.assign(size=chosen["z"].abs().fillna(np.inf)).sort_values("size", ascending=False, kind="stable")
    named = [f"{r.table} {r.source} {r.term} {r.statistic}" for r in chosen.head(most).itertuples()]
    return ", ".join(named) + (f" and {len(chosen) - most} more" if len(chosen) > most else "")
