"""Data: the `Table` the engine works on, files of people's own data, and the packaged reference data."""

from mice_sim.data.datasets import DATASETS, load_dataset
from mice_sim.data.files import read_table, write_table
from mice_sim.data.table import Column, Table

__all__ = ["DATASETS", "Column", "Table", "load_dataset", "read_table", "write_table"]
