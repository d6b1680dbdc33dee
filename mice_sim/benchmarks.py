"""What the engine costs beside R mice on the same tasks, in one run, and how it grows with the rows; clusters too."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

from mice_sim.api import impute, synthesize
from mice_sim.data import load_dataset
from mice_sim.errors import MiceSimError
from mice_sim.resources import resource

SMALL, LARGE = 5_000, 100_000
GROWTH = (1_000, 10_000, 100_000)
COLUMNS = 20
# Whose versions are told.
PYTHON = ("numpy", "numba", "statsmodels", "scikit-learn", "miceforest", "lightgbm")
R = ("mice", "rpart", "ranger", "lme4", "pan", "jomo")
# Name, title, and what to run.
Task = tuple[str, str, Callable[[], None]]


def run_engine_benchmark(large: bool, echo: Callable[[str], None]) -> list[dict]:
    """Print CPU seconds of each task in R and here, and their ratio; then time and memory by number of rows.

    large : also 100,000 rows against R, which takes R most of an hour, and a million rows here.
    Returns a row a task: `task`, `R` and `ours` in seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        rows = _compare("engine", Path(folder), _tasks(Path(folder), large), echo)
    _growth((*GROWTH, 1_000_000) if large else GROWTH, echo)
    return rows


def run_two_level_benchmark(echo: Callable[[str], None]) -> list[dict]:
    """Print CPU seconds of methods for rows in clusters in R (mice, jomo) and here, and their ratio.

    Returns a row a task: `task`, `R` and `ours` in seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        rows = _compare("two_level", Path(folder), _two_level_tasks(Path(folder)), echo)
        return rows + _compare("two_level", Path(folder), _joint_tasks(), echo, "benchmark_joint.R")


def keep_results(file: Path, name: str, rows: list[dict]) -> None:
    """Write rows of a benchmark into a JSON file, with the date, the load and the versions, beside other benchmarks.

    Raises MiceSimError if the file holds something else.
    """
    stored = kept_results(file)
    stored[name] = {
        "date": f"{date.today()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg()[1],
        "versions": _versions(),
        "rows": rows,
    }
    file.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def kept_results(file: Path) -> dict:
    """Return the benchmarks that a file holds by name, none if it is not there yet; raises MiceSimError."""
    if not file.parent.is_dir():
        raise MiceSimError(f"There is no folder '{file.parent}' to save times in; make it first.")
    try:
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except ValueError:
        raise MiceSimError(f"'{file}' holds no times of a benchmark; name another file.") from None


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in PYTHON if is_installed(name)}
    if shutil.which("Rscript"):
        names = ", ".join(f'"{name}"' for name in R)
        asked = f'for (p in c({names})) if (nzchar(system.file(package = p))) cat(p, format(packageVersion(p)), "\\n")'
        command = ["Rscript", "-e", asked + '; cat("R", format(getRversion()), "\\n")']
        lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
        found |= {name: number for name, number in reversed([line.split() for line in lines])}
    return found


def is_installed(name: str) -> bool:
    """Return whether a package of this name is there."""
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def _compare(
    experiment: str, folder: Path, tasks: list[Task], echo: Callable[[str], None], name: str = "benchmark.R"
) -> list[dict]:
    script = resource("experiments", experiment) / name
    has_r = bool(shutil.which("Rscript")) and script.exists()
    if not has_r:
        echo("R mice is missing (Rscript, or the R scripts of a checkout), so only our own times are shown.")
    echo("CPU seconds of a task; ours are medians of six runs, three before R and three after")
    echo(f"{'task':<44} {'R':>8} {'ours':>8} {'ratio':>7}")
    rows = []
    for task, title, run in tasks:
        before = [cpu(run) for _ in range(3)] if run() is None else []
        theirs = run_r(script, folder, task) if has_r else np.nan
        ours = float(np.median(before + [cpu(run) for _ in range(3)]))
        echo(f"{title:<44} {theirs:8.2f} {ours:8.3f} {theirs / ours:7.0f}")
        rows.append({"task": title.strip(), "R": theirs, "ours": ours})
    return rows


def _two_level_tasks(folder: Path) -> list[Task]:
    popmis = load_dataset("popmis")[["school", "sex", "texp", "popular"]].astype(float)
    titles = {"popmis": "2,000 pupils in 100 schools", "pupils": "9,084 pupils in 464 schools"}
    tasks: list[Task] = []
    for data, frame in {"popmis": popmis, "pupils": pupils()}.items():
        frame.to_csv(folder / f"{data}.csv", index=False)
        for method in ("2l.norm", "2l.pan", "2l.lmer"):
            cluster, first, *others, target = frame.columns
            codes = {cluster: -2, first: 2} | dict.fromkeys(others, 2 if method == "2l.norm" else 1)
            run = _quiet(impute, frame, m=5, maxit=1, seed=1, method={target: method}, predictor_matrix={target: codes})
            tasks.append((f"{data}_{method}", f"{titles[data]} by {method}, m = 5", run))
    return tasks


def _joint_tasks() -> list[Task]:
    """Return Gibbs sampling of joint models, with as many cycles as R's jomo runs."""
    popmis = load_dataset("popmis")[["school", "sex", "texp", "popular"]].astype(float)
    kinds = {"given": "one column", "numbers": "as numbers", "mixed": "numbers and factors"}
    tasks: list[Task] = []
    for data, frame, cycles in (("popmis", popmis, 1_000), ("pupils", pupils(), 200)):
        binary = [name for name in frame.columns if frame[name].nunique() == 2]
        for how, title in kinds.items():
            if (data, how) == ("pupils", "given"):
                continue
            columns = frame.astype(dict.fromkeys(binary, "category")) if how == "mixed" else frame
            auxiliary = list(frame.columns[1:-1]) if how == "given" else []
            run = _quiet(
                impute, columns, m=2, method="joint", cluster="school", chains=1, burn_in=cycles - 2, between=1,
                level_2=[], auxiliary=auxiliary, seed=1,
            )  # fmt: skip
            tasks.append((f"{data}_{how}_{cycles}", f"joint, {data}, {title}, {cycles:,} cycles", run))
    return tasks


