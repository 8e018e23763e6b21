"""Noise as people and scanners make it: typing errors and misread letters. No teacher is needed, only chance.

What the label says must still be read in the text, so the words that a label repeats are left alone, and so are digits
where the label may follow from them.
"""

import random
import re
from collections.abc import Iterable
from typing import Literal

Noise = Literal["typos", "ocr"]

_NEIGHBOURS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl",
    "p": "ol",
    "a": "qsz", "s": "awdx", "d": "sefc", "f": "drgv", "g": "fthb", "h": "gyjn", "j": "hukm", "k": "jil", "l": "ko",
    "z": "asx", "x": "zsdc", "c": "xdfv", "v": "cfgb", "b": "vghn", "n": "bhjm", "m": "njk",
}  # fmt: skip
_MISREAD = (
    ("rn", "m"), ("m", "rn"), ("cl", "d"), ("d", "cl"), ("vv", "w"), ("w", "vv"), ("li", "h"), ("l", "1"), ("I", "l"),
    ("O", "0"), ("o", "0"), ("e", "c"), ("S", "5"), ("B", "8"), ("g", "9"), ("Z", "2"), ("ü", "ii"), ("ö", "o"),
    ("ä", "a"),
)  # fmt: skip
_MISREAD_DIGITS = (("1", "l"), ("0", "O"), ("5", "S"), ("8", "B"))


def add_noise(
    text: str, noise: Noise, rng: random.Random, keep: Iterable[str], digits: bool, share: float = 0.03
) -> str:
    """The text with about `share` of its letters changed, at least one where there is any that may be.

    `keep` are words that stay as they are; `digits` says whether digits may change too.
    """
    places = [
        (start, end, new) for start, end, new in _changes(text, noise, rng, digits) if not _kept(text, keep, start, end)
    ]
    wanted = max(1, round(share * sum(letter.isalnum() for letter in text)))
    rng.shuffle(places)
    chosen: list[tuple[int, int, str]] = []
    for start, end, new in places:
        if len(chosen) == wanted:
            break
        if all(end <= other[0] or start >= other[1] for other in chosen):
            chosen.append((start, end, new))
    for start, end, new in sorted(chosen, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def spans(text: str, words: Iterable[str]) -> list[tuple[int, int]]:
    """Where the words stand in the text, whatever their case."""
    return [
        match.span() for word in words if word.strip() for match in re.finditer(re.escape(word), text, re.IGNORECASE)
    ]


def _kept(text: str, keep: Iterable[str], start: int, end: int) -> bool:
    return any(start < last and end > first for first, last in spans(text, keep))


def _changes(text: str, noise: Noise, rng: random.Random, digits: bool) -> list[tuple[int, int, str]]:
    """Every change that could be made: from, to, and what is put there."""
    if noise == "ocr":
        pairs = [*_MISREAD, *(_MISREAD_DIGITS if digits else ())]
        return [(match.start(), match.end(), new) for old, new in pairs for match in re.finditer(re.escape(old), text)]
    changes = []
    # Inside words of four letters and more: a slip in a shorter one often makes another word of it.
    for word in re.finditer(r"[^\W\d_]{4,}", text):
        for place in range(word.start() + 1, word.end() - 1):
            one, two = text[place], text[place + 1]
            slips = ["", one + one, *(_NEIGHBOURS.get(one, ""))]
            changes.append((place, place + 1, rng.choice(slips)))
            if one != two and place + 1 < word.end() - 1:
                changes.append((place, place + 2, two + one))
    return changes
