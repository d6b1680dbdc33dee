"""Packaged reference data, and any CSV or parquet file, with a schema beside it if need be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from mice_sim.errors import MiceSimError, nearest
from mice_sim.resources import read_yaml

_HERE = Path(__file__).parent
DATASETS = {"boys": "boys.yaml", "boys_complete": "boys.yaml"}
KINDS = ("continuous", "binary", "unordered", "ordered")


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
    return read_table(_HERE / f"{name}.csv", _HERE / DATASETS[name])


def read_table(path: Path | str, schema: Path | str | None = None) -> pd.DataFrame:
    """Read a CSV or parquet file, by a YAML schema if its types do not say enough.

    Parameters
    ----------
    path : a file that ends in .csv or .parquet.
    schema : a YAML file, `columns: {name: {kind: continuous|binary|unordered|ordered, levels: […]}}`, that names
        every column in the file's order; levels are needed for factors. Without one, columns keep the types they are
        read with: parquet keeps categories, a CSV file without a schema may hold numbers and True/False only.

    Raises
    ------
    MiceSimError
        For a file that can't be read, and a column or level on which file and schema differ.
    """
    path = Path(path)
    columns = _columns(Path(schema)) if schema is not None else {}
    factors = [name for name, column in columns.items() if column["kind"] != "continuous"]
    frame = _read(path, factors)
    if schema is None:
        _refuse_text(frame, list(frame.columns), path, "describe it in a schema, or save the data as parquet with it")
        return frame
    if list(frame.columns) != list(columns):
        unknown = sorted(set(map(str, frame.columns)) ^ set(columns)) or ["(order)"]
        raise MiceSimError(
            f"Column '{unknown[0]}' is not in both the file {path.name} and its schema {Path(schema).name}; "
            "make them agree."
        )
    _refuse_text(frame, [name for name in columns if name not in factors], path, "list its levels in the schema")
    for name in factors:
        frame[name] = _factor(frame[name], columns[name], path)
    frame.attrs["schema"] = _yaml(Path(schema))
    return frame


def _read(path: Path, factors: list[str]) -> pd.DataFrame:
    if path.suffix not in (".csv", ".parquet"):
        raise MiceSimError(f"The file '{path}' ends neither in .csv nor in .parquet; save the data as one of them.")
    if not path.is_file():
        raise MiceSimError(f"There is no file '{path}'; check the path.")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype=dict.fromkeys(factors, str))
    except (ValueError, OSError) as error:
        why = " ".join(str(error).split()).rstrip(".").replace(". ", "; ")[:150]
        raise MiceSimError(f"The file '{path}' can't be read as {path.suffix[1:]} ({why}); save it anew.") from None


def _yaml(path: Path) -> Any:
    try:
        return read_yaml(path)
    except OSError:
        raise MiceSimError(f"There is no schema '{path}'; check the path.") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise MiceSimError(f"The schema '{path}' is not readable YAML; compare it with boys.yaml.") from None


def _columns(path: Path) -> dict[str, dict[str, Any]]:
    """Return the columns that a schema describes, checked."""
    description = _yaml(path)
    columns = description.get("columns") if isinstance(description, dict) else None
    if not isinstance(columns, dict) or not columns:
        raise MiceSimError(f"The schema '{path}' describes no columns; write columns: {{name: {{kind: continuous}}}}.")
    for name, column in columns.items():
        kind = column.get("kind") if isinstance(column, dict) else column
        if not isinstance(column, dict) or kind not in KINDS:
            raise MiceSimError(
                f"Column '{name}' of the schema {path.name} has the kind '{kind}'{nearest(str(kind), KINDS)}"
            )
        if kind != "continuous" and not isinstance(column.get("levels"), list):
            raise MiceSimError(f"Column '{name}' of the schema {path.name} is {kind}; list its levels.")
    return {str(name): column for name, column in columns.items()}


def _refuse_text(frame: pd.DataFrame, names: list[str], path: Path, remedy: str) -> None:
    for name in names:
        dtype = frame[name].dtype
        if pd.api.types.is_string_dtype(dtype) and not isinstance(dtype, pd.CategoricalDtype):
            example = frame[name].dropna().iloc[0] if frame[name].notna().any() else ""
            raise MiceSimError(f"Column '{name}' of {path.name} holds text such as '{example}'; {remedy}.")


def _factor(series: pd.Series, column: dict, path: Path) -> pd.Series:
    levels = [str(level) for level in column["levels"]]
    text = series.astype(object).map(str, na_action="ignore")
    foreign = sorted(set(text.dropna()) - set(levels))
    if foreign:
        raise MiceSimError(
            f"Column '{series.name}' holds the level '{foreign[0]}' in {path.name}, which its schema lacks; "
            f"add it to the levels ({', '.join(levels)}) or recode it."
        )
    return text.astype(pd.CategoricalDtype(levels, ordered=column["kind"] == "ordered"))
