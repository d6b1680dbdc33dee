"""From a file of people's data to synthetic or imputed files and a report: what the two commands do."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from mice_sim import api
from mice_sim.api import Sets
from mice_sim.data.draft import draft
from mice_sim.data.files import WRITABLE, read_raw, read_table, write_table
from mice_sim.data.schema import Columns, missing_codes, read_schema
from mice_sim.errors import MiceSimError
from mice_sim.report.people import markdown
from mice_sim.resources import dump_yaml

Verb = Literal["synthesize", "impute"]
# What programs for labelled files can read as names, and what SPSS takes for a set's number.
_LABELLED_NAMES = {".imp": "Imputation_", ".id": "id_"}


@dataclass(frozen=True)
class People:
    """A file, read as its schema says.

    frame : what is synthesised or imputed. carried : the file's other columns, as they are.
    columns : the schema of all columns. order : their names. schema : the schema's text.
    """

    path: Path
    frame: pd.DataFrame
    carried: pd.DataFrame
    columns: Columns
    order: tuple[str, ...]
    schema: str


@dataclass(frozen=True)
class Done:
    """Sets as they were written: the result, the options it was made with, and the files."""

    people: People
    verb: Verb
    result: Sets
    options: Mapping[str, Any]
    directory: Path
    files: tuple[Path, ...]


def default_schema(path: Path) -> Path:
    """Return where the schema of a file is looked for: people.schema.yaml beside people.csv."""
    return path.with_name(f"{path.stem}.schema.yaml")


def write_draft(path: Path, target: Path) -> dict[str, str]:
    """Draft a file's schema and return what must be looked at, by column; raises MiceSimError if it is there."""
    if target.exists():
        raise MiceSimError(f"There is a schema '{target}' already; edit it, or give another name with --output.")
    drafted = draft(path)
    target.write_text(drafted.yaml(), encoding="utf-8")
    return drafted.questions


def read_people(path: Path, verb: Verb, schema: Path | None = None, accept: bool = False) -> People:
    """Read a file by its schema: the given one, the one beside it, or a draft if it raises no questions.

    Synthesis keeps missing codes as values, imputation fills them. A draft that raises questions is written beside
    the file, for its owner to look over, unless `accept`ed as it is.

    Raises MiceSimError for such a draft, and as `read_table`.
    """
    found = schema or default_schema(path)
    if schema is not None or found.exists():
        columns = read_schema(found)["columns"]
        text = found.read_text(encoding="utf-8")
    else:
        drafted = draft(path)
        if drafted.questions and not accept:
            write_draft(path, found)
            names = ", ".join(f"'{name}'" for name in list(drafted.questions)[:5])
            raise MiceSimError(
                f"The schema '{found}' was drafted from the file; look at what it says of {names}, correct it, "
                "and run the command again."
            )
        text, columns = drafted.yaml(), drafted.columns
    frame = read_table(path, columns, keep_codes=verb == "synthesize")
    raw, _ = read_raw(path, columns)
    carried = raw[[name for name in raw if columns[str(name)].get("drop")]]
    columns = frame.attrs["schema"]["columns"]
    return People(path, frame, carried, columns, tuple(columns), text)


def options_of(people: People, verb: Verb, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `impute` or `synthesize` that a schema and the command line ask for, with a seed."""
    options = {name: value for name, value in given.items() if value is not None}
    options.setdefault("seed", secrets.randbits(32))
    columns = {name: column for name, column in people.columns.items() if name in people.frame}
    for key in ("derived", "bounds", "rules"):
        asked = {name: column[key] for name, column in columns.items() if column.get(key)}
        if asked:
            options[key] = asked
    methods = {name: column["method"] for name, column in columns.items() if column.get("method")}
    if methods:
        everyone = dict.fromkeys(columns, options["method"]) if "method" in options else {}
        options["method"] = {
            name: method for name, method in (everyone | methods).items() if name not in options.get("derived", {})
        }
    special = {name: codes for name, column in columns.items() if (codes := _special(people.frame[name], column))}
    if verb == "synthesize" and special:
        options["semicontinuous"] = special
    return options


def _special(values: pd.Series, column: Mapping[str, Any]) -> list[Any]:
    """Return the values of a continuous column that are drawn apart: its spikes and its missing codes."""
    if column["kind"] != "continuous":
        return []
    asked = [*column.get("spike", []), *missing_codes(column)]
    return [value for value in asked if (values == value).any()]


def make(people: People, verb: Verb, options: Mapping[str, Any], directory: Path, ending: str | None = None) -> Done:
    """Synthesise or impute, and write the sets, all of them in one long file, the schema and the report.

    Parameters
    ----------
    directory : must be empty or not there. ending : of the files, such as ".csv"; the source's own by default, or
        .csv where that can't be written.

    Raises MiceSimError as `mice_sim.synthesize` and `mice_sim.impute`, and for a folder that holds something.
    """
    if directory.exists() and any(directory.iterdir()):
        raise MiceSimError(f"The folder '{directory}' is not empty; name another with --output, or empty it.")
    own = people.path.suffix.lower()
    ending = ending or (own if own in WRITABLE else ".csv")
    if ending not in WRITABLE:
        raise MiceSimError(f"Sets can't be written as '{ending}'; choose one of {', '.join(WRITABLE)}.")
    result = getattr(api, verb)(people.frame, **options)
    directory.mkdir(parents=True, exist_ok=True)
    files = _write_sets(people, verb, result, directory, ending)
    (directory / "schema.yaml").write_text(people.schema, encoding="utf-8")
    kept = {name: value for name, value in options.items() if name != "progress"}
    (directory / "options.yaml").write_text(dump_yaml({"command": verb, **kept}), encoding="utf-8")
    done = Done(people, verb, result, kept, directory, tuple(files))
    (directory / "report.md").write_text(markdown(done), encoding="utf-8")
    return done


def _write_sets(people: People, verb: Verb, result: Sets, directory: Path, ending: str) -> list[Path]:
    schema = {"columns": people.columns}
    stem, files = people.path.stem, []
    for number in range(1, result.m + 1):
        files.append(directory / f"{stem}_{number}{ending}")
        write_table(_whole(people, verb, result.completed(number)), files[-1], schema)
    # The real data go on top of imputed ones, as mice has it; never into a file of synthetic ones.
    long = _whole(people, verb, result.long(original=verb == "impute"))
    if ending not in (".csv", ".parquet"):
        long = long.rename(columns=_LABELLED_NAMES)
    files.append(directory / f"{stem}_long{ending}")
    write_table(long, files[-1], schema)
    return files


def _whole(people: People, verb: Verb, frame: pd.DataFrame) -> pd.DataFrame:
    """Return imputed records with the columns that were carried along, in the schema's order; synthetic ones as is."""
    if verb == "synthesize" or people.carried.empty:
        return frame
    copies = len(frame) // len(people.carried)
    carried = pd.concat([people.carried] * copies, ignore_index=True).set_axis(frame.index)
    front = [name for name in frame if name in _LABELLED_NAMES]
    return pd.concat([frame, carried], axis=1)[[*front, *people.order]]
