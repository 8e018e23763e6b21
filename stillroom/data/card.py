"""The data card: a Markdown page beside the data that says what it is, where it came from and how to load it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stillroom.data.versions import CARD
from stillroom.files import write_text
from stillroom.recipe.model import Recipe

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(folder: Path, recipe: Recipe, report: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Write the card into the data folder. Hugging Face's `datasets` reads its head and finds the splits by it."""
    write_text(folder / CARD, card(recipe, report, manifest))


def card(recipe: Recipe, report: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """The card as text."""
    splits = {name: split for name, split in report["splits"].items() if split["rows"]}
    rows = sum(split["rows"] for split in splits.values())
    size = next((name for bound, name in _SIZES if rows < bound), "n>1M")
    head = ["---", f"pretty_name: {recipe.name}", f"size_categories: [{size}]"]
    languages = sorted(code for code in report.get("languages", {}) if len(code) == 2 and code.isalpha())
    head += [f"language: [{', '.join(languages)}]"] if languages else []
    head += ["configs:", "  - config_name: default", "    data_files:"]
    head += [f"      - {{split: {name}, path: {name}.jsonl}}" for name in splits]
    read = sum(source["read"] for source in report["sources"])
    lines = [
        *[*head, "---", ""],
        *[f"# {recipe.name}", ""],
        f"Version {manifest['version']}, made by Stillroom {manifest['stillroom']} from a recipe, "
        f"seed {recipe.data.seed}. Of {read:,} rows read, {rows:,} are used.",
        *["", "## The task", "", *(f"> {line}".rstrip() for line in recipe.instruction.strip().splitlines())],
        *["", "## Where it came from", ""],
        *_table(("source", "read", "kept"), [(s["source"], s["read"], s["kept"]) for s in report["sources"]]),
        *["", "## Splits", ""],
        *_table(
            ("split", "rows", "classes"),
            [(name, split["rows"], _counts(split["classes"])) for name, split in splits.items()],
        ),
        *["", "Near duplicates never lie in two splits.", ""],
        *["## What was left out", ""],
        *(_table(("reason", "rows"), list(report["dropped"].items())) if report["dropped"] else ["Nothing."]),
    ]
    if report.get("masked"):
        lines += ["", "## Personal data", "", f"Found and masked: {_counts(report['masked'])}."]
    lines += ["", "## Good to know", ""]
    lines += [f"- {' '.join(note.split())}" for note in report.get("notes", [])] or ["- Nothing was noted."]
    lines += [
        "- Labels are as their sources gave them, unless `review.json` lies beside this page: then people saw some.",
        *["", "## Loading it", "", "```python", "from datasets import load_dataset", ""],
        *['data = load_dataset("PATH OF THIS FOLDER")', "```", ""],
        "Each row has `id`, `text`, `label`, `source` and `meta`. `manifest.json` has the sha256 of each file and of "
        "what they were made from; `rejected.jsonl` has every row that was left out, with its reason.",
        "",
    ]
    return "\n".join(lines)


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    cells = [tuple(f"{cell:,}" if isinstance(cell, int) else _plain(str(cell)) for cell in row) for row in rows]
    rule = "|".join(["", *("---:" if isinstance(cell, int) else "---" for cell in rows[0]), ""]) if rows else ""
    return [f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(row)} |" for row in cells)]


def _counts(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{_plain(str(name))} {count:,}" for name, count in counts.items())


def _plain(text: str) -> str:
    """What a source or a label says, so that it cannot be taken for Markdown or HTML."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
