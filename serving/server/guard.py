"""What every request passes first: its id, key, drain, the body's size and time; and its end when the client goes.

Plain ASGI, because it must stand before anything reads the body, and must see a client go while an answer is computed.
"""

import asyncio
import ipaddress
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from serving.server.errors import ApiError, overloaded
from serving.server.keys import Keys
from serving.server.lifecycle import Lifecycle
from serving.server.logs import log_request, note, request_id, traceparent

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_BYTES = 4 * 2**20
BODY_SECONDS = 30.0
"""The whole body must be here in this time."""
DRAIN_RETRY_SECONDS = 1
"""Another pod takes the request at once."""

# Probes and scrapes bring no key and go on while the server drains.
_OPEN = re.compile(r"/|/metrics|/health(/.*)?|/v2|/v2/health/.*|/v[12]/models/[^/:]+(/ready)?|/openapi\.json")
_OPEN_METHODS = ("GET", "HEAD")
_ADMIN = re.compile(r"(/openai)?/v1/adapters(/.*)?")
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


@dataclass(frozen=True)
class Limits:
    """How much a request may send, in bytes, and how long it may take over it, in seconds."""

    body_bytes: int = BODY_BYTES
    body_seconds: float = BODY_SECONDS


class Hosts:
    """The names by which a server for this machine alone is called: its own, and those that it was told of.

    A web page can have its own name resolve to 127.0.0.1 and then talk to a server here as if it were its own
    (DNS rebinding); the name in the header gives it away.
    """

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._more = {name.lower().rstrip(".") for name in more}

    def know(self, header: bytes | None) -> bool:
        """Whether a Host header has one of the names. Clients without the header are no browsers."""
        if header is None:
            return True
        try:
            name = (urlsplit(f"//{header.decode('ascii')}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name == "localhost" or name.endswith(".localhost") or name in self._more:
            return True
        try:
            address = ipaddress.ip_address(name)
            return address.is_loopback or address.is_unspecified  # some write 0.0.0.0 for this machine
        except ValueError:
            return False


class Guard:
    """ASGI middleware around the whole app."""

    def __init__(
        self, app: App, lifecycle: Lifecycle, keys: Keys, admin: Keys, limits: Limits, hosts: Hosts | None = None
    ) -> None:
        """hosts: the names by which the server may be called; None: any."""
        self._app, self._lifecycle, self._keys, self._admin, self._limits = app, lifecycle, keys, admin, limits
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        probe = scope["method"] in _OPEN_METHODS and _OPEN.fullmatch(scope["path"]) is not None
        identity = _identity(headers)
        scope.setdefault("state", {})["request_id"] = identity
        request_id.set(identity)  # each request runs in a context of its own
        traceparent.set(headers.get(b"traceparent", b"").decode("latin-1") or None)
        answer, start = _Answer(send, identity, self._lifecycle), time.perf_counter()
        try:
            if self._hosts is not None and not self._hosts.know(headers.get(b"host")):
                await _STRANGE_HOST.response()(scope, receive, answer)
            elif probe:
                # Load balancers look with HEAD, too; uvicorn leaves the body out.
                await self._app({**scope, "method": "GET"}, receive, answer)
            else:
                await self._work(scope, receive, answer, headers)
        finally:
            if not probe:
                log_request(scope, answer.status, time.perf_counter() - start)

    async def _work(self, scope: Scope, receive: Receive, answer: "_Answer", headers: dict[bytes, bytes]) -> None:
        try:
            self._admit(scope, headers)
            with self._lifecycle.request():
                body = await self._body(receive, headers)
                if body is not None:
                    await _until_gone(self._app, scope, receive, answer, body)
        except ApiError as error:
            note(scope, error=error.code)
            if error.code == _TOO_LARGE:
                await self._refuse_and_read_on(error, receive, answer)
            else:
                await error.response()(scope, receive, answer)
        except Exception:
            if not answer.whole:  # else the client was told, and the log holds it already
                raise

    def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        if _ADMIN.fullmatch(scope["path"]):
            if not self._admin.needed:
                raise ApiError(
                    403, "Adapters are managed with an admin key, and this server was started without one.",
                    kind="permission_error", code="no_admin_key",
                )  # fmt: skip
            _check(self._admin, authorization)
        elif self._keys.needed:
            _check(self._keys, authorization)
        if self._lifecycle.draining:
            raise overloaded("The server is going down; send this again.", DRAIN_RETRY_SECONDS, 503, "draining")

    async def _body(self, receive: Receive, headers: dict[bytes, bytes]) -> bytes | None:
        """The whole body; None where the client went before it was complete."""
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._limits.body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self._limits.body_bytes:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise ApiError(
                408, f"The body was not complete after {self._limits.body_seconds:g} seconds.", code="body_timeout",
                headers={"Connection": "close"},
            ) from None  # fmt: skip

    async def _refuse_and_read_on(self, error: ApiError, receive: Receive, answer: "_Answer") -> None:
        """Answer at once, and close when the client has sent its body (or had the time for it), which is thrown away.

        A connection that is closed while its client still sends is reset, and most clients then lose the answer, too.
        """
        response = error.response()
        head = {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        await answer(head)
        await answer({"type": "http.response.body", "body": response.body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.body_seconds):
                while (await receive()).get("more_body", False):
                    pass
        await answer({"type": "http.response.body", "body": b"", "more_body": False})

    def _too_large(self) -> ApiError:
        most = self._limits.body_bytes
        return ApiError(413, f"The body is larger than {most:,} bytes.", code=_TOO_LARGE, headers=_CLOSE)


_STRANGE_HOST = ApiError(
    403, "This server answers this machine alone, and not under this name. Start it with --allowed-host NAME, with API "
    "keys, or with --host for others.", kind="permission_error", code="host_not_allowed",
)  # fmt: skip
CLIENT_GONE = 499
"""What the log says where the client went before it was answered, as nginx has it."""
_CLOSE = {"Connection": "close"}
_TOO_LARGE = "body_too_large"


class _Answer:
    """`send` with the request's id in the answer's headers; it also knows the status."""

    def __init__(self, send: Send, identity: str, lifecycle: Lifecycle) -> None:
        self._send, self._identity, self._lifecycle = send, identity, lifecycle
        self.status, self.whole = CLIENT_GONE, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = [(b"x-request-id", self._identity.encode())]
            if self._lifecycle.draining:  # so that the client's next request opens a connection, to another pod
                own.append((b"connection", b"close"))
            message = {**message, "headers": [*message.get("headers", ()), *own]}
        elif message["type"] == "http.response.body":
            self.whole = not message.get("more_body", False)
        await self._send(message)


async def _until_gone(app: App, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
    """Run the app on a whole body, and cancel it the moment the client goes."""
    gone, given = asyncio.Event(), False

    async def replay() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    work, watcher = asyncio.ensure_future(app(scope, replay, send)), asyncio.ensure_future(watch())
    try:
        await asyncio.wait([work, watcher], return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            gone.set()
            work.cancel()
            note(scope, client_gone=True)
        with suppress(asyncio.CancelledError):
            await work
    finally:
        watcher.cancel()
        work.cancel()


def _check(keys: Keys, authorization: str) -> None:
    if not keys.accept(authorization):
        given = "The API key is wrong." if authorization else "An API key is needed: Authorization: Bearer KEY."
        raise ApiError(401, given, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


def _identity(headers: dict[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
