"""The measures of a stored study, and of the difference between two: passes over its replicates, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mice_sim.errors import MiceSimError, nearest
from mice_sim.study import measures
from mice_sim.study.measures import MEASURES, Draws, Moments, Sums, Values
from mice_sim.study.store import Store
from mice_sim.study.summary import KEYS, reference_values

SAMPLES = ("bootstrap", "sample")  # what the source of the samples is called
COLUMNS = [*KEYS, "measure", "n", "estimate", "mcse", "target"]
COMPARED = [*KEYS, "measure", "a", "b", "difference", "mcse", "unpaired", "ratio"]
# The numbers of a replicate that a cell is made of, and the statistic of models each of them is.
PARTS = {"std_error": "std_error", "lower": "ci_lower", "upper": "ci_upper", "p_value": "p_value"}


def performance(store: Store, config: Mapping[str, Any]) -> pd.DataFrame:
    """Return every measure of every estimate: one row a number, columns as in `COLUMNS`.

    Truths are the values of the reference data; those of the same replicate's sample where
    `analysis.NAME.truth` is "sample"; or given numbers, by term. Relative precision is against
    `measures.reference`, or the sample. A measure that no replicate has numbers for has no row. Raises
    MiceSimError if nothing is stored, or a truth or reference names what the study has not.
    """
    cells = _Cells.of(store, config)
    sums = _sum_up(store, config, cells, None)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = [
            (measure.n(sums), measure.estimate(sums), measure.mcse(sums), np.full(len(cells.labels), target))
            for measure, target in ((measure, measure.target(cells.level)) for measure in MEASURES.values())
        ]
    # Every measure of the first cell, then every measure of the second.
    n, estimate, mcse, target = (np.array(numbers).T.ravel() for numbers in zip(*found, strict=True))
    frame = cells.labels.loc[cells.labels.index.repeat(len(MEASURES))].reset_index(drop=True)
    frame = frame.assign(measure=np.tile(list(MEASURES), len(cells.labels)), n=n, estimate=estimate, mcse=mcse)
    return frame.assign(target=target)[n > 0].reset_index(drop=True)[COLUMNS]


def compare(store_a: Store, config_a: Mapping, store_b: Store, config_b: Mapping) -> pd.DataFrame:
    """Return a − b for every measure that two studies share, over the replicates that both have.

    Columns as in `COMPARED`: `mcse` is the Monte Carlo standard error of the difference, replicates paired by
    number; `unpaired` what it would be with other samples in each study; `ratio` = unpaired/mcse. It means something
    if the studies share their samples, as the points of a sweep do. Raises MiceSimError if they share no replicate
    or no estimate.
    """
    common = np.intersect1d(_numbers(store_a, config_a), _numbers(store_b, config_b))
    if not common.size:
        raise MiceSimError("The two studies have no replicate in common; run them with the same replicates.")
    a, b = _Cells.of(store_a, config_a), _Cells.of(store_b, config_b)
    labels = a.labels.merge(b.labels, on=KEYS)
    if labels.empty:
        raise MiceSimError("The two studies have no estimate in common; compare studies with the same analyses.")
    a, b = a.only(labels), b.only(labels)
    sums_a, sums_b = _sum_up(store_a, config_a, a, common), _sum_up(store_b, config_b, b, common)
    frames = []
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = _difference_moments(
            _values(store_a, config_a, a, common, sums_a), sums_a, _values(store_b, config_b, b, common, sums_b), sums_b
        )
        for name, measure in MEASURES.items():
            one, other = measure.estimate(sums_a), measure.estimate(sums_b)
            mcse = measures.paired_mcse(difference[name])
            unpaired = measures.unpaired_mcse(measure.mcse(sums_a), measure.mcse(sums_b))
            numbers = {"a": one, "b": other, "difference": one - other, "mcse": mcse, "unpaired": unpaired}
            known = (measure.n(sums_a) > 0) & (measure.n(sums_b) > 0)
            frames.append(labels.assign(measure=name, **numbers, ratio=unpaired / mcse)[known])
    return pd.concat(frames).sort_index(kind="stable").reset_index(drop=True)[COMPARED]


def replicate_estimates(
    store: Store, config: Mapping[str, Any], analysis: str, statistic: str = "estimate"
) -> pd.DataFrame:
    """Return the estimates of one analysis replicate by replicate, all sources but the reference data.

    Columns replicate, source, term, estimate, std_error, ci_lower, ci_upper, p_value and truth; NaN where there is
    none. Raises MiceSimError if the study has no such analysis, or the analysis no such statistic.
    """
    cells = _Cells.of(store, config)
    for column, wanted in (("analysis", analysis), ("statistic", statistic)):
        known = list(dict.fromkeys(cells.labels[column]))
        if wanted not in known:
            raise MiceSimError(f"The study has no {column} '{wanted}' among its estimates{nearest(wanted, known)}")
        cells = cells.only(cells.labels[cells.labels[column] == wanted])
    frames = []
    for numbers, draws in _draws(store, config, cells, None):
        r, k = draws.estimate.shape
        given = {"estimate": draws.estimate, "std_error": draws.std_error, "ci_lower": draws.lower,
                 "ci_upper": draws.upper, "p_value": draws.p_value, "truth": draws.truth}  # fmt: skip
        labels = {name: np.tile(cells.labels[name].to_numpy(dtype=object), r) for name in ("source", "term")}
        frames.append(
            pd.DataFrame({"replicate": np.repeat(numbers, k), **labels, **{n: x.ravel() for n, x in given.items()}})
        )
    return pd.concat(frames, ignore_index=True)


# ---- where the numbers stand


@dataclass(frozen=True)
class _Cells:
    """The estimates of a study, and where in a replicate's rows their numbers stand.

    labels : columns `KEYS`. places : {field of Draws: row (cells,)}, −1 where there is none. truth : (cells,), NaN
    where it is another row of the same replicate, or none. level : of the confidence intervals.
    """

    labels: pd.DataFrame
    places: dict[str, np.ndarray]
    truth: np.ndarray
    level: float

    @classmethod
    def of(cls, store: Store, config: Mapping[str, Any]) -> _Cells:
        rows = store.labels()
        at = {key: i for i, key in enumerate(rows.itertuples(index=False, name=None))}
        estimates = [key for key in at if key[3] == "estimate" or (*key[:3], "estimate") not in at]
        labels = pd.DataFrame(estimates, columns=KEYS)
        sample = next((s for s in SAMPLES if (labels["source"] == s).any()), "")
        reference = _reference(config, list(dict.fromkeys(labels["source"])), sample)

        def find(keys) -> np.ndarray:
            return np.array([at.get(key, -1) for key in keys])

        truth, varies = _truths(store, config, labels)
        places = {
            "estimate": find(estimates),
            **{field: find((*key[:3], statistic) for key in estimates) for field, statistic in PARTS.items()},
            "reference": find(("" if key[0] == reference else reference, *key[1:]) for key in estimates),
            "truth": np.where(varies, find((sample, *key[1:]) for key in estimates), -1),
        }
        return cls(labels, places, truth, float(config["pooling"]["level"]))

    def only(self, labels: pd.DataFrame) -> _Cells:
        """Return the cells with these labels, in their order."""
        at = {key: i for i, key in enumerate(self.labels[KEYS].itertuples(index=False, name=None))}
        chosen = [at[key] for key in labels[KEYS].itertuples(index=False, name=None)]
        places = {field: rows[chosen] for field, rows in self.places.items()}
        return _Cells(labels[KEYS].reset_index(drop=True), places, self.truth[chosen], self.level)

    def draws(self, values: np.ndarray) -> Draws:
        """Return what the replicates with these rows, (replicates, rows), say of the cells."""
        # The last column stands for numbers that there are none of: place −1.
        padded = np.column_stack([values, np.full(len(values), np.nan)])
        found = {field: padded[:, rows] for field, rows in self.places.items()}
        found["truth"] = np.where(self.places["truth"] < 0, self.truth, found["truth"])
        return Draws(**found)


def _reference(config: Mapping[str, Any], sources: list[str], sample: str) -> str:
    """The source against which precision is measured."""
    named = config.get("measures", {}).get("reference")
    if named and named not in sources:
        raise MiceSimError(
            f"measures.reference is '{named}', which is no source of this study{nearest(named, sources)}"
        )
    return named or sample


def _truths(store: Store, config: Mapping[str, Any], labels: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells' fixed truths, NaN where there is none, and whether theirs is the sample's instead."""
    fixed, varies = reference_values(store, labels).copy(), np.zeros(len(labels), bool)
    for analysis, mine in labels.groupby("analysis"):
        # Confusion statistics have no entry of their own: they come with an analysis of kind discrimination.
        truth = config["analysis"].get(analysis, {}).get("truth", "reference")
        if isinstance(truth, Mapping):
            fixed[mine.index] = mine["term"].map(_given_truths(str(analysis), truth, mine))
        elif truth == "sample":
            fixed[mine.index], varies[mine.index] = np.nan, True
        elif truth != "reference":
            raise MiceSimError(f"analysis.{analysis}.truth is {truth!r}; give reference, sample, or a number a term.")
    return fixed, varies


