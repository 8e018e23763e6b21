"""Which training a checkpoint belongs to."""

from pathlib import Path
from typing import Any

import pytest

from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.train.identity import identity, mark, refuse_others


def recipe(**changes: Any) -> Recipe:
    data = {"sources": [{"kind": "csv", "path": "rows.csv"}]}
    return Recipe.model_validate({"name": "tiny", "instruction": "Which animal?", "data": data} | changes)


def of(*samples: Any, **changes: Any) -> dict[str, Any]:
    return identity(recipe(**changes), "sft", samples or [[1, 2]])


def test_its_own_is_taken(tmp_path: Path) -> None:
    mark(tmp_path, of())
    refuse_others(tmp_path, of())
    refuse_others(tmp_path, of(train={"workers": 8, "max_workers": 9, "storage": "s3://bucket"}, dpo=None))


@pytest.mark.parametrize(
    ("samples", "changes", "difference"),
    [
        ([], {"sft": {"lora": {"rank": 4}}}, "sft.lora.rank is 4 here and 16 there"),
        ([], {"instruction": "What?" * 20}, 'here and "Which animal?" there'),
        ([], {"output_schema": {"type": "object", "properties": {}}}, "output_schema is null here"),
        ([], {"train": {"workers": 2, "deepspeed": "zero2"}}, 'train.deepspeed is "zero2" here and null there'),
        ([[1, 3]], {}, "the data is "),
    ],
)
def test_anothers_is_refused(tmp_path: Path, samples: Any, changes: dict[str, Any], difference: str) -> None:
    mark(tmp_path, of())
    with pytest.raises(UserError) as caught:
        refuse_others(tmp_path, of(*samples, **changes))
    assert difference in str(caught.value)
    assert f"or remove {tmp_path.parent}" in str(caught.value)


def test_one_that_says_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it does not say which"):
        refuse_others(tmp_path, of())
