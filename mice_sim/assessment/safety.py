"""Is it safe? The findings on disclosure: what synthetic data tell of the people they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import binom

from mice_sim import streams
from mice_sim.assessment.attacks import Scene, exceeds
from mice_sim.assessment.cells import Cells, cells, column_cells
from mice_sim.assessment.copies import ALL_COLUMNS, copies
from mice_sim.assessment.data import Assessed, pair
from mice_sim.assessment.disclosure import Disclosure, disclosure
from mice_sim.assessment.findings import Family, Finding, counted, number, share, worst
from mice_sim.assessment.leaks import by_neighbours, leaks
from mice_sim.data import Table
from mice_sim.errors import MiceSimError

KEY_GROUPS, TARGET_GROUPS = 20, 10  # that numbers are cut into: nobody knows an income to the cent
CROWD = 5  # what more synthetic records of one group share is no secret
DISCLOSED, REPLICATED = 10.0, 1.0  # percent of people; rules of thumb where nobody was held out
SYNTHETIC, PEOPLE = 100_000, 2_000  # synthetic records that attacks search, and people that are attacked
QUICK = (20_000, 500)
SHOWN = 8  # columns that are named
AT_RISK = 0.5  # share of sets that disclose a value


@dataclass(frozen=True, eq=False)
class Safety:
    """findings, and what they rest on.

    columns : a frame by column: `real` and `single`, shares of synthetic values that somebody has, and that one person
    has; `DiSCO` and `Dorig`, percent, of targets; `told` and `told_held_out`, shares of people whose value the nearest
    synthetic record tells. risks : a frame by row of the original (from 1), those most at risk first: `copied` and
    `identified`, shares of sets; `disclosed`, the targets. attacked : synthetic records and people in attacks, or None.
    notes : what was not tested.
    """

    findings: tuple[Finding, ...]
    columns: pd.DataFrame
    risks: pd.DataFrame
    attacked: tuple[int, int] | None
    notes: tuple[str, ...]


def safety(
    data: Assessed, keys: Sequence[str] | None, targets: Sequence[str] | None, holdout: pd.DataFrame | None,
    linked: bool, rate: float, seed: int, quick: bool,
) -> Safety:  # fmt: skip
    """Return the findings; sets without a leak raise any alarm with probability `rate` at most.

    keys : what others know of a person, by default all columns but the target. targets : columns that are to stay
    unknown, by default all that are no keys. holdout : real records that were not synthesised. linked : whether record
    i of a set was drawn for person i. quick : attack fewer people.
    """
    held = None if holdout is None else _held(data, holdout)
    disclosed = _disclosed(data, held, keys, targets)
    twins = {ALL_COLUMNS: _shared(cells(data))}
    twins |= {c.name: _shared(column_cells(data, c.name)) for c in data.columns if not c.is_factor}
    identity = _shared(_key_cells(data, keys)) if keys else None
    order = leaks(data).table if linked or not data.drawn.all() else None
    if order is not None and not linked:
        kept = [column.name for column, drawn in zip(data.columns, data.drawn, strict=True) if not drawn]
        order = order.reindex([("own values", name) for name in kept if ("own values", name) in order.index])
    limits = QUICK if quick else (SYNTHETIC, PEOPLE)
    attacked = None if held is None else _attack(data, held, limits, seed)
    tests = Family.of(
        {
            ("copied records", ALL_COLUMNS): twins[ALL_COLUMNS].p,
            **({("keys", "keys"): identity.p} if identity else {}),
            **{("disclosed", name): one.p for name, one in disclosed.items()},
            **({} if order is None else order["p"].to_dict()),
            **({} if attacked is None else attacked["p"].to_dict()),
        },
        rate,
    )
    # Real values are what many methods give on purpose, so these tests stand by themselves and raise no alarm.
    single = Family.of({("single values", name): one.p for name, one in twins.items() if name != ALL_COLUMNS}, rate)
    findings = [] if order is None else _of_order(order, tests, linked)
    findings.append(_of_copies(twins[ALL_COLUMNS], tests, data))
    if identity:
        findings.append(_of_identity(identity, tests, data, list(keys or ())))
    findings += _of_disclosed(disclosed, tests, keys)
    findings += [] if attacked is None else _of_attacks(attacked, tests)
    copied = copies(data)
    findings += _of_single(copied, single)
    columns = copied.loc[data.names, ["real", "single"]].assign(
        DiSCO=pd.Series({name: one.percent for name, one in disclosed.items()}, dtype=float),
        Dorig=pd.Series({name: one.by_original for name, one in disclosed.items()}, dtype=float),
    )
    if attacked is not None and "secrets told" in attacked.index.get_level_values(0):
        told = attacked.loc["secrets told"]
        columns = columns.assign(told=told["found"], told_held_out=told["expected"])
    notes = [] if held is not None else [
        "No records were held out, so it was not tested whether members can be told from others, and whether synthetic "
        "records are closer to the people in the data, or tell more of them, than of others (--holdout)."
    ]  # fmt: skip
    size = None if attacked is None else limits
    return Safety(tuple(findings), columns, _risks(data, keys, disclosed), size, tuple(notes))


def _held(data: Assessed, holdout: pd.DataFrame) -> Assessed:
    """Return the same sets beside the people who were held out."""
    if not isinstance(holdout, pd.DataFrame) or len(holdout) < 2:
        raise MiceSimError("The holdout has too few records; give a frame of two real records or more.")
    try:
        held = pair(holdout, Table(data.columns, data.original).to_pandas()).sets[0]
    except MiceSimError as error:
        told = str(error).replace("Synthetic set 1", "The holdout").replace("synthetic set 1", "the holdout")
        raise MiceSimError(told) from None
    return replace(data, original=held)


# ---- copies


@dataclass(frozen=True)
class Shared:
    """Cells of two records, one of them real and one synthetic, on average over the sets; by chance; and p."""

    found: float
    chance: float
    p: float


def _shared(codes: Cells) -> Shared:
    """Return how often the only real record of a cell meets the only synthetic one.

    Where all N = n + k records come from one source, which two of them share a cell is chance: of cells with two
    records, a share of 2 n k / (N (N − 1)) has one of each kind, whatever the cells are. So nobody need be held out.
    Sets have one original in common; p is the least of theirs, by Bonferroni.
    """
    real, counts = codes.counts()
    found, chance, p = [], [], []
    for made, k in zip(counts, codes.rows, strict=True):
        total = codes.n + k
        mixed = 2 * codes.n * k / (total * (total - 1))
        twos = real + made == 2
        both, all_ = int((real[twos] == 1).sum()), int(twos.sum())
        found.append(both)
        chance.append((all_ - both) * mixed / (1 - mixed))
        p.append(float(binom.sf(both - 1, all_, mixed)))
    return Shared(float(np.mean(found)), float(np.mean(chance)), min(1.0, len(p) * min(p)))


def _of_copies(found: Shared, tests: Family, data: Assessed) -> Finding:
    verdict = tests.verdict("copied records", ALL_COLUMNS)
    return Finding(
        "disclosure", "copied records", ALL_COLUMNS,
        f"{_mean(found.found, data)} of {data.n:,} whole records, each of one person alone, stand in a synthetic set "
        f"once as they are; chance gives about {number(found.chance, 2)}.",
        "Do not release the sets: take larger leaves or smoothing, or remove replicated uniques." if verdict == "alarm"
        else "Find out where these records come from; removing replicated uniques takes them out." if verdict == "look"
        else "Nothing needs to be done.",
        found.found, found.chance, tests.adjusted("copied records", ALL_COLUMNS), verdict,
    )  # fmt: skip


def _mean(value: float, data: Assessed) -> str:
    return number(value) if data.m == 1 or value == 0 else f"{number(value)} (on average)"


def _of_single(copied: pd.DataFrame, tests: Family) -> list[Finding]:
    off = [name for name in copied.index if tests.verdict("single values", str(name)) != "ok"]
    if not off:
        return []
    named = sorted(off, key=lambda name: -copied.at[name, "single"])
    most = named[0]
    return [
        Finding(
            "disclosure", "single values", ", ".join(named),
            f"Numbers that one person alone has stand in the sets more often than chance has it, in {_named(named)}; "
            f"most in {most}, where {share(copied.at[most, 'single'])} of the synthetic values are such.",
            "Trees and predictive mean matching give real values. A height in centimetres tells nothing, an income to "
            "the cent tells who is in the data: smooth or round what others could know.",
            float(copied.at[most, "single"]), np.nan, float(tests.adjusted("single values", most)), "look",
        )
    ]  # fmt: skip


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


# ---- the order of the records


def _of_order(order: pd.DataFrame, tests: Family, linked: bool) -> list[Finding]:
    findings = []
    for measure, rows in order.groupby(level=0, sort=False):
        off = rows[[tests.verdict(measure, name) == "alarm" for _, name in rows.index]]
        verdict = worst([tests.verdict(measure, name) for _, name in rows.index])
        shown = (off if len(off) else rows).sort_values("found", ascending=False)
        (_, name), value, expected = shown.index[0], float(shown["found"].iloc[0]), float(shown["expected"].iloc[0])
        names = [column for _, column in shown.index]
        if not linked:
            sentence = (
                f"In {_named(names)} the sets hold the original's values, row by row, so that the order of the records "
                "is the original's."
            )
            advice = "Columns that were kept on purpose are no secret; else synthesise them, and shuffle the records."
        elif measure == "record order":
            sentence = (
                f"Record by record, synthetic numbers go with those of the same person: the rank correlation of {name} "
                f"is {value:.2f}, where a random order has 0."
            )
            advice = "Linked sets give people away by their order; release sequential ones."
        else:
            what = "every value" if measure == "own records" else f"the own value of {name}"
            sentence = (
                f"{share(value)} of the synthetic records have {what} of the person in the same row; in a random order "
                f"{share(expected)} would."
            )
            advice = "Linked sets keep people's own values; release sequential ones."
        findings.append(
            Finding("disclosure", measure, ", ".join(names), sentence, advice if verdict != "ok" else
                    "Nothing needs to be done.", value, expected, tests.adjusted(measure, name), verdict)
        )  # fmt: skip
    return findings


# ---- keys and targets


@dataclass(frozen=True, eq=False)
class Disclosed:
    """What keys disclose of one target.

    percent, by_original : DiSCO and Dorig. held : DiSCO of the people who were held out, percent. p : of its being more
    of the people in the data, NaN if nobody was held out. records : float32 (n,), shares of sets.
    """

    percent: float
    by_original: float
    held: float
    p: float
    records: np.ndarray


def _disclosed(
    data: Assessed, held: Assessed | None, keys: Sequence[str] | None, targets: Sequence[str] | None
) -> dict[str, Disclosed]:
    """Return what is disclosed of each target."""
    known = data.only(keys).names if keys else []
    chosen = data.only(targets).names if targets else [name for name in data.names if name not in known]
    if keys and not chosen:
        raise MiceSimError("Every column is a key; leave one out of --keys, or name a --target.")
    found = {}
    for target in chosen:
        others = known or [name for name in data.names if name != target]
        if not others:
            continue
        one = _disclosure(data, others, target)
        mine, percent = one.records["DiSCO"].to_numpy(np.float32), float(one.table.at["DiSCO", "mean"])
        by_original, held_percent, p = float(one.table.at["Dorig", "mean"]), np.nan, np.nan
        if held is not None:
            other = _disclosure(held, others, target)
            held_percent = float(other.table.at["DiSCO", "mean"])
            p = exceeds(mine > 0, other.records["DiSCO"].to_numpy() > 0)
        found[target] = Disclosed(percent, by_original, held_percent, p, mine)
    return found


def _disclosure(data: Assessed, keys: Sequence[str], target: str) -> Disclosure:
    return disclosure(
        data, keys=keys, target=target, denom_lim=CROWD, exclude_ov_denom_lim=True, ngroups_target=TARGET_GROUPS,
        ngroups_keys=_groups(data, keys),
    )  # fmt: skip


def _groups(data: Assessed, keys: Sequence[str]) -> dict[str, int]:
    return {column.name: KEY_GROUPS for column in data.only(keys).columns if not column.is_factor}


def _key_cells(data: Assessed, keys: Sequence[str]) -> Cells:
    return cells(data, keys, _groups(data, keys))


def _of_identity(found: Shared, tests: Family, data: Assessed, keys: list[str]) -> Finding:
    percent = 100 * found.found / data.n
    verdict = worst([tests.verdict("keys", "keys"), "look" if percent > REPLICATED else "ok"])
    return Finding(
        "disclosure", "keys", ", ".join(keys),
        f"By {_named(keys)}, {share(percent / 100)} of the people are the only ones of their kind, and have one "
        f"synthetic record of this kind (replicated uniques, repU); chance gives about "
        f"{share(found.chance / data.n)}.",
        "Who knows these people finds them, or seems to: coarsen the keys, or remove replicated uniques."
        if verdict != "ok" else "Nothing needs to be done.",
        percent, REPLICATED, tests.adjusted("keys", "keys"), verdict,
    )  # fmt: skip


def _of_disclosed(disclosed: dict[str, Disclosed], tests: Family, keys: Sequence[str] | None) -> list[Finding]:
    if not disclosed:
        return []
    knower = f"Who knows {_named(list(keys))} of a person" if keys else "Who knows all else of a person"

    def verdict(name: str) -> str:
        one = disclosed[name]
        if np.isnan(one.p):
            return "look" if one.percent > DISCLOSED else "ok"
        return tests.verdict("disclosed", name)

    ranked = sorted(disclosed, key=lambda name: -disclosed[name].percent)
    off = [name for name in ranked if verdict(name) != "ok"]
    findings = []
    for name in off[:SHOWN] or ranked[:1]:
        one = disclosed[name]
        beside = (
            f"of those held out {share(one.held / 100)}" if np.isfinite(one.held)
            else f"the original itself tells it of {share(one.by_original / 100)}"
        )  # fmt: skip
        most = "" if off else " most of all columns"
        findings.append(
            Finding(
                "disclosure", "disclosed", name,
                f"{knower} learns {name} rightly, from a group of at most {CROWD} synthetic records, of "
                f"{share(one.percent / 100)} of the people (DiSCO){',' + most if most else ''}; {beside}.",
                f"Let leaves be larger where {name} is drawn, or coarsen keys or {name}." if np.isfinite(one.p)
                else f"Hold out some people to see whether this is knowledge of all; else coarsen keys or {name}.",
                one.percent, one.held if np.isfinite(one.held) else DISCLOSED, tests.adjusted("disclosed", name),
                verdict(name),  # type: ignore[arg-type]
            )
            if off
            else Finding(
                "disclosure", "disclosed", name,
                f"{knower} learns little: most of {name}, rightly, from a group of at most {CROWD} synthetic records, "
                f"of {share(one.percent / 100)} of the people (DiSCO); {beside}.",
                "Nothing needs to be done.",
                one.percent, one.held if np.isfinite(one.held) else DISCLOSED, tests.adjusted("disclosed", name), "ok",
            )
        )  # fmt: skip
    return findings


# ---- attacks


def _attack(data: Assessed, held: Assessed, limits: tuple[int, int], seed: int) -> pd.DataFrame:
    """Return the tests of `leaks` that search for near records: a frame of found, expected and p."""
    synthetic, people = limits
    each = max(synthetic // data.m, 1)
    rng = streams.stream(seed, "assess", "attacked")
    sets = tuple(
        values if values.shape[1] <= each else values[:, np.sort(rng.permutation(values.shape[1])[:each])]
        for values in data.sets
    )
    made = sets[0] if len(sets) == 1 else np.concatenate(sets, axis=1)
    labels, none = pd.RangeIndex(data.n), np.zeros(0, int)
    scene = Scene(replace(data, sets=sets), labels, made, held.original, none, none, seed).limited(None)
    rows = by_neighbours(scene, people)
    return pd.DataFrame(rows, columns=["measure", "column", "found", "expected", "p"]).set_index(["measure", "column"])


def _of_attacks(attacked: pd.DataFrame, tests: Family) -> list[Finding]:
    findings = []
    told = attacked[attacked.index.get_level_values(0) == "secrets told"]
    if len(told):
        off = told[[tests.verdict(*key) != "ok" for key in told.index]]
        shown = off if len(off) else told
        gain = (shown["found"] - shown["expected"]).sort_values(ascending=False)
        names = [column for _, column in gain.index]
        name, row = names[0], told.loc[("secrets told", names[0])]
        which = (
            f"; more than chance has it of {counted(len(off), 'column')}: {_named(names)}." if len(off)
            else ", the largest difference of all columns."
        )  # fmt: skip
        findings.append(
            Finding(
                "disclosure", "secrets told", ", ".join(names) if len(off) else ALL_COLUMNS,
                f"The synthetic record that is nearest in all else tells {name} exactly of {share(row['found'])} of "
                f"the people in the data and of {share(row['expected'])} of those held out{which}",
                "Small leaves remember people: take minbucket 20 or mindonors 10, and smooth numbers." if len(off)
                else "Nothing needs to be done.",
                float(row["found"]), float(row["expected"]), tests.adjusted("secrets told", name),
                worst([tests.verdict(*key) for key in told.index]),
            )
        )  # fmt: skip
    for (measure, column), row in attacked.drop(index=told.index).iterrows():
        verdict = tests.verdict(measure, column)
        if measure == "closest records":
            sentence = (
                f"{share(row['found'])} of the synthetic records are closer to a person in the data than to one held "
                "out; 50 % would be without a leak."
            )
        else:
            sentence = (
                f"Who was in the data is told, {measure.removeprefix('membership ')}, with an AUC of "
                f"{row['found']:.2f}; a guess has 0.50."
            )
        findings.append(
            Finding(
                "disclosure", measure, column, sentence,
                "The sets remember people: take larger leaves, mindonors and smoothing, and assess again."
                if verdict != "ok" else "Nothing needs to be done.",
                float(row["found"]), 0.5, tests.adjusted(measure, column), verdict,
            )
        )  # fmt: skip
    return findings


# ---- who is at risk


def _risks(data: Assessed, keys: Sequence[str] | None, disclosed: dict[str, Disclosed]) -> pd.DataFrame:
    """Return the records at risk; by keys that are all columns, who is identified is who is copied."""
    copied = _alone(cells(data))
    identified = _alone(_key_cells(data, keys)) if keys else copied
    told = np.array([one.records >= AT_RISK for one in disclosed.values()]).reshape(len(disclosed), data.n)
    rows = np.flatnonzero((copied > 0) | (identified > 0) | told.any(axis=0))
    frame = pd.DataFrame(
        {
            "copied": copied[rows],
            "identified": identified[rows],
            "disclosed": [tuple(np.array(list(disclosed), dtype=object)[told[:, row]]) for row in rows],
        },
        index=pd.Index(rows + 1, name="row"),
    )
    score = frame["copied"] * (1 + len(disclosed)) + frame["identified"] + told[:, rows].sum(axis=0)
    return frame.loc[score.sort_values(ascending=False, kind="stable").index]


def _alone(codes: Cells) -> np.ndarray:
    """Return, of each real record, the share of sets in which it is a replicated unique."""
    real, counts = codes.counts()
    return np.mean([((real == 1) & (made == 1))[codes.original] for made in counts], axis=0)
