"""R mice and mice_sim on the same replicates, in one run: CPU seconds and their ratio."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from mice_sim import streams
from mice_sim.errors import MiceSimError
from mice_sim.resources import resource
from mice_sim.study.config import compose
from mice_sim.study.replicate import Replicator, replicator
from mice_sim.synthesis import engine
from mice_sim.synthesis.events import EventLog

EXPERIMENTS = {"mice-3.13": "volker_vink_2021", "mice-3.15": "volker_vink_2021_mice315"}


def run_benchmark(replicates: int, echo: Callable[[str], None]) -> None:
    """Print a line a rule and stage: CPU milliseconds a replicate in R and here (medians), and the ratio."""
    folder = resource("experiments", "volker_vink_2021") / "oracle"
    has_r = shutil.which("Rscript") and folder.exists()
    if not has_r:
        echo("R mice is missing (Rscript, or the R scripts of a checkout), so only our own times are shown.")
    echo(
        f"{'rule':<10} {'stage':<12} {'R, ms':>9} {'ours, ms':>9} {'ratio':>7}   "
        f"(CPU, median of {replicates} replicates)"
    )
    for rule, experiment in EXPERIMENTS.items():
        ours = _ours(replicator(compose([f"experiment={experiment}"]).key()), 5 * replicates)
        theirs = _r(folder, rule, replicates) if has_r else np.full((1, 2), np.nan)
        for stage, r, own in (
            ("synthesis", theirs[:, 0], ours[:, 0]),
            ("whole study", theirs.sum(axis=1), ours[:, 1]),
        ):
            r, own = 1000 * np.median(r), 1000 * np.median(own)
            echo(f"{rule:<10} {stage:<12} {r:9.0f} {own:9.2f} {r / own:7.0f}")


def _ours(shared: Replicator, replicates: int) -> np.ndarray:
    """CPU seconds (replicates, 2): the synthesis alone, and the whole replicate."""
    times = np.zeros((replicates, 2))
    with threadpool_limits(1):
        shared.run(0)  # compiling is start-up, not work
        for r in range(replicates):
            began = time.process_time()
            sample = shared.truth.take(shared.sample_rows(r))
            engine.run(sample, shared.spec, lambda *name, r=r: streams.stream(1, "benchmark", r, *name), EventLog())
            middle = time.process_time()
            shared.run(r)
            times[r] = middle - began, time.process_time() - middle
    return times


def _r(folder, rule: str, replicates: int) -> np.ndarray:
    """CPU seconds (replicates, 2) in R: synthesis, analyses."""
    done = subprocess.run(["Rscript", "benchmark.R", rule, str(replicates)], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise MiceSimError(f"R could not run the study ({done.stderr.strip().splitlines()[-1]}); install r-cran-mice.")
    return np.array([line.split() for line in done.stdout.splitlines() if line.strip()], dtype=float)
