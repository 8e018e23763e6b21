"""From a conversation to the prompt: the model's own chat template, with functions where it knows of them."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from serving.server.errors import bad_request
from serving.server.requests import Message, Tool
from serving.server.tools import CALL_MARK, describe, result, written_calls
from stillroom.errors import UserError
from stillroom.recipe.chat_template import ChatTemplate

log = logging.getLogger("stillroom.server")

_OUR_CALL = re.compile(CALL_MARK + r'\s*\{\s*"name":\s*"probe",\s*"arguments":\s*\{')
_PROBE = {"name": "probe", "arguments": {"word": "x"}}
_PROBE_TOOL = {"type": "function", "function": {"name": "probe", "description": "", "parameters": {"type": "object"}}}


class Conversations:
    """Prompts of one model. `source` is its template's Jinja text, "" where it has none."""

    def __init__(self, source: str, bos_token: str, eos_token: str) -> None:
        self._template: ChatTemplate | None = None
        self._fault = "This model has no chat template: use /v1/completions."
        if source:
            try:
                self._template = ChatTemplate(source, bos_token, eos_token)
            except UserError as error:
                log.warning("%s Only /v1/completions will work.", error)
                self._fault = f"{error} Use /v1/completions."
        self._knows_tools = "tools" in source and self._writes_our_calls()

    def prompt(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool] = (),
        day: datetime | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """The prompt up to where the assistant's answer begins.

        day and more: as for the template's `render`. Raises ApiError for what the template refuses.
        """
        if self._template is None:
            raise bad_request(self._fault, "messages", "no_chat_template")
        native = self._knows_tools
        turns = [_native(message) for message in messages] if native else _plain(messages)
        if tools and not native:
            turns = _with_system(turns, describe(tools))
        told = [tool.model_dump(exclude_none=True) for tool in tools] if tools and native else None
        try:
            return self._template.render(turns, tools=told, day=day, more=more)
        except UserError as error:
            raise bad_request(str(error), "messages", "invalid_value") from error

    def _writes_our_calls(self) -> bool:
        """Whether the template writes calls as ours are written; a model of another notation is told in words."""
        called = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": _PROBE}]}
        turns: list[dict[str, Any]] = [{"role": "user", "content": "x"}, called, {"role": "tool", "content": "found"}]
        if self._template is None:
            return False
        try:
            text = self._template.render(turns, tools=[_PROBE_TOOL])
        except UserError:
            return False
        return _OUR_CALL.search(text) is not None and "found" in text


def _plain(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Turns that any template takes: calls written out as the model is asked to write them, results told by the user.

    Results that come together, and what the user says to them, are one turn: many templates want turns to alternate.
    """
    turns: list[dict[str, Any]] = []
    for message, before in zip(messages, [None, *messages], strict=False):
        text = message.text
        if message.tool_calls:
            calls = written_calls([(call.function.name, call.function.arguments) for call in message.tool_calls])
            text = f"{text}\n{calls}" if text else calls
        if message.role == "tool":
            text = result(text)
        if before is not None and before.role == "tool" and message.role in ("tool", "user"):
            turns[-1]["content"] += f"\n{text}"
        else:
            turns.append({"role": "user" if message.role == "tool" else _role(message), "content": text})
    return turns


def _native(message: Message) -> dict[str, Any]:
    """A turn as templates that know functions expect it: arguments as an object."""
    turn: dict[str, Any] = {"role": _role(message), "content": message.text}
    if message.name is not None:
        turn["name"] = message.name
    if message.tool_calls:
        functions = [call.function for call in message.tool_calls]
        turn["tool_calls"] = [
            {"type": "function", "function": {"name": one.name, "arguments": _arguments(one.arguments)}}
            for one in functions
        ]
    return turn


def _role(message: Message) -> str:
    return "system" if message.role == "developer" else message.role


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _with_system(conversation: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    if conversation[0]["role"] == "system":
        first = {**conversation[0], "content": f"{conversation[0]['content']}\n\n{text}"}
        return [first, *conversation[1:]]
    return [{"role": "system", "content": text}, *conversation]
