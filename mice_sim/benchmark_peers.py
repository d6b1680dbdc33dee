"""The same imputations by mice_sim, R mice and other imputers in Python, timed in turns in one run."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from mice_sim.api import impute
from mice_sim.benchmarks import cpu, is_installed, mixed, run_r
from mice_sim.data import load_dataset
from mice_sim.resources import resource

PACKAGES = ("statsmodels", "scikit-learn", "miceforest")
TITLES = {
    "norm": "linear regression, 2,000 × 10 numbers, m = 5, 5 cycles",
    "pmm": "predictive mean matching, the same",
    "rf": "forests of 10 trees, 1,000 × 6 numbers, m = 2, 2 cycles",
    "boys": "numbers and factors (boys, 748 × 9), defaults, m = 5, 5 cycles",
}
Imputer = Callable[[pd.DataFrame], object]


def run_peer_benchmark(rounds: int, echo: Callable[[str], None]) -> list[dict]:
    """Print CPU seconds of each task by each package, medians of `rounds` rounds, and how many times ours.

    Ours is timed before and after the others in each round. Each package has one thread. A package that has no
    such method, or is not installed, has none. Returns a row a task: `task`, and seconds by package.
    """
    frames = {"norm": _numbers(), "rf": _numbers(1_000, 6), "boys": load_dataset("boys")}
    frames["pmm"] = frames["norm"]
    peers = {name: tasks for name, tasks in _peers().items() if is_installed(name)}
    script = resource("experiments", "engine") / "peers.R"
    has_r = bool(shutil.which("Rscript")) and script.exists()
    missing = [name for name in PACKAGES if name not in peers] + ([] if has_r else ["R mice"])
    if missing:
        echo(f"Not installed and left out: {', '.join(missing)}; pip install 'mice_sim[bench]' has those of Python.")
    rows = []
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frames["norm"].to_csv(Path(folder) / "numbers.csv", index=False)
        frames["rf"].to_csv(Path(folder) / "forest.csv", index=False)
        for task in TITLES:
            frame = frames[task]
            run = {name: partial(tasks[task], frame) for name, tasks in peers.items() if task in tasks}
            ours = partial(_ours()[task], frame)
            for imputer in (ours, *run.values()):
                imputer()  # compiling and importing are start-up, not work
            timed = {"mice_sim": partial(cpu, ours)} | {name: partial(cpu, imputer) for name, imputer in run.items()}
            if has_r:
                timed["R mice"] = partial(run_r, script, Path(folder), task)
            rows.append({"task": TITLES[task], **_medians(timed, rounds)})
    _print(rows, echo)
    return rows


def _medians(timed: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each; the first is timed after the others too."""
    first = next(iter(timed))
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(rounds):
        for name in (*timed, first):
            seconds[name].append(timed[name]())
    return {name: float(np.median(times)) for name, times in seconds.items()}


def _print(rows: list[dict], echo: Callable[[str], None]) -> None:
    echo("CPU seconds, one thread, medians; in brackets: times mice_sim's")
    names = ("mice_sim", "R mice", *PACKAGES)
    echo(f"{'task':<64}" + "".join(f"{name:>16}" for name in names))
    for row in rows:
        cells = (f"{row[n]:.3g} ({row[n] / row['mice_sim']:.0f})" if n in row else "–" for n in names)
        echo(f"{row['task']:<64}" + "".join(f"{cell:>16}" for cell in cells))


def _numbers(rows: int = 2_000, columns: int = 10) -> pd.DataFrame:
    """Return related numbers of which a fifth is missing."""
    frame = mixed(rows).filter(like="x").iloc[:, :columns]
    return frame.mask(np.random.default_rng(2).random(frame.shape) < 0.2)


def _ours() -> dict[str, Imputer]:
    return {
        "norm": lambda frame: impute(frame, m=5, maxit=5, method="norm", seed=1),
        "pmm": lambda frame: impute(frame, m=5, maxit=5, method="pmm", seed=1),
        "rf": lambda frame: impute(frame, m=2, maxit=2, method="rf", seed=1),
        "boys": lambda frame: impute(frame, m=5, maxit=5, seed=1),
    }


def _peers() -> dict[str, dict[str, Imputer]]:
    """Return each package's way to do a task, where it has one that is comparable."""
    return {
        "statsmodels": {"pmm": _statsmodels},
        "scikit-learn": {"norm": _ridge, "rf": _forests},
        "miceforest": {"rf": lambda frame: _lightgbm(frame, 2, 2, num_iterations=10), "boys": _lightgbm},
    }


def _statsmodels(frame: pd.DataFrame) -> None:
    from statsmodels.imputation.mice import MICEData

    for seed in range(5):
        np.random.seed(seed)  # noqa: NPY002 - it draws from numpy's global stream
        MICEData(frame, k_pmm=5).update_all(5)


def _ridge(frame: pd.DataFrame) -> None:
    """Linear regression with drawn residuals; its parameters have a prior that is learned."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    for seed in range(5):
        IterativeImputer(sample_posterior=True, max_iter=5, random_state=seed).fit_transform(frame)


def _forests(frame: pd.DataFrame) -> None:
    """Forests' means, without draws: its forests have no standard error to draw with."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    for seed in range(2):
        forest = RandomForestRegressor(10, min_samples_leaf=5, max_features=1 / 3, random_state=seed)
        IterativeImputer(forest, max_iter=2, tol=0, random_state=seed).fit_transform(frame)


def _lightgbm(frame: pd.DataFrame, m: int = 5, cycles: int = 5, **options: int) -> None:
    from miceforest import ImputationKernel

    ImputationKernel(frame, num_datasets=m, random_state=1).mice(cycles, num_threads=1, **options)
