"""What went into the data and what was left out: the content of data_report.json."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from stillroom.data.balance import originals
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.data.split import class_of

EXAMPLES = 3
EXAMPLE_CHARACTERS = 200
NOT_STATED = "not stated"


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


def data_report(
    tally: Tally, splits: Mapping[str, Sequence[Row]], duplicates: dict[str, int], schema: dict[str, Any] | None
) -> dict[str, Any]:
    """The report as JSON values; it looks at each row of the splits once. `duplicates` are counts by kind."""
    kept: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    shapes: dict[str, Any] = {}
    for name, part in splits.items():
        classes: Counter[str] = Counter()
        sources: Counter[str] = Counter()
        for row in part:
            classes[class_of(row, schema)] += 1
            sources[row.source] += 1
            if originals([row]):
                kept[row.source] += 1
                languages[str(row.meta.get("language", NOT_STATED))] += 1
        shapes[name] = {"rows": len(part), "classes": _sorted(classes), "sources": _sorted(sources)}
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
