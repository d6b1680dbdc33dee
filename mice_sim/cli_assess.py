"""The command that looks at synthetic files before they are released: `assess`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mice_sim.cli_output import Output, for_scripts, keeping
from mice_sim.errors import MiceSimError

ALARMS = 3
_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("original", type=_PATH)
@click.argument("synthetic", type=_PATH, nargs=-1, required=True)
@click.option("--keys", help="Columns that others know of a person, with commas between.")
@click.option("--target", "targets", help="Columns that are to stay unknown, with commas between.")
@click.option("--holdout", type=_PATH, help="A file of real records that were not synthesised.")
@click.option("--formula", "formulas", multiple=True, help="A model that is fitted to both; may be repeated.")
@click.option("--linked", is_flag=True, help="Record i of a set was drawn for record i of ORIGINAL.")
@click.option("--quick", is_flag=True, help="Leave out the tree, attack fewer people.")
@click.option("--public", is_flag=True, help="Leave out which records of the original are at risk.")
@click.option("--seed", default=0, type=click.IntRange(min=0), help="Of the records that are drawn for tests.")
@click.option("--schema", type=_PATH, help="What the columns are; ORIGINAL's name with .schema.yaml by default.")
@click.option("-y", "--yes", is_flag=True, help="Take the drafted schema as it is, questions and all.")
@click.option("--output", type=_PATH, help="The page; assessment.html beside the synthetic files by default.")
@for_scripts("page, headline, verdict, findings (section, name, subject, sentence, advice, value, threshold, p, "
             "verdict), notes, settings, sources, records at risk")  # fmt: skip
def assess(
    original: Path, synthetic: tuple[Path, ...], keys: str | None, targets: str | None, holdout: Path | None,
    formulas: tuple[str, ...], linked: bool, quick: bool, public: bool, seed: int, schema: Path | None, yes: bool,
    output: Path | None, out: Output,
) -> None:  # fmt: skip
    """Say whether SYNTHETIC files are useful and safe, on one page; ORIGINAL is what they were made from.

    \b
    Examples:
      mice-sim assess people.csv people_synthetic/*.csv
      mice-sim assess people.csv synthetic.csv --keys age,sex,region --target income
      mice-sim assess people.csv synthetic.csv --holdout others.csv --formula "income ~ age + sex"

    The page names records of ORIGINAL that are at risk: keep it, or give --public. The exit code is 0 if there is
    no alarm, 3 if there is.
    """
    from dataclasses import replace

    from mice_sim.release import assess as look
    from mice_sim.release import read_release

    target = output or synthetic[0].with_name("assessment.html")
    if not target.parent.is_dir():
        raise MiceSimError(f"There is no folder '{target.parent}' for the page; make it, or give another --output.")
    with keeping(lambda: "no page was written"):
        files = read_release(original, synthetic, holdout, schema, yes)
        found = look(
            files.sets, files.original, keys=_names(keys), targets=_names(targets), holdout=files.holdout,
            formulas=formulas, linked=linked, quick=quick, seed=seed,
        )  # fmt: skip
    found = replace(found, sources=files.sources, notes=files.notes)
    found.to_html(target, public)
    out.say(repr(found))
    for note in (*found.safe.notes, *found.notes):
        out.say(note)
    out.say(f"Page  {target}")
    out.document({"page": target, **found.to_dict(public)})
    if found.verdict() == "alarm":
        sys.exit(ALARMS)


def _names(text: str | None) -> list[str] | None:
    return [name.strip() for name in text.split(",")] if text else None
