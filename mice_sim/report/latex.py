"""Tables as LaTeX for booktabs and dcolumn: decimals below each other, errors below their numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import wrap

from mice_sim.report.paper import PaperCell, PaperTable, once
from mice_sim.report.tables import groups

DOCUMENT = "tables"  # the document that shows all tables
LINES_A_PAGE = 48  # of a table in \footnotesize; a longer one is broken over pages
HEADER = 14  # characters of a column's name in a line
# Characters of a row that breaks over pages: what fits the text in \footnotesize, and in \scriptsize.
FOOTNOTES, UPRIGHT = 95, 120
PREAMBLE = r"""% All tables of the study {study}; each file is a table for \input, with the packages below.
\documentclass{{article}}
\usepackage[margin=2.2cm]{{geometry}}
\usepackage{{booktabs,dcolumn,graphicx,longtable,lscape}}
\begin{{document}}
"""


def to_document(study: str, tables: Sequence[PaperTable]) -> str:
    """Return a document that holds all tables, with the packages that these need."""
    # Tables that float must not drift past those that break over pages.
    inputs = "\n".join(
        rf"\clearpage\input{{{table.name}}}" if _is_long(table) else rf"\input{{{table.name}}}" for table in tables
    )
    return f"{PREAMBLE.format(study=study)}{inputs}\n\\end{{document}}\n"


def to_latex(table: PaperTable) -> str:
    """Return a table that is no wider than the text, or a longtable if it is longer than a page."""
    body = [line for labels, cells in once(table.rows) for line in _lines(labels, cells)]
    spec = "l" * len(table.stub) + "".join(map(_column, zip(*(cells for _, cells in table.rows), strict=True)))
    head = [r"\toprule", *_groups(table), _names(table), r"\midrule"]
    caption = rf"\caption{{{escaped(table.caption)}}}\label{{tab:{_label(table.name)}}}"
    if _is_long(table):
        return _longtable(table, spec, caption, head, body)
    lines = [
        r"\begin{table}[!htbp]", r"\centering", r"\footnotesize", r"\setlength{\tabcolsep}{4pt}",
        caption, r"\smallskip",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{spec}}}", *head, *body, r"\bottomrule", r"\end{tabular}}", r"\end{table}",
    ]  # fmt: skip
    return "\n".join([*lines, ""])


def _is_long(table: PaperTable) -> bool:
    return sum(1 + any(cell.below for cell in cells) for _, cells in table.rows) > LINES_A_PAGE


def _longtable(table: PaperTable, spec: str, caption: str, head: list[str], body: list[str]) -> str:
    width = _characters(table)
    size = r"\footnotesize" if width < FOOTNOTES else r"\scriptsize"
    begin, end = ([r"\begin{landscape}"], [r"\end{landscape}"]) if width > UPRIGHT else ([], [])
    lines = [
        *begin, rf"\begingroup{size}", r"\setlength{\tabcolsep}{2.5pt}", rf"\begin{{longtable}}{{{spec}}}",
        rf"{caption}\\", *head, r"\endfirsthead", *head, r"\endhead", r"\bottomrule", r"\endlastfoot",
        *body, r"\end{longtable}", r"\endgroup", *end,
    ]  # fmt: skip
    return "\n".join([*lines, ""])


def _characters(table: PaperTable) -> int:
    """Return how wide the longest texts of all columns are together, with the gaps between columns."""
    labels = zip(table.stub, *(labels for labels, _ in table.rows), strict=True)
    numbers = zip(*([text for cell in cells for text in cell] for _, cells in table.rows), strict=True)
    names = [max(map(len, _wrapped(name))) for _, name in table.head for _ in range(2)]
    below_names = [max(name, *map(len, column)) for name, column in zip(names, numbers, strict=True)]
    widths = [*(max(map(len, column)) for column in labels), *map(max, below_names[::2], below_names[1::2])]
    return sum(widths) + 2 * len(widths)


# ---- columns and cells

_NUMBER = re.compile(r"[(\[]?(−?\d+)(?:\.(\d+))?[)\]]?$")


def _column(cells: Sequence[PaperCell]) -> str:
    """Return a column's type: aligned at the decimal point, or centred if it holds more than numbers."""
    texts = [text for cell in cells for text in cell if text not in ("", "–")]
    found = [_NUMBER.match(text) for text in texts]
    if not all(found):
        return "c"
    left = max((len(text.partition(".")[0].rstrip(")]")) for text in texts), default=1)
    right = max((len(text.partition(".")[2]) for text in texts), default=0)
    return f"D{{.}}{{.}}{{{left}.{right}}}"


def _lines(labels: Sequence[str], cells: Sequence[PaperCell]) -> list[str]:
    rows = [[*map(escaped, labels), *(_text(cell.value) for cell in cells)]]
    if any(cell.below for cell in cells):
        rows.append([*("" for _ in labels), *(_text(cell.below) for cell in cells)])
    return [" & ".join(row) + (r" \\*" if row is not rows[-1] else r" \\") for row in rows]  # * keeps lines together


def _text(text: str) -> str:
    if not _NUMBER.match(text):
        return rf"\multicolumn{{1}}{{c}}{{{escaped(text)}}}" if text else ""
    text = text.replace("−", "-")
    return text if "." in text else re.sub(r"([)\]])$", r"\\rlap{\1}", text)  # so that units stand below units


def _groups(table: PaperTable) -> list[str]:
    cells, rules, start = [""] * len(table.stub), [], len(table.stub) + 1
    for group, width in groups(table.head):
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{escaped(group)}}}")
        if group:
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [" & ".join(cells) + r" \\", " ".join(rules)] if rules else []


def _names(table: PaperTable) -> str:
    names = [*map(escaped, table.stub), *(rf"\multicolumn{{1}}{{c}}{{{_stacked(name)}}}" for _, name in table.head)]
    return " & ".join(names) + r" \\"


def _stacked(name: str) -> str:
    lines = [escaped(line) for line in _wrapped(name)]
    return lines[0] if len(lines) == 1 else r"\shortstack{" + r"\\".join(lines) + "}"


def _wrapped(name: str) -> list[str]:
    return wrap(name, HEADER, break_long_words=False) or [""]


def _label(name: str) -> str:
    return re.sub(r"[^\w:.-]", "-", name, flags=re.ASCII)


# ---- text

SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"$\sim$", "^": r"\textasciicircum{}", "|": r"\textbar{}",
    "−": "$-$", "–": "--", "<": "$<$", ">": "$>$", "≤": r"$\leq$", "≥": r"$\geq$", "±": r"$\pm$", "×": r"$\times$",
    "²": "$^2$", "·": r"$\cdot$", "[": "{[}", "*": "{*}", "“": "``", "”": "''", "…": r"\dots{}",
    **{letter: f"${name}$" for letter, name in (("α", r"\alpha"), ("β", r"\beta"), ("δ", r"\delta"), ("λ", r"\lambda"),
       ("μ", r"\mu"), ("ν", r"\nu"), ("ρ", r"\rho"), ("σ", r"\sigma"), ("τ", r"\tau"), ("χ", r"\chi"))},
    **{c: f"\\{c}" for c in "&%$#_{}"},
}  # fmt: skip


def escaped(text: str) -> str:
    """Return text that LaTeX prints as it is. Letters that are not Latin need XeLaTeX or LuaLaTeX."""
    return "".join(SPECIAL.get(c, c) for c in text)
