"""The decode thread: takes requests in, fills batches from all of them, and tells what was said.

Everything that touches the llama.cpp context happens on this thread. Other threads talk to it through `submit`,
`Ticket.cancel`, `run_between_steps` and the frozen `stats`, none of which waits for a step.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from serving.engine.answer import Answer, Vocabulary
from serving.engine.decoder import Decoder, guarded
from serving.engine.request import (
    EMBEDDINGS_ONLY,
    DeadlineExceeded,
    EngineError,
    EngineStopped,
    Event,
    InvalidRequest,
    Overloaded,
    Request,
    UnknownAdapter,
)

log = logging.getLogger(__name__)
_LOOK_AHEAD = 16  # requests that are asked whether there is room for them
IDLE_TURN_SECONDS = 0.25  # how often the loop turns, and its heart beats, with nothing to do


@dataclass(frozen=True, slots=True)
class Limits:
    """slots: answers under way at once. context_tokens: prompt and answer of one request. The queue: requests and
    prompt tokens that may wait. step_seconds: how long a step may take while answers are under way, and otherwise."""

    slots: int = 16
    context_tokens: int = 2048
    max_num_queued_reqs: int = 256
    max_num_queued_tokens: int = 262_144
    step_seconds: tuple[float, float] = (0.1, 0.5)


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since the start, and what is going on; a snapshot of the last turn of the loop."""

    running: int = 0
    waiting: int = 0
    waiting_tokens: int = 0
    steps: int = 0
    computed_tokens: int = 0
    prompt_tokens: int = 0
    cached_prompt_tokens: int = 0
    generation_tokens: int = 0
    forced_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    finished: dict[str, int] = field(default_factory=dict)
    preemptions: int = 0
    constraint_failures: int = 0
    kv_cells: int = 0
    kv_cells_used: int = 0
    adapters_running: tuple[str, ...] = ()
    adapters_waiting: tuple[str, ...] = ()
    decode_seconds: float = 0.0
    """Seconds inside llama.cpp; the rest of `busy_seconds` is ours."""
    busy_seconds: float = 0.0


class Ticket:
    """A request that was taken in."""

    def __init__(self, answer: Answer, wake: Callable[[], None]) -> None:
        self._answer, self._wake = answer, wake

    def cancel(self) -> None:
        """Give the request up, from any thread; before the next step it ends with `Finished("cancelled")`."""
        self._answer.cancelled = True
        self._wake()


