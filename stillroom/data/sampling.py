"""Drawing a sample by a hash of each row's id.

A row's place in the draw depends on the seed and its own id alone. So a sample does not change when the file is sorted
otherwise, a sample of 100 is part of the sample of 200, and a file of any size is drawn from in one pass.
"""

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.errors import UserError

T = TypeVar("T")


def rank(seed: int, id: str) -> bytes:
    """Where a row stands in the draw: the smallest ranks are drawn."""
    return hashlib.sha256(f"{seed}\n{id}".encode("utf-8", "surrogatepass")).digest()


def draw_ids(ids: Iterable[str], sample: int | None, seed: int, skip: set[str]) -> list[str]:
    """The sample of the ids that are not skipped, in the order they came."""
    left = [id for id in ids if id not in skip]
    if sample is None or sample >= len(left):
        return left
    drawn = set(heapq.nsmallest(sample, left, key=lambda id: rank(seed, id)))
    return [id for id in left if id in drawn]


def draw_rows(
    items: Iterable[Row | Rejected], sample: int | None, seed: int, skip: set[str]
) -> Iterator[Row | Rejected]:
    """The same for rows; holds no more than `sample` of them in memory."""
    left = ((number, item) for number, item in enumerate(items) if _id(item) not in skip)
    if sample is None:
        yield from (item for _, item in left)
        return
    drawn = heapq.nsmallest(sample, left, key=lambda pair: (rank(seed, _id(pair[1])), pair[0]))
    yield from (item for _, item in sorted(drawn, key=lambda pair: pair[0]))


def earlier_ids(base: Path, paths: Iterable[str], id: str | None = None) -> set[str]:
    """The ids that earlier sample files (JSONL, CSV, Parquet) hold in their column `id`, or else the one that is named.

    Raises UserError where one cannot be read or has no such column.
    """
    return {found for path in paths for found in _ids_of(base / path, id)}


def faults_of(base: Path, paths: Iterable[str], id: str | None = None) -> list[str]:
    """What is wrong with the earlier sample files, one sentence each."""
    faults = []
    for path in paths:
        try:
            earlier_ids(base, [path], id)
        except UserError as error:
            faults.append(str(error))
    return faults


def _ids_of(path: Path, id: str | None) -> Iterator[str]:
    from stillroom.data.tabular import read_csv, read_jsonl, read_parquet

    if not path.is_file():
        raise UserError(f"No such file: {path}")
    names = [name for name in (id, "id") if name is not None]
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            import pyarrow.parquet

            held = pyarrow.parquet.ParquetFile(path).schema_arrow.names
            records = read_parquet(path, [name for name in names if name in held])
        else:
            records = read_csv(path) if suffix in (".csv", ".tsv") else read_jsonl(path)
        for record in records:
            found = next((record.values[name] for name in names if name in record.values), None)
            if record.reason or found is None:
                raise ValueError(record.reason or "a row without an id")
            yield str(found)
    except (OSError, ValueError) as error:
        wanted = " or ".join(f'"{name}"' for name in dict.fromkeys(names))
        raise UserError(f"{path} is not an earlier sample: every row must have a column {wanted} ({error}).") from error


def _id(item: Row | Rejected) -> str:
    return item.id if isinstance(item, Row) else item.row.id
