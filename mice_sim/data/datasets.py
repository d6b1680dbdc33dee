"""Packaged reference data, and any CSV file with a schema beside it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

from mice_sim.errors import MiceSimError, nearest

_HERE = Path(__file__).parent
DATASETS = {"boys": "boys.yaml", "boys_complete": "boys.yaml"}


def load_dataset(name: str) -> pd.DataFrame:
    """Return a packaged data set with its ordered and unordered categoricals.

    Parameters
    ----------
    name : "boys" (748 × 9, with missing values) or "boys_complete" (completed once by mice).

    Raises
    ------
    MiceSimError
        If there is no such data set.

    Notes
    -----
    `frame.attrs["schema"]` holds units, labels, source (Fredriks et al. 2000) and licence.
    """
    if name not in DATASETS:
        raise MiceSimError(f"There is no data set '{name}'{nearest(name, list(DATASETS))}")
    return read_csv(_HERE / f"{name}.csv", _HERE / DATASETS[name])


def read_csv(path: Path | str, schema: Path | str) -> pd.DataFrame:
    """Read a CSV file by a YAML schema (`columns: {name: {kind: …, levels: […]}}`).

    Raises MiceSimError for a column or a level that the schema does not know.
    """
    description = yaml.safe_load(Path(schema).read_text(encoding="utf-8"))
    columns = description["columns"]
    factors = {name: str for name, c in columns.items() if c["kind"] != "continuous"}
    frame = pd.read_csv(path, dtype=factors)
    if list(frame.columns) != list(columns):
        unknown = sorted(set(frame.columns) ^ set(columns)) or ["(order)"]
        raise MiceSimError(f"Column '{unknown[0]}' is not in both the file and the schema; make them agree.")
    for name in factors:
        frame[name] = _factor(frame[name], name, columns[name])
    frame.attrs["schema"] = description
    return frame


def _factor(series: pd.Series, name: str, column: dict) -> pd.Series:
    levels = [str(level) for level in column["levels"]]
    foreign = sorted(set(series.dropna()) - set(levels))
    if foreign:
        raise MiceSimError(
            f"Column '{name}' holds the level '{foreign[0]}', which its schema lacks; "
            f"add it to the levels ({', '.join(levels)}) or recode it."
        )
    return series.astype(pd.CategoricalDtype(levels, ordered=column["kind"] == "ordered"))
