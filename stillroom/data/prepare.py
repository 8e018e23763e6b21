"""The first step: from a recipe's sources to three splits, what was rejected, and a report of both."""

from collections import Counter
from pathlib import Path
from typing import Any

from stillroom.data.balance import balance
from stillroom.data.cleaning import clean
from stillroom.data.duplicates import clusters, exact_duplicates
from stillroom.data.reading import Reader, Rejected
from stillroom.data.report import Tally, data_report
from stillroom.data.rows import Row, write_rows
from stillroom.data.sources import open_sources, refuse_faults
from stillroom.data.split import split
from stillroom.errors import UserError
from stillroom.files import write_json, write_jsonl
from stillroom.progress import Progress, say
from stillroom.recipe.model import Recipe

FEWEST_ROWS = 10
"""Below this, no split could hold even one row of each kind."""
LARGE_CLUSTER = 0.2
"""Share of all rows from which one cluster of near duplicates is worth a warning: it goes into one split whole."""


def prepare(recipe: Recipe, base: Path, out: Path) -> dict[str, Any]:
    """Write train, validation, test and rejected .jsonl and data_report.json into `out`; return the report.

    Relative paths of the recipe are resolved against the folder `base`. The same recipe and files give the same
    splits. Raises UserError with every fault of the sources at once, or when fewer than ten usable rows are left,
    or when none of them can go to the test split.
    """
    readers = open_sources(recipe.data.sources, base, recipe.data.seed)
    refuse_faults(readers)
    tally = Tally()
    by_id: dict[str, Row] = {}
    for reader in readers:
        _read(reader, recipe, tally, by_id)
    rows = list(by_id.values())
    rows, exact = _without_copies(rows, tally)
    # Written before anything can fail, so that whoever is told "too few rows" can look at them.
    write_jsonl(out / "rejected.jsonl", (item.as_dict() for item in tally.rejected))
    if len(rows) < FEWEST_ROWS:
        raise UserError(_too_few(len(rows), tally, out))
    cluster_of = clusters([row.text for row in rows], recipe.data.cleaning.near_duplicate_threshold)
    splits = split(rows, cluster_of, recipe.data.split, recipe.data.seed, recipe.output_schema)
    if not splits["test"]:
        raise UserError(_no_test(cluster_of, recipe.data.cleaning.near_duplicate_threshold))
    _note_shape(splits, cluster_of, recipe, tally)
    _balance(splits, recipe, tally)
    write_jsonl(out / "rejected.jsonl", (item.as_dict() for item in tally.rejected))
    for name, part in splits.items():
        write_rows(out / f"{name}.jsonl", part)
    report = data_report(tally, splits, cluster_of, exact, recipe.output_schema)
    write_json(out / "data_report.json", report)
    return report


def _read(reader: Reader, recipe: Recipe, tally: Tally, kept: dict[str, Row]) -> None:
    """Read and clean one source into `kept`; a row with the id of an earlier one is rejected."""
    size = reader.size()
    progress = Progress(f"Reading {reader.name}", size)
    tally.read[reader.name] = 0
    for item in reader.rows():
        tally.read[reader.name] += 1
        result = clean(item, recipe) if isinstance(item, Row) else item
        if isinstance(result, Row) and result.id in kept:
            result = Rejected(result, "the id is used twice")
        if isinstance(result, Row):
            kept[result.id] = result
            tally.cut[reader.name] += len(result.text) < len(item.text.strip()) if isinstance(item, Row) else 0
        else:
            tally.rejected.append(result)
        if progress.done < size - 1:  # The size is an estimate; the bar is full only at the end.
            progress.advance()
    progress.update(size)
    for note in reader.notes:
        say(note)
    tally.notes += reader.notes
    if tally.cut[reader.name]:
        limit = recipe.data.cleaning.max_characters
        tally.notes.append(f"{reader.name}: {tally.cut[reader.name]} texts were cut at {limit} characters.")


def _without_copies(rows: list[Row], tally: Tally) -> tuple[list[Row], int]:
    copies = exact_duplicates(rows)
    for index, first in copies.items():
        tally.rejected.append(Rejected(rows[index], "exact duplicate", f"of {rows[first].id}"))
    conflicts = [
        (rows[first].id, rows[index].id) for index, first in copies.items() if rows[first].label != rows[index].label
    ]
    if conflicts:
        named = "; ".join(f"{dropped} of {kept}" for kept, dropped in conflicts[:5])
        tally.notes.append(
            f"{len(conflicts)} exact duplicates have another label than the row that was kept, the first: {named}."
        )
    return [row for index, row in enumerate(rows) if index not in copies], len(copies)


def _balance(splits: dict[str, list[Row]], recipe: Recipe, tally: Tally) -> None:
    """Even out the classes of the train split in place, and say what that did."""
    how, before = recipe.data.balance, len(splits["train"])
    splits["train"], left_out = balance(splits["train"], how, recipe.output_schema)
    tally.rejected += left_out
    if len(splits["train"]) != before:
        tally.notes.append(
            f"data.balance ({how}): the train split has {len(splits['train'])} rows instead of {before}."
        )


def _too_few(usable: int, tally: Tally, out: Path) -> str:
    few = f"Only {usable} usable rows are left of {tally.read.total()} read; at least {FEWEST_ROWS} are needed."
    if not tally.rejected:
        return "\n".join([f"{few} Give the sources of the recipe more rows.", *tally.notes])
    reasons = ", ".join(f"{count} × {reason}" for reason, count in tally.reasons().items())
    examples = [f"For example {item.as_dict()['id']}: {item.detail}" for item in tally.rejected if item.detail][:1]
    said = [
        few,
        f"Left out: {reasons}.",
        *examples,
        f"All of them are in {out / 'rejected.jsonl'}. Put them right, or give the sources of the recipe more rows.",
        *tally.notes,
    ]
    return "\n".join(said)


def _no_test(cluster_of: list[int], threshold: float) -> str:
    sizes = sorted(Counter(cluster_of).values(), reverse=True)
    named = ", ".join(map(str, sizes[:5])) + (", …" if len(sizes) > 5 else "")
    return (
        "The test split would be empty, and nothing could be scored. Near duplicates are never parted between the "
        f"splits, and the {len(cluster_of)} rows fall into groups of these sizes: {named}.\n"
        f"Raise data.cleaning.near_duplicate_threshold (now {threshold:g}), so that fewer texts count as near "
        "duplicates; or give the sources more rows with other texts; or raise data.split.test."
    )


def _note_shape(splits: dict[str, list[Row]], cluster_of: list[int], recipe: Recipe, tally: Tally) -> None:
    largest = max(Counter(cluster_of).values())
    if largest > LARGE_CLUSTER * len(cluster_of):
        tally.notes.append(
            f"{largest} of {len(cluster_of)} rows are near duplicates of each other and stay in one split; "
            f"the shares of the splits may be off."
        )
    for name, part in splits.items():
        if not part:
            tally.notes.append(f"The split {name} is empty: the near duplicates form too few groups.")
