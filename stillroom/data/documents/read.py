"""From a file to its text, by the kind that its name says."""

from collections.abc import Callable
from pathlib import Path

from stillroom.data.documents import markup, office, pdf, plain, word
from stillroom.data.documents.document import Document, UnreadableDocumentError, printable
from stillroom.data.documents.ocr import Ocr

LARGEST_FILE = 500 * 10**6
LARGEST_MAIL = 64 * 2**20
"""Bytes of one mail; parsing takes several times its size in memory."""
_OFFICE = (".docx", ".pptx", ".xlsx")
_MARKS = (
    (b"%PDF-", "a PDF", (".pdf",)),
    (b"PK\x03\x04", "an archive, as Word, Excel and PowerPoint write them", _OFFICE),
)
"""The first bytes of a file, what it is then, and the endings that say so."""


def read_document(path: Path, file: str, ocr: Ocr | None = None) -> Document:
    """The text of a document. Raises UnreadableDocumentError, with the reason, where there is none to be had."""
    suffix = path.suffix.lower()
    try:
        size = path.stat().st_size
        if size == 0:
            raise UnreadableDocumentError("empty document", "the file has no bytes")
        if size > LARGEST_FILE:
            raise UnreadableDocumentError(
                "file too large", f"{size / 1e6:,.0f} MB; at most {LARGEST_FILE / 1e6:,.0f} MB are read. Split it"
            )
        _check_kind(path, suffix)
        document = pdf.read_pdf(path, file, ocr) if suffix == ".pdf" else READERS[suffix](path, file)
    except OSError as error:
        raise UnreadableDocumentError("the file cannot be read", error.strerror or str(error)) from error
    if not document.text.strip():
        raise UnreadableDocumentError("empty document", "it holds no text")
    return document


def _check_kind(path: Path, suffix: str) -> None:
    """Refuse a file whose first bytes are of another kind than its name says."""
    with path.open("rb") as stream:
        head = stream.read(8)
    for mark, kind, endings in _MARKS:
        if head.startswith(mark) and suffix not in endings:
            advice = f"give it the ending {endings[0]}" if len(endings) == 1 else "give it its own ending"
            raise UnreadableDocumentError("another kind of file", f"by its first bytes it is {kind}; {advice}")


def _read_mail(path: Path, file: str) -> Document:
    from stillroom.data.mail import UnreadableMailError, parse_mail

    if (size := path.stat().st_size) > LARGEST_MAIL:
        raise UnreadableDocumentError(
            "file too large", f"{size / 1e6:,.0f} MB; mails of at most {LARGEST_MAIL / 1e6:,.0f} MB are read"
        )
    try:
        return Document(file, printable(parse_mail(path.read_bytes()).text))
    except UnreadableMailError as error:
        raise UnreadableDocumentError("undecodable bytes", str(error)) from error


READERS: dict[str, Callable[[Path, str], Document]] = {
    ".pdf": pdf.read_pdf,
    ".docx": word.read_docx,
    ".pptx": office.read_pptx,
    ".xlsx": office.read_xlsx,
    ".html": markup.read_html,
    ".htm": markup.read_html,
    ".xhtml": markup.read_html,
    ".mhtml": markup.read_html,
    ".mht": markup.read_html,
    ".md": plain.read_markdown,
    ".markdown": plain.read_markdown,
    ".txt": plain.read_text,
    ".text": plain.read_text,
    ".eml": _read_mail,
}
"""How each kind of file is read, by the end of its name."""
