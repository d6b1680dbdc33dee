"""Tables as a Word document: real tables with captions that Word numbers, rules as in a book, decimals aligned."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mice_sim.errors import MiceSimError
from mice_sim.report.paper import PaperCell, PaperTable, once
from mice_sim.report.tables import groups

if TYPE_CHECKING:
    from docx.document import Document
    from docx.table import Table, _Cell

FONT, SIZE = "Times New Roman", 9.0  # points
SMALL = 8 / 9  # the type of errors, by that of numbers
PAGE, MARGIN = (210, 297), 22  # millimetres
TEXT = (PAGE[0] - 2 * MARGIN) * 72 / 25.4  # points
WHOLE = 20  # rows that stay on one page, half of it if it lies
SHRUNK = 1.15  # a table that is wider than the text by more stands on a page that lies on its side
DIGIT, POINT, BRACKET = 0.5, 0.25, 0.333  # widths in that font, by its size
PADDING = 17  # points: about a column's text
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the earliest date of a zip file, so that the same tables give the same bytes


def write_word(file: Path, tables: Sequence[PaperTable]) -> Path:
    """Write a document of all tables; raises MiceSimError if python-docx is missing."""
    try:
        from docx import Document
    except ImportError:
        raise MiceSimError("Tables for Word need python-docx; install it with: pip install 'mice_sim[word]'") from None
    document = Document()
    _set_up(document)
    for table in tables:
        _add(document, table)
    file.write_bytes(_without_dates(document))
    return file


def _set_up(document: Document) -> None:
    from datetime import datetime

    from docx.oxml.ns import qn
    from docx.shared import Mm, Pt, RGBColor

    for name, size in (("Normal", SIZE), ("Caption", SIZE + 1)):
        style: Any = document.styles[name]
        style.font.name, style.font.size, style.font.color.rgb = FONT, Pt(size), RGBColor(0, 0, 0)
        style.element.rPr.rFonts.set(qn("w:eastAsia"), FONT)
        style.font.bold = False
    spaces = document.styles["Normal"].paragraph_format
    spaces.space_before, spaces.space_after, spaces.line_spacing = Pt(1), Pt(0), 1.0
    document.styles["Caption"].paragraph_format.space_after = Pt(6)
    section = document.sections[0]
    section.page_width, section.page_height = map(Mm, PAGE)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Mm(MARGIN)
    properties = document.core_properties
    properties.author, properties.comments, properties.title = "", "", "Tables"
    properties.created = properties.modified = datetime(*EARLIEST)


def _add(document: Document, table: PaperTable) -> None:
    widths = _widths(table)
    _turn(document, sum(widths) > TEXT * SHRUNK)
    _caption(document, table.caption)
    heads = 2 if groups(table.head) else 1
    out: Table = document.add_table(heads + len(table.rows), len(widths))
    size = SIZE * _widen(out, widths, TEXT if _stands(document) else TEXT + (PAGE[1] - PAGE[0]) * 72 / 25.4)
    cells = [list(row.cells) for row in out.rows]
    _fill_head(cells[:heads], table, size)
    _fill_body(cells[heads:], table, size)
    _rule(cells[0], "top", 8)
    _rule(cells[heads - 1], "bottom", 4)
    _rule(cells[-1], "bottom", 8)
    for line in out.rows[:heads]:
        _mark(line, "w:tblHeader")
    for line in out.rows:
        _mark(line, "w:cantSplit")
    if len(table.rows) <= (WHOLE if _stands(document) else WHOLE // 2):
        for paragraph in (p for row in cells[:-1] for cell in row for p in cell.paragraphs):
            paragraph.paragraph_format.keep_with_next = True
    document.add_paragraph()


def _fill_head(cells: list[list[_Cell]], table: PaperTable, size: float) -> None:
    at = len(table.stub)
    for group, width in groups(table.head):
        _fill(cells[0][at].merge(cells[0][at + width - 1]), group, "centre", size)
        if group:
            _rule(cells[0][at : at + width], "bottom", 4)
        at += width
    for cell, name in zip(cells[-1], table.stub, strict=False):
        _fill(cell, name, "left", size)
    for cell, (_, name) in zip(cells[-1][len(table.stub) :], table.head, strict=True):
        _fill(cell, name, "centre", size)


def _fill_body(cells: list[list[_Cell]], table: PaperTable, size: float) -> None:
    tails = [_tail(column) for column in zip(*(row for _, row in table.rows), strict=True)]
    for row, (labels, numbers) in zip(cells, once(table.rows), strict=True):
        for cell, label in zip(row, labels, strict=False):
            _fill(cell, label, "left", size)
        for cell, number, tail in zip(row[len(labels) :], numbers, tails, strict=True):
            _fill_number(cell, number, tail, size)


def _widths(table: PaperTable) -> list[float]:
    """Return the points that each column needs for its widest label, number or word of its name."""
    columns = [
        *(zip(*(labels for labels, _ in table.rows), strict=True)),
        *(
            [text for cell in column for text in cell]
            for column in zip(*(cells for _, cells in table.rows), strict=True)
        ),
    ]
    above = [group if width == 1 else "" for group, width in groups(table.head) for _ in range(width)]
    above = above or [""] * len(table.head)
    names = [*table.stub, *(f"{group} {name}" for group, (_, name) in zip(above, table.head, strict=True))]
    longest = [
        max(map(len, [*texts, *name.replace("-", "- ").split(), ""]))
        for texts, name in zip(columns, names, strict=True)
    ]
    return [PADDING + DIGIT * SIZE * characters for characters in longest]


def _widen(out: Table, widths: Sequence[float], most: float) -> float:
    """Set the widths of columns, and return by how much they, and the type, had to be made smaller."""
    from docx.enum.table import WD_TABLE_ALIGNMENT
    from docx.shared import Pt

    out.autofit = False
    out.alignment = WD_TABLE_ALIGNMENT.CENTER
    scale = min(1.0, most / sum(widths))
    for column, width in zip(out.columns, widths, strict=True):
        column.width = Pt(width * scale)
        for cell in column.cells:
            cell.width = column.width
    return scale


def _turn(document: Document, wide: bool) -> None:
    """Begin a page that stands or lies, if the last one does not."""
    from docx.enum.section import WD_ORIENT, WD_SECTION

    if _stands(document) != wide:
        return
    section: Any = document.sections[-1]
    if len(document.element.body) > 1:  # else the document is still empty
        section = document.add_section(WD_SECTION.NEW_PAGE)
    section.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = section.page_height, section.page_width


def _stands(document: Document) -> bool:
    section: Any = document.sections[-1]
    return bool(section.page_width < section.page_height)


def _caption(document: Document, text: str) -> None:
    """Add "Table n. text", with a number that Word counts and can refer to."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    paragraph = document.add_paragraph(style="Caption")
    paragraph.paragraph_format.keep_with_next = True
    paragraph.add_run("Table ").bold = True
    number = sum(p.style is not None and p.style.name == "Caption" for p in document.paragraphs)
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), "SEQ Table \\* ARABIC")
    run = paragraph.add_run(str(number))
    run.bold = True
    field.append(run._r)
    paragraph._p.append(field)
    paragraph.add_run(". ").bold = True
    paragraph.add_run(text)


