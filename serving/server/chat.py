"""/v1/chat/completions."""

import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from serving.engine.request import Finished, Logprob, Text, Usage
from serving.server import responses
from serving.server.answers import Answers
from serving.server.logs import note
from serving.server.planning import Plan, plan_chat, summary_of
from serving.server.requests import ChatRequest
from serving.server.routing import DOCUMENTED, patience
from serving.server.service import Service
from serving.server.stream import PING_SECONDS, EventStream
from serving.server.tools import Argued, Called, CallReader, Piece, Said


def router(service: Service, log_prompts: bool) -> APIRouter:
    """The route, for the paths that OpenAI's and KServe's clients use."""
    routes = APIRouter(tags=["OpenAI"])

    @routes.post("/chat/completions", response_model=responses.ChatCompletion, responses=DOCUMENTED)
    async def chat_completions(body: ChatRequest, request: Request) -> Response:
        """Answer a conversation.

        Without an instruction of the caller's own, the recipe's instruction and schema hold, where there is a recipe.
        """
        if log_prompts:
            note(request.scope, prompt=summary_of(body))
        adapter = service.adapter(body.model)
        plan = await service.prepare(plan_chat, service, body, adapter, slow=body.has_grammar)
        answers = service.submit(plan.requests, patience(request))
        reply = _Reply(service, body.model or service.name, plan)
        if body.stream:
            usage = bool(body.stream_options and body.stream_options.include_usage)
            return EventStream(answers, reply.chunks(answers, usage, request))
        with answers:
            return JSONResponse(await reply.whole(answers, request))

    return routes


@dataclass
class _Choice:
    """One answer as it grows."""

    reader: CallReader | None
    text: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    finish: str | None = None

    def take(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if isinstance(piece, Said):
                self.text += piece.text
            elif isinstance(piece, Called):
                function = {"name": piece.name, "arguments": ""}
                self.calls.append({"id": piece.id, "type": "function", "function": function})
            else:
                self.calls[piece.index]["function"]["arguments"] += piece.text

    def read(self, event: Text | Finished) -> list[Piece]:
        """What an event adds."""
        if isinstance(event, Text):
            if self.reader is None:
                return [Said(event.text)] if event.text else []
            return list(self.reader.feed(event.text))
        return list(self.reader.finish()) if self.reader else []


class _Reply:
    """The answer to one body, whole or in chunks."""

    def __init__(self, service: Service, model: str, plan: Plan) -> None:
        self._service, self._plan = service, plan
        self._logprobs = plan.requests[0].sampling.logprobs is not None
        self._frame = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}
        readers = [None if plan.marked is None else CallReader(plan.marked) for _ in plan.requests]
        self._choices = [_Choice(reader) for reader in readers]
        self._usage = [Usage() for _ in plan.requests]

    async def whole(self, answers: Answers, request: Request) -> dict[str, Any]:
        """The chat.completion object."""
        async for number, event in answers.events():
            choice = self._choices[number]
            choice.take(choice.read(event))
            if isinstance(event, Text):
                choice.logprobs += self._told(event)
            else:
                self._finish(number, event)
        self._note(request)
        return {
            **self._frame,
            "object": "chat.completion",
            "choices": [
                {
                    "index": index,
                    "message": _message(choice),
                    "logprobs": {"content": choice.logprobs, "refusal": None} if self._logprobs else None,
                    "finish_reason": choice.finish,
                }
                for index, choice in enumerate(self._choices)
            ],
            "usage": usage_of(self._usage),
        }

    async def chunks(self, answers: Answers, usage: bool, request: Request) -> AsyncIterator[dict[str, Any] | None]:
        """The chat.completion.chunk objects; None where nothing was said for a while."""
        for number in range(len(self._choices)):
            yield self._chunk(number, {"role": "assistant", "content": ""}, usage=usage)
        async for number, event in answers.events(PING_SECONDS):
            if event == "silence":
                yield None
                continue
            choice = self._choices[number]
            pieces = choice.read(event)
            told = self._told(event) if isinstance(event, Text) else []
            if told and not pieces:  # tokens whose text is held back, or belongs to the frame of a call
                yield self._chunk(number, {}, told, usage=usage)
            for piece in pieces:
                choice.take([piece])
                yield self._chunk(number, _delta(piece), told, usage=usage)
                told = []
            if isinstance(event, Finished):
                self._finish(number, event)
                yield self._chunk(number, {}, finish=choice.finish, usage=usage)
        self._note(request)
        if usage:
            yield {**self._frame, "object": "chat.completion.chunk", "choices": [], "usage": usage_of(self._usage)}

    def _chunk(
        self, index: int, delta: dict[str, Any], told: list[dict[str, Any]] | None = None, *, usage: bool,
        finish: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        logprobs = {"content": told, "refusal": None} if self._logprobs and told else None
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        chunk = {**self._frame, "object": "chat.completion.chunk", "choices": [choice]}
        return {**chunk, "usage": None} if usage else chunk

    def _finish(self, number: int, event: Finished) -> None:
        choice = self._choices[number]
        # A stop text may end an answer inside a call, which is none then that could be made.
        called = choice.calls and choice.reader is not None and not choice.reader.within_call
        choice.finish = "tool_calls" if event.reason == "stop" and called else event.reason
        self._usage[number] = event.usage

    def _told(self, event: Text) -> list[dict[str, Any]]:
        if not self._logprobs:
            return []
        piece = self._service.backend.piece
        return [
            {**token_logprob(piece(one.token), one.logprob), "top_logprobs": _top(piece, one)} for one in event.logprobs
        ]

    def _note(self, request: Request) -> None:
        note_usage(request, str(self._frame["model"]), self._usage, self._choices[0].finish)


def usage_of(usages: list[Usage]) -> dict[str, Any]:
    """OpenAI's usage of n answers to one prompt: the prompt counts once."""
    prompt, completion = usages[0].prompt, sum(usage.completion for usage in usages)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usages[0].cached},
    }


def note_usage(request: Request, model: str, usages: list[Usage], finish: str | None) -> None:
    """What the request's log line says of its answers."""
    first = usages[0]
    note(
        request.scope, model=model, prompt_tokens=first.prompt, cached_tokens=first.cached, finish_reason=finish,
        completion_tokens=sum(usage.completion for usage in usages), queue_seconds=round(first.queue_seconds, 4),
        prefill_seconds=round(first.prefill_seconds, 4), decode_seconds=round(first.decode_seconds, 4),
    )  # fmt: skip


def token_logprob(piece: bytes, logprob: float) -> dict[str, Any]:
    """A token as OpenAI tells it; its bytes are there because a token need not be whole characters."""
    # JSON has no minus infinity, and OpenAI writes -9999 for it.
    return {"token": piece.decode(errors="replace"), "logprob": max(logprob, -9999.0), "bytes": list(piece)}


def _top(piece: Any, one: Logprob) -> list[dict[str, Any]]:
    return [token_logprob(piece(token), logprob) for token, logprob in one.top]


def _message(choice: _Choice) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice.text or (None if choice.calls else ""),
        "refusal": None,
    }
    if choice.calls:
        message["tool_calls"] = choice.calls
    return message


def _delta(piece: Piece) -> dict[str, Any]:
    if isinstance(piece, Said):
        return {"content": piece.text}
    if isinstance(piece, Called):
        function = {"name": piece.name, "arguments": ""}
        return {"tool_calls": [{"index": piece.index, "id": piece.id, "type": "function", "function": function}]}
    assert isinstance(piece, Argued)
    return {"tool_calls": [{"index": piece.index, "function": {"arguments": piece.text}}]}
