"""What the fine-tuned model itself says about training texts."""

import random
from contextlib import closing
from pathlib import Path

from stillroom.data.rows import Row
from stillroom.recipe.model import Recipe


def own_answers(recipe: Recipe, rows: list[Row], gguf: Path) -> dict[str, str] | None:
    """Free answers by row id, to half as many drawn rows as pairs are wanted; None where no own errors are wanted."""
    if recipe.dpo is None or not recipe.dpo.own_errors:
        return None
    from serving.engine.specialist import Specialist

    asked = random.Random(recipe.dpo.seed).sample(rows, min(max(1, recipe.dpo.pairs // 2), len(rows)))
    with closing(Specialist(gguf, recipe)) as specialist:
        answers = specialist.answer([row.text for row in asked])
    return {row.id: answer.unconstrained for row, answer in zip(asked, answers, strict=True)}
