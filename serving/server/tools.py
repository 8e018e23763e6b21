"""Functions that a model may call: how it is told of them, the grammar that holds its calls, and how these are read.

A call is written as `<tool_call>\n{"name":…,"arguments":{…}}\n</tool_call>`, as Hermes and Qwen models were trained to.
Where a call is required the answer is the JSON alone. Its shape is forced, so reading it needs no guessing.
"""

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from serving.server.requests import Tool
from stillroom.recipe.grammar import GRAMMAR_DEFAULTS

CALL_MARK, END_MARK = "<tool_call>", "</tool_call>"
MOST_CALLS = 16
NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}

Mode = Literal["auto", "required"]


def describe(tools: Sequence[Tool]) -> str:
    """What a model is told of its functions, where its chat template has no words for them."""
    lines = [
        json.dumps(tool.function.model_dump(exclude_none=True, exclude={"strict"}), ensure_ascii=False)
        for tool in tools
    ]
    call = '{"name":"function","arguments":{}}'
    return (
        "You can call these functions:\n" + "\n".join(lines) + "\nTo call one, write:\n"
        f"{CALL_MARK}\n{call}\n{END_MARK}\nThe result comes in the next message."
    )


def written_calls(calls: Sequence[tuple[str, str]]) -> str:
    """Earlier calls (name, arguments as JSON text) as the model writes them."""
    return "\n".join(
        f'{CALL_MARK}\n{{"name":{json.dumps(name)},"arguments":{arguments}}}\n{END_MARK}' for name, arguments in calls
    )


def result(text: str) -> str:
    """What a function gave back, as the user tells it to a model whose template has no turn for it."""
    return f"<tool_response>\n{text}\n</tool_response>"


def grammar(
    tools: Sequence[Tool], mode: Mode, several: bool, marks_are_tokens: bool, schema: dict[str, Any] | None = None
) -> str:
    """The Lark grammar of an answer: with calls where the model wants them, or of calls alone.

    several: more than one call may be made. marks_are_tokens: the vocabulary has each of the marks as one token.
    schema: what an answer without calls must follow; None is any text.
    """
    rules = [f"call: {' | '.join(f'call_{index}' for index in range(len(tools)))}"]
    for index, tool in enumerate(tools):
        head = json.dumps('{"name":' + json.dumps(tool.function.name) + ',"arguments":')
        held = json.dumps({**arguments(tool), "x-guidance": GRAMMAR_DEFAULTS})
        rules.append(f'call_{index}: {head} %json {held} "}}"')
    if mode == "required":
        more = rf' ("\n" call){{0,{MOST_CALLS - 1}}}' if several else ""
        return "\n".join([f"start: call{more}", *rules])
    if schema is not None:
        mark, end = (CALL_MARK, END_MARK) if marks_are_tokens else (json.dumps(CALL_MARK), json.dumps(END_MARK))
        more = rf' ("\n" marked){{0,{MOST_CALLS - 1}}}' if several else ""
        held = json.dumps({**schema, "x-guidance": GRAMMAR_DEFAULTS})
        marked = rf'marked: {mark} "\n" call "\n" {end}'
        return "\n".join([f"start: marked{more} | answer", f"answer: %json {held}", marked, *rules])
    if marks_are_tokens:
        marked = rf'marked: TEXT {CALL_MARK} "\n" call "\n" {END_MARK}'
    else:
        rules.append(f"opening[lazy]: TEXT {json.dumps(CALL_MARK)}")
        marked = rf'marked: opening "\n" call "\n{END_MARK}"'
    start = f"start: marked{{0,{MOST_CALLS}}} rest" if several else "start: marked | rest"
    return "\n".join([start, "rest: TEXT", r"TEXT: /(.|\n)*/", marked, *rules])


def arguments(tool: Tool) -> dict[str, Any]:
    """The schema of a function's arguments."""
    return {"type": "object", **(tool.function.parameters or NO_ARGUMENTS)}


@dataclass(frozen=True, slots=True)
class Said:
    """Text for the user."""

    text: str


@dataclass(frozen=True, slots=True)
class Called:
    """A call begins."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Argued:
    """A further piece of a call's arguments."""

    index: int
    text: str


Piece = Said | Called | Argued

_HEAD = re.compile(r'\s*\{"name":("(?:[^"\\]|\\.)*"),"arguments":')


@dataclass
class CallReader:
    """Reads an answer that arrives in pieces of text. `marked` answers hold calls between marks, others are calls."""

    marked: bool
    calls: int = 0
    _buffer: str = ""
    _place: Literal["text", "head", "arguments", "tail"] = field(init=False)
    _depth: int = 0
    _quoted: bool = False
    _escaped: bool = False

    def __post_init__(self) -> None:
        self._place = "text" if self.marked else "head"

    @property
    def within_call(self) -> bool:
        """A call has begun, and its arguments are not whole."""
        return self._place == "arguments"

    def feed(self, text: str) -> Iterator[Piece]:
        """What a further piece of the answer settles."""
        self._buffer += text
        while True:
            before = (self._place, self._buffer)
            yield from self._step()
            if before == (self._place, self._buffer):
                return

    def finish(self) -> Iterator[Piece]:
        """What is left when the answer is at its end."""
        if self._place == "text" and self._buffer and not (self.calls and self._buffer.isspace()):
            yield Said(self._buffer)
        self._buffer = ""

    def _step(self) -> Iterator[Piece]:
        if self._place == "text":
            yield from self._text()
        elif self._place == "head":
            found = _HEAD.match(self._buffer)
            if found:
                yield Called(self.calls, f"call_{uuid.uuid4().hex[:24]}", json.loads(found[1]))
                self._buffer, self._place = self._buffer[found.end() :], "arguments"
        elif self._place == "arguments":
            yield from self._take_arguments()
        else:
            end = END_MARK if self.marked else "}"
            if end in self._buffer:
                self._buffer = self._buffer.partition(end)[2]
                self._place = "text" if self.marked else "head"

    def _text(self) -> Iterator[Piece]:
        text, mark, rest = self._buffer.partition(CALL_MARK)
        if mark:
            if text.strip():
                yield Said(text.rstrip())
            self._buffer, self._place = rest, "head"
            return
        # White space and the beginning of a mark may still turn out to belong to a call.
        kept = next((n for n in range(len(CALL_MARK) - 1, 0, -1) if text.endswith(CALL_MARK[:n])), 0)
        sure = text[: len(text) - kept].rstrip()
        if sure:
            yield Said(sure)
            self._buffer = text[len(sure) :]

    def _take_arguments(self) -> Iterator[Piece]:
        for place, sign in enumerate(self._buffer):
            if self._escaped:
                self._escaped = False
            elif self._quoted:
                self._escaped, self._quoted = sign == "\\", sign != '"'
            elif sign == '"':
                self._quoted = True
            elif sign in "{[":
                self._depth += 1
            elif sign in "}]":
                self._depth -= 1
                if not self._depth:
                    yield Argued(self.calls, self._buffer[: place + 1])
                    self._buffer, self._place, self.calls = self._buffer[place + 1 :], "tail", self.calls + 1
                    return
        if self._buffer:
            yield Argued(self.calls, self._buffer)
            self._buffer = ""
