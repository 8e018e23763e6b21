"""Exact duplicates are dropped; near duplicates are kept, but as one group that no split may part.

Exact duplicates differ in case and white space alone: a sign, an accent or a decimal point may be all that tells two
answers apart.

Near duplicates are found by MinHash (rensa) and then checked: only pairs whose true Jaccard similarity reaches the
recipe's threshold are joined. The shingles are three words in a row, where each Chinese character counts as a word.
"""

import re
import unicodedata
from collections.abc import Sequence

from stillroom.data.rows import Row

SHINGLE = 3
PERMUTATIONS = 128
_WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def fold(text: str) -> str:
    """The text without its case, and with one space for any white space: what exact duplicates share."""
    # Not NFKC: it makes 10² and 102 the same.
    return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold()).split())


def words(text: str) -> list[str]:
    """The words of a text; every Chinese, Japanese or Korean character is one."""
    return _WORDS.findall(unicodedata.normalize("NFKC", text).casefold())


def exact_duplicates(rows: Sequence[Row]) -> dict[int, int]:
    """Index of each row that says the same as an earlier one → index of that first one."""
    first: dict[str, int] = {}
    copies: dict[int, int] = {}
    for index, row in enumerate(rows):
        known = first.setdefault(fold(row.text), index)
        if known != index:
            copies[index] = known
    return copies


def clusters(texts: Sequence[str], threshold: float) -> list[int]:
    """The cluster of each text: the smallest index among the texts that it is joined with, step by step."""
    from rensa import RMinHash, RMinHashLSH

    shingled = [_shingles(text) for text in texts]
    parents = list(range(len(texts)))
    filled = [index for index, shingles in enumerate(shingled) if shingles]
    minhashes = RMinHash.from_token_sets([sorted(shingled[index]) for index in filled], PERMUTATIONS, 0)
    index_of_bands = RMinHashLSH(threshold, PERMUTATIONS, _bands(threshold))
    for index, minhash in zip(filled, minhashes, strict=True):
        for other in sorted(index_of_bands.query(minhash)):
            apart = _root(parents, index) != _root(parents, other)
            if apart and jaccard(shingled[index], shingled[other]) >= threshold:
                low, high = sorted((_root(parents, index), _root(parents, other)))
                parents[high] = low
        index_of_bands.insert(index, minhash)
    return [_root(parents, index) for index in range(len(texts))]


def jaccard(first: set[str], second: set[str]) -> float:
    """Shared shingles over all shingles of the two."""
    return len(first & second) / len(first | second)


def _shingles(text: str) -> set[str]:
    found = words(text)
    return {" ".join(found[start : start + SHINGLE]) for start in range(max(1, len(found) - SHINGLE + 1))} - {""}


def _bands(threshold: float) -> int:
    """The fewest bands (a power of two) that miss a pair at the threshold less than once in a thousand."""
    for bands in (4, 8, 16, 32, 64):
        if (1 - threshold ** (PERMUTATIONS // bands)) ** bands < 1e-3:
            return bands
    return PERMUTATIONS


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index
