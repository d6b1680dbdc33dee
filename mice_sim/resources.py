"""Files that live beside the package in a checkout and inside it in a wheel; YAML and JSON, read and written."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mice_sim.errors import PlacedError

_PACKAGE = Path(__file__).parent


def resource(*parts: str) -> Path:
    """Return the path of `conf/…` or `experiments/…`, whether installed from a wheel or a checkout."""
    for root in (_PACKAGE, _PACKAGE.parent):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise FileNotFoundError("/".join(parts))


def read_yaml(path: Path) -> Any:
    """Read a YAML file by libyaml where it is there, which is ten times as fast."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def dump_yaml(content: Any) -> str:
    """Return content as YAML, keys in their order."""
    return yaml.dump(content, sort_keys=False, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))


def dump_json(content: Any) -> str:
    """Return content as JSON, keys in their order."""
    return json.dumps(plain(content), indent=1, ensure_ascii=False)


def plain(value: Any) -> Any:
    """Return content as JSON has it, which knows no NaN and no infinity."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(one) for one in value]
    if isinstance(value, Path):
        return str(value)
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


# ---- files that people write, whose mistakes are theirs to mend


def read_own_yaml(file: Path) -> Any:
    """Read a file that people write; raises PlacedError as `read_node`."""
    read_node(file)
    return read_yaml(file)


def read_node(file: Path) -> yaml.Node | None:
    """Read a file with the lines of its keys; raises PlacedError if it is no YAML, or has a key twice."""
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError:
        raise PlacedError(led(in_file(file), "the text is not UTF-8; save the file as UTF-8.")) from None
    except yaml.YAMLError as error:
        raise PlacedError(explain_yaml(error, file)) from None
    _check_keys(root, file)
    return root


def _check_keys(node: yaml.Node | None, file: Path) -> None:
    for child in node.value if isinstance(node, yaml.SequenceNode) else ():
        _check_keys(child, file)
    seen: dict[str, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        line = key.start_mark.line + 1
        if key.value in seen and key.value != "<<":
            message = f"the key '{key.value}' is there already, in line {seen[key.value]}; keep one of them."
            raise PlacedError(led(in_file(file, line), message))
        seen[key.value] = line
        _check_keys(value, file)


def led(where: str, message: str, shown: str = "") -> str:
    """Return a message that begins with where its cause is."""
    return f"{where}{f', {shown}' if shown else ''}: {message}"


def in_file(file: Path, line: int | None = None) -> str:
    """Return the place in words: "In conf/config.yaml, line 3"."""
    return f"In {shown_path(file)}{f', line {line}' if line else ''}"


def shown_path(file: Path) -> str:
    """Return a path as people know it: relative where they are, or conf/… of an installed package."""
    for root in (Path.cwd(), resource("conf").parent):
        if file.is_relative_to(root):
            return str(file.relative_to(root))
    return str(file)


def explain_yaml(error: yaml.YAMLError, file: Path) -> str:
    """Return one sentence for a file that is no YAML."""
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or error)
    if "\\t" in problem:
        what = "the line is indented by a tab; use spaces."
    else:
        what = f"the file can't be read as YAML ({problem}); look at indentation, colons, quotes and brackets."
    # What is missing at the end of a file is said of a line behind its last one.
    last = len(file.read_text(encoding="utf-8", errors="replace").splitlines())
    return led(in_file(file, min(mark.line + 1, last) if mark else None), what)
