"""The contents of the report's part on data, as plain values for the templates."""

import heapq
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Any

from stillroom.data.clean.unique import CLUSTERS
from stillroom.data.report import NOT_STATED
from stillroom.files import read_json, read_jsonl
from stillroom.report import data_charts
from stillroom.report.run import Json
from stillroom.report.sections import drawn
from stillroom.report.words import human


def data(report: Json) -> Json:
    """What went in, what was dropped on the way, and how the rest was split.

    Languages are among it where every row says its own.
    """
    splits = report["splits"]
    read = sum(source["read"] for source in report["sources"])
    used = sum(split["rows"] for split in splits.values())
    dropped = dict(sorted(report["dropped"].items(), key=lambda item: -item[1]))
    scale = max(read, used + sum(dropped.values()), 1)
    unnamed = read - used - sum(dropped.values())
    losses = [(human(reason), count) for reason, count in dropped.items() if count]
    losses += [("Not drawn into the sample", unnamed)] if unnamed > 0 else []
    bars: list[Json] = [{"label": "Read", "count": read, "offset": 0.0, "width": read / scale, "kind": "total"}]
    left = max(read, used + sum(dropped.values()))
    for label, count in losses:
        left -= count
        bars.append({"label": label, "count": -count, "offset": left / scale, "width": count / scale, "kind": "drop"})
    starts = accumulate((split["rows"] for split in splits.values()), initial=0)
    for (name, split), start in zip(splits.items(), starts, strict=False):
        width = split["rows"] / scale
        bars.append(
            {"label": human(name), "count": split["rows"], "offset": start / scale, "width": width, "kind": "kept"}
        )
    classes = sorted({name for split in splits.values() for name in split["classes"]})
    return {
        "sources": report["sources"],
        "read": read,
        "used": used,
        "bars": bars,
        "examples": {human(reason): found for reason, found in report.get("dropped_examples", {}).items() if found},
        "splits": splits,
        "classes": [] if classes == ["text"] else classes,  # a task without classes counts all rows as "text"
        "split_sources": sorted({name for split in splits.values() for name in split["sources"]}),
        "duplicates": report.get("duplicates") or {},
        "languages": {} if NOT_STATED in (report.get("languages") or {}) else report.get("languages") or {},
        "masked": report.get("masked") or {},
        "notes": report.get("notes") or [],
    }


def figures(found: Json | None, folder: Path | None) -> Json | None:
    """Lengths, variety, map, and what people and a teacher said of the data in `folder`; None without statistics."""
    if not found or not found["lengths"]["bins"]:
        return None
    lengths, plane = found["lengths"], found["map"]
    classes = [name for name, _ in Counter(point["class"] for point in (plane or {}).get("points", [])).most_common()]
    coloured = classes[: len(data_charts.COLOURS)]
    return {
        "rows": found["rows"],
        "looked_at": found["looked_at"],
        "lengths": lengths,
        "lengths_figure": drawn("lengths", lambda name, width: data_charts.lengths(name, width, lengths)),
        "read": found.get("read"),
        "languages": found.get("languages") or {},
        "personal": found.get("personal"),
        "variety": found["variety"],
        "map": plane,
        "map_figure": plane
        and drawn("map", lambda name, width: data_charts.plane(name, width, plane["points"], coloured)),
        "coloured": [] if classes == ["text"] else list(zip(coloured, data_charts.COLOURS, strict=False)),
        "others": len(classes) > len(coloured),
        "clusters": _largest_clusters(folder),
        "review": _optional(folder, "review.json"),
        "teachers": _optional(folder, "teacher.json") or [],
    }


def _largest_clusters(folder: Path | None) -> list[Json]:
    path = folder / CLUSTERS if folder else None
    return heapq.nlargest(5, read_jsonl(path), key=lambda one: one["size"]) if path and path.is_file() else []


def _optional(folder: Path | None, name: str) -> Any:
    return read_json(folder / name) if folder and (folder / name).is_file() else None
