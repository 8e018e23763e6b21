"""How a training row reads as prompt and completion, with the base model's own chat template."""

from collections.abc import Callable
from pathlib import Path

from stillroom.data.rows import Row
from stillroom.recipe.model import Recipe


def renderer(recipe: Recipe, base: Path) -> Callable[[Row], tuple[str, str]]:
    """A function that renders a labelled row as (prompt, completion)."""
    from stillroom.train.encode import Encoder, answer_text
    from stillroom.train.setup import load_tokenizer

    prompter = Encoder(recipe, load_tokenizer(base)).prompter

    def render(row: Row) -> tuple[str, str]:
        return prompter.prompt(row.text), prompter.completion(answer_text(recipe, row.label))

    return render
