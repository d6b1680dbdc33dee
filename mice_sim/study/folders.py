"""The folders that a study is composed from: `conf/`, and one of the user's own; what is wrong in their files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from mice_sim.errors import MiceSimError, PlacedError, nearest
from mice_sim.resources import in_file, led, read_node, resource

HEADER = "# @package _global_"
EXPERIMENT = "experiment"


class Folders:
    """`conf/` and perhaps a folder with the same groups, such as `experiment/mine.yaml`.

    Raises MiceSimError if the user's folder is not there, holds no group, or a file that conf/ has too.
    """

    def __init__(self, own: Path | None = None):
        conf = resource("conf").resolve()
        self.own = own.resolve() if own else None
        self.roots = [conf, self.own] if self.own else [conf]
        if self.own:
            self._check_own(self.own)

    def is_group(self, name: str) -> bool:
        return bool(name) and any((root / name).is_dir() for root in self.roots)

    def groups(self) -> list[str]:
        """Return the groups that a study chooses from, such as data and resampling/amputation."""
        found = {str(folder.relative_to(root)) for root in self.roots for folder in root.rglob("*") if folder.is_dir()}
        return sorted(name for name in found if not name.startswith("."))

    def choices(self, group: str) -> list[str]:
        """Return the names of a group's files."""
        return sorted({file.stem for root in self.roots for file in (root / group).glob("*.yaml")})

    def file(self, group: str, choice: str) -> Path | None:
        files = (root / group / f"{choice}.yaml" for root in self.roots)
        return next((file for file in files if file.exists()), None)

    @contextmanager
    def hydra(self) -> Iterator[None]:
        """Let Hydra compose from these folders; `given` has the overrides that it must be told."""
        from hydra import initialize_config_dir

        with initialize_config_dir(str(self.roots[0]), version_base="1.3"):
            yield

    def given(self, overrides: Sequence[str]) -> list[str]:
        own = [f"hydra.searchpath=[{json.dumps(f'file://{self.own}', ensure_ascii=False)}]"] if self.own else []
        return [*overrides, *own]

    def files(self, overrides: Sequence[str]) -> list[tuple[Path, str]]:
        """Return the files that make up a composition, in the order in which they count, and the key each fills."""
        from hydra.core.global_hydra import GlobalHydra
        from hydra.types import RunMode

        with self.hydra():
            loader = GlobalHydra.instance().config_loader()
            found = loader.compute_defaults_list("config", self.given(overrides), RunMode.RUN).defaults
        names = [(str(d.config_path), d.package or "") for d in found if not str(d.config_path).startswith("hydra/")]
        files = [(root / f"{name}.yaml", package) for name, package in names for root in self.roots]
        return [(file, package) for file, package in files if file.exists()]

    def check_choice(self, group: str, choice: str, where: str) -> None:
        """Raise MiceSimError if a group has no such file, or one that can't be composed from."""
        file = self.file(group, choice)
        if file is None:
            raise PlacedError(led(where, f"There is no {group} '{choice}'{nearest(choice, self.choices(group))}"))
        _File(self, file, group).check()

    def _check_own(self, own: Path) -> None:
        if not own.is_dir():
            raise MiceSimError(f"There is no folder '{own}'; --config-dir takes one with groups such as experiment.")
        groups = [name for name in self.groups() if (own / name).is_dir()]
        known = [folder.name for folder in self.roots[0].iterdir() if folder.is_dir()]
        if not {name.split("/")[0] for name in groups} & set(known):
            raise MiceSimError(
                f"The folder '{own}' has none of the groups of conf/ ({', '.join(sorted(known))}); put a study at "
                "experiment/NAME.yaml in it."
            )
        for group in groups:
            for file in (own / group).glob("*.yaml"):
                if (self.roots[0] / group / file.name).exists():
                    raise PlacedError(f"{in_file(file)}: conf/ has this file of {group} too; rename yours.")


class _File:
    """A file that was chosen: Hydra passes over some mistakes in it, and says of others where they are not."""

    def __init__(self, folders: Folders, file: Path, group: str):
        self.folders, self.file, self.group = folders, file, group

    def check(self) -> None:
        """Raise MiceSimError for what is wrong in the file, and in those that its defaults name."""
        root = self._read()
        experiment = self.group == EXPERIMENT
        if experiment and not any(line.split() == HEADER.split() for line in self._lines()):
            raise PlacedError(led(in_file(self.file, 1), f"a study begins with the line '{HEADER}'; add it."))
        for key, value in root.value if root else ():
            if key.value == "defaults":
                self._check_defaults(value)
            elif experiment and value.tag == "tag:yaml.org,2002:null" and self.folders.is_group(key.value):
                self._refuse(key, f"{key.value} is empty; indent what belongs to it, or write {key.value}: {{}}.")

    def _lines(self) -> list[str]:
        return self.file.read_text(encoding="utf-8").splitlines()

    def _read(self) -> Any:
        root = read_node(self.file)
        if root is not None and not isinstance(root, yaml.MappingNode):
            self._refuse(root, "this is no key with its value; write key: value.")
        self._check_references(root)
        return root

    def _check_references(self, node: Any) -> None:
        if isinstance(node, yaml.ScalarNode) and node.value.count("${") > node.value.count("}"):
            self._refuse(node, f"the reference {node.value} is left open; write ${{key}}.")
        for child in node.value if isinstance(node, yaml.SequenceNode) else ():
            self._check_references(child)
        for _, value in node.value if isinstance(node, yaml.MappingNode) else ():
            self._check_references(value)

    def _check_defaults(self, defaults: yaml.Node) -> None:
        if not isinstance(defaults, yaml.SequenceNode):
            self._refuse(defaults, "defaults is no list; begin its lines with a dash, as in '- override /data: mvn'.")
        for entry in defaults.value:
            if isinstance(entry, yaml.ScalarNode):
                if entry.value != "_self_":
                    self._check_entry(entry, self.group, entry.value, False)
                continue
            for name, choice in entry.value if isinstance(entry, yaml.MappingNode) else ():
                words = name.value.split()
                group = words[-1].partition("@")[0]
                group = group.lstrip("/") if group.startswith("/") else f"{self.group}/{group}"
                if not self.folders.is_group(group):
                    known = [f"/{known}" for known in self.folders.groups()]
                    self._refuse(name, f"there is no group '{words[-1]}'{nearest(words[-1].partition('@')[0], known)}")
                chosen = group in self._chosen() and "@" not in words[-1]
                if chosen and "override" not in words:
                    self._refuse(name, f"conf/ chooses a {group} already; write 'override /{group}: {choice.value}'.")
                if isinstance(choice, yaml.ScalarNode) and "$" not in choice.value:
                    self._check_entry(choice, group, choice.value, "optional" in words)

    def _check_entry(self, node: yaml.Node, group: str, choice: str, optional: bool) -> None:
        if choice.startswith("/"):
            group, _, choice = choice[1:].rpartition("/")
        if node.tag != "tag:yaml.org,2002:null" and not (optional and not self.folders.file(group, choice)):
            self.folders.check_choice(group, choice, in_file(self.file, node.start_mark.line + 1))

    def _chosen(self) -> list[str]:
        """Return the groups of which conf/config.yaml chooses a file."""
        folders = [folder.name for folder in self.folders.roots[0].iterdir() if folder.is_dir()]
        return [name for name in folders if name != EXPERIMENT]

    def _refuse(self, node: yaml.Node, message: str) -> None:
        raise PlacedError(led(in_file(self.file, node.start_mark.line + 1), message))
