"""What replicates cost beside R mice, in one run, and what the machine costs beside the replicates."""

from __future__ import annotations

import dataclasses
import resource as unix
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from joblib.externals.loky import get_reusable_executor
from threadpoolctl import threadpool_limits

from mice_sim.errors import MiceSimError
from mice_sim.resources import resource
from mice_sim.study.config import compose
from mice_sim.study.performance import performance
from mice_sim.study.replicate import Replicator, replicator
from mice_sim.study.rows import Layout
from mice_sim.study.run import prepare, run_study
from mice_sim.study.store import Store
from mice_sim.study.summary import summarise
from mice_sim.study.sweep import read_sweep, run_sweep, sweep_performance
from mice_sim.synthesis import engine
from mice_sim.synthesis.events import EventLog

EXPERIMENTS = {"mice-3.13": "volker_vink_2021", "mice-3.15": "volker_vink_2021_mice315"}


def run_benchmark(replicates: int, echo: Callable[[str], None]) -> list[dict]:
    """Print a line a rule and stage: CPU milliseconds a replicate in R and here (medians), and the ratios.

    Returns a row a line: `rule`, `stage`, and seconds `R`, `R_xval0`, `ours`.
    """
    folder = resource("experiments", "volker_vink_2021") / "oracle"
    has_r = shutil.which("Rscript") and folder.exists()
    if not has_r:
        echo("R mice is missing (Rscript, or the R scripts of a checkout), so only our own times are shown.")
    echo(f"CPU milliseconds a replicate, median of {replicates}; xval=0: R without rpart's cross-validation")
    echo(f"{'rule':<10} {'stage':<12} {'R':>6} {'R, xval=0':>10} {'ours':>7} {'ratio':>6} {'xval=0':>7}")
    rows = []
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
            rows.append({"rule": rule, "stage": stage, "R": x / 1000, "R_xval0": y / 1000, "ours": z / 1000})
    return rows


# A light study: small trees, one regression, about 5 ms a replicate; and 100 points of it.
LIGHT = [
    "analysis=growth_models", "~analysis.ordinal", "synthesis.m=2", "synthesis.minbucket=20", "execution.chunk=100",
]  # fmt: skip
POINTS = 100


def run_machine_benchmark(replicates: int, echo: Callable[[str], None]) -> None:
    """Print what the machine costs beside the replicates: a sweep's overhead and memory, aggregation, efficiency."""
    with tempfile.TemporaryDirectory() as folder:
        _time_sweep(Path(folder) / "sweep", replicates, echo)
        _time_aggregation(Path(folder) / "rows", echo)
        _time_efficiency(Path(folder) / "paper", echo)


def _time_sweep(folder: Path, replicates: int, echo: Callable[[str], None]) -> None:
    """A sweep over the sizes of leaves; its overhead is all CPU time and all waiting beside the replicates' own."""
    sizes = ",".join(str(20 + i) for i in range(POINTS))
    overrides = [*LIGHT, f"replicates={replicates}", f"synthesis.minbucket={sizes}", f"output={folder}"]
    workers = compose([]).execution.cores()
    began, cpu = time.perf_counter(), _cpu_seconds()
    reports = [point.report for point in run_sweep(read_sweep(overrides)) if point.report]
    wall = time.perf_counter() - began
    get_reusable_executor().shutdown(wait=True)  # then the system counts the workers' time as the children's
    compute = sum(report.cpu_seconds for report in reports)
    ran = sum(report.ran for report in reports)
    echo(f"sweep: {len(reports)} points, {ran} replicates of {1000 * compute / ran:.1f} ms, {workers} workers")
    echo(f"  CPU beside the replicates: {100 * ((_cpu_seconds() - cpu) / compute - 1):5.1f} %")
    echo(f"  wall time beside them:     {100 * (wall * workers / compute - 1):5.1f} %")
    first, last = reports[len(reports) // 10].peak_mib, reports[-1].peak_mib
    echo(f"  largest worker: {first:.0f} MiB after a tenth of the points, {last:.0f} MiB after all")
    began = time.perf_counter()
    frame = sweep_performance(folder)
    echo(f"  performance of all points: {len(frame)} numbers in {time.perf_counter() - began:.1f} s")


def _time_aggregation(folder: Path, echo: Callable[[str], None]) -> None:
    """A million stored rows: the rows of one replicate, made 1000 wide, 1000 times."""
    config = dataclasses.replace(compose(LIGHT), output=str(folder), replicates=1000)
    point = prepare(config)
    rows, layout = replicator(config.key()).run(0), replicator(config.key()).layout
    copies = -(-1000 // layout.size)
    wide = Layout.of(
        (source, f"{analysis}{copy}", term, statistic)
        for copy in range(copies)
        for source, analysis, term, statistic in zip(*vars(layout).values(), strict=True)
    )
    for start in range(0, 1000, 25):
        noise = np.random.default_rng(start).standard_normal((25, wide.size))
        part = [
            dataclasses.replace(rows, replicate=start + i, value=np.tile(rows.value, copies) + noise[i],
                                synthesis_variance=np.tile(rows.synthesis_variance, copies))
            for i in range(25)
        ]  # fmt: skip
        point.store.write(wide, part, point.study)
    began = time.perf_counter()
    performance(Store(folder), config.to_mapping())
    middle = time.perf_counter()
    summarise(Store(folder), 1000, 2)
    echo(
        f"aggregation: {1000 * wide.size} stored rows: all measures in {middle - began:.2f} s, "
        f"the paper's summary in {time.perf_counter() - middle:.2f} s"
    )


def _time_efficiency(folder: Path, echo: Callable[[str], None]) -> None:
    """The published study by one worker and by two; workers are started before the clock."""
    seconds: dict[int, float] = {}
    for workers in (1, 2, 1, 2):
        overrides = ["experiment=volker_vink_2021", f"execution.workers={workers}"]
        for replicates in (50, 400):
            run = run_study(compose([*overrides, f"replicates={replicates}", f"output={folder / str(replicates)}"]))
        seconds[workers] = min(run.wall_seconds, seconds.get(workers, np.inf))
        shutil.rmtree(folder)
    echo(
        f"efficiency: 400 replicates of the published study: {seconds[1]:.1f} s by one worker, {seconds[2]:.1f} s by "
        f"two: {seconds[1] / seconds[2] / 2:.2f}"
    )


def _cpu_seconds() -> float:
    own, children = (unix.getrusage(who) for who in (unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


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
