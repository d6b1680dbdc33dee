"""The front door of studies: run one, or read one that has run, and take what it found as frames."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from mice_sim.errors import MiceSimError
from mice_sim.report.build import build, build_sweep
from mice_sim.report.published import load_published
from mice_sim.report.referee import Verdict, judge
from mice_sim.resources import shown_path
from mice_sim.study import performance as measured
from mice_sim.study import run, sweep, targets
from mice_sim.study.config import StudyConfig, compose, is_sweep, stored_config
from mice_sim.study.replay import CERTIFYING, Replay, certify, replay
from mice_sim.study.replicate import CHOSEN
from mice_sim.study.store import Store
from mice_sim.study.summary import Summary, summary_of


@dataclass(frozen=True, repr=False)
class _Results:
    """What has run, by the folder that holds it."""

    directory: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "directory", Path(self.directory).absolute())


class Study(_Results):
    """A study that has run, by the folder that holds it. What it says is read when it is first asked for, and kept.

    directory : the study's folder; absolute, whatever was given.
    """

    def __repr__(self) -> str:
        failed = len(self._store.failures(self.config["replicates"])) or "none"
        stored = f"{self._present} of {self.config['replicates']} replicates, {failed} with failures"
        return f"Study {self.config['study']!r} in {shown_path(self.directory)}: {stored}"

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        return self._store.config()

    @cached_property
    def performance(self) -> pd.DataFrame:
        """Every measure of every estimate, with its Monte Carlo standard error: source, analysis, term, statistic,
        measure, n, estimate, mcse, target. Measures are those of `docs/measures.md`."""
        return measured.performance(self._store, self.config)

    @cached_property
    def failures(self) -> pd.DataFrame:
        """What failed: replicate, source, analysis, error."""
        found = self._store.failures(self.config["replicates"])
        rows = [(r, f.source, f.analysis, f.error) for r, failures in found.items() for f in failures]
        return pd.DataFrame(rows, columns=["replicate", "source", "analysis", "error"])

    @cached_property
    def summary(self) -> Summary:
        """Moments and coverages of all stored numbers, which tables and the referee are made from."""
        return summary_of(self._store, self.config)

    @cached_property
    def verdict(self) -> Verdict:
        """What the referee says of it beside the published numbers, if its configuration names any."""
        return judge(self.summary, self.config)

    @cached_property
    def invalid_rules(self) -> pd.DataFrame:
        """Combining rules that are not valid for the sets that they pool: source, analysis, rule, why."""
        events = [event for event in self._store.study_events() if event["why"] != CHOSEN]
        rows = [(e["source"], e["variable"], e["what"].removeprefix("pooled by "), e["why"]) for e in events]
        return pd.DataFrame(rows, columns=["source", "analysis", "rule", "why"])

    def estimates(self, analysis: str, statistic: str = "estimate") -> pd.DataFrame:
        """Return the estimates of one analysis: replicate, source, term, estimate, std_error, ci_lower, ci_upper,
        p_value, truth; NaN where there is none. Raises MiceSimError for an unknown analysis or statistic."""
        return measured.replicate_estimates(self._store, self.config, analysis, statistic)

    def rows(self, **labels: str) -> pd.DataFrame:
        """Return stored rows: replicate, source, analysis, term, statistic, value; NaN where an analysis failed.

        labels : what to choose, such as analysis="linear", term="age"; the default is everything. Raises MiceSimError
        for a label that no row has.
        """
        return self._store.rows(self.config["replicates"], **labels)

    def compare(self, other: Study) -> pd.DataFrame:
        """Return this study minus another one for every measure, replicates paired by number: see
        `mice_sim.study.performance.compare`."""
        return measured.compare(self._store, self.config, other._store, other.config)

    def replay(self, replicate: int) -> Replay:
        """Rebuild one replicate alone and compare its hashes with the stored ones; raises MiceSimError for one that is
        not there."""
        return replay(self.directory, replicate)

    def certify(self, replicates: int = 5) -> dict[str, Any]:
        """Run a few random replicates again, by one worker and by two, in other chunks and orders; return and store
        the verdict, whose "agrees" says whether all hashes are the stored ones."""
        return certify(self.directory, replicates, list(CERTIFYING))

    def report(self) -> Path:
        """Write tables/, figures/ and report.html of what is stored now into the study's folder; return the page's
        path."""
        for kept in set(vars(self)) - {"directory"}:
            del self.__dict__[kept]
        return build(self.directory, self.verdict, self.summary)

    @cached_property
    def _store(self) -> Store:
        return Store(self.directory)

    @property
    def _present(self) -> int:
        return sum(number < self.config["replicates"] for number in self._store.records())


class Sweep(_Results):
    """A sweep that has run, by the folder that holds it.

    directory : the sweep's folder; absolute, whatever was given.
    """

    def __repr__(self) -> str:
        errors = len(sweep.point_errors(self.directory))
        unable = f", {errors} of them could not run" if errors else ""
        points = len(self.points) + errors
        study = sweep.read_manifest(self.directory)["study"]
        return f"Sweep {study!r} in {shown_path(self.directory)}: {points} points{unable}"

    @cached_property
    def points(self) -> dict[str, Study]:
        """The studies at the points that could run, by their names, such as "synthesis.m=5"."""
        return {folder.name: Study(folder) for folder in sweep.point_directories(self.directory)}

    @cached_property
    def performance(self) -> pd.DataFrame:
        """The performance of all points, as of a study; a leading column for each axis."""
        return sweep.sweep_performance(self.directory)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """How each value of an axis differs from its first one, replicates paired: axis, the axes' values, a, b,
        difference, mcse, unpaired, ratio."""
        return sweep.sweep_comparisons(self.directory)

    def report(self) -> Path:
        """Write tables/, figures/ and report.html into the sweep's folder; return the page's path."""
        return build_sweep(self.directory)


def run_study(*overrides: str, config_dir: str | Path | None = None) -> Study:
    """Run a study, or go on with one that was interrupted: `mice-sim run` without the report.

    overrides : key=value pairs of Hydra over the files of conf/, such as "experiment=volker_vink_2021",
    "replicates=50". config_dir : a folder of your own with the same groups as conf/.

    Returns
    -------
    The study; its `report` writes tables, figures and page.

    Raises
    ------
    MiceSimError
        For a configuration that can't work, a folder that holds another study, or a sweep, before anything runs.
    """
    config = compose(_texts(overrides), Path(config_dir) if config_dir else None)
    check_study(config)
    start_study(config)
    return Study(config.directory)


def _texts(overrides: tuple[str, ...]) -> tuple[str, ...]:
    for override in overrides:
        if not isinstance(override, str):
            raise MiceSimError(f"An override is {override!r}; give texts one by one, as in 'replicates=50', 'seed=1'.")
    return overrides


def check_study(config: StudyConfig) -> None:
    """Raise MiceSimError for what would show only after the last replicate, and for a sweep."""
    if config.sweep:
        axes = ", ".join(config.sweep)
        raise MiceSimError(f"This study is a sweep over {axes}; run it with -m or run_sweep, or add sweep={{}}.")
    if config.report["published"]:
        with config.written.pointing():
            load_published(config.report["published"])


def start_study(config: StudyConfig, progress: run.Progress | None = None) -> tuple[run.RunReport, dict[str, float]]:
    """Run a study until its replicates are there, or its `until` is met; return also what of that is not met."""
    if config.until:
        return targets.run_until(config, progress)
    return run.run_study(config, progress), {}


def run_sweep(*overrides: str, config_dir: str | Path | None = None) -> Sweep:
    """Run every combination of keys with several values, such as "synthesis.m=5,10": `mice-sim run -m`.

    overrides, config_dir : see `run_study`. A point that can't run does not stop the others; `mice-sim status` and the
    sweep's manifest tell why. Raises MiceSimError if there is nothing to sweep.
    """
    wanted = sweep.read_sweep(_texts(overrides), Path(config_dir) if config_dir else None)
    sweep.run_sweep(wanted)
    return Sweep(wanted.base.directory)


def read_study(directory: str | Path) -> Study:
    """Return the study that has run in a directory such as "results/mine".

    Raises MiceSimError if it holds none, or a sweep.
    """
    stored_config(Path(directory))
    return Study(Path(directory))


def read_sweep(directory: str | Path) -> Sweep:
    """Return the sweep that has run in a directory; raises MiceSimError if it holds none."""
    if not is_sweep(Path(directory)):
        raise MiceSimError(f"{directory} holds no sweep; run one first, or read a study with read_study.")
    return Sweep(Path(directory))
