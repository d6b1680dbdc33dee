"""What is run: R's scripts on fresh cases, and the comparisons with what they write."""

from __future__ import annotations

import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import drawn
import exact
from agreement import Agreement

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "mice",
    "rpart",
    "MASS",
    "nnet",
    "glmnet",
    "ranger",
    "lme4",
    "pan",
    "jomo",
    "mitml",
    "rstan",
    "psych",
    "caret",
)


@dataclass(frozen=True)
class Job:
    """Scripts of R, each with its arguments, and the comparisons that read what they write.

    seconds : what it takes; the longest is started first.
    quick : whether it is part of the short run.
    """

    name: str
    scripts: tuple[tuple[object, ...], ...]
    comparisons: tuple[Callable[[Path], Iterator[Agreement]], ...]
    seconds: int
    quick: bool = False


def jobs(folder: Path) -> list[Job]:
    """Return all jobs in the order of the table."""

    def job(name: str, seconds: int, *comparisons: Callable[[Path], Iterator[Agreement]], quick: bool = False) -> Job:
        where = ROOT / "tests" / ("verify" if name == "tables" else "oracles")
        return Job(name, ((where / f"{name}.R", folder),), comparisons, seconds, quick)

    first, last = drawn.REPLICATES[0], drawn.REPLICATES[-1]
    study = tuple((drawn.STUDY, rule, first, last, folder / f"{rule}.csv.gz") for rule in drawn.RULES)
    return [
        job("models", 10, exact.of_models, quick=True),
        job("tables", 3, exact.of_tables, quick=True),
        job("mixed", 10, exact.of_mixed, quick=True),
        job("pooling", 15, exact.of_pooling, quick=True),
        job("mids", 3, exact.of_mids, quick=True),
        job("patterns", 25, exact.of_patterns, drawn.of_odds, quick=True),
        job("ampute", 60, drawn.of_amputation),
        job("rpart", 20, exact.of_trees, quick=True),
        job("methods_continuous", 90, drawn.of_numbers),
        job("methods_categorical", 90, drawn.of_factors),
        job("forest", 120, drawn.of_forests),
        job("chains", 300, drawn.of_chains),
        job("level_2", 10, drawn.of_level_2, quick=True),
        job("two_level", 150, drawn.of_clusters),
        job("joint", 120, drawn.of_joint),
        job("heckman", 30, drawn.of_selection),
        job("copies", 20, drawn.of_copies, quick=True),
        Job("study", study, (drawn.of_study,), 80),
    ]


def work(job: Job, folder: Path) -> tuple[Job, list[Agreement], str]:
    """Run a job; the last is what went wrong, which is a disagreement too."""
    began = time.perf_counter()
    try:
        for script in job.scripts:
            run_r(*script)
        found = [agreement for compare in job.comparisons for agreement in compare(folder)]
    except Exception:
        failed = Agreement(f"{job.name} could not be compared", "R", "", "number", float("inf"), 0)
        return job, [failed], traceback.format_exc()
    return job, found, f"{job.name}: {time.perf_counter() - began:.0f} s"


def run_r(*command: object) -> str:
    done = subprocess.run(["Rscript", *map(str, command)], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"R stopped in {command[0]}: {done.stderr.strip()[-500:]}")
    return done.stdout


def versions() -> dict[str, str]:
    """Return the versions of R and its packages that are compared with."""
    names = ", ".join(f'"{name}"' for name in PACKAGES)
    asked = f'for (p in c({names})) cat(p, format(packageVersion(p)), "\\n"); cat("R", format(getRversion()), "\\n")'
    lines = subprocess.run(["Rscript", "-e", asked], capture_output=True, text=True, check=True).stdout.splitlines()
    found = dict(line.split() for line in lines)
    return {"R": found.pop("R"), **found}
