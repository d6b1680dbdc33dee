"""Registries: methods, analyses, models and measures by name, those of the package and a user's own."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

from mice_sim.errors import MiceSimError


def packaged(thing: Any) -> bool:
    """Return whether a class or function is the package's."""
    return str(getattr(getattr(thing, "func", thing), "__module__", "")).startswith("mice_sim.")


def register(
    registry: MutableMapping[str, Any],
    what: str,
    name: str,
    thing: Any,
    code: Callable[[Any], Any] = lambda thing: thing,
) -> None:
    """Add a user's thing to a registry; one of his own under the same name is replaced.

    code : which class or function a thing is known by. Raises MiceSimError if the package has one of this name.
    """
    if name in registry and packaged(code(registry[name])):
        raise MiceSimError(f"The package has {what} '{name}'; choose another name.")
    registry[name] = thing
