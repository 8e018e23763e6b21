"""A document as text, with the places of its pages and headings in that text."""

import re
from bisect import bisect_right
from dataclasses import dataclass, field

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\ufeff\ufffe\uffff\ud800-\udfff]")
_LINE_ENDS = re.compile("\r\n?|[\x85\u2028\u2029]")


class UnreadableDocumentError(ValueError):
    """A file from which no text can be had. `reason` is one of a few, so that they can be counted; `detail` says what
    is wrong with this file and what to do about it."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its level (1 is the highest), its words, and where its line begins in the text."""

    level: int
    title: str
    start: int


@dataclass(frozen=True, slots=True)
class Document:
    """The text of one file.

    `file` names it as the user would: a path below the source's folder, or an address. `pages` holds where each page,
    slide or sheet begins in the text, in order; it is empty for formats without pages. `headings` are in the order of
    the text.
    """

    file: str
    text: str
    pages: tuple[int, ...] = ()
    headings: tuple[Heading, ...] = ()
    notes: tuple[str, ...] = ()

    def page_at(self, offset: int) -> int | None:
        """The page that holds this place of the text, counted from 1; None for a format without pages."""
        return max(1, bisect_right(self.pages, offset)) if self.pages else None


@dataclass
class Builder:
    """A document in the making: blocks of text are put below each other, and places are taken down on the way."""

    file: str
    parts: list[str] = field(default_factory=list)
    length: int = 0
    pages: list[int] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def page(self) -> None:
        """Begin a new page, slide or sheet with the next block."""
        self.pages.append(self.length)

    def heading(self, level: int, title: str) -> None:
        """Add a heading as a block of its own; an empty one is passed over."""
        title = " ".join(printable(title).split())
        if title:
            self.headings.append(Heading(level, title, self.length))
            self.block(title)

    def block(self, text: str, gap: str = "\n\n") -> None:
        """Add a paragraph, a table's row or a whole page, with `gap` below it; an empty one is passed over."""
        text = printable(text).strip("\n ")
        if text.strip():
            self.parts += [text, gap]
            self.length += len(text) + len(gap)

    def document(self) -> Document:
        """What was put together."""
        text = "".join(self.parts)
        return Document(self.file, text, tuple(self.pages), tuple(self.headings), tuple(self.notes))


def printable(text: str) -> str:
    """The text with plain line ends and without characters that no reader sees (NUL, other control characters)."""
    return _CONTROL.sub("", _LINE_ENDS.sub("\n", text).replace("\f", "\n"))
