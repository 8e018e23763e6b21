"""From a conversation to the prompt: the model's own chat template, with functions where it knows of them."""

import json
from collections.abc import Sequence
from typing import Any

from serving.server.errors import bad_request
from serving.server.requests import Message, Tool
from serving.server.tools import CALL_MARK, describe, written_calls
from stillroom.recipe.prompt import compile_template


class ChatTemplate:
    """One model's template. `source` is the Jinja text, "" where the model has none."""

    def __init__(self, source: str, bos_token: str, eos_token: str) -> None:
        self._template = compile_template(source) if source else None
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
        # Models trained on another notation of calls than ours are told of the functions in words.
        self._knows_tools = "tools" in source and CALL_MARK in source

    def prompt(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        """The prompt up to where the assistant's answer begins. Raises ApiError for what the template refuses."""
        if self._template is None:
            raise bad_request("This model has no chat template: use /v1/completions.", "messages", "no_chat_template")
        native = self._knows_tools
        conversation = [_native(message) if native else _plain(message) for message in messages]
        if tools and not native:
            conversation = _with_system(conversation, describe(tools))
        from jinja2 import TemplateError

        try:
            return str(
                self._template.render(
                    messages=conversation,
                    tools=[tool.model_dump(exclude_none=True) for tool in tools] if tools and native else None,
                    add_generation_prompt=True,
                    **self._tokens,
                )
            )
        except (TemplateError, TypeError, ValueError) as error:
            raise bad_request(f"The model's chat template refuses this conversation: {error}.", "messages") from error


def _plain(message: Message) -> dict[str, Any]:
    """A turn of role and text alone, with calls written out as the model is asked to write them."""
    text = message.text
    if message.tool_calls:
        calls = written_calls([(call.function.name, call.function.arguments) for call in message.tool_calls])
        text = f"{text}\n{calls}" if text else calls
    return {"role": _role(message), "content": text}


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
