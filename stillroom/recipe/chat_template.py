"""A model's chat template: from the turns of a conversation to the text of a prompt, as transformers renders it."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from stillroom.errors import UserError

if TYPE_CHECKING:
    from jinja2 import Template

Turn = Mapping[str, Any]
_MARK = "\u241e"  # a character that no template touches
_MARKED_USER: Turn = {"role": "user", "content": _MARK}


class ChatTemplate:
    """One model's template.

    source: the Jinja text. bos_token and eos_token: the strings that it may name. Raises UserError for a text that is
    no template. A template that has no place for instructions, or drops them (Gemma's, early Mistral's and Phi's), gets
    them at the head of the first user's turn.
    """

    def __init__(self, source: str, bos_token: str = "", eos_token: str = "") -> None:
        self._template = _compiled(source)
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
        self.takes_system, self._in_parts = True, False
        # Templates of models that also see want a text as a list of parts, and say nothing where it is none.
        self._in_parts = not self._says(_MARKED_USER)
        if self._in_parts and not self._says(_MARKED_USER):
            self._in_parts = False
        self.takes_system = self._says({"role": "system", "content": _MARK}, {"role": "user", "content": "text"})
        """Whether instructions have a turn of their own."""

    def render(
        self,
        turns: Sequence[Turn],
        add_generation_prompt: bool = True,
        tools: Sequence[Any] | None = None,
        day: datetime | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """The text of a conversation, with `add_generation_prompt` up to where the answer begins.

        turns: `role` and `content` each. day: None is today. more: further variables that the template may know, such
        as enable_thinking. Raises UserError for a conversation that the template refuses.
        """
        given = turns if self.takes_system else with_first_user(turns)
        if self._in_parts:
            given = [{**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in given]
        told = {
            **(more or {}), **self._tokens, "messages": given, "tools": tools,
            "add_generation_prompt": add_generation_prompt, "strftime_now": (day or datetime.now()).strftime,
        }  # fmt: skip
        try:
            return str(self._template.render(told))
        except Exception as error:  # whatever Python raises on what the template does with the turns
            raise UserError(f"The model's chat template refuses this conversation: {error}.") from error

    def _says(self, *turns: Turn) -> bool:
        """Whether the mark in a conversation comes through."""
        try:
            return _MARK in self.render(turns)
        except UserError:
            return False


def with_first_user(turns: Sequence[Turn]) -> list[Turn]:
    """The turns with the instructions at the head of the first user's; without one, they are one."""
    if not turns or turns[0]["role"] != "system":
        return list(turns)
    system, rest = turns[0]["content"], list(turns[1:])
    if not rest or rest[0]["role"] != "user":
        return [{"role": "user", "content": system}, *rest]
    return [{**rest[0], "content": f"{system}\n\n{rest[0]['content']}"}, *rest[1:]]


@lru_cache(maxsize=16)
def _compiled(source: str) -> "Template":
    """A template, ready to render, in a sandbox and with what transformers gives its templates."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(
        value: Any,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _generation()]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    try:
        return environment.from_string(source)
    except TemplateError as error:
        raise UserError(f"The model's chat template cannot be read: {error}.") from error


def _generation() -> Any:
    """Of `{% generation %}` … `{% endgeneration %}`, which some templates put around answers, the inside."""
    from jinja2.ext import Extension

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    return Generation
