"""Files that live beside the package in a checkout and inside it in a wheel; YAML, read and written fast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

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
