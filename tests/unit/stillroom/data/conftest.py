"""Small recipes for the tests of the data step."""

from collections.abc import Callable
from typing import Any

import pytest

from stillroom.recipe.model import Recipe

SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["a", "b"]}},
    "required": ["kind"],
    "additionalProperties": False,
}
MakeRecipe = Callable[..., Recipe]


@pytest.fixture
def make_recipe() -> MakeRecipe:
    """A recipe with the given sources; `schema=None` makes it a free-text task."""

    def make(*sources: dict[str, Any], schema: dict[str, Any] | None = SCHEMA, **data: Any) -> Recipe:
        document = {
            "name": "small",
            "instruction": "Say which kind it is.",
            "output_schema": schema,
            "data": {"sources": list(sources), **data},
        }
        return Recipe.model_validate(document)

    return make