def _given_truths(analysis: str, truth: Mapping[str, float], labels: pd.DataFrame) -> dict[str, float]:
    terms = list(dict.fromkeys(labels["term"]))
    for name in truth:
        if name not in terms:
            raise MiceSimError(f"analysis.{analysis}.truth names '{name}', no term of it{nearest(name, terms)}")
    if labels["statistic"].nunique() > 1:
        raise MiceSimError(
            f"analysis.{analysis}.truth gives one number a term, but the analysis has several statistics; "
            "use reference or sample."
        )
    return {term: float(number) for term, number in truth.items()}


# ---- passes over the replicates


def _draws(
    store: Store, config: Mapping[str, Any], cells: _Cells, kept: np.ndarray | None
) -> Iterator[tuple[np.ndarray, Draws]]:
    """Yield (replicate numbers, draws) block by block; only replicates in `kept`, if given."""
    for numbers, values, _ in store.blocks(config["replicates"]):
        chosen = slice(None) if kept is None else np.isin(numbers, kept)
        if numbers[chosen].size:
            yield numbers[chosen], cells.draws(values[chosen])


def _numbers(store: Store, config: Mapping[str, Any]) -> np.ndarray:
    return np.concatenate([np.zeros(0, int), *(numbers for numbers, *_ in store.blocks(config["replicates"]))])


