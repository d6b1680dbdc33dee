"""Attacks on synthetic data: is a person in the data, what is their secret, which records are theirs?

Every attack is run on people of the data and on people of a holdout, whom the synthesis never saw. What succeeds on
the holdout too is knowledge about the population; only the difference is a leak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from mice_sim import streams
from mice_sim.assessment.copies import record_index
from mice_sim.assessment.data import Assessed, Synthetic, pair
from mice_sim.assessment.nearest import Index, Metric
from mice_sim.data import Table
from mice_sim.errors import MiceSimError
from mice_sim.synthesis.spec import whole

# So many records at most are looked up; the results say how many were.
LIMIT = 10_000
# Of the people who are not in the data, the share that may be taken for members.
FALSE_POSITIVE = 0.01
# Keeps the ratio of two distances finite.
TINY = 1e-9


@dataclass(frozen=True, eq=False)
class Scene:
    """What attackers know: all synthetic records, and people who are in the data or not.

    data : the real data and the sets. labels : of the real records. made : float64 (columns, rows of all sets).
    holdout : float64 (columns, rows). members, others : numbers of the real and the held-out records that are attacked,
    of equal number, ascending. seed : of all random choices.
    """

    data: Assessed
    labels: pd.Index
    made: np.ndarray
    holdout: np.ndarray
    members: np.ndarray
    others: np.ndarray
    seed: int

    @property
    def people(self) -> tuple[np.ndarray, np.ndarray]:
        """The values (columns, rows) of both kinds of people."""
        return self.data.original[:, self.members], self.holdout[:, self.others]

    def limited(self, limit: int | None) -> Scene:
        """Return the same scene with at most so many people of each kind, drawn at random if there are more."""
        n, held = self.data.n, self.holdout.shape[1]
        size = min(n, held, limit or n)
        members, others = _sample(n, size, self.seed, "members"), _sample(held, size, self.seed, "others")
        return replace(self, members=members, others=others)


def set_scene(
    synthetic: Synthetic, original: pd.DataFrame | None, holdout: pd.DataFrame, limit: int | None, seed: int
) -> Scene:
    """Return the scene; raises MiceSimError for a holdout of other columns and for a limit below 1."""
    data = pair(synthetic, original)
    whole("limit", limit if limit is not None else 1)
    if not isinstance(holdout, pd.DataFrame):
        raise MiceSimError(f"The holdout is of type {type(holdout).__name__}; give a frame of real records.")
    held = pair(holdout, Table(data.columns, data.original).to_pandas()).sets[0]
    made = data.sets[0] if data.m == 1 else np.concatenate(data.sets, axis=1)
    none = np.zeros(0, int)
    return Scene(data, record_index(synthetic, original, data), made, held, none, none, seed).limited(limit)


def _sample(n: int, size: int, seed: int, purpose: str) -> np.ndarray:
    """Return `size` of the numbers 0..n−1, ascending; drawn from a stream of this name if not all are taken."""
    if size >= n:
        return np.arange(n)
    return np.sort(streams.stream(seed, "assessment", purpose).choice(n, size, replace=False))


def split(data: pd.DataFrame, share: float = 0.5, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a random part of the rows, to be synthesised, and the others, to be held out.

    data : any frame. share : of the rows that are held out, between 0 and 1. seed : of the choice. Raises MiceSimError
    if one part has no row.
    """
    held = round(share * len(data))
    if not 0 < held < len(data):
        raise MiceSimError(f"share {share} of {len(data)} rows leaves one part empty; give one nearer to 0.5.")
    chosen = np.zeros(len(data), bool)
    chosen[_sample(len(data), held, seed, "holdout")] = True
    return data[~chosen], data[chosen]


# ---- distance to the closest record


@dataclass(frozen=True, eq=False)
class ClosestRecord:
    """How near synthetic records are to real ones.

    Attributes
    ----------
    share : of synthetic records that are closer to the data than to the holdout, ties counting half; ½ without a leak.
    std_error, z, p : of the share, one-sided; synthetic records that have the same closest one count as a cluster.
    table : a frame by "original" and "holdout": `identical`, the share of synthetic records that are like one of
        theirs in all columns, and quantiles of the distance to the closest, 0 to 1.
    records : the real records that are closest to some synthetic record, and closer than any held-out one: `times`,
        `distance`, the nearest first.
    searched : how many synthetic records were looked up; real : in how many real ones of each kind.
    """

    share: float
    std_error: float
    z: float
    p: float
    table: pd.DataFrame
    records: pd.DataFrame
    searched: int
    real: int

    def __repr__(self) -> str:
        return (
            f"{self.share:.1%} of {self.searched} synthetic records are closer to the data than to the holdout "
            f"(50% expected, z = {self.z:.2f})\n{self.table.round(4)}"
        )


