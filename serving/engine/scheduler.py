"""The decode thread: takes requests in, fills batches from all of them, and tells what was said.

Everything that touches the llama.cpp context happens on this thread. Other threads talk to it through `submit`,
`Ticket.cancel`, `run_between_steps` and the frozen `stats`, none of which waits for a step.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from serving.engine.answer import Answer, Vocabulary
from serving.engine.cost import StepCost
from serving.engine.llama import Entry, Llama
from serving.engine.request import (
    DeadlineExceeded,
    EngineError,
    EngineStopped,
    Event,
    InvalidRequest,
    Overloaded,
    Request,
)

log = logging.getLogger(__name__)
_LEAST_PROMPT_TOKENS = 32  # of prompts in each step, however long it takes: they must get on too
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

    def __init__(self, llama: Llama, limits: Limits) -> None:
        self._llama, self._limits = llama, limits
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
        self._live: list[Answer] = []
        self._sequences = list(range(limits.slots))[::-1]
        self._cost = StepCost()
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
        answer = Answer(request, on_event, self._vocabulary)
        size = len(request.prompt)
        with self._wake:
            if self._failure is not None or self._closing:
                raise self._failure or EngineStopped("The engine was closed.")
            if self._draining:
                raise Overloaded("draining", 30)
            # Somebody who finds a free slot does not wait, whatever the limits of the queue are.
            queued = len(self._waiting) + len(self._live) + 1 - self._limits.slots
            if queued > self._limits.max_num_queued_reqs:
                raise self._overloaded("queued_requests")
            if queued > 0 and self._waiting_tokens + size > self._limits.max_num_queued_tokens:
                raise self._overloaded("queued_tokens")
            self._waiting.append(answer)
            self._waiting_tokens += size
            self._wake.notify()
        return Ticket(answer, self._notify)

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
        while time.monotonic() < deadline:
            if not self._waiting and not self._live:
                return True
            time.sleep(0.02)
        return not self._waiting and not self._live

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
        if request.adapter is not None:
            faults.append(f"There is no adapter {request.adapter!r}.")
        if faults:
            raise InvalidRequest(" ".join(faults))

    def _overloaded(self, reason: Literal["queued_requests", "queued_tokens"]) -> Overloaded:
        ahead = self._waiting_tokens * self._cost.each + len(self._waiting) / self._limits.slots
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
            left = [*self._live, *self._waiting]
            self._waiting.clear()
            jobs = list(self._jobs)
        for answer in left:
            with _guarded(answer):
                answer.fail(error)
        self._live = []
        for _, future in jobs:
            future.set_exception(error)

    def _turn(self) -> None:
        with self._wake:
            if not self._jobs and not self._live and not self._waiting:
                self._wake.wait(IDLE_TURN_SECONDS)
            jobs = list(self._jobs)
            self._jobs.clear()
        for job, future in jobs:
            _do(job, future)
        start = time.monotonic()
        self._end_early(start)
        self._admit()
        if self._live:
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
        for answer in gone + [answer for answer in self._live if _is_over(answer, now)]:
            with _guarded(answer):
                if answer.cancelled:
                    answer.finish("cancelled")
                else:
                    answer.fail(DeadlineExceeded(queued=answer.sequence < 0))
        for answer in gone:
            self._count_finished(answer)
        self._release()

    def _admit(self) -> None:
        while self._sequences:
            with self._wake:
                if not self._waiting:
                    return
                answer = self._waiting.popleft()
                self._waiting_tokens -= len(answer.request.prompt)
            self._live.append(answer)
            sequence = self._sequences.pop()
            with _guarded(answer):
                answer.begin(sequence, 0)

    def _step(self) -> None:
        """Compute one batch and act on its logits."""
        entries: list[Entry] = []
        read: list[tuple[Answer, int]] = []
        answering = [answer for answer in self._live if answer.answering]
        rows_wanted, room = 0, self._llama.batch_size
        for answer in answering:
            rows_wanted += self._feed(answer, room - len(entries), entries, read, rows_wanted)
        seconds = self._limits.step_seconds[0 if answering else 1]
        room = min(room, max(self._cost.tokens_within(seconds), _LEAST_PROMPT_TOKENS + len(entries)))
        # Short prompts first, but every token that overtakes a long one brings it forward by as much.
        for answer in sorted((a for a in self._live if not a.answering), key=lambda a: len(a.pending)):
            rows_wanted += self._feed(answer, room - len(entries), entries, read, rows_wanted)
        start = time.monotonic()
        self._llama.decode(entries)
        rows = self._llama.all_logits(rows_wanted)
        seconds = time.monotonic() - start
        self._cost.learn(len(entries), seconds)
        self._count(steps=1, computed_tokens=len(entries), decode_seconds=seconds)
        for answer, first in read:
            with _guarded(answer):
                self._advance(answer, rows, first)
        self._release()

    def _feed(self, answer: Answer, room: int, entries: list[Entry], read: list[tuple[Answer, int]], row: int) -> int:
        """Put an answer's settled tokens into the batch, as many as there is room for, and its guesses after the last
        one; returns the number of rows of logits that this asks for, from `row` on."""
        wanted = len(answer.pending) - 1 - answer.unreported
        if len(answer.pending) <= room:
            answer.guesses = answer.guesses[: room - len(answer.pending)]
            tokens = answer.pending + answer.guesses
            read.append((answer, row))
        else:
            tokens = answer.pending[: max(0, min(room, wanted))]
        for index, token in enumerate(tokens):
            entries.append(Entry(token, answer.position + index, answer.sequence, index >= wanted))
        if len(answer.pending) > room:
            answer.position += len(tokens)
            answer.pending = answer.pending[len(tokens) :]
            return 0
        return len(tokens) - wanted

    def _advance(self, answer: Answer, rows: Any, first: int) -> None:
        accepted = answer.advance(rows, first, None)
        if accepted < len(answer.guesses):
            self._llama.cut_sequence(answer.sequence, answer.position)
        answer.guesses = []
        if not answer.finished:
            answer.flush()

    def _release(self) -> None:
        """Take finished answers out and give their sequences back."""
        for answer in [answer for answer in self._live if answer.finished]:
            self._live.remove(answer)
            self._count_finished(answer)
            self._llama.cut_sequence(answer.sequence, 0)
            self._sequences.append(answer.sequence)

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
        self._stats = replace(self._counts, running=len(self._live))


@contextmanager
def _guarded(answer: Answer) -> Iterator[None]:
    """Do something for one answer; its failure is its own and ends no other."""
    try:
        yield
    except EngineError as error:
        _tell_failure(answer, error)
    except Exception as error:
        log.exception("Request %s failed.", answer.request.id)
        _tell_failure(answer, EngineStopped(f"The request failed: {error}"))


def _tell_failure(answer: Answer, error: EngineError) -> None:
    try:
        answer.fail(error)
    except Exception:
        log.exception("Nobody could be told how request %s ended.", answer.request.id)


def _is_over(answer: Answer, now: float) -> bool:
    deadline = answer.request.deadline
    return answer.cancelled or (deadline is not None and now > deadline)


def _do(job: Callable[[], Any], future: "Future[Any]") -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(job())
    except Exception as error:
        future.set_exception(error)
