"""Word files (.docx).

Paragraphs and tables are walked in the file itself: python-docx passes over whatever lies in a content control, a
tracked insertion or an equation, and templates are made of those.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stillroom.data.documents.archive import Whole, check_archive
from stillroom.data.documents.document import Builder, Document

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_WRAPPERS = {_W + name for name in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo")}
_UNREAD = {_W + name for name in ("pPr", "rPr", "del", "moveFrom", "txbxContent", "pict", "drawing", "object", "rt")}
"""What a reader does not see in its place: formats, deleted words, pictures, text boxes, readings of ruby."""


def read_docx(path: Path, file: str) -> Document:
    """Paragraphs, lists and tables in order, headings by their style or outline level; tracked insertions count,
    deletions do not. Headers, footers, footnotes, text boxes, comments and tables of contents are left out."""
    check_archive(path)
    import docx
    from docx.text.paragraph import Paragraph

    with Whole(".docx"):
        word = docx.Document(str(path))
        builder = Builder(file)
        for block in _below(word.element.body, "p", "tbl"):
            if block.tag == _W + "tbl":
                builder.block("\n".join(line for line in _rows(block) if line.strip(" |")))
                continue
            style = Paragraph(block, word._body).style
            level, text = _level(block, style), "".join(_said(block))
            if level:
                builder.heading(level, text)
            elif _is_listed(block, style):
                builder.block(f"- {text}" if text.strip() else "", gap="\n")
            else:
                builder.block(text)
        return builder.document()


def _below(parent: Any, *names: str) -> Iterator[Any]:
    """The elements of these names right below another one, also through wrappers; no table of contents."""
    wanted = {_W + name for name in names}
    for element in parent:
        if element.tag in wanted:
            yield element
        elif element.tag in _WRAPPERS and not _is_contents(element):
            yield from _below(element, *names)


def _is_contents(element: Any) -> bool:
    gallery = element.find(f"{_W}sdtPr/{_W}docPartObj/{_W}docPartGallery")
    return gallery is not None and gallery.get(_W + "val") == "Table of Contents"


def _said(element: Any) -> Iterator[str]:
    """The words of a paragraph as they stand on the page."""
    for node in element:
        if node.tag in (_W + "t", _MATH_TEXT):
            yield node.text or ""
        elif node.tag == _W + "tab":
            yield "\t"
        elif node.tag in (_W + "br", _W + "cr"):
            yield "\n"
        elif node.tag == _W + "noBreakHyphen":
            yield "-"
        elif node.tag not in _UNREAD and node.tag != _FALLBACK and not _is_off(node):
            yield from _said(node)


def _is_off(run: Any) -> bool:
    """Whether a run is formatted as hidden text."""
    mark = run.find(f"{_W}rPr/{_W}vanish")
    return mark is not None and mark.get(_W + "val") not in ("0", "false", "off")


def _rows(table: Any) -> Iterator[str]:
    """A table's rows as lines. A cell that is merged over rows counts in each of them, one over columns once."""
    above: dict[int, str] = {}
    for row in _below(table, "tr"):
        column, cells = 0, dict[int, str]()
        for cell in _below(row, "tc"):
            merged = cell.find(f"{_W}tcPr/{_W}vMerge")
            goes_on = merged is not None and merged.get(_W + "val") != "restart"
            cells[column] = above.get(column, "") if goes_on else _cell(cell)
            span = cell.find(f"{_W}tcPr/{_W}gridSpan")
            column += int(span.get(_W + "val", 1)) if span is not None else 1
        above = cells
        yield " | ".join(cells.values())


def _cell(cell: Any) -> str:
    """The words of a cell on one line, with those of the tables in it."""
    parts: list[str] = []
    for block in _below(cell, "p", "tbl"):
        parts += _rows(block) if block.tag == _W + "tbl" else ["".join(_said(block))]
    return " ".join(" ".join(parts).split())


def _level(paragraph: Any, style: Any) -> int:
    """The level of a heading, by its style (also one that is based on a heading's) or outline level; 0 for others."""
    level = _outline(paragraph)
    for _ in range(10):
        if level or style is None:
            break
        name = style.name or ""
        if name == "Title":
            return 1
        if name.startswith("Heading ") and name[8:].isdigit():
            return min(6, int(name[8:]))
        level = _outline(style.element)
        style = style.base_style
    return min(6, level)


def _outline(element: Any) -> int:
    """The outline level in a paragraph's or a style's own format, counted from 1; 0 for body text."""
    found = element.find(f"{_W}pPr/{_W}outlineLvl")
    value = found.get(_W + "val", "9") if found is not None else "9"
    return int(value) + 1 if value.isdigit() and int(value) < 9 else 0


def _is_listed(paragraph: Any, style: Any) -> bool:
    number = paragraph.find(f"{_W}pPr/{_W}numPr/{_W}numId")
    if number is not None:
        return bool(number.get(_W + "val") != "0")
    return "List" in ((style and style.name) or "")
