"""Published results that a study can be held against: a folder of `experiments/` with their cells as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mice_sim.errors import MiceSimError, nearest
from mice_sim.resources import read_yaml, resource


@dataclass(frozen=True)
class Published:
    """A published study.

    cells : a frame (table, source, term, statistic, printed, value); `printed` is empty where only the
        unrounded value is known. design : replicates and resampling of the published run.
    tables : title and analysis of each table. explained : cells that differ for a known reason.
    """

    name: str
    title: str
    cells: pd.DataFrame
    design: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, str]]
    explained: list[Mapping[str, Any]]


def load_published(name: str) -> Published:
    """Return the published study in `experiments/<name>/`, or raise MiceSimError."""
    known = sorted(path.parent.name for path in resource("experiments").glob("*/published.yaml"))
    if name not in known:
        raise MiceSimError(f"There is no published study '{name}'{nearest(name, known)}")
    folder = resource("experiments", name)
    description = read_yaml(folder / "published.yaml")
    cells = pd.read_csv(folder / "published.csv", dtype=str, keep_default_na=False)
    cells["value"] = cells["value"].str.strip()
    return Published(
        name, description["title"], cells, description["design"], description["tables"], description["explained"]
    )
