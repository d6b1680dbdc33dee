"""The files of a study: one parquet part a chunk, moved into place whole; status is what the files say."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mice_sim.errors import MiceSimError, nearest
from mice_sim.resources import dump_yaml
from mice_sim.study.config import StudyConfig, is_sweep, read_stored, stored_config
from mice_sim.study.rows import Failure, Layout, ReplicateRows

LABELS = ("source", "analysis", "term", "statistic")
EVENT_COLUMNS = ("replicate", "source", "variable", "what", "why", "set", "iteration")
BLOCK = 100  # replicates that are read, and added up, together


@dataclass(frozen=True)
class Part:
    """What the footer of a part says of its replicates: hash chains, failures by replicate, events."""

    path: Path
    passports: dict[int, list[str]]
    failures: dict[int, list[Failure]]
    events: list[dict]


@dataclass(frozen=True)
class Unreadable:
    """A part file that is not this study's, or not whole."""

    path: Path
    why: str


class Store:
    """The folder `results/<study>/` and its parts."""

    def __init__(self, directory: Path):
        self.directory = Path(directory)
        self.parts_directory = self.directory / "replicates"
        self._scanned: dict[Path, tuple] = {}  # footers by path and time of writing, as they are read often

    # ---- identity

    def open(self, config: StudyConfig, identity: dict, links: list[dict[str, str]]) -> list[Unreadable]:
        """Claim the folder for a study and set aside the part files that can't be used; return these.

        Raises MiceSimError if the folder holds another study's replicates, or a sweep.
        """
        if is_sweep(self.directory):
            raise MiceSimError(f"{self.directory} holds a sweep; choose another output for the study.")
        with _writing(self.directory):
            self.parts_directory.mkdir(parents=True, exist_ok=True)
            self._sweep_up()
            if self._identity_file.exists() and self.identity != identity and self.scan()[0]:
                found = [_told(*difference) for difference in differences(self.identity, identity)]
                more = f" and {len(found) - 3} more" if len(found) > 3 else ""
                raise MiceSimError(
                    f"{self.directory} holds replicates of another study "
                    f"({'; '.join(found[:3])}{more}); "
                    "choose another output, or delete the folder."
                )
            for cached in ("identity", "study"):
                self.__dict__.pop(cached, None)
            self._scanned.clear()
            _write(self._identity_file, json.dumps(identity, indent=2, sort_keys=True))
            _write(self.directory / "links.json", json.dumps(links, indent=1))
            _write(self.directory / "config.yaml", dump_yaml(config.to_mapping()))
            return self._set_aside()

    @property
    def _identity_file(self) -> Path:
        return self.parts_directory / "identity.json"

    @cached_property
    def identity(self) -> dict:
        """The identity of the study whose replicates are here."""
        return read_stored(self._identity_file, _read_json)

    @cached_property
    def study(self) -> str:
        """The study hash that every part must bear."""
        return study_hash(self.identity)

    def config(self) -> dict:
        """Return the stored configuration, or raise MiceSimError if there is no study."""
        return stored_config(self.directory).to_mapping()

    def links(self) -> list[dict[str, str]]:
        """Return the steps of every replicate's hash chain, with the streams that they draw from."""
        return read_stored(self.directory / "links.json", _read_json)

    def _sweep_up(self) -> None:
        """Delete the temporary files of processes of this machine that are no more."""
        for leftover in [*self.directory.glob(".*.tmp"), *self.parts_directory.glob(".*.tmp")]:
            *_, host, process, _ = leftover.name.rsplit("~", 3) if leftover.name.count("~") == 3 else ("", "", "0", "")
            if host == socket.gethostname() and not Path(f"/proc/{process}").exists():
                leftover.unlink(missing_ok=True)

    def _set_aside(self) -> list[Unreadable]:
        unreadable = self.scan()[1]
        for bad in unreadable:
            aside = self.parts_directory / "set_aside"
            aside.mkdir(exist_ok=True)
            bad.path.replace(aside / bad.path.name)
        return unreadable

    # ---- writing

    def write(self, layout: Layout, rows: list[ReplicateRows], study: str) -> None:
        """Store finished replicates as one part; raises MiceSimError if the disk is full."""
        numbers = [r.replicate for r in rows]
        columns = {"replicate": np.repeat(numbers, layout.size).astype(np.int32)}
        for label in LABELS:
            columns[label] = pa.array(np.tile(vars(layout)[label], len(rows)), pa.string()).dictionary_encode()
        for name in ("value", "synthesis_variance"):
            columns[name] = np.concatenate([getattr(r, name) for r in rows])
        footer = {
            "study": study,
            "passports": {r.replicate: r.passport for r in rows},
            "failures": {r.replicate: [vars(failure) for failure in r.failures] for r in rows if r.failures},
            "events": [event for r in rows for event in r.events],
        }
        table = pa.table(columns).replace_schema_metadata({"mice_sim": json.dumps(footer)})
        # Two parts may begin with the same replicate, so the name tells all of them.
        digest = hashlib.sha256(repr(numbers).encode()).hexdigest()[:8]
        name = f"part-{numbers[0]:07d}-{digest}.parquet" if numbers[0] >= 0 else "original.parquet"
        temporary = _temporary(self.parts_directory / name)
        with _writing(self.directory, temporary):
            pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
            temporary.replace(self.parts_directory / name)

    # ---- reading

    def scan(self) -> tuple[list[Part], list[Unreadable]]:
        """Return the parts in the order of their first replicates, and the files that are none of ours."""
        parts, unreadable = [], []
        for path in sorted(self.parts_directory.glob("part-*.parquet")):
            stat = path.stat()
            written = (stat.st_mtime_ns, stat.st_size)
            if self._scanned.get(path, (None,))[0] != written:
                self._scanned[path] = (written, _read_footer(path, self.study))
            found = self._scanned[path][1]
            if isinstance(found, Part):
                parts.append(found)
            else:
                unreadable.append(found)
        return parts, unreadable

    def records(self) -> dict[int, Part]:
        """Return, in order, which part holds each replicate; of two, the one without failures counts."""
        held: dict[int, Part] = {}
        for part in self.scan()[0]:
            for number in part.passports:
                if number not in held or (number in held[number].failures and number not in part.failures):
                    held[number] = part
        return dict(sorted(held.items()))

    def failures(self, replicates: int) -> dict[int, list[Failure]]:
        """Return the failures of the replicates 0..replicates−1, by replicate."""
        return {r: p.failures[r] for r, p in self.records().items() if r < replicates and r in p.failures}

    def original(self) -> pd.DataFrame:
        """Return the rows of the reference data itself."""
        return read_stored(self.parts_directory / "original.parquet", lambda file: pq.read_table(file).to_pandas())

    def labels(self) -> pd.DataFrame:
        """Return the labels of a replicate's rows (source, analysis, term, statistic)."""
        for part in self.scan()[0]:
            rows = pq.ParquetFile(part.path).read(list(LABELS))
            size = rows.num_rows // len(part.passports)
            return rows.slice(0, size).select(LABELS).to_pandas().astype(str)
        raise MiceSimError(f"{self.directory} holds no finished replicate; run it first.")

    def blocks(self, replicates: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield (replicate numbers (r,), values (r, rows), synthesis variances (r, rows)) in order.

        Blocks end at multiples of `BLOCK`, however the parts were cut, so that sums do not depend on
        the chunks of the run. What failed is NaN.
        """
        where = {r: part.path for r, part in self.records().items()}
        opened: dict[Path, tuple] = {}
        for start in range(0, replicates, BLOCK):
            numbers = [r for r in range(start, min(start + BLOCK, replicates)) if r in where]
            if not numbers:
                continue
            needed = {where[r] for r in numbers}
            opened = {path: opened.get(path) or _read(path) for path in needed}
            rows = [opened[where[r]][0][r] for r in numbers]
            values = [opened[where[r]][1][i] for r, i in zip(numbers, rows, strict=True)]
            variances = [opened[where[r]][2][i] for r, i in zip(numbers, rows, strict=True)]
            yield np.array(numbers), np.array(values), np.array(variances)

    def rows(self, replicates: int, **labels: str) -> pd.DataFrame:
        """Return the rows of the replicates 0..replicates−1 that bear these labels: replicate, LABELS, value."""
        layout = self.labels()
        for name, text in labels.items():
            if name not in LABELS:
                raise MiceSimError(f"Rows have no label '{name}'{nearest(name, LABELS)}")
            known = list(layout[name].unique())
            if text not in known:
                raise MiceSimError(f"No row has the {name} '{text}'{nearest(text, known)}")
        chosen = layout[(layout[list(labels)] == pd.Series(labels, dtype=object)).all(axis=1)]
        frames = []
        for numbers, values, _ in self.blocks(replicates):
            told = {label: np.tile(chosen[label].to_numpy(dtype=object), len(numbers)) for label in LABELS}
            rows = {"replicate": np.repeat(numbers, len(chosen)), **told, "value": values[:, chosen.index].ravel()}
            frames.append(pd.DataFrame(rows))
        return pd.concat(frames, ignore_index=True)

    def replicate(self, number: int) -> np.ndarray:
        """Return the values of one stored replicate."""
        numbers, values, _ = _read(self.records()[number].path)
        return values[numbers[number]]

    def study_events(self) -> list[dict]:
        """Return the events of the study itself, which are known before a replicate is run."""
        original = _read_footer(self.parts_directory / "original.parquet", self.study)
        return list(original.events) if isinstance(original, Part) else []

    def write_events(self) -> None:
        """Gather the events and failures of all replicates, and of the study itself (-1), into events.parquet."""
        rows = self.study_events()
        for number, part in self.records().items():
            rows += [event for event in part.events if event["replicate"] == number]
            rows += [
                {"replicate": number, "source": f.source, "variable": f.analysis, "what": "failed", "why": f.error,
                 "set": 0, "iteration": 0}
                for f in part.failures.get(number, ())
            ]  # fmt: skip
        frame = pd.DataFrame(rows, columns=list(EVENT_COLUMNS)).sort_values(list(EVENT_COLUMNS))
        temporary = _temporary(self.directory / "events.parquet")
        with _writing(self.directory, temporary):
            frame.to_parquet(temporary, index=False)
            temporary.replace(self.directory / "events.parquet")


def _read_footer(path: Path, study: str) -> Part | Unreadable:
    try:
        footer = json.loads(pq.read_metadata(path).metadata[b"mice_sim"])
        if footer["study"] != study:
            return Unreadable(path, "of another study, or of other code")
        failures = {int(k): [Failure(**f) for f in found] for k, found in footer["failures"].items()}
        passports = {int(k): chain for k, chain in footer["passports"].items()}
        return Part(path, passports, failures, footer["events"])
    except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValueError):
        return Unreadable(path, "cut off, or no file of mice_sim")


def study_hash(identity: dict) -> str:
    """Return the hash of a study's identity (16 hex digits)."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _read(path: Path) -> tuple[dict[int, int], np.ndarray, np.ndarray]:
    columns = ["replicate", "value", "synthesis_variance"]
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read(columns, use_threads=False)
    except OSError as error:
        raise MiceSimError(
            f"{path} is damaged ({str(error).splitlines()[0]}); delete it and run the study again."
        ) from None
    numbers = table["replicate"].to_numpy()
    order = list(dict.fromkeys(numbers.tolist()))
    shape = (len(order), -1)
    return (
        {r: i for i, r in enumerate(order)},
        table["value"].to_numpy().reshape(shape),
        table["synthesis_variance"].to_numpy().reshape(shape),
    )


def _read_json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _temporary(path: Path) -> Path:
    """Return the name of a file while it is written: `Store._sweep_up` can tell whether its writer still lives."""
    return path.with_name(f".{path.name}~{socket.gethostname()}~{os.getpid()}~.tmp")


@contextmanager
def _writing(directory: Path, temporary: Path | None = None) -> Iterator[None]:
    """Leave no half file behind; raise MiceSimError if the disk is full."""
    try:
        yield
    except OSError as error:
        if temporary:
            temporary.unlink(missing_ok=True)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = shutil.disk_usage(directory).free / 2**20
        raise MiceSimError(
            f"The disk of {directory} is full ({free:.1f} MiB free); stored replicates are kept: make room and run "
            "the same command again."
        ) from None


def _write(path: Path, text: str) -> None:
    temporary = _temporary(path)
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _told(key: str, old: object, new: object) -> str:
    own = key.removeprefix("configuration.own.")
    if own != key:
        what, _, name = own.partition(".")
        return f"the code of your {what} '{name}' is another"
    return f"{key} was {old!r} and is {new!r}"


def differences(stored: dict, wanted: dict, path: str = "") -> list[tuple[str, object, object]]:
    """Return (dotted key, stored value, wanted value) of everything that is not the same."""
    found: list[tuple[str, object, object]] = []
    for key in sorted({*stored, *wanted}):
        old, new = stored.get(key), wanted.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, f"{path}{key}.")
        elif old != new:
            found.append((f"{path}{key}", old, new))
    return found
