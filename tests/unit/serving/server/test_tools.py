"""Calls: their grammar, and reading them however the answer is cut into pieces."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from serving.server.requests import Tool
from serving.server.tools import Argued, Called, CallReader, Said, grammar, written_calls
from stillroom.recipe.grammar import byte_tokenizer

CITY = {
    "type": "object",
    "properties": {"city": {"$ref": "#/$defs/name"}},
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"name": {"type": "string", "maxLength": 5}},
}
TOOLS = [
    Tool.model_validate({"type": "function", "function": function})
    for function in ({"name": "weather", "parameters": CITY}, {"name": "now"})
]
ROME, NOW = '{"name":"weather","arguments":{"city":"Rome"}}', '{"name":"now","arguments":{}}'


def accepts(text: str, **how: Any) -> bool:
    from llguidance import LLMatcher

    matcher = LLMatcher(byte_tokenizer(), LLMatcher.grammar_from_lark(grammar(TOOLS, marks_are_tokens=False, **how)))
    assert not matcher.is_error(), matcher.get_error()
    tokens = list(text.encode())
    return bool(matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting())


def marked(call: str) -> str:
    return f"<tool_call>\n{call}\n</tool_call>"


@pytest.mark.parametrize(
    ("text", "one", "many"),
    [
        (ROME, True, True),
        (NOW, True, True),
        (f"{ROME}\n{NOW}", False, True),
        ("hello", False, False),
        ("", False, False),
        ('{"name":"other","arguments":{}}', False, False),
        ('{"name":"weather","arguments":{"city":"London"}}', False, False),
        ('{"name": "now", "arguments": {}}', False, False),
    ],
)
def test_required_calls(text: str, one: bool, many: bool) -> None:
    assert accepts(text, mode="required", several=False) == one
    assert accepts(text, mode="required", several=True) == many


@pytest.mark.parametrize(
    ("text", "one", "many"),
    [
        ("hello", True, True),
        ("", True, True),
        (marked(ROME), True, True),
        (f"Well:\n{marked(ROME)}", True, True),
        (f"{marked(ROME)}\n{marked(NOW)}", False, True),
        ("<tool_call> anything", False, False),
        (marked('{"name":"weather","arguments":{"city":1}}'), False, False),
    ],
)
def test_free_answers_with_calls(text: str, one: bool, many: bool) -> None:
    assert accepts(text, mode="auto", several=False) == one
    assert accepts(text, mode="auto", several=True) == many


@pytest.mark.parametrize(
    ("text", "one", "many"),
    [
        ('{"a":1}', True, True),
        (marked(ROME), True, True),
        (f"{marked(ROME)}\n{marked(NOW)}", False, True),
        ("hello", False, False),
        ("", False, False),
        (f'{marked(ROME)}\n{{"a":1}}', False, False),
        ('{"a":"x"}', False, False),
    ],
)
def test_answers_by_a_schema_or_calls(text: str, one: bool, many: bool) -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/number"}}, "required": ["a"],
              "additionalProperties": False, "$defs": {"number": {"type": "integer"}}}  # fmt: skip
    assert accepts(text, mode="auto", several=False, schema=schema) == one
    assert accepts(text, mode="auto", several=True, schema=schema) == many


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    calls=st.lists(
        st.tuples(st.sampled_from(["a", "b-c"]), st.dictionaries(st.text(), json_values, max_size=3)), max_size=3
    ),
    before=st.text(alphabet="ab <t\n{", max_size=12),
    free=st.booleans(),
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=5),
)
def test_calls_are_read_as_they_were_written_however_they_are_cut(
    calls: list[tuple[str, dict[str, Any]]], before: str, free: bool, cuts: list[int]
) -> None:
    written = [(name, json.dumps(arguments, separators=(",", ":"))) for name, arguments in calls]
    if free:
        text = before + written_calls(written)
    else:
        text = "\n".join(f'{{"name":{json.dumps(name)},"arguments":{arguments}}}' for name, arguments in written)
    reader, pieces, place, turn = CallReader(marked=free), [], 0, 0
    while place < len(text):
        pieces += reader.feed(text[place : place + cuts[turn % len(cuts)]])
        place, turn = place + cuts[turn % len(cuts)], turn + 1
    pieces += reader.finish()
    assert [piece.name for piece in pieces if isinstance(piece, Called)] == [name for name, _ in written]
    for index, (_, arguments) in enumerate(written):
        parts = [piece.text for piece in pieces if isinstance(piece, Argued) and piece.index == index]
        assert "".join(parts) == arguments
    said = "".join(piece.text for piece in pieces if isinstance(piece, Said))
    assert said == ((before.rstrip() if calls else before) if free else "")


def test_marks_that_are_tokens_stand_bare_in_the_grammar() -> None:
    assert 'marked: TEXT <tool_call> "\\n" call "\\n" </tool_call>' in grammar(TOOLS, "auto", True, True)
