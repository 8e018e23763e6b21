"""/v1/completions: a prompt as it is, continued."""

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
from serving.server.chat import note_usage
from serving.server.logs import note
from serving.server.planning import plan_completion
from serving.server.requests import CompletionRequest
from serving.server.routing import DOCUMENTED, patience
from serving.server.service import Service
from serving.server.stream import PING_SECONDS, EventStream


def router(service: Service, log_prompts: bool) -> APIRouter:
    """The route, for the paths that OpenAI's and KServe's clients use."""
    routes = APIRouter(tags=["OpenAI"])

    @routes.post("/completions", response_model=responses.Completion, responses=DOCUMENTED)
    async def completions(body: CompletionRequest, request: Request) -> Response:
        """Continue one or several prompts; no chat template and no recipe is applied."""
        if log_prompts:
            note(request.scope, prompt=body.prompt)
        adapter, slow = service.adapter(body.model), body.structured_outputs is not None
        plan = await service.prepare(plan_completion, service, body, adapter, slow=slow)
        reply = _Reply(service, body, _echoes(service, body))
        answers = service.submit(plan.requests, patience(request))
        if body.stream:
            usage = bool(body.stream_options and body.stream_options.include_usage)
            return EventStream(answers, reply.chunks(answers, usage, request))
        with answers:
            return JSONResponse(await reply.whole(answers, request))

    return routes


def _echoes(service: Service, body: CompletionRequest) -> list[str]:
    """What each answer begins with: nothing, or its prompt."""
    given: Any = body.prompt
    prompts = [given] if isinstance(given, str) or isinstance(given[0], int) else given
    if not body.echo:
        return [""] * len(prompts) * (body.n or 1)
    piece = service.backend.piece
    texts = [one if isinstance(one, str) else b"".join(map(piece, one)).decode(errors="replace") for one in prompts]
    return [text for text in texts for _ in range(body.n or 1)]


@dataclass
class _Choice:
    text: str
    echoed: int = 0
    logprobs: list[tuple[str, Logprob]] = field(default_factory=list)
    finish: str | None = None


class _Reply:
    """The answer to one body, whole or in chunks. echo: what each answer begins with."""

    def __init__(self, service: Service, body: CompletionRequest, echo: list[str]) -> None:
        self._service, self._body = service, body
        self._frame = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": body.model or service.name,
        }
        self._choices = [_Choice(text, len(text)) for text in echo]
        self._usage = [Usage() for _ in echo]

    async def whole(self, answers: Answers, request: Request) -> dict[str, Any]:
        async for number, event in answers.events():
            choice = self._choices[number]
            if isinstance(event, Text):
                choice.text += event.text
                choice.logprobs += self._named(event)
            else:
                choice.finish, self._usage[number] = event.reason, event.usage
        self._note(request)
        choices = [
            self._choice(index, choice.text, choice.logprobs, choice.finish, choice.echoed)
            for index, choice in enumerate(self._choices)
        ]
        return {**self._frame, "choices": choices, "usage": self._total()}

    async def chunks(self, answers: Answers, usage: bool, request: Request) -> AsyncIterator[dict[str, Any] | None]:
        more = {"usage": None} if usage else {}
        for number, choice in enumerate(self._choices):
            if choice.text:
                yield {**self._frame, "choices": [self._choice(number, choice.text, [], None, 0)], **more}
        async for number, event in answers.events(PING_SECONDS):
            if event == "silence":
                yield None
                continue
            choice = self._choices[number]
            text, named = (event.text, self._named(event)) if isinstance(event, Text) else ("", [])
            if isinstance(event, Finished):
                choice.finish, self._usage[number] = event.reason, event.usage
            if text or named or choice.finish:
                yield {
                    **self._frame,
                    "choices": [self._choice(number, text, named, choice.finish, len(choice.text))],
                    **more,
                }
            choice.text += text
        self._note(request)
        if usage:
            yield {**self._frame, "choices": [], "usage": self._total()}

    def _choice(
        self, index: int, text: str, named: list[tuple[str, Logprob]], finish: str | None, offset: int
    ) -> dict[str, Any]:
        told = None
        if self._body.logprobs is not None:
            told = self._older_logprobs(named, offset)
        return {"index": index, "text": text, "logprobs": told, "finish_reason": finish}

    def _older_logprobs(self, named: list[tuple[str, Logprob]], offset: int) -> dict[str, Any]:
        offsets = []
        for text, _ in named:
            offsets.append(offset)
            offset += len(text)
        return {
            "tokens": [text for text, _ in named],
            "token_logprobs": [max(one.logprob, -9999.0) for _, one in named],
            "top_logprobs": [
                {self._text(token): max(logprob, -9999.0) for token, logprob in one.top} if one.top else None
                for _, one in named
            ],
            "text_offset": offsets,
        }

    def _named(self, event: Text) -> list[tuple[str, Logprob]]:
        return [(self._text(one.token), one) for one in event.logprobs]

    def _text(self, token: int) -> str:
        return self._service.backend.piece(token).decode(errors="replace")

    def _total(self) -> dict[str, Any]:
        """Each prompt counts once, however many answers it has."""
        each = self._body.n or 1
        prompt, completion = sum(u.prompt for u in self._usage[::each]), sum(u.completion for u in self._usage)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": sum(u.cached for u in self._usage[::each])},
        }

    def _note(self, request: Request) -> None:
        note_usage(request, str(self._frame["model"]), self._usage, self._choices[0].finish)
