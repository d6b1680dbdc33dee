"""Statistical disclosure control of synthetic sets: what is changed in them before they are released."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np

from mice_sim import streams
from mice_sim.assessment.cells import Groups
from mice_sim.assessment.copies import replicated_uniques
from mice_sim.assessment.data import Assessed
from mice_sim.assessment.nearest import Metric, in_boxes
from mice_sim.errors import MiceSimError, nearest
from mice_sim.synthesis.constraints import overrule
from mice_sim.synthesis.events import Event
from mice_sim.synthesis.result import Synthesis
from mice_sim.synthesis.smoothing import KINDS, smooth

Made = TypeVar("Made", bound=Synthesis)


def sdc(
    result: Made,
    *,
    smoothing: str | Mapping[str, str] | None = None,
    swap: Sequence[str] = (),
    share: float = 0.05,
    within: Sequence[str] = (),
    bottom_top_coding: Mapping[str, Sequence[float | None]] | None = None,
    rm_replicated_uniques: bool = False,
    uniques_exclude: Sequence[str] = (),
    uniques_groups: Groups = None,
    seed: int = 0,
) -> Made:
    """Return a result of `synthesize` with its sets protected further, as synthpop's `sdc`; nothing is done unasked.

    Steps are taken in the order of the parameters; then derived columns are computed anew and rules are followed. What
    was done is in the `events` of what is returned.

    Parameters
    ----------
    smoothing : "density", "spline" or "rmean" for all numbers, or {column: kind}; special codes and spikes stay.
    swap : columns whose values are exchanged together between pairs of similar records; share : of the records that
        are swapped, 0 to 1; within : columns in whose levels both must agree. Partners are neighbours in all other
        columns (Dalenius & Reiss 1982, J. Stat. Plan. Inference 6, 73-85; Willenborg & de Waal 2001, §5.6).
    bottom_top_coding : {column: [least, most]}; values beyond are set to the limit; None is no limit.
    rm_replicated_uniques : remove synthetic records that are unique and like a unique real record in all columns but
        `uniques_exclude`; numbers cut into `uniques_groups`. Sets stay of one size: from those with fewer such
        records others are removed at random. For sequential synthesis, whose records are nobody's.
    seed : of all random choices; the same seed gives the same sets.

    Raises MiceSimError for imputations, for columns that can't be treated so, and where the real data are needed but
    not there (as with a saved synthesiser).
    """
    if result.mode == "impute":
        raise MiceSimError("sdc is for synthetic data; imputations are the real data with holes filled.")
    protected = _Protection(result, seed)
    protected.smooth(_kinds(result, smoothing))
    if swap:
        protected.swap(list(swap), share, list(within))
    protected.code(bottom_top_coding or {})
    protected.restore()
    if rm_replicated_uniques:
        protected.remove_uniques(list(uniques_exclude), uniques_groups)
    return protected.result()


def _kinds(result: Synthesis, smoothing: str | Mapping[str, str] | None) -> Mapping[str, str]:
    if isinstance(smoothing, str):
        drawn = result.spec.methods
        return {c.name: smoothing for j, c in enumerate(result.original.columns) if not c.is_factor and j in drawn}
    return smoothing or {}


class _Protection(Generic[Made]):
    def __init__(self, made: Made, seed: int):
        self.made, self.seed, self.table = made, seed, made.original
        self.sets = made.sets.copy()
        self.events: list[Event] = []
        self.touched: set[int] = set()

    def smooth(self, kinds: Mapping[str, str]) -> None:
        for name, kind in kinds.items():
            j = self._number(name, "smoothed")
            if kind not in KINDS:
                raise MiceSimError(f"There is no smoothing '{kind}'{nearest(kind, list(KINDS))}")
            special = self.made.spec.special.get(j, ())
            real = self._real("Smoothing")[j]
            real = real[~(np.isnan(real) | np.isin(real, special))]
            for i, values in enumerate(self.sets[:, j]):
                moving = ~(np.isnan(values) | np.isin(values, special))
                if moving.any() and real.size:
                    values[moving] = smooth(kind, values[moving], real, self._stream(i, "smoothing", name))
            self._note(name, f"smoothed by {kind}", "sdc")

    def swap(self, names: list[str], share: float, within: list[str]) -> None:
        if not 0 < share <= 1:
            raise MiceSimError(f"share is {share!r}; give a share of records above 0, up to 1.")
        swapped, same = [self._number(name, "swapped", True) for name in names], [self.table.index(n) for n in within]
        if set(swapped) & set(same):
            raise MiceSimError(f"'{self.table.names[(set(swapped) & set(same)).pop()]}' is in swap and in within.")
        others = [j for j in range(len(self.table.columns)) if j not in swapped]
        for i, values in enumerate(self.sets):
            pairs = _pairs(self._points(values, others), values[same], share, self._stream(i, "swap", ""))
            one, other = pairs
            for j in swapped:
                values[j, one], values[j, other] = values[j, other].copy(), values[j, one].copy()
            self._note(", ".join(names), f"swapped between {one.size} pairs", f"sdc: {share:g} of all records", i + 1)

    def _points(self, values: np.ndarray, others: list[int]) -> np.ndarray:
        """Return where records lie by the columns that are not swapped; all at one place if all are."""
        if not others:
            return np.zeros((values.shape[1], 1))
        columns = tuple(self.table.columns[j] for j in others)
        own = Assessed(columns, values[others], (), np.ones(len(others), bool))
        return Metric.of(own, True).points(values[others])

    def code(self, limits: Mapping[str, Sequence[float | None]]) -> None:
        for name, pair in limits.items():
            j = self._number(name, "coded")
            if len(pair) != 2 or all(limit is None for limit in pair):
                raise MiceSimError(f"bottom_top_coding of '{name}' is {pair!r}; give [least, most], None for no limit.")
            least, most = (-np.inf if pair[0] is None else pair[0]), (np.inf if pair[1] is None else pair[1])
            if not least < most:
                raise MiceSimError(f"bottom_top_coding of '{name}' is {pair!r}; give the smaller limit first.")
            coded = ~np.isin(self.sets[:, j], self.made.spec.special.get(j, ()))
            for i, (values, ordinary) in enumerate(zip(self.sets[:, j], coded, strict=True)):
                for limit, beyond in ((least, values < least), (most, values > most)):
                    beyond &= ordinary
                    if beyond.any():
                        values[beyond] = limit
                        self._note(name, f"coded {beyond.sum()} values as {limit:g}", "sdc", i + 1)

    def restore(self) -> None:
        """Let what follows from other columns follow from what was changed in them."""
        spec, names = self.made.spec, self.table.names
        rows = np.arange(self.sets.shape[2])
        for values in self.sets if self.touched else ():
            by_name = dict(zip(names, values, strict=True))
            for j in self.touched:
                if j in spec.bounds:
                    values[j] = np.clip(values[j], *spec.bounds[j])
            changed = {names[j] for j in self.touched}
            for j in spec.visit_sequence:
                ruled = any(rule.target == j and changed & set(rule.condition.parents) for rule in spec.rules)
                if j in spec.derived and changed & set(spec.derived[j].parents):
                    values[j] = spec.derived[j].evaluate({p: by_name[p] for p in spec.derived[j].parents})
                elif ruled or (j in self.touched and spec.rules):
                    values[j] = overrule(spec, j, values[j], rows, by_name)
                else:
                    continue
                changed.add(names[j])

    def remove_uniques(self, exclude: list[str], groups: Groups) -> None:
        if self.made.mode != "sequential":
            raise MiceSimError(
                "Records of linked sets belong to those of the data, so none can be removed; swap values, or use "
                "mode='sequential'."
            )
        for name in exclude:
            self.table.index(name)
        keys = [name for name in self.table.names if name not in exclude]
        data = replace_sets(self.made, self.sets)
        self._real("Finding replicated uniques")
        found = replicated_uniques(data, keys=keys, groups=groups).replicates
        removed = max(int(mask.sum()) for mask in found)
        kept = np.empty((*self.sets.shape[:2], self.sets.shape[2] - removed))
        if kept.shape[2] == 0:
            raise MiceSimError("Every record of a set is a replicated unique; synthesise with fewer details.")
        for i, mask in enumerate(found):
            here = int(mask.sum())
            rest = np.flatnonzero(~mask)
            rest = np.sort(self._stream(i, "removal", "").choice(rest, kept.shape[2], replace=False))
            kept[i] = self.sets[i][:, rest]
            what = f"removed {here} replicated uniques"
            what += f" and {removed - here} other records" if removed > here else ""
            if removed:
                self._note("(records)", what, "sdc; sets stay of one size", i + 1)
        self.sets = kept

    def result(self) -> Made:
        return replace_sets(self.made, self.sets, self.events)

    def _number(self, name: str, treated: str, factors: bool = False) -> int:
        j = self.table.index(name)
        if j in self.made.spec.derived:
            parents = ", ".join(self.made.spec.derived[j].parents) or "nothing"
            raise MiceSimError(f"Column '{name}' follows from {parents} and can't be {treated}; treat these instead.")
        if self.table.columns[j].is_factor and not factors:
            raise MiceSimError(f"Column '{name}' is a factor and can't be {treated}; name columns of numbers.")
        self.touched.add(j)
        return j

    def _real(self, what: str) -> np.ndarray:
        if self.table.n_rows == 0:
            raise MiceSimError(f"{what} needs the real data, which a saved synthesiser does not hold; do it before.")
        return self.table.values

    def _note(self, name: str, what: str, why: str, number: int = 0) -> None:
        self.events.append(Event(name, what, why, number))

    def _stream(self, i: int, purpose: str, name: str) -> np.random.Generator:
        return streams.stream(self.seed, "sdc", i + 1, purpose, name)


def replace_sets(made: Made, sets: np.ndarray, events: Sequence[Event] = ()) -> Made:
    """Return the result with these sets instead, and further events."""
    origin = replace(made.origin, k=sets.shape[2])
    return replace(made, sets=sets, origin=origin, log=[*made.log, *events])


def _pairs(points: np.ndarray, same: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return int (2, pairs): records that are partners, drawn from all and alike in `same` (columns, records)."""
    n = len(points)
    chosen = np.sort(rng.choice(n, 2 * int(share * n / 2), replace=False))
    cell = np.unique(same[:, chosen], axis=1, return_inverse=True)[1].ravel() if len(same) else np.zeros(chosen.size)
    pairs = [np.zeros((2, 0), int)]
    for number in np.unique(cell):
        members = chosen[cell == number]
        order = members[in_boxes(points[members], 2)[0]]
        order = order[: order.size // 2 * 2]
        pairs.append(np.array([order[0::2], order[1::2]]))
    return np.concatenate(pairs, axis=1)
