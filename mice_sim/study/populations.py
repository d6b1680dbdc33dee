"""What samples come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mice_sim.data import Table, load_dataset
from mice_sim.errors import MiceSimError, nearest


@dataclass(frozen=True)
class Population:
    reference: Table
    draw: Callable[[int, np.random.Generator], Table] | None = None
    truth: Mapping[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)


def make_population(config: Mapping[str, Any], seed: int) -> Population:
    if config["kind"] != "packaged":
        raise MiceSimError(f"There is no data kind '{config['kind']}'{nearest(config['kind'], ['packaged'])}")
    table = Table.from_pandas(load_dataset(config["name"]))
    if np.isnan(table.values).any():
        raise MiceSimError(
            f"The data set '{config['name']}' has missing values; a study needs complete reference data, "
            "such as boys_complete."
        )
    return Population(table)
