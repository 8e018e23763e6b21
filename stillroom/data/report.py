"""What went into the data and what was left out: the content of data_report.json."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

from stillroom.data.balance import COPY_OF
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.data.split import class_of

EXAMPLES = 3
EXAMPLE_CHARACTERS = 200
NOT_STATED = "not stated"


class Kind(NamedTuple):
    """What rows are counted by; copies are what up-sampling made."""

    source: str
    class_name: str
    language: str
    copy: bool


def kind_of(row: Row, schema: dict[str, Any] | None) -> Kind:
    """The kind of one row."""
    language = str(row.meta.get("language", NOT_STATED))
    return Kind(row.source, class_of(row, schema), language, COPY_OF in row.meta)


class Tally:
    """Counts that are taken while the sources are read and cleaned; what is left out goes to a file at once."""

    def __init__(self, rejected: BinaryIO) -> None:
        self.read: Counter[str] = Counter()
        self.cut: Counter[str] = Counter()
        self.notes: list[str] = []
        self.first_detail = ""
        self.masked: Counter[str] = Counter()
        self.personal_ids = 0
        self._rejected = rejected
        self._reasons: Counter[str] = Counter()
        self._examples: dict[str, list[dict[str, str]]] = defaultdict(list)

    def reject(self, item: Rejected) -> None:
        """Write a line of rejected.jsonl, count its reason and keep the first few rows of each as examples."""
        line = item.as_dict()
        self._rejected.write(json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        self._reasons[item.reason] += 1
        if len(self._examples[item.reason]) < EXAMPLES:
            self._examples[item.reason].append({"id": line["id"], "text": line["text"][:EXAMPLE_CHARACTERS]})
        if item.detail and not self.first_detail:
            self.first_detail = f"For example {line['id']}: {item.detail}"

    def reasons(self) -> dict[str, int]:
        """How many rows were left out for each reason, the commonest first."""
        return dict(self._reasons.most_common())

    def examples(self) -> dict[str, list[dict[str, str]]]:
        """Up to three rows for each reason."""
        return dict(self._examples)


def data_report(tally: Tally, splits: Mapping[str, Counter[Kind]], duplicates: dict[str, int]) -> dict[str, Any]:
    """The report as JSON values. `splits` are counts of rows by kind, `duplicates` are counts by kind of duplicate."""
    kept: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    shapes: dict[str, Any] = {}
    for name, kinds in splits.items():
        classes: Counter[str] = Counter()
        sources: Counter[str] = Counter()
        for kind, count in kinds.items():
            classes[kind.class_name] += count
            sources[kind.source] += count
            if not kind.copy:
                kept[kind.source] += count
                languages[kind.language] += count
        shapes[name] = {"rows": kinds.total(), "classes": _sorted(classes), "sources": _sorted(sources)}
    return {
        "sources": [{"source": name, "read": read, "kept": kept[name]} for name, read in tally.read.items()],
        "dropped": tally.reasons(),
        "dropped_examples": tally.examples(),
        "splits": shapes,
        "languages": _sorted(languages),
        "duplicates": duplicates,
        **({"masked": _sorted(tally.masked)} if tally.masked else {}),
        "notes": tally.notes,
    }


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
