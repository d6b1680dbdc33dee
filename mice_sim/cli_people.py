"""The commands for people's own data: `schema`, `synthesize`, `impute`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import yaml

from mice_sim.cli_output import Output, for_scripts, keeping, terminate
from mice_sim.errors import MiceSimError

_PATH = click.Path(path_type=Path)


def _common(command: Callable) -> Callable:
    """Add the options that both commands share."""
    options = [
        click.argument("file", type=_PATH),
        click.option("--m", default=5, type=click.IntRange(min=1), show_default=True, help="Number of sets."),
        click.option("--method", help="One method for all columns; the schema may name others for some."),
        click.option("--cluster", help="The column that says which cluster a row is in, such as a pupil's school."),
        click.option("--maxit", type=click.IntRange(min=1), help="Iterations of each chain."),
        click.option("--seed", type=click.IntRange(min=0), help="The same seed gives the same sets."),
        click.option("--schema", type=_PATH, help="What the columns are; FILE's name with .schema.yaml by default."),
        click.option("-y", "--yes", is_flag=True, help="Take the drafted schema as it is, questions and all."),
        click.option("--output", type=_PATH, help="An empty or new folder; FILE's name with _synthetic or _imputed."),
        click.option("--format", "ending", help="The files' ending, such as .sav; FILE's own by default."),
        click.option("--set", "extra", multiple=True, metavar="OPTION=VALUE",
                     help="An option of the methods, such as minbucket=10; may be repeated."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return for_scripts("directory, files, report, seed, columns (column, kind, method, predictors, drawn, decisions), "
                       "sentences, events")(command)  # fmt: skip


@click.command()
@click.argument("file", type=_PATH)
@click.option("--output", type=_PATH, help="Where to write it; FILE's name with .schema.yaml by default.")
@for_scripts("schema, questions")
def schema(file: Path, output: Path | None, out: Output) -> None:
    """Draft a schema of FILE for you to edit: kinds, levels, missing codes, what to leave out.

    \b
    Examples:
      mice-sim schema people.csv
      mice-sim schema people.sav --output schema.yaml

    FILE ends in .csv, .parquet, .sav, .zsav, .dta, .sas7bdat or .xpt.
    """
    from mice_sim.people import default_schema, write_draft

    target = output or default_schema(file)
    questions = write_draft(file, target)
    out.say(f"Wrote {target}.")
    for name, question in questions.items():
        out.say(f"  {name}: {question}")
    out.document({"schema": target, "questions": questions})


@click.command()
@_common
@click.option("--mode", type=click.Choice(["sequential", "linked"]), help="How; sequential sets are for release.")
@click.option("--k", type=click.IntRange(min=1), help="Records of a set; as many as in FILE by default.")
@click.option("--strata", help="Columns, with commas between; their combinations are synthesised by themselves.")
@click.option("--missing", type=click.Choice(["keep", "one-step", "two-step"]),
              help="What becomes of missing values; sequential sets keep missingness by default.")  # fmt: skip
@click.option("--r", type=click.IntRange(min=1), help="Syntheses of each imputation, with --missing two-step.")
@click.option("--proper/--simple", default=None, help="Draw the models' parameters anew for every set, or not.")
def synthesize(file: Path, strata: str | None, **given: Any) -> None:
    """Write m synthetic versions of FILE, and what was done to each column.

    \b
    Examples:
      mice-sim synthesize people.csv --m 5
      mice-sim synthesize people.sav --m 10 --k 2000 --seed 1 --output synthetic
      mice-sim synthesize people.csv --set minbucket=10
      mice-sim synthesize pupils.csv --cluster school

    If the file leaves questions open, a schema is drafted beside it first, for you to look over.
    """
    _run(file, "synthesize", strata=strata.split(",") if strata else None, **given)


@click.command()
@_common
def impute(file: Path, **given: Any) -> None:
    """Write m versions of FILE with its missing values imputed, and what was done to each column.

    \b
    Examples:
      mice-sim impute people.csv --m 5 --maxit 10
      mice-sim impute people.dta --m 20 --method cart --seed 1
      mice-sim impute pupils.csv --cluster school

    If the file leaves questions open, a schema is drafted beside it first, for you to look over. Columns that the
    schema drops are carried along. The long file has the sets on top of each other, .imp 0 is the data.
    """
    _run(file, "impute", **given)


def _run(
    file: Path, verb: Any, schema: Path | None, yes: bool, output: Path | None, ending: str | None,
    extra: tuple[str, ...], out: Output, **given: Any,
) -> None:  # fmt: skip
    from mice_sim.people import make, options_of, read_people
    from mice_sim.report.people import HEAD, column_rows, headline, show

    signal.signal(signal.SIGTERM, terminate)
    people = read_people(file, verb, schema, yes)
    options = options_of(people, verb, {**given, **_extra(extra)})
    if sys.stderr.isatty() and not out.quiet:
        options["progress"] = True
    directory = output or file.with_name(f"{file.stem}_{'synthetic' if verb == 'synthesize' else 'imputed'}")
    there = directory.exists()
    with keeping(lambda: _kept(directory, there)):
        done = make(people, verb, options, directory, ending)
    show(out.console, done)
    columns = [dict(zip(HEAD, row, strict=True)) for row in column_rows(done)]
    out.document(
        {"directory": directory, "files": done.files, "report": directory / "report.md", "seed": options["seed"],
         "columns": columns, "sentences": headline(done), "events": len(done.result.events)}
    )  # fmt: skip


def _kept(directory: Path, there: bool) -> str:
    """Say what of an interrupted command is in its folder, and that a full folder is in the way of another run."""
    files = list(directory.iterdir()) if directory.exists() else []
    if not files:
        return "nothing was written"
    return f"{len(files)} files were written to {directory}, the last of them perhaps in part: delete the folder"


def _extra(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Return OPTION=VALUE pairs with values as YAML reads them."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            equals = ""
        if not equals or not name.isidentifier():
            raise MiceSimError(f"--set is '{pair}'; write OPTION=VALUE, such as minbucket=10.")
    return found
