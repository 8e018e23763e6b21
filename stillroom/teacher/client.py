"""The teacher as the rest of the project sees it: ask, and an answer comes, from the cache or from the endpoint."""

import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from stillroom.errors import UserError
from stillroom.progress import Progress
from stillroom.recipe.faults import suggest
from stillroom.recipe.teacher import Teacher
from stillroom.teacher.budget import Ledger, Tokens
from stillroom.teacher.cache import AnswerCache
from stillroom.teacher.endpoint import Endpoint, EndpointFault, Reply, Request
from stillroom.teacher.keys import MOST_PATIENCE, Key, KeyPool, Use, keys_from_environment

T = TypeVar("T")
R = TypeVar("R")

MOST_ATTEMPTS = 5
"""How often a request is sent that the endpoint fails to answer."""
MOST_FAILURES = 4
"""Requests in a row that all attempts failed for: then the endpoint is down, and to go on would cost time alone."""
LONGEST_BACK_OFF = 60.0


class NoAnswer(Exception):
    """This one request has no answer; others may have. The text says why, without the prompt."""


class TeacherDown(UserError):
    """The endpoint cannot be reached, or fails every request."""


@dataclass
class Outcome(Generic[R]):
    """What came of a list of items: their results in order, None where it stopped before, and why it stopped."""

    results: list[R | None]
    stopped: UserError | None

    def done(self) -> list[R]:
        """The results that there are."""
        return [result for result in self.results if result is not None]


