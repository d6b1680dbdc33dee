"""Configuration ends here: a Hydra composition becomes frozen dataclasses."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mice_sim.errors import MiceSimError, nearest
from mice_sim.resources import read_yaml, resource
from mice_sim.study.measures import get_measure

MODES = ("linked",)
ENGINES = ("serial", "loky", "slurm", "dask")
SLURM: Mapping[str, Any] = {
    "partition": None, "account": None, "minutes": None, "memory_mib": None, "array": None, "setup": [], "wait": False,
}  # fmt: skip


@dataclass(frozen=True)
class Execution:
    """How a study runs; never what it finds.

    chunk : replicates in a task; None, for slurm only, leaves it to a pilot. address : of the dask scheduler.
    slurm : see conf/execution/slurm.yaml; None is Slurm's default.
    """

    engine: str = "loky"
    workers: int = -1
    chunk: int | None = 25
    progress: bool = True
    address: str | None = None
    slurm: Mapping[str, Any] = field(default_factory=lambda: dict(SLURM))

    def cores(self) -> int:
        """Return how many workers there are, or on a cluster how many are hoped for."""
        return self.workers if self.workers > 0 else len(os.sched_getaffinity(0))


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
        execution = vars(Execution()) | dict(given["execution"])
        _check_known("execution", execution, [f.name for f in dataclasses.fields(Execution)])
        _check_execution(execution)
        execution["slurm"] = {**SLURM, **execution["slurm"]}
        for name, least in (("replicates", 1), ("seed", 0)):
            if isinstance(given[name], bool) or not isinstance(given[name], int) or given[name] < least:
                raise MiceSimError(f"{name} is {given[name]!r}; give a whole number of at least {least}.")
        for name in (*given["measures"]["show"], *(k for k in given["until"] if k != "batch")):
            get_measure(name)
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
    return Unresolved.compose(overrides).resolve({})


@dataclass(frozen=True)
class Unresolved:
    """A composition whose keys may still be set before references between them are resolved."""

    composed: Any
    overrides: Sequence[str]

    @classmethod
    def compose(cls, overrides: Sequence[str]) -> Unresolved:
        """Compose the files of `conf/`; see `compose`."""
        from hydra import compose as hydra_compose
        from hydra import initialize_config_dir
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        _check_groups(overrides)
        try:
            with initialize_config_dir(str(resource("conf").resolve()), version_base="1.3"):
                return cls(hydra_compose("config", list(overrides)), overrides)
        except (HydraException, OmegaConfBaseException) as error:
            raise MiceSimError(_explain(error, overrides)) from None

    def resolve(self, values: Mapping[str, Any]) -> StudyConfig:
        """Set these keys and return the study; raises MiceSimError for a key that there is not."""
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        composed = copy.deepcopy(self.composed) if values else self.composed
        try:
            for key, value in values.items():
                OmegaConf.update(composed, key, value)
            resolved = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as error:
            raise MiceSimError(_explain(error, self.overrides)) from None
        assert isinstance(resolved, dict)
        return StudyConfig.from_mapping({str(k): v for k, v in resolved.items() if k != "experiment"})


@dataclass(frozen=True)
class Override:
    """An override's key and the values that it gives it, usually one."""

    key: str
    values: list[Any]


def parse_override(text: str) -> Override:
    """Read an override by Hydra's grammar; raises MiceSimError if it can't be read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise MiceSimError(_explain(error, [text])) from None
    values = list(parsed.sweep_iterator()) if parsed.is_sweep_override() else [parsed.value()]
    return Override(parsed.get_key_element(), values)


def stored_config(directory: Path, overrides: Sequence[str] = ()) -> StudyConfig:
    """Return the configuration of a study that has run, its execution changed by overrides.

    Raises MiceSimError if the folder holds no study, or an override speaks of anything else.
    """
    file = Path(directory) / "config.yaml"
    if not file.exists():
        raise MiceSimError(f"{directory} holds no study; run one first with `mice-sim run output={directory}`.")
    mapping = read_yaml(file)
    for text in overrides:
        override = parse_override(text)
        group, _, key = override.key.partition(".")
        if group != "execution" or len(override.values) > 1:
            raise MiceSimError(f"{text!r} can't be changed in a study that has run; only execution can.")
        if key:
            mapping["execution"][key] = override.values[0]
        else:
            _check_groups([text])
            mapping["execution"] = read_yaml(resource("conf") / group / f"{override.values[0]}.yaml")
    return StudyConfig.from_mapping({**mapping, "output": str(directory)})


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
    chunk, workers, address = (execution[name] for name in ("chunk", "workers", "address"))
    if not _whole(chunk, 1) and not (chunk is None and execution["engine"] == "slurm"):
        raise MiceSimError(f"execution.chunk is {chunk!r}; give a whole number of at least 1.")
    if not _whole(workers, 1) and workers != -1:
        raise MiceSimError(f"execution.workers is {workers!r}; give at least 1, or -1 for all cores.")
    if execution["engine"] == "dask" and not isinstance(address, str):
        raise MiceSimError(
            f"execution.address is {address!r}; give the address of your dask scheduler, such as tcp://login1:8786."
        )
    for key, value in execution["slurm"].items():
        if key not in SLURM:
            raise MiceSimError(f"The execution.slurm has no key '{key}'{nearest(str(key), list(SLURM))}")
        if key in ("minutes", "memory_mib", "array") and value is not None and not _whole(value, 1):
            raise MiceSimError(f"execution.slurm.{key} is {value!r}; give a whole number of at least 1, or null.")
        if key in ("partition", "account") and value is not None and not isinstance(value, str):
            raise MiceSimError(f"execution.slurm.{key} is {value!r}; give a name, or null.")
        if key == "setup" and (isinstance(value, str) or not all(isinstance(line, str) for line in value)):
            raise MiceSimError(f"execution.slurm.setup is {value!r}; give a list of shell commands.")
        if key == "wait" and not isinstance(value, bool):
            raise MiceSimError(f"execution.slurm.wait is {value!r}; give true or false.")


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
