"""Lines that stand in many texts (footers, disclaimers, menus) are removed from all of them.

The texts are counted in a first pass. The count is a sketch of fixed size (count-min), so memory does not grow with the
number of lines; it never counts too few.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stillroom.data.clean.text import split_words
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row

FEWEST_WORDS = 4
"""A shorter line ("Thanks,", "Subject: Hello") recurs because people write it."""
NOTHING_ELSE = "nothing but boilerplate"
_FOUR_WORDS = re.compile(r"^[^a-zA-Z0-9\n]*+(?:[a-zA-Z0-9]++[^a-zA-Z0-9\n]++){3}[a-zA-Z0-9].*", re.MULTILINE)
"""A line of ASCII that may be boilerplate."""
_SURELY_FOUR = re.compile(
    r"(?>.*?(?:[\u4e00-\u9fff]|(?<![^\0-/:-@\[-`{-\x7f])[a-zA-Z0-9]++(?![^\0-\x7f]))){4}", re.DOTALL
)
"""Any text with four words that can be told without taking it apart: Chinese characters, or ASCII between ASCII."""
_CELLS = 2**22
_ROWS = 3
Keys = NDArray[np.uint64]


def line_keys(text: str) -> list[int]:
    """A 64-bit key of each line that may be boilerplate, each once."""
    if text.isascii():
        return list({_hash(" ".join(line.split())) for line in _FOUR_WORDS.findall(text)})
    return list({key for line in text.split("\n") if (key := _key(line)) is not None})


class LineCounts:
    """In how many texts each line stands: a table of 48 MiB, whatever the number of lines."""

    def __init__(self) -> None:
        self._table: NDArray[np.uint32] = np.zeros((_ROWS, _CELLS), np.uint32)

    def add(self, keys: Sequence[int] | Keys) -> None:
        """Count the line keys of some texts."""
        for row, cells in zip(self._table, _cells(np.asarray(keys, np.uint64)), strict=True):
            np.add.at(row, cells, 1)

    def often(self, documents: int) -> "Boilerplate":
        """The lines of at least so many texts, in a form that other processes can be given."""
        return Boilerplate(documents, np.packbits(self._table >= documents, axis=1))


class Boilerplate:
    """Removes the lines that were counted often. 1.5 MiB."""

    def __init__(self, documents: int, often: NDArray[np.uint8]) -> None:
        self.documents = documents
        self._often = often

    def __call__(self, row: Row) -> Row | Rejected:
        """The row without these lines, or its rejection where nothing else is in it."""
        lines = row.text.split("\n")
        keys = [_key(line) for line in lines]
        often = iter(self.often(np.array([key for key in keys if key is not None], np.uint64)).tolist())
        kept = [line for line, key in zip(lines, keys, strict=True) if key is None or not next(often)]
        removed = len(lines) - len(kept)
        if not removed:
            return row
        text = "\n".join(kept).strip()
        if text:
            return replace(row, text=text)
        return Rejected(row, NOTHING_ELSE, f"{removed} lines", {"value": removed, "bound": self.documents})

    def often(self, keys: Keys) -> NDArray[np.bool_]:
        """Whether the line of each key stands in many texts; shape (keys,)."""
        found = np.ones(len(keys), bool)
        for row, cells in zip(self._often, _cells(keys), strict=True):
            found &= (row[cells >> np.uint64(3)] >> (np.uint64(7) - (cells & np.uint64(7))).astype(np.uint8) & 1) != 0
        return found


def _cells(keys: Keys) -> list[Keys]:
    """Where each key is counted in each row of the table."""
    return [(keys >> np.uint64(20 * row)) % np.uint64(_CELLS) for row in range(_ROWS)]


def _key(line: str) -> int | None:
    """The key of a line that may be boilerplate; its white space does not count."""
    if line.isascii() and not _FOUR_WORDS.match(line):  # most lines are, and their spaces need not be made one first
        return None
    whole = " ".join(line.split())
    if not line.isascii() and not _may_be(whole):
        return None
    return _hash(whole)


def _hash(line: str) -> int:
    import xxhash

    return xxhash.xxh3_64_intdigest(line.encode("utf-8", "surrogatepass"))


def _may_be(line: str) -> bool:
    if line.isascii():
        return _FOUR_WORDS.match(line) is not None
    return len(line) > FEWEST_WORDS and (_SURELY_FOUR.match(line) is not None or len(split_words(line)) >= FEWEST_WORDS)
