"""Before a file is released: is it useful, is it safe? One call, one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

import mice_sim
from mice_sim.assessment.data import Assessed, Synthetic, pair
from mice_sim.assessment.findings import Finding, Verdict, counted, worst
from mice_sim.assessment.safety import Safety, safety
from mice_sim.assessment.usefulness import Usefulness, usefulness
from mice_sim.data.files import read_raw
from mice_sim.data.schema import lay_on
from mice_sim.errors import MiceSimError, nearest
from mice_sim.people import People, read_people
from mice_sim.resources import dump_json, plain

RATE = 0.05
SECTIONS = ("utility", "disclosure")
_LONG = (".imp", "Imputation_")


@dataclass(frozen=True, eq=False)
class Assessment:
    """What `assess` found.

    Attributes
    ----------
    data : what was compared. useful, safe : findings and the tables they rest on. settings : what was asked for.
    sources : {what: file} of data that were read from files. notes : what else is to be known.
    """

    data: Assessed
    useful: Usefulness
    safe: Safety
    settings: Mapping[str, Any]
    sources: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        return (*self.useful.findings, *self.safe.findings)

    @property
    def findings(self) -> pd.DataFrame:
        """A frame of the findings: section, name, subject, sentence, advice, value, threshold, p, verdict."""
        return pd.DataFrame([asdict(finding) for finding in self.all_findings])

    def verdict(self, section: str | None = None) -> Verdict:
        """Return the most severe verdict, of one section or of both."""
        return worst([one.verdict for one in self.all_findings if section in (None, one.section)])

    @property
    def headline(self) -> str:
        """How many findings raise an alarm, how many are worth a look."""
        verdicts = [finding.verdict for finding in self.all_findings]
        alarms, looks = verdicts.count("alarm"), verdicts.count("look")
        parts = [counted(alarms, "alarm")] * bool(alarms) + [f"{counted(looks, 'thing')} to look at"] * bool(looks)
        return " and ".join(parts) or "No alarm, nothing to look at"

    def to_html(self, path: Path | str, public: bool = False) -> Path:
        """Write the page; `public` leaves out which records of the original are at risk."""
        from mice_sim.report.assessment import page

        Path(path).write_text(page(self, public), encoding="utf-8")
        return Path(path)

    def to_json(self, path: Path | str, public: bool = False) -> Path:
        """Write the findings for programs; `public` as for `to_html`."""
        Path(path).write_text(dump_json(self.to_dict(public)) + "\n", encoding="utf-8")
        return Path(path)

    def to_dict(self, public: bool = False) -> dict[str, Any]:
        """Return the findings as JSON has them; `public` as for `to_html`."""
        content = {
            "headline": self.headline,
            "verdict": {section: self.verdict(section) for section in SECTIONS},
            "findings": [asdict(finding) for finding in self.all_findings],
            "notes": [*self.safe.notes, *self.notes],
            "settings": dict(self.settings), "sources": dict(self.sources),
        }  # fmt: skip
        if not public:
            content["records at risk"] = self.safe.risks.reset_index().to_dict("records")
        return plain(content)

    def __repr__(self) -> str:
        shown = [f"{f.verdict}: {f.sentence}" for f in self.all_findings if f.verdict != "ok"]
        return "\n".join([f"{self.headline}.", *shown])


def assess(
    synthetic: Synthetic,
    original: pd.DataFrame | None = None,
    *,
    keys: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    holdout: pd.DataFrame | None = None,
    formulas: str | Sequence[str] = (),
    linked: bool | None = None,
    quick: bool = False,
    rate: float = RATE,
    seed: int = 0,
) -> Assessment:
    """Ask of synthetic data whether they are useful, and whether they are safe.

    Parameters
    ----------
    synthetic : a result of `synthesize`, a frame or a list of frames. original : the real data; for a result what it
        was made from.
    keys : columns that others know of a person; by default all but the target. targets : columns that are to stay
        unknown; by default all that are no keys. Numbers are cut into 20 groups as keys and 10 as targets.
    holdout : real records of the same population that were not synthesised; without them most leaks can't be tested.
    formulas : of models that are fitted to original and sets. quick : leave out the tree, attack fewer people.
    linked : whether record i of a set was drawn for person i; by default what a result says, and False for frames.
    rate : right sets without a leak raise any alarm with this probability at most, half of it in each section.
    seed : of the records that are drawn where not all are looked at, and of the tree's permutations.

    Raises MiceSimError for data that can't be compared, and unknown columns.
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1:
        raise MiceSimError(f"rate is {rate!r}; give a share between 0 and 1, such as 0.05.")
    data = pair(synthetic, original)
    if linked is None:
        linked = data.linked
    if linked and any(values.shape[1] != data.n for values in data.sets):
        raise MiceSimError("Sets have other numbers of records than the original, so they are not linked to it.")
    wanted = [formulas] if isinstance(formulas, str) else list(formulas)
    useful = usefulness(data, wanted, rate / 2, seed, quick)
    safe = safety(data, keys, targets, holdout, linked, rate / 2, seed, quick)
    settings = {
        "original records": data.n,
        "synthetic records": [values.shape[1] for values in data.sets],
        "held-out records": None if holdout is None else len(holdout),
        "columns": len(data.columns), "keys": keys and list(keys), "targets": targets and list(targets),
        "formulas": wanted, "linked": linked, "quick": quick, "rate of false alarms": rate, "seed": seed,
        "mice_sim": mice_sim.__version__,
    }  # fmt: skip
    return Assessment(data, useful, safe, settings)


