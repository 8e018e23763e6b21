"""Exact duplicates are dropped; near duplicates are kept as one group that no split may part, or dropped too.

Exact duplicates differ in case and white space alone: a sign, an accent or a decimal point may be all that tells two
answers apart.

Near duplicates are found by MinHash (rensa) and then checked: only pairs whose true Jaccard similarity reaches the
recipe's threshold are joined. The shingles are three words in a row, where each Chinese character counts as a word.
Which texts are joined does not depend on their order.
"""

import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stillroom.data.clean.text import words_of

SHINGLE = 3
PERMUTATIONS = 128
REMEMBERED = 4096
"""Texts whose shingles are kept in memory while pairs are checked."""
Keys = NDArray[np.uint64]


def fold(text: str) -> str:
    """The text without its case, and with one space for any white space: what exact duplicates share."""
    if text.isascii():
        return " ".join(text.casefold().split())
    # Not NFKC: it makes 10² and 102 the same.
    return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold()).split())


def digest(text: str) -> bytes:
    """16 bytes that stand for a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def first_of_each(digests: bytes | bytearray) -> NDArray[np.int64]:
    """For each of the digests (16 bytes each, one after the other) the number of the first equal one; shape (n,)."""
    halves = np.frombuffer(digests, np.uint64).reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: of equal digests the first comes first
    new = np.ones(len(order), bool)
    new[1:] = (halves[order[1:]] != halves[order[:-1]]).any(axis=1)
    first = np.empty(len(order), np.int64)
    first[order] = order[np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))]
    return first


def band_keys(texts: Sequence[str], threshold: float) -> Keys:
    """What near duplicates are looked up by: a key a band, shape (texts, bands); 0 where a text has no word.

    Two texts with an equal key in one band may be near duplicates.
    """
    from rensa import RMinHash

    rows = _rows_of_a_band(threshold)
    bands = PERMUTATIONS // rows
    shingled = [_runs(text) for text in texts]
    matrix = RMinHash.digest_matrix_from_token_sets(shingled, PERMUTATIONS, 0)
    signatures = np.array(matrix.to_rows(), np.uint64).reshape(len(texts), PERMUTATIONS)
    banded = signatures[:, : bands * rows].reshape(len(texts), bands, rows)
    # A sum with random odd factors, modulo 2⁶⁴, tells the rows of a band apart as well as a hash would.
    factors = np.random.default_rng(0).integers(1, 2**63, rows, np.uint64) * np.uint64(2) + np.uint64(1)
    keys: Keys = (banded * factors).sum(axis=2, dtype=np.uint64)
    keys[[not shingles for shingles in shingled]] = 0
    return keys


def clusters(texts: Sequence[str], threshold: float) -> list[int]:
    """The cluster of each text: the smallest index among the texts that it is joined with, step by step."""
    joined = join(band_keys(texts, threshold), range(len(texts)), lambda index: texts[index], threshold)
    return [int(place) for place in joined]


def join(keys: Keys, numbers: Sequence[int], text_of: Callable[[int], str], threshold: float) -> NDArray[np.int64]:
    """The cluster of each of the `numbers`, as a place among them: the smallest place that it is joined with.

    keys: `band_keys` of every text, in memory or mapped from a file; shape (texts, bands).
    numbers: rows of `keys` to compare. text_of gives the text of such a number.
    Holds about 40 bytes for each of the numbers, and the shingles of a few thousand texts.
    """
    chosen = np.asarray(numbers, np.int64)
    parents = np.arange(len(chosen), dtype=np.int64)

    @lru_cache(REMEMBERED)
    def shingles_of(place: int) -> set[str]:
        return _shingles(text_of(int(chosen[place])))

    @lru_cache(16 * REMEMBERED)  # a pair below the threshold may share several bands
    def alike(one: int, other: int) -> bool:
        return jaccard(shingles_of(one), shingles_of(other)) >= threshold

    for band in range(keys.shape[1]):
        column = keys[:, band][chosen]
        order = np.argsort(column, kind="stable")
        column = column[order]
        edges = np.flatnonzero(np.diff(column)) + 1
        starts, ends = np.append(0, edges), np.append(edges, len(order))
        for run in np.flatnonzero((ends - starts > 1) & (column[starts] != 0) if len(order) else []):
            _join_run(order[starts[run] : ends[run]].tolist(), parents, alike)
    return np.array([_root(parents, place) for place in range(len(parents))], np.int64)


def jaccard(first: set[str], second: set[str]) -> float:
    """Shared shingles over all shingles of the two."""
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared)


def similarity(one: str, other: str) -> float:
    """The Jaccard similarity of two texts, at least one of which has a word."""
    return jaccard(_shingles(one), _shingles(other))


def _join_run(places: list[int], parents: NDArray[np.int64], alike: Callable[[int, int], bool]) -> None:
    """Join what is alike among texts that share a band. Only texts that nothing has joined yet are compared."""
    groups: dict[int, list[int]] = {}
    for place in places:
        root = _root(parents, place)
        if root in groups:
            groups[root].append(place)
            continue
        joined = [other for other, members in groups.items() if any(alike(place, member) for member in members)]
        low = min([root, *joined])
        for other in [root, *joined]:
            parents[other] = low
        groups[low] = [place, *(member for other in joined for member in groups.pop(other))]


def _shingles(text: str) -> set[str]:
    return set(_runs(text))


def _runs(text: str) -> list[str]:
    """Every shingle as often as it comes."""
    found = words_of(text)
    if len(found) < SHINGLE:
        return [" ".join(found)] if found else []
    return list(map(" ".join, zip(found, found[1:], found[2:], strict=False)))


def _rows_of_a_band(threshold: float) -> int:
    """As many as miss a pair at the threshold less than once in a thousand: the more, the fewer false candidates."""
    for rows in range(32, 1, -1):
        if (1 - threshold**rows) ** (PERMUTATIONS // rows) < 1e-3:
            return rows
    return 1


def _root(parents: NDArray[np.int64], place: int) -> int:
    while parents[place] != place:
        parents[place] = parents[parents[place]]
        place = int(parents[place])
    return place
