"""Greedy requests with the answers that llama.cpp gives to them alone: what a soak sends, and what it holds against."""

import json
import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from greedy_reference import Reference, Verdict
from prometheus_client import CollectorRegistry

from serving.engine.request import Request
from serving.server.extraction import Extractor
from serving.server.package import open_package
from serving.server.planning import plan_chat, plan_completion
from serving.server.requests import ChatRequest, CompletionRequest
from serving.server.start import Settings, open_service
from serving.server.tracing import Tracer

WORDS = [
    "meeting", "café", "会议", "14:30", "tomorrow", "spam", "offer", "lunch", "noon", "room", "12", "cancelled", "🙂",
    "“quoted”", "x_y", "naïve",
]  # fmt: skip
RECIPE = """\
name: mails
instruction: What is this e-mail about?
output_schema:
  type: object
  properties:
    category: {enum: [event, spam, other]}
    title: {type: string, pattern: "^[a-z ]{1,12}$"}
  required: [category, title]
  additionalProperties: false
data:
  sources: [{kind: csv, path: mails.csv}]
serve: {context_tokens: 256, max_answer_tokens: 40}
"""


@dataclass(frozen=True)
class Case:
    """A request and its answer. kind: chat, completion, tools, or text (which goes to extract, predict and infer).

    body: what is sent beside `model`, `stream` and the like; for a text the text itself. request: what the server's
    planner makes of it. expected: the text of the answer alone. stopped: it ends of itself, or by a stop text.
    """

    kind: str
    body: Any
    request: Request
    expected: str = ""
    stopped: bool = False
    adapter: str | None = None


