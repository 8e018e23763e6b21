"""Server-sent events: `data: {…}` lines, a comment now and then while nothing is said, `data: [DONE]` at the end."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import Response

from serving.server.answers import Answers
from serving.server.errors import to_json, wire
from serving.server.logs import note

PING_SECONDS = 15.0
"""Proxies cut a connection on which nothing comes for a minute, and a long prompt may take longer."""
PING = b": waiting\n\n"

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class EventStream(Response):
    """A stream of JSON objects. Whatever happens, the answers are left at its end.

    An error after the first byte cannot change the status any more, so it is sent as an event, as OpenAI's clients
    expect.
    """

    media_type = "text/event-stream"

    def __init__(self, answers: Answers, objects: AsyncIterator[dict[str, Any] | None]) -> None:
        """objects: what is sent, one event each; None is a sign of life."""
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._answers, self._objects = answers, objects

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        """Send it."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            try:
                async for value in self._objects:
                    await _part(send, PING if value is None else b"data: " + to_json(value) + b"\n\n")
                await _part(send, b"data: [DONE]\n\n")
            except Exception as error:
                told = wire(error)
                note(scope, error=told.code)  # the log's status is 200
                await _part(send, b"data: " + to_json(told.body()) + b"\n\n")
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._answers.leave()


async def _part(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})
