"""Mojibake, control characters and decomposed letters, repaired by ftfy."""

import re
import unicodedata
from dataclasses import replace
from functools import lru_cache
from typing import Any

from stillroom.data.rows import Row

_NOTHING_TO_REPAIR = re.compile(r"[\n\t -%'-~]*")
"""Printable ASCII without the ampersand of an HTML entity: most English mail."""
# What some step of ftfy's may change, mojibake and decomposed letters apart: entities, controls and odd line ends,
# Latin ligatures, surrogates, and letters that are mojibake at the beginning of a line alone.
_MAY_NEED_REPAIR = re.compile(
    "[&\x00-\x08\x0b\x0c\x0d\x0e-\x1f\x7f-\x9fÂÃ\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\u2028\u2029"
    "\u206a-\u206f\ud800-\udfff\ufb00-\ufb06\ufeff\ufff9-\uffff]"
    "(?:(?<!&)|#?[0-9A-Za-z]{1,24};)"
)
_MAY_BE_BAD = re.compile("[\xa0-\u2fff\uf8ff](?:[\xa0-\u2fff\uf8ff]|(?<=[Œœ]))")
"""Mojibake is two such signs side by side, or one of which the pattern above knows; this is quicker than ftfy's own."""


def repair(row: Row) -> Row:
    """The row with its text and its label repaired, so that what the label quotes still stands in the text."""
    text, label = repair_text(row.text), _repair_value(row.label)
    return row if text == row.text and label == row.label else replace(row, text=text, label=label)


def repair_text(text: str) -> str:
    """Curly quotes and full-width signs stay: they are how people write German and Chinese."""
    if _NOTHING_TO_REPAIR.fullmatch(text):
        return text
    import ftfy
    from ftfy.badness import is_bad

    if (
        not _MAY_NEED_REPAIR.search(text)
        and unicodedata.is_normalized("NFC", text)
        and not (_MAY_BE_BAD.search(text) and is_bad(text))
    ):
        return text  # what ftfy would find out line by line

    # Repairing one layer of mojibake can lay bare another, and a control character that is dropped can join two halves.
    for _ in range(5):
        repaired = ftfy.fix_text(text, _config())
        if repaired == text:
            break
        text = repaired
    return text


@lru_cache(1)
def _config() -> Any:
    import ftfy

    return ftfy.TextFixerConfig(uncurl_quotes=False, fix_character_width=False, explain=False)


def _repair_value(value: Any) -> Any:
    if isinstance(value, str):
        return repair_text(value)
    if isinstance(value, list):
        return [_repair_value(inner) for inner in value]
    if isinstance(value, dict):
        return {key: _repair_value(inner) for key, inner in value.items()}
    return value
