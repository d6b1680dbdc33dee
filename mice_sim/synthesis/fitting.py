"""Fitting one method, with a bootstrap if the draws are to be proper."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from mice_sim.errors import MiceSimError
from mice_sim.synthesis.events import Event, EventLog
from mice_sim.synthesis.methods import Fitted, Method, Predictors, Target, name_of

# (set, column, iteration) -> the random stream of that draw; iteration 0 initialises.
Streams = Callable[[int, str, int], np.random.Generator]


def fit_method(
    method: Method, y: Target, X: Predictors, rng: np.random.Generator, bootstrap: bool, **known: Fitted | None
) -> Fitted:
    """Fit a method, on a bootstrap sample of the fit rows if asked (as a draw of its parameters, Rubin 1987, §4.1).

    known : earlier fits that the method may make use of, by the name of its argument.
    """
    takes = {"previous": method.remembers, "start": method.starts}
    own: dict[str, Any] = {name: fit for name, fit in known.items() if takes[name] and fit is not None}
    if bootstrap and method.two_level:  # which draws whole clusters itself
        own["bootstrap"] = True
    elif bootstrap:
        chosen = np.sort(rng.choice(y.rows, size=y.rows.size))
        rows = np.arange(chosen.size, dtype=np.uint32)
        y = Target(y.column, y.values[chosen], rows, records=chosen)
        X = replace(X, state=X.state.take(chosen), rows=rows)
    return method.fit(y, X, rng, **own)


def draw(fitted: Fitted, X: Predictors, rng: np.random.Generator, column: str, method: Method) -> np.ndarray:
    """Draw a value of `column` for each of `X.rows`; raises MiceSimError where one is infinite or no number."""
    values = _as_numbers(fitted.draw(X, rng), X.rows.size, column, method)
    if not np.isfinite(values).all():
        raise MiceSimError(
            f"The model of '{column}' leads to numbers that are not finite; measure it in other units, "
            "leave out predictors, or give it the method cart."
        )
    return values


def _as_numbers(drawn: Any, wanted: int, column: str, method: Method) -> np.ndarray:
    """Return what a method, perhaps a user's own, has drawn; raises MiceSimError unless it is `wanted` numbers."""
    gave = f"something of type {type(drawn).__name__}"
    with suppress(TypeError, ValueError):
        values = np.asarray(drawn, dtype=float)
        if values.shape == (wanted,):
            return values
        if values.ndim:
            gave = f"{values.size} values" if values.ndim == 1 else f"an array of shape {values.shape}"
    raise MiceSimError(
        f"The method '{name_of(method)}' gave {gave} for '{column}', not an array of shape ({wanted},); "
        "let its draw return a number for each of X.rows."
    )


def log_notes(log: EventLog, fitted: Fitted, column: str, number: int, iteration: int) -> None:
    """Log what a fit decided by itself."""
    for what, why in getattr(fitted, "notes", ()):
        log.add(Event(column, what, why, number, iteration))


def released(fitted: Any) -> Any:
    """Return a fit without what ties it to the data it was fitted on (its transient fields)."""
    if isinstance(fitted, tuple):
        return tuple(released(part) for part in fitted)
    if not is_dataclass(fitted) or isinstance(fitted, type):
        return fitted
    parts = {f.name: None if "transient" in f.metadata else released(getattr(fitted, f.name)) for f in fields(fitted)}
    return replace(fitted, **parts)
