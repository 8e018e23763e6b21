"""What every source gives: rows, or what a row would have been and why it is none."""

import json
import math
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

from stillroom.data.rows import Row

UNDECODABLE = "undecodable bytes"
EMPTY = "empty text"
NO_WEIGHT = "the weight is not a number of 0 or more"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is left out. `reason` is one of a few short sentences, so that they can be counted; `detail` is
    what is wrong with this very row. `numbers` are what was measured: the "value" and the "bound" that it broke."""

    row: Row
    reason: str
    detail: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The line of rejected.jsonl: the row's fields, as Python shows them where JSON cannot hold them, the whole
        reason, and the numbers where there are any."""
        line = {field.name: getattr(self.row, field.name) for field in fields(self.row)}
        line["reason"] = f"{self.reason}: {self.detail}" if self.detail else self.reason
        if self.numbers:
            line["numbers"] = dict(self.numbers)
        if not unwritable(line):
            return line
        return {name: _shown(value) if unwritable(value) else value for name, value in line.items()}


class Reader(Protocol):
    """One source of the recipe, opened."""

    name: str
    notes: list[str]

    def faults(self) -> list[str]:
        """What the user must put right before anything can be read; empty when all is well."""

    def size(self) -> int:
        """About how many items `rows` will give; for the progress bar alone."""

    def rows(self) -> Iterator[Row | Rejected]:
        """The rows, their labels still as they stand in the source."""


def undecodable(id: str, source: str, data: bytes, detail: str = "") -> Rejected:
    """Reject bytes that are no text; the first 200 are kept, as Python shows them."""
    return Rejected(Row(id, repr(data[:200]), None, source), UNDECODABLE, detail)


def with_weight(row: Row, cell: Any, column: str) -> Row | Rejected:
    """The row with the weight that its cell holds; an empty cell counts 1, and what is no weight rejects the row."""
    if cell is None or cell == "":
        return row
    try:
        weight = math.nan if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError):
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        return Rejected(row, NO_WEIGHT, f"{cell!r} in column {column}")
    return replace(row, weight=weight)


_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def unwritable(value: Any) -> str:
    """Why a value cannot be written as JSON (NaN, a date, half a surrogate pair); "" when it can."""
    try:
        (value if isinstance(value, str) else _JSON.encode(value)).encode()
    except RecursionError:
        return "nested too deep"
    except UnicodeEncodeError:
        return "half a surrogate pair"
    except (TypeError, ValueError) as error:
        return str(error)
    return ""


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except RecursionError:
        return reprlib.repr(value)