# ---- files


@dataclass(frozen=True, eq=False)
class Release:
    """Files as they were read: the original, its sets, the holdout; `sources`, what they are; `notes`."""

    original: pd.DataFrame
    sets: list[pd.DataFrame]
    holdout: pd.DataFrame | None
    sources: dict[str, Any]
    notes: tuple[str, ...]


def read_release(
    original: Path, synthetic: Sequence[Path], holdout: Path | None = None, schema: Path | None = None,
    accept: bool = False,
) -> Release:  # fmt: skip
    """Read files by the schema of the original, as `mice-sim synthesize` reads it; missing codes stay values.

    A file that holds sets on top of each other (.imp) is taken apart, or left out if there are others.
    Raises MiceSimError, naming the file, for one with other columns or levels.
    """
    people = read_people(original, "synthesize", schema, accept)
    raw = {path: read_raw(path, people.columns)[0] for path in synthetic}
    long = [path for path, frame in raw.items() if any(name in frame for name in _LONG)]
    notes: list[str] = []
    frames: list[pd.DataFrame] = []
    for path, frame in raw.items():
        if path not in long:
            frames.append(_like(people, path, frame, notes))
        elif len(long) < len(raw):
            notes.append(f"{path.name} holds sets on top of each other, and was left out beside files of single ones.")
        else:
            frames += _apart(people, path, frame, notes)
    held = None if holdout is None else _like(people, holdout, read_raw(holdout, people.columns)[0], notes)
    sources = {
        "original": original.name,
        "synthetic": [path.name for path in raw if path not in long or len(long) == len(raw)],
        "holdout": holdout and holdout.name,
    }
    return Release(people.frame, frames, held, sources, tuple(dict.fromkeys(notes)))


def _apart(people: People, path: Path, frame: pd.DataFrame, notes: list[str]) -> list[pd.DataFrame]:
    number = next(name for name in _LONG if name in frame)
    rest = frame.drop(columns=[name for name in (*_LONG, ".id", "id_") if name in frame])
    return [_like(people, path, rest[frame[number] == i], notes) for i in sorted(set(frame[number]) - {0})]


def _like(people: People, path: Path, raw: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Return a file's records as the original's schema has them."""
    dropped = [name for name in raw if people.columns.get(str(name), {}).get("drop")]
    if dropped:
        named = ", ".join(map(str, dropped))
        notes.append(f"{path.name} has {named}, which the schema drops: it was not assessed; look at it.")
    names = [str(name) for name in people.frame]
    for name in raw.columns.drop(dropped):
        if name not in names:
            lacks = f"{people.path.name} lacks{nearest(str(name), names)}"
            raise MiceSimError(f"{path.name} has the column '{name}', which {lacks}")
    for name in names:
        if name not in raw:
            raise MiceSimError(f"{path.name} lacks the column '{name}'; drop it from {people.path.name} or its schema.")
    frame = lay_on(raw[names], {name: people.columns[name] for name in names}, path.name, keep_codes=True)
    for name in names:  # levels that missing codes make, and those that nobody has in one of the files
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            levels = people.frame[name].cat.categories
            foreign = frame[name].cat.categories.difference(levels)
            if len(foreign):
                lacks = f"{people.path.name} lacks; recode it"
                raise MiceSimError(f"{path.name} has the missing code '{foreign[0]}' in {name}, which {lacks}.")
            frame[name] = frame[name].cat.set_categories(levels)
    return frame.reset_index(drop=True)
