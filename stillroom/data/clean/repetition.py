"""Texts that repeat themselves: shares of repeated lines and runs of words, as Gopher's filter takes them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from stillroom.data.clean.text import words_of
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.recipe.cleaning import Repetition

REPEATS = "the text repeats itself"
Words = tuple[str, ...]


def repetition(row: Row, bounds: Repetition) -> Row | Rejected:
    """The row, or its rejection with the first share that is beyond its bound."""
    for name, share, bound in _shares(row.text, bounds):
        if share > bound:
            said = f"{name} {share:.2f}, at most {bound:g}"
            return Rejected(row, REPEATS, said, {"value": round(share, 4), "bound": bound})
    return row


def _shares(text: str, bounds: Repetition) -> Iterator[tuple[str, float, float]]:
    """What may be beyond its bound; a share of 0 is left out."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if len(set(lines)) < len(lines):
        repeated = [line for line, count in Counter(lines).items() for _ in range(count - 1)]
        characters = sum(map(len, lines))
        yield "duplicate lines", len(repeated) / len(lines), bounds.duplicate_lines
        yield (
            "characters in duplicate lines",
            sum(map(len, repeated)) / characters,
            bounds.duplicate_line_characters,
        )
    words = words_of(text)
    if len(words) < bounds.min_words:
        return
    total = sum(map(len, words))
    counts = Counter(words)
    again = [place for place, word in enumerate(words) if counts[word] > 1]
    for size, bound in enumerate(bounds.top_ngrams, start=2):
        runs = _repeated(words, size, again)
        if not runs:  # what comes once comes once with more words, too
            return
        again = sorted(chain.from_iterable(runs.values()))
        yield f"characters in the commonest run of {size} words", min(1.0, _commonest(runs) / total), bound
    for size, bound in enumerate(bounds.duplicate_ngrams, start=5):
        runs = _repeated(words, size, again)
        if not runs:
            return
        again = sorted(chain.from_iterable(runs.values()))
        yield f"characters in repeated runs of {size} words", _covered(words, size, runs) / total, bound


def _repeated(words: Words, size: int, places: Iterable[int]) -> dict[Words, list[int]]:
    """Where the runs of `size` words begin that come more than once; `places` are all at which one may begin."""
    found: dict[Words, list[int]] = defaultdict(list)
    for place in places:
        if place + size <= len(words):
            found[words[place : place + size]].append(place)
    return {run: begins for run, begins in found.items() if len(begins) > 1}


def _commonest(runs: Mapping[Words, list[int]]) -> int:
    """Characters of the commonest run, each time it comes."""
    return max(len(begins) * sum(map(len, run)) for run, begins in runs.items())


def _covered(words: Words, size: int, runs: Mapping[Words, list[int]]) -> int:
    """Characters in runs that stood before; each counts once."""
    characters = covered = 0
    for start in sorted(place for begins in runs.values() for place in begins[1:]):
        characters += sum(map(len, words[max(start, covered) : start + size]))
        covered = start + size
    return characters
