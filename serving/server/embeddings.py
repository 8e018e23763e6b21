"""/v1/embeddings, for models that make them."""

import asyncio
import base64
import math
import struct
import threading
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from serving.engine.request import InvalidRequest
from serving.server import responses
from serving.server.errors import ApiError, bad_request, overloaded
from serving.server.logs import note
from serving.server.planning import token_lists
from serving.server.requests import EmbeddingRequest
from serving.server.routing import DOCUMENTED, patience
from serving.server.service import Service

Vectors = tuple[list[tuple[int, ...]], list[list[float]]]
"""Token ids of each text, and its vector."""


def router(service: Service, log_prompts: bool) -> APIRouter:
    """The route, for the paths that OpenAI's and KServe's clients use."""
    routes = APIRouter(tags=["OpenAI"])

    @routes.post("/embeddings", response_model=responses.EmbeddingList, responses=DOCUMENTED)
    async def embeddings(body: EmbeddingRequest, request: Request) -> Response:
        """One vector for each input, of length 1."""
        if service.adapter(body.model) is not None:
            raise bad_request("Adapters make no embeddings.", "model", "invalid_value")
        if log_prompts:
            note(request.scope, prompt=body.input)
        tokens, vectors = await in_turn(body, service.patience(patience(request)))
        used = sum(map(len, tokens))
        note(request.scope, model=body.model or service.name, prompt_tokens=used)
        data = [
            {"object": "embedding", "index": index, "embedding": _written(vector, body.encoding_format)}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": used, "total_tokens": used}
        return JSONResponse({"object": "list", "model": body.model or service.name, "data": data, "usage": usage})

    waiting = 0

    async def in_turn(body: EmbeddingRequest, seconds: float) -> Vectors:
        """Embed when it is this request's turn; stop when its client goes, or its time is over."""
        nonlocal waiting
        if waiting > service.most_waiting:
            service.metrics.rejected(service.name, "queued_requests")
            raise overloaded("The server is busy (queued requests). Try again in 1 s.", 1, code="queued_requests")
        waiting, stop = waiting + 1, threading.Event()
        try:
            async with asyncio.timeout(seconds):
                return await service.prepare(_embed, service, body, stop, slow=True)
        except TimeoutError:
            raise ApiError(
                504, "The deadline passed while the texts were embedded.", kind="timeout_error", code="deadline"
            ) from None
        finally:
            waiting -= 1
            stop.set()

    return routes


def _embed(service: Service, body: EmbeddingRequest, stop: threading.Event) -> Vectors:
    tokens = token_lists(service, body.input, "input")
    vectors: list[list[float]] = []
    for one in tokens:
        if stop.is_set():
            raise InvalidRequest("Nobody waits for these embeddings any more.")
        vectors += service.backend.embed([one])
    if body.dimensions is not None and body.dimensions > len(vectors[0]):
        raise bad_request(f"The model's vectors have {len(vectors[0])} dimensions.", "dimensions", "invalid_value")
    if body.dimensions is not None:
        vectors = [_unit(vector[: body.dimensions]) for vector in vectors]
    return tokens, vectors


def _unit(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector] if length else vector


def _written(vector: list[float], format: str | None) -> Any:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if format == "base64" else vector
