"""Configuration ends here: a Hydra composition becomes frozen dataclasses."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mice_sim.errors import MiceSimError, nearest
from mice_sim.resources import resource

MODES = ("linked",)
ENGINES = ("serial", "loky")


@dataclass(frozen=True)
class Execution:
    """How a study runs; never what it finds.

    address : of a dask scheduler. slurm : what its jobs ask for. chunk : None lets a pilot decide.
    """

    engine: str = "loky"
    workers: int = -1
    chunk: int | None = 25
    progress: bool = True
    address: str | None = None
    slurm: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyConfig:
    """A resolved study. Its parts are plain mappings that their rooms check."""

    study: str
    aims: str
    replicates: int
    seed: int
    output: str
    data: Mapping[str, Any]
    resampling: Mapping[str, Any]
    synthesis: Mapping[str, Any]
    analysis: Mapping[str, Mapping[str, Any]]
    pooling: Mapping[str, Any]
    measures: Mapping[str, Any]
    until: Mapping[str, float]
    sweep: Mapping[str, list]
    execution: Execution
    report: Mapping[str, Any]

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> StudyConfig:
        """Check the keys of a resolved configuration; raises MiceSimError for a wrong one."""
        names = [f.name for f in dataclasses.fields(cls)]
        _check_known("configuration", given, names)
        for name in names:
            if name not in given:
                raise MiceSimError(f"The configuration lacks the key '{name}'; give it a value.")
        execution = dict(given["execution"])
        _check_known("execution", execution, [f.name for f in dataclasses.fields(Execution)])
        _check_execution(execution)
        for name, least in (("replicates", 1), ("seed", 0)):
            if isinstance(given[name], bool) or not isinstance(given[name], int) or given[name] < least:
                raise MiceSimError(f"{name} is {given[name]!r}; give a whole number of at least {least}.")
        for options in variants(given["synthesis"]).values():
            mode = options.get("mode", "linked")
            if mode not in MODES:
                raise MiceSimError(f"There is no synthesis.mode '{mode}'{nearest(mode, MODES)}")
        return cls(**{**given, "execution": Execution(**execution)})

    @property
    def directory(self) -> Path:
        return Path(self.output)

    def scientific(self) -> dict[str, Any]:
        """Return what decides the stored numbers; how many, how and where they are run and shown does not."""
        names = ("data", "resampling", "synthesis", "analysis", "pooling", "seed")
        return {name: getattr(self, name) for name in names}

    def key(self) -> str:
        """Return the scientific configuration as canonical JSON; workers rebuild everything from it."""
        return json.dumps(self.scientific(), sort_keys=True)

    def to_mapping(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def variants(synthesis: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the options of each method that a study compares, by its name; one alone is "synthetic"."""
    common = {k: v for k, v in synthesis.items() if k != "variants"}
    return {name: common | changes for name, changes in (synthesis.get("variants") or {"synthetic": {}}).items()}


def sample_source(resampling: Mapping[str, Any]) -> str:
    """Return what the rows of the samples themselves are called."""
    return "bootstrap" if str(resampling["kind"]).endswith("bootstrap") else "sample"


def compose(overrides: Sequence[str]) -> StudyConfig:
    """Compose `conf/` with Hydra overrides such as `experiment=volker_vink_2021 synthesis.m=10`.

    Raises MiceSimError for an override that names nothing, or that gives several values.
    """
    (point,) = compose_all([overrides])
    return point


def compose_all(points: Iterable[Sequence[str]]) -> Iterator[StudyConfig]:
    """Compose several lists of overrides; see `compose`."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    with initialize_config_dir(str(resource("conf").resolve()), version_base="1.3"):
        for overrides in points:
            _check_groups(overrides)
            try:
                composed = hydra_compose("config", list(overrides))
                resolved = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
            except (HydraException, OmegaConfBaseException) as error:
                raise MiceSimError(_explain(error, overrides)) from None
            assert isinstance(resolved, dict)
            yield StudyConfig.from_mapping({str(k): v for k, v in resolved.items() if k != "experiment"})


def _check_groups(overrides: Sequence[str]) -> None:
    """Raise MiceSimError for an override that chooses a file which conf/ does not have.

    Hydra would pass over a missing experiment, because that group may be empty.
    """
    for override in overrides:
        name, _, value = override.partition("=")
        group = resource("conf") / name
        if "/" not in name and group.is_dir() and value != "null" and not (group / f"{value}.yaml").exists():
            known = sorted(path.stem for path in group.glob("*.yaml"))
            raise MiceSimError(f"There is no {name} '{value}'{nearest(value, known)}")


def _explain(error: Exception, overrides: Sequence[str]) -> str:
    """Turn Hydra's message into one sentence that points at the override."""
    message = " ".join(str(error).split())
    unknown = re.search(r"full_key: ([\w.]+)", message) or re.search(r"Could not override '([\w.]+)'", message)
    if unknown:
        key = unknown.group(1)
        return f"The configuration has no key '{key}'; see the files in conf/, or write +{key}=… to add it."
    for override in overrides:
        if override in message:
            return f"The override {override!r} can't be read; write key=value, and quote values: 'key=\"a value\"'."
    return f"The configuration can't be composed: {message}"


def _check_known(what: str, given: Mapping[str, Any], known: list[str]) -> None:
    for key in given:
        if key not in known:
            raise MiceSimError(f"The {what} has no key '{key}'{nearest(str(key), known)}")


def _check_execution(execution: Mapping[str, Any]) -> None:
    if execution["engine"] not in ENGINES:
        raise MiceSimError(f"There is no engine '{execution['engine']}'{nearest(execution['engine'], ENGINES)}")
    if not isinstance(execution["chunk"], int) or execution["chunk"] < 1:
        raise MiceSimError(f"execution.chunk is {execution['chunk']!r}; give a whole number of at least 1.")
    if not isinstance(execution["workers"], int) or (execution["workers"] < 1 and execution["workers"] != -1):
        raise MiceSimError(f"execution.workers is {execution['workers']!r}; give at least 1, or -1 for all cores.")
