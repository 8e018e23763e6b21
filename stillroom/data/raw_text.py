"""Raw text for continued pretraining: documents without labels, none of which gives a test row away."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from hashlib import blake2b
from pathlib import Path
from typing import Any

from stillroom.data.reading import EMPTY, Rejected
from stillroom.data.rows import Row
from stillroom.data.sources import open_sources, refuse_faults
from stillroom.errors import UserError
from stillroom.files import write_jsonl
from stillroom.progress import Progress
from stillroom.recipe.model import Recipe

COPY = "copy of an earlier document"
LEAK = "shares a passage with a held-out row"
RUN = 13
"""Words in a row that two texts do not share by chance: the length that GPT-3's authors looked for (arXiv:2005.14165,
appendix C)."""
_WORD = re.compile(r"\w+")


def write_raw_text(recipe: Recipe, base: Path, out: Path, held_out: Iterable[Row]) -> dict[str, Any] | None:
    """Write pretrain.jsonl and pretrain_rejected.jsonl into `out` for a recipe with a pretrain section.

    held_out: the rows of validation and test; a document that shares RUN words in a row with one of them is left out.
    Returns counts for the data report, and None where the recipe has no such section. Raises UserError with every
    fault of the sources at once, or where no document is left.
    """
    if recipe.pretrain is None:
        return None
    sources = [
        source.model_copy(update={"label": None}) if hasattr(source, "label") else source
        for source in recipe.pretrain.sources
    ]
    readers = open_sources(sources, base, recipe.data.seed, recipe)
    refuse_faults(readers)
    secret = {run for row in held_out for run in _runs(row.text)}
    reasons: Counter[str] = Counter()
    rejected: list[Rejected] = []
    seen: set[bytes] = set()
    characters = 0

    def documents() -> Iterator[dict[str, Any]]:
        nonlocal characters
        for reader in readers:
            progress = Progress(f"Reading {reader.name}", reader.size())
            for item in reader.rows():
                result = _judge(item, seen, secret)
                if isinstance(result, Rejected):
                    reasons[result.reason] += 1
                    rejected.append(result)
                else:
                    characters += len(result.text)
                    yield {"id": result.id, "text": result.text, "source": result.source}
                progress.advance()

    count = write_jsonl(out / "pretrain.jsonl", documents())
    write_jsonl(out / "pretrain_rejected.jsonl", (item.as_dict() for item in rejected))
    if not count:
        raise UserError(
            "The pretrain section has no document to train on. What was read, and why it was left out, lies in "
            f"{out / 'pretrain_rejected.jsonl'}."
        )
    return {"documents": count, "characters": characters, "rejected": dict(reasons)}


def _judge(item: Row | Rejected, seen: set[bytes], secret: Set[bytes]) -> Row | Rejected:
    if isinstance(item, Rejected):
        return item
    if not item.text.strip():
        return Rejected(item, EMPTY)
    mark = _digest(item.text.split())
    if mark in seen:
        return Rejected(item, COPY)
    seen.add(mark)
    if secret and not secret.isdisjoint(_runs(item.text)):
        return Rejected(item, LEAK)
    return item


def _runs(text: str) -> Iterator[bytes]:
    """A digest of each run of RUN words; of a shorter text, none: it is no passage."""
    words = _WORD.findall(text.lower())
    return (_digest(words[begin : begin + RUN]) for begin in range(len(words) - RUN + 1))


def _digest(words: list[str]) -> bytes:
    return blake2b(" ".join(words).encode("utf-8", "surrogatepass"), digest_size=8).digest()
