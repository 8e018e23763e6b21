"""From the readers of a recipe to clean rows on disk: read here, cleaned on all cores, in constant memory."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stillroom.data.clean.boilerplate import LineCounts, line_keys
from stillroom.data.clean.executor import Executor
from stillroom.data.clean.repair import repair
from stillroom.data.cleaning import Cleaner
from stillroom.data.duplicates import Keys, band_keys, digest, fold
from stillroom.data.pii.mask import Masker, Pair
from stillroom.data.pii.vault import Vault
from stillroom.data.reading import Reader, Rejected
from stillroom.data.report import Tally
from stillroom.data.rows import Row
from stillroom.data.spool import Spool
from stillroom.files import full_disk_is_the_users
from stillroom.progress import Progress, say
from stillroom.recipe.model import Recipe

CHUNK_ROWS = 256
CHUNK_CHARACTERS = 2**21
"""A chunk ends with whichever comes first, so that long texts do not fill the memory."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one reader that are worked on together."""

    reader: str
    items: list[Row | Rejected]


@dataclass(frozen=True, slots=True)
class Kept:
    """A clean row, the digests of its id and its folded text, and whether it was cut."""

    row: Row
    digests: tuple[bytes, bytes]
    cut: bool


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What became of a chunk, in its order; `keys` has a line for every row that was kept."""

    reader: str
    items: list[Kept | Rejected]
    keys: Keys
    pairs: list[Pair]
    personal_ids: int
    chunk: Chunk | None
    """What it was made of, where personal data was masked: two values may have drawn one fake."""


class CleanRows:
    """All rows that passed the steps of cleaning, with what duplicates are found by. 40 bytes a row in memory."""

    def __init__(self, folder: Path) -> None:
        self.rows: Spool[Row] = Spool(folder)
        self.ids, self.texts = bytearray(), bytearray()
        self._folder = folder
        self._keys = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 -- closed with the rows
        self._bands = 0

    def add(self, cleaned: Cleaned) -> None:
        """Add what was kept of a chunk."""
        for item in cleaned.items:
            if isinstance(item, Kept):
                self.rows.append(item.row)
                self.ids += item.digests[0]
                self.texts += item.digests[1]
        with full_disk_is_the_users(self._folder):
            self._keys.write(cleaned.keys.tobytes())
            self._keys.flush()
        self._bands = cleaned.keys.shape[1]

    def keys(self) -> Keys:
        """The keys of near duplicates, mapped from their file; shape (rows, bands)."""
        shape = (len(self.rows), self._bands)
        return np.memmap(self._keys, np.uint64, "r", shape=shape) if len(self.rows) else np.empty((0, 1), np.uint64)

    def close(self) -> None:
        """Remove the files."""
        self.rows.close()
        self._keys.close()


def clean_rows(
    readers: Iterable[Reader], recipe: Recipe, tally: Tally, into: CleanRows, executor: Executor, vault: Vault | None
) -> None:
    """Read and clean every source into `into`; what is left out goes to the tally, who was masked to the vault."""
    chunks = _read(readers, tally)
    wanted = recipe.data.cleaning.pii
    masker = Masker(wanted, vault.key) if wanted and vault else None
    documents = recipe.data.cleaning.boilerplate_documents
    if documents is None:
        _clean(_Work(Cleaner(recipe, None, masker)), chunks, tally, into, executor, vault)
        return
    counts = LineCounts()
    with Spool[Row | Rejected](into.rows.folder) as spool:
        lengths: list[tuple[str, int]] = []
        for reader, rows, keys in executor(_FirstPass(recipe), chunks):
            counts.add(keys)
            for item in rows:
                spool.append(item)
            lengths.append((reader, len(rows)))
        cleaner = Cleaner(recipe, counts.often(documents), masker)
        _clean(_Work(cleaner), _again(spool, lengths), tally, into, executor, vault)


def _clean(
    work: "_Work", chunks: Iterable[Chunk], tally: Tally, into: CleanRows, executor: Executor, vault: Vault | None
) -> None:
    for cleaned in executor(work, chunks):
        if vault and cleaned.chunk and not vault.admit(cleaned.pairs):
            # Rare: two values drew one fake. The vault, which knows all of them, decides.
            cleaned = work.with_fakes_of(vault)(cleaned.chunk)
        tally.masked.update(pair.kind for pair in cleaned.pairs)
        tally.personal_ids += cleaned.personal_ids
        for item in cleaned.items:
            if isinstance(item, Rejected):
                tally.reject(item)
            else:
                tally.cut[cleaned.reader] += item.cut
        into.add(cleaned)


class _Work:
    """Cleans a chunk and takes the keys of what is left."""

    def __init__(self, cleaner: Cleaner) -> None:
        self.cleaner = cleaner

    def __call__(self, chunk: Chunk) -> Cleaned:
        items: list[Kept | Rejected] = []
        pairs: list[Pair] = []
        for item in chunk.items:
            outcome = self.cleaner(item)
            result = outcome.item
            pairs += outcome.pairs
            if isinstance(result, Rejected):
                items.append(result)
            else:
                items.append(Kept(result, (digest(result.id), digest(fold(result.text))), outcome.cut))
        texts = [item.row.text for item in items if isinstance(item, Kept)]
        keys = band_keys(texts, self.cleaner.recipe.data.cleaning.near_duplicate_threshold)
        masker = self.cleaner.masker
        personal = sum(masker.finds(item.row.id) for item in items if isinstance(item, Kept)) if masker else 0
        return Cleaned(chunk.reader, items, keys, pairs, personal, chunk if pairs else None)

    def with_fakes_of(self, vault: Vault) -> "_Work":
        """The same work in this process, with the vault choosing every fake."""
        cleaner, wanted = self.cleaner, self.cleaner.recipe.data.cleaning.pii
        assert wanted is not None
        return _Work(Cleaner(cleaner.recipe, cleaner.boilerplate, Masker(wanted, vault.key, vault.fake_for)))


class _FirstPass:
    """Repairs a chunk, where the recipe asks for it, and takes the keys of its lines."""

    def __init__(self, recipe: Recipe) -> None:
        self.repair = recipe.data.cleaning.repair

    def __call__(self, chunk: Chunk) -> tuple[str, list[Row | Rejected], list[int]]:
        items: list[Row | Rejected] = []
        keys: list[int] = []
        for item in chunk.items:
            if isinstance(item, Row):
                item = replace(item, text=item.text.strip())
                item = repair(item) if self.repair else item
                keys += line_keys(item.text)
            items.append(item)
        return chunk.reader, items, keys


def _read(readers: Iterable[Reader], tally: Tally) -> Iterator[Chunk]:
    """The rows of all readers, one reader after the other."""
    for reader in readers:
        size = reader.size()
        progress = Progress(f"Reading {reader.name}", size)
        tally.read[reader.name] = 0
        items: list[Row | Rejected] = []
        characters = 0
        for item in reader.rows():
            tally.read[reader.name] += 1
            items.append(item)
            characters += len(item.text if isinstance(item, Row) else item.row.text)
            if len(items) == CHUNK_ROWS or characters >= CHUNK_CHARACTERS:
                yield Chunk(reader.name, items)
                items, characters = [], 0
            if progress.done < size - 1:  # The size is an estimate; the bar is full only at the end.
                progress.advance()
        if items:
            yield Chunk(reader.name, items)
        progress.update(size)
        for note in reader.notes:
            say(note)
        tally.notes += reader.notes


def _again(spool: Spool[Row | Rejected], lengths: Iterable[tuple[str, int]]) -> Iterator[Chunk]:
    """The chunks of the first pass, from disk."""
    rows = iter(spool)
    for reader, length in lengths:
        yield Chunk(reader, [next(rows) for _ in range(length)])
