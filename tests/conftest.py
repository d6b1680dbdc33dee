"""What several test files share: the boys data, R's samples, frozen oracles, and full studies run once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from mice_sim import load_dataset
from mice_sim.data import Table
from mice_sim.study.config import StudyConfig, compose
from mice_sim.study.r_random import RStream
from mice_sim.study.run import run_study
from mice_sim.study.store import Store
from mice_sim.study.summary import Summary, summarise

ORACLES = Path(os.environ.get("MICE_SIM_ORACLES", Path(__file__).parent / "oracles"))  # others for `make verify`


@dataclass(frozen=True)
class Study:
    """A study that was run for a test."""

    config: StudyConfig
    store: Store
    summary: Summary

    @classmethod
    def run(cls, overrides: list[str], output: Path) -> Study:
        config = compose([*overrides, f"output={output}", "execution.progress=false"])
        run_study(config)
        store = Store(config.directory)
        return cls(config, store, summarise(store, config.replicates, config.synthesis["m"]))


@pytest.fixture(scope="session")
def boys() -> pd.DataFrame:
    """The completed boys data."""
    return load_dataset("boys_complete")


@pytest.fixture(scope="session")
def truth(boys: pd.DataFrame) -> Table:
    return Table.from_pandas(boys)


@pytest.fixture(scope="session")
def paper() -> dict:
    """The options of `synthesize` with which the paper synthesised the boys."""
    return {"minbucket": 3, "cp": 1e-8, "derived": {"bmi": "wgt / (hgt / 100) ** 2"}}


@pytest.fixture(scope="session")
def r_samples() -> np.ndarray:
    """R's `set.seed(123); replicate(1000, sample(748, 748, TRUE))`, one sample a row, from 0."""
    return RStream(123).sample(748, 748 * 1000).reshape(1000, 748)


@pytest.fixture(scope="session")
def r_models() -> dict:
    """What R says of models, contrasts, statistics and pooling: the output of oracles/models.R."""
    return json.loads((ORACLES / "models.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def small(r_models: dict) -> Table:
    return small_table(r_models)


def small_table(r_models: dict) -> Table:
    """The small frame of oracles/models.R, with factors and a column whose name has a space."""
    levels = {"f": list("abc"), "g": list("uv"), "u": list("pqr"), "o": ["o1", "o2", "o3", "o4"]}
    kinds = {name: pd.CategoricalDtype(labels, ordered=name == "o") for name, labels in levels.items()}
    return Table.from_pandas(pd.DataFrame(r_models["small"]).astype(kinds))


def quantiles() -> pd.DataFrame:
    """Normal quantiles of oracles/ampute.R and oracles/patterns.R: 997 rows of a to d, which correlate."""
    i = np.arange(1, 998)[:, None]
    shuffled = norm.ppf(((i * [1, 211, 379, 613]) % 997 + 0.5) / 997)
    mix = np.array([[1, 0.5, 0.3, 0], [0, 1, 0.4, 0.2], [0, 0, 1, 0.6], [0, 0, 0, 1]])
    return pd.DataFrame(shuffled @ mix, columns=list("abcd"))


@pytest.fixture(scope="session")
def full_study(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Study]:
    """Run the published study with all its replicates under the given overrides, once a session."""
    done: dict[tuple[str, ...], Study] = {}

    def run(*overrides: str) -> Study:
        if overrides not in done:
            folder = tmp_path_factory.mktemp("full")
            done[overrides] = Study.run(["experiment=volker_vink_2021", *overrides], folder)
        return done[overrides]

    return run
