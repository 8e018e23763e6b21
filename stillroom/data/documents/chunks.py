"""Pieces of a document that a model can read: by structure first, by size then.

A chunk never crosses a heading, unless what stands before the heading is too short to be of use alone. A section that
is longer than a chunk is cut where a reader would pause: at an empty line, else a line's end, a sentence's, a word's.
Chunks of one section overlap, so that a statement at a cut stands whole in one of them.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from stillroom.data.documents.document import Document, Heading
from stillroom.data.rows import Row

SIZE = 2000
OVERLAP = 200
SHORT = 8
"""A section shorter than this part of a chunk is joined with the next one."""

# Where a text may be cut, the best first. The cut is at the end of what is matched.
_CUTS = tuple(
    re.compile(pattern)
    for pattern in (r"\n[ \t]*\n\s*", r"\n", r"[.!?…][\"'”’)\]]*\s+|[。！？；]", r"[,;:]\s+|[，、：]", r"\s+")
)
_INK = re.compile(r"\S")

Titles = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document: `text` is the document's text from `start` to `end`.

    `page` counts from 1 and is where the chunk begins; None for formats without pages. `headings` are the titles that
    stand over it, the highest first.
    """

    id: str
    text: str
    file: str
    page: int | None
    start: int
    end: int
    headings: Titles

    def as_row(self, source: str, label: Any = None) -> Row:
        """The chunk as an input text; where it stands goes into `meta`."""
        place = {key: value for key, value in asdict(self).items() if key not in ("id", "text")}
        return Row(self.id, self.text, label, source, {**place, "headings": list(self.headings)})


def chunk_of(row: Row) -> Chunk | None:
    """The chunk that a row was made of; None for a row of another source."""
    meta = row.meta
    if not {"file", "page", "start", "end", "headings"} <= meta.keys():
        return None
    headings = tuple(meta["headings"])
    return Chunk(row.id, row.text, meta["file"], meta["page"], meta["start"], meta["end"], headings)


def chunks(document: Document, size: int = SIZE, overlap: int = OVERLAP, prefix: str = "") -> Iterator[Chunk]:
    """Cut a document; every character of it but white space at the cuts is in some chunk of at most `size` characters.

    An id is `prefix`, the file and the chunk's number. `overlap` is the most that two neighbours of one section share.
    Raises ValueError unless 0 <= overlap < size / 2.
    """
    if not 0 <= overlap < size / 2:
        raise ValueError(f"the overlap ({overlap}) must be less than half of the size ({size})")
    titled = _titled(document)
    number = 0
    for begin, end in _sections(document, size):
        for start, stop in _pieces(document.text, begin, end, size, overlap):
            number += 1
            yield Chunk(
                id=f"{prefix}{document.file}#{number}",
                text=document.text[start:stop],
                file=document.file,
                page=document.page_at(start),
                start=start,
                end=stop,
                headings=_over(titled, start, stop),
            )


def _sections(document: Document, size: int) -> Iterator[tuple[int, int]]:
    """Stretches from heading to heading; a short one is joined with the next."""
    begin = 0
    for heading in document.headings:
        if len(document.text[begin : heading.start].strip()) >= size / SHORT:
            yield begin, heading.start
            begin = heading.start
    yield begin, len(document.text)


def _pieces(text: str, begin: int, end: int, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    begin, end = _trimmed(text, begin, end)
    reached = begin
    while begin < end:
        begin = _past_space(text, begin)
        stop = end if end - begin <= size else _cut(text, begin, begin + size)
        start, last = _trimmed(text, begin, stop)
        if last > reached:
            yield start, last
            begin = _back(text, start, stop, overlap)
        else:  # a gap as long as a chunk: there is nothing here that the last chunk has not
            begin = stop
        reached = last
        if stop >= end:
            return


def _cut(text: str, begin: int, limit: int) -> int:
    """The best place to cut in the second half of text[begin:limit]; the limit itself where there is none."""
    middle = begin + (limit - begin) // 2
    for pattern in _CUTS:
        last = None
        for last in pattern.finditer(text, middle, limit):  # noqa: B007
            pass
        if last is not None:
            return last.end()
    return limit


def _back(text: str, start: int, stop: int, overlap: int) -> int:
    """Where the next chunk begins: up to `overlap` before the cut, at a sentence or else a word, if there is one."""
    if not overlap:
        return stop
    earliest = max(stop - overlap, start + 1)
    for pattern in (_CUTS[1], _CUTS[2], _CUTS[4]):
        found = pattern.search(text, earliest, stop)
        if found and found.end() < stop:
            return found.end()
    return earliest


def _past_space(text: str, begin: int) -> int:
    found = _INK.search(text, begin)
    return found.start() if found else len(text)


def _trimmed(text: str, begin: int, end: int) -> tuple[int, int]:
    stretch = text[begin:end]
    begin += len(stretch) - len(stretch.lstrip())
    return begin, max(begin, begin + len(stretch.strip()))


def _titled(document: Document) -> list[tuple[int, Titles]]:
    """Where each section begins, and the titles that stand over it."""
    found: list[tuple[int, Titles]] = [(0, ())]
    path: list[Heading] = []
    for heading in document.headings:
        path = [*(above for above in path if above.level < heading.level), heading]
        found.append((heading.start, tuple(above.title for above in path)))
    return found


def _over(titled: list[tuple[int, Titles]], start: int, end: int) -> Titles:
    """The titles of the section that fills most of the chunk."""
    first = bisect_right(titled, start, key=lambda section: section[0]) - 1
    last = bisect_left(titled, end, key=lambda section: section[0])
    sections = titled[first:last]
    ends = [*(begin for begin, _ in sections[1:]), end]
    filled = [until - max(begin, start) for (begin, _), until in zip(sections, ends, strict=True)]
    return sections[filled.index(max(filled))][1]