def closest_record(
    synthetic: Synthetic,
    original: pd.DataFrame | None = None,
    *,
    holdout: pd.DataFrame,
    by_rank: bool = True,
    limit: int | None = LIMIT,
    seed: int = 0,
) -> ClosestRecord:
    """Return the distances from synthetic records to the closest in the data and in a holdout, in Gower's distance.

    Parameters
    ----------
    synthetic, original : as for `disclosure`. holdout : real records that were not synthesised. by_rank : whether
        numbers are compared by their ranks among the real ones, or on their range. limit : most synthetic records that
        are looked up, drawn at random if there are more; None for all. Of data and holdout the larger is cut to the
        other's size at random. seed : of these draws. Raises MiceSimError for data that can't be compared.
    """
    return closest_in(set_scene(synthetic, original, holdout, None, seed), by_rank, limit)


def closest_in(scene: Scene, by_rank: bool, limit: int | None) -> ClosestRecord:
    """Return what `closest_record` does, of a scene without a limit."""
    metric = Metric.of(scene.data, by_rank, scene.holdout)
    k = scene.made.shape[1]
    rows = _sample(k, min(k, limit or k), scene.seed, "synthetic")
    queries = metric.points(scene.made[:, rows])
    real, held = (Index.of(metric.points(people)).nearest(queries) for people in scene.people)
    distance, closest = real[0][:, 0], real[1][:, 0]
    other, closest_other = held[0][:, 0], held[1][:, 0]
    closer = distance < other
    share = float(np.mean(closer) + np.mean(distance == other) / 2)
    clusters = [np.bincount(closest[closer]), np.bincount(closest_other[distance > other])]
    std_error = float(np.sqrt(sum(np.sum(c.astype(float) ** 2) for c in clusters)) / (2 * rows.size))
    z = (share - 0.5) / std_error if std_error > 0 else 0.0
    table = pd.DataFrame(
        {
            name: [np.mean(d == 0), *np.quantile(d, (0.0, 0.05, 0.5))]
            for name, d in (("original", distance), ("holdout", other))
        },
        index=["identical", "least", "5%", "median"],
    ).T
    found = pd.DataFrame({"record": scene.members[closest[closer]], "distance": distance[closer]})
    records = found.groupby("record")["distance"].agg(times="size", distance="min").sort_values("distance")
    records.index = scene.labels[records.index]
    return ClosestRecord(
        share, std_error, float(z), float(stats.norm.sf(z)), table, records, rows.size, scene.members.size
    )


# ---- membership


@dataclass(frozen=True, eq=False)
class Membership:
    """How well members of the data are told from others.

    Attributes
    ----------
    table : a frame by attack: `auc`, the probability that a member's score is higher than another's, ½ for a guess;
        `std_error`, `lower`, `upper` (DeLong et al. 1988, Biometrics 44, 837-845); `p`, Mann and Whitney's, one-sided;
        `caught`, the share of members with a score that 1 % of others reach; `members`, `others`, their numbers.
    records : the members that were attacked, by label: the share of others, 0 to 1, whose score is lower.
    """

    table: pd.DataFrame
    records: pd.DataFrame

    def __repr__(self) -> str:
        return repr(self.table)


def membership_inference(
    synthetic: Synthetic,
    original: pd.DataFrame | None = None,
    *,
    holdout: pd.DataFrame,
    by_rank: bool = True,
    limit: int | None = LIMIT,
    level: float = 0.95,
    seed: int = 0,
) -> Membership:
    """Return how well an attacker tells who is in the data, by two scores.

    "distance": the nearer a person is to a synthetic record, the likelier a member. "density ratio": nearer to a
    synthetic record than to one of a reference sample of the population, which the attacker has (van Breugel et al.
    2023, AISTATS, by nearest neighbours); half of the holdout is this reference, the other half the people who are no
    members.

    Parameters are those of `closest_record`; level : of the intervals, between 0 and 1. Raises MiceSimError as that.
    """
    return membership_in(set_scene(synthetic, original, holdout, limit, seed), by_rank, limit, level)


