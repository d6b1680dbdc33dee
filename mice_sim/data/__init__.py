"""Data: the `Table` the engine works on, and the packaged reference data."""

from mice_sim.data.datasets import DATASETS, load_dataset, read_table
from mice_sim.data.table import Column, Table

__all__ = ["DATASETS", "Column", "Table", "load_dataset", "read_table"]
