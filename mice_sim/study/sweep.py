"""Sweeps: one study at many points, each in a folder named after what sets it apart."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from mice_sim.errors import MiceSimError
from mice_sim.study.config import (
    SWEEP_MANIFEST,
    StudyConfig,
    Unresolved,
    compose,
    read_stored,
)  # fmt: skip
from mice_sim.study.folders import Folders
from mice_sim.study.overrides import parse_override
from mice_sim.study.performance import compare, performance
from mice_sim.study.run import Point, Progress, RunReport, finish, in_flight, prepare, run_points, warm_up
from mice_sim.study.store import Store

LONGEST_NAME = 200


@dataclass(frozen=True)
class Sweep:
    """A study and the values of its axes, by dotted key; points are all their combinations.

    fixed : the overrides that all points share. added : the axes that the files of conf/ do not name.
    config_dir : see `compose`.
    """

    base: StudyConfig
    axes: dict[str, list[Any]]
    fixed: tuple[str, ...]
    added: frozenset[str]
    config_dir: Path | None = None

    def values(self) -> list[dict[str, Any]]:
        """Return the values of the axes at every point, the last axis running fastest."""
        return [dict(zip(self.axes, values, strict=True)) for values in itertools.product(*self.axes.values())]

    def configs(self) -> Iterator[tuple[str, StudyConfig]]:
        """Yield the name and the configuration of every point; raises MiceSimError for one that can't be."""
        folders, composed = Folders(self.config_dir), dict[tuple, Unresolved]()
        for values in self.values():
            name = point_name(values)
            # A value of a group changes the composition; other values only change a key of it.
            groups = tuple(f"{'+' * (k in self.added)}{k}={v}" for k, v in values.items() if folders.is_group(k))
            if groups not in composed:
                composed[groups] = Unresolved.compose([*self.fixed, *groups], self.config_dir)
            point = composed[groups].resolve({k: v for k, v in values.items() if not folders.is_group(k)}, self.added)
            output = str(self.base.directory / "points" / name)
            yield name, dataclasses.replace(point, output=output, sweep={})


def read_sweep(overrides: Sequence[str], config_dir: Path | None = None) -> Sweep:
    """Read the axes from overrides with several values (`synthesis.m=5,10`) and from the configuration's `sweep`.

    A value on the command line replaces the configuration's. Raises MiceSimError if there is nothing to sweep.
    """
    folders = Folders(config_dir)
    parsed = [parse_override(text) for text in overrides]
    given = {p.key: p.values for p in parsed if len(p.values) > 1}
    fixed = tuple(text for text, p in zip(overrides, parsed, strict=True) if p.key not in given)
    # Other overrides may speak of a group that is added: the base has its first one.
    added = [f"+{p.key}={p.values[0]}" for p in parsed if p.added and p.key in given and folders.is_group(p.key)]
    base = compose([*fixed, *added], config_dir)
    named = {p.key for p in parsed}
    axes = {str(k): v for k, v in base.sweep.items() if k not in named} | given
    if not axes:
        raise MiceSimError("There is nothing to sweep; give a key several values, such as synthesis.m=5,10.")
    if base.until:
        raise MiceSimError("A sweep runs all replicates of its points; drop until, or run its points alone.")
    for key, values in axes.items():
        if key.split(".")[0] in ("output", "execution", "until", "sweep"):
            raise MiceSimError(f"{key} is the same for all points of a sweep; give it one value.")
        if key == "analysis":
            raise MiceSimError(
                "Points of a sweep share their analyses; sweep over a key, such as analysis.NAME.formula."
            )
        if not isinstance(values, list) or not values or len({_text(v) for v in values}) < len(values):
            raise MiceSimError(f"The axis {key} is {values!r}; give it a list of different values.")
    return Sweep(base, axes, fixed, frozenset(p.key for p in parsed if p.added), config_dir)


def point_name(values: Mapping[str, Any]) -> str:
    """Return the name of a point's folder: its overrides, in the order of their keys."""
    safe = partial(quote, safe=" ~[]{}:+")
    name = ",".join(f"{safe(key)}={safe(_text(value))}" for key, value in sorted(values.items()))
    if len(name) > LONGEST_NAME:
        raise MiceSimError(f"The point {name[:40]}… has a name of {len(name)} letters; give shorter values.")
    return name


def _text(value: Any) -> str:
    return format(value, "g") if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class PointDone:
    """What became of a point: the report of its run, or why it could not run."""

    name: str
    report: RunReport | None
    error: str


