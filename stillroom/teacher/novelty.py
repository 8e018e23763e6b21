"""Whether a text is new: how like it is to the most similar text so far, by ROUGE-L."""

from collections.abc import Iterable

from stillroom.evaluate.text_metrics import tokens


class Pool:
    """Texts that new ones are held against."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts: list[str] = []
        self._tokens: list[list[str]] = []
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Hold later texts against this one too."""
        self._texts.append(text)
        self._tokens.append(tokens(text))

    def nearest(self, text: str) -> tuple[float, str]:
        """The highest ROUGE-L of a text with one of the pool, and that one; (0, "") where the pool is empty."""
        from rapidfuzz import process
        from rapidfuzz.distance import Indel

        # ROUGE-L's F is 2 × LCS / (both lengths), and that is what Indel calls its normalised similarity.
        found = process.extractOne(tokens(text), self._tokens, scorer=Indel.normalized_similarity, processor=None)
        return (0.0, "") if found is None else (float(found[1]), self._texts[found[2]])


def likeness(one: str, other: str) -> float:
    """ROUGE-L of two texts."""
    return Pool([one]).nearest(other)[0]
