"""From a raw row to one that can be trained on: text of the right length, label turned into an answer that holds."""

import json
from dataclasses import replace
from typing import Any

from stillroom.data.reading import EMPTY, Rejected, unwritable
from stillroom.data.rows import Row
from stillroom.recipe.model import Recipe
from stillroom.recipe.schema import validate

NO_LABEL = "no label"
BREAKS_SCHEMA = "the label breaks the schema"
TOO_SHORT = "text shorter than min_characters"
UNWRITABLE = "JSON cannot hold it"


def clean(row: Row, recipe: Recipe) -> Row | Rejected:
    """The row with its text cut and its label as an answer, or the reason why it is left out."""
    text = row.text.strip()
    if not text:
        return Rejected(row, EMPTY)
    if len(text) < recipe.data.cleaning.min_characters:
        return Rejected(row, TOO_SHORT, f"{len(text)} characters")
    for name in ("id", "text", "label"):
        if fault := unwritable(getattr(row, name)):
            return Rejected(row, UNWRITABLE, f"the {name}: {fault}")
    return answer(replace(row, text=cut(text, recipe.data.cleaning.max_characters)), recipe)


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