def _sum_up(store: Store, config: Mapping[str, Any], cells: _Cells, kept: np.ndarray | None) -> Sums:
    """Add up the variables in one pass, and in another what needs their means."""
    sums = measures.without_zero_truths(measures.merge(
        measures.moments(measures.variables(draws, cells.level)) for _, draws in _draws(store, config, cells, kept)
    ))  # fmt: skip
    centre = sums["estimate"].mean
    return sums | measures.merge(
        measures.moments(measures.centred(draws, centre)) for _, draws in _draws(store, config, cells, kept)
    )


def _values(
    store: Store, config: Mapping[str, Any], cells: _Cells, kept: np.ndarray, sums: Sums
) -> Iterator[tuple[np.ndarray, Values]]:
    for numbers, draws in _draws(store, config, cells, kept):
        yield numbers, measures.variables(draws, cells.level) | measures.centred(draws, sums["estimate"].mean)


def _difference_moments(values_a: Iterator, sums_a: Sums, values_b: Iterator, sums_b: Sums) -> Sums:
    """Return the moments of the difference of influence values, by measure."""
    parts = []
    for (numbers_a, a), (numbers_b, b) in zip(values_a, values_b, strict=True):
        if not np.array_equal(numbers_a, numbers_b):
            raise AssertionError("blocks of two studies end at different replicates")
        parts.append({
            name: Moments.of(measure.influence(a, sums_a) - measure.influence(b, sums_b))
            for name, measure in MEASURES.items()
        })  # fmt: skip
    return measures.merge(parts)
