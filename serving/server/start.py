"""From settings to a server that listens: the one path of `stillroom serve` and of the predictor."""

import asyncio
import ctypes
import gc
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from serving.server.package import Package
    from serving.server.service import Service
    from serving.server.tracing import Tracer

log = logging.getLogger("stillroom.server")

SLOTS = 8
"""Answers under way at once. More slots make larger batches, but attention then runs over all their cells."""
CONTEXT_TOKENS = 4096
"""Of a model without a recipe, where it was trained on as many."""
_M_ARENA_MAX = -8  # malloc.h


@dataclass(frozen=True)
class Settings:
    """What may be told to the server; times in seconds. context None: the recipe's, else CONTEXT_TOKENS.
    adapter_dir None: the model's own folder."""

    model: Path
    name: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    slots: int = SLOTS
    context: int | None = None
    max_num_queued_reqs: int = 128
    max_num_queued_tokens: int = 262_144
    deadline: float = 300.0
    grace: float = 30.0
    max_body_bytes: int = 4 * 2**20
    api_key_file: Path | None = None
    admin_key_file: Path | None = None
    adapter_dir: Path | None = None
    allowed_host: tuple[str, ...] = ()
    otlp_traces_endpoint: str | None = None
    log_prompts: bool = False


def run(settings: Settings, announce: "Callable[[Service, str, int, float], None]") -> None:
    """Load the model, prove that it answers, open the port, serve until a signal, drain.

    announce(service, host, port, seconds) is called when the port is open, so long after the start. Raises UserError
    for everything that the user can put right, before the port opens.
    """
    start = time.monotonic()
    _share_heaps()
    gc.disable()  # what is imported stays: to look through it again and again for garbage takes a tenth of the start
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's, which nothing here uses and which spin at the start
    from prometheus_client import REGISTRY, disable_created_metrics

    disable_created_metrics()  # a second series for each, which nobody queries
    from serving.server.keys import ADMIN_KEYS, API_KEYS, read_keys
    from serving.server.listening import bind, is_local
    from serving.server.logs import configure
    from serving.server.package import open_package
    from serving.server.tracing import tracer_to

    keys = read_keys(settings.api_key_file, API_KEYS), read_keys(settings.admin_key_file, ADMIN_KEYS)
    package = open_package(settings.model, settings.name)
    tracer = tracer_to(settings.otlp_traces_endpoint, package.name)
    bound = bind(settings.host, settings.port)
    configure()
    folder = settings.adapter_dir or package.gguf.parent
    _import_engine(package)
    with ThreadPoolExecutor(1, thread_name_prefix="load") as loader:
        # The weights are read and laid out, mostly without Python's lock, while Python imports the web framework.
        loading = loader.submit(open_service, settings, package, REGISTRY, tracer)
        from serving.server.lean_kserve import prepare

        prepare()
        from serving.server.app import install
        from serving.server.extraction import Extractor
        from serving.server.guard import Hosts, Limits
        from serving.server.kserve_model import KServeModel
        from serving.server.server import serve

        service = loading.result()
    try:
        extractor = Extractor(service, 2 * settings.slots)
        asyncio.run(first_token(service))
        gc.enable()
        service.lifecycle.started = True
        serve(
            KServeModel(extractor),
            lambda app, plane: install(app, extractor, plane, REGISTRY, folder, settings.log_prompts),
            keys,
            Limits(settings.max_body_bytes),
            settings.grace,
            bound,
            Hosts(settings.allowed_host) if is_local(bound) and not keys[0].needed else None,
            lambda: announce(service, settings.host, bound.getsockname()[1], time.monotonic() - start),
        )
    finally:
        service.close()
        tracer.close()


def _share_heaps() -> None:
    """Let all threads take memory from two heaps (glibc's; others have none to limit).

    By default each thread has one of its own and keeps what is freed there. Large grammars, compiled on whichever
    thread was free, let a server of 270 MiB grow to 344 in a soak of 10,000 requests, and on; with two heaps it came to
    stand at 320 half-way.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)


def _import_engine(package: "Package") -> None:
    """What the engine needs of Python before it can leave it, for two threads that both import hold each other up."""
    import llama_cpp  # noqa: F401

    from serving.engine import engine  # noqa: F401
    from stillroom.export.gguf import read_metadata

    read_metadata(package.gguf)  # is kept


def open_service(settings: Settings, package: "Package", registry: "CollectorRegistry", tracer: "Tracer") -> "Service":
    """Load the model. Raises UserError for a file that cannot be used."""
    from serving.engine.engine import Engine
    from serving.engine.scheduler import Limits

    start = time.monotonic()
    limits = Limits(
        slots=settings.slots,
        context_tokens=_context(settings, package),
        max_num_queued_reqs=settings.max_num_queued_reqs,
        max_num_queued_tokens=settings.max_num_queued_tokens,
    )
    engine = Engine(package.gguf, limits, sha256=package.digest())
    # Not before: the engine leaves Python's lock to whoever imports meanwhile.
    from serving.server.backend import EngineBackend
    from serving.server.lifecycle import Lifecycle
    from serving.server.metrics import Metrics
    from serving.server.service import Service
    from stillroom.models.cache import cache_folder
    from stillroom.recipe.prompt import Prompter

    if package.recipe is not None:
        prefix = Prompter(package.recipe, engine.chat_template, engine.bos_token, engine.eos_token).prefix
        engine.warm(prefix, cache_folder() / "prefixes")
    log.info(
        "loaded", extra={"file": str(package.gguf), "sha256": engine.sha256, "threads": engine.threads,
                         "context": engine.context, "slots": settings.slots,
                         "seconds": round(time.monotonic() - start, 2)},
    )  # fmt: skip
    backend = EngineBackend(engine)
    metrics = Metrics(registry, package.name, backend.gauges)
    return Service(
        package, backend, metrics, Lifecycle(), tracer, settings.deadline, settings.max_num_queued_reqs, settings.slots
    )


def _context(settings: Settings, package: "Package") -> int:
    """Tokens of one request. A model that was trained on fewer writes nonsense beyond them, so the log says so."""
    from stillroom.export.gguf import read_metadata

    metadata = read_metadata(package.gguf)
    trained = int(metadata.get(f"{metadata.get('general.architecture')}.context_length", 0))
    wanted = settings.context or (package.recipe.serve.context_tokens if package.recipe else None)
    if wanted is None:
        return min(CONTEXT_TOKENS, trained or CONTEXT_TOKENS)
    if 0 < trained < wanted:
        log.warning("The context of %d tokens is longer than the %d that the model was trained on.", wanted, trained)
    return wanted


async def first_token(service: "Service") -> None:
    """Have the model compute a real token, or embedding: what loads may still not compute. Raises ApiError."""
    from serving.engine.request import Request

    if not service.backend.generates:
        await service.prepare(service.backend.embed, [service.backend.tokenize_whole("Hello")])
        return
    await service.whole(Request(tuple(service.backend.tokenize("Hello")), max_tokens=1))
