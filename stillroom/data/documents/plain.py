"""Text and Markdown files, whatever their encoding."""

import codecs
import itertools
import re
from pathlib import Path

from stillroom.data.documents.document import Document, Heading, UnreadableDocumentError, printable
from stillroom.data.encoding import almost_utf8

LARGEST_TEXT = 50 * 10**6
"""Bytes of one text, Markdown or HTML file: two million lines. Text in memory takes up to four times as much."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_STRANGE = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f\ufffd]")


def read_text(path: Path, file: str) -> Document:
    """A plain text; lines underlined with = or - are not taken for headings."""
    text, notes = load(path, file)
    return Document(file, text, notes=notes)


def read_markdown(path: Path, file: str) -> Document:
    """A Markdown file as it stands, with the places of its headings."""
    text, notes = load(path, file)
    return Document(file, text, headings=tuple(markdown_headings(text)), notes=notes)


def markdown_headings(text: str) -> list[Heading]:
    """The headings of a Markdown text; a `#` inside a code block is none, and front matter is passed over."""
    from markdown_it import MarkdownIt

    body = re.match(r"---\n.*?\n---\n", text, re.DOTALL)
    skipped = body.end() if body else 0
    starts = [skipped]
    for line in text[skipped:].splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    tokens = MarkdownIt("commonmark").parse(text[skipped:])
    found = []
    for token, inline in itertools.pairwise(tokens):
        if token.type == "heading_open" and token.map and inline.content.strip():
            words = "".join(part.content for part in inline.children or [] if part.type in ("text", "code_inline"))
            found.append(Heading(int(token.tag[1]), " ".join(words.split()) or "…", starts[token.map[0]]))
    return found


def load(path: Path, file: str) -> tuple[str, tuple[str, ...]]:
    """The text of a file and what there is to say about its encoding, as `decode` gives them.

    Raises UnreadableDocumentError too for a file that is too large to be held in memory.
    """
    return decode(load_bytes(path), file)


def load_bytes(path: Path) -> bytes:
    """The bytes of a text file. Raises UnreadableDocumentError where it is too large to be held in memory."""
    size = path.stat().st_size
    if size > LARGEST_TEXT:
        raise UnreadableDocumentError(
            "file too large",
            f"{size / 1e6:,.0f} MB; at most {LARGEST_TEXT / 1e6:,.0f} MB of one text file are read. Split it",
        )
    return path.read_bytes()


def decode(data: bytes, file: str) -> tuple[str, tuple[str, ...]]:
    """Bytes as text that a reader can see, with a note where the encoding is a guess."""
    text, notes = decode_as_is(data, file)
    return printable(text), notes


def decode_as_is(data: bytes, file: str) -> tuple[str, tuple[str, ...]]:
    """Bytes as text with every character that is in it, and a note where the encoding is a guess.

    UTF-8, else what a byte order mark says, else the likeliest of the encodings that are in use. Raises
    UnreadableDocumentError for what is no text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding), ()
            except UnicodeDecodeError as error:
                raise UnreadableDocumentError("undecodable bytes", f"not {encoding} as its first bytes say") from error
    if b"\0" in data:
        place = data.index(b"\0")
        raise UnreadableDocumentError(
            "NUL bytes",
            f"the first at byte {place:,}: a binary file, a damaged one, or UTF-16 without a byte order mark; "
            "save it as UTF-8",
        )
    try:
        return data.decode(), ()
    except UnicodeDecodeError:
        pass
    if nearly := almost_utf8(data):
        text, places = nearly
        return text, (f"{file} is UTF-8 with damaged letters at {places:,} places, which were left out.",)
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    text = str(best) if best else ""
    if best is None or len(_STRANGE.findall(text)) > len(text) / 100:
        raise UnreadableDocumentError("undecodable bytes", "neither UTF-8 nor any usual encoding; save it as UTF-8")
    return text, (f"{file} is not UTF-8; it was read as {best.encoding}, which is a guess.",)