@dataclass
class Cases:
    """Makes them. folder: the model directory that is served; adapters: name → file.

    The prompts and grammars are the server's own, the answers are llama.cpp's, one token at a time.
    """

    folder: Path
    adapters: dict[str, Path]
    context: int
    reference: Reference = field(init=False)
    _verdicts: dict[tuple[int, str], Verdict] = field(default_factory=dict)
    _adapted_cases: dict[tuple[int, str], Case] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reference = Reference(self.folder / "model" / "tiny.gguf")
        settings = Settings(self.folder, slots=1, context=self.context)
        self._service = open_service(settings, open_package(self.folder), CollectorRegistry(), Tracer())
        self._extractor = Extractor(self._service, 1)

    def close(self) -> None:
        self._service.close()
        self.reference.close()

    def drawn(self, count: int, draw: random.Random) -> list[Case]:
        """So many of all kinds, each with a tag of its own in prompt and grammar."""
        makers = (
            self._chat, self._chat, self._schema, self._schema, self._regex, self._completion, self._completion,
            self._text, self._text, self._text, self._tools, self._task_chat, self._adapted, self._adapted,
        )  # fmt: skip
        return [makers[number % len(makers)](f"r-{number}", draw) for number in range(count)]

    def judge(self, case: Case, found: str) -> Verdict:
        """Whether an answer is the right one; near ties are looked for where it is not the same to the letter."""
        if found == case.expected:
            return Verdict(0, 0.0, 1.0)
        key = (id(case), found)
        if key not in self._verdicts:
            asked = case.request
            self._verdicts[key] = self.reference.judge_text(
                asked.prompt, found, asked.max_tokens, asked.constraint, self._file(case), asked.stop
            )
        return self._verdicts[key]

    def adapted(self, case: Case, adapter: str) -> Case:
        """The same request to an adapter."""
        key = (id(case), adapter)
        if key not in self._adapted_cases:
            self._adapted_cases[key] = self._answered(replace(case, adapter=adapter))
        return self._adapted_cases[key]

    def _file(self, case: Case) -> Path | None:
        return None if case.adapter is None else self.adapters[case.adapter]

    def _answered(self, case: Case) -> Case:
        asked = case.request
        tokens, _ = self.reference.greedy(asked.prompt, asked.max_tokens, asked.constraint, self._file(case))
        text = self.reference.text(tokens, asked.stop)
        stopped = len(tokens) < asked.max_tokens or text != self.reference.text(tokens)
        return replace(case, expected=text, stopped=stopped)

    def _planned(self, kind: str, body: dict[str, Any]) -> Case:
        if kind == "completion":
            plan = plan_completion(self._service, CompletionRequest.model_validate(body), None)
        else:
            plan = plan_chat(self._service, ChatRequest.model_validate(body), None)
        return self._answered(Case(kind, body, plan.requests[0]))

    def _messages(self, tag: str, draw: random.Random) -> list[dict[str, Any]]:
        system = draw.choice(("Be brief.", "You read e-mails for busy people. Say what they are about.", tag))
        turns: list[dict[str, Any]] = [{"role": "system", "content": system}]
        if draw.random() < 0.3:
            turns += [{"role": "user", "content": _words(draw, 8)}, {"role": "assistant", "content": _words(draw, 5)}]
        return [*turns, {"role": "user", "content": f"{tag} {_words(draw, 30)}"}]

    def _chat(self, tag: str, draw: random.Random) -> Case:
        body = {"messages": self._messages(tag, draw), "max_tokens": draw.choice((1, 4, 12, 24)), "temperature": 0}
        case = self._planned("chat", body)
        if len(case.expected) > 6 and draw.random() < 0.5:
            at = draw.randrange(1, len(case.expected) - 2)
            stop = [case.expected[at : at + draw.choice((1, 2, 3))], "never said"]
            case = self._planned("chat", {**body, "stop": stop})
        return case

    def _held(self, tag: str, draw: random.Random, asked: dict[str, Any]) -> Case:
        body = {"messages": self._messages(tag, draw), "max_tokens": 60, "temperature": 0, **asked}
        return self._planned("tools" if "tools" in asked else "chat", body)

    def _schema(self, tag: str, draw: random.Random) -> Case:
        schema = {
            "type": "object",
            "properties": {
                "id": {"const": tag},
                "kind": {"enum": draw.sample(["event", "spam", "other", "会议"], 3)},
                "note": {"type": ["string", "null"], "maxLength": draw.choice((3, 8))},
                "rows": {"type": "array", "items": {"type": "integer", "maximum": 99, "minimum": 0}, "maxItems": 3},
            },
            "required": ["id", "kind", "note"],
            "additionalProperties": False,
        }
        named = {"type": "json_schema", "json_schema": {"name": "mail", "schema": schema}}
        return self._held(tag, draw, {"response_format": named})

    def _regex(self, tag: str, draw: random.Random) -> Case:
        pattern = f"{tag}[:,] ([a-z]{{2,6}}|会议){{1,3}}[.!]"
        return self._held(tag, draw, {"structured_outputs": {"regex": pattern}})

    def _tools(self, tag: str, draw: random.Random) -> Case:
        cities = {"enum": [tag, f"{tag} town"]}
        parameters = {
            "type": "object",
            "properties": {"city": cities, "days": {"type": "integer", "maximum": 9, "minimum": 0}},
            "required": ["city", "days"],
            "additionalProperties": False,
        }
        tool = {"type": "function", "function": {"name": tag, "parameters": parameters}}
        return self._held(tag, draw, {"tools": [tool], "tool_choice": "required"})

    def _completion(self, tag: str, draw: random.Random) -> Case:
        text = f"{tag}: {_words(draw, 20)}\n"
        prompt = text if draw.random() < 0.7 else self.reference.llama.tokenize(text)
        return self._planned("completion", {"prompt": prompt, "max_tokens": draw.choice((2, 8, 16)), "temperature": 0})

    def _text(self, tag: str, draw: random.Random) -> Case:
        text = f"From: {tag}\nSubject: {_words(draw, 4)}\n\n{_words(draw, 16)}"
        request, truncated = self._extractor._request(text, None)
        assert not truncated, text
        return self._answered(Case("text", text, request))

    def _task_chat(self, tag: str, draw: random.Random) -> Case:
        """A chat without an instruction: the recipe's holds."""
        return self._planned("chat", {"messages": [{"role": "user", "content": self._text(tag, draw).body}]})

    def _adapted(self, tag: str, draw: random.Random) -> Case:
        made = draw.choice((self._chat, self._completion, self._schema))(tag, draw)
        return self.adapted(made, draw.choice(sorted(self.adapters)))


def _words(draw: random.Random, most: int) -> str:
    return " ".join(draw.choices(WORDS, k=draw.randint(1, most)))


def read(case: Case, answer: dict[str, Any]) -> str:
    """The text that an answer was made of, from the answer's JSON."""
    choice = answer["choices"][0]
    if case.kind == "completion":
        return str(choice["text"])
    message = choice["message"]
    if case.kind == "tools":
        (call,) = message["tool_calls"]
        return called(call["function"]["name"], call["function"]["arguments"])
    return str(message["content"])


def called(name: str, arguments: str) -> str:
    """A call as the model writes it."""
    return f'{{"name":{json.dumps(name)},"arguments":{arguments}}}'
