"""Completion in shells: verbs and options by click, overrides by the files that a study is composed from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, get_completion_class

if TYPE_CHECKING:
    from mice_sim.study.folders import Folders

SHELLS = ("bash", "zsh", "fish")
# After "data=" or "synthesis." one goes on to type, so no blank may follow.
_NO_BLANK = {
    "bash": ("    return 0\n", "    [[ ${COMPREPLY[0]} == *[=.] ]] && compopt -o nospace\n    return 0\n"),
    "zsh": ("compadd -U -V", "compadd -S '' -U -V"),
    "fish": ("", ""),  # which knows that by itself
}


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets SHELL complete commands, options, and the overrides of `run`.

    \b
    Examples:
      eval "$(mice-sim completion bash)"       # in ~/.bashrc
      eval "$(mice-sim completion zsh)"        # in ~/.zshrc, after compinit
      mice-sim completion fish > ~/.config/fish/completions/mice-sim.fish

    Then `mice-sim run experiment=` and the tabulator key show the experiments.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    source = kind(context.find_root().command, {}, "mice-sim", "_MICE_SIM_COMPLETE").source()
    click.echo(source.replace(*_NO_BLANK[shell]) if any(_NO_BLANK[shell]) else source)


class Overrides(click.ParamType):
    """An override of a study: key=value, or group=choice."""

    name = "override"

    def shell_complete(self, context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from mice_sim.errors import MiceSimError
        from mice_sim.study.folders import Folders

        given = [str(text) for text in context.params.get(param.name or "") or ()]
        key, value, whole = _split(given, incomplete)
        try:
            folders = Folders(context.params.get("config_dir"))
        except MiceSimError:
            return []
        if value is None:
            return [CompletionItem(text) for text in _keys(folders, given, key) if text.startswith(incomplete)]
        group = key.lstrip("+").partition("@")[0]
        return [
            CompletionItem(f"{key}={choice}" if whole else choice, help=_headline(folders.file(group, choice)))
            for choice in (folders.choices(group) if folders.is_group(group) else [])
            if choice.startswith(value)
        ]


def _split(given: list[str], incomplete: str) -> tuple[str, str | None, bool]:
    """Return key and value of the word at the cursor, None before its "=", and whether the word holds the key.

    bash takes words apart at "=": what it hands over last is the value, after "=", or nothing at all.
    """
    if len(given) > 1 and given[-1] == "=":
        return given[-2], incomplete, False
    if given and "=" not in given[-1] and not incomplete:
        return given[-1], "", False
    key, equals, value = incomplete.partition("=")
    return key, value if equals else None, True


def _keys(folders: Folders, given: list[str], start: str) -> list[str]:
    """Return what may be written before "=": groups and keys, "part." for keys inside of it, +group to add one."""
    if start.startswith("+"):
        return [f"+{group}=" for group in folders.groups() if "/" in group]
    content = _content(folders, given)
    if "." in start:
        return [f"{key}=" for key in _dotted(content) if "." in key]
    parts = [f"{key}." for key, value in content.items() if isinstance(value, Mapping)]
    groups = [group for group in folders.groups() if "/" not in group]
    return [*(f"{name}=" for name in dict.fromkeys([*groups, *content])), *parts]


def _content(folders: Folders, given: list[str]) -> dict[str, Any]:
    """Return the keys that a study has with these choices, much as Hydra would compose them."""
    root = _read(folders.roots[0] / "config.yaml")
    choices = _choices(root)
    words = [text for text in " ".join(given).replace(" = ", "=").split() if "=" in text]
    chosen = dict(word.split("=", 1) for word in words)
    experiment = _read(folders.file("experiment", chosen.get("experiment", "")))
    choices |= _choices(experiment) | {key: value for key, value in chosen.items() if key in choices}
    files = {group: _read(folders.file(group, str(choice))) for group, choice in choices.items()}
    return {**files, **{key: value for key, value in root.items() if key != "defaults"}}


def _choices(content: Mapping[str, Any]) -> dict[str, str]:
    entries = [entry for entry in content.get("defaults") or () if isinstance(entry, Mapping)]
    pairs = [(key.split()[-1].lstrip("/"), choice) for entry in entries for key, choice in entry.items()]
    return {group: choice for group, choice in pairs if isinstance(choice, str) and "/" not in group}


def _dotted(content: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in content.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{key}.")


def _read(file: Path | None) -> dict[str, Any]:
    """Return what a file holds; of one that can't be read nothing is completed."""
    import yaml

    from mice_sim.resources import read_yaml

    try:
        content = read_yaml(file) if file else {}
    except (OSError, ValueError, yaml.YAMLError):
        content = {}
    return content if isinstance(content, dict) else {}


def _headline(file: Path | None) -> str | None:
    """Return the first comment of a file, which says what it is."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file else []
    comments = [line.lstrip("# ").strip() for line in lines if line.startswith("# ") and "@package" not in line]
    return comments[0] if comments else None
