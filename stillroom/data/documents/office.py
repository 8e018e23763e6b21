"""Word, PowerPoint and Excel files of the XML formats."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from stillroom.data.documents.archive import check_archive
from stillroom.data.documents.document import Builder, Document, UnreadableDocumentError

MOST_CHARACTERS = 20 * 10**6
"""Characters of one workbook that are read; the rest is said to be left out."""


def read_docx(path: Path, file: str) -> Document:
    """Paragraphs, lists and tables in order, headings by their style. Headers, footers, footnotes, text boxes and
    comments are left out."""
    check_archive(path)
    import docx

    with _broken(".docx"):
        word = docx.Document(str(path))
        builder = Builder(file)
        for part in word.iter_inner_content():
            if hasattr(part, "rows"):
                _table(builder, (_distinct(row.cells) for row in part.rows))
                continue
            level = _level(part.style)
            if level:
                builder.heading(level, part.text)
            elif "List" in ((part.style and part.style.name) or ""):
                builder.block(f"- {part.text}" if part.text.strip() else "", gap="\n")
            else:
                builder.block(part.text)
        return builder.document()


def read_pptx(path: Path, file: str) -> Document:
    """Slides as pages: the title as heading, the texts and tables, then the speaker's notes."""
    check_archive(path)
    import pptx

    with _broken(".pptx"):
        builder = Builder(file)
        for slide in pptx.Presentation(str(path)).slides:
            builder.page()
            title = slide.shapes.title
            if title is not None:
                builder.heading(1, title.text_frame.text)
            for shape in _shapes(slide.shapes):
                if title is not None and shape.shape_id == title.shape_id:
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

    with _broken(".xlsx"):
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        builder = Builder(file)
        try:
            for sheet in book.worksheets:
                if sheet.sheet_state != "visible":  # lists and notes of a program, not for readers
                    continue
                builder.page()
                builder.heading(1, sheet.title)
                _sheet(builder, sheet)
                if builder.length > MOST_CHARACTERS:
                    builder.notes.append(f"{file}: only the first {MOST_CHARACTERS:,} characters were read.")
                    break
        finally:
            book.close()
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


def _distinct(cells: Iterable[Any]) -> list[str]:
    """The texts of a row's cells; a merged cell, which python-docx gives once a column, is taken once."""
    found: dict[int, str] = {}
    for cell in cells:
        found.setdefault(id(cell._tc), cell.text)
    return list(found.values())


def _level(style: Any) -> int:
    """The level of a heading style, also of one that is based on it; 0 for others."""
    for _ in range(10):
        if style is None:
            return 0
        name = style.name or ""
        if name == "Title":
            return 1
        if name.startswith("Heading ") and name[8:].isdigit():
            return min(6, int(name[8:]))
        style = style.base_style
    return 0


def _shapes(shapes: Any) -> Iterator[Any]:
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes)
        else:
            yield shape


class _broken:
    """Turns whatever a library raises on a damaged file into one error: they share no type for it."""

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, UnreadableDocumentError):
            said = " ".join(str(error).split())[:200] or type(error).__name__
            raise UnreadableDocumentError("broken document", f"not a whole {self.suffix} file: {said}") from error
