"""One example of a task, and how it is stored: a JSON object a line."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from stillroom.files import read_jsonl, whole_file

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


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

    def __reduce__(self) -> tuple[Any, ...]:
        # Rows travel between processes; what dataclasses would do for frozen slots takes three times as long.
        return Row, (self.id, self.text, self.label, self.source, self.meta, self.weight)

    def line(self) -> str:
        """The row as JSON on one line. Raises ValueError for what JSON cannot hold."""
        return _JSON.encode({name: getattr(self, name) for name in NAMES})


NAMES = tuple(field.name for field in fields(Row))


def read_rows(path: Path) -> list[Row]:
    """Read rows that `write_rows` wrote."""
    return [Row(**row) for row in read_jsonl(path)]


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write the rows, whole or not at all; returns their number."""
    count = 0
    with whole_file(path) as stream:
        for row in rows:
            stream.write(row.line().encode() + b"\n")
            count += 1
    return count
