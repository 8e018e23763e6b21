"""The source `chat`: conversations as ShareGPT, Alpaca and OpenAI write them down.

A conversation is one row, so that no part of it is in the training split while another is in the test split. Its label
is one answer of the assistant, its text what was said before that.
"""

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from stillroom.data.reading import Rejected, undecodable
from stillroom.data.rows import Row
from stillroom.data.sampling import draw_rows, earlier_ids, faults_of
from stillroom.data.tabular import Record, read_jsonl
from stillroom.recipe.model import ChatSource

LARGEST_ARRAY = 500 * 10**6
"""Bytes of a JSON array, which is read whole; JSON Lines may be of any size."""
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant"}
_ROLES |= {"bard": "assistant", "bing": "assistant", "model": "assistant", "system": "system", "developer": "system"}
_ROLES |= {"prompter": "user", "ai": "assistant", "bot": "assistant", "chatbot": "assistant"}
_TOOLS = (
    "tool",
    "tools",
    "function",
    "function_call",
    "tool_call",
    "function_response",
    "tool_response",
    "observation",
)

_KEYS = {
    "sharegpt": ("conversations", "conversation", "items"),
    "openai": ("messages", "mapping"),
    "alpaca": ("instruction",),
}
"""The keys by which a record's format is known."""

Turn = tuple[str, str]


class ConversationError(ValueError):
    """A conversation that gives no row. `reason` can be counted."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class ChatReader:
    """Reads one ChatSource."""

    def __init__(self, source: ChatSource, base: Path, name: str, seed: int) -> None:
        self.source, self.base, self.name, self.seed = source, base, name, seed
        self.path = base / source.path
        self.notes: list[str] = []
        self._systems = 0

    def faults(self) -> list[str]:
        """A file that is missing, no JSON, or whose first record is no conversation."""
        return [*self._file_faults(), *faults_of(self.base, self.source.skip_ids_in)]

    def size(self) -> int:
        """The number of records or lines, or of the sample where that is less."""
        if self._is_array:
            count = len(self._array)
        else:
            with self.path.open("rb") as stream:
                count = sum(block.count(b"\n") for block in iter(lambda: stream.read(2**20), b""))
        return min(count, self.source.sample or count)

    def rows(self) -> Iterator[Row | Rejected]:
        """The conversations of the sample."""
        skip = earlier_ids(self.base, self.source.skip_ids_in)
        yield from draw_rows(self._all(), self.source.sample, self.seed, skip)
        if self._systems:
            self.notes.append(
                f"{self.name}: {self._systems} conversations begin with a system message. It stands in meta, not in "
                "the text: the recipe's own instruction takes its place."
            )

    def _all(self) -> Iterator[Row | Rejected]:
        for number, record in enumerate(self._records(), start=1):
            id = f"{self.name}/{number}"
            if record.reason:
                row = Row(id, "", None, self.name)
                bad = undecodable(id, self.name, record.data) if record.data else None
                yield bad or Rejected(row, record.reason, record.detail)
                continue
            given = record.values.get("id", record.values.get("conversation_id"))
            if isinstance(given, str | int) and given != "":
                id = str(given)
            try:
                turns = turns_of(record.values, self.source.format)
                text, label, system = exchange(turns, self.source.turn)
            except ConversationError as error:
                shown = json.dumps(record.values, ensure_ascii=False)[:200]
                yield Rejected(Row(id, shown, None, self.name), error.reason, error.detail)
                continue
            self._systems += bool(system)
            yield Row(id, text, label, self.name, {"system": system} if system else {})

    def _records(self) -> Iterator[Record]:
        if not self._is_array:
            yield from read_jsonl(self.path)
            return
        for value in self._array:
            yield (
                Record(value) if isinstance(value, dict) else Record(reason="not a JSON object", detail=str(value)[:80])
            )

    def _file_faults(self) -> list[str]:
        if not self.path.is_file():
            return [f"No such file: {self.path}"]
        if self._is_array and self.path.stat().st_size > LARGEST_ARRAY:
            return [f"{self.path} is a JSON array of {self.path.stat().st_size / 1e6:,.0f} MB; write it as JSON Lines."]
        try:
            first = next((record for record in self._records() if not record.reason), None)
        except (ValueError, RecursionError) as error:
            return [f"{self.path} is not JSON: {error}"]
        if first is None:
            return [f"{self.path} holds no conversation: no JSON object is in it."]
        if not formats_of(first.values):
            keys = ", ".join(first.values) or "none"
            return [
                f"{self.path} holds no conversations. A record needs conversations (ShareGPT), messages (OpenAI), or "
                f"instruction and output (Alpaca); the first has: {keys}."
            ]
        return []

    @cached_property
    def _is_array(self) -> bool:
        with self.path.open("rb") as stream:
            return stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")

    @cached_property
    def _array(self) -> list[Any]:
        value = json.loads(self.path.read_text(encoding="utf-8-sig"))
        return value if isinstance(value, list) else [value]


def formats_of(record: dict[str, Any]) -> list[str]:
    """Which formats the keys of a record fit."""
    pair = "prompt" in record and "completion" in record
    return [name for name, keys in _KEYS.items() if any(key in record for key in keys) or (pair and name == "openai")]


def turns_of(record: dict[str, Any], format: str = "auto") -> list[Turn]:
    """The turns of a record as (system, user or assistant; text). Raises ConversationError."""
    name = format if format != "auto" else next(iter(formats_of(record)), "")
    if not name or name not in formats_of(record):
        raise ConversationError("not a conversation", f"its keys are {', '.join(record) or 'none'}")
    listed = _alpaca(record) if name == "alpaca" else _openai(record) if name == "openai" else _first(record, name)
    if not isinstance(listed, list) or not all(isinstance(turn, dict) for turn in listed):
        raise ConversationError("not a conversation", "its turns must be a list of objects")
    return [turn for message in listed for turn in _turn(message)]


def _first(record: dict[str, Any], format: str) -> Any:
    return next(record[key] for key in _KEYS[format] if key in record)


def _alpaca(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Alpaca's keys, and those that others give to the same: earlier pairs as `history`, a system message."""
    given = record.get("input", record.get("context")) or ""
    answer = record.get("output", record.get("response")) or ""
    instruction, system, history = record.get("instruction") or "", record.get("system") or "", record.get("history")
    pairs = history if isinstance(history, list) else []
    if not all(isinstance(part, str) for part in (instruction, given, answer, system)) or not all(
        isinstance(pair, list) and len(pair) == 2 for pair in pairs
    ):
        raise ConversationError("not a conversation", "instruction, input and output must be texts")
    said = [(role, text) for pair in pairs for role, text in zip(("user", "assistant"), pair, strict=True)]
    asked = "\n\n".join(part for part in (instruction, given) if part)
    turns = [*([("system", system)] if system else []), *said, ("user", asked), ("assistant", answer)]
    return [{"role": role, "content": text} for role, text in turns]


