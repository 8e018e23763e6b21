"""Texts that repeat themselves: shares of repeated lines and runs of words, as Gopher's filter takes them."""

from collections import Counter
from collections.abc import Iterator, Sequence

from stillroom.data.clean.text import words_of
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.recipe.cleaning import Repetition

REPEATS = "the text repeats itself"


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
    for size, bound in enumerate(bounds.top_ngrams, start=2):
        share = _top(words, size, total)
        if not share:  # what comes once comes once with more words, too
            return
        yield f"characters in the commonest run of {size} words", share, bound
    for size, bound in enumerate(bounds.duplicate_ngrams, start=5):
        share = _repeated(words, size, total)
        if not share:
            return
        yield f"characters in repeated runs of {size} words", share, bound


def _top(words: Sequence[str], size: int, total: int) -> float:
    """Share of the characters in the commonest run of `size` words; 0 where none comes twice."""
    counts = Counter(zip(*(words[start:] for start in range(size)), strict=False))
    most = max((count * sum(map(len, run)) for run, count in counts.items() if count > 1), default=0)
    return min(1.0, most / total)


def _repeated(words: Sequence[str], size: int, total: int) -> float:
    """Share of the characters in words that lie in a run of `size` words which stood before; each counts once."""
    runs = list(zip(*(words[step:] for step in range(size)), strict=False))
    if len(set(runs)) == len(runs):
        return 0.0
    seen: set[tuple[str, ...]] = set()
    characters = covered = 0
    for start, run in enumerate(runs):
        if run in seen:
            characters += sum(map(len, words[max(start, covered) : start + size]))
            covered = start + size
        else:
            seen.add(run)
    return characters / total