def membership_in(scene: Scene, by_rank: bool, limit: int | None, level: float) -> Membership:
    """Return what `membership_inference` does, of a scene with this limit."""
    metric = Metric.of(scene.data, by_rank, scene.holdout)
    halves = np.zeros(scene.holdout.shape[1], bool)
    halves[_sample(halves.size, halves.size // 2, scene.seed, "reference")] = True
    if not halves.any():
        raise MiceSimError("The holdout has one row; hold out more, half of them serve as the attacker's reference.")
    others = np.flatnonzero(~halves)
    others = others[_sample(others.size, min(others.size, limit or others.size), scene.seed, "outsiders")]
    points = metric.points(np.concatenate([scene.people[0], scene.holdout[:, others]], axis=1))
    made = Index.of(metric.points(scene.made)).nearest(points)[0][:, 0]
    reference = Index.of(metric.points(scene.holdout[:, halves])).nearest(points)[0][:, 0]
    scores = {"distance": -made, "density ratio": np.log((reference + TINY) / (made + TINY))}
    size = scene.members.size
    rows = {name: _auc(score[:size], score[size:], level) for name, score in scores.items()}
    ranks = {name: np.searchsorted(np.sort(score[size:]), score[:size]) / others.size for name, score in scores.items()}
    return Membership(pd.DataFrame(rows).T.rename_axis("attack"), pd.DataFrame(ranks, scene.labels[scene.members]))


def _auc(members: np.ndarray, others: np.ndarray, level: float) -> dict[str, float]:
    """Return the table's entries for scores of members and others."""
    a, b = np.sort(members), np.sort(others)
    below = (np.searchsorted(b, a, "left") + np.searchsorted(b, a, "right")) / (2 * b.size)
    above = 1 - (np.searchsorted(a, b, "left") + np.searchsorted(a, b, "right")) / (2 * a.size)
    auc = float(below.mean())
    variance = sum(np.var(v, ddof=1) / v.size if v.size > 1 else np.nan for v in (below, above))
    half = stats.norm.ppf((1 + level) / 2) * np.sqrt(variance)
    if a[0] == a[-1] == b[0] == b[-1]:
        p = 1.0
    else:
        p = float(stats.mannwhitneyu(a, b, alternative="greater", method="asymptotic").pvalue)
    return {
        "auc": auc, "std_error": float(np.sqrt(variance)), "lower": auc - half, "upper": auc + half, "p": p,
        "caught": float(np.mean(a > np.quantile(b, 1 - FALSE_POSITIVE, method="higher"))),
        "members": a.size, "others": b.size,
    }  # fmt: skip


# ---- attribute inference and linkability


def attribute_inference(
    synthetic: Synthetic,
    original: pd.DataFrame | None = None,
    *,
    holdout: pd.DataFrame,
    secrets: Sequence[str] | None = None,
    known: Sequence[str] | None = None,
    tolerance: float = 0.05,
    by_rank: bool = True,
    limit: int | None = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how often the synthetic record that is nearest in what is known tells a secret (Giomi et al. 2023, §5.3).

    Parameters
    ----------
    secrets : columns, each attacked by itself; by default all. known : what the attacker knows; by default all other
        columns. tolerance : a number is told if the guess is off by no more than this share of it, ≥ 0. limit : most
        people of each kind who are attacked. All else as for `membership_inference`.

    Returns
    -------
    A frame by secret, as `risks` has it. Raises MiceSimError for unknown columns and data that can't be compared.
    """
    scene = set_scene(synthetic, original, holdout, limit, seed)
    if tolerance < 0:
        raise MiceSimError(f"tolerance is {tolerance}; give a share of at least 0.")
    chosen = scene.data.only(secrets).names
    rows = {}
    for name in chosen:
        told, naive = guess_secret(scene, name, known, tolerance, by_rank)
        rows[name] = risks(told[0], told[1], naive, level)
    return pd.DataFrame(rows).T.rename_axis("secret")


def guess_secret(
    scene: Scene, name: str, known: Sequence[str] | None, tolerance: float, by_rank: bool
) -> tuple[list[np.ndarray], float]:
    """Return whose secret is told, bool for each of the scene's people of both kinds, and the share by guessing."""
    others = [other for other in known or scene.data.names if known is not None or other != name]
    if name in others:
        raise MiceSimError(f"'{name}' is known and the secret; leave it out of one.")
    table = Table(scene.data.columns, scene.data.original)
    j, places = table.index(name), [table.index(other) for other in others]
    if not places:
        raise MiceSimError("The attacker knows no column; name at least one in known=.")
    metric = Metric.of(scene.data.only(others), by_rank, scene.holdout[places])
    index = Index.of(metric.points(scene.made[places]))
    slack = 0.0 if scene.data.columns[j].is_factor else tolerance
    told = [
        _told(scene.made[j, index.nearest(metric.points(people[places]))[1][:, 0]], people[j], slack)
        for people in scene.people
    ]
    secret = scene.people[0][j]
    random = streams.stream(scene.seed, "assessment", "guess", name).choice(scene.made[j], secret.size)
    return told, float(np.mean(_told(random, secret, slack)))


def _told(guess: np.ndarray, secret: np.ndarray, slack: float) -> np.ndarray:
    close = np.abs(guess - secret) <= slack * np.abs(secret)
    return close | (np.isnan(guess) & np.isnan(secret))


def linkability(
    synthetic: Synthetic,
    original: pd.DataFrame | None = None,
    *,
    holdout: pd.DataFrame,
    known: tuple[Sequence[str], Sequence[str]],
    n_neighbors: int = 1,
    by_rank: bool = True,
    limit: int | None = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> pd.Series:
    """Return how often two halves of a person's columns are linked by a synthetic record (Giomi et al. 2023, §5.2).

    An attacker with two sources links a record of one with a record of the other if the same synthetic record is among
    the `n_neighbors` nearest to both.

    known : the columns of each source, without overlap. All else, and errors, as for `attribute_inference`, returned as
    by `risks`.
    """
    scene = set_scene(synthetic, original, holdout, limit, seed)
    whole("n_neighbors", n_neighbors)
    if len(known) != 2 or set(known[0]) & set(known[1]):
        raise MiceSimError("known takes two lists of columns without overlap, one for each source.")
    k = min(n_neighbors, scene.made.shape[1])
    found: list[list[np.ndarray]] = [[], []]
    for names in known:
        places = [Table(scene.data.columns, scene.data.original).index(name) for name in names]
        metric = Metric.of(scene.data.only(names), by_rank, scene.holdout[places])
        index = Index.of(metric.points(scene.made[places]))
        for kind, people in zip(found, scene.people, strict=True):
            kind.append(index.nearest(metric.points(people[places]), k)[1])
    linked = [(a[:, :, None] == b[:, None, :]).any(axis=(1, 2)) for a, b in found]
    naive = 1 - (1 - k / scene.made.shape[1]) ** k
    return pd.Series(risks(linked[0], linked[1], naive, level), name="linkability")


def risks(attack: np.ndarray, control: np.ndarray, naive: float, level: float) -> dict[str, float]:
    """Return what the successes (bool) of an attack on members and on others (control) say.

    `attack`, `control` : Wilson's estimates of the rates. `naive` : the rate of guessing; an attack that is no better
    tells nothing. `risk` : (attack − control) / (1 − control), what the attacker gains from the data of the very
    person (Giomi et al. 2023, PoPETs 2023(2), 312-328, §4); negative by chance where there is no leak. `lower`,
    `upper` : its limits, by the delta method from Wilson's. `p` : Fisher's exact test, one-sided. `people` : of each
    kind.
    """
    (a, half_a), (c, half_c) = wilson(attack, level), wilson(control, level)
    risk = (a - c) / (1 - c)
    half = np.hypot(half_a / (1 - c), half_c * (1 - a) / (1 - c) ** 2)
    return {
        "attack": a, "control": c, "naive": naive, "risk": risk, "lower": risk - half, "upper": risk + half,
        "p": exceeds(attack, control), "people": attack.size,
    }  # fmt: skip


def wilson(successes: np.ndarray, level: float) -> tuple[float, float]:
    """Return the centre and half the width of Wilson's interval (1927, JASA 22, 209-212)."""
    n, s, z = successes.size, int(successes.sum()), float(stats.norm.ppf((1 + level) / 2))
    half = z / (n + z**2) * np.sqrt(s * (n - s) / n + z**2 / 4)
    return (s + z**2 / 2) / (n + z**2), float(half)


def exceeds(members: np.ndarray, others: np.ndarray) -> float:
    """Return the p value of Fisher's exact test that a share is larger among members than among others."""
    a, c = int(members.sum()), int(others.sum())
    return float(stats.hypergeom.sf(a - 1, members.size + others.size, a + c, members.size))