def _openai(record: dict[str, Any]) -> Any:
    """Messages, a prompt with its completion, or a conversation as ChatGPT exports it: a tree of all attempts."""
    if "messages" in record:
        return record["messages"]
    if "mapping" not in record:
        prompt, completion = record["prompt"], record["completion"]
        if isinstance(prompt, list) and isinstance(completion, list):
            return [*prompt, *completion]
        return [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
    nodes, place = record["mapping"], record.get("current_node")
    path: list[dict[str, Any]] = []
    while isinstance(nodes, dict) and isinstance(node := nodes.get(place), dict) and len(path) <= len(nodes):
        path.insert(0, node.get("message") or {})
        place = node.get("parent")
    shown = []
    for message in path:
        content, author = message.get("content") or {}, message.get("author") or {}
        parts = [part for part in content.get("parts") or [] if part != ""]
        if parts:  # the root and the settings say nothing
            shown.append({"role": author.get("role"), "content": parts})
    return shown


def exchange(turns: list[Turn], which: str = "last") -> tuple[str, str, str]:
    """Text, label and system message: the first or last answer, and what was said before it.

    A single question stands as it is; of a longer conversation every turn is named by its speaker. Raises
    ConversationError where nobody asks or nobody answers.
    """
    system = "\n\n".join(said for role, said in turns if role == "system")
    spoken = [turn for turn in turns if turn[0] != "system"]
    answers = [
        index
        for index, (role, said) in enumerate(spoken)
        if role == "assistant" and said.strip() and any(role == "user" for role, _ in spoken[:index])
    ]
    if not answers:
        raise ConversationError("no question with an answer")
    place = answers[0] if which == "first" else answers[-1]
    before = spoken[:place]
    text = before[0][1] if len(before) == 1 else "\n".join(f"{role.capitalize()}: {said}" for role, said in before)
    return text, spoken[place][1], system


def _turn(message: dict[str, Any]) -> Iterator[Turn]:
    role = str(message.get("role", message.get("from", ""))).lower()
    if role in _TOOLS:
        raise ConversationError("a tool is used", "its call or answer is no text that this task could learn")
    if role not in _ROLES:
        raise ConversationError("an unknown speaker", role or "a turn without role")
    content = next((message[key] for key in ("content", "value", "text") if key in message), None)
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        if not all(isinstance(part, str) for part in parts):
            raise ConversationError("more than text", "a part of a message is a picture, a sound or a file")
        content = "\n".join(map(str, parts))
    if message.get("tool_calls") or message.get("function_call"):
        raise ConversationError("a tool is used", "its call or answer is no text that this task could learn")
    if not isinstance(content, str):
        raise ConversationError("not a conversation", f"a turn of {role} has no text")
    yield _ROLES[role], content
