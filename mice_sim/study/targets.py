"""Target Monte Carlo errors: how many replicates they need, and a run that stops when they are met."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from mice_sim.errors import MiceSimError
from mice_sim.study.config import StudyConfig, check_targets
from mice_sim.study.measures import get_measure, replicates_for, share_mcse
from mice_sim.study.performance import performance
from mice_sim.study.run import Progress, RunReport, run_study
from mice_sim.study.store import Store

BATCH = 100


def parse_targets(texts: Sequence[str]) -> dict[str, float]:
    """Read targets such as "coverage=0.005"; raises MiceSimError for one that can't be read."""
    targets = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            targets[name] = float(number)
        except ValueError:
            raise MiceSimError(
                f"The target {text!r} can't be read; write MEASURE=MCSE, as in coverage=0.005."
            ) from None
    return check_targets(targets)


def judged(frame: pd.DataFrame, config: StudyConfig) -> pd.DataFrame:
    """Return the rows that targets speak of: the estimates of models by the methods that the study compares.

    A study without models is judged by all its statistics.
    """
    methods = frame[~frame["source"].isin(["bootstrap", "sample", "complete_cases"])]
    models = methods[methods["statistic"] == "estimate"]
    return methods if models.empty else models


@dataclasses.dataclass(frozen=True)
class Need:
    """How many replicates a target needs, and the cell that needs most."""

    measure: str
    mcse: float
    replicates: int
    cell: str


def needs(frame: pd.DataFrame, targets: Mapping[str, float], config: StudyConfig) -> list[Need]:
    """Return what each target needs, given the performance of a pilot.

    Coverage is taken at its level, other shares at one half, where their error is largest: a pilot is too small
    to tell. Everything else goes by the pilot's Monte Carlo errors, n·(mcse/target)².
    """
    found = []
    level = float(config.pooling["level"])
    for name, mcse in targets.items():
        measure = get_measure(name)
        if measure.kind == "share":
            share = level if measure.target(level) == level else 0.5
            found.append(Need(name, mcse, replicates_for(name, mcse, share=share), f"any, if it is {share:g}"))
            continue
        rows = judged(frame[(frame["measure"] == name) & np.isfinite(frame["mcse"])], config)
        if rows.empty:
            raise MiceSimError(f"No estimate of this study has a {name}; choose another measure.")
        wanted = [
            replicates_for(name, mcse, pilot=(n, max(e, 1e-300))) for n, e in zip(rows["n"], rows["mcse"], strict=True)
        ]
        worst = rows.iloc[int(np.argmax(wanted))]
        found.append(Need(name, mcse, max(wanted), f"{worst['source']} {worst['analysis']} {worst['term']}"))
    return found


def unmet(frame: pd.DataFrame, targets: Mapping[str, float], config: StudyConfig) -> dict[str, float]:
    """Return the measures whose largest Monte Carlo error is above its target, with that error."""
    largest = {}
    for name in targets:
        rows = judged(frame[frame["measure"] == name], config)
        errors = rows["mcse"]
        if get_measure(name).kind == "share":
            # A share of 0 or 1 has no error by its formula; Agresti & Coull's (1998) two more of each kind mend that.
            errors = share_mcse((rows["estimate"] * rows["n"] + 2) / (rows["n"] + 4), rows["n"] + 4)
        largest[name] = float(errors.max()) if errors.notna().any() else np.inf
    return {name: error for name, error in largest.items() if error > targets[name]}


def run_until(config: StudyConfig, progress: Progress | None = None) -> tuple[RunReport, dict[str, float]]:
    """Run a study in batches until its `until` is met, or all its replicates are there.

    A batch is that of `until`, or as many of these as make a tenth of what is there, as to look is to read all. Batches
    are replicates 0..R−1, whatever was there before, so that a study that is run again stops at the same R. Returns
    the report of the whole run, and the targets that all replicates did not meet; a batch that a cluster has in hand
    ends the run.
    """
    targets = {name: mcse for name, mcse in config.until.items() if name != "batch"}
    batch = int(config.until.get("batch", BATCH))
    reports: list[RunReport] = []
    for size in _sizes(batch, config.replicates):
        part = dataclasses.replace(config, replicates=size)
        reports.append(run_study(part, progress))
        if reports[-1].submitted:
            return _together(reports), {}  # a cluster has the batch; the next run goes on from there
        missing = unmet(performance(Store(config.directory), part.to_mapping()), targets, config)
        if not missing:
            break
    return _together(reports), missing


def _sizes(batch: int, replicates: int) -> Iterator[int]:
    """Yield the numbers of replicates after which targets are looked at."""
    size = batch
    while size < replicates:
        yield size
        size += batch * max(1, size // (10 * batch))
    yield replicates


def _together(reports: list[RunReport]) -> RunReport:
    *earlier, last = reports
    return dataclasses.replace(
        last,
        present=last.present - sum(r.ran for r in earlier),
        **{k: sum(getattr(r, k) for r in reports) for k in ("ran", "startup_seconds", "wall_seconds", "cpu_seconds")},
        peak_mib=max(r.peak_mib for r in reports),
        set_aside=[name for r in reports for name in r.set_aside],
    )
