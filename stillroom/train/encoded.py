"""Rows that were encoded beforehand, in Parquet files: a training reads them as it goes and holds none in memory.

What stays in memory of a row is its id, its label, its source and its weight; tokens and texts stay on the disk.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from stillroom.data.rows import Row
from stillroom.train.encode import Encoded, Encoder, answer_text

if TYPE_CHECKING:
    from stillroom.recipe.model import Recipe


def encode_table(recipe: "Recipe", encoder: Encoder, lines: Sequence[str], places: Sequence[int]) -> Any:
    """A pyarrow Table of the labelled rows among lines of JSON, each with its place in the whole split.

    Raises UserError, with the row's id, where an answer leaves no room for its prompt.
    """
    import pyarrow as pa

    read = ((place, Row(**json.loads(line))) for place, line in zip(places, lines, strict=True))
    labelled = [(place, row) for place, row in read if row.label is not None]
    rows = [row for _, row in labelled]
    samples = [encoder.encode(row.text, answer_text(recipe, row.label), row.id) for row in rows]
    tokens = pa.list_(pa.int32())
    columns = {
        "place": pa.array([place for place, _ in labelled], pa.int64()),
        "id": pa.array([row.id for row in rows], pa.string()),
        "source": pa.array([row.source for row in rows], pa.string()),
        "label": pa.array([json.dumps(row.label) for row in rows], pa.string()),
        "weight": pa.array([row.weight for row in rows], pa.float64()),
        "prompt": pa.array([sample.prompt for sample in samples], tokens),
        "completion": pa.array([sample.completion for sample in samples], tokens),
        "cut": pa.array([sample.cut for sample in samples], pa.bool_()),
    }
    return pa.table(columns)


class EncodedRows(Sequence[Encoded]):
    """The samples of one split, read from the disk one at a time."""

    def __init__(self, table: Any) -> None:
        """table: a `datasets.Dataset` with the columns of `encode_table`."""
        self._table = table

    @classmethod
    def read(cls, folder: Path, cache: Path) -> "EncodedRows | None":
        """The rows of all Parquet files of a folder, by their place; `cache` takes an uncompressed copy that is mapped
        into memory. (How rows are dealt to files is Ray's affair, and not always the same.)

        None where no row is in them.
        """
        from datasets import Dataset

        files = sorted(str(file) for file in folder.glob("*.parquet"))
        table = Dataset.from_parquet(files, cache_dir=str(cache)) if files else None
        return cls(table.sort("place")) if table else None

    def rows(self) -> list[Row]:
        """What training asks of the rows themselves; they have no texts, and as meta their `place` here."""
        facts = (self._table[name] for name in ("id", "source", "label", "weight"))
        return [
            Row(id, "", json.loads(label), source, {"place": place}, weight)
            for place, (id, source, label, weight) in enumerate(zip(*facts, strict=True))
        ]

    def of(self, rows: Sequence[Row]) -> "EncodedRows":
        """The samples of some of the rows, in their order."""
        return EncodedRows(self._table.select([row.meta["place"] for row in rows]))

    def map(self, columns: Callable[[Encoded, int], dict[str, Any]]) -> Any:
        """A `datasets.Dataset`, on the disk too, of what a function makes of each sample and its number."""

        def batch(found: dict[str, list[Any]], numbers: list[int]) -> dict[str, list[Any]]:
            samples = (Encoded(*parts) for parts in zip(*(found[name] for name in FIELDS), strict=True))
            made = [columns(sample, number) for sample, number in zip(samples, numbers, strict=True)]
            return {name: [row[name] for row in made] for name in made[0]}

        return self._table.map(
            batch, batched=True, with_indices=True, remove_columns=self._table.column_names, new_fingerprint="labelled"
        )

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, place: int) -> Encoded: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Encoded]: ...
    def __getitem__(self, place: int | slice) -> Encoded | Sequence[Encoded]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        row = self._table[place]
        return Encoded(*(row[name] for name in FIELDS))

    def __iter__(self) -> Iterator[Encoded]:
        for row in self._table.select_columns(list(FIELDS)):
            yield Encoded(*(row[name] for name in FIELDS))


FIELDS = ("prompt", "completion", "cut")
