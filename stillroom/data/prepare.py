"""The first step: from a recipe's sources to three splits, what was rejected, and a report of both."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillroom.data.balance import balance
from stillroom.data.clean.chain import clean_rows
from stillroom.data.clean.contamination import CONTAMINATED, without_contaminated
from stillroom.data.clean.executor import Executor, local
from stillroom.data.clean.kept import CleanRows
from stillroom.data.clean.label_quality import doubtful_labels
from stillroom.data.clean.mixing import mix
from stillroom.data.clean.semantic import load as load_embedder
from stillroom.data.clean.unique import Duplicates, without_duplicates
from stillroom.data.origins import joined_by_origin
from stillroom.data.pii.names import load
from stillroom.data.pii.vault import Vault, vault_path
from stillroom.data.raw_text import write_raw_text
from stillroom.data.reading import Rejected
from stillroom.data.report import Kind, Tally, data_report, kind_of
from stillroom.data.rows import Row, write_rows
from stillroom.data.sources import open_sources, refuse_faults, refuse_unknown_names
from stillroom.data.split import deal
from stillroom.data.spool import Picked
from stillroom.errors import UserError
from stillroom.files import whole_file, write_json, write_jsonl
from stillroom.recipe.model import Recipe
from stillroom.track.layout import RUN_VARIABLE

FEWEST_ROWS = 10
"""Below this, no split could hold even one row of each kind."""
LARGE_CLUSTER = 0.2
"""Share of all rows from which one cluster of near duplicates is worth a warning: it goes into one split whole."""


def prepare(recipe: Recipe, base: Path, out: Path, executor: Executor = local) -> dict[str, Any]:
    """Write train, validation, test and rejected .jsonl and data_report.json into `out`; return the report.

    Relative paths of the recipe are resolved against the folder `base`. The same recipe and files give the same
    splits. The rows pass through files in `out`: memory holds some hundred bytes a row, and no texts. `executor` runs
    the steps that look at one row alone. Raises UserError with every fault of the sources at once, or when fewer than
    ten usable rows are left, or when none of them can go to the test split.
    """
    refuse_unknown_names(recipe)
    readers = open_sources(recipe.data.sources, base, recipe.data.seed, recipe)
    refuse_faults(readers)
    with closing(CleanRows(out)) as clean, _vault(recipe, out) as vault:
        # Whole before anything can fail, so that whoever is told "too few rows" can look at it.
        with whole_file(out / "rejected.jsonl") as stream:
            tally = Tally(stream)
            clean_rows(readers, recipe, tally, clean, executor, vault)
            _note_cuts(tally, recipe)
            numbers, duplicates = without_duplicates(clean, recipe.data.cleaning, tally, out)
            splits = _splits(clean, numbers, duplicates, recipe, tally) if len(numbers) >= FEWEST_ROWS else {}
        if not splits:
            raise UserError(_too_few(len(numbers), tally, out))
        if not splits["test"] and (lost := tally.reasons().get(CONTAMINATED)):
            raise UserError(
                f"All {lost} rows of the test split share too many words with the train split, so nothing could be "
                "scored. Raise data.cleaning.contamination.max_overlap, or give the sources more rows with other texts."
            )
        if not splits["test"]:
            raise UserError(_no_test(duplicates.cluster_of, recipe.data.cleaning.near_duplicate_threshold))
        if recipe.data.cleaning.label_quality:
            _list_doubtful(clean.rows.pick(numbers.tolist()), recipe, tally, out)
        for name, part in splits.items():
            _write(out / f"{name}.jsonl", part, clean)
        counts = {name: _count(part, clean, recipe) for name, part in splits.items()}
        report = data_report(tally, counts, duplicates.counts)
        if teachers := [told for reader in readers if (told := getattr(reader, "report", None))]:
            report["teachers"] = teachers
        raw_text = write_raw_text(recipe, base, out, chain(splits["validation"], splits["test"]))
        if raw_text:
            report["raw_text"] = raw_text
    write_json(out / "data_report.json", report)
    return report


def _splits(
    clean: CleanRows, numbers: NDArray[np.int64], duplicates: Duplicates, recipe: Recipe, tally: Tally
) -> dict[str, Sequence[Row]]:
    """The splits of the rows with these numbers; the rows stay on disk."""
    cluster_of = duplicates.cluster_of
    if clean.made_of_others:
        ids = [row.id for row in clean.rows.pick(numbers.tolist())]
        cluster_of = np.array(joined_by_origin(ids, cluster_of.tolist()), np.int64)
    ranks = np.frombuffer(clean.ranks, "V16")[numbers].tobytes()
    places = deal(cluster_of, clean.strata(numbers), ranks, recipe.data.split)
    splits: dict[str, Sequence[Row]] = {name: clean.rows.pick(numbers[part].tolist()) for name, part in places.items()}
    _note_shape(splits, cluster_of, tally)
    if recipe.data.mixing:
        splits["train"] = _left(splits["train"], *mix(splits["train"], recipe.data.mixing), tally)
    if wanted := recipe.data.cleaning.contamination:
        splits["test"] = _left(splits["test"], *without_contaminated(splits["test"], splits["train"], wanted), tally)
    if recipe.data.balance != "none":
        _balance(splits, recipe, tally)
    return splits


def _left(rows: Sequence[Row], stay: Sequence[int], left_out: Sequence[Rejected], tally: Tally) -> Sequence[Row]:
    """The rows at the places that stay; the others are rejected."""
    for item in left_out:
        tally.reject(item)
    if isinstance(rows, Picked):
        return rows.at(stay)
    return [rows[place] for place in stay]


def _write(path: Path, rows: Sequence[Row], clean: CleanRows) -> None:
    """Write the rows of a split; those that lie on disk as lines already are copied."""
    if not isinstance(rows, Picked):
        write_rows(path, rows)
        return
    with whole_file(path) as stream:
        for number in rows.numbers:
            stream.write(clean.rows.line(number))


def _count(rows: Sequence[Row], clean: CleanRows, recipe: Recipe) -> Counter[Kind]:
    if isinstance(rows, Picked):
        return clean.count(rows.numbers)
    return Counter(kind_of(row, recipe.output_schema) for row in rows)


def _note_cuts(tally: Tally, recipe: Recipe) -> None:
    for name in tally.read:
        if tally.cut[name]:
            limit = recipe.data.cleaning.max_characters
            tally.notes.append(f"{name}: {tally.cut[name]} texts were cut at {limit} characters.")
    if tally.personal_ids:
        tally.notes.append(
            f"{tally.personal_ids} ids hold personal data, which stays in them; name another column in the source's id."
        )


def _list_doubtful(rows: Sequence[Row], recipe: Recipe, tally: Tally, out: Path) -> None:
    listed, note = doubtful_labels(rows, recipe.output_schema, recipe.data.seed)
    write_jsonl(out / "label_quality.jsonl", listed)
    if listed:
        note = f"{len(listed)} of {len(rows)} labels are doubtful; label_quality.jsonl lists them for people."
    tally.notes += [note] if note else []


@contextmanager
def _vault(recipe: Recipe, out: Path) -> Iterator[Vault | None]:
    """The vault that knows who was masked; None where nobody is."""
    pii = recipe.data.cleaning.pii
    if recipe.data.cleaning.semantic is not None:
        load_embedder()
    if pii is None:
        yield None
        return
    if pii.name_model is not None:
        load(pii.name_model)
    path = vault_path(pii.vault, recipe.name).resolve()
    run = os.environ.get(RUN_VARIABLE)
    for folder in (out, *([Path(run)] if run else [])):
        if path.is_relative_to(folder.resolve()):
            raise UserError(
                f"The vault {path} would lie among the run's own files, which others get to see: "
                "name a place outside of them in data.cleaning.pii.vault."
            )
    with Vault(path) as vault:
        yield vault


def _balance(splits: dict[str, Sequence[Row]], recipe: Recipe, tally: Tally) -> None:
    """Even out the classes of the train split in place, and say what that did."""
    how, before = recipe.data.balance, len(splits["train"])
    splits["train"], left_out = balance(splits["train"], how, recipe.output_schema)
    for item in left_out:
        tally.reject(item)
    if len(splits["train"]) != before:
        tally.notes.append(
            f"data.balance ({how}): the train split has {len(splits['train'])} rows instead of {before}."
        )


def _too_few(usable: int, tally: Tally, out: Path) -> str:
    few = f"Only {usable} usable rows are left of {tally.read.total()} read; at least {FEWEST_ROWS} are needed."
    if not tally.reasons():
        return "\n".join([f"{few} Give the sources of the recipe more rows.", *tally.notes])
    reasons = ", ".join(f"{count} × {reason}" for reason, count in tally.reasons().items())
    said = [
        few,
        f"Left out: {reasons}.",
        *([tally.first_detail] if tally.first_detail else []),
        f"All of them are in {out / 'rejected.jsonl'}. Put them right, or give the sources of the recipe more rows.",
        *tally.notes,
    ]
    return "\n".join(said)


def _no_test(cluster_of: NDArray[np.int64], threshold: float) -> str:
    sizes = sorted(np.unique(cluster_of, return_counts=True)[1].tolist(), reverse=True)
    named = ", ".join(map(str, sizes[:5])) + (", …" if len(sizes) > 5 else "")
    return (
        "The test split would be empty, and nothing could be scored. Near duplicates are never parted between the "
        f"splits, and the {len(cluster_of)} rows fall into groups of these sizes: {named}.\n"
        f"Raise data.cleaning.near_duplicate_threshold (now {threshold:g}), so that fewer texts count as near "
        "duplicates; or give the sources more rows with other texts; or raise data.split.test."
    )


def _note_shape(splits: Mapping[str, Sequence[Row]], cluster_of: NDArray[np.int64], tally: Tally) -> None:
    largest = int(np.unique(cluster_of, return_counts=True)[1].max())
    if largest > LARGE_CLUSTER * len(cluster_of):
        tally.notes.append(
            f"{largest} of {len(cluster_of)} rows are near duplicates of each other and stay in one split; "
            f"the shares of the splits may be off."
        )
    for name, part in splits.items():
        if not part:
            tally.notes.append(f"The split {name} is empty: the near duplicates form too few groups.")
