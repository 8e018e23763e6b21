"""From the readers of a recipe to clean rows on disk: read here, cleaned on all cores, in constant memory."""

import pickle
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from stillroom.data.clean.boilerplate import LineCounts, line_keys
from stillroom.data.clean.executor import Executor
from stillroom.data.clean.kept import CleanRows, Kept, kept
from stillroom.data.clean.repair import repair
from stillroom.data.cleaning import UNWRITABLE, Cleaner
from stillroom.data.duplicates import band_keys
from stillroom.data.pii.mask import Masker, Pair
from stillroom.data.pii.vault import Vault
from stillroom.data.reading import Reader, Rejected, unwritable
from stillroom.data.report import Tally
from stillroom.data.rows import Row
from stillroom.data.spool import Spool
from stillroom.progress import Progress, say
from stillroom.recipe.model import Recipe

CHUNK_ROWS = 256
CHUNK_CHARACTERS = 2**21
"""A chunk ends with whichever comes first, so that long texts do not fill the memory."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one reader that are worked on together."""

    reader: str
    items: Sequence[Row | Rejected]
    may_have_boilerplate: Collection[int] | None = None
    """The places of the rows with lines that stand in many texts; None where nobody has looked yet."""


class Packed(NamedTuple):
    """A chunk as it is sent and spooled: only the process that works on its rows makes rows of it."""

    reader: str
    items: bytes
    keys: bytes = b""
    """The keys of its lines, row after row, eight bytes each."""
    ends: bytes = b""
    """For each row where its keys end among them, in four bytes."""

    def rows(self) -> list[Row | Rejected]:
        """What the chunk is of."""
        items: list[Row | Rejected] = pickle.loads(self.items)
        return items


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What became of each row of a chunk, and which personal data was masked in it."""

    items: list[Kept | Rejected]
    pairs: list[Sequence[Pair]]
    personal_ids: int


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
    with Spool[Packed](into.rows.folder) as spool:
        for _, chunk in executor(_FirstPass(recipe), chunks):
            counts.add(np.frombuffer(chunk.keys, np.uint64))
            spool.append(chunk)
        cleaner = Cleaner(recipe, counts.often(documents), masker)
        _clean(_Work(cleaner), spool, tally, into, executor, vault)


def _clean(
    work: "_Work", chunks: Iterable[Packed], tally: Tally, into: CleanRows, executor: Executor, vault: Vault | None
) -> None:
    in_doubt = work.with_fakes_of(vault) if vault else None
    for chunk, cleaned in executor(work.on_packed, chunks):
        if vault and in_doubt:
            in_doubt.settle(chunk, cleaned, vault)
        tally.masked.update(pair.kind for pairs in cleaned.pairs for pair in pairs)
        tally.personal_ids += cleaned.personal_ids
        rows = [item for item in cleaned.items if isinstance(item, Kept)]
        tally.cut[chunk.reader] += sum(row.cut for row in rows)
        for item in cleaned.items:
            if isinstance(item, Rejected):
                tally.reject(item)
        into.add(rows)


class _Work:
    """Cleans a chunk and takes the keys of what is left."""

    def __init__(self, cleaner: Cleaner) -> None:
        self.cleaner = cleaner

    def on_packed(self, packed: Packed) -> Cleaned:
        """The same for a chunk that was sent here."""
        boilerplate, suspects = self.cleaner.boilerplate, None
        if boilerplate:
            often = np.flatnonzero(boilerplate.often(np.frombuffer(packed.keys, np.uint64)))
            suspects = set(np.searchsorted(np.frombuffer(packed.ends, np.uint32), often, side="right").tolist())
        return self(Chunk(packed.reader, packed.rows(), suspects))

    def __call__(self, chunk: Chunk) -> Cleaned:
        recipe, masker = self.cleaner.recipe, self.cleaner.masker
        outcomes = self.cleaner(chunk.items, chunk.may_have_boilerplate)
        results = [_writable(outcome.item) for outcome in outcomes]
        rows = [item for item in results if isinstance(item, Row)]
        keys = iter(band_keys([row.text for row in rows], recipe.data.cleaning.near_duplicate_threshold))
        items = [
            kept(item, next(keys), outcome.cut, recipe) if isinstance(item, Row) else item
            for item, outcome in zip(results, outcomes, strict=True)
        ]
        personal = sum(masker.finds(row.id) for row in rows) if masker else 0
        return Cleaned(items, [outcome.pairs for outcome in outcomes], personal)

    def settle(self, chunk: Packed, cleaned: Cleaned, vault: Vault) -> None:
        """Let the vault know who was masked, and clean those rows anew, in place, of which a value drew the fake of
        another: the vault, which chooses the fakes of this work, knows all of them."""
        refused = vault.admit(pair for pairs in cleaned.pairs for pair in pairs)
        places = [place for place, pairs in enumerate(cleaned.pairs) if not refused.isdisjoint(pairs)]
        if places:
            items = chunk.rows()
            again = self(Chunk(chunk.reader, [items[place] for place in places]))
            for place, item, pairs in zip(places, again.items, again.pairs, strict=True):
                cleaned.items[place], cleaned.pairs[place] = item, pairs

    def with_fakes_of(self, vault: Vault) -> "_Work":
        """The same work in this process, with the vault choosing every fake."""
        cleaner, wanted = self.cleaner, self.cleaner.recipe.data.cleaning.pii
        assert wanted is not None
        return _Work(Cleaner(cleaner.recipe, cleaner.boilerplate, Masker(wanted, vault.key, vault.fake_for)))


def _writable(item: Row | Rejected) -> Row | Rejected:
    if isinstance(item, Row) and (fault := unwritable(item.meta)):
        return Rejected(item, UNWRITABLE, f"the meta: {fault}")
    return item


class _FirstPass:
    """Repairs a chunk, where the recipe asks for it, and takes the keys of its lines."""

    def __init__(self, recipe: Recipe) -> None:
        self.repair = recipe.data.cleaning.repair

    def __call__(self, chunk: Packed) -> Packed:
        before, items = chunk.rows(), list[Row | Rejected]()
        keys, ends = array("Q"), array("I")
        for item in before:
            if isinstance(item, Row):
                text = item.text.strip()
                item = item if text == item.text else replace(item, text=text)
                item = repair(item) if self.repair else item
                keys.extend(line_keys(item.text))
            items.append(item)
            ends.append(len(keys))
        same = all(item is other for item, other in zip(items, before, strict=True))
        return Packed(chunk.reader, chunk.items if same else _packed(items), keys.tobytes(), ends.tobytes())


def _packed(items: Sequence[Row | Rejected]) -> bytes:
    return pickle.dumps(items, protocol=5)


def _read(readers: Iterable[Reader], tally: Tally) -> Iterator[Packed]:
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
                yield Packed(reader.name, _packed(items))
                items, characters = [], 0
            if progress.done < size - 1:  # The size is an estimate; the bar is full only at the end.
                progress.advance()
        if items:
            yield Packed(reader.name, _packed(items))
        progress.update(size)
        for note in reader.notes:
            say(note)
        tally.notes += reader.notes
