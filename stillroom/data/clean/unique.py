"""Rows that are there twice: by their id, by their text, or nearly so. Looks at all clean rows together."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillroom.data.clean.kept import CleanRows
from stillroom.data.clean.semantic import alike, embed, joined
from stillroom.data.duplicates import first_of_each, join, similarity
from stillroom.data.reading import Rejected
from stillroom.data.report import Tally
from stillroom.data.spool import TextsOf
from stillroom.files import full_disk_is_the_users, write_jsonl
from stillroom.recipe.cleaning import Cleaning

SAME_ID = "the id is used twice"
EXACT = "exact duplicate"
NEAR = "near duplicate"
CLUSTERS = "near_duplicates.jsonl"
NAMED_CONFLICTS = 5


@dataclass(frozen=True, slots=True)
class Duplicates:
    """`cluster_of` has the cluster of near duplicates of every row that is left; `counts` are the report's."""

    cluster_of: NDArray[np.int64]
    counts: dict[str, int]


def without_duplicates(
    clean: CleanRows, wanted: Cleaning, tally: Tally, out: Path
) -> tuple[NDArray[np.int64], Duplicates]:
    """The numbers of the rows that stay, and how they cluster.

    Of equal rows the first stays. Clusters of two rows or more are written to near_duplicates.jsonl in `out`.
    """
    numbers = np.arange(len(clean.rows))
    first = first_of_each(clean.ids)
    for number in np.flatnonzero(first != numbers).tolist():
        tally.reject(Rejected(clean.rows[number], SAME_ID))
    numbers = numbers[first == numbers]
    firsts = numbers[first_of_each(np.frombuffer(clean.texts, "V16")[numbers].tobytes())]
    copies = list(zip(numbers[firsts != numbers].tolist(), firsts[firsts != numbers].tolist(), strict=True))
    _reject_copies(clean, copies, tally)
    left = numbers[firsts == numbers]
    places = join(clean.keys(), left, lambda number: clean.rows[number].text, wanted.near_duplicate_threshold)
    if wanted.semantic:
        places = _joined_by_meaning(clean, left, places, wanted.semantic.threshold)
    clusters = _larger_than_one(places)
    write_jsonl(out / CLUSTERS, _shown(clean, left, clusters, wanted.near_duplicates))
    if wanted.near_duplicates == "drop":
        _reject_near(clean, left, clusters, wanted.near_duplicate_threshold, tally)
        left = left[places == np.arange(len(left))]
        places = np.arange(len(left))
    counts = {"exact": len(copies), "near_clusters": len(clusters)}
    return left, Duplicates(places, counts)


def _joined_by_meaning(
    clean: CleanRows, left: NDArray[np.int64], places: NDArray[np.int64], threshold: float
) -> NDArray[np.int64]:
    """The clusters with those made one whose texts mean the same."""
    texts = TextsOf(clean.rows.pick(left.tolist()))
    with tempfile.NamedTemporaryFile(dir=clean.rows.folder) as file, full_disk_is_the_users(clean.rows.folder):
        return joined(places, alike(embed(texts, Path(file.name)), threshold))


def _reject_copies(clean: CleanRows, copies: Sequence[tuple[int, int]], tally: Tally) -> None:
    conflicts, named = 0, []
    for number, first in copies:
        row, kept = clean.rows[number], clean.rows[first]
        tally.reject(Rejected(row, EXACT, f"of {kept.id}"))
        if row.label != kept.label:
            conflicts += 1
            named += [f"{row.id} of {kept.id}"] if conflicts <= NAMED_CONFLICTS else []
    if conflicts:
        tally.notes.append(
            f"{conflicts} exact duplicates have another label than the row that was kept, "
            f"the first: {'; '.join(named)}."
        )


def _reject_near(
    clean: CleanRows, left: NDArray[np.int64], clusters: dict[int, list[int]], threshold: float, tally: Tally
) -> None:
    for first, others in clusters.items():
        kept = clean.rows[left[first]]
        for place in others:
            row = clean.rows[left[place]]
            value = similarity(kept.text, row.text)
            # In a chain the last may be far from the first: what joined it is a row between them, or its meaning.
            said = f"of {kept.id}, Jaccard {value:.2f}"
            said += "" if value >= threshold else ", by its meaning or by rows between them"
            tally.reject(Rejected(row, NEAR, said, {"value": round(value, 4), "bound": threshold}))


def _larger_than_one(places: NDArray[np.int64]) -> dict[int, list[int]]:
    """The first of each cluster of two or more → its other members."""
    members: dict[int, list[int]] = defaultdict(list)
    for place in np.flatnonzero(places != np.arange(len(places))).tolist():
        members[int(places[place])].append(place)
    return dict(sorted(members.items()))


def _shown(
    clean: CleanRows, left: NDArray[np.int64], clusters: dict[int, list[int]], how: str
) -> Iterator[dict[str, Any]]:
    """A line a cluster: its size, and each member's id, source and similarity to the first."""
    for first, others in clusters.items():
        kept = clean.rows[left[first]]
        rows = (clean.rows[left[place]] for place in others)
        members = [
            {"id": row.id, "source": row.source, "jaccard": round(similarity(kept.text, row.text), 4)} for row in rows
        ]
        yield {
            "size": len(others) + 1,
            "near_duplicates": how,
            "first": kept.id,
            "text": kept.text[:200],
            "others": members,
        }
