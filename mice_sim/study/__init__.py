"""Studies: configuration, replicates, their stored rows, and the measures that are summed up from these.

One replicate is in `replicate.py`; `run.py` has them made by an engine of `engines/` and kept by `store.py`.
"""
