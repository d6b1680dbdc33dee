"""Studies: configuration, replicates, their stored rows, and the measures that are summed up from these.

What one replicate is stands in `replicate.py`; `run.py` has them made by an engine of `engines/` and kept by `store.py`.
"""