class Client:
    """Asks an endpoint, within its limits and the budget. Use it as a context; safe for many threads.

    base_url: where the endpoint is, if not where the recipe says: the server that stands for `packaged`. back_off:
    seconds before a failed request is sent again, doubled each time. patience: seconds that one request may be told to
    wait, in all. Raises UserError with everything that is wrong (keys, address, model) before anything is asked.
    """

    def __init__(
        self,
        teacher: Teacher,
        cache: AnswerCache,
        base_url: str | None = None,
        *,
        back_off: float = 1.0,
        patience: float = MOST_PATIENCE,
    ) -> None:
        self.teacher, self._cache, self._back_off, self._patience = teacher, cache, back_off, patience
        keys, faults = keys_from_environment(teacher.keys_env)
        self.ledger = Ledger(teacher.budget, teacher.prices)
        self.ledger.recall(cache.earlier())
        self._pool = KeyPool(keys, teacher.requests_per_minute, teacher.tokens_per_minute)
        self._endpoint = Endpoint(base_url or teacher.base_url, teacher.timeout_s, teacher.concurrency)
        self._under_way: dict[str, Future[Reply]] = {}
        self._lock = threading.Lock()
        self._failures = 0
        self._random = random.Random()
        faults += self._probe(keys or [Key("no key", None)])
        if faults:
            self._endpoint.close()
            raise UserError("\n".join(faults))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._endpoint.close()

    def ask(self, request: Request) -> Reply:
        """The answer to a request. One that was answered before comes from the cache and costs nothing.

        Raises NoAnswer where this request has none, and UserError where nothing more can be asked at all: the budget
        is reached, no key is left, the endpoint is down.
        """
        key = request.key(self.teacher.base_url)
        with self._lock:
            waiting = self._under_way.get(key)
            if waiting is None:
                mine: Future[Reply] = Future()
                self._under_way[key] = mine
        if waiting is not None:  # another thread asks the very same
            return waiting.result()
        try:
            reply = self._kept(key, request) or self._attempts(key, request)
            mine.set_result(reply)
            return reply
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._under_way[key]

    def each(self, work: Callable[[T], R], items: Sequence[T], task: str) -> Outcome[R]:
        """Work on the items, as many at once as the recipe allows, and show the progress with its cost.

        When nothing more can be asked, the items under way are finished, for their answers are paid, and the others
        are left.
        """
        results: list[R | None] = [None] * len(items)
        progress = Progress(task, len(items))
        stopped: UserError | None = None
        left, halt = iter(enumerate(items)), threading.Event()
        finished: queue.SimpleQueue[tuple[int, R | BaseException] | None] = queue.SimpleQueue()

        def worker() -> None:
            while not halt.is_set():
                with self._lock:
                    one = next(left, None)
                if one is None:
                    break
                try:
                    finished.put((one[0], work(one[1])))
                except BaseException as error:
                    halt.set()
                    finished.put((one[0], error))
            finished.put(None)

        # Daemons, because nobody who presses Ctrl-C wants to wait for an answer that is under way.
        working = min(self.teacher.concurrency, len(items))
        for number in range(working):
            threading.Thread(target=worker, daemon=True, name=f"teacher-{number}").start()
        try:
            while working:
                one = finished.get()
                if one is None:
                    working -= 1
                elif isinstance(one[1], UserError):
                    stopped = stopped or one[1]
                elif isinstance(one[1], BaseException):
                    raise one[1]
                else:
                    results[one[0]] = one[1]
                    progress.advance(note=self.ledger.note())
        finally:
            halt.set()
        return Outcome(results, stopped)

    def _probe(self, keys: Sequence[Key]) -> list[str]:
        """What is wrong with the endpoint, by one request that costs nothing; a key that it refuses gives way."""
        refused = []
        for key in keys:
            try:
                models = self._endpoint.models(key.secret)
            except EndpointFault as fault:
                where = f"The teacher's endpoint {self._endpoint.base_url}"
                if fault.kind == "quota" or (fault.kind == "key" and fault.status == 401):
                    self._pool.refuse(key, fault.said)
                    refused.append(f"{key.name}: {fault.said}")
                    continue
                if fault.kind in ("unreachable", "address"):
                    return [f"{where} cannot be reached ({fault.said}). Start it, or put teacher.base_url right."]
                return []  # it may list no models now, or not to this key (403), and answer all the same
            return self._unknown(models)
        if not self.teacher.keys_env:
            return [f"{self._endpoint.base_url} wants a key: name its environment variable in teacher.keys_env."]
        known = [one for one in refused if not one.startswith("no key:")]
        return [f"Every key of the teacher is refused ({'; '.join(known)}). Put a valid one there."] if known else []

    def _unknown(self, models: list[str] | None) -> list[str]:
        if not models:
            return []
        used = dict.fromkeys([self.teacher.model, self.teacher.judge_model or self.teacher.model])
        return [
            f"The teacher's endpoint has no model '{model}'; {suggest(model, models[:20])}"
            for model in used
            if model not in models
        ]

    def _kept(self, key: str, request: Request) -> Reply | None:
        reply = self._cache.get(key)
        if reply is not None:
            self.ledger.from_cache(request.purpose, request.model)
        return reply

    def _attempts(self, key: str, request: Request) -> Reply:
        """Send the request until it is answered, by whichever key may be used."""
        worst, failed, busy, began = request.worst(), 0, 0, time.monotonic()
        guess = worst.prompt // 3 + worst.completion  # of a text's bytes about three make a token
        while True:
            secret, use = self._pool.take(guess)
            try:
                reply = self._once(key, request, worst, secret, use)
            except EndpointFault as fault:
                if fault.kind in ("key", "quota"):
                    self._pool.refuse(secret, fault.said)
                elif fault.kind == "busy":
                    busy += 1
                    if time.monotonic() - began > self._patience:
                        raise TeacherDown(
                            f"The teacher's endpoint {self._endpoint.base_url} has asked to slow down for "
                            f"{self._patience / 60:.0f} minutes ({fault.said}). What was answered so far is kept: run "
                            "the same command again later, or lower teacher.concurrency."
                        ) from None
                    # "At once" is no answer to take at its word: the next refusal would come as quickly.
                    self._pool.rest(secret, fault.retry_after or self._pause(busy))
                elif fault.kind in ("request", "model", "address"):
                    self._raise_if_useless(fault, request)
                    raise NoAnswer(f"the endpoint refuses this request ({fault.said})") from None
                else:
                    failed += 1
                    self._give_up(failed, fault)
                    time.sleep(min(fault.retry_after or self._pause(failed), LONGEST_BACK_OFF))
                continue
            with self._lock:
                self._failures = 0
            return reply

    def _once(self, key: str, request: Request, worst: Tokens, secret: Key, use: Use) -> Reply:
        """One attempt, reserved in the budget and noted on disk before it is sent."""
        reservation = self.ledger.reserve(request.model, worst)
        try:
            attempt = self._cache.begin(request, worst)
        except BaseException:
            self.ledger.release(reservation)
            raise
        try:
            reply = self._endpoint.ask(request, secret.secret)
        except EndpointFault as fault:
            if fault.may_be_billed:
                # Its note stays in the cache, so that later runs of the job count it too.
                self.ledger.settle(reservation, request.purpose, request.model, worst, lost=True)
            else:
                self._cache.forget(attempt)
                self.ledger.release(reservation)
            self._pool.settle(use, 0 if fault.kind == "busy" else use.tokens)
            fault.said = self._without_secrets(fault.said)
            raise
        except BaseException:
            self.ledger.settle(reservation, request.purpose, request.model, worst, lost=True)
            raise
        self._pool.settle(use, reply.tokens.total)
        self.ledger.settle(reservation, request.purpose, request.model, reply.tokens)
        self._cache.keep(attempt, key, request, reply)
        return reply

    def _give_up(self, failed: int, fault: EndpointFault) -> None:
        if failed < MOST_ATTEMPTS:
            return
        with self._lock:
            self._failures += 1
            down = self._failures >= MOST_FAILURES
        if down or fault.kind == "unreachable":
            raise TeacherDown(
                f"The teacher's endpoint {self._endpoint.base_url} does not answer ({fault.said}). What was answered "
                "so far is kept: run the same command again when it is up."
            ) from None
        raise NoAnswer(f"the endpoint failed {failed} times ({fault.said})") from None

    def _raise_if_useless(self, fault: EndpointFault, request: Request) -> None:
        """Raise TeacherDown where every request would be refused like this one."""
        if fault.kind == "model":
            raise TeacherDown(f"The teacher's endpoint has no model '{request.model}' ({fault.said}).") from None
        if fault.kind == "address":
            raise TeacherDown(f"No endpoint is at {self._endpoint.base_url} ({fault.said}).") from None

    def _pause(self, attempt: int) -> float:
        """Twice as long each time, and not for all threads at once."""
        longest: float = min(LONGEST_BACK_OFF, self._back_off * 2 ** (attempt - 1))
        return longest * self._random.uniform(0.5, 1.0)

    def _without_secrets(self, text: str) -> str:
        for secret in self._pool.secrets:
            text = text.replace(secret, "…")
        return text
