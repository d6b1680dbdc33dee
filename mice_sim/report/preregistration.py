"""Preregistration: what a study will do, written down and hashed before it runs, and held against what it did."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import mice_sim
from mice_sim.errors import MiceSimError
from mice_sim.resources import dump_yaml, read_yaml
from mice_sim.study.config import StudyConfig, variants
from mice_sim.study.measures import get_measure, share_mcse
from mice_sim.study.replicate import CHOSEN, replicator
from mice_sim.study.run import identity
from mice_sim.study.store import Store, differences, study_hash

DOCUMENT, RECORD = "preregistration.md", "preregistration.yaml"
# What a registration fixes beside the science.
FIXED = ("replicates", "until", "sweep", "measures")


def preregister(config: StudyConfig) -> Path:
    """Write the ADEMP document of a study (Morris, White & Crowther 2019) and its record; return the document's path.

    Raises MiceSimError if the study is registered already, or has no aims.
    """
    if not config.aims:
        raise MiceSimError("A preregistration needs the study's aims; give them with 'aims=\"…\"'.")
    document, record = config.directory / DOCUMENT, config.directory / RECORD
    if record.exists():
        raise MiceSimError(f"{record} is there already; a registration stands: choose another output.")
    own = identity(config.key())
    registered = {
        "study": config.study,
        "study_hash": study_hash(own),
        "registered": datetime.now(UTC).isoformat(timespec="seconds"),
        "replicates_there": len(Store(config.directory).records()) if config.directory.exists() else 0,
        "mice_sim": mice_sim.__version__,
        **{name: _plain(getattr(config, name)) for name in FIXED},
        "identity": own,
    }
    text = _render(config, registered)
    config.directory.mkdir(parents=True, exist_ok=True)
    document.write_text(text, encoding="utf-8")
    registered["document_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    record.write_text(dump_yaml(registered), encoding="utf-8")
    return document


def _plain(value: Any) -> Any:
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value


def _render(config: StudyConfig, registered: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False,  # it is Markdown
    )  # fmt: skip
    level = float(config.pooling["level"])
    return environment.get_template("preregistration.md").render(
        config=config,
        registered=registered,
        methods=variants(config.synthesis),
        rules=_rules(config),
        measures=[get_measure(name) for name in config.measures["show"]],
        level=level,
        coverage_mcse=float(share_mcse(level, config.replicates)),
        yaml=lambda given: dump_yaml(_plain(given)).rstrip(),
    )


def _rules(config: StudyConfig) -> dict[str, str]:
    """Return the rule of each analysis; of those that are chosen, which it is for which method."""
    rules = {name: str(config.pooling.get(name, config.pooling.get(a["kind"]))) for name, a in config.analysis.items()}
    chosen: dict[str, list[str]] = {}
    for event in replicator(config.key()).original().events:
        if event["why"] == CHOSEN:
            chosen.setdefault(event["variable"], []).append(f"{event['source']} {event['what']}")
    return rules | {name: f"{rules[name]}: {', '.join(found)}" for name, found in chosen.items()}


def registered_against_executed(directory: Path, config: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (what, registered, executed) of a study that was registered; nothing if it was not.

    Every fixed item is there; of the science only what differs.
    """
    file = Path(directory) / RECORD
    if not file.exists():
        return []
    registered = read_yaml(file)
    store = Store(directory)
    present = sum(r < config["replicates"] for r in store.records())
    document = Path(directory) / DOCUMENT
    found = hashlib.sha256(document.read_bytes()).hexdigest() if document.exists() else "missing"
    rows = [
        ("Document", registered["document_sha256"][:16], found[:16]),
        ("Study hash", registered["study_hash"], store.study),
        ("Replicates", str(registered["replicates"]), str(present)),
    ]
    rows += [(name, str(registered[name]), str(config[name])) for name in FIXED if name != "replicates"]
    rows += [(key, str(old), str(new)) for key, old, new in differences(registered["identity"], store.identity)]
    return rows
