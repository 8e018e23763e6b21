"""One example of a task, and how it is stored: a JSON object a line."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stillroom.files import read_jsonl, write_jsonl


@dataclass(frozen=True, slots=True)
class Row:
    """An input text and its gold answer.

    `label` is the answer as a value (a dict for a schema task, a string for free text) or None where nobody gave
    one. `source` names where the row came from; scores are kept apart by it. `meta` holds facts about the row that
    training never sees (language, style, the person's label). `weight` is what the row counts in SFT's loss.
    """

    id: str
    text: str
    label: Any
    source: str
    meta: dict[str, Any] = field(default_factory=dict)
    weight: float = 1.0


def read_rows(path: Path) -> list[Row]:
    """Read rows that `write_rows` wrote."""
    return [Row(**row) for row in read_jsonl(path)]


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write the rows, whole or not at all; returns their number."""
    return write_jsonl(path, (asdict(row) for row in rows))
