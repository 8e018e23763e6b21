"""KServe's v1 and v2 paths over its own data plane, with our errors; nothing here can unload the model."""

import struct
import uuid
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from kserve.errors import InferenceError, InvalidInput
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.infer_type import InferRequest
from kserve.protocol.rest.v2_datamodels import (
    InferenceRequest,
    InferenceResponse,
    ListModelsResponse,
    ModelMetadataResponse,
    ModelReadyResponse,
    ServerLiveResponse,
    ServerMetadataResponse,
    ServerReadyResponse,
)
from pydantic import BaseModel

from serving.server.errors import bad_request
from serving.server.kserve_model import texts_of
from serving.server.logs import note, request_id
from serving.server.routing import DOCUMENTED
from serving.server.service import Service

BINARY = "inference-header-content-length"
"""Header of a v2 body whose tensors follow the JSON as bytes: the length of the JSON."""


class TextInstance(BaseModel):
    """A row with its text."""

    text: str


class Instances(BaseModel):
    """The body of a v1 prediction."""

    instances: list[str | TextInstance]


class Predictions(BaseModel):
    """The answer to it."""

    predictions: list[Any]


def router(plane: DataPlane, service: Service, log_prompts: bool) -> APIRouter:
    """The routes; `/v1/models` and `/v1/models/NAME` are among OpenAI's."""
    routes = APIRouter(tags=["KServe"])

    @routes.post("/v1/models/{model}:predict", response_model=Predictions, responses=DOCUMENTED)
    async def predict(model: str, body: Instances, request: Request) -> Response:
        """Answer texts by the recipe, in KServe's v1 form."""
        _known(service, model)
        note(request.scope, model=model, texts=len(body.instances))
        if log_prompts:
            note(request.scope, prompt=[one if isinstance(one, str) else one.text for one in body.instances])
        answer, _ = await plane.infer(model, body.model_dump(), dict(request.headers))
        return JSONResponse(answer)

    @routes.post("/v2/models/{model}/infer", response_model=InferenceResponse, responses=DOCUMENTED)
    async def infer(model: str, body: InferenceRequest | bytes, request: Request) -> Response:
        """Answer a BYTES tensor of texts by the recipe, in KServe's v2 form, also with binary tensors."""
        _known(service, model)
        headers = dict(request.headers)
        asked = _decoded(plane, body, headers, model)
        note(request.scope, model=model)
        if log_prompts:
            note(request.scope, prompt=texts_of(asked))
        response, _ = await plane.infer(model, asked, headers)
        try:
            answer, length = response.to_rest()
        except InvalidInput as error:
            raise bad_request(f"{error}.", "outputs", "invalid_value") from error
        if length is None:
            return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
        return Response(answer, media_type="application/octet-stream", headers={BINARY: str(length)})

    @routes.get("/v2", response_model=ServerMetadataResponse)
    async def server_metadata() -> Any:
        """The server."""
        return {**plane.metadata(), "extensions": []}

    @routes.get("/v2/models", response_model=ListModelsResponse)
    async def models() -> Any:
        """The served model; adapters are OpenAI's affair."""
        return {"models": [service.name]}

    @routes.get("/v2/models/{model}", response_model=ModelMetadataResponse, responses=_UNKNOWN)
    async def metadata(model: str) -> Any:
        """What goes in and out."""
        _known(service, model)
        return await plane.model_metadata(model)

    @routes.get("/v2/models/{model}/ready", response_model=ModelReadyResponse, responses={**_UNKNOWN, **_UNREADY})
    async def model_ready(model: str) -> Any:
        """200 while the model takes work."""
        _known(service, model)
        return _probe(service.lifecycle.ready, {"name": model, "ready": service.lifecycle.ready})

    @routes.get("/v2/health/live", response_model=ServerLiveResponse, responses=_UNREADY)
    async def live() -> Any:
        """200 while the decode loop gives signs of life."""
        return _probe(service.alive, {"live": service.alive})

    @routes.get("/v2/health/ready", response_model=ServerReadyResponse, responses=_UNREADY)
    async def ready() -> Any:
        """200 while new work is taken."""
        return _probe(service.lifecycle.ready, {"ready": service.lifecycle.ready})

    return routes


_UNKNOWN: dict[int | str, dict[str, Any]] = {404: DOCUMENTED[404]}
_UNREADY: dict[int | str, dict[str, Any]] = {503: {"description": "Not (or no longer) so."}}


def _probe(well: bool, body: dict[str, Any]) -> Response:
    return JSONResponse(body, status_code=200 if well else 503)


def _known(service: Service, model: str) -> None:
    if model != service.name:
        service.adapter(model)  # raises 404 for one that nobody serves
        raise bad_request("Adapters answer OpenAI's paths and /v1/extract.", "model", "invalid_value")


def _decoded(plane: DataPlane, body: Any, headers: dict[str, str], model: str) -> InferRequest:
    """The v2 request. Raises ApiError for a body whose parts do not fit together."""
    if isinstance(body, bytes) and BINARY not in headers:
        raise bad_request(
            "Send JSON as application/json, or binary tensors with the header Inference-Header-Content-Length.",
            code="bad_json",
        )
    try:
        request: InferRequest = plane.decode_inference_request(body, headers, model)
    except (InvalidInput, InferenceError, KeyError, TypeError, ValueError, AttributeError, struct.error) as error:
        raise bad_request(
            f"This is no v2 inference request: {str(error).rstrip('.')}.", code="invalid_value"
        ) from error
    request.id = request.id or request_id.get() or uuid.uuid4().hex
    return request
