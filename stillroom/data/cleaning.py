"""From a raw row to one that can be trained on: text of the right length, label turned into an answer that holds."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stillroom.data.clean.boilerplate import Boilerplate
from stillroom.data.clean.language import languages
from stillroom.data.clean.repair import repair
from stillroom.data.clean.repetition import repetition
from stillroom.data.clean.symbols import symbols
from stillroom.data.clean.toxicity import ListedWords, read_lists
from stillroom.data.pii.mask import Masker, Pair
from stillroom.data.reading import EMPTY, Rejected, unwritable
from stillroom.data.rows import Row
from stillroom.recipe.model import Recipe
from stillroom.recipe.schema import validate

NO_LABEL = "no label"
BREAKS_SCHEMA = "the label breaks the schema"
TOO_SHORT = "text shorter than min_characters"
UNWRITABLE = "JSON cannot hold it"
NUL = "NUL bytes"
MASKED_BREAKS_SCHEMA = "the label breaks the schema when its personal data is masked"
REMEMBERED = 4096
"""Labels of which the check is remembered; longer ones than LONG characters seldom come twice."""
LONG = 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row, which personal data was masked in it, and whether its text was cut."""

    item: Row | Rejected
    pairs: Sequence[Pair] = ()
    cut: bool = False


class Cleaner:
    """The steps that look at one row alone, in their order; what another process needs of it is pickled."""

    def __init__(self, recipe: Recipe, boilerplate: Boilerplate | None = None, masker: Masker | None = None) -> None:
        """`boilerplate` is what a first pass over the texts has found; that pass has repaired them already.

        `masker` masks personal data, in what is kept and in what is left out.
        """
        self.recipe, self.boilerplate, self.masker = recipe, boilerplate, masker
        toxicity = recipe.data.cleaning.toxicity
        self._listed = ListedWords(read_lists(toxicity.lists), toxicity.max_hits) if toxicity else None
        self._faults = Faults(recipe.output_schema)

    def __call__(
        self, items: Sequence[Row | Rejected], may_have_boilerplate: Collection[int] | None = None
    ) -> list[Outcome]:
        """What becomes of each row; one that is left out already stays so.

        may_have_boilerplate: the places of the rows that are looked through for it, where not all need be.
        """
        outcomes = [
            self._outcome(item, may_have_boilerplate is None or place in may_have_boilerplate)
            for place, item in enumerate(items)
        ]
        bounds = self.recipe.data.cleaning
        if bounds.languages:
            rows = {place: one.item for place, one in enumerate(outcomes) if isinstance(one.item, Row)}
            told = languages(list(rows.values()), bounds.languages, bounds.language_probability)
            for place, result in zip(rows, told, strict=True):
                outcomes[place] = Outcome(result, outcomes[place].pairs, outcomes[place].cut)
        return outcomes

    def _outcome(self, item: Row | Rejected, may_have_boilerplate: bool) -> Outcome:
        bounds = self.recipe.data.cleaning
        result = self._answered(item, may_have_boilerplate) if isinstance(item, Row) else item
        if isinstance(result, Rejected):
            return Outcome(*self.masker.rejected(result)) if self.masker else Outcome(result)
        length = len(result.text)
        pairs: Sequence[Pair] = ()
        if self.masker:
            # Masked before it is cut: half an address would not be known as one.
            label = result.label
            result, pairs = self.masker.row(_cut(result, 2 * bounds.max_characters + 1000))
            length += len(result.text) - min(length, 2 * bounds.max_characters + 1000)
            if result.label != label and (faults := self._faults(result.label)):
                return Outcome(Rejected(result, MASKED_BREAKS_SCHEMA, faults), pairs)
        short = _cut(result, bounds.max_characters)
        return Outcome(self._judged(short), pairs, len(short.text) < length)

    def _answered(self, row: Row, may_have_boilerplate: bool) -> Row | Rejected:
        """The whole text, repaired and without boilerplate, and its answer."""
        bounds = self.recipe.data.cleaning
        # Places that a label names are counted from the text's first character, be it a space.
        counted = bounds.pii is not None and bounds.pii.offsets
        text = row.text.rstrip() if counted else row.text.strip()
        row = row if text == row.text else replace(row, text=text)
        if bounds.repair and self.boilerplate is None:
            row = repair(row)
        result = self.boilerplate(row) if self.boilerplate and may_have_boilerplate else row
        if isinstance(result, Row):
            result = self._holds(result)
        return answer(result, self.recipe, self._faults) if isinstance(result, Row) else result

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
        """What the recipe asks of the text that will be trained on, its language apart; the cheapest comes first."""
        bounds = self.recipe.data.cleaning
        result: Row | Rejected = row
        if self._listed is not None:
            result = self._listed(row)
        if bounds.symbols and isinstance(result, Row):
            result = symbols(result, bounds.symbols)
        if bounds.repetition and isinstance(result, Row):
            result = repetition(result, bounds.repetition)
        return result


class Faults:
    """What is wrong with an answer, in one line. Short answers are few (classes), and the check is slow."""

    def __init__(self, schema: dict[str, Any] | None) -> None:
        self._schema = schema
        self._known: dict[str, str] = {}

    def __call__(self, label: Any) -> str:
        """Empty where the answer is valid, or the task has no schema."""
        if self._schema is None:
            return ""
        key = repr(label)  # not JSON, for which a tuple is a list and the key 1 is "1"
        if len(key) > LONG:
            return "; ".join(validate(self._schema, label))
        if key not in self._known:
            if len(self._known) == REMEMBERED:
                self._known.clear()
            self._known[key] = "; ".join(validate(self._schema, label))
        return self._known[key]


def clean(row: Row, recipe: Recipe) -> Row | Rejected:
    """One row on its own, by all steps that need no other; for many rows, make one Cleaner."""
    (outcome,) = Cleaner(recipe)([row])
    return outcome.item


def _cut(row: Row, limit: int) -> Row:
    return row if len(row.text) <= limit else replace(row, text=cut(row.text, limit))


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


def answer(row: Row, recipe: Recipe, faults_of: Callable[[Any], str] | None = None) -> Row | Rejected:
    """Map the raw label by the recipe's values, read it as JSON for a schema task, and check it.

    `faults_of` is the recipe's `Faults`, which remembers, where many rows are asked about.
    """
    if row.label is None or row.label == "":
        return Rejected(row, NO_LABEL)
    values, raw = recipe.data.labelling.values, row.label
    key = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)
    label = values.get(key, raw)
    schema = recipe.output_schema
    if schema is None:
        label = label if isinstance(label, str) else key
        return row if label is raw else replace(row, label=label)
    if isinstance(label, str) and label is raw and not _may_be_text(schema):
        try:
            label = json.loads(label)
        except (ValueError, RecursionError) as error:
            shown = repr(label) if len(label) <= 40 else "it"  # of half an address nobody would know what to mask
            said = f"{shown} is no key of data.labelling.values either" if values else str(error)
            return Rejected(row, "the label is not JSON", said)
    if faults := (faults_of or Faults(schema))(label):
        return Rejected(row, BREAKS_SCHEMA, faults)
    return row if label is raw else replace(row, label=label)


def _may_be_text(schema: dict[str, Any]) -> bool:
    """Whether the answer itself may be a bare string, so that a label's text is taken as it is."""
    type_ = schema.get("type")
    return (
        type_ == "string"
        or (isinstance(type_, list) and "string" in type_)
        or (type_ is None and all(isinstance(value, str) for value in schema.get("enum", [0])))
    )
