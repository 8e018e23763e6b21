"""A recipe's specialist: the engine with the recipe's prompt, schema and limits around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.engine.dual import DualDecoder
from serving.engine.llama import Llama
from stillroom.progress import Progress
from stillroom.recipe.model import Recipe
from stillroom.recipe.prompt import Prompter, fit_text

SLOTS = 8
"""Texts under way at once. More slots make larger batches, but attention then runs over all their cells."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said about one text: freely, and under the schema (None without a schema or where not asked)."""

    unconstrained: str
    constrained: str | None
    prompt_tokens: int
    completion_tokens: int


class Specialist:
    """Answers texts by one recipe with one GGUF file.

    Raises UserError where the file or its chat template cannot be used. A text too long for the recipe's context loses
    its end, as in training.
    """

    def __init__(self, gguf: Path, recipe: Recipe, slots: int = SLOTS) -> None:
        self._recipe, room = recipe, recipe.serve.context_tokens + recipe.serve.max_answer_tokens
        self._llama = Llama(gguf, sequences=2 * slots + 1, cells=slots * room, fast=True)
        special = {name: self._llama.token_text(f"tokenizer.ggml.{name}_id") for name in ("bos_token", "eos_token")}
        self._prompter = Prompter(recipe, self._llama.chat_template, **special)
        # The prefix's last token may merge with the text's first one, so it is left to each prompt.
        self._engine = DualDecoder(self._llama, slots, self._llama.tokenize(self._prompter.prefix)[:-1])
        schema = recipe.output_schema
        self._held = None if schema is None else self._engine.constraint(schema)
        self._json = None if schema is None else self._engine.constraint(None)

    def answer(self, texts: Sequence[str]) -> list[Answer]:
        """Both answers to each text, as an evaluation wants them; a free one that cannot become JSON is cut."""
        prompts = [self._prompt(text) for text in texts]
        progress = Progress("answer", len(prompts))
        results = self._engine.answer(
            prompts, self._recipe.serve.max_answer_tokens, self._held, True, self._json, lambda _: progress.advance()
        )
        return [
            Answer(
                unconstrained=self._text(result.free),
                constrained=None if result.held is None else self._text(result.held),
                prompt_tokens=len(prompt),
                completion_tokens=len((result.held or result.free).tokens),  # type: ignore[union-attr]
            )
            for prompt, result in zip(prompts, results, strict=True)
        ]

    def close(self) -> None:
        """Give the model's memory back."""
        self._llama.close()

    def _prompt(self, text: str) -> list[int]:
        limit = self._recipe.serve.context_tokens - self._recipe.serve.max_answer_tokens
        text = fit_text(text, limit, lambda part: len(self._llama.tokenize(self._prompter.prompt(part))))
        return self._llama.tokenize(self._prompter.prompt(text))

    def _text(self, decoded: Any) -> str:
        return "" if decoded is None else self._llama.detokenize(decoded.tokens)
