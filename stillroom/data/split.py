"""Three splits by groups of near duplicates, with the same mix of sources and classes in each."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillroom.data.rows import Row
from stillroom.recipe import schema as schemas
from stillroom.recipe.model import Split

NAMES = ("train", "validation", "test")
ENOUGH = 10
"""From this many rows on, a stratum has at least one row in every split, where its groups allow it."""
Numbers = NDArray[np.int64]


def class_of(row: Row, schema: dict[str, Any] | None) -> str:
    """The class a row is counted under: its answer's first top-level enum value, or "text"."""
    return schemas.class_of(schema, row.label)


def rank(text: str, seed: int) -> bytes:
    """16 bytes that decide a text's place among the others."""
    return hashlib.sha256(f"{seed}\n{text}".encode("utf-8", "surrogatepass")).digest()[:16]


def split(
    rows: Iterable[Row], clusters: Sequence[int], shares: Split, seed: int, schema: dict[str, Any] | None
) -> dict[str, list[int]]:
    """Deal the rows out, by their places among `rows`; rows of one cluster stay together.

    Depends on the rows and the seed alone, not on the order in which the rows come. Within each split the rows are
    shuffled by the seed. No row's text is held.
    """
    facts = [(row.id, rank(row.text, seed), (row.source, class_of(row, schema))) for row in rows]
    by_id = sorted(range(len(facts)), key=lambda place: facts[place][0])  # of equal texts the lower id is first
    names = sorted({stratum for _, _, stratum in facts})
    strata = np.array([names.index(facts[place][2]) for place in by_id], np.int64)
    ranks = b"".join(facts[place][1] for place in by_id)
    dealt = deal(np.asarray(clusters, np.int64)[by_id], strata, ranks, shares)
    return {name: [by_id[place] for place in places.tolist()] for name, places in dealt.items()}


def deal(clusters: Numbers, strata: Numbers, ranks: bytes | bytearray, shares: Split) -> dict[str, Numbers]:
    """The places of the rows of each split, shuffled by their ranks. Holds about 100 bytes a row.

    clusters, strata: of each row; strata are dealt in the order of their numbers. ranks: 16 bytes a row.
    """
    wanted = np.array([shares.train, shares.validation, shares.test])
    wanted = wanted / wanted.sum()
    high, low = np.frombuffer(ranks, ">u8").reshape(-1, 2).T
    rows = np.lexsort((low, high, clusters))  # group after group, the lowest rank of each first
    starts = np.flatnonzero(np.diff(clusters[rows], prepend=-1))
    sizes = np.diff(np.append(starts, len(rows)))
    first = rows[starts]
    groups = np.lexsort((low[first], high[first], -sizes, strata[first]))  # by strata, in each the large ones first
    borders = np.flatnonzero(np.diff(strata[first][groups])) + 1
    owed = [0.0] * len(NAMES)
    parts = [_deal(sizes[members].tolist(), wanted.tolist(), owed) for members in np.split(groups, borders)]
    of_group = np.empty(len(groups), np.int64)
    of_group[groups] = np.concatenate(parts) if len(groups) else []
    of_row = np.repeat(of_group, sizes)
    dealt = {name: rows[of_row == number] for number, name in enumerate(NAMES)}
    return {name: places[np.lexsort((low[places], high[places]))] for name, places in dealt.items()}


def _deal(sizes: list[int], wanted: list[float], owed: list[float]) -> list[int]:
    """The number of the split of each group, large ones first: that which lacks most rows of this stratum.

    `owed` carries what small strata could not give their fair share of to the next ones; it is changed in place.
    """
    rows = sum(sizes)
    lacking = [rows * share for share in wanted]
    dealt = []
    for size in sizes:
        # The carried debt is added whole: a stratum of one row goes where earlier ones fell short.
        to = max(range(len(wanted)), key=lambda number: (lacking[number] + owed[number], wanted[number]))
        dealt.append(to)
        lacking[to] -= size
    if rows >= ENOUGH:
        _fill_empty(dealt, sizes, lacking)
    for number, rest in enumerate(lacking):
        owed[number] += rest
    return dealt


def _fill_empty(dealt: list[int], sizes: list[int], lacking: list[float]) -> None:
    for number in range(len(lacking)):
        giver = max(range(len(lacking)), key=dealt.count)
        if number not in dealt and dealt.count(giver) > 1:
            last = len(dealt) - 1 - dealt[::-1].index(giver)  # The last dealt is the smallest.
            dealt[last] = number
            lacking[number] -= sizes[last]
            lacking[giver] += sizes[last]
