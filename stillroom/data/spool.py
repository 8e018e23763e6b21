"""Rows on disk: what passes through the data step lies in a file, and memory holds eight bytes a row."""

import json
import os
import pickle
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar, overload

from stillroom.data.rows import Row
from stillroom.files import full_disk_is_the_users

T = TypeVar("T")


class Spool(Sequence[T], Generic[T]):
    """A sequence of rows, or what may be one, that is appended to and read at any place.

    Its file lies in `folder`, has no name there, and is gone with the process, however that ends. Raises UserError
    when the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._ends = array("Q", [0])
        self._is_written = True
        with full_disk_is_the_users(folder):
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 -- `close` closes it

    def append(self, row: T) -> None:
        """Add a row at the end."""
        # Pickle holds whatever a source may give, half a surrogate pair and dates among it; only we read it.
        data = pickle.dumps(row, protocol=5)
        self._write(data, [len(data)])

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        return self._read(self._bytes(index))

    def __iter__(self) -> Iterator[T]:
        return (self[number] for number in range(len(self)))

    def pick(self, numbers: Sequence[int]) -> "Picked[T]":
        """Some of the rows, in the given order; they stay on disk."""
        return Picked(self, numbers)

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # on a full disk what is still to be written fails once more, and nobody will read it
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _write(self, data: bytes, lengths: Iterable[int]) -> None:
        with full_disk_is_the_users(self.folder):
            self._file.write(data)
        self._is_written = False
        for length in lengths:
            self._ends.append(self._ends[-1] + length)

    def _bytes(self, number: int) -> bytes:
        if not self._is_written:
            with full_disk_is_the_users(self.folder):
                self._file.flush()
            self._is_written = True
        number = range(len(self))[number]
        start = self._ends[number]
        return os.pread(self._file.fileno(), self._ends[number + 1] - start, start)

    def _read(self, data: bytes) -> T:
        row: T = pickle.loads(data)
        return row


class RowLines(Spool[Row]):
    """Rows as the lines of JSON that their file will have, so that writing it is copying."""

    def append(self, row: Row) -> None:
        """Add a row at the end. Raises ValueError for what JSON cannot hold."""
        line = row.line().encode() + b"\n"
        self._write(line, [len(line)])

    def extend(self, lines: bytes, lengths: Iterable[int]) -> None:
        """Add rows as lines, each with its end; `lengths` are theirs in bytes."""
        self._write(lines, lengths)

    def line(self, number: int) -> bytes:
        """One row as a line with its end."""
        return self._bytes(number)

    def _read(self, data: bytes) -> Row:
        return Row(**json.loads(data))


class TextsOf(Sequence[str]):
    """The texts of some rows, one in memory at a time."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [row.text for row in self._rows[index]]
        return self._rows[index].text


class Picked(Sequence[T], Generic[T]):
    """Rows of a spool by their numbers in it."""

    def __init__(self, spool: Spool[T], numbers: Sequence[int]) -> None:
        self._spool, self.numbers = spool, numbers

    def at(self, places: Sequence[int]) -> "Picked[T]":
        """Those at some places among these."""
        return Picked(self._spool, [self.numbers[place] for place in places])

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> "Picked[T]": ...
    def __getitem__(self, index: int | slice) -> "T | Picked[T]":
        if isinstance(index, slice):
            return Picked(self._spool, self.numbers[index])
        return self._spool[self.numbers[index]]
