"""The recipe's curriculum for its rows: in what order an epoch's batches come."""

from collections.abc import Sequence

from stillroom.data.rows import Row
from stillroom.recipe.model import Recipe
from stillroom.train.bucketing import Curriculum


def curriculum_of(recipe: Recipe, rows: Sequence[Row]) -> Curriculum | None:
    """The stages of the rows by their sources, or the lengths; None where the recipe asks for no order."""
    wanted, epochs = recipe.sft.curriculum, recipe.sft.curriculum_epochs
    if wanted == "none":
        return None
    if wanted == "length":
        return Curriculum(shortest_first=True, epochs=epochs)
    stages = {source: number for number, stage in enumerate(wanted) for source in stage}
    return Curriculum([stages.get(row.source, len(wanted) - 1) for row in rows], epochs=epochs)
