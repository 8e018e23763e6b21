"""Test rows whose words stand in the training data too: a score on them tells what was remembered."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from stillroom.data.clean.text import split_words
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.recipe.cleaning import Contamination

CONTAMINATED = "its words stand in the train split"
_TOGETHER = 1000


def overlaps(test: Iterable[Row], train: Iterable[Row], words: int) -> NDArray[np.float64]:
    """For each test row the share of its runs of `words` words that some training row has; shape (test rows,).

    A shorter text is one run. Holds 17 bytes for each run of the test rows, and none of the training rows.
    """
    runs = [_runs(row.text, words) for row in test]
    known = np.unique(np.concatenate(runs)) if runs else np.empty(0, np.uint64)
    seen = np.zeros(len(known), bool)
    for some in _batches(_runs(row.text, words) for row in train):
        seen |= np.isin(known, some)
    return np.array([seen[np.searchsorted(known, own)].mean() for own in runs])


def without_contaminated(
    test: Sequence[Row], train: Iterable[Row], wanted: Contamination
) -> tuple[list[int], list[Rejected]]:
    """The places of the test rows that stay, and those that are left out with their share."""
    shares = overlaps(test, train, wanted.words)
    stay, left_out = [], []
    for place, share in enumerate(shares.tolist()):
        if share <= wanted.max_overlap:
            stay.append(place)
            continue
        said = f"{share:.0%} of its runs of {wanted.words} words, at most {wanted.max_overlap:.0%}"
        left_out.append(
            Rejected(test[place], CONTAMINATED, said, {"value": round(share, 4), "bound": wanted.max_overlap})
        )
    return stay, left_out


def _runs(text: str, words: int) -> NDArray[np.uint64]:
    import xxhash

    found = split_words(text)
    starts = range(max(1, len(found) - words + 1))
    runs = {
        xxhash.xxh3_64_intdigest(" ".join(found[start : start + words]).encode("utf-8", "surrogatepass"))
        for start in starts
    }
    return np.array(sorted(runs), np.uint64)


def _batches(parts: Iterable[NDArray[np.uint64]]) -> Iterator[NDArray[np.uint64]]:
    batch: list[NDArray[np.uint64]] = []
    for part in parts:
        batch.append(part)
        if len(batch) == _TOGETHER:
            yield np.concatenate(batch)
            batch = []
    if batch:
        yield np.concatenate(batch)
