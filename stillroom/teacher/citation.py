"""Whether a citation is in a text, and where: word for word, but for white space, quotation marks and Markdown."""

import re
import unicodedata

from stillroom.evaluate.text_metrics import tokens

FEWEST_WORDS = 3
"""A citation of one or two words proves nothing."""

_SAME = str.maketrans({
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "`": "",
    "–": "-", "—": "-", "‑": "-", "‐": "-", "−": "-", "*": "", "_": "", "\u00ad": "",
})  # fmt: skip


def find_citation(text: str, citation: str) -> tuple[int, int] | None:
    """Where the citation stands in the text, from and to; None where it does not, or is too short to prove anything."""
    if len(tokens(citation)) < FEWEST_WORDS:
        return None
    wanted = _folded(citation)[0].strip()
    folded, places = _folded(text)
    start = folded.find(wanted)
    if start < 0 or not wanted:
        return None
    return places[start], places[start + len(wanted) - 1] + 1


def cited_sentences(text: str) -> list[str]:
    """The sentences and lines of a text that are long enough to prove something, each once, in order."""
    parts = re.split(r"(?<=[.!?])\s+|(?<=[。！？])|\n+", text)
    return list(dict.fromkeys(part.strip() for part in parts if len(tokens(part)) >= FEWEST_WORDS and len(part) <= 400))


def _folded(text: str) -> tuple[str, list[int]]:
    """The text as it is compared, and for each of its characters the place that it came from."""
    letters: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text):
        for one in unicodedata.normalize("NFKC", letter).casefold().translate(_SAME):
            if one.isspace():
                if letters and letters[-1] == " ":
                    continue
                one = " "
            letters.append(one)
            places.append(place)
    return "".join(letters), places
