"""The rows that passed the steps of cleaning: their lines on disk, and of each what the steps after it ask for."""

import tempfile
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


@dataclass(slots=True)
class Kept:
    """Some clean rows, in a form that costs little to hand from one process to another."""

    lines: bytes = b""
    lengths: list[int] = field(default_factory=list)
    ids: bytes = b""
    texts: bytes = b""
    ranks: bytes = b""
    kinds: list[Kind] = field(default_factory=list)
    made_of_others: bool = False
    """Whether an id says that its row was made from another one."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Kept, tuple(getattr(self, name) for name in self.__slots__)


def kept(rows: Sequence[Row], recipe: Recipe) -> Kept:
    """The rows as they are kept. Raises ValueError or TypeError where JSON cannot hold one."""
    lines = [row.line().encode() + b"\n" for row in rows]
    return Kept(
        b"".join(lines),
        [len(line) for line in lines],
        b"".join(digest(row.id) for row in rows),
        b"".join(digest(fold(row.text)) for row in rows),
        b"".join(rank(row.text, recipe.data.seed) for row in rows),
        [kind_of(row, recipe.output_schema) for row in rows],
        any(MARK in row.id for row in rows),
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

    def add(self, kept: Kept, keys: Keys) -> None:
        """Add some rows, and a line of keys for each."""
        self.rows.extend(kept.lines, kept.lengths)
        self.ids += kept.ids
        self.texts += kept.texts
        self.ranks += kept.ranks
        self.made_of_others |= kept.made_of_others
        for kind in kept.kinds:
            if kind not in self._number_of:
                self._number_of[kind] = len(self.kinds)
                self.kinds.append(kind)
            self._kind_of.append(self._number_of[kind])
        with full_disk_is_the_users(self._folder):
            self._keys.write(keys.tobytes())
            self._keys.flush()
        self._bands = keys.shape[1]

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
