"""From a client's body to the engine's requests: the prompt, the constraint, the sampling, the bounds."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from serving.engine.request import EMBEDDINGS_ONLY, Request, Sampling, UnsupportedSchema
from serving.server import tools as calls
from serving.server.errors import bad_request
from serving.server.requests import (
    AllowedTools,
    ChatRequest,
    CompletionRequest,
    Message,
    NamedTool,
    ResponseFormat,
    SamplingOptions,
    StructuredOutputs,
    Tool,
)
from serving.server.schemas import fault
from serving.server.service import Service
from stillroom.recipe.prompt import RECIPES, system_message

DEFAULT_COMPLETION_TOKENS = 16
GREEDY = 0.0


@dataclass(frozen=True)
class Plan:
    """What a body comes to. requests: one for each answer. marked: how calls stand in an answer, None without tools."""

    requests: list[Request]
    marked: bool | None = None


def plan_chat(service: Service, body: ChatRequest, adapter: str | None) -> Plan:
    """The requests of a chat body. Slow: run it beside the event loop. Raises ApiError."""
    if not service.backend.generates:
        raise bad_request(f"{EMBEDDINGS_ONLY} Use /v1/embeddings.", "model", "embeddings_only")
    tools, mode = _tools(body)
    messages, recipe = body.messages, service.package.recipe
    # Whoever sends neither an instruction of his own nor functions asks for what the recipe's model was made for.
    task = recipe if recipe and not body.tools and messages[0].role not in ("system", "developer") else None
    if task is not None:
        messages = [Message(role="system", content=system_message(task)), *messages]
    how = {"more": body.chat_template_kwargs} if task is None else RECIPES
    text = service.conversations.prompt(messages, tools, **how)
    prompt = tuple(service.backend.tokenize(service.bounded(text, adapter or service.name, "messages")))
    most = body.max_completion_tokens or body.max_tokens
    if most is None and task is not None:
        most = min(task.serve.max_answer_tokens, max(1, service.backend.context - len(prompt)))
    room = service.room(prompt, most, adapter or service.name, "messages")
    if tools:
        grammar = calls.grammar(tools, mode, _several(body, mode), _marks_are_tokens(service), _schema(body))
        constraint = _calls(service, grammar, tools)
    elif (
        task is not None and task.output_schema is not None and not body.response_format and not body.structured_outputs
    ):
        constraint = service.backend.compile("json_schema", task.output_schema)
    else:
        constraint = _constraint(service, body.response_format, body.structured_outputs)
    sampling = _sampling(
        service, body, 1.0 if task is None else GREEDY, (body.top_logprobs or 0) if body.logprobs else None
    )
    first = Request(prompt, room, constraint, sampling, tuple(body.stops), adapter, bool(body.stream))
    return Plan(_choices(first, body.n or 1), mode == "auto" if tools else None)


def plan_completion(service: Service, body: CompletionRequest, adapter: str | None) -> Plan:
    """The requests of a completion body, n for each of its prompts. Slow, as `plan_chat`. Raises ApiError."""
    constraint = _constraint(service, None, body.structured_outputs)
    sampling = _sampling(service, body, 1.0, body.logprobs)
    requests: list[Request] = []
    for given in [body.prompt] if isinstance(body.prompt, str) else body.prompt:
        if isinstance(given, str):
            service.bounded(given, adapter or service.name, "prompt")
    for prompt in token_lists(service, body.prompt, "prompt"):
        most = DEFAULT_COMPLETION_TOKENS if body.max_tokens is None else body.max_tokens
        room = service.room(prompt, most, adapter or service.name, "prompt")
        first = Request(prompt, room, constraint, sampling, tuple(body.stops), adapter, bool(body.stream))
        requests += _choices(first, body.n or 1)
    return Plan(requests)


def token_lists(service: Service, given: Any, field: str) -> list[tuple[int, ...]]:
    """Prompts or inputs as token ids: one text or list of ids, or several of either. Raises ApiError, at the field."""
    several = [given] if isinstance(given, str) or isinstance(given[0], int) else given
    if not all(several):
        raise bad_request("An empty text cannot be read.", field, "empty")
    lists = [tuple(service.backend.tokenize_whole(one) if isinstance(one, str) else one) for one in several]
    for tokens in lists:
        unknown = next((token for token in tokens if not service.backend.knows(token)), None)
        if unknown is not None:
            raise bad_request(f"The vocabulary has no token {unknown}.", field, "invalid_value")
    return lists


def _choices(first: Request, count: int) -> list[Request]:
    """n requests that differ in their seed alone, where one is given."""
    seed = first.sampling.seed
    if seed is None:
        return [first] * count
    return [replace(first, sampling=replace(first.sampling, seed=seed + number)) for number in range(count)]


def _sampling(service: Service, options: SamplingOptions, temperature: float, logprobs: int | None) -> Sampling:
    bias = {int(token): float(value) for token, value in (options.logit_bias or {}).items()}
    unknown = next((token for token in bias if not service.backend.knows(token)), None)
    if unknown is not None:
        raise bad_request(f"The vocabulary has no token {unknown}.", "logit_bias", "invalid_value")

    def given(value: float | None, otherwise: float) -> float:
        return otherwise if value is None else float(value)

    return Sampling(
        temperature=given(options.temperature, temperature),
        top_p=given(options.top_p, 1),
        top_k=max(0, options.top_k or 0),
        min_p=given(options.min_p, 0),
        repetition_penalty=given(options.repetition_penalty, 1),
        presence_penalty=given(options.presence_penalty, 0),
        frequency_penalty=given(options.frequency_penalty, 0),
        seed=options.seed,
        logit_bias=bias,
        logprobs=logprobs,
    )


def _constraint(service: Service, wanted: ResponseFormat | None, structured: StructuredOutputs | None) -> Any:
    with _of("structured_outputs" if structured is not None else "response_format"):
        return _compiled(service, wanted, structured)


def _compiled(service: Service, wanted: ResponseFormat | None, structured: StructuredOutputs | None) -> Any:
    compile = service.backend.compile
    if structured is not None:
        if structured.regex is not None:
            return compile("regex", structured.regex)
        if structured.grammar is not None:
            return compile("lark", structured.grammar)
        if structured.choice is not None:
            return compile("regex", "|".join(re.escape(text) for text in structured.choice))
        return compile("json_schema", _sound(structured.json_schema))
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return compile("json_object", None)
    return compile("json_schema", _sound(wanted.json_schema.json_schema or {}))


def _calls(service: Service, grammar: str, tools: Sequence[Tool]) -> Any:
    """The constraint of an answer with calls; where it is refused, the tool at fault is named."""
    with _of("tools"):
        try:
            for tool in tools:
                _sound(tool.function.parameters)
            return service.backend.compile("lark", grammar)
        except UnsupportedSchema:
            for tool in tools:
                try:
                    service.backend.compile("json_schema", _sound(calls.arguments(tool)))
                except UnsupportedSchema as reason:
                    raise UnsupportedSchema(f"The tool '{tool.function.name}': {reason}") from reason
            raise


@contextmanager
def _of(field: str) -> Iterator[None]:
    """Have a refusal say which field of the request it is about."""
    try:
        yield
    except UnsupportedSchema as error:
        error.field = field
        raise


def _sound(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    reason = fault(schema)
    if reason:
        raise UnsupportedSchema(reason)
    return schema


def _schema(body: ChatRequest) -> dict[str, Any] | None:
    """What an answer without calls must follow, as a schema."""
    wanted = body.response_format
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {"type": "object"}
    with _of("response_format"):
        return _sound(wanted.json_schema.json_schema or {})


def _tools(body: ChatRequest) -> tuple[list[Tool], calls.Mode]:
    """The functions that may be called, and whether one of them must be."""
    tools, choice = body.tools or [], body.tool_choice or "auto"
    if choice == "none":
        return [], "auto"
    if isinstance(choice, NamedTool):
        return _named(tools, [choice]), "required"
    if isinstance(choice, AllowedTools):
        return _named(tools, choice.allowed_tools.tools), choice.allowed_tools.mode
    return tools, "required" if choice == "required" else "auto"


def _named(tools: Sequence[Tool], wanted: Sequence[NamedTool]) -> list[Tool]:
    by_name = {tool.function.name: tool for tool in tools}
    for choice in wanted:
        if choice.function.name not in by_name:
            raise bad_request(f"tool_choice names '{choice.function.name}', which is none of the tools.", "tool_choice")
    return [by_name[choice.function.name] for choice in wanted]


def _several(body: ChatRequest, mode: calls.Mode) -> bool:
    """Whether more than one call may be made: by a free model unless told not to, by one that must only if told so.

    A small model that must write calls finds no end of them.
    """
    if isinstance(body.tool_choice, NamedTool):
        return False
    return body.parallel_tool_calls is True or (mode == "auto" and body.parallel_tool_calls is None)


def _marks_are_tokens(service: Service) -> bool:
    return all(len(service.backend.tokenize(mark)) == 1 for mark in (calls.CALL_MARK, calls.END_MARK))


def summary_of(body: ChatRequest) -> str:
    """The conversation as one line, for a log that was told to hold it."""
    return json.dumps(
        [{"role": message.role, "content": message.text} for message in body.messages], ensure_ascii=False
    )
