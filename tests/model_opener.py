"""A process that opens file after file as the server does, and says of each how it went.

A line on standard input is a JSON list: a model, and perhaps an adapter for it. On standard output comes [kind,
message]. `served`: it answered. `refused`: a UserError, which is what a user is told. `told`: a request was refused or
failed, and the server would have gone on. `raised`: anything else, a traceback for the user. If the process ends
instead, the file took it down.
"""

import asyncio
import json
import sys
import traceback
from functools import cache
from pathlib import Path
from typing import Any


def opened(model: Path, adapter: Path | None = None) -> tuple[str, str]:
    """Load it, compute a token, answer a chat and a held completion."""
    from serving.server.start import first_token
    from stillroom.errors import UserError

    try:
        if adapter is not None:
            return _adapted(_kept(model), adapter)
        service = _service(model)
        try:
            asyncio.run(first_token(service))
            return asyncio.run(_asked(service, None))
        finally:
            service.close()
    except UserError as error:
        return "refused", str(error)
    except Exception:
        return "raised", traceback.format_exc()


def _service(model: Path) -> Any:
    from prometheus_client import CollectorRegistry

    from serving.server.package import open_package
    from serving.server.start import Settings, open_service
    from serving.server.tracing import Tracer

    settings = Settings(model, slots=2, context=64, deadline=60)
    return open_service(settings, open_package(model), CollectorRegistry(), Tracer())


_kept = cache(_service)


def _adapted(service: Any, adapter: Path) -> tuple[str, str]:
    service.backend.load_adapter("adapter", adapter)
    try:
        found = asyncio.run(_asked(service, "adapter"))
    finally:
        service.backend.unload_adapter("adapter")
    without = asyncio.run(_asked(service, None))
    return found if without[0] == "served" else ("raised", f"the model itself says now: {without}")


async def _asked(service: Any, adapter: str | None) -> tuple[str, str]:
    from serving.server.errors import ApiError
    from serving.server.planning import plan_chat, plan_completion
    from serving.server.requests import ChatRequest, CompletionRequest

    chat = ChatRequest.model_validate({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3})
    held = CompletionRequest.model_validate(
        {"prompt": "in the", "max_tokens": 3, "structured_outputs": {"regex": "[ab]{2}"}}
    )
    told = []
    for plan, body in ((plan_chat, chat), (plan_completion, held)):
        try:
            planned = await service.prepare(plan, service, body, adapter)
            await service.whole(planned.requests[0])
        except ApiError as error:
            told.append(f"{error.status} {error.message}")
    return ("told", "; ".join(told)) if told else ("served", "")


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(opened(*map(Path, json.loads(line)))), flush=True)