def _tasks(folder: Path, large: bool) -> list[Task]:
    boys = load_dataset("boys")
    forest = mixed(1_000).filter(like="x").iloc[:, :6]
    forest = forest.mask(np.random.default_rng(2).random(forest.shape) < 0.2)
    forest.to_csv(folder / "forest.csv", index=False)
    tasks: list[Task] = [
        ("impute_boys", "impute boys, defaults, m = 5, maxit = 10", _quiet(impute, boys, m=5, maxit=10, seed=1)),
        ("rf", "impute 1,000 × 6 by rf, m = 2, maxit = 2", _quiet(impute, forest, m=2, maxit=2, method="rf", seed=1)),
    ]
    for rows in (SMALL, LARGE) if large else (SMALL,):
        data = mixed(rows)
        data.to_csv(folder / f"mixed_{rows}.csv", index=False)
        run = _quiet(synthesize, data, m=1, seed=1)
        tasks.append((f"cart_{rows}", f"synthesise {rows:,} × {COLUMNS} by cart", run))
        tasks.append((f"cart_{rows}_xval0", "  the same, R without cross-validation", run))
    return tasks


def _quiet(function: Callable, *arguments: object, **options: object) -> Callable[[], None]:
    def run() -> None:
        function(*arguments, **options)

    return run


def mixed(rows: int) -> pd.DataFrame:
    """Return `rows` × 20 columns, half factors of two or three levels (`f…`), half numbers (`x…`), all related."""
    rng = np.random.default_rng(1)
    common = rng.normal(size=rows)
    columns: dict[str, object] = {}
    for j in range(COLUMNS):
        z = 0.6 * common + 0.8 * rng.normal(size=rows)
        if j % 4 == 0:
            columns[f"f{j}"] = pd.Categorical.from_codes(np.digitize(z, [-0.5, 0.5]), ["a", "b", "c"])
        elif j % 4 == 1:
            columns[f"f{j}"] = pd.Categorical.from_codes((z > 0).astype(int), ["n", "y"])
        else:
            columns[f"x{j}"] = z if j % 4 == 2 else np.round(z * 10)
    return pd.DataFrame(columns)


def pupils() -> pd.DataFrame:
    """Return 9,084 pupils in 464 schools as Goldstein's (2019) model of their scores at 16 has them, 30 % missing."""
    rng = np.random.default_rng(3)
    school = np.sort(rng.integers(464, size=9_084))
    before = rng.normal(4.5, 0.8, school.size)
    female, language, meals = (rng.random((3, school.size)) < [[0.5], [0.1], [0.13]]).astype(float)
    score = -4.497 + 0.955 * before + 0.179 * female + 0.251 * language - 0.268 * meals
    score += np.sqrt(0.063) * rng.normal(size=464)[school] + np.sqrt(0.336) * rng.normal(size=school.size)
    score[rng.random(school.size) < 0.3] = np.nan
    return pd.DataFrame(
        {"school": school, "before": before, "female": female, "language": language, "meals": meals, "score": score}
    )


def cpu(run: Callable[[], object]) -> float:
    """Return the CPU seconds that a call takes."""
    start = time.process_time()
    run()
    return time.process_time() - start


def run_r(script: Path, folder: Path, task: str) -> float:
    """Return the CPU seconds that R needs for a task of a script, as the script says; raises MiceSimError."""
    done = subprocess.run(["Rscript", str(script), str(folder), task], capture_output=True, text=True)
    if done.returncode:
        raise MiceSimError(f"R failed at the task '{task}': {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout.split()[-1])


def _growth(sizes: tuple[int, ...], echo: Callable[[str], None]) -> None:
    echo("")
    echo(f"sequential cart of n × {COLUMNS}, m = 1, one process each; memory beyond what was there before the call")
    echo(f"{'n':>9} {'CPU s':>8} {'ns per n log2 n':>16} {'MiB':>6} {'times the data':>15}")
    spawn = multiprocessing.get_context("spawn")
    for n in sizes:
        with spawn.Pool(1) as pool:
            seconds, mebibytes = pool.apply(_measure, (n,))
        times = mebibytes / (n * COLUMNS * 8 / 2**20)
        pace = 1e9 * seconds / (n * math.log2(n))
        echo(f"{n:9,} {seconds:8.2f} {pace:16.0f} {mebibytes:6.0f} {times:15.1f}")


def _measure(n: int) -> tuple[float, float]:
    """Return CPU seconds and the growth of this process's peak memory in MiB."""
    data = mixed(n)
    synthesize(data.iloc[:500], m=1, seed=1)  # compiles
    before = _peak(reset=True)
    seconds = cpu(_quiet(synthesize, data, m=1, seed=1))
    return seconds, _peak() - before


def _peak(reset: bool = False) -> float:
    """Return this process's peak memory in MiB, if asked after setting it back to what is in use now (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return float(status["VmHWM"].split()[0]) / 1024
