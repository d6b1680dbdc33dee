"""Configuration ends here: a Hydra composition becomes frozen dataclasses."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import re
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mice_sim.errors import MiceSimError, PlacedError, nearest
from mice_sim.resources import explain_yaml, read_yaml, resource
from mice_sim.study.folders import EXPERIMENT, Folders
from mice_sim.study.measures import get_measure
from mice_sim.study.overrides import explain, parse_override, written_overrides
from mice_sim.study.written import COMMAND_LINE, Written, settings_of

MODES = ("linked", "sequential", "impute")
MOST_REPLICATES = 10_000_000  # a part's name has seven digits
SWEEP_MANIFEST = "sweep.json"
TAKEN = ("performance", "comparisons", "confusion", "tables")  # by other tables of a study
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
    """A resolved study. Its parts are plain mappings that their rooms check; `written` is where they come from."""

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
    written: Written = field(default_factory=Written, repr=False, compare=False)

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any], written: Written | None = None) -> StudyConfig:
        """Check the keys of a resolved configuration; raises MiceSimError for a wrong one, and says where it is."""
        written = written or Written()
        with written.pointing():
            return cls(**_checked(_with_names(given)), written=written)

    @property
    def directory(self) -> Path:
        return Path(self.output)

    def scientific(self) -> dict[str, Any]:
        """Return what decides the stored numbers; how many, how and where they are run and shown does not."""
        names = ("data", "resampling", "synthesis", "analysis", "pooling", "seed")
        return {name: getattr(self, name) for name in names}

    def key(self) -> str:
        """Return the scientific configuration as canonical JSON; workers rebuild everything from it.

        With it go the hashes of what it uses of its user's own code, which is part of the science too.
        """
        from mice_sim.study import own  # what most commands can do without

        science = self.scientific()
        found = own.digests(own.used(science))
        ordered = {**science, "synthesis": _with_ordered_rules(science["synthesis"])}
        return json.dumps({**ordered, **({"own": found} if found else {})}, sort_keys=True)

    def to_mapping(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in _names()}
        return copy.deepcopy({**parts, "execution": vars(self.execution)})


def _with_names(given: Any) -> Any:
    """Return the configuration with keys that are text: YAML may have read them as numbers."""
    if isinstance(given, Mapping):
        return {str(key): _with_names(value) for key, value in given.items()}
    return [_with_names(value) for value in given] if isinstance(given, list) else given


def _names() -> list[str]:
    return [f.name for f in dataclasses.fields(StudyConfig) if f.name != "written"]


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a study; raises MiceSimError for one that is missing, unknown or of the wrong kind."""
    names = _names()
    _check_known("configuration", given, names)
    for name in names:
        if name not in given:
            raise MiceSimError(f"The configuration lacks the key '{name}'; give it a value.")
    _check_kinds(given)
    execution = vars(Execution()) | dict(given["execution"])
    _check_known("execution", execution, [f.name for f in dataclasses.fields(Execution)])
    _check_execution(execution)
    execution["slurm"] = {**SLURM, **execution["slurm"]}
    for name, least in (("replicates", 1), ("seed", 0)):
        if not _whole(given[name], least):
            raise MiceSimError(f"{name} is {given[name]!r}; give a whole number of at least {least}.")
    if given["replicates"] > MOST_REPLICATES:
        raise MiceSimError(f"replicates is {given['replicates']}; give at most {MOST_REPLICATES}.")
    _check_known("report", given["report"], ["published"])
    _check_until(given["until"])
    for options in variants(given["synthesis"]).values():
        if "m" not in options:
            raise MiceSimError("The synthesis has no key 'm', the number of sets; write synthesis.m=5.")
        mode = options.get("mode", "linked")
        if mode not in MODES:
            raise MiceSimError(f"There is no synthesis.mode '{mode}'{nearest(mode, MODES)}")
        if mode == "impute" and not given["resampling"].get("amputation"):
            raise MiceSimError("synthesis.mode is 'impute', but no values are missing; add +resampling/amputation=mar.")
    _check_measures(given)
    return {**given, "execution": Execution(**execution)}


