"""Prompts: rendered once for training and serving, cut where they are too long, refused where a template is unfit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.recipe.prompt import Prompter, fit_text, system_message

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'"
    " }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SCHEMA = {
    "type": "object",
    "properties": {"maxLength": {"type": "string", "maxLength": 9}, "kind": {"enum": ["a", "b"]}},
    "required": ["maxLength", "kind"],
    "additionalProperties": False,
}


def recipe(**changes: object) -> Recipe:
    source = {"kind": "csv", "path": "a.csv"}
    return Recipe.model_validate({"name": "tiny", "instruction": "Say it.", "data": {"sources": [source]}} | changes)


def test_the_template_renders_prompt_and_completion() -> None:
    prompter = Prompter(recipe(), CHATML)
    assert prompter.prefix == "<|im_start|>system\nSay it.<|im_end|>\n<|im_start|>user\n"
    assert prompter.prompt("Hello") == prompter.prefix + "Hello<|im_end|>\n<|im_start|>assistant\n"
    assert prompter.completion("Hi") == "Hi<|im_end|>"


def test_the_schema_is_told_without_what_only_the_decoder_needs() -> None:
    told = system_message(recipe(output_schema=SCHEMA))
    assert told.endswith('{"type":"object","properties":{"maxLength":{"type":"string"},"kind":{"enum":["a","b"]}}}')


def test_a_template_that_drops_the_text_is_refused() -> None:
    with pytest.raises(UserError, match="exactly once"):
        Prompter(recipe(), "{{ messages[0]['content'] }}")


def test_a_template_that_puts_the_answer_first_is_refused() -> None:
    template = "{{ messages[-1]['content'] }}{% if messages|length > 2 %}{{ messages[1]['content'] }}{% endif %}"
    with pytest.raises(UserError, match="right after the prompt"):
        Prompter(recipe(), template)


@given(st.text(max_size=200), st.integers(0, 220))
def test_a_fitted_text_is_a_beginning_that_fits(text: str, limit: int) -> None:
    fitted = fit_text(text, limit, len)
    assert text.startswith(fitted) and len(fitted) <= limit
    assert fitted == text or len(text) > limit


def test_a_long_text_is_cut_at_a_words_end() -> None:
    assert fit_text("one two three four", 15, len) == "one two three"[:13]


def test_no_room_even_for_an_empty_text() -> None:
    with pytest.raises(UserError, match="take 8 tokens, more than the 5"):
        fit_text("text", 5, lambda part: 8 + len(part))
