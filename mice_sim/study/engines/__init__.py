"""Engines: hand over chunks of replicates, get told as each is stored. One file an engine."""

from __future__ import annotations

from mice_sim.study.engines.loky import run_loky
from mice_sim.study.engines.serial import run_serial

ENGINES = {"serial": run_serial, "loky": run_loky}
