"""Docstrings of this package as Markdown: underlined heads become bold, `name : what it is` items of a list."""

from __future__ import annotations

import re

import griffe

NAMES = r"\*{0,2}[A-Za-z_]\w*(?:, \*{0,2}[A-Za-z_]\w*)*"
ITEM = re.compile(rf"(?:^|(?<=[.;)\"] ))({NAMES}) : ")
SENTENCE = re.compile(r"(?<=\. )(?=Raises |Returns )")
QUOTED = re.compile(r"(`+[^`]+`+)")


class Docstrings(griffe.Extension):
    """Rewrites every docstring that is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        if obj.docstring and not obj.is_module:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(docstring: str) -> str:
    """Return a docstring as Markdown."""
    text = re.sub(r"^(.+)\n-{3,}$", r"\n**\1**\n", docstring, flags=re.MULTILINE)
    text = re.sub(r"^(\w+Error)\n {4}(?=\S)", r"`\1`: ", text, flags=re.MULTILINE)  # an error, and when it is raised
    return "\n\n".join(_paragraph(paragraph) for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip())


def _paragraph(paragraph: str) -> str:
    lines = paragraph.strip("\n").splitlines()
    if all(line.startswith("    ") for line in lines):
        return "\n".join(lines)  # code
    starts = [i for i, line in enumerate(lines) if i == 0 or ITEM.match(line)]
    pieces = [" ".join(line.strip() for line in lines[a:b]) for a, b in zip(starts, [*starts[1:], None], strict=True)]
    return "\n".join(_items(piece) for piece in pieces)


def _items(piece: str) -> str:
    text, *rest = SENTENCE.split(piece)
    before, *named = ITEM.split(text)
    items = [f"- {_code(names)}: {_escaped(what.strip())}" for names, what in zip(named[::2], named[1::2], strict=True)]
    parts = [_escaped(before.strip())] * bool(before.strip())
    blocks = [*parts, *(["\n".join(items)] if items else []), *(_escaped(sentence.strip()) for sentence in rest)]
    return ("\n\n" if items else " ").join(blocks)


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", "))


def _escaped(text: str) -> str:
    parts = QUOTED.split(text)
    return "".join(part if i % 2 or part.startswith("**") else part.replace("*", r"\*") for i, part in enumerate(parts))