def run_sweep(sweep: Sweep, progress: Progress | None = None, again: bool = False) -> list[PointDone]:
    """Run what the points lack, all points together; one that can't run does not stop the others."""
    if (sweep.base.directory / "config.yaml").exists():
        raise MiceSimError(f"{sweep.base.directory} holds a single study; choose another output for the sweep.")
    points: dict[str, Point] = {}
    errors: dict[str, str] = {}
    configs = dict(sweep.configs())
    for (name, config), busy in zip(configs.items(), in_flight(list(configs.values())), strict=True):
        try:
            points[name] = prepare(config, again, busy)
        except MiceSimError as error:
            errors[name] = str(error)
    write_manifest(sweep, errors)
    warm_up(next((point for point in points.values() if point.todo), None))
    reports = run_points(list(points.values()), sweep.base.execution, progress)
    for point, report in zip(points.values(), reports, strict=True):
        if report.ran:
            finish(point, report)
    done = dict(zip(points, reports, strict=True))
    return [PointDone(n, done.get(n), errors.get(n, "")) for n in map(point_name, sweep.values())]


def write_manifest(sweep: Sweep, errors: Mapping[str, str]) -> None:
    """Write which points the sweep has, and which of them could not run."""
    points = {point_name(values): {"values": values, "error": errors.get(point_name(values))}
              for values in sweep.values()}  # fmt: skip
    manifest = {"study": sweep.base.study, "aims": sweep.base.aims, "axes": sweep.axes, "points": points}
    sweep.base.directory.mkdir(parents=True, exist_ok=True)
    (sweep.base.directory / SWEEP_MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def read_manifest(directory: Path) -> dict[str, Any]:
    return read_stored(Path(directory) / SWEEP_MANIFEST, lambda file: json.loads(file.read_text(encoding="utf-8")))


def point_errors(directory: Path) -> dict[str, str]:
    """Return, by name, why points could not run."""
    return {name: point["error"] for name, point in read_manifest(directory)["points"].items() if point["error"]}


def point_directories(directory: Path) -> list[Path]:
    """Return the folders of the points that could run."""
    points = read_manifest(directory)["points"]
    return [Path(directory) / "points" / name for name, point in points.items() if not point["error"]]


def point_stores(directory: Path) -> Iterator[tuple[dict[str, Any], Store]]:
    """Yield the values of the axes and the store of every point that holds replicates."""
    for name, point in read_manifest(directory)["points"].items():
        store = Store(Path(directory) / "points" / name)
        if not point["error"] and store.records():
            yield point["values"], store


def sweep_performance(directory: Path) -> pd.DataFrame:
    """Return the performance of all points, with a leading column for each axis."""
    frames = []
    for values, store in point_stores(directory):
        frame = performance(store, store.config())
        frames.append(_with_axes(frame, values))
    if not frames:
        raise MiceSimError(f"{directory} holds no finished replicate; run the sweep first.")
    return pd.concat(frames, ignore_index=True)


def sweep_comparisons(directory: Path) -> pd.DataFrame:
    """Return, for every axis, how each of its values differs from its first, the other axes being equal.

    Columns: axis, the axes' values, and those of `compare`. Points see the same samples, so the
    differences are paired by replicate.
    """
    stores = {_frozen(values): (values, store) for values, store in point_stores(directory)}
    axes = read_manifest(directory)["axes"]
    frames = []
    for axis, (first, *_) in axes.items():
        for values, store in stores.values():
            base = stores.get(_frozen({**values, axis: first}))
            if base and values[axis] != first:
                try:
                    frame = compare(store, store.config(), base[1], base[1].config())
                except MiceSimError:  # another formula may share no term with the first
                    continue
                # What the samples themselves give is the same at both points: there is nothing to compare.
                frame = frame[(frame["difference"] != 0) | (frame["mcse"] > 0)]
                frames.append(_with_axes(frame, {"axis": axis, **values}))
    if not frames:  # as when the first value of every axis could not run
        values, store = next(iter(stores.values()))
        none = compare(store, store.config(), store, store.config()).iloc[:0]
        frames.append(_with_axes(none, {"axis": "", **values}))
    return pd.concat(frames, ignore_index=True)


def _frozen(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def _with_axes(frame: pd.DataFrame, values: Mapping[str, Any]) -> pd.DataFrame:
    """Put a column for each axis in front; a list of values is text there, as rows are grouped by it."""
    frame = frame.copy()
    for position, (key, value) in enumerate(values.items()):
        told = json.dumps(value).replace('"', "") if isinstance(value, list | dict) else value
        frame.insert(position, key, [told] * len(frame))
    return frame
