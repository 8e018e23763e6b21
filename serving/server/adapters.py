"""/v1/adapters: LoRA adapters that come and go while the server answers; for holders of the admin key."""

import asyncio
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from serving.server import responses
from serving.server.errors import ApiError, bad_request
from serving.server.metrics import MOST_ADAPTERS
from serving.server.requests import AdapterRequest
from serving.server.routing import DOCUMENTED
from serving.server.service import Service

_DOCUMENTED = {**DOCUMENTED, 403: {"model": responses.ErrorBody, "description": "The server has no admin key."}}


def router(service: Service, folder: Path) -> APIRouter:
    """The routes; adapters are read from below `folder` alone."""
    routes = APIRouter(tags=["Stillroom"])
    one_at_a_time = asyncio.Lock()  # what is checked here still holds when the engine has done it

    @routes.get("/adapters", response_model=responses.AdapterList, responses=_DOCUMENTED)
    async def listed() -> Response:
        """The loaded adapters."""
        return JSONResponse({"adapters": [_told(name, path) for name, path in service.backend.adapters().items()]})

    @routes.post(
        "/adapters", status_code=201, response_model=responses.Adapter, responses={**_DOCUMENTED, 409: DOCUMENTED[400]}
    )
    async def load(body: AdapterRequest) -> Response:
        """Load an adapter; from then on its name may be sent as `model`."""
        path = _inside(folder, body.path)
        async with one_at_a_time:
            if body.name in service.models():
                raise ApiError(409, f"There is a model '{body.name}' already.", param="name", code="name_taken")
            if len(service.backend.adapters()) >= MOST_ADAPTERS:
                most = f"{MOST_ADAPTERS} adapters are loaded already; unload one."
                raise ApiError(409, most, code="too_many_adapters")
            await service.prepare(service.backend.load_adapter, body.name, path, slow=True)
            service.metrics.known(service.backend.adapters())
        return JSONResponse(_told(body.name, path), status_code=201)

    @routes.delete("/adapters/{name}", status_code=204, response_class=Response, responses=_DOCUMENTED)
    async def unload(name: str) -> Response:
        """Forget an adapter; requests that use it are still finished."""
        async with one_at_a_time:
            if name not in service.backend.adapters():
                raise ApiError(404, f"There is no adapter '{name}'.", param="name", code="model_not_found")
            await service.prepare(service.backend.unload_adapter, name, slow=True)
            service.metrics.known(service.backend.adapters())
        return Response(status_code=204)

    return routes


def _inside(folder: Path, given: str) -> Path:
    """The file that is meant, if it lies below the folder: the key is none to the whole disk."""
    none = bad_request(f"There is no GGUF file {given[:200]} below {folder}.", "path", "not_found")
    try:
        path = (folder / given).resolve()
        inside, found = path.is_relative_to(folder.resolve()), path.suffix == ".gguf" and path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # a name that is too long, links in a circle, a NUL
        raise none from error
    if not inside:
        raise bad_request(f"Adapters are read from below {folder} only.", "path", "invalid_value")
    if not found:
        raise none
    return path


def _told(name: str, path: Path) -> dict[str, str]:
    return {"name": name, "path": str(path)}
