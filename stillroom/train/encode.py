"""From rows to token ids: prompt and completion apart, so that the loss falls on the completion alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.recipe.prompt import Prompter, fit_text
from stillroom.recipe.schema import canonical


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of one sample. `cut` says that the end of the input text was dropped to make room for the answer."""

    prompt: list[int]
    completion: list[int]
    cut: bool

    def labels(self, full: bool = False) -> list[int]:
        """What is learned at each token of prompt and completion; -100 where nothing is.

        `full` learns the prompt too, but for its first token, before which there is nothing to predict it from.
        """
        return ([-100, *self.prompt[1:]] if full else [-100] * len(self.prompt)) + self.completion


class Encoder:
    """Encodes rows for one recipe and one Hugging Face tokenizer.

    The prompt and the completion are tokenised apart, as in serving, where the prompt is all that there is.
    """

    def __init__(self, recipe: Recipe, tokenizer: Any) -> None:
        self._recipe, self._tokenizer = recipe, tokenizer
        self.prompter = Prompter(recipe, tokenizer.chat_template, tokenizer.bos_token or "", tokenizer.eos_token or "")

    def tokens(self, text: str) -> list[int]:
        """Token ids of rendered text; marks such as <|im_end|> become their own tokens, nothing is added."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def encode(self, text: str, answer: str, id: str = "") -> Encoded:
        """Encode one input text and its answer text; an over-long text loses its end, never its answer.

        Raises UserError, with the row's id, where the answer leaves no room for the prompt.
        """
        limit = self._recipe.sft.max_tokens
        completion = self.tokens(self.prompter.completion(answer))
        needed = self._fewest + len(completion)
        if self._fewest <= limit < needed:
            raise UserError(_too_long(f"of row {id}" if id else repr(answer[:60]), len(completion), needed, limit))
        room = max(0, limit - len(completion))
        fitted = fit_text(text, room, lambda part: len(self.tokens(self.prompter.prompt(part))))
        return Encoded(self.tokens(self.prompter.prompt(fitted)), completion, cut=fitted != text)

    def encode_rows(self, rows: Sequence[Row]) -> list[Encoded]:
        """Encode labelled rows; raises UserError where no token would be trained on."""
        labelled = [row for row in rows if row.label is not None]
        samples = [self.encode(row.text, answer_text(self._recipe, row.label), row.id) for row in labelled]
        if not any(sample.completion for sample in samples):
            raise UserError(
                "There is nothing to train on: no row has an answer with at least one token. Check the label column "
                "of the recipe's sources and `data/rejected.jsonl`, which says why rows were dropped."
            )
        return samples

    @cached_property
    def _fewest(self) -> int:
        """Tokens of a prompt without any input text."""
        return len(self.tokens(self.prompter.prompt("")))


def _too_long(whose: str, answer: int, needed: int, limit: int) -> str:
    return (
        f"The answer {whose} takes {answer} tokens, too long for training: with the instruction and the schema "
        f"it needs {needed}, and sft.max_tokens is {limit}. Raise sft.max_tokens above {needed} (and "
        "serve.max_answer_tokens and serve.context_tokens, so that such an answer can be served too), or drop the row."
    )


def answer_text(recipe: Recipe, label: Any) -> str:
    """The answer as the model writes it: canonical JSON for a schema task, the text itself otherwise."""
    return str(label) if recipe.output_schema is None else canonical(recipe.output_schema, label)
