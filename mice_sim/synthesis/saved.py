"""A fitted synthesis as a file: arrays and JSON, without code and without the real data's rows.

The file is a NumPy archive whose array `manifest` is JSON; nothing in it is ever run. Formulas, rules and derived
columns are kept as the text they were given as, and parsed again.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mice_sim.data import Column, Table
from mice_sim.data.bases import Polynomials, Powers, Spline
from mice_sim.data.formula import ModelFormula
from mice_sim.errors import MiceSimError
from mice_sim.origin import Origin
from mice_sim.synthesis import methods
from mice_sim.synthesis.conditions import Condition, Rule
from mice_sim.synthesis.derived import Constant, Expression, Relabel, Twin
from mice_sim.synthesis.design import Design
from mice_sim.synthesis.engine import Model, Stratum
from mice_sim.synthesis.events import Event
from mice_sim.synthesis.recoding import Split
from mice_sim.synthesis.sequential import FittedSequence, Step
from mice_sim.synthesis.spec import Specification

FORMAT = 1
PARTS: tuple[type, ...] = (
    Constant, Design, Event, FittedSequence, Model, Origin, Polynomials, Powers, Relabel, Rule, Specification, Spline,
    Split, Step, Stratum, Table, Twin,
)  # fmt: skip


def save(path: Path | str, model: Model, columns: tuple[Column, ...], card: dict[str, Any]) -> None:
    """Write a model, the columns of the data it was fitted to and its audit card to a file.

    Raises MiceSimError for levels that are neither texts nor numbers.
    """
    packer = _Packer()
    manifest = {
        "format": FORMAT,
        "columns": [packer.column(column) for column in columns],
        "model": packer.pack(_without_rows(model)),
        "card": card,
    }
    text = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    with Path(path).open("wb") as file:
        np.savez_compressed(file, **{"manifest": text, **packer.arrays})  # type: ignore[arg-type]


def load(path: Path | str) -> tuple[Model, tuple[Column, ...], dict[str, Any]]:
    """Read what `save` wrote; raises MiceSimError for any other file, or one of a later format."""
    try:
        with np.load(Path(path), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        manifest = json.loads(arrays.pop("manifest").tobytes().decode())
        written = int(manifest["format"])
    except FileNotFoundError:
        raise MiceSimError(f"There is no file '{path}'; check the path.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
        raise MiceSimError(f"The file '{path}' holds no synthesiser; give one that Synthesizer.save wrote.") from None
    if written > FORMAT:
        raise MiceSimError(f"The file '{path}' is of format {written}; update mice_sim, which reads up to {FORMAT}.")
    try:
        columns = tuple(_column(given) for given in manifest["columns"])
        return _Unpacker(arrays, columns).unpack(manifest["model"]), columns, manifest["card"]
    except MiceSimError:
        raise
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise MiceSimError(f"The file '{path}' is damaged ({error}); save the synthesiser again.") from None


def _without_rows(model: Model) -> Model:
    """Return the model without what says something of single real rows but is not needed to draw."""

    def bare(spec: Specification) -> Specification:
        return replace(spec, ignore=None, where="all", imputation=None)

    parts = tuple(
        tuple(replace(s, sequence=replace(s.sequence, spec=bare(s.sequence.spec))) for s in strata)
        for strata in model.parts
    )
    return replace(model, spec=bare(model.spec), parts=parts)


class _Packer:
    """Turns a model into JSON and a dict of arrays."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.seen: dict[int, str] = {}

    def pack(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            name = self.seen.setdefault(id(value), f"a{len(self.arrays)}")
            self.arrays[name] = value
            return {"array": name}
        if isinstance(value, tuple | list):
            return {"tuple": [self.pack(part) for part in value]}
        if isinstance(value, dict):
            return {"map": [[self.pack(k), self.pack(v)] for k, v in value.items()]}
        if isinstance(value, Column):
            return {"column": self.column(value)}
        if isinstance(value, Expression):
            return {"expression": [value.name, value.text]}
        if isinstance(value, Condition):
            return {"condition": value.text}
        if isinstance(value, ModelFormula):
            return {"formula": [value.text, self.pack(value.bases)]}
        return {"is": type(value).__name__, **{f.name: self.pack(getattr(value, f.name)) for f in _fields(value)}}

    @staticmethod
    def column(column: Column) -> dict[str, Any]:
        for level in column.levels or ():
            if not isinstance(level, str | bool | int | float):
                raise MiceSimError(
                    f"Column '{column.name}' has the level {level!r}, which can't be saved; rename levels to text."
                )
        factor = isinstance(column.dtype, pd.CategoricalDtype)
        dtype = "category" if factor else str(column.dtype)
        levels = None if column.levels is None else list(column.levels)
        return {"name": column.name, "kind": column.kind, "levels": levels, "dtype": dtype}


def _fields(value: Any) -> list[dataclasses.Field]:
    return [f for f in dataclasses.fields(value) if "transient" not in f.metadata]


def _column(given: dict[str, Any]) -> Column:
    levels = None if given["levels"] is None else tuple(given["levels"])
    dtype: Any = given["dtype"]
    if dtype == "category":
        dtype = pd.CategoricalDtype(list(levels or ()), ordered=given["kind"] == "ordered")
    else:
        dtype = pd.api.types.pandas_dtype(dtype)
    return Column(given["name"], given["kind"], levels, dtype)


@dataclass
class _Unpacker:
    """The way back; formulas, conditions and derived columns are parsed again on `columns`."""

    arrays: dict[str, np.ndarray]
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        self.known = {part.__name__: part for part in PARTS} | _method_parts()

    def unpack(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "is" in value:
            return self._dataclass(value)
        ((kind, content),) = value.items()
        match kind:
            case "array":
                return self.arrays[content]
            case "tuple":
                return tuple(self.unpack(part) for part in content)
            case "map":
                return {self.unpack(k): self.unpack(v) for k, v in content}
            case "column":
                return _column(content)
            case "expression":
                name, formula = content
                return Expression.parse(name, formula, [column.name for column in self.columns])
            case "condition":
                return Condition.parse(content, self.columns)
            case "formula":
                text, bases = content
                return ModelFormula.parse(text, self.columns).with_bases(self.unpack(bases))
        raise KeyError(kind)

    def _dataclass(self, value: dict[str, Any]) -> Any:
        kind = value["is"]
        if kind not in self.known:
            raise MiceSimError(f"The synthesiser holds a '{kind}'; register the method that it belongs to first.")
        return self.known[kind](**{name: self.unpack(part) for name, part in value.items() if name != "is"})


def _method_parts() -> dict[str, type]:
    """Return the dataclasses, options and fits, of the methods' package and of the modules of registered methods."""
    package = methods.__name__ + "."
    modules = [module for name, module in sys.modules.items() if name.startswith(package)]
    modules += [sys.modules[method.__module__] for method in methods.METHODS.values()]
    found = {}
    for module in modules:
        for name, part in vars(module).items():
            if isinstance(part, type) and dataclasses.is_dataclass(part):
                found[name] = part
    return found
