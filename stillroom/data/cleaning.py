"""From a raw row to one that can be trained on: text of the right length, label turned into an answer that holds."""

import json
from dataclasses import replace
from typing import Any

from stillroom.data.clean.boilerplate import Boilerplate
from stillroom.data.clean.language import language
from stillroom.data.clean.repair import repair
from stillroom.data.clean.repetition import repetition
from stillroom.data.clean.symbols import symbols
from stillroom.data.clean.toxicity import ListedWords, read_lists
from stillroom.data.reading import EMPTY, Rejected, unwritable
from stillroom.data.rows import Row
from stillroom.recipe.model import Recipe
from stillroom.recipe.schema import validate

NO_LABEL = "no label"
BREAKS_SCHEMA = "the label breaks the schema"
TOO_SHORT = "text shorter than min_characters"
UNWRITABLE = "JSON cannot hold it"
NUL = "NUL bytes"


class Cleaner:
    """The steps that look at one row alone, in their order; what another process needs of it is pickled."""

    def __init__(self, recipe: Recipe, boilerplate: Boilerplate | None = None) -> None:
        """`boilerplate` is what a first pass over the texts has found; that pass has repaired them already."""
        self.recipe, self.boilerplate = recipe, boilerplate
        toxicity = recipe.data.cleaning.toxicity
        self._listed = ListedWords(read_lists(toxicity.lists), toxicity.max_hits) if toxicity else None

    def __call__(self, row: Row) -> tuple[Row | Rejected, bool]:
        """The row that can be trained on, or the reason why it is left out; and whether its text was cut."""
        bounds = self.recipe.data.cleaning
        row = replace(row, text=row.text.strip())
        if bounds.repair and self.boilerplate is None:
            row = repair(row)
        result = self.boilerplate(row) if self.boilerplate else row
        if isinstance(result, Row):
            result = self._holds(result)
        if isinstance(result, Row):
            result = answer(result, self.recipe)
        if isinstance(result, Rejected):
            return result, False
        whole = result
        result = replace(whole, text=cut(whole.text, bounds.max_characters))
        return self._judged(result), len(result.text) < len(whole.text)

    def _holds(self, row: Row) -> Row | Rejected:
        """Whether there is a text at all, long enough and such that JSON can hold it."""
        least = self.recipe.data.cleaning.min_characters
        if not row.text:
            return Rejected(row, EMPTY)
        if nuls := row.text.count("\0"):
            said = f"{nuls} of {len(row.text)} characters; a file in UTF-16 must be saved as UTF-8"
            return Rejected(row, NUL, said, {"value": nuls, "bound": 0})
        if len(row.text) < least:
            numbers = {"value": len(row.text), "bound": least}
            return Rejected(row, TOO_SHORT, f"{len(row.text)} characters", numbers)
        for name in ("id", "text", "label"):
            if fault := unwritable(getattr(row, name)):
                return Rejected(row, UNWRITABLE, f"the {name}: {fault}")
        return row

    def _judged(self, row: Row) -> Row | Rejected:
        """What the recipe asks of the text that will be trained on; the cheapest question comes first."""
        bounds = self.recipe.data.cleaning
        result: Row | Rejected = row
        if self._listed is not None:
            result = self._listed(row)
        if bounds.symbols and isinstance(result, Row):
            result = symbols(result, bounds.symbols)
        if bounds.repetition and isinstance(result, Row):
            result = repetition(result, bounds.repetition)
        if bounds.languages and isinstance(result, Row):
            result = language(result, bounds.languages, bounds.language_probability)
        return result


def clean(row: Row, recipe: Recipe) -> Row | Rejected:
    """One row on its own, by all steps that need no other; for many rows, make one Cleaner."""
    return Cleaner(recipe)(row)[0]


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, ending with a whole word where the script parts words."""
    if len(text) <= limit:
        return text
    head = text[:limit]
    if text[limit].isspace():
        return head.rstrip()
    end = max((number for number, letter in enumerate(head) if letter.isspace()), default=0)
    # Chinese has no spaces: going back to the last one could lose most of the text.
    return head[:end].rstrip() if end > limit * 0.8 else head


def answer(row: Row, recipe: Recipe) -> Row | Rejected:
    """Map the raw label by the recipe's values, read it as JSON for a schema task, and check it."""
    if row.label is None or row.label == "":
        return Rejected(row, NO_LABEL)
    values, raw = recipe.data.labelling.values, row.label
    key = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)
    label = values.get(key, raw)
    schema = recipe.output_schema
    if schema is None:
        return replace(row, label=label if isinstance(label, str) else key)
    if isinstance(label, str) and label is raw and not _may_be_text(schema):
        try:
            label = json.loads(label)
        except (ValueError, RecursionError) as error:
            return Rejected(row, "the label is not JSON", str(error))
    faults = validate(schema, label)
    return Rejected(row, BREAKS_SCHEMA, "; ".join(faults)) if faults else replace(row, label=label)


def _may_be_text(schema: dict[str, Any]) -> bool:
    """Whether the answer itself may be a bare string, so that a label's text is taken as it is."""
    type_ = schema.get("type")
    return (
        type_ == "string"
        or (isinstance(type_, list) and "string" in type_)
        or (type_ is None and all(isinstance(value, str) for value in schema.get("enum", [0])))
    )
