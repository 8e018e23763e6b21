"""Texts that are more signs than words: number signs, ellipses, bullets and words without a letter."""

from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.recipe.cleaning import Symbols

MORE_SIGNS = "more signs than words"
_BULLETS = frozenset("•‣▶◦■□*-·")


def symbols(row: Row, bounds: Symbols) -> Row | Rejected:
    """The row, or its rejection with the first share that is beyond its bound."""
    text = row.text
    words = text.split()
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not words:
        return row
    signs = (text.count("#") + text.count("...") + text.count("…")) / len(words)
    bullets = sum([line[0] in _BULLETS for line in lines]) / len(lines)
    trailing = sum([line.endswith(("...", "…")) for line in lines]) / len(lines) if signs else 0.0
    alphabetic = sum([word[0].isalpha() or any(map(str.isalpha, word)) for word in words]) / len(words)
    for name, share, bound, least in (
        ("number signs and ellipses a word", signs, bounds.symbols_per_word, False),
        ("lines with a bullet", bullets, bounds.bullet_lines, False),
        ("lines that end with an ellipsis", trailing, bounds.ellipsis_lines, False),
        ("words with a letter", alphabetic, bounds.alphabetic_words, True),
    ):
        if share < bound if least else share > bound:
            said = f"{name} {share:.2f}, at {'least' if least else 'most'} {bound:g}"
            return Rejected(row, MORE_SIGNS, said, {"value": round(share, 4), "bound": bound})
    return row
