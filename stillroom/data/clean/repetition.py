"""Texts that repeat themselves: shares of repeated lines and runs of words, as Gopher's filter takes them."""

from collections import Counter

from stillroom.data.clean.text import split_words
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


def _shares(text: str, bounds: Repetition) -> list[tuple[str, float, float]]:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    repeated = [line for line, count in Counter(lines).items() for _ in range(count - 1)]
    shares: list[tuple[str, float, float]] = []
    if lines:
        characters = sum(map(len, lines))
        shares = [
            ("duplicate lines", len(repeated) / len(lines), bounds.duplicate_lines),
            ("characters in duplicate lines", sum(map(len, repeated)) / characters, bounds.duplicate_line_characters),
        ]
    words = split_words(text)
    if len(words) < bounds.min_words:
        return shares
    total = sum(map(len, words))
    for size, bound in enumerate(bounds.top_ngrams, start=2):
        shares.append((f"characters in the commonest run of {size} words", _top(words, size, total), bound))
    for size, bound in enumerate(bounds.duplicate_ngrams, start=5):
        shares.append((f"characters in repeated runs of {size} words", _repeated(words, size, total), bound))
    return shares


def _top(words: list[str], size: int, total: int) -> float:
    """Share of the characters in the commonest run of `size` words; 0 where none comes twice."""
    counts = Counter(zip(*(words[start:] for start in range(size)), strict=False))
    run, count = max(counts.items(), key=lambda item: item[1] * sum(map(len, item[0])) if item[1] > 1 else 0)
    return min(1.0, count * sum(map(len, run)) / total) if count > 1 else 0.0


def _repeated(words: list[str], size: int, total: int) -> float:
    """Share of the characters in words that lie in a run of `size` words which stood before; each counts once."""
    seen: set[tuple[str, ...]] = set()
    characters = covered = 0
    for start, run in enumerate(zip(*(words[step:] for step in range(size)), strict=False)):
        if run in seen:
            characters += sum(map(len, words[max(start, covered) : start + size]))
            covered = start + size
        else:
            seen.add(run)
    return characters / total
