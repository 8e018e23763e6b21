"""Rows that were made from other rows, by their ids: `a7~typos1` was made from `a7`.

Whatever comes of one row stays in one split with it, however unlike the texts are; otherwise the test would hold what
training has seen in other words.
"""

import re
from collections.abc import Sequence

MARK = "~"
"""Between the id of the row that another was made from, and what was done to it."""

_MADE = re.compile(rf"({MARK}[a-z-]+[0-9]+)+$")


def joined_by_origin(ids: Sequence[str], cluster_of: Sequence[int]) -> list[int]:
    """The cluster of each row, given by its id, where the clusters of rows of one origin are one.

    A cluster is the smallest index in it.
    """
    parents = list(range(len(ids)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    first: dict[str, int] = {}
    for index, id in enumerate(ids):
        origin = _MADE.sub("", id)
        for other in (cluster_of[index], first.setdefault(origin, index)):
            low, high = sorted((root(index), root(other)))
            parents[high] = low
    return [root(index) for index in range(len(ids))]
