"""From a conversation to a prompt, for models that know functions and for others."""

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from serving.server.errors import ApiError
from serving.server.requests import Message, Tool
from serving.server.template import Conversations

PLAIN = "{% for m in messages %}[{{ m['role'] }}:{{ m['content'] }}]{% endfor %}"
KNOWING = (
    "{% if tools %}{{ tools[0].function.name }}|{% endif %}{% for m in messages %}[{{ m['role'] }}:{{ m['content'] }}"
    "{% for c in m.tool_calls or [] %}<tool_call>\n"
    + '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}'
    "\n</tool_call>{% endfor %}]{% endfor %}"
)
# As Qwen3-Coder's: the same mark, another notation inside.
OTHER = KNOWING.replace('{"name": "{{ c.function.name }}"', "<function={{ c.function.name }}>")
ALTERNATING = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate!') }}"
    "{% endif %}[{{ m['role'] }}:{{ m['content'] }}]{% endfor %}"
)
TOOL = Tool.model_validate({"type": "function", "function": {"name": "weather"}})
TURNS = [
    Message.model_validate(turn)
    for turn in (
        {"role": "developer", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]},
        {"role": "user", "content": "Rome?"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}]},
        {"role": "tool", "content": "sunny", "tool_call_id": "1"},
    )
]  # fmt: skip


def test_a_template_that_knows_no_functions_is_told_in_words() -> None:
    prompt = Conversations(PLAIN, "", "").prompt(TURNS, [TOOL])
    assert prompt.startswith('[system:Be brief.\n\nYou can call these functions:\n{"name": "weather"}')
    call = '<tool_call>\n{"name":"weather","arguments":{"city":"Rome"}}\n</tool_call>'
    assert prompt.endswith(f"[user:Rome?][assistant:{call}][user:<tool_response>\nsunny\n</tool_response>]")
    assert Conversations(OTHER, "", "").prompt(TURNS, [TOOL]) == prompt
    assert Conversations(PLAIN, "", "").prompt(TURNS[1:2], [TOOL]).startswith("[system:You can call")


def test_a_template_that_knows_functions_gets_them() -> None:
    prompt = Conversations(KNOWING, "", "").prompt(TURNS, [TOOL])
    call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'
    assert prompt == f"weather|[system:Be brief.][user:Rome?][assistant:{call}][tool:sunny]"


def test_results_are_one_turn_where_turns_must_alternate() -> None:
    more = [{"role": "tool", "content": "7 C", "tool_call_id": "2"}, {"role": "user", "content": "So?"}]
    prompt = Conversations(ALTERNATING, "", "").prompt([*TURNS, *map(Message.model_validate, more)], [TOOL])
    assert prompt.startswith("[user:Be brief.\n\nYou can call") and prompt.count("[user:") == 2
    assert prompt.endswith("\nsunny\n</tool_response>\n<tool_response>\n7 C\n</tool_response>\nSo?]")


def test_what_a_template_refuses() -> None:
    with pytest.raises(ApiError, match="no user here"):
        Conversations("{{ raise_exception('no user here') }}", "", "").prompt(TURNS)
    with pytest.raises(ApiError, match="has no chat template"):
        Conversations("", "", "").prompt(TURNS)
    with pytest.raises(ApiError, match="cannot be read"):
        Conversations("{% for %}", "", "").prompt(TURNS)
