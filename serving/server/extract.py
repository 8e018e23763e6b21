"""/v1/extract: the recipe's task as one call."""

import time
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from serving.server import responses
from serving.server.errors import ApiError
from serving.server.extraction import Answer, Extractor
from serving.server.logs import note
from serving.server.requests import ExtractRequest
from serving.server.routing import DOCUMENTED, patience


def router(extractor: Extractor, log_prompts: bool) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["Stillroom"])
    service = extractor.service

    @routes.post(
        "/extract", response_model=responses.Extracted | responses.ExtractedAll, responses=DOCUMENTED,
        response_model_exclude_none=True,
    )  # fmt: skip
    async def extract(body: ExtractRequest, request: Request) -> Response:
        """Answer a text, or several, by the recipe's instruction and schema. A text too long for the context loses its
        end, as in training; the answer then says so."""
        start = time.perf_counter()
        texts = body.texts if body.texts is not None else [body.text or ""]
        if log_prompts:
            note(request.scope, prompt=texts)
        answers = await whole(extractor, texts, service.adapter(body.model), patience(request))
        note(request.scope, model=body.model or service.name, texts=len(texts))
        told: dict[str, Any]
        if body.texts is None:
            told = {"output": answers[0].output}
        else:
            told = {"outputs": [answer.output for answer in answers]}
        told["time_ms"] = round((time.perf_counter() - start) * 1000, 1)
        cut = [number for number, answer in enumerate(answers) if answer.truncated]
        if cut:
            told["truncated"] = True if body.texts is None else cut
        return JSONResponse(told)

    return routes


async def whole(extractor: Extractor, texts: list[str], adapter: str | None, seconds: float | None) -> list[Answer]:
    """All answers in order. Raises the first ApiError; with several texts it says which one it was."""
    found: dict[int, Answer] = {}
    async with aclosing(extractor.answers(texts, adapter, seconds)) as answers:
        async for number, answer in answers:
            if isinstance(answer, ApiError):
                if len(texts) > 1:
                    answer.message = f"Text {number}: {answer.message}"
                    answer.param = answer.param and f"texts.{number}"
                raise answer
            found[number] = answer
    return [found[number] for number in range(len(texts))]
