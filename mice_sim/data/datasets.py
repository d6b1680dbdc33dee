"""The packaged reference data with their provenance."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mice_sim.data.files import read_table
from mice_sim.errors import MiceSimError, nearest

_HERE = Path(__file__).parent
DATASETS = {"boys": "boys.yaml", "boys_complete": "boys.yaml", "popmis": "popmis.yaml"}


def load_dataset(name: str) -> pd.DataFrame:
    """Return a packaged data set with its ordered and unordered categoricals.

    Parameters
    ----------
    name : "boys" (748 × 9, with missing values), "boys_complete" (completed once by mice) or "popmis" (2,000 pupils in
        100 schools, whose popularity is missing for 848).

    Raises
    ------
    MiceSimError
        If there is no such data set.

    Notes
    -----
    `frame.attrs["schema"]` holds units, labels, source (Fredriks et al. 2000; Hox 2002) and licence.
    """
    if name not in DATASETS:
        raise MiceSimError(f"There is no data set '{name}'{nearest(name, list(DATASETS))}")
    return read_table(_HERE / f"{name}.csv", _HERE / DATASETS[name])
