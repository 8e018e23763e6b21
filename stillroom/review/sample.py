"""Which rows people look at: from each source and class its share, and at least one."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from stillroom.data.balance import COPY_OF
from stillroom.data.rows import Row
from stillroom.data.sampling import rank
from stillroom.data.split import class_of

Placed = tuple[str, Row]
"""A row and the split that it lies in."""


def stratified(rows: Iterable[Placed], count: int, seed: int, schema: dict[str, Any] | None) -> list[Placed]:
    """`count` rows or all of them, drawn by a hash of seed and id, then in an order in which classes are mixed.

    Where there are more strata than `count`, the largest ones get a row. Nobody is asked about a copy that up-sampling
    made: what is said of the row that it repeats counts for it too.
    """
    strata: dict[tuple[str, str], list[Placed]] = defaultdict(list)
    for split, row in rows:
        if COPY_OF not in row.meta:
            strata[row.source, class_of(row, schema)].append((split, row))
    total = sum(map(len, strata.values()))
    shares = _shares({key: len(members) for key, members in strata.items()}, min(count, total))
    drawn = [
        placed
        for key, members in strata.items()
        for placed in sorted(members, key=lambda placed: rank(seed, placed[1].id))[: shares[key]]
    ]
    return sorted(drawn, key=lambda placed: rank(seed + 1, placed[1].id))


def _shares(sizes: dict[tuple[str, str], int], count: int) -> dict[tuple[str, str], int]:
    """How many of each stratum: one each as far as they go, the rest by size, largest remainders first."""
    total = sum(sizes.values())
    order: Sequence[tuple[str, str]] = sorted(sizes, key=lambda key: (-sizes[key], key))
    shares = {key: int(place < count) for place, key in enumerate(order)}
    left = count - sum(shares.values())
    wanted = {key: count * sizes[key] / total for key in order} if total else {}
    while left > 0:
        key = max((key for key in order if shares[key] < sizes[key]), key=lambda key: wanted[key] - shares[key])
        shares[key] += 1
        left -= 1
    return shares
