"""The one place where a prompt is built: training, evaluation and serving all render it here.

The model's own chat template does the rendering (from the tokenizer's files in training, from the GGUF's metadata in
serving: the same string), so that a served prompt is token for token the trained one.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from stillroom.errors import UserError
from stillroom.recipe.chat_template import ChatTemplate
from stillroom.recipe.model import Recipe

RECIPES: dict[str, Any] = {"day": datetime(2024, 7, 26), "more": {"enable_thinking": False}}
"""How templates render a recipe's prompts. Some tell the model which day it is: here always this one (the one that
Llama's template falls back to), for a served prompt is the trained one on any day. And the answer comes at once,
without a thought before it."""


def system_message(recipe: Recipe) -> str:
    """The instruction and, for a schema task, the schema as compact JSON: the prefix that all prompts share."""
    if recipe.output_schema is None:
        return recipe.instruction.strip()
    schema = json.dumps(_told(recipe.output_schema), ensure_ascii=False, separators=(",", ":"))
    return f"{recipe.instruction.strip()}\nAnswer with one JSON object that follows this JSON Schema:\n{schema}"


_UNTOLD = {"$schema", "$id", "$comment", "additionalProperties", "minLength", "maxLength"}
"""Keywords that the decoder enforces anyway and that tell a model nothing about what to answer."""


def _told(schema: Any) -> Any:
    """The schema as the model is told it: without what only the decoder needs, for every token is read each time."""
    if not isinstance(schema, dict):
        return schema
    told: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs") and isinstance(value, dict):
            told[key] = {name: _told(part) for name, part in value.items()}
        elif key in ("items", "anyOf", "oneOf", "prefixItems"):
            told[key] = [_told(part) for part in value] if isinstance(value, list) else _told(value)
        elif key == "required" and set(value) == set(schema.get("properties", {})):
            continue  # all of them, in the order in which they stand
        elif key not in _UNTOLD:
            told[key] = value
    return told


def messages(recipe: Recipe, text: str, answer: str | None = None) -> list[dict[str, str]]:
    """The conversation for one input text, with the assistant's answer where it is known."""
    conversation = [{"role": "system", "content": system_message(recipe)}, {"role": "user", "content": text}]
    if answer is not None:
        conversation.append({"role": "assistant", "content": answer})
    return conversation


class Prompter:
    """Renders prompts and completions with one model's chat template.

    `chat_template` is the Jinja text, `bos_token` and `eos_token` the strings that it may name.
    """

    def __init__(self, recipe: Recipe, chat_template: str, bos_token: str = "", eos_token: str = "") -> None:
        self._recipe = recipe
        self._template = ChatTemplate(chat_template, bos_token, eos_token)
        mark = "\u241e"  # a character that no template touches, to find where the input text begins
        prompt = self.prompt(mark)
        if prompt.count(mark) != 1:
            raise UserError("The model's chat template does not put the user's text into the prompt exactly once.")
        self.prefix = prompt.split(mark)[0]
        """What every prompt of this recipe begins with."""
        self._ending = self._find_ending(eos_token)

    def prompt(self, text: str) -> str:
        """The prompt for one input text, up to where the answer begins."""
        return self._template.render(messages(self._recipe, text), **RECIPES)

    def completion(self, answer: str) -> str:
        """What the model shall write: the answer and the template's end-of-turn mark."""
        return answer + self._ending

    def _find_ending(self, eos_token: str) -> str:
        prompt = self.prompt("text")
        answered = messages(self._recipe, "text", "ANSWER")
        whole = self._template.render(answered, add_generation_prompt=False, **RECIPES)
        if not whole.startswith(prompt + "ANSWER"):
            raise UserError(
                "The model's chat template does not put the answer right after the prompt, so the model would be "
                "trained on text that it never has to continue. Choose a base model with a plain chat template."
            )
        # White space after the end-of-turn mark belongs to the next turn: the model has stopped by then.
        ending = whole[len(prompt) + len("ANSWER") :].rstrip()
        return ending or eos_token


def fit_text(text: str, limit: int, count: Callable[[str], int]) -> str:
    """Cut the end of an input text so that its prompt has at most `limit` tokens; a text that fits is returned as is.

    count: number of tokens of the prompt made from a text. Raises UserError where not even an empty text fits.
    """
    if count(text) <= limit:
        return text
    if count("") > limit:
        raise UserError(
            f"The instruction and the schema alone take {count('')} tokens, more than the {limit} that are left for "
            "the prompt. Shorten the instruction, or raise sft.max_tokens and serve.context_tokens."
        )
    low, high = 0, len(text)  # count(text[:low]) fits, count(text[:high]) does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(text[:middle]) <= limit else (low, middle)
    word_end = text[:low].rfind(" ")
    return text[:word_end] if word_end > low * 0.8 else text[:low]
