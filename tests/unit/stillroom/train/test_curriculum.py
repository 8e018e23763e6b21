"""From the recipe's curriculum to the stages of its rows."""

from typing import Any

import pytest
from pydantic import ValidationError

from stillroom.data.rows import Row
from stillroom.data.sources import refuse_unknown_names
from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.train.curriculum import curriculum_of

ROWS = [Row(str(number), "x", "a", source) for number, source in enumerate(["csv:a.csv", "generated", "csv:b.csv"])]


def recipe(**sft: Any) -> Recipe:
    sources = [{"kind": "csv", "path": "a.csv"}, {"kind": "csv", "path": "b.csv"}]
    document = {"name": "small", "instruction": "Sort it.", "data": {"sources": sources, "mixing": {"csv:a.csv": 2}}}
    return Recipe.model_validate({**document, "sft": sft})


def test_rows_are_at_the_stage_of_their_source() -> None:
    made = curriculum_of(recipe(curriculum=[["generated"], ["csv:a.csv"]], curriculum_epochs=3), ROWS)
    assert made is not None and made.stages == [1, 0, 1] and made.epochs == 3 and not made.shortest_first


def test_lengths_need_no_stages_and_none_no_order() -> None:
    made = curriculum_of(recipe(curriculum="length"), ROWS)
    assert made is not None and made.stages is None and made.shortest_first and made.epochs == 1
    assert curriculum_of(recipe(), ROWS) is None


def test_a_stage_names_sources_that_there_are() -> None:
    refuse_unknown_names(recipe(curriculum=[["csv:a.csv"], ["csv:b.csv"]]))
    with pytest.raises(
        UserError, match=r"sft.curriculum names csv:c.csv, web, and .* The sources: csv:a.csv, csv:b.csv"
    ):
        refuse_unknown_names(recipe(curriculum=[["csv:a.csv", "csv:c.csv"], ["web", "csv:c.csv"]]))


@pytest.mark.parametrize("wrong", ["easy", [], [[]], ["csv:a.csv"]])
def test_what_is_no_order_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="curriculum"):
        recipe(curriculum=wrong)
