"""PowerPoint and Excel files of the XML formats."""

import re
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from stillroom.data.documents.archive import Whole, check_archive
from stillroom.data.documents.document import Builder, Document

_UNSAVED = re.compile(rb"<f\b[^>]*>[^<]*</f>\s*(?:<v\s*/>|<v>\s*</v>|</c>)")
MOST_CHARACTERS = 20 * 10**6
"""Characters of one workbook that are read; the rest is said to be left out."""


def read_pptx(path: Path, file: str) -> Document:
    """Slides as pages: the title as heading, the texts and tables, then the speaker's notes.

    Hidden slides are left out but counted as pages, as PowerPoint does; so are date, footer and number of a slide.
    """
    check_archive(path)
    import pptx

    with Whole(".pptx"):
        builder = Builder(file)
        for slide in pptx.Presentation(str(path)).slides:
            builder.page()
            if slide._element.get("show") in ("0", "false"):
                continue
            title = slide.shapes.title
            if title is not None:
                builder.heading(1, title.text_frame.text)
            for shape in _shapes(slide.shapes):
                if (title is not None and shape.shape_id == title.shape_id) or _is_frame(shape):
                    continue
                if shape.has_text_frame:
                    builder.block(shape.text_frame.text)
                elif getattr(shape, "has_table", False):
                    _table(builder, ([cell.text for cell in row.cells] for row in shape.table.rows))
            if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
                notes = slide.notes_slide.notes_text_frame.text
                builder.block(f"Notes: {notes}" if notes.strip() else "")
        return builder.document()


def read_xlsx(path: Path, file: str) -> Document:
    """Sheets as pages, hidden ones left out, each row a line.

    Where the first row names the columns, every value stands behind its name, so that a row says the same in whatever
    chunk it lies. Formulas count by the value that was saved with them.
    """
    check_archive(path)
    import openpyxl

    with Whole(".xlsx"):
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        builder = Builder(file)
        try:
            for sheet in book.worksheets:
                if sheet.sheet_state != "visible":  # lists and notes of a program, not for readers
                    continue
                builder.page()
                builder.heading(1, sheet.title)
                sheet.reset_dimensions()  # what a file says of its own size is often wrong
                _sheet(builder, sheet)
                if builder.length > MOST_CHARACTERS:
                    builder.notes.append(f"{file}: only the first {MOST_CHARACTERS:,} characters were read.")
                    break
        finally:
            book.close()
        unsaved = _unsaved_formulas(path)
        if unsaved:
            builder.notes.append(
                f"{file}: {unsaved:,} formulas have no saved value and were left out; open the file in a spreadsheet "
                "program and save it."
            )
        return builder.document()


def _sheet(builder: Builder, sheet: Any) -> None:
    rows = (
        cells for cells in ([_value(cell) for cell in row] for row in sheet.iter_rows(values_only=True)) if any(cells)
    )
    first = next(rows, None)
    if first is None:
        return
    width = max(index for index, cell in enumerate(first) if cell) + 1
    names = first[:width]
    named = width > 1 and all(names) and len(set(names)) == width and not any(_is_number(name) for name in names)
    builder.block(" | ".join(first[:width]), gap="\n")
    for cells in rows:
        filled = [(index, cell) for index, cell in enumerate(cells) if cell]
        said = (f"{names[index]}: {cell}" if named and index < width else cell for index, cell in filled)
        builder.block(" | ".join(said), gap="\n")
        if builder.length > MOST_CHARACTERS:
            return


def _unsaved_formulas(path: Path) -> int:
    """How many formulas were written by a program that did not compute them."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        count = 0
        for name in names:
            with archive.open(name) as stream:
                rest = b""
                while block := stream.read(2**20):
                    text = rest + block
                    count += len(_UNSAVED.findall(text))
                    last = text.rfind(b"<c ")  # a cell that the next block ends is looked at with it
                    rest = text[last:] if 0 <= last > len(text) - 4096 else b""
                    count -= len(_UNSAVED.findall(rest))
                count += len(_UNSAVED.findall(rest))
    return count


def _value(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ") if cell.time() != time() else cell.date().isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return " ".join(str(cell).split())


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace("-", "", 1).isdigit()


def _table(builder: Builder, rows: Iterable[list[str]]) -> None:
    lines = (" | ".join(" ".join(cell.split()) for cell in cells) for cells in rows)
    builder.block("\n".join(line for line in lines if line.strip(" |")))


def _is_frame(shape: Any) -> bool:
    """Whether a shape is the date, the footer or the number that stands on every slide."""
    from pptx.enum.shapes import PP_PLACEHOLDER

    frames = (PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.SLIDE_NUMBER)
    return bool(shape.is_placeholder) and shape.placeholder_format.type in frames


def _shapes(shapes: Any) -> Iterator[Any]:
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes)
        else:
            yield shape
