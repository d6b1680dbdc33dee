"""Overrides such as `synthesis.m=10`, read by Hydra's grammar, and what Hydra says of wrong ones, in our words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mice_sim.errors import MiceSimError, PlacedError, nearest
from mice_sim.resources import led
from mice_sim.study.written import COMMAND_LINE, Setting, settings_of


@dataclass(frozen=True)
class Override:
    """An override's key and the values that it gives it, usually one; `added` if it is written +key."""

    key: str
    values: list[Any]
    added: bool
    deleted: bool = False


def parse_override(text: str) -> Override:
    """Read an override by Hydra's grammar; raises MiceSimError if it can't be read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import QuotedString
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_override(text)
        values = list(parsed.sweep_iterator()) if parsed.is_sweep_override() else [parsed.value()]
    except HydraException:
        raise MiceSimError(unreadable(text)) from None
    if not parsed.key_or_group:
        raise MiceSimError(unreadable(text))
    values = [value.text if isinstance(value, QuotedString) else value for value in values]
    return Override(parsed.get_key_element().lstrip("+~"), values, parsed.is_add(), parsed.is_delete())


def written_overrides(overrides: Sequence[str]) -> list[Setting]:
    """Return the settings that overrides are, in their order; one that deletes a key speaks of what held it too."""
    found = []
    for text in overrides:
        override = parse_override(text)
        key = override.key.rpartition("@")[2].replace("/", ".")
        found += settings_of(key, override.values[0] if len(override.values) == 1 else text, COMMAND_LINE, text)
        if override.deleted:
            parent = key.rpartition(".")[0]
            found.append(Setting(parent, parent.rpartition(".")[2], COMMAND_LINE, text))
    return found


def unreadable(override: str) -> str:
    return f"The override {override!r} can't be read; write key=value, and quote values: 'key=\"a value\"'."


def explain(error: Exception, overrides: Sequence[str], known: list[str]) -> MiceSimError:
    """Return Hydra's error in one sentence that points at the override; `known` are the keys that there are."""
    message = " ".join(str(error).split())
    gone = re.search(r"Interpolation key '([^']*)' not found full_key: ([\w.]+)", message)
    if gone:
        return MiceSimError(f"{gone[2]} refers to ${{{gone[1]}}}, which is no key{nearest(gone[1], known)}")
    empty = re.search(r"Missing mandatory value: ([\w.]+)", message)
    if empty:
        return MiceSimError(f"{empty[1]} is ???; give it a value.")
    wrong = _explain_override(message, known)
    if wrong:
        return PlacedError(led(COMMAND_LINE, wrong))
    for override in overrides:
        if override in message:
            several = f"The override {override!r} gives several values; run a sweep with -m, or give one."
            return MiceSimError(several if "add --multirun" in message else unreadable(override))
    return MiceSimError(f"The configuration can't be composed: {message}")


def _explain_override(message: str, known: list[str]) -> str:
    """Return what is wrong with the key of an override, or "" if it is something else."""
    unknown = re.search(r"full_key: ([\w.]+)|(?:Could not override|Could not delete from config\.) '([^']+)'", message)
    if unknown:
        key = unknown[1] or unknown[2]
        if "append to your default list" in message:
            return f"the study has no {key} yet; write +{key}=… to add it."
        if key in known:
            return f"{key} is given a key that it has not got; write +{key}=… to add it."
        close = nearest(key, known)
        if not close.startswith("; did you mean"):
            close = f"; see the files in conf/, or write +{key}=… to add it."
        return f"the configuration has no key '{key}'{close}"
    there = re.search(r"An item is already at '([\w.]+)'", message)
    if there:
        return f"there is a key '{there[1]}' already; write {there[1]}=… without the +."
    twice = re.search(r"Multiple values for ([\w./]+)\. To override|([\w./]+) appears more than once in the", message)
    if twice:
        group = twice[1] or twice[2]
        return f"{group} is chosen already; write {group}=… without the +."
    return ""
