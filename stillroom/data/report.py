"""What went into the data and what was left out: the content of data_report.json."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from stillroom.data.balance import originals
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.data.split import class_of

EXAMPLES = 3
EXAMPLE_CHARACTERS = 200
NOT_STATED = "not stated"


@dataclass
class Tally:
    """Counts that are taken while the sources are read and cleaned."""

    read: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejected] = field(default_factory=list)
    cut: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def reasons(self) -> dict[str, int]:
        """How many rows were left out for each reason, the commonest first."""
        return dict(Counter(item.reason for item in self.rejected).most_common())

    def examples(self) -> dict[str, list[dict[str, str]]]:
        """Up to three rows for each reason."""
        found: dict[str, list[dict[str, str]]] = defaultdict(list)
        for item in self.rejected:
            if len(found[item.reason]) < EXAMPLES:
                line = item.as_dict()
                found[item.reason].append({"id": line["id"], "text": line["text"][:EXAMPLE_CHARACTERS]})
        return dict(found)


def data_report(
    tally: Tally, splits: dict[str, list[Row]], clusters: list[int], exact: int, schema: dict[str, Any] | None
) -> dict[str, Any]:
    """The report as JSON values. `clusters` holds the cluster of every kept row."""
    rows = [row for part in splits.values() for row in part]
    kept = Counter(row.source for row in originals(rows))
    sizes = Counter(clusters)
    return {
        "sources": [{"source": name, "read": read, "kept": kept[name]} for name, read in tally.read.items()],
        "dropped": tally.reasons(),
        "dropped_examples": tally.examples(),
        "splits": {
            name: {
                "rows": len(part),
                "classes": _counts(class_of(row, schema) for row in part),
                "sources": _counts(row.source for row in part),
            }
            for name, part in splits.items()
        },
        "languages": _counts(str(row.meta.get("language", NOT_STATED)) for row in originals(rows)),
        "duplicates": {"exact": exact, "near_clusters": sum(size > 1 for size in sizes.values())},
        "notes": tally.notes,
    }


def _counts(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
