"""The data card: a Markdown page beside the data that says what it is, where it came from and how to load it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stillroom.data.versions import CARD, SUMMARY
from stillroom.files import read_json, write_text

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(folder: Path, report: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Write the card into the data folder. Hugging Face's `datasets` reads its head and finds the splits by it."""
    write_text(folder / CARD, card(report, manifest, _review(folder)))


def card(report: Mapping[str, Any], manifest: Mapping[str, Any], review: Mapping[str, Any] | None = None) -> str:
    """The card as text; `review` is what people said of the labels."""
    name, instruction, seed = manifest["name"], manifest.get("instruction"), manifest.get("seed")
    splits = {name: split for name, split in report["splits"].items() if split["rows"]}
    rows = sum(split["rows"] for split in splits.values())
    size = next((name for bound, name in _SIZES if rows < bound), "n>1M")
    head = ["---", f"pretty_name: {name}", f"size_categories: [{size}]"]
    languages = sorted(code for code in report.get("languages", {}) if len(code) == 2 and code.isalpha())
    head += [f"language: [{', '.join(languages)}]"] if languages else []
    head += ["configs:", "  - config_name: default", "    data_files:"]
    head += [f"      - {{split: {name}, path: {name}.jsonl}}" for name in splits]
    read = sum(source["read"] for source in report["sources"])
    lines = [
        *[*head, "---", ""],
        *[f"# {name}", ""],
        f"Version {manifest['version']}, made by Stillroom {manifest['stillroom']}"
        f"{f' from a recipe, seed {seed}' if seed is not None else ''}. Of {read:,} rows read, {rows:,} are used.",
        *(_task(instruction) if instruction else []),
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
    if review:
        lines += ["", "## What people said", "", *_people(review)]
    lines += ["", "## Good to know", ""]
    lines += [f"- {' '.join(note.split())}" for note in report.get("notes", [])] or ["- Nothing was noted."]
    lines += [
        *([] if review else ["- Labels are as their sources gave them; nobody looked at them since."]),
        *["", "## Loading it", "", "```python", "from datasets import load_dataset", ""],
        *['data = load_dataset("PATH OF THIS FOLDER")', "```", ""],
        "Each row has `id`, `text`, `label`, `source` and `meta`. `manifest.json` has the sha256 of each file and of "
        "what they were made from; `rejected.jsonl` has every row that was left out, with its reason.",
        "",
    ]
    return "\n".join(lines)


def _task(instruction: str) -> list[str]:
    return ["", "## The task", "", *(f"> {line}".rstrip() for line in instruction.strip().splitlines())]


def _review(folder: Path) -> dict[str, Any] | None:
    return read_json(folder / SUMMARY) if (folder / SUMMARY).is_file() else None


def _people(review: Mapping[str, Any]) -> list[str]:
    """Who looked at how many labels, with what outcome, and how far they agree."""
    count, said = len(review["people"]), _counts(review["counts"])
    who = "One person" if count == 1 else f"{count} people"
    lines = [f"{who} looked at {review['rows']:,} rows: {said or 'nothing was said'}."]
    for name, found in review["agreement"].items():
        kappas = [pair["cohen"] for pair in found["pairs"]] if count == 2 else [found["fleiss"]]
        kind = "Cohen's" if count == 2 else "Fleiss'"
        if kappas and kappas[0] is not None:
            lines.append(f"Agreement on the {name}: {kind} kappa {kappas[0]:.2f}.")
    return [" ".join(lines)]


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    cells = [tuple(f"{cell:,}" if isinstance(cell, int) else _plain(str(cell)) for cell in row) for row in rows]
    rule = "|".join(["", *("---:" if isinstance(cell, int) else "---" for cell in rows[0]), ""]) if rows else ""
    return [f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(row)} |" for row in cells)]


def _counts(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{_plain(str(name))} {count:,}" for name, count in counts.items())


def _plain(text: str) -> str:
    """What a source or a label says, so that it cannot be taken for Markdown or HTML."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
