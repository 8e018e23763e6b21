"""The routes put together on an app, and an OpenAPI document that tells of keys."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from kserve.protocol.dataplane import DataPlane
from prometheus_client import CollectorRegistry

from serving.server import adapters, chat, completions, embeddings, extract, kserve_routes, status
from serving.server.errors import install_handlers
from serving.server.extraction import Extractor

TITLE = "Stillroom"
OPENAI_PREFIXES = ("/v1", "/openai/v1")
"""OpenAI's own, and the one under which KServe's gateways look for it."""


def install(
    app: FastAPI,
    extractor: Extractor,
    plane: DataPlane,
    registry: CollectorRegistry,
    adapter_folder: Path,
    log_prompts: bool,
) -> None:
    """Add all routes and the error handlers to an app."""
    service = extractor.service
    install_handlers(app)
    openai = APIRouter()
    for part in (
        chat.router(service, log_prompts),
        completions.router(service, log_prompts),
        embeddings.router(service, log_prompts),
        status.models_router(service),
    ):
        openai.include_router(part)
    # The first of two paths that both fit wins, and `/v1/models/{model}` would take `/v1/models/NAME:predict`.
    app.include_router(kserve_routes.router(plane, service, log_prompts))
    for prefix in OPENAI_PREFIXES:
        app.include_router(openai, prefix=prefix)
    app.include_router(extract.router(extractor, log_prompts), prefix="/v1")
    app.include_router(adapters.router(service, adapter_folder), prefix="/v1")
    app.include_router(status.health_router(service))
    app.include_router(status.metrics_router(registry))
    app.title = TITLE
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        # pydantic's own refusals leave here as 400 in our shape, never as FastAPI's 422.
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}, {}]
        app.openapi_schema = document
    return app.openapi_schema
