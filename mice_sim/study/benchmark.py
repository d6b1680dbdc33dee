"""R mice and mice_sim on the same replicates, in one run: CPU seconds and their ratio."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from mice_sim.errors import MiceSimError
from mice_sim.resources import resource
from mice_sim.study.config import compose
from mice_sim.study.replicate import Replicator, replicator
from mice_sim.synthesis import engine
from mice_sim.synthesis.events import EventLog

EXPERIMENTS = {"mice-3.13": "volker_vink_2021", "mice-3.15": "volker_vink_2021_mice315"}


def run_benchmark(replicates: int, echo: Callable[[str], None]) -> None:
    """Print a line a rule and stage: CPU milliseconds a replicate in R and here (medians), and the ratios."""
    folder = resource("experiments", "volker_vink_2021") / "oracle"
    has_r = shutil.which("Rscript") and folder.exists()
    if not has_r:
        echo("R mice is missing (Rscript, or the R scripts of a checkout), so only our own times are shown.")
    echo(f"CPU milliseconds a replicate, median of {replicates}; xval=0: R without rpart's cross-validation")
    echo(f"{'rule':<10} {'stage':<12} {'R':>6} {'R, xval=0':>10} {'ours':>7} {'ratio':>6} {'xval=0':>7}")
    for rule, experiment in EXPERIMENTS.items():
        shared = replicator(compose([f"experiment={experiment}"]).key())
        # Before and after R, so that a machine whose speed drifts favours neither.
        before = _ours(shared, range(2 * replicates))
        theirs = _r(folder, rule, replicates) if has_r else np.full((1, 3), np.nan)
        ours = 1000 * np.concatenate([before, _ours(shared, range(2 * replicates, 4 * replicates))])
        paper, fast, analyses = 1000 * theirs.T
        for stage, own, r, r_fast in (
            ("synthesis", ours[:, 0], paper, fast),
            ("whole study", ours[:, 1], paper + analyses, fast + analyses),
        ):
            x, y, z = (float(np.median(times)) for times in (r, r_fast, own))
            echo(f"{rule:<10} {stage:<12} {x:6.0f} {y:10.0f} {z:7.2f} {x / z:6.0f} {y / z:7.0f}")


def _ours(shared: Replicator, replicates: range) -> np.ndarray:
    """CPU seconds (replicates, 2): the synthesis alone, and the whole replicate."""
    times = []
    with threadpool_limits(1):
        shared.run(replicates[0])  # compiling is start-up, not work
        for r in replicates:
            began = time.process_time()
            sample = shared.sample(r)
            engine.run(sample, shared.methods["synthetic"], shared.streams(r), EventLog())
            middle = time.process_time()
            shared.run(r)
            times.append((middle - began, time.process_time() - middle))
    return np.array(times)


def _r(folder, rule: str, replicates: int) -> np.ndarray:
    """CPU seconds (replicates, 3) in R: synthesis, the same with xval = 0, analyses."""
    done = subprocess.run(
        ["Rscript", str(folder / "benchmark.R"), rule, str(replicates)],
        cwd=folder.parents[2],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise MiceSimError(f"R could not run the study ({done.stderr.strip().splitlines()[-1]}); install r-cran-mice.")
    return np.array([line.split() for line in done.stdout.splitlines() if line.strip()], dtype=float)