class Scheduler:
    """Answers requests with one llama.cpp context until `close`."""

    def __init__(self, decoder: Decoder, limits: Limits) -> None:
        self._llama, self._limits = decoder.llama, limits
        llama = decoder.llama
        pieces: dict[int, bytes] = {}

        def piece(token: int) -> bytes:
            found = pieces.get(token)
            if found is None:
                found = pieces[token] = llama.piece(token)
            return found

        self._vocabulary = Vocabulary(llama.words, frozenset(llama.end_tokens), piece)
        self._wake = threading.Condition()
        self._waiting: deque[Answer] = deque()  # guarded by _wake, like the four below
        self._waiting_tokens = 0
        self._jobs: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._draining = self._closing = False
        self._decoder = decoder
        self._adapters: dict[str, str] = {}  # name → the key under which the decoder knows it
        self._loads = 0
        self._counts = Stats(kv_cells=llama.cells)
        self._stats = self._counts
        self.heartbeat = time.monotonic()
        """When the loop last turned, in seconds of `time.monotonic()`; about one step old at most."""
        self._failure: EngineError | None = None
        self._thread = threading.Thread(target=self._run, name="decode", daemon=True)
        self._thread.start()

    def submit(self, request: Request, on_event: Callable[[Event], None]) -> Ticket:
        """Take a request in. `on_event` is called on the decode thread and must not block; the last event is
        `Finished` or `Failed`. Raises InvalidRequest, Overloaded, EngineStopped."""
        self._check(request)
        if request.adapter is not None:
            request = replace(request, adapter=self._adapters[request.adapter])
        answer = Answer(request, on_event, self._vocabulary)
        size = len(request.prompt)
        with self._wake:
            if self._failure is not None or self._closing:
                raise self._failure or EngineStopped("The engine was closed.")
            if self._draining:
                raise Overloaded("draining", 30)
            # Somebody who finds a free slot does not wait, whatever the limits of the queue are.
            queued = len(self._waiting) + len(self._decoder.live) + 1 - self._limits.slots
            if queued > self._limits.max_num_queued_reqs:
                raise self._overloaded("queued_requests")
            if queued > 0 and self._waiting_tokens + size > self._limits.max_num_queued_tokens:
                raise self._overloaded("queued_tokens")
            self._waiting.append(answer)
            self._waiting_tokens += size
            self._wake.notify()
        return Ticket(answer, self._notify)

    def load_adapter(self, name: str, path: Path) -> None:
        """Load a LoRA file under a name; one that has the name already is replaced. Raises UserError, EngineStopped."""

        def load() -> None:
            self._loads += 1
            # A key of its own: what an earlier adapter of this name computed is never taken for this one's.
            key = f"{name}#{self._loads}"
            self._decoder.adapters[key] = self._llama.load_adapter(path)
            self._adapters = {**self._adapters, name: key}

        self.run_between_steps(load).result()

    def unload_adapter(self, name: str) -> None:
        """Take no more requests for an adapter; its memory is free when those under way are over.

        Raises UnknownAdapter where there is none of this name.
        """

        def unload() -> None:
            if name not in self._adapters:
                raise UnknownAdapter(name)
            self._adapters = {other: key for other, key in self._adapters.items() if other != name}
            self._release()

        self.run_between_steps(unload).result()

    @property
    def adapters(self) -> list[str]:
        """Names of the loaded adapters."""
        return list(self._adapters)

    def run_between_steps(self, job: Callable[[], Any]) -> "Future[Any]":
        """Have something done on the decode thread, where the context may be touched."""
        future: Future[Any] = Future()
        with self._wake:
            if self._failure is not None or self._closing:
                raise self._failure or EngineStopped("The engine was closed.")
            self._jobs.append((job, future))
            self._wake.notify()
        return future

    def stats(self) -> Stats:
        """The last snapshot; never waits."""
        return replace(self._stats, waiting=len(self._waiting), waiting_tokens=self._waiting_tokens)

    def drain(self, seconds: float) -> bool:
        """Take nothing more in and wait until all is answered, at most so long; says whether all was."""
        deadline = time.monotonic() + seconds
        with self._wake:
            self._draining = True
        while True:
            try:
                idle = self.run_between_steps(lambda: not self._waiting and not self._decoder.live).result()
            except EngineStopped:
                return False
            if idle or time.monotonic() > deadline:
                return bool(idle)
            time.sleep(0.05)

    def close(self) -> None:
        """End the decode thread; what is not answered fails with EngineStopped."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _notify(self) -> None:
        with self._wake:
            self._wake.notify()

    def _check(self, request: Request) -> None:
        if not self._llama.generates:
            raise InvalidRequest(EMBEDDINGS_ONLY)
        if request.adapter is not None and request.adapter not in self._adapters:
            raise UnknownAdapter(request.adapter)
        faults = request.sampling.faults()
        room = self._limits.context_tokens
        if not request.prompt:
            faults.append("The prompt is empty.")
        if len(request.prompt) >= room:
            faults.append(f"The prompt has {len(request.prompt)} tokens; the context has room for {room - 1}.")
        if request.max_tokens < 1:
            faults.append("max_tokens must be at least 1.")
        if not all(0 <= token < self._llama.words for token in (*request.prompt, *request.sampling.logit_bias)):
            faults.append(f"A token id is outside the vocabulary of {self._llama.words}.")
        if faults:
            raise InvalidRequest(" ".join(faults))

    def _overloaded(self, reason: Literal["queued_requests", "queued_tokens"]) -> Overloaded:
        ahead = self._waiting_tokens * self._decoder.cost.each + len(self._waiting) / self._limits.slots
        return Overloaded(reason, max(1, min(60, round(ahead))))

    # What follows runs on the decode thread.

    def _run(self) -> None:
        try:
            while not self._closing:
                self.heartbeat = time.monotonic()
                self._turn()
            error: EngineError = EngineStopped("The engine was closed before the answer was whole.")
        except Exception as reason:  # a fault of ours: nobody may wait for ever
            log.exception("The decode thread failed.")
            error = EngineStopped(f"The engine failed: {reason}")
        with self._wake:
            self._failure = error
            left = [*self._decoder.live, *self._waiting]
            self._decoder.live = []
            self._waiting.clear()
            jobs = list(self._jobs)
        for answer in left:
            with guarded(answer):
                answer.fail(error)
        for _, future in jobs:
            future.set_exception(error)

    def _turn(self) -> None:
        with self._wake:
            if not self._jobs and not self._decoder.live and not self._waiting:
                self._wake.wait(IDLE_TURN_SECONDS)
            # One a turn: a text to embed takes as long as many steps, and the answers under way go on in between.
            job = self._jobs.popleft() if self._jobs else None
        if job is not None:
            _do(*job)
        start = time.monotonic()
        self._end_early(start)
        self._admit()
        if self._decoder.live:
            self._step()
            self._count(busy_seconds=time.monotonic() - start)
        self._publish()

    def _end_early(self, now: float) -> None:
        """Let go of who was cancelled or is too late."""
        with self._wake:
            gone = [answer for answer in self._waiting if _is_over(answer, now)]
            for answer in gone:
                self._waiting.remove(answer)
                self._waiting_tokens -= len(answer.request.prompt)
        for answer in gone + [answer for answer in self._decoder.live if _is_over(answer, now)]:
            with guarded(answer):
                if answer.cancelled:
                    answer.finish("cancelled")
                else:
                    answer.fail(DeadlineExceeded(queued=not answer.times.admitted))
        for answer in gone:
            self._count_finished(answer)
        self._release()

    def _admit(self) -> None:
        """Begin what there is room for. Whoever waits for another's prompt lets those behind pass."""
        passed = 0
        while len(self._decoder.live) < self._limits.slots:
            with self._wake:
                if passed >= min(len(self._waiting), _LOOK_AHEAD):
                    break
                answer = self._waiting[passed]
            if self._decoder.admit(answer):
                with self._wake:
                    self._waiting.remove(answer)
                    self._waiting_tokens -= len(answer.request.prompt)
            else:
                passed += 1
        if passed and not self._decoder.live:
            # All else has made room already, so this one would wait for ever.
            with self._wake:
                answer = self._waiting.popleft()
                self._waiting_tokens -= len(answer.request.prompt)
            with guarded(answer):
                answer.fail(InvalidRequest("The KV cache has no room for this request, even alone."))
            self._count_finished(answer)
        self._release()

    def _step(self) -> None:
        did = self._decoder.step()
        with self._wake:
            for answer in did.preempted:
                self._waiting.appendleft(answer)
                self._waiting_tokens += len(answer.request.prompt)
        self._count(steps=1, computed_tokens=did.tokens, decode_seconds=did.seconds, preemptions=len(did.preempted))
        self._release()

    def _release(self) -> None:
        for answer in self._decoder.release():
            self._count_finished(answer)
        used = {answer.request.adapter for answer in self._decoder.live} | set(self._adapters.values())
        with self._wake:
            used |= {answer.request.adapter for answer in self._waiting}
        for key in self._decoder.adapters.keys() - used:
            self._decoder.forget_adapter(key)

    def _count(self, **more: float) -> None:
        self._counts = replace(self._counts, **{name: getattr(self._counts, name) + by for name, by in more.items()})

    def _count_finished(self, answer: Answer) -> None:
        usage = answer.usage()
        self._count(
            prompt_tokens=usage.prompt,
            cached_prompt_tokens=usage.cached,
            generation_tokens=usage.completion,
            forced_tokens=usage.forced,
            drafted_tokens=usage.drafted,
            accepted_tokens=usage.accepted,
            constraint_failures=answer.outcome == "constraint_failed",
        )
        finished = self._counts.finished
        self._counts = replace(self._counts, finished={**finished, answer.outcome: finished.get(answer.outcome, 0) + 1})

    def _publish(self) -> None:
        live = self._decoder.live
        self._stats = replace(
            self._counts,
            running=len(live),
            kv_cells_used=self._decoder.tree.cells,
            adapters_running=tuple(_names(live)),
            adapters_waiting=tuple(_names(list(self._waiting))),
        )


def _is_over(answer: Answer, now: float) -> bool:
    deadline = answer.request.deadline
    return answer.cancelled or (deadline is not None and now > deadline)


def _names(answers: list[Answer]) -> list[str]:
    keys = [answer.request.adapter for answer in answers if answer.request.adapter is not None]
    return sorted({key.rpartition("#")[0] for key in keys})


def _do(job: Callable[[], Any], future: "Future[Any]") -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(job())
    except Exception as error:
        future.set_exception(error)
