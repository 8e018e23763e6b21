"""Where the class of an answer ends."""

from typing import Any

from stillroom.recipe.model import Recipe
from stillroom.train.sft import _decision_tokens

SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["a", "long"]}, "note": {"type": "string"}},
    "required": ["kind", "note"],
    "additionalProperties": False,
}


class Letters:
    """Stands for an encoder whose tokens are characters."""

    def tokens(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]


def recipe(schema: dict[str, Any] | None) -> Recipe:
    document = {
        "name": "t",
        "instruction": "i",
        "output_schema": schema,
        "data": {"sources": [{"kind": "csv", "path": "a"}]},
    }
    return Recipe.model_validate(document)


def test_the_decision_ends_with_the_class() -> None:
    assert _decision_tokens(recipe(SCHEMA), Letters()) == len('{"kind":"long"')  # type: ignore[arg-type]


def test_no_class_no_decision() -> None:
    text_first = {**SCHEMA, "properties": {"note": {"type": "string"}, "kind": {"enum": ["a"]}}}
    assert _decision_tokens(recipe(text_first), Letters()) == 0  # type: ignore[arg-type]
    assert _decision_tokens(recipe(None), Letters()) == 0  # type: ignore[arg-type]
