"""Whether a text is new: how like it is to the most similar text so far, by its words (ROUGE-L) or its meaning."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

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


class MeaningPool(Pool):
    """The same by the cosine of embeddings: it knows a text in other words too. UserError without its model."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        from stillroom.data.clean import semantic

        semantic.load()
        self._vectors: list[NDArray[np.float32]] = []
        super().__init__(texts)

    def add(self, text: str) -> None:
        """Hold later texts against this one too."""
        self._texts.append(text)
        self._vectors.append(_vector(text))

    def nearest(self, text: str) -> tuple[float, str]:
        """The highest cosine of a text with one of the pool, and that one; (0, "") where the pool is empty."""
        if not self._texts:
            return 0.0, ""
        cosines = np.stack(self._vectors) @ _vector(text)
        best = int(cosines.argmax())
        return float(cosines[best]), self._texts[best]


def _vector(text: str) -> NDArray[np.float32]:
    from stillroom.data.clean.semantic import encode

    return np.asarray(encode([text])[0], np.float32)


def likeness(one: str, other: str) -> float:
    """ROUGE-L of two texts."""
    return Pool([one]).nearest(other)[0]