# ---- cells


def _fill(cell: _Cell, text: str, side: str, size: float) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    sides = {"left": WD_ALIGN_PARAGRAPH.LEFT, "centre": WD_ALIGN_PARAGRAPH.CENTER, "right": WD_ALIGN_PARAGRAPH.RIGHT}
    paragraph = cell.paragraphs[-1]
    paragraph.alignment = sides[side]
    paragraph.add_run(text).font.size = Pt(round(2 * size) / 2)


def _fill_number(cell: _Cell, number: PaperCell, tail: float, size: float) -> None:
    """Write a number and its error with their points below each other: what one lacks on the right is indented."""
    from docx.shared import Pt

    for i, text in enumerate(filter(None, number)):
        if i:
            cell.add_paragraph()
        centred, own = tail < 0 or text == "–", size * (SMALL if i else 1)
        _fill(cell, text, "centre" if centred else "right", own)
        if not centred:
            cell.paragraphs[-1].paragraph_format.right_indent = Pt(size * tail - own * _right(text))


def _tail(cells: Sequence[PaperCell]) -> float:
    """Return the widest part behind a decimal point, by the size of the type; −1 where cells hold more than numbers."""
    texts = [text for cell in cells for text in cell if text not in ("", "–")]
    return -1 if any(" " in text for text in texts) else max(map(_right, texts), default=0.0)


def _right(text: str) -> float:
    decimals = text.partition(".")[2].rstrip(")]")
    return (POINT + DIGIT * len(decimals) if decimals else 0.0) + BRACKET * text.endswith((")", "]"))


def _rule(cells: Sequence[_Cell], side: str, eighths: int) -> None:
    """Draw a line at a side of cells, so many eighths of a point thick."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    for cell in cells:
        properties = cell._tc.get_or_add_tcPr()
        borders = properties.find(qn("w:tcBorders"))
        if borders is None:
            borders = OxmlElement("w:tcBorders")
            properties.append(borders)
        line = OxmlElement(f"w:{side}")
        for name, value in (("val", "single"), ("sz", str(eighths)), ("space", "0"), ("color", "000000")):
            line.set(qn(f"w:{name}"), value)
        borders.append(line)


def _mark(row: Any, name: str) -> None:
    from docx.oxml import OxmlElement

    row._tr.get_or_add_trPr().append(OxmlElement(name))


def _without_dates(document: Document) -> bytes:
    saved, clean = io.BytesIO(), io.BytesIO()
    document.save(saved)
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(clean, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name, EARLIEST), old.read(name), zipfile.ZIP_DEFLATED)
    return clean.getvalue()
