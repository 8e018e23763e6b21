"""Classes of one size in the train split. Validation and test keep the mix that the data has."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.data.split import class_of

LEFT_OUT = "left out to balance the classes"
COPY_OF = "copy_of"
"""Key in a copy's meta: the id of the row that it repeats."""


def balance(
    rows: Sequence[Row], how: Literal["none", "downsample", "upsample"], schema: dict[str, Any] | None
) -> tuple[list[Row], list[Rejected]]:
    """The rows with as many of each class, and what was left out for that.

    The rows come in the random order that the data seed gave them; each class keeps its first ones, or begins again
    from its first one. A copy has an id of its own and stands right behind the row that it repeats.
    """
    by_class: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_class[class_of(row, schema)].append(row)
    if how == "none" or len(by_class) < 2:
        return list(rows), []
    sizes = [len(members) for members in by_class.values()]
    if how == "downsample":
        return _downsampled(rows, by_class, min(sizes))
    return _upsampled(rows, by_class, max(sizes)), []


def originals(rows: Sequence[Row]) -> list[Row]:
    """The rows without the copies that up-sampling made."""
    return [row for row in rows if COPY_OF not in row.meta]


def _downsampled(rows: Sequence[Row], by_class: dict[str, list[Row]], size: int) -> tuple[list[Row], list[Rejected]]:
    kept = {row.id for members in by_class.values() for row in members[:size]}
    left_out = [
        Rejected(row, LEFT_OUT, f"{name}: {size} of {len(members)} rows stay")
        for name, members in by_class.items()
        for row in members[size:]
    ]
    return [row for row in rows if row.id in kept], left_out


def _upsampled(rows: Sequence[Row], by_class: dict[str, list[Row]], size: int) -> list[Row]:
    times: dict[str, int] = {}
    for members in by_class.values():
        whole, more = divmod(size, len(members))
        times |= {row.id: whole + (place < more) for place, row in enumerate(members)}
    return [copy for row in rows for copy in [row, *(_copy(row, number) for number in range(2, times[row.id] + 1))]]


def _copy(row: Row, number: int) -> Row:
    return replace(row, id=f"{row.id}#{number}", meta={**row.meta, COPY_OF: row.id})
