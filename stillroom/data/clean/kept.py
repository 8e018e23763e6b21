"""The rows that passed the steps of cleaning: their lines on disk, and of each what the steps after it ask for."""

import tempfile
from array import array
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stillroom.data.duplicates import Keys, digest, fold
from stillroom.data.origins import MARK
from stillroom.data.report import Kind, kind_of
from stillroom.data.rows import Row
from stillroom.data.split import rank
from stillroom.data.spool import RowLines
from stillroom.files import full_disk_is_the_users
from stillroom.recipe.model import Recipe


class Kept(NamedTuple):
    """A clean row, in a form that costs little to hand from one process to another."""

    line: bytes
    id: bytes
    text: bytes
    rank: bytes
    keys: bytes
    """What near duplicates are found by: a line of `band_keys`."""
    kind: Kind
    cut: bool
    """Whether its text was cut."""
    made_of_another: bool
    """Whether its id says that it was made from another row."""


def kept(row: Row, keys: Keys, cut: bool, recipe: Recipe) -> Kept:
    """The row as it is kept. Raises ValueError or TypeError where JSON cannot hold it."""
    return Kept(
        row.line().encode() + b"\n",
        digest(row.id),
        digest(fold(row.text)),
        rank(row.text, recipe.data.seed),
        keys.tobytes(),
        kind_of(row, recipe.output_schema),
        cut,
        MARK in row.id,
    )


class CleanRows:
    """All clean rows, in the order of their reading. About 60 bytes a row in memory."""

    def __init__(self, folder: Path) -> None:
        self.rows = RowLines(folder)
        self.ids, self.texts, self.ranks = bytearray(), bytearray(), bytearray()
        self.kinds: list[Kind] = []
        self.made_of_others = False
        self._kind_of = array("I")
        self._number_of: dict[Kind, int] = {}
        self._folder = folder
        self._keys = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 -- closed with the rows
        self._bands = 0

    def add(self, rows: Sequence[Kept]) -> None:
        """Add some rows."""
        if not rows:
            return
        self.rows.extend(b"".join(row.line for row in rows), [len(row.line) for row in rows])
        self.ids += b"".join(row.id for row in rows)
        self.texts += b"".join(row.text for row in rows)
        self.ranks += b"".join(row.rank for row in rows)
        self.made_of_others |= any(row.made_of_another for row in rows)
        for row in rows:
            if row.kind not in self._number_of:
                self._number_of[row.kind] = len(self.kinds)
                self.kinds.append(row.kind)
            self._kind_of.append(self._number_of[row.kind])
        with full_disk_is_the_users(self._folder):
            self._keys.write(b"".join(row.keys for row in rows))
            self._keys.flush()
        self._bands = len(rows[0].keys) // np.dtype(np.uint64).itemsize

    def keys(self) -> Keys:
        """The keys of near duplicates, mapped from their file; shape (rows, bands)."""
        shape = (len(self.rows), self._bands)
        return np.memmap(self._keys, np.uint64, "r", shape=shape) if len(self.rows) else np.empty((0, 1), np.uint64)

    def strata(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The place of each row's source and class among all of them, sorted; shape (numbers,)."""
        names = sorted({kind[:2] for kind in self.kinds})
        place = np.array([names.index(kind[:2]) for kind in self.kinds], np.int64)
        return place[np.frombuffer(self._kind_of, np.uint32)[numbers]] if len(numbers) else numbers

    def count(self, numbers: Sequence[int]) -> Counter[Kind]:
        """How many of these rows are of each kind."""
        if not len(numbers):
            return Counter()
        found = np.bincount(np.frombuffer(self._kind_of, np.uint32)[np.asarray(numbers, np.int64)])
        return Counter({self.kinds[number]: count for number, count in enumerate(found.tolist()) if count})

    def close(self) -> None:
        """Remove the files."""
        self.rows.close()
        self._keys.close()
