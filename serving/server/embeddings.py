"""/v1/embeddings, for models that make them."""

import base64
import math
import struct
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from serving.server import responses
from serving.server.errors import bad_request
from serving.server.logs import note
from serving.server.planning import token_lists
from serving.server.requests import EmbeddingRequest
from serving.server.routing import DOCUMENTED
from serving.server.service import Service


def router(service: Service) -> APIRouter:
    """The route, for the paths that OpenAI's and KServe's clients use."""
    routes = APIRouter(tags=["OpenAI"])

    @routes.post("/embeddings", response_model=responses.EmbeddingList, responses=DOCUMENTED)
    async def embeddings(body: EmbeddingRequest, request: Request) -> Response:
        """One vector for each input, of length 1."""
        if service.adapter(body.model) is not None:
            raise bad_request("Adapters make no embeddings.", "model", "invalid_value")
        tokens, vectors = await service.prepare(_embed, service, body, slow=True)
        used = sum(map(len, tokens))
        note(request.scope, model=body.model or service.name, prompt_tokens=used)
        data = [
            {"object": "embedding", "index": index, "embedding": _written(vector, body.encoding_format)}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": used, "total_tokens": used}
        return JSONResponse({"object": "list", "model": body.model or service.name, "data": data, "usage": usage})

    return routes


def _embed(service: Service, body: EmbeddingRequest) -> tuple[list[tuple[int, ...]], list[list[float]]]:
    tokens = token_lists(service, body.input)
    vectors = service.backend.embed(tokens)
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
