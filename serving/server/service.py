"""The engine as the routes use it: which models there are, prompts made off the event loop, refusals in HTTP's words.

Whatever takes time (templates, tokenising, compiling a schema) runs on a few threads of its own, so that the event loop
always has a moment for a probe.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from serving.engine.request import (
    ConstraintFailed,
    DeadlineExceeded,
    EngineError,
    EngineStopped,
    Finished,
    InvalidRequest,
    Overloaded,
    Request,
    Text,
    UnknownAdapter,
    UnsupportedSchema,
)
from serving.server.answers import Answers
from serving.server.backend import Backend
from serving.server.errors import SERVER, ApiError, bad_request, overloaded
from serving.server.lifecycle import Lifecycle
from serving.server.metrics import Metrics
from serving.server.package import Package
from serving.server.template import Conversations
from serving.server.tracing import Tracer
from stillroom.errors import UserError

T = TypeVar("T")

PREPARERS = 2
"""Threads that prepare requests. They share the cores with the decoding; more would only slow it."""
LONGEST_PIECE = 256
"""Characters that one token stands for, at most; llama.cpp's own vocabularies stay below."""
STALLED_SECONDS = 30.0
"""A decode loop without a sign of life for so long is stuck; a step takes a fraction of a second."""


class Service:
    """One served model with its adapters."""

    def __init__(
        self,
        package: Package,
        backend: Backend,
        metrics: Metrics,
        lifecycle: Lifecycle,
        tracer: Tracer,
        deadline: float,
        most_waiting: int = 128,
        slots: int = 8,
    ) -> None:
        self.package, self.backend, self.metrics, self.lifecycle = package, backend, metrics, lifecycle
        self.created = int(time.time())
        self.conversations = Conversations(backend.chat_template, backend.bos_token, backend.eos_token)
        self.tracer, self._deadline, self.most_waiting = tracer, deadline, most_waiting
        self._most_at_once = most_waiting + slots
        self._pool = ThreadPoolExecutor(PREPARERS, thread_name_prefix="prepare")
        self._slow_pool = ThreadPoolExecutor(PREPARERS, thread_name_prefix="prepare-slow")

    @property
    def name(self) -> str:
        """What the served model is called."""
        return self.package.name

    def models(self) -> list[str]:
        """What `model` may be: the served model, then the adapters."""
        return [self.name, *self.backend.adapters()]

    def adapter(self, model: str | None) -> str | None:
        """The adapter that a `model` stands for, None for the served model. Raises ApiError 404 for an unknown one."""
        if model is None or model == self.name:
            return None
        if model in self.backend.adapters():
            return model
        raise self._unknown(model)

    def _unknown(self, model: str) -> ApiError:
        self.metrics.rejected(model, "unknown_model")
        known = ", ".join(self.models())
        return ApiError(
            404, f"The model '{model}' does not exist here. There is: {known}.", param="model", code="model_not_found"
        )

    @property
    def alive(self) -> bool:
        """Whether the decode loop gave a sign of life lately."""
        return self.backend.silent_for() < STALLED_SECONDS

    async def prepare(self, work: Callable[..., T], *arguments: Any, slow: bool = False) -> T:
        """Run something beside the event loop; what it refuses becomes an ApiError.

        slow: it may take seconds, as a client's own grammar may; then it has threads that no others wait for.
        """
        call, pool = functools.partial(work, *arguments), self._slow_pool if slow else self._pool
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, call)
        except EngineError as error:
            raise self.told(error, self.name) from error
        except UserError as error:
            raise bad_request(str(error), code="invalid_value") from error

    def bounded(self, text: str, model: str, field: str) -> str:
        """The prompt's text; one of megabytes is refused before seconds go into its tokens. Raises ApiError 400,
        at the field."""
        if len(text) > self.backend.context * LONGEST_PIECE:
            self.metrics.rejected(model, "too_long")
            raise bad_request(
                f"The context holds {self.backend.context} tokens; a prompt of {len(text):,} characters cannot fit.",
                field, "context_length_exceeded",
            )  # fmt: skip
        return text

    def room(self, prompt: Sequence[int], most: int | None, model: str, field: str) -> int:
        """How many tokens the answer may have. Raises ApiError 400 where prompt and answer do not fit the context,
        at the field."""
        context = self.backend.context
        left = context - len(prompt)
        if left < 1 or (most is not None and most > left):
            asked = f"{len(prompt)} tokens" + (f" and asks for {most} more" if most is not None else "")
            self.metrics.rejected(model, "too_long")
            raise bad_request(
                f"The context holds {context} tokens, but the prompt has {asked}. Shorten it or lower max_tokens.",
                field, "context_length_exceeded",
            )  # fmt: skip
        return left if most is None else most

    def submit(self, requests: Sequence[Request], seconds: float | None = None) -> Answers:
        """Have several requests answered together. seconds: the client's own patience.

        Raises ApiError where the engine does not take one of them; then none is answered. Call it on the event loop.
        """
        if len(requests) > self._most_at_once:
            self.metrics.rejected(self.name, "invalid")
            raise bad_request(
                f"This asks for {len(requests)} answers, and the server holds {self._most_at_once} at once, those that "
                "wait among them. Send the prompts in several requests.", code="invalid_value",
            )  # fmt: skip
        return Answers(self, requests, time.monotonic() + self.patience(seconds))

    def patience(self, seconds: float | None) -> float:
        """The seconds that a request may take: the client's, and the server's at most."""
        return self._deadline if seconds is None else min(self._deadline, seconds)

    async def whole(self, request: Request, seconds: float | None = None) -> tuple[str, Finished]:
        """One answer as a text, and how it ended. Raises ApiError."""
        parts: list[str] = []
        with self.submit([request], seconds) as answers:
            async for _, event in answers.events():
                if isinstance(event, Text):
                    parts.append(event.text)
                else:
                    finished = event
        return "".join(parts), finished

    def close(self) -> None:
        """End the engine and the threads; answers under way fail."""
        for pool in (self._pool, self._slow_pool):
            pool.shutdown(wait=False, cancel_futures=True)
        self.backend.close()

    def told(self, error: EngineError, model: str) -> ApiError:
        """The engine's refusal or failure as the client's answer."""
        if isinstance(error, Overloaded):
            self.metrics.rejected(model, error.reason)
            status = 503 if error.reason == "draining" else 429
            return overloaded(str(error), error.retry_after, status, error.reason)
        if isinstance(error, UnsupportedSchema):
            self.metrics.rejected(model, "unsupported_schema")
            return bad_request(str(error), error.field, "unsupported_schema")
        if isinstance(error, UnknownAdapter):  # unloaded since the request was read
            return self._unknown(error.name)
        if isinstance(error, InvalidRequest):
            self.metrics.rejected(model, "invalid")
            return bad_request(str(error), code="invalid_value")
        if isinstance(error, DeadlineExceeded):
            if error.queued:
                self.metrics.rejected(model, "deadline")
                return overloaded(str(error), 1, code="deadline")
            return ApiError(504, str(error), kind="timeout_error", code="deadline")
        if isinstance(error, ConstraintFailed):
            self.metrics.constraint_failed(model)
            return ApiError(500, str(error), kind=SERVER, code="constraint_failed")
        if isinstance(error, EngineStopped):
            return overloaded(str(error), 1, 503, "engine_stopped")
        return ApiError(500, str(error), kind=SERVER, code="engine_error")
