"""From a conversation to a prompt, for models that know functions and for others."""

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from serving.server.errors import ApiError
from serving.server.requests import Message, Tool
from serving.server.template import ChatTemplate

PLAIN = "{% for m in messages %}[{{ m['role'] }}:{{ m['content'] }}]{% endfor %}"
KNOWING = (
    "{% if tools %}{{ tools[0].function.name }}|{% endif %}{% for m in messages %}[{{ m['role'] }}:{{ m['content'] }}"
    "{% if m.tool_calls %}<tool_call>{{ m.tool_calls[0].function.arguments.city }}{% endif %}]{% endfor %}"
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
    prompt = ChatTemplate(PLAIN, "", "").prompt(TURNS, [TOOL])
    assert prompt.startswith('[system:Be brief.\n\nYou can call these functions:\n{"name": "weather"}')
    call = '<tool_call>\n{"name":"weather","arguments":{"city":"Rome"}}\n</tool_call>'
    assert prompt.endswith(f"[user:Rome?][assistant:{call}][tool:sunny]")
    assert ChatTemplate(PLAIN, "", "").prompt(TURNS[1:2], [TOOL]).startswith("[system:You can call")


def test_a_template_that_knows_functions_gets_them() -> None:
    prompt = ChatTemplate(KNOWING, "", "").prompt(TURNS, [TOOL])
    assert prompt == "weather|[system:Be brief.][user:Rome?][assistant:<tool_call>Rome][tool:sunny]"


def test_what_a_template_refuses() -> None:
    with pytest.raises(ApiError, match="no user here"):
        ChatTemplate("{{ raise_exception('no user here') }}", "", "").prompt(TURNS)
    with pytest.raises(ApiError, match="has no chat template"):
        ChatTemplate("", "", "").prompt(TURNS)
