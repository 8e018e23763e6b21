"""KServe's model server with our routes, host, patience and drain: what `stillroom serve` and the predictor both run.

KServe alone closes its port at SIGTERM, binds to all addresses, and knows no slow clients. Here SIGTERM first stops
admission: late requests are told 503 with Retry-After, probes say that the server drains, and streams go on until they
are whole or the grace is over. Only then does uvicorn close.
"""

import asyncio
import logging
import signal
import socket
import sys
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from serving.server.connection import Connection
from serving.server.guard import Guard, Hosts, Limits
from serving.server.keys import Keys
from serving.server.listening import allow_handles
from serving.server.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI
    from kserve.protocol.dataplane import DataPlane

    from serving.server.kserve_model import KServeModel

log = logging.getLogger("stillroom.server")

KEEP_ALIVE_SECONDS = 75
"""Longer than proxies keep an idle connection (Envoy and nginx: 60), so that it is they who close it."""
LAST_SECONDS = 2
"""Of the grace period, kept back to tell the clients of answers that are not whole."""


@contextmanager
def _no_arguments() -> "Iterator[None]":
    """kserve.model_server parses the process' arguments as its own when it is imported."""
    arguments, sys.argv = sys.argv, sys.argv[:1]
    try:
        yield
    finally:
        sys.argv = arguments


class DrainingServer(uvicorn.Server):
    """uvicorn that drains before it closes. A second signal ends the grace, a third one everything."""

    def __init__(self, config: uvicorn.Config, service: Service, grace: float, ready: "Callable[[], None]") -> None:
        super().__init__(config)
        self._service, self._grace, self._ready, self._told = service, grace, ready, False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        for bound in sockets or ():  # what is left of its connections keeps the next server from the port otherwise
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: the first begins the drain, the second ends its grace: who is not answered is told so."""
        lifecycle = self._service.lifecycle
        if lifecycle.draining:
            self.force_exit = self.should_exit = not self._grace
            self._grace = 0.0
            return
        self._captured_signals.append(sig)
        lifecycle.drain()  # nothing more: a signal comes in the middle of anything, such as writing a log line

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether it is time to close."""
        lifecycle = self._service.lifecycle
        if lifecycle.draining and not self.should_exit:
            if not self._told:
                self._told = True
                name = signal.Signals(self._captured_signals[0]).name
                log.info("draining", extra={"signal": name, "in_flight": lifecycle.in_flight})
            over = lifecycle.drained_for() >= max(0.0, self._grace - LAST_SECONDS)
            if over and lifecycle.in_flight:
                log.warning("the grace is over", extra={"in_flight": lifecycle.in_flight})
                await asyncio.to_thread(self._service.backend.close)  # tells every client of an answer under way
            self.should_exit = over or not lifecycle.in_flight
        return await super().on_tick(counter)


def serve(
    model: "KServeModel",
    install: "Callable[[FastAPI, DataPlane], None]",
    keys: tuple[Keys, Keys],
    limits: Limits,
    grace: float,
    bound: socket.socket,
    hosts: Hosts | None,
    ready: "Callable[[], None]",
) -> None:
    """Serve until a signal; returns when all is drained.

    install: adds the routes to KServe's app. keys: those of clients, and those of admins. grace: seconds. hosts: the
    names by which it may be called, None: any. ready: called when the port is open.
    """
    with _no_arguments():
        from kserve.model_server import ModelServer, app
        from kserve.protocol.rest.server import RESTServer
    service = model.service
    allow_handles()

    class Rest(RESTServer):
        """KServe's REST server, with our routes and in our shell."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            install(app, self.dataplane)
            self.config = uvicorn.Config(
                Guard(app, service.lifecycle, *keys, limits, hosts),
                http=Connection,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=LAST_SECONDS,
            )
            self._server = DrainingServer(self.config, service, grace, ready)

        async def start(self) -> None:
            await self._server.serve(sockets=[bound])

    class Server(ModelServer):
        """KServe's model server with that one; gRPC is off, for it would ask nobody for a key."""

        def start(self, models: Any) -> None:
            self._register_and_check_atleast_one_model_is_ready(models)
            rest = Rest("", self.dataplane, self.model_repository_extension, self.http_port)
            self.servers.append(rest.start())
            self.register_signal_handler()
            asyncio.run(self._serve())

    Server(http_port=bound.getsockname()[1], workers=1, enable_grpc=False, grace_period=int(grace)).start([model])
