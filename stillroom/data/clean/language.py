"""Texts in other languages than the recipe's, told by py3langid."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from stillroom.data.reading import Rejected
from stillroom.data.rows import Row

OTHER_LANGUAGE = "in another language"
ENOUGH = 500
"""Characters that tell the language as well as the whole text does."""


def language(row: Row, wanted: Sequence[str], least: float) -> Row | Rejected:
    """The row with its language in meta, or its rejection where the wanted ones together are too unlikely."""
    likely = _identifier().rank(row.text[:ENOUGH])
    probability = float(sum(share for code, share in likely if code in wanted))
    best, share = str(likely[0][0]), float(likely[0][1])
    if probability < least:
        said = f"{best} ({share:.2f}); {', '.join(wanted)} {probability:.2f}, at least {least:g}"
        return Rejected(row, OTHER_LANGUAGE, said, {"value": round(probability, 4), "bound": least})
    return row if "language" in row.meta else replace(row, meta={**row.meta, "language": best})


@lru_cache(1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
