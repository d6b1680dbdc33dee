"""The reference of methods, docs/methods.md, from the methods themselves.

python -m mice_sim.report.reference > docs/methods.md
"""

from __future__ import annotations

import dataclasses
import inspect
import sys

from mice_sim.synthesis.methods import DEFAULTS, METHODS, PARAMETRIC, Method
from mice_sim.synthesis.methods.base import EVERY_KIND

_HEAD = """# Methods

Made by `python -m mice_sim.report.reference > docs/methods.md` from the methods in `mice_sim/synthesis/methods/`.
[A model for each column](columns.md) tells how to choose one and set its options, [extend](extend.md) how to add your
own.

By default `impute` takes {defaults}.
`synthesize` takes cart for every column; "parametric" stands for {numbers} and otherwise the defaults of `impute`.
[Rows in clusters](two_level.md) have defaults of their own.

A method whose parameters are drawn gives proper imputations by itself. Of the others `proper=True` makes proper
synthesis, by a bootstrap of the rows.

| method | draws | options and their defaults | parameters |
| --- | --- | --- | --- |
"""


def methods_page() -> str:
    """Return docs/methods.md: a row and a section for each method of the package."""
    own = {name: method for name, method in sorted(METHODS.items()) if method.__module__.startswith("mice_sim.")}
    defaults = ", ".join(f"{name} for {kind} columns" for kind, name in DEFAULTS.items())
    numbers = f"{PARAMETRIC['continuous']} for continuous columns"
    rows = "".join(_row(name, method) for name, method in own.items())
    return (
        _HEAD.format(defaults=defaults, numbers=numbers)
        + rows
        + "".join(_section(name, method) for name, method in own.items())
    )


def _row(name: str, method: type[Method]) -> str:
    kinds = "all" if set(method.kinds) == set(EVERY_KIND) else ", ".join(method.kinds)
    options = ", ".join(f"{option} = {default!r}" for option, default in _options(method).items() if option != "proper")
    drawn = f"{'drawn' if method.proper else 'estimates'}{'; option proper' if 'proper' in _options(method) else ''}"
    return f"| [{name}](#{name.replace('.', '')}) | {kinds} | {options or '–'} | {drawn} |\n"


def _options(method: type[Method]) -> dict[str, object]:
    return {f.name: f.default for f in dataclasses.fields(method)}  # type: ignore[arg-type]


def _section(name: str, method: type[Method]) -> str:
    module = (inspect.getdoc(inspect.getmodule(method)) or "").partition(": ")[2].strip()
    text = f"{module[:1].upper()}{module[1:]}\n\n{inspect.getdoc(method)}"
    return f"\n## {name}\n\n{text.replace('*', chr(92) + '*')}\n"


if __name__ == "__main__":
    sys.stdout.write(methods_page())
