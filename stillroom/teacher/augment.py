"""More rows from labelled ones: noise and swapped names by rule, other words by the teacher.

A label stays right: what it copies from the text is left alone or moves along, and a text that lost it is left out.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from stillroom.data.duplicates import fold
from stillroom.data.origins import MARK
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.recipe.schema import fields, free_text_fields, validate
from stillroom.teacher.client import Client, NoAnswer
from stillroom.teacher.noise import add_noise
from stillroom.teacher.novelty import likeness
from stillroom.teacher.structured import Trust, ask_text
from stillroom.teacher.swap import Swapper, copied_values

Way = Literal["typos", "ocr", "swap", "paraphrase", "back-translation"]
WAYS: tuple[Way, ...] = get_args(Way)
TAUGHT: tuple[Way, ...] = ("paraphrase", "back-translation")
"""The ways that ask the teacher."""
SOURCE = "augment"
UNCHANGED = 0.97
"""Likeness from which a paraphrase has changed nothing."""

# Why something is left out; the report counts by them.
NOT_CHANGED = "nothing was changed"
NO_SWAP = "no value of the label stands in the text and has another to take its place"
NOT_WRITTEN = "the teacher wrote no usable text"
BREAKS_SCHEMA = "the swapped label breaks the schema"
SEEN = "equal to another row"


@dataclass
class Augmented:
    """New rows, and what was left out. The meta of a row holds `way` and `parent`."""

    rows: list[Row] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    stopped: UserError | None = None


def augment(
    client: Client | None,
    recipe: Recipe,
    rows: Sequence[Row],
    ways: Sequence[Way],
    copies: int = 1,
    languages: Sequence[str] = ("German", "French"),
) -> Augmented:
    """`copies` rows of each way from each labelled row. `client` is needed where one of the ways is in TAUGHT.

    Raises UserError where a way can never apply to the task.
    """
    if "swap" in ways and not (recipe.output_schema and free_text_fields(recipe.output_schema)):
        raise UserError(
            "swap exchanges values that a label copies from its text: output_schema has no such text field."
        )
    made: list[Row | Rejected] = []
    swapper = Swapper(rows, recipe.output_schema) if "swap" in ways and recipe.output_schema else None
    for way in ways:
        if way not in TAUGHT:
            made += [_by_rule(recipe, swapper, row, way, copy) for row in rows for copy in range(1, copies + 1)]
    found = Augmented()
    if client is not None:
        made += _by_teacher(client, rows, [way for way in ways if way in TAUGHT], copies, languages, found)
    seen = {fold(row.text) for row in rows}
    for item in made:
        if isinstance(item, Row) and fold(item.text) in seen:
            item = Rejected(item, SEEN)
        if isinstance(item, Row):
            seen.add(fold(item.text))
            found.rows.append(item)
        else:
            found.rejected.append(item)
    return found


def report(found: Augmented) -> dict[str, Any]:
    """Counts by way and by reason."""
    return {
        "rows": len(found.rows),
        "ways": dict(Counter(row.meta["way"] for row in found.rows)),
        "dropped": dict(Counter(f"{item.row.meta['way']}: {item.reason}" for item in found.rejected).most_common()),
    }


def _row(row: Row, text: str, label: Any, way: Way, copy: int) -> Row:
    meta = {**row.meta, "way": way, "parent": row.id}
    return Row(f"{row.id}{MARK}{way}{copy}", text, label, SOURCE, meta)


def _by_rule(recipe: Recipe, swapper: Swapper | None, row: Row, way: Way, copy: int) -> Row | Rejected:
    rng = random.Random(f"{recipe.data.seed}/{way}/{copy}/{row.id}")
    if way == "swap":
        assert swapper is not None
        swapped = swapper.swap(row, rng)
        if swapped is None:
            return Rejected(_row(row, row.text, row.label, way, copy), NO_SWAP)
        new = _row(row, *swapped, way, copy)
        faults = validate(recipe.output_schema or {}, new.label)
        return Rejected(new, BREAKS_SCHEMA, "; ".join(faults)) if faults else new
    noise: Literal["typos", "ocr"] = "typos" if way == "typos" else "ocr"
    text = add_noise(row.text, noise, rng, copied_values(row), digits=_only_classes(recipe))
    new = _row(row, text, row.label, way, copy)
    return Rejected(new, NOT_CHANGED) if text == row.text else new


def _only_classes(recipe: Recipe) -> bool:
    """Whether a label holds classes alone, so that no digit of the text can be in it."""
    schema = recipe.output_schema
    return schema is not None and all(
        info.values is not None or info.schema.get("type") == "boolean" for info in fields(schema)
    )


def _by_teacher(
    client: Client, rows: Sequence[Row], ways: Sequence[Way], copies: int, languages: Sequence[str], found: Augmented
) -> list[Row | Rejected]:
    trust = Trust("texts")

    def work(wish: tuple[Row, Way, int]) -> Row | Rejected:
        row, way, copy = wish
        try:
            text = _reworded(client, row, way, copy, languages)
        except NoAnswer as error:
            trust.failed(str(error))
            return Rejected(_row(row, row.text, row.label, way, copy), NOT_WRITTEN, str(error))
        trust.gained()
        new = _row(row, text, row.label, way, copy)
        return Rejected(new, NOT_CHANGED) if likeness(text, row.text) >= UNCHANGED else new

    wishes = [(row, way, copy) for way in ways for row in rows for copy in range(1, copies + 1)]
    outcome = client.each(work, wishes, "Rewording")
    found.stopped = outcome.stopped
    if trust.bad and not trust.good and found.stopped is None:
        found.stopped = trust.error()
    return outcome.done()


def _reworded(client: Client, row: Row, way: Way, copy: int, languages: Sequence[str]) -> str:
    kept = list(dict.fromkeys([*copied_values(row), *re.findall(r"\d+", row.text)]))

    def check(text: str) -> str:
        lost = [value for value in kept if value not in text]
        if lost:
            shown = ", ".join(f"'{value}'" for value in lost[:5])
            return f"it must keep {shown} exactly as written"
        if not 0.4 <= len(text) / max(1, len(row.text)) <= 2.5:
            return "it must be about as long as the text"
        return ""

    exact = "Keep every name, number, date and address exactly as written. Write the text alone."
    if way == "paraphrase":
        told = f"Say this text in other words, in its own language. {exact}\n\n{row.text}"
        return ask_text(client, way, [("user", told)], check=check, sample=copy - 1)
    language = languages[(copy - 1) % len(languages)]
    there = f"Translate this text into {language}. {exact}\n\n{row.text}"
    foreign = ask_text(client, way, [("user", there)], sample=copy - 1)
    back = (
        f"Translate this text into the language of the sample below it. {exact}\n\nThe text:\n{foreign}\n\n"
        f"The sample, for its language alone:\n{row.text[:60]}"
    )
    return ask_text(client, way, [("user", back)], check=check, sample=copy - 1)
