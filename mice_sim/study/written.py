"""Where the keys of a configuration were written, so that an error can point at the file and line, or the override."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mice_sim.errors import MiceSimError, PlacedError
from mice_sim.resources import in_file, led

COMMAND_LINE = "On the command line"
_ENOUGH = 3  # of `_likeness`: an error that speaks of nothing in particular points nowhere
_ABOUT_COLUMNS = re.compile(r"\bformula\b|\b(no|unknown) (column|variable)\b|\bcalls\b")


@dataclass(frozen=True)
class Setting:
    """A key, dotted, with the text of its value and where it was written; `shown` is how a message names it.

    Of a list each item is a setting; the value of a list or a mapping itself is "".
    """

    key: str
    value: str
    where: str
    shown: str


@dataclass(frozen=True)
class Written:
    """The files of a configuration, each with the key that it fills, and the overrides that came after them.

    files, overrides : called only when there is an error to explain; files are in the order in which they count.
    """

    files: Callable[[], list[tuple[Path, str]]] = list
    overrides: Callable[[], list[Setting]] = list

    def then(self, later: list[Setting]) -> Written:
        """Return what was written with later settings, which count more."""
        return Written(self.files, lambda: [*self.overrides(), *later]) if later else self

    @contextmanager
    def pointing(self) -> Iterator[None]:
        """Let errors that are raised inside say where the key that they speak of was written."""
        try:
            yield
        except PlacedError:
            raise
        except MiceSimError as error:
            raise PlacedError(self.point(str(error))) from None

    def point(self, message: str) -> str:
        """Return the message, led by where the setting that it speaks of was written, if it speaks of one."""
        clause = message.partition("; ")[0]
        likely, best = None, _ENOUGH
        for setting in self.settings():
            likeness = _likeness(clause, setting)
            if likeness >= best:  # of equals the last one counts, as it does in the configuration
                likely, best = setting, likeness
        shown = not likely or likely.key in clause
        return led(likely.where, message, "" if shown else likely.shown) if likely else message

    def settings(self) -> Iterator[Setting]:
        """Yield what was written, what counts last at the end."""
        for file, package in self.files():
            root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
            if isinstance(root, yaml.MappingNode):
                yield from _of_node(root, f"{package}." if package else "", file)
        yield from self.overrides()


def _of_node(node: yaml.MappingNode, prefix: str, file: Path) -> Iterator[Setting]:
    for name, value in node.value:
        key = f"{prefix}{name.value}"
        if key == "defaults":
            continue
        if isinstance(value, yaml.ScalarNode) and value.tag == "tag:yaml.org,2002:null":
            continue
        text = value.value if isinstance(value, yaml.ScalarNode) else ""
        yield Setting(key, text, in_file(file, name.start_mark.line + 1), key)
        for item in value.value if isinstance(value, yaml.SequenceNode) else ():
            yield Setting(key, str(item.value), in_file(file, item.start_mark.line + 1), key)
        if isinstance(value, yaml.MappingNode):
            yield from _of_node(value, f"{key}.", file)


def settings_of(key: str, value: Any, where: str, shown: str) -> list[Setting]:
    """Return the settings that a key with this value is, those inside of it too."""
    parts = [(f"{key}.{name}", part) for name, part in value.items()] if isinstance(value, Mapping) else []
    parts += [(key, part) for part in value] if isinstance(value, list) else []
    inside = [setting for name, part in parts for setting in settings_of(name, part, where, shown)]
    text = "" if isinstance(value, Mapping | list) else str(value)
    return [Setting(key, text, where, shown), *inside]


def _likeness(clause: str, setting: Setting) -> int:
    """Return how surely the first clause of a message speaks of a setting; 0 is not at all.

    Messages name a key in full, or by its last part ("m is 0", "no option 'minbuckets'"), or they quote a value.
    """
    *above, last = setting.key.split(".")
    words = set(re.findall(r"[\w.]*\w", clause))
    quoted = set(re.findall(r"(?<!\w)'([^']*)'(?!\w)", clause))
    value = rf"(?<![\w.-]){re.escape(setting.value)}(?!\w)"
    if re.match(rf"(The )?{re.escape('.'.join(above))} has no key '{re.escape(last)}'", clause):
        return 200
    if clause.startswith(f"{setting.key} "):
        return 100 + bool(setting.value and re.search(value, clause))
    if above and setting.key in words:
        return 10 + len(above)
    found = 3 * clause.startswith(f"{last} is ")
    found += 4 * bool(setting.value and last in words and re.search(rf" is '?{value}'?$", clause))
    found += 3 * (last in quoted)
    # A file that is named is what the columns are of that are named too.
    found += 9 * bool(re.search(r"\.\w+$", setting.value) and Path(setting.value).name in clause)
    inside = set(re.findall(r"[\w.]+", setting.value)) if _ABOUT_COLUMNS.search(clause) else set()
    found += 3 * bool(quoted & {setting.value, *inside})
    return found + len({*above} & (words | quoted)) if found else 0
