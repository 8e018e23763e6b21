"""The class token weighs more, and nothing else changes."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from stillroom.recipe.model import Recipe
from stillroom.train.sft import _decision_first, _decision_tokens, _mean_weight

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


@pytest.mark.parametrize(("tokens", "weight"), [(2, 4.0), (0, 4.0), (2, 1.0)])
def test_weights_have_mean_one(tokens: int, weight: float) -> None:
    mask = torch.tensor([[False, True, True, True, True], [False, False, True, True, True]])
    log_probs = -mask.float()

    def model(**inputs: Any) -> Any:
        return SimpleNamespace(label_mask=mask, log_probs=log_probs.clone())

    weighted = _decision_first(model, tokens, weight, _mean_weight([4, 3], tokens, weight)).log_probs
    assert weighted.sum() == pytest.approx(log_probs.sum())
    assert (weighted[~mask] == 0).all()
    ratio = weighted[0, 1] / weighted[0, 4]
    assert ratio == pytest.approx(weight if tokens else 1.0)


def test_a_row_weighs_the_same_in_any_batch() -> None:
    mask = torch.tensor([[False, True, True, True, True, True], [False, False, True, True, False, False]])

    def model(rows: slice, **inputs: Any) -> Any:
        return SimpleNamespace(label_mask=mask[rows], log_probs=-mask[rows].float())

    mean = _mean_weight([5, 2], 2, 4.0)
    together, apart = (
        [_decision_first(model, 2, 4.0, mean, rows=rows).log_probs for rows in parts]
        for parts in ([slice(0, 2)], [slice(0, 1), slice(1, 2)])
    )
    assert torch.cat(apart).equal(together[0])
