"""The audit card of a fitted synthesis: what a data steward asks before it leaves the house."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from mice_sim.data import Table
from mice_sim.synthesis import methods
from mice_sim.synthesis.engine import Model
from mice_sim.synthesis.events import EventLog


def card(table: Table, model: Model, trial: np.ndarray, log: EventLog) -> dict[str, Any]:
    """Return the card as JSON-able mappings.

    trial : one synthetic set (columns, n). `records` counts its records that occur in the real data, whole; `unique`
    those that match a real record that is the only one of its kind. By column: the method, its predictors, the fewest
    and the median donors in a leaf (of methods that have leaves), and `unseen`, the share of the trial's values that
    occur nowhere in the column.
    """
    first = model.parts[0][0].sequence
    steps = {step.column: step for step in first.steps}
    columns = {}
    for j, column in enumerate(table.columns):
        about: dict[str, Any] = {"kind": column.kind}
        if j in steps:
            about["method"] = methods.name_of(first.spec.methods[j])
            sources = np.unique(first.spec.design.source[steps[j].keep])
            about["predictors"] = [first.table.names[p] for p in sources]
            about |= _donors(steps[j].fits[0])
            values = trial[j][~np.isnan(trial[j])]
            about["unseen"] = float((~np.isin(values, table.values[j])).mean()) if values.size else 0.0
        elif j in first.spec.derived:
            about |= {"method": "derived", "formula": first.spec.derived[j].text}
        else:
            about["method"] = "kept"
        columns[column.name] = about
    return {
        "rows": table.n_rows,
        "columns": columns,
        "copies": _copies(table.values, trial),
        "events": [vars(event) for event in log],
    }


def _donors(fitted: Any) -> dict[str, int]:
    """Return the fewest and the median rows (or clusters) in the leaves of a tree, nothing for other fits."""
    fitted = getattr(fitted, "of_rows", getattr(fitted, "of_clusters", fitted))
    if not hasattr(fitted, "left") or not hasattr(fitted, "start"):
        return {}
    reachable, stack = [], [0]
    while stack:
        t = stack.pop()
        if fitted.left[t] < 0:
            reachable.append(fitted.end[t] - fitted.start[t])
        else:
            stack += [int(fitted.left[t]), int(fitted.left[t]) + 1]
    return {"leaves": len(reachable), "fewest_donors": int(min(reachable)), "median_donors": int(np.median(reachable))}


def _copies(real: np.ndarray, synthetic: np.ndarray) -> dict[str, int]:
    """Return how many synthetic records equal a real one in every column, and a real one that is unique."""
    known = Counter(row.tobytes() for row in _plain(real.T))
    found = [known[row.tobytes()] for row in _plain(synthetic.T)]
    return {"records": int(np.count_nonzero(found)), "unique": int(sum(count == 1 for count in found))}


def _plain(rows: np.ndarray) -> np.ndarray:
    """Return the rows with one kind of zero and one kind of NaN, so that equal rows have equal bytes."""
    return np.ascontiguousarray(np.where(np.isnan(rows), np.nan, rows + 0.0))
