"""Answers under way, as the event loop sees them: events hop over from the engine's thread; leaving cancels."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Literal, overload

from serving.engine.request import EngineError, Event, Failed, Finished, Request, Text, Usage
from serving.server.logs import request_id

if TYPE_CHECKING:
    from serving.server.backend import Ticket
    from serving.server.service import Service


class Answers:
    """Several requests that are answered together; a context manager whose end cancels what is not over."""

    def __init__(self, service: "Service", requests: Sequence[Request], deadline: float) -> None:
        self._service, self._events = service, asyncio.Queue[tuple[int, Event]]()
        loop, identity = asyncio.get_running_loop(), request_id.get() or ""
        self._following: list[_Followed] = []
        try:
            for number, request in enumerate(requests):
                followed = _Followed(service, replace(request, deadline=deadline, id=identity))
                self._following.append(followed)
                followed.submit(_hop(loop, self._events, number))
        except BaseException:
            self.leave()
            raise

    def __enter__(self) -> "Answers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.leave()

    def leave(self) -> None:
        """Cancel what is not over: the client has gone, or another of its answers failed."""
        for followed in self._following:
            followed.leave()

    @overload
    def events(self) -> AsyncIterator[tuple[int, Text | Finished]]: ...
    @overload
    def events(self, silence: float) -> AsyncIterator[tuple[int, Text | Finished | Literal["silence"]]]: ...

    async def events(
        self, silence: float | None = None
    ) -> AsyncIterator[tuple[int, Text | Finished | Literal["silence"]]]:
        """The events as they come, each with its request's number; ends when all have finished.

        After `silence` seconds without any event it yields (0, "silence"). Raises ApiError for the first that fails.
        """
        while any(followed.live for followed in self._following):
            try:
                async with asyncio.timeout(silence):
                    number, event = await self._events.get()
            except TimeoutError:
                yield 0, "silence"
                continue
            followed = self._following[number]
            followed.see(event)
            if isinstance(event, Failed):
                raise self._service.told(event.error, followed.model)
            yield number, event


class _Followed:
    """One request from admission to end, with its figures."""

    def __init__(self, service: "Service", request: Request) -> None:
        self._service, self._request, self._start = service, request, time.monotonic()
        self.model = request.adapter or service.name
        self.live = False
        self._last: float | None = None
        self._ticket: Ticket | None = None

    def submit(self, on_event: Callable[[Event], None]) -> None:
        try:
            self._ticket = self._service.backend.submit(self._request, on_event)
        except EngineError as error:
            raise self._service.told(error, self.model) from error
        self.live = True

    def see(self, event: Event) -> None:
        now, metrics = time.monotonic(), self._service.metrics
        if isinstance(event, Text):
            if not self._request.stream:
                return  # the figures come with its end
            if self._last is None:
                metrics.first_token(self.model, now - self._start)
            elif event.tokens:
                metrics.tokens(self.model, len(event.tokens), now - self._last)
            self._last = now
        elif isinstance(event, Finished):
            usage = event.usage
            if not self._request.stream and usage.completion:
                metrics.first_token(self.model, usage.queue_seconds + usage.prefill_seconds)
                metrics.tokens(self.model, usage.completion - 1, usage.decode_seconds)
            self._end("abort" if event.reason == "cancelled" else event.reason, usage)
        else:
            self._end("error", event.usage)

    def leave(self) -> None:
        if self.live and self._ticket is not None:
            self._ticket.cancel()
            self._end("abort", Usage())

    def _end(self, reason: str, usage: Usage) -> None:
        self.live, seconds = False, time.monotonic() - self._start
        self._service.metrics.ended(self.model, reason, usage, seconds)
        self._service.tracer.request(self.model, reason, usage, seconds)


def _hop(
    loop: asyncio.AbstractEventLoop, events: "asyncio.Queue[tuple[int, Event]]", number: int
) -> Callable[[Event], None]:
    """What the engine calls on its thread."""

    def on_event(event: Event) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(events.put_nowait, (number, event))

    return on_event
