"""From the readers of a recipe to clean rows on disk: read here, cleaned on all cores, in constant memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from stillroom.data.clean.boilerplate import LineCounts, line_keys
from stillroom.data.clean.executor import Executor
from stillroom.data.clean.kept import CleanRows, Kept, kept
from stillroom.data.clean.repair import repair
from stillroom.data.cleaning import UNWRITABLE, Cleaner
from stillroom.data.duplicates import Keys, band_keys
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


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What became of a chunk, in its order; `keys` has a line for every row that was kept."""

    kept: Kept
    keys: Keys
    rejected: list[Rejected]
    cut: int
    pairs: list[Pair]
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
    with Spool[Chunk](into.rows.folder) as spool:
        for _, (chunk, keys) in executor(_FirstPass(recipe), chunks):
            counts.add(keys)
            spool.append(chunk)
        cleaner = Cleaner(recipe, counts.often(documents), masker)
        _clean(_Work(cleaner), spool, tally, into, executor, vault)


def _clean(
    work: "_Work", chunks: Iterable[Chunk], tally: Tally, into: CleanRows, executor: Executor, vault: Vault | None
) -> None:
    for chunk, cleaned in executor(work, chunks):
        if vault and not vault.admit(cleaned.pairs):
            # Rare: two values drew one fake. The vault, which knows all of them, decides.
            cleaned = work.with_fakes_of(vault)(chunk)
        tally.masked.update(pair.kind for pair in cleaned.pairs)
        tally.personal_ids += cleaned.personal_ids
        tally.cut[chunk.reader] += cleaned.cut
        for item in cleaned.rejected:
            tally.reject(item)
        into.add(cleaned.kept, cleaned.keys)


class _Work:
    """Cleans a chunk and takes the keys of what is left."""

    def __init__(self, cleaner: Cleaner) -> None:
        self.cleaner = cleaner

    def __call__(self, chunk: Chunk) -> Cleaned:
        rows: list[Row] = []
        rejected: list[Rejected] = []
        pairs: list[Pair] = []
        cut = 0
        for outcome in self.cleaner(chunk.items):
            result = outcome.item
            pairs += outcome.pairs
            if isinstance(result, Row) and (fault := unwritable(result.meta)):
                result = Rejected(result, UNWRITABLE, f"the meta: {fault}")
            if isinstance(result, Rejected):
                rejected.append(result)
            else:
                rows.append(result)
                cut += outcome.cut
        recipe, masker = self.cleaner.recipe, self.cleaner.masker
        keys = band_keys([row.text for row in rows], recipe.data.cleaning.near_duplicate_threshold)
        personal = sum(masker.finds(row.id) for row in rows) if masker else 0
        return Cleaned(kept(rows, recipe), keys, rejected, cut, pairs, personal)

    def with_fakes_of(self, vault: Vault) -> "_Work":
        """The same work in this process, with the vault choosing every fake."""
        cleaner, wanted = self.cleaner, self.cleaner.recipe.data.cleaning.pii
        assert wanted is not None
        return _Work(Cleaner(cleaner.recipe, cleaner.boilerplate, Masker(wanted, vault.key, vault.fake_for)))


class _FirstPass:
    """Repairs a chunk, where the recipe asks for it, and takes the keys of its lines."""

    def __init__(self, recipe: Recipe) -> None:
        self.repair = recipe.data.cleaning.repair

    def __call__(self, chunk: Chunk) -> tuple[Chunk, list[int]]:
        items: list[Row | Rejected] = []
        keys: list[int] = []
        for item in chunk.items:
            if isinstance(item, Row):
                item = replace(item, text=item.text.strip())
                item = repair(item) if self.repair else item
                keys += line_keys(item.text)
            items.append(item)
        return Chunk(chunk.reader, items), keys


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
