"""The benchmarks page's part about data: what `python -m benchmarks.data` left."""

import json

from benchmarks.data import RESULTS, table

ABOUT = (
    "One corpus of documents of random words, a tenth of them edited copies of another, so that every near "
    "duplicate is known; a pair counts from a Jaccard similarity of 0.8 of runs of three words. All contenders "
    "look for it by MinHash on both cores, from the file on disk to the clusters on disk, start-up included; they "
    "take turns, Stillroom first and last. Stillroom checks its candidates exactly, the others take what their "
    "hashes say. The clean chain is `prepare` with every step that needs no model, for generated e-mails in "
    "English, German and Chinese of which every fifth holds personal data: read from one file, repaired, "
    "boilerplate counted and removed, masked, judged, without near duplicates, split and written. Memory is the "
    "largest sum of what all processes hold, shared pages once. Personal data is counted right only where kind, "
    "beginning and end are. `make bench-data` makes these tables."
)

NAMES = {"near": "Near duplicates", "chain": "Clean chain", "pii": "Personal data"}


def data() -> list[str]:
    """Paragraphs of Markdown; none where nothing was measured."""
    if not RESULTS.exists():
        return []
    results = json.loads(RESULTS.read_text())
    parts: dict[str, list[str]] = {}
    for name, part in results.items():
        parts.setdefault(part["machine"], []).append(NAMES[name])
    machines = [f"{', '.join(names)}: {machine}" for machine, names in parts.items()]
    return ["## Data", *machines, ABOUT, table(results)]
