"""The files of a study: one parquet part a chunk, moved into place whole; status is what the files say."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from mice_sim.errors import MiceSimError
from mice_sim.study.config import StudyConfig
from mice_sim.study.rows import Layout, ReplicateRows

LABELS = ("source", "analysis", "term", "statistic")
EVENT_COLUMNS = ("replicate", "source", "variable", "what", "why", "set", "iteration")
BLOCK = 100  # replicates that are read, and added up, together


@dataclass(frozen=True)
class Part:
    """What the footer of a part says of its replicates."""

    path: Path
    status: dict[int, str]
    events: list[dict]


class Store:
    """The folder `results/<study>/` and its parts."""

    def __init__(self, directory: Path):
        self.directory = Path(directory)
        self.parts_directory = self.directory / "replicates"

    # ---- identity

    def open(self, config: StudyConfig, identity: dict) -> None:
        """Claim the folder for a study; raises MiceSimError if it holds another one's replicates."""
        self.parts_directory.mkdir(parents=True, exist_ok=True)
        for leftover in self.parts_directory.glob(".*.tmp"):
            leftover.unlink()
        file = self.parts_directory / "identity.json"
        if file.exists() and self.parts():
            stored = json.loads(file.read_text())
            if stored != identity:
                differences = _differences(stored, identity)
                more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
                raise MiceSimError(
                    f"{self.directory} holds replicates of another study "
                    f"({'; '.join(differences[:3])}{more}); "
                    "choose another output, or delete the folder."
                )
        _write(file, json.dumps(identity, indent=2, sort_keys=True))
        _write(self.directory / "config.yaml", yaml.safe_dump(config.to_mapping(), sort_keys=False))

    def config(self) -> dict:
        """Return the stored configuration, or raise MiceSimError if there is no study."""
        file = self.directory / "config.yaml"
        if not file.exists():
            raise MiceSimError(
                f"{self.directory} holds no study; run one first with `mice-sim run output={self.directory}`."
            )
        return yaml.safe_load(file.read_text(encoding="utf-8"))

    # ---- writing

    def write(self, layout: Layout, rows: list[ReplicateRows]) -> None:
        """Store finished replicates as one part."""
        good = [r for r in rows if r.error is None]
        columns = {"replicate": np.repeat([r.replicate for r in good], layout.size).astype(np.int32)}
        for label in LABELS:
            columns[label] = pa.array(np.tile(vars(layout)[label], len(good)), pa.string()).dictionary_encode()
        for name in ("value", "synthesis_variance"):
            columns[name] = np.concatenate([np.zeros(0), *(getattr(r, name) for r in good)])
        footer = {
            "status": {r.replicate: r.error or "ok" for r in rows},
            "events": [event for r in rows for event in r.events],
        }
        table = pa.table(columns).replace_schema_metadata({"mice_sim": json.dumps(footer)})
        name = f"part-{rows[0].replicate:07d}.parquet" if rows[0].replicate >= 0 else "original.parquet"
        temporary = self.parts_directory / f".{name}.{os.getpid()}.tmp"
        pq.write_table(table, temporary, compression="zstd")
        temporary.replace(self.parts_directory / name)

    # ---- reading

    def parts(self) -> list[Part]:
        """Return the parts in the order of their first replicates."""
        found = []
        for path in sorted(self.parts_directory.glob("part-*.parquet")):
            footer = json.loads(pq.read_schema(path).metadata[b"mice_sim"])
            found.append(Part(path, {int(k): v for k, v in footer["status"].items()}, footer["events"]))
        return found

    def original(self) -> pd.DataFrame:
        """Return the rows of the reference data itself."""
        return pq.read_table(self.parts_directory / "original.parquet").to_pandas()

    def labels(self) -> pd.DataFrame:
        """Return the labels of a replicate's rows (source, analysis, term, statistic)."""
        for part in self.parts():
            done = [r for r, status in part.status.items() if status == "ok"]
            if done:
                rows = pq.read_table(part.path, columns=["replicate", *LABELS])
                first = rows.filter(pa.compute.equal(rows["replicate"], done[0]))
                return first.select(LABELS).to_pandas().astype(str)
        raise MiceSimError(f"{self.directory} holds no finished replicate; look at its events, then run it again.")

    def blocks(self, replicates: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield (replicate numbers (r,), values (r, rows), synthesis variances (r, rows)) in order.

        Blocks end at multiples of `BLOCK`, however the parts were cut, so that sums do not depend on
        the chunks of the run.
        """
        where = {r: part.path for part in self.parts() for r, s in part.status.items() if s == "ok"}
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

    def write_events(self) -> int:
        """Gather the events of all parts into events.parquet; return how many there are."""
        parts = self.parts()
        rows = [event for part in parts for event in part.events]
        rows += [
            {"replicate": r, "source": "", "variable": "", "what": "failed", "why": status, "set": 0, "iteration": 0}
            for part in parts
            for r, status in part.status.items()
            if status != "ok"
        ]
        frame = pd.DataFrame(rows, columns=list(EVENT_COLUMNS)).sort_values(list(EVENT_COLUMNS))
        frame.to_parquet(self.directory / "events.parquet", index=False)
        return len(frame)


def _read(path: Path) -> tuple[dict[int, int], np.ndarray, np.ndarray]:
    table = pq.read_table(path, columns=["replicate", "value", "synthesis_variance"])
    numbers = table["replicate"].to_numpy()
    order = list(dict.fromkeys(numbers.tolist()))
    shape = (len(order), -1)
    return (
        {r: i for i, r in enumerate(order)},
        table["value"].to_numpy().reshape(shape),
        table["synthesis_variance"].to_numpy().reshape(shape),
    )


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _differences(stored: dict, wanted: dict, path: str = "") -> list[str]:
    found = []
    for key in sorted({*stored, *wanted}):
        old, new = stored.get(key), wanted.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _differences(old, new, f"{path}{key}.")
        elif old != new:
            found.append(f"{path}{key} was {old!r} and is {new!r}")
    return found
