"""An engine that says what a test has written down: for failures and moments that no real model can be made to give."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from kserve import ModelRepository
from kserve.protocol.dataplane import DataPlane
from prometheus_client import CollectorRegistry

from serving.engine.request import Event, Finished, Logprob, Request, Text, UnsupportedSchema, Usage
from serving.server.app import install
from serving.server.backend import Backend
from serving.server.connection import Connection
from serving.server.extraction import Extractor
from serving.server.guard import Guard, Hosts, Limits
from serving.server.keys import Keys
from serving.server.kserve_model import KServeModel
from serving.server.lifecycle import Lifecycle
from serving.server.listening import bind
from serving.server.metrics import Gauges, Metrics
from serving.server.package import Package
from serving.server.server import DrainingServer
from serving.server.service import Service
from serving.server.tracing import Tracer
from stillroom.errors import UserError
from stillroom.recipe.load import load_recipe

TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
RECIPE = """\
name: kinds
instruction: Which kind is it?
output_schema:
  type: object
  properties:
    kind: {enum: [event, spam]}
    count: {type: integer}
  required: [kind, count]
  additionalProperties: false
data:
  sources: [{kind: csv, path: rows.csv}]
"""

Emit = Callable[[Event], None]
Script = Callable[[Request, Emit, threading.Event], None]


def saying(text: str, reason: Any = "stop") -> Script:
    """Says a text, a character an event, and ends."""

    def script(request: Request, emit: Emit, cancelled: threading.Event) -> None:
        for sign in text:
            tokens = tuple(sign.encode())
            emit(Text(sign, tokens, tuple(Logprob(token, -0.5, ((token, -0.5),)) for token in tokens)))
        emit(Finished(reason, Usage(len(request.prompt), len(text), 3, 1, 2, 1, 0.01, 0.02, 0.03)))

    return script


def hanging(request: Request, emit: Emit, cancelled: threading.Event) -> None:
    """Says one letter and then nothing until it is cancelled."""
    emit(Text("a", (97,)))
    cancelled.wait(20)
    emit(Finished("cancelled", Usage()))


@dataclass
class Ticket:
    """Remembers that it was cancelled."""

    cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        self.cancelled.set()


class ScriptedBackend:
    """A vocabulary of bytes, and answers by script."""

    generates = True
    context, chat_template, bos_token, eos_token = 1000, TEMPLATE, "", ""

    def __init__(self, script: Script) -> None:
        self.reset(script)

    def reset(self, script: Script) -> None:
        """Forget what was asked, and say something else from now on."""
        self.script = script
        self.refusal: Exception | None = None
        self.requests: list[Request] = []
        self.tickets: list[Ticket] = []
        self.compiled: list[tuple[str, Any]] = []
        self.loaded: dict[str, Path] = {}
        self.silence, self.closed = 0.0, False

    def tokenize(self, text: str) -> list[int]:
        return list(text.encode())

    def tokenize_whole(self, text: str) -> list[int]:
        return [2, *text.encode()]

    def piece(self, token: int) -> bytes:
        return bytes([token])

    def knows(self, token: int) -> bool:
        return token < 256

    def compile(self, kind: str, content: Any) -> Any:
        if content == "[":
            raise UnsupportedSchema("That cannot be enforced.")
        self.compiled.append((kind, content))
        return (kind, content)

    def submit(self, request: Request, on_event: Emit) -> Ticket:
        if self.refusal is not None:
            raise self.refusal
        ticket = Ticket()
        self.requests.append(request)
        self.tickets.append(ticket)
        threading.Thread(target=self.script, args=(request, on_event, ticket.cancelled), daemon=True).start()
        return ticket

    def embed(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        return [[0.6, 0.8, 0.0] for _ in texts]

    def adapters(self) -> dict[str, Path]:
        return self.loaded

    def load_adapter(self, name: str, path: Path) -> None:
        if path.stat().st_size == 0:
            raise UserError(f"{path.name} is damaged.")
        self.loaded[name] = path

    def unload_adapter(self, name: str) -> None:
        del self.loaded[name]

    def gauges(self) -> Gauges:
        return Gauges(2, 5, 0.25, 3)

    def silent_for(self) -> float:
        return self.silence

    def close(self) -> None:
        self.closed = True


@dataclass
class Live:
    """A server that listens on loopback."""

    url: str
    port: int
    backend: ScriptedBackend
    service: Service
    server: DrainingServer
    client: httpx.Client
    app: FastAPI

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.client.post(path, json=body, headers=headers)


@contextmanager
def live(
    folder: Path, script: Script, recipe: bool = False, keys: tuple[str, ...] = (), admin: tuple[str, ...] = (),
    limits: Limits | None = None, hosts: Hosts | None = None, grace: float = 30, deadline: float = 20,
    log_prompts: bool = False, engine: Backend | None = None,
) -> Iterator[Live]:  # fmt: skip
    """The whole server but for the process and, without `engine`, the model: routes, guard, connection, drain."""
    (folder / "recipe.yaml").write_text(RECIPE)
    task = load_recipe(folder / "recipe.yaml", sources_must_exist=False) if recipe else None
    backend, lifecycle, registry = ScriptedBackend(script), Lifecycle(), CollectorRegistry()
    package = Package("tiny", folder / "tiny.gguf", task, frozenset())
    metrics = Metrics(registry, "tiny", (engine or backend).gauges)
    service = Service(package, engine or backend, metrics, lifecycle, Tracer(), deadline)
    lifecycle.started = True
    app, extractor, models = FastAPI(), Extractor(service, 4), ModelRepository()
    models.update(KServeModel(extractor))
    install(app, extractor, DataPlane(models), registry, folder, log_prompts)
    bound = bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    guard = Guard(app, lifecycle, Keys(keys), Keys(admin), limits or Limits(), hosts)
    config = uvicorn.Config(
        guard, http=Connection, lifespan="off", ws="none", log_config=None, timeout_graceful_shutdown=1
    )
    listening = threading.Event()
    server = DrainingServer(config, service, grace, listening.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    assert listening.wait(10)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield Live(f"http://127.0.0.1:{port}", port, backend, service, server, client, app)
    finally:
        server.should_exit = True
        thread.join(10)
        service.close()


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until something holds; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.01)
