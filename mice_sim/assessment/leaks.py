"""Leaks: what synthetic data say of the very people they were made from, tested against chance, with alarms.

Data drawn fresh from the truth know no more of the people in the data than of others. So a measure is an alarm where
it exceeds what a holdout of the same population gives, or what the same synthetic records give in another order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import special, stats

from mice_sim.assessment.attacks import Scene, closest_in, exceeds, guess_secret, membership_in, set_scene
from mice_sim.assessment.cells import Cells, cells, column_cells
from mice_sim.assessment.copies import ALL_COLUMNS
from mice_sim.assessment.data import Assessed, Synthetic, pair
from mice_sim.errors import MiceSimError
from mice_sim.synthesis.spec import whole

NEEDS_HOLDOUT = "copied records, single values, secrets told, closest records and membership"


@dataclass(frozen=True, eq=False)
class Leaks:
    """Tests for leaks, each with what data drawn fresh from the truth would give.

    Attributes
    ----------
    table : a frame by measure and column: `found`, `expected`, `p`, `adjusted` (Holm's p over all tests), `alarm`.
    rate : the share of syntheses without a leak in which any alarm is raised, at most. notes : what was not tested.
    """

    table: pd.DataFrame
    rate: float
    notes: tuple[str, ...]

    @property
    def alarms(self) -> pd.DataFrame:
        return self.table[self.table["alarm"]]

    def __repr__(self) -> str:
        said = f"{len(self.alarms)} of {len(self.table)} tests raise an alarm (any by chance in {self.rate:.0%})"
        shown = self.alarms if len(self.alarms) else self.table.sort_values("p").head()
        return "\n".join([said, shown.round(4).to_string(), *self.notes])


def leaks(
    synthetic: Synthetic,
    original: pd.DataFrame | None = None,
    *,
    holdout: pd.DataFrame | None = None,
    rate: float = 0.05,
    limit: int = 2000,
    seed: int = 0,
) -> Leaks:
    """Test synthetic data for what they tell of the people in the data and of nobody else.

    Parameters
    ----------
    synthetic, original : as for `disclosure`. holdout : real records of the same population that were not
        synthesised, such as `split` returns; without them most tests can't be made. rate : of false alarms, over all
        tests together, between 0 and 1. limit : most people of each kind in attacks. seed : of their choice.

    Raises MiceSimError for data that can't be compared, and a rate out of range.

    Notes
    -----
    own values, own records : record i has its own value, or all of them; against the same records in random order.
    record order : Spearman's correlation of a number with its own, record by record.
    copied records : people whose whole record occurs in a set. single values : people with a number that nobody else
    has and that occurs in a set. secrets told : people whose exact value is that of the synthetic record nearest in
    all other columns. closest records, membership (distance, density ratio) : see `closest_record` and
    `membership_inference`. All these against the holdout.
    """
    if not 0 < rate < 1:
        raise MiceSimError(f"rate is {rate}; give a share between 0 and 1, such as 0.05.")
    data = pair(synthetic, original)
    rows = _by_order(data)
    whole("limit", limit)
    notes = [] if rows else ["Sets have other numbers of records than the data: own values were not tested."]
    if holdout is None:
        notes.append(f"There is no holdout: {NEEDS_HOLDOUT} were not tested.")
    else:
        del data  # which the scene holds itself
        rows += _against_holdout(set_scene(synthetic, original, holdout, None, seed), limit)
    table = pd.DataFrame(rows, columns=["measure", "column", "found", "expected", "p"]).set_index(["measure", "column"])
    table["adjusted"] = _holm(table["p"].to_numpy(float))
    table["alarm"] = table["adjusted"] <= rate
    return Leaks(table, rate, tuple(notes))


Row = tuple[str, str, float, float, float]


def _by_order(data: Assessed) -> list[Row]:
    """Return the tests that need no holdout: is record i of a set like record i of the data?"""
    if any(values.shape[1] != data.n for values in data.sets) or data.n < 2:
        return []
    rows = [("own values", name, *_matches(column_cells(data, name))) for name in data.names]
    rows.append(("own records", ALL_COLUMNS, *_matches(cells(data))))
    for j, column in enumerate(data.columns):
        if not column.is_factor:
            rows.append(("record order", column.name, *_rank_correlation(data, j)))
    return rows


def _matches(codes: Cells) -> tuple[float, float, float]:
    """Return the share of own values, the share expected in random order, and p.

    Mean and variance of the matches over all orders are Hoeffding's (1951, Ann. Math. Stat. 22, 558-566); the tail is
    that of the binomial distribution with these moments, or Poisson's where the variance is no smaller than the mean.
    """
    real, counts = codes.counts()
    n, a = codes.n, real.astype(float)
    found, mean, variance = 0, 0.0, 0.0
    for made, count in zip(codes.sets, counts, strict=True):
        found += int(np.sum(made == codes.original))
        pairs = a @ count
        mean += pairs / n
        variance += (pairs - a @ count**2 / n - a**2 @ count / n + (pairs / n) ** 2) / (n - 1)
    total = n * len(counts)
    if variance <= 0 or found == 0:
        p = 1.0  # whatever the order, there are as many matches
    elif variance < mean:
        chance = 1 - variance / mean
        trials = mean / chance
        p = float(special.betainc(found, trials - found + 1, chance)) if found < trials + 1 else 0.0
    else:
        p = float(stats.poisson.sf(found - 1, mean))
    return found / total, mean / total, p


def _rank_correlation(data: Assessed, j: int) -> tuple[float, float, float]:
    """Return the mean rank correlation over the sets, 0, and p."""
    found, z = [], 0.0
    for values in data.sets:
        both = ~(np.isnan(values[j]) | np.isnan(data.original[j]))
        a, b = (stats.rankdata(row[both]) for row in (data.original[j], values[j]))
        if both.sum() > 2 and np.ptp(a) > 0 and np.ptp(b) > 0:
            found.append(np.corrcoef(a, b)[0, 1])
            z += found[-1] * np.sqrt(both.sum() - 1)
    if not found:
        return np.nan, 0.0, 1.0
    return float(np.mean(found)), 0.0, float(stats.norm.sf(z / np.sqrt(len(found))))


def _against_holdout(scene: Scene, limit: int) -> list[Row]:
    return _occurrences(scene) + by_neighbours(scene, limit)


def by_neighbours(scene: Scene, limit: int) -> list[Row]:
    """Return the tests that search for near records: secrets told, closest records, membership."""
    rows: list[Row] = []
    few = scene.limited(limit)
    if len(scene.data.columns) > 1:
        for name in scene.data.names:
            (members, others), _ = guess_secret(few, name, None, 0.0, True)
            rows.append(("secrets told", name, members.mean(), others.mean(), exceeds(members, others)))
    near = closest_in(scene, True, limit)
    rows.append(("closest records", ALL_COLUMNS, near.share, 0.5, near.p))
    if scene.holdout.shape[1] > 1:
        for name, attack in membership_in(few, True, limit, 0.95).table.iterrows():
            rows.append((f"membership by {name}", ALL_COLUMNS, attack["auc"], 0.5, attack["p"]))
    return rows


def _occurrences(scene: Scene) -> list[Row]:
    """Return the tests for records and single values that occur in the sets."""
    n = scene.data.n
    # Real people of both kinds beside all synthetic records.
    real = np.concatenate([scene.data.original, scene.holdout], axis=1)
    both = replace(scene.data, original=real, sets=(scene.made,))
    rows = [("copied records", ALL_COLUMNS, *_occurs(cells(both), n, alone=False))]
    for column in scene.data.columns:
        if not column.is_factor:
            rows.append(("single values", column.name, *_occurs(column_cells(both, column.name), n, alone=True)))
    return rows


def _occurs(codes: Cells, n: int, alone: bool) -> tuple[float, float, float]:
    """Return the share of people whose cell has a synthetic record, in the data (the first n) and held out, and p.

    alone : of those only who are alone in their cell.
    """
    real, (made,) = codes.counts()
    occurs = (made > 0) & ((real == 1) | (not alone))
    members, others = np.split(occurs[codes.original], [n])
    return members.mean(), others.mean(), exceeds(members, others)


def _holm(p: np.ndarray) -> np.ndarray:
    """Return p values adjusted for their number (Holm 1979, Scand. J. Stat. 6, 65-70)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
