"""Texts that repeat themselves: shares of repeated lines and runs of words, as Gopher's filter takes them."""

from collections import Counter
from collections.abc import Iterator

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
        again, runs = _repeated(words, size, again)
        if not again:  # what comes once comes once with more words, too
            return
        yield f"characters in the commonest run of {size} words", min(1.0, _commonest(runs) / total), bound
    for size, bound in enumerate(bounds.duplicate_ngrams, start=5):
        again, _ = _repeated(words, size, again)
        if not again:
            return
        yield f"characters in repeated runs of {size} words", _covered(words, size, again) / total, bound


def _repeated(words: Words, size: int, places: list[int]) -> tuple[list[int], Counter[Words]]:
    """Where the runs of `size` words begin that come more than once, and how often each run comes.

    `places` are all at which one may begin.
    """
    runs = [words[place : place + size] for place in places if place + size <= len(words)]
    counts = Counter(runs)
    if len(counts) == len(runs):
        return [], counts
    return [place for place, run in zip(places, runs, strict=False) if counts[run] > 1], counts


def _commonest(runs: Counter[Words]) -> int:
    """Characters of the commonest run, each time it comes."""
    return max(count * sum(map(len, run)) for run, count in runs.items() if count > 1)


def _covered(words: Words, size: int, places: list[int]) -> int:
    """Characters in runs that stood before; each counts once. `places` are where the runs begin that come again."""
    characters = covered = 0
    known: set[Words] = set()
    for start in places:
        run = words[start : start + size]
        if run not in known:
            known.add(run)
            continue
        characters += sum(map(len, words[max(start, covered) : start + size]))
        covered = start + size
    return characters
