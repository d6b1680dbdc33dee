"""Disclosure measures: who is identified by some columns, and what is learned of another (Raab, Nowok & Dibben 2024).

A combination q of the keys' values is a group of records; t is a value of the target. d counts real records, s
synthetic ones; a dot stands for a sum, so d_.q real records have the keys q; pd_tq = d_tq / d_.q.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mice_sim.assessment.cells import Cells, Groups, cells, check_groups, column_cells, groups_of
from mice_sim.assessment.copies import record_index
from mice_sim.assessment.data import Assessed, Synthetic, pair
from mice_sim.data import Table
from mice_sim.errors import MiceSimError
from mice_sim.synthesis.spec import whole

IDENTITY = ("UiO", "UiS", "UiOiS", "repU")
ATTRIBUTE = ("Dorig", "Dsyn", "iS", "DiS", "DiSCO", "DiSDiO", "baseCAPd", "CAPd", "CAPs", "DCAP", "TCAP")
# The measures that say of every single real record whether it is at risk.
OF_RECORDS = ("UiO", "UiOiS", "repU", "Dorig", "iS", "DiS", "DiSCO", "DiSDiO")


@dataclass(frozen=True, eq=False)
class Disclosure:
    """What keys disclose of one target.

    Attributes
    ----------
    keys, target : the columns. table : a frame by measure, in percent: a column for each set (1..m), `mean` over them,
        and `baseline` if one was given. docs/disclosure.md defines the measures.
    records : a frame by real record: for each measure that speaks of records, the share of sets, 0 to 1, in which the
        record is at risk.
    excluded : a frame by set: `over`, how many records are disclosed correctly (DiSCO) by groups of more than
        `denom_lim` synthetic records; `excluded`, how many of them were left out.
    """

    keys: tuple[str, ...]
    target: str
    table: pd.DataFrame
    records: pd.DataFrame
    excluded: pd.DataFrame

    @property
    def identity(self) -> pd.DataFrame:
        """The measures of identity disclosure, which need no target."""
        return self.table.loc[list(IDENTITY)]

    @property
    def attribute(self) -> pd.DataFrame:
        """The measures of attribute disclosure."""
        return self.table.loc[list(ATTRIBUTE)]

    def at_risk(self, measure: str = "DiSCO", share: float = 0.0) -> pd.Series:
        """Return the records at risk by a measure in more than this share of sets, those most at risk first."""
        if measure not in OF_RECORDS:
            raise MiceSimError(f"'{measure}' does not speak of single records; use one of {', '.join(OF_RECORDS)}.")
        found = self.records[measure]
        return found[found > share].sort_values(ascending=False, kind="stable")

    def __repr__(self) -> str:
        return f"keys {', '.join(self.keys)}; target {self.target}; percent\n{self.table.round(2)}"


def disclosure(
    synthetic: Synthetic,
    original: pd.DataFrame | None = None,
    *,
    keys: Sequence[str],
    target: str,
    denom_lim: int = 5,
    exclude_ov_denom_lim: bool = False,
    ngroups_target: int | None = None,
    ngroups_keys: Groups = None,
    baseline: pd.DataFrame | None = None,
) -> Disclosure:
    """Return the disclosure measures of synthpop's `disclosure` (Raab, Nowok & Dibben 2024, arXiv:2406.16826).

    Parameters
    ----------
    synthetic : a result of `synthesize`, a frame, or a list of frames.
    original : the real data; of a result, by default what it was made from.
    keys : columns by which somebody could recognise a person. target : the column that is to stay unknown.
    denom_lim : groups of more synthetic records are counted in `excluded`, ≥ 1. exclude_ov_denom_lim : and left out
        of DiS, DiSCO, DiSDiO and TCAP: a value that a whole crowd shares says little of one person.
    ngroups_target, ngroups_keys : groups that numbers are cut into, for the keys also {column: groups}. By default
        each distinct number is a level. Missing values always are.
    baseline : data in the place of the synthetic ones for comparison: real records that were held out, or a synthesis
        of these (see docs/disclosure.md).

    Raises MiceSimError for unknown columns and for a target among the keys.
    """
    data = pair(synthetic, original)
    columns = _Keys(data, keys, ngroups_keys)
    whole("denom_lim", denom_lim)
    found = [
        _measure(data, columns, target, ngroups_target, denom_lim, exclude_ov_denom_lim),
        *(
            _measure(other, _Keys(other, keys, ngroups_keys), target, ngroups_target, denom_lim, exclude_ov_denom_lim)
            for other in _baseline(data, baseline)
        ),
    ]
    measured = found[0]
    numbers = pd.RangeIndex(1, data.m + 1, name="set")
    table = pd.DataFrame(measured.values, index=pd.Index([*IDENTITY, *ATTRIBUTE], name="measure"), columns=numbers)
    table["mean"] = measured.values.mean(axis=1)
    if baseline is not None:
        table["baseline"] = found[1].values.mean(axis=1)
    records = pd.DataFrame(measured.records.T, record_index(synthetic, original, data), list(OF_RECORDS))
    excluded = pd.DataFrame({"over": measured.over, "excluded": measured.over * exclude_ov_denom_lim}, numbers)
    return Disclosure(columns.names, target, table, records, excluded)


@dataclass(frozen=True, eq=False)
class MultiDisclosure:
    """What keys disclose of each of several targets.

    Attributes
    ----------
    keys : the columns. table : a frame by target: `repU` and all measures of attribute disclosure, in percent, means
        over the sets. baseline : the same with the baseline in the place of the synthetic data, or None.
    records : a frame by real record: `repU` and, for each target, the share of sets, 0 to 1, in which the record's
        value is disclosed correctly (DiSCO).
    excluded : a frame by target, as in `Disclosure`, summed over the sets.
    """

    keys: tuple[str, ...]
    table: pd.DataFrame
    baseline: pd.DataFrame | None
    records: pd.DataFrame
    excluded: pd.DataFrame

    def at_risk(self) -> pd.DataFrame:
        """Return who is at risk of what: record, target, and the share of sets; "(identity)" for replicated uniques."""
        long = self.records.rename(columns={"repU": "(identity)"}).rename_axis(index="record", columns="target").stack()
        found = long[long > 0].sort_values(ascending=False, kind="stable")
        return found.rename("share").reset_index()

    def __repr__(self) -> str:
        return f"keys {', '.join(self.keys)}; percent\n{self.table.round(2)}"


def multi_disclosure(
    synthetic: Synthetic,
    original: pd.DataFrame | None = None,
    *,
    keys: Sequence[str],
    targets: Sequence[str] | None = None,
    denom_lim: int = 5,
    exclude_ov_denom_lim: bool = False,
    ngroups_targets: Groups = None,
    ngroups_keys: Groups = None,
    baseline: pd.DataFrame | None = None,
) -> MultiDisclosure:
    """Return the disclosure measures of many targets, as synthpop's `multi.disclosure`.

    targets : columns; by default all that are no keys. ngroups_targets : groups that numbers are cut into, for all or
    {column: groups}. All else, and errors, as for `disclosure`.
    """
    data = pair(synthetic, original)
    if targets is None:
        targets = [name for name in data.names if name not in keys]
    if not targets:
        raise MiceSimError("Every column is a key; leave one out, or name targets.")
    check_groups("ngroups_targets", ngroups_targets, targets)
    whole("denom_lim", denom_lim)
    order = ["repU", *ATTRIBUTE]
    places = [[*IDENTITY, *ATTRIBUTE].index(name) for name in order]

    def table(of: Assessed) -> tuple[pd.DataFrame, dict[str, np.ndarray], list[int]]:
        columns = _Keys(of, keys, ngroups_keys)
        values, over = [], []
        records: dict[str, np.ndarray] = {}
        for name in targets:
            groups = groups_of(ngroups_targets, name)
            found = _measure(of, columns, name, groups, denom_lim, exclude_ov_denom_lim)
            values.append(found.values.mean(axis=1)[places])
            records.setdefault("repU", found.records[OF_RECORDS.index("repU")].copy())
            records[name] = found.records[OF_RECORDS.index("DiSCO")].copy()
            over.append(int(found.over.sum()))
        return pd.DataFrame(values, pd.Index(targets, name="target"), order), records, over

    made, records, over = table(data)
    others = [table(other)[0] for other in _baseline(data, baseline)]
    return MultiDisclosure(
        tuple(data.only(keys).names),
        made,
        others[0] if others else None,
        pd.DataFrame(records, record_index(synthetic, original, data)),
        pd.DataFrame({"over": over, "excluded": np.array(over) * exclude_ov_denom_lim}, made.index),
    )


def measures(data: Assessed, keys: Sequence[str], targets: Sequence[str], groups: Groups = None) -> np.ndarray:
    """Return the measures of arrays, for studies: float64 (targets, measures, sets), in percent.

    Measures are in the order of IDENTITY and ATTRIBUTE; groups : what numbers are cut into.
    """
    columns = _Keys(data, keys, groups)
    return np.array([_measure(data, columns, name, groups_of(groups, name), 1, False).values for name in targets])


def _baseline(data: Assessed, baseline: pd.DataFrame | None) -> list[Assessed]:
    """Return the same real data beside the baseline, if there is one."""
    if baseline is None:
        return []
    return [pair(baseline, Table(data.columns, data.original).to_pandas())]


class _Keys:
    """The keys of data, and the group of every record; made once for all targets."""

    def __init__(self, data: Assessed, keys: Sequence[str], groups: Groups):
        self.names = tuple(data.only(keys).names)
        check_groups("ngroups_keys", groups, data.names)
        self.cells = cells(data, self.names, groups)
        self.real, self.made = self.cells.counts()


@dataclass(frozen=True, eq=False)
class _Measured:
    """values : (measures, sets), in percent. records : (OF_RECORDS, n), shares of sets. over : (sets,)."""

    values: np.ndarray
    records: np.ndarray
    over: np.ndarray


def _measure(data: Assessed, keys: _Keys, target: str, groups: int | None, denom_lim: int, exclude: bool) -> _Measured:
    if target in keys.names:
        raise MiceSimError(f"'{target}' is a key and the target; leave it out of one.")
    levels = column_cells(data, target, groups)
    both = keys.cells.with_(levels)
    real, made = both.counts()
    values, records, over = [], np.zeros((len(OF_RECORDS), data.n)), []
    base = 100 * np.sum((np.bincount(levels.original) / data.n) ** 2)
    for i in range(data.m):
        one = _one_set(keys, i, both, real, made[i], denom_lim, exclude)
        flags, sizes = np.array([one[name] for name in OF_RECORDS]), 100 / both.rows[i]
        records += flags / data.m
        percent = dict(zip(OF_RECORDS, 100 * flags.mean(axis=1), strict=True))
        percent |= {"UiS": sizes * one["unique"], "Dsyn": sizes * one["pure"], "CAPs": sizes * one["CAPs"]}
        percent |= {"baseCAPd": base, "CAPd": 100 * one["CAPd"].mean(), "DCAP": 100 * one["DCAP"].mean()}
        percent["TCAP"] = 100 * one["DiSCO"].sum() / one["iS"].sum() if one["iS"].any() else np.nan
        values.append([percent[name] for name in (*IDENTITY, *ATTRIBUTE)])
        over.append(one["over"])
    return _Measured(np.array(values).T, records, np.array(over))


def _one_set(
    keys: _Keys, i: int, both: Cells, real: np.ndarray, made: np.ndarray, denom_lim: int, exclude: bool
) -> dict[str, Any]:
    """Return what each measure says of each real record (n,), and the sums over synthetic ones."""
    q, tq = keys.cells.original, both.original
    d_q, d_tq = keys.real[q], real[tq]
    s_q, s_tq = keys.made[i][q], made[tq]
    # How many values of the target a group has among its synthetic records.
    q_made, tq_made = keys.cells.sets[i], both.sets[i]
    group = np.zeros(both.size, np.int64)
    group[tq_made] = q_made
    kinds = np.bincount(group[made > 0], minlength=keys.cells.size)
    disclosing = (kinds == 1)[q]
    correct = (s_tq > 0) & (s_tq == s_q)
    large = s_q > denom_lim
    counted = ~large if exclude else np.ones(q.size, bool)
    share = np.divide(made[tq_made], keys.made[i][q_made])
    return {
        "UiO": d_q == 1,
        "UiOiS": (d_q == 1) & (s_q > 0),
        "repU": (d_q == 1) & (s_q == 1),
        "Dorig": d_tq == d_q,
        "iS": s_q > 0,
        "DiS": disclosing & counted,
        "DiSCO": correct & counted,
        "DiSDiO": correct & (d_tq == d_q) & counted,
        "CAPd": d_tq / d_q,
        "DCAP": np.divide(s_tq, s_q, out=np.zeros(q.size), where=s_q > 0),
        "unique": int((keys.made[i] == 1).sum()),
        "pure": int((share == 1).sum()),
        "CAPs": float(share.sum()),
        "over": int((correct & large).sum()),
    }
