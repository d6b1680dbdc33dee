"""Mere data: a packaged data set, or a file of the user's own. Samples are resampled from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mice_sim.data import Table, load_dataset, read_table
from mice_sim.errors import MiceSimError
from mice_sim.study.populations.base import Population, check_keys


def packaged(config: Mapping[str, Any], seed: int) -> Population:
    """{kind: packaged, name: boys_complete}: a data set that comes with the package."""
    check_keys("data", config, ["kind", "name"])
    return _complete(load_dataset(str(config["name"])), str(config["name"]))


def file(config: Mapping[str, Any], seed: int) -> Population:
    """{kind: file, path: my.csv, schema: my.yaml}: a CSV or parquet file; see `read_table` for its schema."""
    check_keys("data", config, ["kind", "path"], ["schema"])
    return _complete(read_table(config["path"], config.get("schema")), str(config["path"]))


def _complete(frame: pd.DataFrame, name: str) -> Population:
    table = Table.from_pandas(frame)
    missing = np.isnan(table.values).sum(axis=1)
    if missing.any():
        first = int(np.argmax(missing > 0))
        raise MiceSimError(
            f"The data set '{name}' has missing values; a study needs complete reference data, such as "
            f"boys_complete, so complete or drop '{table.names[first]}', which lacks {missing[first]}."
        )
    return Population(table, table.n_rows)


DATA = {"packaged": packaged, "file": file}
