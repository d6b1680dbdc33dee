"""Methods, analyses and models that only a user's process knows: what a study uses of them is part of it.

Their code counts in the study's identity, and they travel with its tasks, so that workers know them too.
"""

from __future__ import annotations

import dis
import hashlib
import pickle
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import ExitStack
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import cloudpickle
import numpy as np

from mice_sim.analysis import MODELS
from mice_sim.errors import MiceSimError
from mice_sim.registry import packaged
from mice_sim.study.analyses import STATISTICS
from mice_sim.synthesis.methods import METHODS

REGISTRIES: dict[str, MutableMapping[str, Any]] = {"method": METHODS, "analysis": STATISTICS, "model": MODELS}

Own = Mapping[str, Mapping[str, Any]]  # things by registry and name


def used(science: Mapping[str, Any]) -> Own:
    """Return what a study names of its user's own; `science` as `StudyConfig.scientific` gives it."""
    named = set(_texts(science))
    found = {
        registry: {name: entries[name] for name in sorted(named & set(entries)) if not packaged(entries[name])}
        for registry, entries in REGISTRIES.items()
    }
    return {registry: things for registry, things in found.items() if things}


def pack(own: Own) -> bytes:
    """Return it as bytes that need none of the modules in which it was written; no bytes if there is nothing."""
    if not own:
        return b""
    names = {thing.__module__ for things in own.values() for thing in things.values()} - {"__main__"}
    with ExitStack() as by_value:
        for module in (sys.modules[name] for name in names):
            cloudpickle.register_pickle_by_value(module)
            by_value.callback(cloudpickle.unregister_pickle_by_value, module)
        return cloudpickle.dumps(own)


def learn(packed: bytes) -> None:
    """Make what came with a task known here; raises MiceSimError if it uses a module that is not there."""
    try:
        own = pickle.loads(packed) if packed else {}
    except ImportError as error:
        raise MiceSimError(
            f"A worker has no module '{error.name}', which your own methods use; install it there, or run with "
            "execution=serial."
        ) from None
    for registry, things in own.items():
        REGISTRIES[registry].update(things)


def digests(own: Own) -> dict[str, dict[str, str]]:
    """Return the hash of each thing's code."""
    return {registry: {name: digest(thing) for name, thing in things.items()} for registry, things in own.items()}


def digest(thing: Any) -> str:
    """Return a hash (16 hex digits) of the code of a function or class, and of what it uses of its own module."""
    module = getattr(getattr(thing, "func", thing), "__module__", "")
    told = "\n".join(_told(thing, module, set()))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _told(thing: Any, module: str, seen: set[int]) -> Iterator[str]:
    """Yield what tells a thing from others of its kind, then what its parts tell."""
    while inner := getattr(thing, "py_func", None) or getattr(thing, "__wrapped__", None):
        thing = inner  # what numba has compiled, or a decorator has wrapped
    if id(thing) in seen:
        return
    if isinstance(thing, type | FunctionType):
        seen.add(id(thing))
        own = thing.__module__ == module  # whose name may be another one, as that of a script that is run
        yield thing.__qualname__ if own else f"{thing.__module__}.{thing.__qualname__}"
        parts = list(_parts(thing)) if own else []
    elif isinstance(thing, MethodType | partial):
        parts = (
            [thing.__func__, thing.__self__]
            if isinstance(thing, MethodType)
            else [thing.func, thing.args, thing.keywords]
        )
    elif isinstance(thing, CodeType):
        yield f"{thing.co_code.hex()} {thing.co_names} {thing.co_varnames}"
        parts = list(thing.co_consts)
    elif isinstance(thing, np.ndarray):
        yield hashlib.sha256(thing.tobytes()).hexdigest()
        parts = []
    elif isinstance(thing, frozenset | set):
        parts = sorted(thing, key=repr)
    elif isinstance(thing, tuple | list):
        parts = list(thing)
    elif isinstance(thing, Mapping):
        parts = [part for item in thing.items() for part in item]
    elif isinstance(thing, str | bytes | int | float | complex | np.generic | None):
        yield repr(thing)
        parts = []
    else:
        seen.add(id(thing))
        parts = [type(thing), *_state(thing, module)]
    for part in parts:
        yield from _told(part, module, seen)


def _state(thing: object, module: str) -> list[Any]:
    """Return what tells an object from others of its type: its attributes if the type is one's own, or its pickle."""
    if isinstance(thing, ModuleType):
        return [thing.__name__]
    if type(thing).__module__ == module:
        return [getattr(thing, "__dict__", {})]
    try:
        return [pickle.dumps(thing)]
    except (TypeError, AttributeError, pickle.PicklingError):
        return []


def _parts(thing: type | FunctionType) -> Iterator[Any]:
    """Yield what a class or a function is made of."""
    if isinstance(thing, FunctionType):
        yield from (thing.__code__, thing.__defaults__, thing.__kwdefaults__)
        yield from (cell.cell_contents for cell in thing.__closure__ or ())
        kept = {step.argval for step in dis.get_instructions(thing.__code__) if step.opname == "STORE_GLOBAL"}
        used = (set(_names(thing.__code__)) & set(thing.__globals__)) - kept  # what it keeps itself is no code
        yield from (thing.__globals__[name] for name in sorted(used))
        return
    yield thing.__bases__
    for name, value in vars(thing).items():
        if isinstance(value, property):
            yield value.fget
        elif isinstance(value, staticmethod | classmethod):
            yield value.__func__
        elif not name.startswith("__") or isinstance(value, FunctionType) or name == "__annotations__":
            yield value


def _names(code: CodeType) -> list[str]:
    """Return the names that code looks up, also inside the functions that it makes."""
    inner = (const for const in code.co_consts if isinstance(const, CodeType))
    return [*code.co_names, *(name for one in inner for name in _names(one))]
