"""Three splits by groups of near duplicates, with the same mix of sources and classes in each."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any

from stillroom.data.rows import Row
from stillroom.recipe import schema as schemas
from stillroom.recipe.model import Split

NAMES = ("train", "validation", "test")
ENOUGH = 10
"""From this many rows on, a stratum has at least one row in every split, where its groups allow it."""


@dataclass(frozen=True, slots=True)
class Card:
    """What the split knows of a row: where it lies, and what decides its place."""

    number: int
    id: str
    stratum: tuple[str, str]
    rank: bytes


Groups = list[list[Card]]


def class_of(row: Row, schema: dict[str, Any] | None) -> str:
    """The class a row is counted under: its answer's first top-level enum value, or "text"."""
    return schemas.class_of(schema, row.label)


def split(
    rows: Iterable[Row], clusters: Sequence[int], shares: Split, seed: int, schema: dict[str, Any] | None
) -> dict[str, list[int]]:
    """Deal the rows out, by their places among `rows`; rows of one cluster stay together.

    Depends on the rows and the seed alone, not on the order in which the rows come. Within each split the rows are
    shuffled by the seed. No row's text is held.
    """
    wanted = dict(zip(NAMES, (shares.train, shares.validation, shares.test), strict=True))
    total = sum(wanted.values())
    wanted = {name: share / total for name, share in wanted.items()}
    groups: dict[int, list[Card]] = defaultdict(list)
    strata: dict[tuple[str, str], Groups] = defaultdict(list)
    for number, (row, cluster) in enumerate(zip(rows, clusters, strict=True)):
        stratum = intern(row.source), intern(class_of(row, schema))
        groups[cluster].append(Card(number, row.id, stratum, _rank(row.text, seed)))
    for group in groups.values():
        group.sort(key=_order)
        strata[group[0].stratum].append(group)
    dealt: dict[str, list[Card]] = {name: [] for name in NAMES}
    owed = dict.fromkeys(NAMES, 0.0)
    for key in sorted(strata):
        for name, part in _deal(strata[key], wanted, owed).items():
            dealt[name] += [card for group in part for card in group]
    return {name: [card.number for card in sorted(part, key=_order)] for name, part in dealt.items()}


def _deal(groups: Groups, wanted: dict[str, float], owed: dict[str, float]) -> dict[str, Groups]:
    """Give each group, large ones first, to the split that lacks most rows of this stratum.

    `owed` carries what small strata could not give their fair share of to the next ones; it is changed in place.
    """
    groups = sorted(groups, key=lambda group: (-len(group), *_order(group[0])))
    rows = sum(len(group) for group in groups)
    lacking = {name: rows * share for name, share in wanted.items()}
    dealt: dict[str, Groups] = {name: [] for name in wanted}
    for group in groups:
        # The carried debt is added whole: a stratum of one row goes where earlier ones fell short.
        name = max(lacking, key=lambda name: (lacking[name] + owed[name], wanted[name]))
        dealt[name].append(group)
        lacking[name] -= len(group)
    if rows >= ENOUGH:
        _fill_empty(dealt, lacking)
    for name in owed:
        owed[name] += lacking[name]
    return dealt


def _fill_empty(dealt: dict[str, Groups], lacking: dict[str, float]) -> None:
    for name in dealt:
        giver = max(dealt, key=lambda other: len(dealt[other]))
        if not dealt[name] and len(dealt[giver]) > 1:
            group = dealt[giver].pop()  # The last dealt is the smallest.
            dealt[name].append(group)
            lacking[name] -= len(group)
            lacking[giver] += len(group)


def _rank(text: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\n{text}".encode("utf-8", "surrogatepass")).digest()


def _order(card: Card) -> tuple[bytes, str]:
    return card.rank, card.id
