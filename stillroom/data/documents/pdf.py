"""PDF files: their text layer, and OCR for pages that have none."""

import re
from pathlib import Path
from typing import Any

from stillroom.data.documents.document import Builder, Document, UnreadableDocumentError
from stillroom.data.documents.ocr import Ocr

MOST_PAGES = 5000
"""Pages of one file that are read; the rest is said to be left out."""
STAMP = 60
"""Characters up to which the text layer of a picture is taken for a stamp."""
_HYPHEN = re.compile("[\ufffe\u00ad](?:\r?\n)?")
"""How PDFium marks a word that a line's end parted."""
_BULLET = re.compile(r"^[\ue000-\uf8ff](?=\s)", re.MULTILINE)
"""A sign of a symbol font at the beginning of a line: the bullets of word processors."""


def read_pdf(path: Path, file: str, ocr: Ocr | None = None) -> Document:
    """The pages' text in reading order, as far as the file says it, with the bookmarks as headings.

    `ocr` reads the pages without a text layer; without it they are named in the notes. Raises UnreadableDocumentError
    for a file that is broken, or locked by a password, or has no text at all.
    """
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise _unreadable(str(error)) from error
    try:
        return _document(pdf, file, ocr)
    except pypdfium2.PdfiumError as error:
        raise UnreadableDocumentError("broken document", str(error)) from error
    finally:
        pdf.close()


def _document(pdf: Any, file: str, ocr: Ocr | None) -> Document:
    from pypdfium2 import PdfiumError

    count = len(pdf)
    texts, read_by_ocr, silent, damaged = list[str](), list[int](), list[int](), list[int]()
    for index in range(min(count, MOST_PAGES)):
        try:
            page = _page(pdf, index)
            text = _text(page)
        except PdfiumError:  # one bad page does not spoil the others
            damaged.append(index + 1)
            texts.append("")
            continue
        if (not text.strip() and _has_content(page)) or _is_scan(page, text):
            if ocr is not None and len(seen := ocr.page(page)) > len(text.strip()):
                text = seen  # what is stamped on a scan can be seen too
                read_by_ocr.append(index + 1)
            else:
                silent.append(index + 1)
        texts.append(text)
        page.close()
    if not any(text.strip() for text in texts):
        if damaged:
            raise UnreadableDocumentError("broken document", f"{len(damaged)} of its {count} pages cannot be opened")
        advice = "OCR found none either" if ocr else "install OCR for scanned pages: pip install 'stillroom[documents]'"
        raise UnreadableDocumentError("no text", f"none of its {count:,} pages has a text layer; {advice}")
    builder = Builder(file)
    marks = _bookmarks(pdf)
    for index, text in enumerate(texts):
        builder.page()
        _add_page(builder, text, marks.get(index, []))
    if read_by_ocr:
        builder.notes.append(f"{file}: pages read by OCR: {_listed(read_by_ocr)}.")
    if silent:
        builder.notes.append(
            f"{file}: pages that are pictures, of which little or no text was read: {_listed(silent)}."
        )
    if damaged:
        builder.notes.append(f"{file}: pages that are damaged and were left out: {_listed(damaged)}.")
    if count > MOST_PAGES:
        builder.notes.append(f"{file}: only the first {MOST_PAGES:,} of {count:,} pages were read.")
    return builder.document()


def _page(pdf: Any, index: int) -> Any:
    """A page with what stands in the fields of its forms and in its notes, which are no part of a page's own text."""
    from pypdfium2.raw import FLAT_NORMALDISPLAY, FPDFPage_Flatten, FPDFPage_GetAnnotCount

    page = pdf[index]
    if FPDFPage_GetAnnotCount(page) > 0:
        FPDFPage_Flatten(page, FLAT_NORMALDISPLAY)
        page.close()
        page = pdf[index]  # only a page that is opened anew shows it
    return page


def _text(page: Any) -> str:
    textpage = page.get_textpage()
    try:
        return _BULLET.sub("•", _HYPHEN.sub("", str(textpage.get_text_range())))
    finally:
        textpage.close()


def _has_content(page: Any) -> bool:
    return next(iter(page.get_objects(max_depth=2)), None) is not None


def _is_scan(page: Any, text: str) -> bool:
    """Whether a page is a picture but for a stamp or a page number."""
    from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

    if len(text.strip()) >= STAMP:
        return False
    width, height = page.get_size()
    for picture in page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE], max_depth=2):
        left, bottom, right, top = picture.get_bounds()
        if (right - left) * (top - bottom) > width * height / 2:
            return True
    return False


def _bookmarks(pdf: Any) -> dict[int, list[tuple[int, str]]]:
    """The outline's entries as (level, title), by the index of their page."""
    found: dict[int, list[tuple[int, str]]] = {}
    for mark in pdf.get_toc(max_depth=6):
        target = mark.get_dest()
        index = target.get_index() if target else None
        title = " ".join(mark.get_title().split())
        if index is not None and title:
            found.setdefault(index, []).append((mark.level + 1, title))
    return found


def _add_page(builder: Builder, text: str, marks: list[tuple[int, str]]) -> None:
    """Put a page down; a bookmark whose words stand on a line of their own becomes a heading there."""
    lines = text.splitlines()
    block: list[str] = []
    for line in lines:
        said = " ".join(line.split())
        mark = next((mark for mark in marks if _same(mark[1], said)), None)
        if mark is None:
            block.append(line)
            continue
        marks = [other for other in marks if other is not mark]
        builder.block("\n".join(block))
        block = []
        builder.heading(mark[0], said)
    builder.block("\n".join(block))


def _same(title: str, line: str) -> bool:
    """Whether the line is the bookmark's title, with or without a number before it."""
    return title.casefold() in (line.casefold(), line.casefold().lstrip("0123456789. "))


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:10])) + (f" and {len(numbers) - 10} more" if len(numbers) > 10 else "")


def _unreadable(said: str) -> UnreadableDocumentError:
    if "password" in said.lower():
        return UnreadableDocumentError("encrypted document", "it is locked by a password; save it without one")
    return UnreadableDocumentError(
        "broken document", "not a PDF that can be opened; open and save it anew, or export it again"
    )
