"""Which models there are, how the server does, and what Prometheus scrapes. Nothing here waits for the engine."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry, exposition

from serving.server import responses
from serving.server.errors import ApiError
from serving.server.routing import DOCUMENTED
from serving.server.service import Service

_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: DOCUMENTED[404],
    503: {"model": responses.ModelCard, "description": "It takes no work now."},
}
_UNREADY: dict[int | str, dict[str, Any]] = {503: {"model": responses.Health, "description": "Not (or no longer) so."}}


def models_router(service: Service) -> APIRouter:
    """The models, in one form for OpenAI's and KServe's v1 clients."""
    routes = APIRouter(tags=["OpenAI"])

    @routes.get("/models", response_model=responses.ModelList)
    async def models() -> Response:
        """The served model and its adapters."""
        names = service.models()
        return JSONResponse({"object": "list", "data": [_card(service, name) for name in names], "models": names})

    @routes.get("/models/{model:path}", response_model=responses.ModelCard, responses=_UNKNOWN)
    async def model(model: str) -> Response:
        """One model; 503 while it takes no requests, which is KServe's probe of it."""
        if model not in service.models():
            raise ApiError(404, f"The model '{model}' does not exist here.", param="model", code="model_not_found")
        return JSONResponse(_card(service, model), status_code=200 if service.lifecycle.ready else 503)

    return routes


def health_router(service: Service) -> APIRouter:
    """Probes: started, ready for work, alive."""
    routes = APIRouter(tags=["health"])
    lifecycle = service.lifecycle

    def told(well: bool, otherwise: str) -> Response:
        return JSONResponse({"status": "ok" if well else otherwise}, status_code=200 if well else 503)

    @routes.get("/health/startup", response_model=responses.Health, responses=_UNREADY)
    async def startup() -> Response:
        """200 once the model has computed a real token."""
        return told(lifecycle.started, "starting")

    @routes.get("/health/ready", response_model=responses.Health, responses=_UNREADY)
    @routes.get("/health", response_model=responses.Health, responses=_UNREADY)
    async def ready() -> Response:
        """200 while new work is taken; 503 while the server starts or drains."""
        return told(lifecycle.ready, "draining" if lifecycle.draining else "starting")

    @routes.get("/health/live", response_model=responses.Health, responses=_UNREADY)
    @routes.get("/", response_model=responses.Health, responses=_UNREADY)
    async def live() -> Response:
        """200 while the decode loop gives signs of life."""
        return told(service.alive, "stalled")

    return routes


def metrics_router(registry: CollectorRegistry) -> APIRouter:
    """/metrics."""
    routes = APIRouter(tags=["health"])

    @routes.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """All figures in Prometheus' text format."""
        return Response(exposition.generate_latest(registry), media_type=exposition.CONTENT_TYPE_LATEST)

    return routes


def _card(service: Service, name: str) -> dict[str, object]:
    return {
        "id": name, "object": "model", "created": service.created, "owned_by": "stillroom", "root": service.name,
        "name": name, "ready": service.lifecycle.ready,
    }  # fmt: skip
