"""Rows become tokens; an answer that leaves no room for its prompt is named."""

from typing import Any

import pytest

from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.train.encode import Encoder

TEMPLATE = (
    "{% for message in messages %}{{ '<' + message['content'] + '>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<' }}{% endif %}"
)


class Letters:
    """Stands for a tokenizer whose tokens are characters."""

    chat_template, bos_token, eos_token = TEMPLATE, "", ""

    def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text]}


def encoder(max_tokens: int, instruction: str = "Say it.") -> Encoder:
    document: dict[str, Any] = {
        "name": "t",
        "instruction": instruction,
        "data": {"sources": [{"kind": "csv", "path": "a"}]},
        "sft": {"max_tokens": max_tokens},
    }
    return Encoder(Recipe.model_validate(document), Letters())


def test_a_long_text_is_cut_and_its_answer_is_not() -> None:
    sample = encoder(40).encode("word " * 20, "answer")
    assert sample.cut and len(sample.prompt) + len(sample.completion) <= 40
    assert bytes(sample.completion) == b"answer>"


def test_an_answer_that_leaves_no_room_is_named() -> None:
    rows = [Row("csv:a/1", "text", "short", "csv:a"), Row("csv:a/2", "text", "long " * 20, "csv:a")]
    # The empty prompt is "<Say it.><><": 12 letters.
    said = (
        r"^The answer of row csv:a/2 takes 101 tokens, too long for training: .* needs 113, and sft.max_tokens is 50\. "
        r"Raise sft.max_tokens above 113 .* drop the row\.$"
    )
    with pytest.raises(UserError, match=said):
        encoder(50).encode_rows(rows)
    with pytest.raises(UserError, match=r"^The answer 'long long"):
        encoder(50).encode("text", "long " * 20)
    assert encoder(113).encode("text", "long " * 20).prompt == list(b"<Say it.><><")


@pytest.mark.parametrize("answer", ["short", "long " * 20])
def test_an_instruction_that_leaves_no_room_is_blamed_itself(answer: str) -> None:
    with pytest.raises(UserError, match=r"The instruction and the schema alone take 65 tokens, more than the \d+ that"):
        encoder(50, instruction="x" * 60).encode("text", answer)