def variants(synthesis: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the options of each method that a study compares, by its name; one alone is "synthetic"."""
    common = {k: v for k, v in synthesis.items() if k != "variants"}
    return {name: common | changes for name, changes in (synthesis.get("variants") or {"synthetic": {}}).items()}


def _with_ordered_rules(synthesis: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with rules as pairs: of two that meet, the later one holds, and a mapping keeps no order."""

    def paired(options: Mapping[str, Any]) -> dict[str, Any]:
        rules = options.get("rules")
        of_columns = rules.items() if isinstance(rules, Mapping) else ()
        pairs = {name: list(map(list, r.items())) if isinstance(r, Mapping) else r for name, r in of_columns}
        return {**options, **({"rules": pairs} if pairs else {})}

    given = synthesis.get("variants") or {}
    return paired(synthesis) | ({"variants": {name: paired(v) for name, v in given.items()}} if given else {})


def sample_source(resampling: Mapping[str, Any]) -> str:
    """Return what the rows of the samples themselves are called."""
    return "bootstrap" if str(resampling["kind"]).endswith("bootstrap") else "sample"


def compose(overrides: Sequence[str], config_dir: Path | None = None) -> StudyConfig:
    """Compose `conf/` with Hydra overrides such as `experiment=volker_vink_2021 synthesis.m=10`.

    config_dir : a folder of the user's own with the same groups as `conf/`, such as `experiment/mine.yaml`.
    Raises MiceSimError for an override that names nothing, or that gives several values, and for files that can't be
    read or that set what they can't; it says where that was written.
    """
    return Unresolved.compose(overrides, config_dir).resolve({})


@dataclass(frozen=True)
class Unresolved:
    """A composition whose keys may still be set before references between them are resolved."""

    composed: Any
    overrides: Sequence[str]
    folders: Folders
    written: Written

    @classmethod
    def compose(cls, overrides: Sequence[str], config_dir: Path | None = None) -> Unresolved:
        """Compose the files of `conf/`, and of a folder of the user's own; see `compose`."""
        import yaml
        from hydra import compose as hydra_compose
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        folders = Folders(config_dir)
        _check_choices(folders, overrides)
        written = Written(partial(folders.files, overrides), partial(written_overrides, overrides))
        try:
            with folders.hydra():
                return cls(hydra_compose("config", folders.given(overrides)), overrides, folders, written)
        except yaml.YAMLError as error:
            raise PlacedError(explain_yaml(error, folders.roots[0] / "config.yaml")) from None
        except (HydraException, OmegaConfBaseException) as error:
            raise explain(error, overrides, _known(folders, overrides)) from None

    def resolve(self, values: Mapping[str, Any], added: Container[str] = ()) -> StudyConfig:
        """Set these keys and return the study; raises MiceSimError for a key that is neither there nor `added`."""
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        composed = copy.deepcopy(self.composed) if values else self.composed
        try:
            for key, value in values.items():
                OmegaConf.update(composed, key, value, force_add=key in added)
            resolved = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as error:
            with self.written.pointing():
                raise explain(error, self.overrides, _known(self.folders, self.overrides)) from None
        assert isinstance(resolved, dict)
        axes = [setting for key, value in values.items() for setting in settings_of(key, value, "In the sweep", "")]
        written = self.written.then(axes)
        return StudyConfig.from_mapping({str(k): v for k, v in resolved.items() if k != EXPERIMENT}, written)


def _check_choices(folders: Folders, overrides: Sequence[str]) -> None:
    """Raise MiceSimError for an override that chooses a file that is not there, or is wrong.

    Hydra would pass over a missing experiment, because that group may be empty.
    """
    for text in overrides:
        override = parse_override(text)
        group, (value, *more) = override.key.partition("@")[0], override.values
        empty = group == EXPERIMENT and value is None
        if not folders.is_group(group) or override.deleted or more or empty or isinstance(value, Mapping):
            continue
        if not isinstance(value, str) or not value:
            known = ", ".join(folders.choices(group))
            raise PlacedError(f"{COMMAND_LINE}: {text} chooses no file; give {group}= one of {known}.")
        folders.check_choice(group, value, COMMAND_LINE)


def _known(folders: Folders, overrides: Sequence[str]) -> list[str]:
    """Return the keys of the files that these overrides choose, or of conf/ where that is what is wrong."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    choices = [text for text in overrides if folders.is_group(parse_override(text).key.partition("@")[0])]
    for chosen in (choices, []):
        with suppress(HydraException, OmegaConfBaseException, MiceSimError):
            return [setting.key for setting in Written(partial(folders.files, chosen)).settings()]
    return []


def stored_config(directory: Path, overrides: Sequence[str] = ()) -> StudyConfig:
    """Return the configuration of a study that has run, its execution changed by overrides.

    Raises MiceSimError if the folder holds no study, or an override speaks of anything else.
    """
    file = Path(directory) / "config.yaml"
    if is_sweep(directory):
        raise MiceSimError(f"{directory} holds a sweep; name one of its points, which are in {directory}/points.")
    if not file.exists():
        raise MiceSimError(f"{directory} holds no study; run one first with `mice-sim run output={directory}`.")
    mapping = read_stored(file, lambda path: dict(read_yaml(path)))
    folders = Folders()
    for text in overrides:
        override = parse_override(text)
        group, _, key = override.key.partition(".")
        if group != "execution" or len(override.values) > 1:
            raise MiceSimError(f"{text!r} can't be changed in a study that has run; only execution can.")
        if key:
            mapping["execution"][key] = override.values[0]
        else:
            folders.check_choice(group, str(override.values[0]), COMMAND_LINE)
            mapping["execution"] = read_yaml(resource("conf") / group / f"{override.values[0]}.yaml")
    written = Written(lambda: [(file, "")], partial(written_overrides, overrides))
    return StudyConfig.from_mapping({**mapping, "output": str(directory)}, written)


def is_sweep(directory: Path) -> bool:
    return (Path(directory) / SWEEP_MANIFEST).exists()


def read_stored(file: Path, read: Callable[[Path], Any]) -> Any:
    """Return `read(file)` of a file that a run writes; raises MiceSimError if it is missing or damaged."""
    import yaml

    try:
        return read(file)
    except FileNotFoundError:
        raise MiceSimError(f"There is no {file}; run the same study again, which writes it.") from None
    except (ValueError, TypeError, yaml.YAMLError):
        raise MiceSimError(f"{file} is damaged; delete it and run the same study again, which writes it.") from None


def _check_known(what: str, given: Mapping[str, Any], known: list[str]) -> None:
    for key in given:
        if key not in known:
            raise MiceSimError(f"The {what} has no key '{key}'{nearest(str(key), known)}")


def _check_kinds(given: Mapping[str, Any]) -> None:
    """Raise MiceSimError for a part that is not of the kind that its readers go by."""
    if not isinstance(given["output"], str) or not given["output"]:
        raise MiceSimError(f"output is {given['output']!r}; give the name of a folder.")
    parts = {name: given[name] for name in ("data", "resampling", "synthesis", "analysis", "pooling", "measures",
                                            "until", "sweep", "execution", "report")}  # fmt: skip
    for name, part in parts.items():
        _check_mapping(name, part)
    if not given["analysis"]:
        raise MiceSimError("The study has no analysis; give it one, such as analysis=growth.")
    for name, part in given["analysis"].items():
        _check_mapping(f"analysis.{name}", part)
        _check_file_name(name)
    _check_mapping("synthesis.variants", given["synthesis"].get("variants") or {})
    for name, part in (given["synthesis"].get("variants") or {}).items():
        _check_mapping(f"synthesis.variants.{name}", part)
    level, shown = given["pooling"].get("level"), given["measures"].get("show")
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise MiceSimError(f"pooling.level is {level!r}; give a number between 0 and 1.")
    if not isinstance(shown, list):
        raise MiceSimError(f"measures.show is {shown!r}; give a list, such as [bias, coverage].")


def _check_file_name(analysis: str) -> None:
    if not re.fullmatch(r"\w[\w.-]*", analysis) or analysis in TAKEN:
        raise MiceSimError(
            f"analysis.{analysis} can't have this name, after which its files are called; give one of letters, digits, "
            f"_ . and -, but none of {', '.join(TAKEN)}."
        )


def _check_mapping(name: str, part: Any) -> None:
    if not isinstance(part, Mapping):
        raise MiceSimError(f"{name} is {part!r}; give it keys and values, as in {name}={{key: value}}.")


def _check_measures(given: Mapping[str, Any]) -> None:
    measures, resampling = given["measures"], given["resampling"]
    _check_known("measures", measures, ["show", "reference"])
    for name in measures["show"]:
        get_measure(name)
    if measures.get("reference") is not None:
        singles = [sample_source(resampling), *(["complete_cases"] if resampling.get("amputation") else [])]
        known = [*singles, *variants(given["synthesis"])]
        if measures["reference"] not in known:
            reference = measures["reference"]
            raise MiceSimError(f"measures.reference is {reference!r}, which is no source{nearest(reference, known)}")


def _check_until(until: Mapping[str, Any]) -> None:
    targets = {name: mcse for name, mcse in until.items() if name != "batch"}
    if until and not targets:
        raise MiceSimError("until names no measure; give it one, such as +until.coverage=0.005.")
    if not _whole(until.get("batch", 1), 1):
        raise MiceSimError(f"until.batch is {until['batch']!r}; give a whole number of at least 1.")
    check_targets(targets)


def check_targets(targets: Mapping[str, Any]) -> dict[str, float]:
    """Return the targets; raises MiceSimError for an unknown measure or an error that is not positive."""
    for name, mcse in targets.items():
        get_measure(name)
        if isinstance(mcse, bool) or not isinstance(mcse, int | float) or not mcse > 0:
            raise MiceSimError(f"The target of {name} is {mcse!r}; give a Monte Carlo standard error above 0.")
    return {name: float(mcse) for name, mcse in targets.items()}


def _check_execution(execution: Mapping[str, Any]) -> None:
    if execution["engine"] not in ENGINES:
        raise MiceSimError(f"There is no engine '{execution['engine']}'{nearest(execution['engine'], ENGINES)}")
    chunk, workers, address = (execution[name] for name in ("chunk", "workers", "address"))
    if not _whole(chunk, 1) and not (chunk is None and execution["engine"] == "slurm"):
        raise MiceSimError(f"execution.chunk is {chunk!r}; give a whole number of at least 1.")
    if not _whole(workers, 1) and workers != -1:
        raise MiceSimError(f"execution.workers is {workers!r}; give at least 1, or -1 for all cores.")
    if not isinstance(execution["progress"], bool):
        raise MiceSimError(f"execution.progress is {execution['progress']!r}; give true or false.")
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
