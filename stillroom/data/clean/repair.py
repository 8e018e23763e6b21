"""Mojibake, control characters and decomposed letters, repaired by ftfy."""

import re
from dataclasses import replace
from functools import lru_cache
from typing import Any

from stillroom.data.rows import Row

_NOTHING_TO_REPAIR = re.compile(r"[\n\t -%'-~]*")
"""Printable ASCII without the ampersand of an HTML entity: most English mail."""


def repair(row: Row) -> Row:
    """The row with its text and its label repaired, so that what the label quotes still stands in the text."""
    text, label = repair_text(row.text), _repair_value(row.label)
    return row if text == row.text and label == row.label else replace(row, text=text, label=label)


def repair_text(text: str) -> str:
    """Curly quotes and full-width signs stay: they are how people write German and Chinese."""
    if _NOTHING_TO_REPAIR.fullmatch(text):
        return text
    import ftfy

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
