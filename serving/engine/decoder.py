"""One step after another: who gets how many tokens of a batch, in which cells, and what follows from its logits.

Owns the llama.cpp context and the prefix tree; everything here runs on the decode thread.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.engine.answer import Answer
from serving.engine.cost import StepCost
from serving.engine.llama import CacheFull, Entry, Llama
from serving.engine.prefix_tree import PrefixTree, common
from serving.engine.request import EngineError, EngineStopped

log = logging.getLogger(__name__)
_LEAST_PROMPT_TOKENS = 32  # of prompts in each step, however long it takes: they must get on too
_WORTH_WAITING = 32  # tokens that another prompt is computing right now, and that are then shared
_LEAST_DORMANT = 512
_HEADROOM = 32  # cells beside its prompt without which a request is not begun


@dataclass(slots=True)
class Feed:
    """What a step computes for one answer: `tokens`, of which those from `wanted` on ask for logits, the first in row
    `row`. whole: all that was settled is among them, so the answer goes on."""

    answer: Answer
    tokens: Sequence[int]
    wanted: int
    whole: bool
    row: int = 0
    mask: "Future[NDArray[np.uint8]] | None" = None


@dataclass(slots=True)
class Step:
    """What a step took."""

    tokens: int = 0
    seconds: float = 0.0
    preempted: list[Answer] = field(default_factory=list)


class Decoder:
    """The answers under way. sequences: ids that may be used; more than answers, so that finished ones can be kept."""

    def __init__(self, llama: Llama, sequences: int, step_seconds: tuple[float, float]) -> None:
        self.llama, self._step_seconds = llama, step_seconds
        self.live: list[Answer] = []
        self.cost, self.tree = StepCost(), PrefixTree()
        self._free = list(range(sequences))[::-1]
        self._most_dormant = llama.cells // 2
        self._dormant_room = float(self._most_dormant)
        self._pinned: set[int] = set()
        self.adapters: dict[str, Any] = {}
        self._adapter: str | None = None
        self._masks = ThreadPoolExecutor(1, thread_name_prefix="masks")

    def admit(self, answer: Answer) -> bool:
        """Begin an answer, or begin it again; False while there is no room, or while waiting saves its computing."""
        history, adapter = answer.history, answer.request.adapter
        end = len(history) - 1 - answer.unreported
        source, length = self.tree.match(history[:end], adapter) if self.llama.cuts else (-1, 0)
        for other in self.live if self.llama.cuts else ():
            if not other.answering and other.request.adapter == adapter:
                same = common(other.history, history[:end])
                if same - max(length, other.position) >= _WORTH_WAITING:
                    return False
        was_dormant = source >= 0 and self.tree.is_dormant(source)
        if not self._make_room(len(history) - length + _HEADROOM, keep=source):
            if self.live or not was_dormant:
                return False
            self._drop(source)  # alone, and nobody will make room: what it shares a little with stands in its way
            return self.admit(answer)
        if not self._free and not self._evict(keep=source):
            return False
        sequence = self._free.pop()
        if length:
            self.llama.copy_sequence(source, sequence, length)
        self.tree.attach(sequence, history[:length], adapter)
        if was_dormant and source not in self._pinned:
            self._dormant_room = min(self._most_dormant, self._dormant_room * 2)
        self.live.append(answer)
        with guarded(answer):
            answer.begin(sequence, length)
        return True

    def step(self) -> Step:
        """Compute one batch and act on its logits; those who finish with it leave."""
        did = Step()
        feeds = self._plan()
        while feeds and not self._make_room(sum(len(feed.tokens) for feed in feeds)):
            self._give_way(feeds, did)
        if not feeds:
            return did
        self._use_adapter(feeds[0].answer.request.adapter)
        rows_before = 0
        for feed in feeds:
            feed.row, rows_before = rows_before, rows_before + max(0, len(feed.tokens) - feed.wanted)
        entries = [
            Entry(token, feed.answer.position + index, feed.answer.sequence, index >= feed.wanted)
            for feed in feeds
            for index, token in enumerate(feed.tokens)
        ]
        for feed in feeds:
            if feed.whole and feed.answer.wants_mask:
                assert feed.answer.match is not None
                feed.mask = self._masks.submit(feed.answer.match.bits)
        start = time.monotonic()
        try:
            self.llama.decode(entries)
            rows = self.llama.all_logits(rows_before)
        except CacheFull:  # our count of the cells and llama.cpp's differ
            log.warning(
                "The KV cache was full with %d of %d cells known to be used.", self.tree.cells, self.llama.cells
            )
            self._give_way(feeds, did)
            return did
        finally:
            for feed in feeds:
                if feed.mask is not None:
                    feed.mask.exception()  # waits: the match belongs to this thread again
        did.tokens, did.seconds = len(entries), time.monotonic() - start
        self.cost.learn(did.tokens, did.seconds)
        for feed in feeds:
            with guarded(feed.answer):
                self._advance(feed, rows)
        return did

    def release(self) -> list[Answer]:
        """Take out who has finished; what they computed is kept as long as there is room."""
        gone = [answer for answer in self.live if answer.finished]
        for answer in gone:
            self.live.remove(answer)
            if answer.sequence < 0:
                continue
            if answer.noted >= 0 and self.llama.cuts:
                for needless in self.tree.retire(answer.sequence):
                    self._forget(needless)
                self._dormant_room = max(_LEAST_DORMANT, self._dormant_room * 0.97)
            else:
                self._drop(answer.sequence)
            answer.sequence = -1
        if gone:
            # The latest stays however long it is: a conversation goes on with it.
            while self.tree.dormant_count > 1 and self.tree.dormant_cells > self._dormant_room:
                self._evict()
        return gone

    def pin(self, tokens: Sequence[int], state: bytes | None) -> bool:
        """Keep these tokens for good, from a saved state or computed now; says whether the state was of use."""
        sequence = self._free.pop()
        self._pinned.add(sequence)
        self.tree.attach(sequence, ())
        self.tree.extend(sequence, tokens)
        if state is not None and self.llama.restore_sequence(sequence, state):
            return True
        self.llama.cut_sequence(sequence, 0)
        for start in range(0, len(tokens), self.llama.batch_size):
            chunk = tokens[start : start + self.llama.batch_size]
            self.llama.decode([Entry(token, start + i, sequence, False) for i, token in enumerate(chunk)])
        return False

    def pinned_state(self) -> bytes:
        """What to save of the pinned prefix."""
        (sequence,) = self._pinned
        return self.llama.sequence_state(sequence)

    def forget_adapter(self, key: str) -> None:
        """Give the memory of an adapter back that nobody uses any more."""
        if self._adapter == key:
            self._use_adapter(None)
        for sequence in self.tree.forget(key):
            self._forget(sequence)
        self.llama.free_adapter(self.adapters.pop(key))

    def close(self) -> None:
        """End the helper thread."""
        self._masks.shutdown()

    def _plan(self) -> list[Feed]:
        """Answers under way first, then prompts: as many tokens as the step's time allows."""
        group = self._next_group()
        answering = [answer for answer in group if answer.answering]
        feeds: list[Feed] = []
        used = 0
        for answer in answering if self.llama.cuts else ():  # a wrong guess is cut off again
            answer.draft(self.cost, len(answering))
        limit = self.llama.batch_size
        within = self.cost.tokens_within(self._step_seconds[0 if answering else 1])
        # Short prompts first, but every step that a prompt waits brings it forward by what was computed meanwhile.
        prompts = sorted((a for a in group if not a.answering), key=lambda a: len(a.pending) - a.overtaken)
        for answer in [*answering, *prompts]:
            if not answer.answering and limit == self.llama.batch_size:
                limit = min(limit, max(within, used + _LEAST_PROMPT_TOKENS))
            feed = _feed(answer, limit - used)
            if feed.tokens:
                feeds.append(feed)
                used += len(feed.tokens)
        for answer in prompts:
            answer.overtaken += used
        return feeds

    def _next_group(self) -> list[Answer]:
        """The answers of one adapter: llama.cpp computes a batch with one. They take turns."""
        adapters = list(dict.fromkeys(answer.request.adapter for answer in self.live))
        if self._adapter in adapters and len(adapters) > 1:
            chosen = adapters[(adapters.index(self._adapter) + 1) % len(adapters)]
        else:
            chosen = adapters[0] if adapters else None
        return [answer for answer in self.live if answer.request.adapter == chosen]

    def _use_adapter(self, name: str | None) -> None:
        if name != self._adapter:
            self.llama.use_adapter(None if name is None else self.adapters[name])
            self._adapter = name

    def _advance(self, feed: Feed, rows: NDArray[np.float32]) -> None:
        answer = feed.answer
        # Should anything fail in between, nobody knows what the sequence holds, and it is not kept.
        noted, answer.noted = answer.noted, -1
        if not feed.whole:
            answer.position += len(feed.tokens)
            answer.pending = answer.pending[len(feed.tokens) :]
        else:
            guessed = len(answer.guesses)
            accepted = answer.advance(rows, feed.row, feed.mask.result() if feed.mask is not None else None)
            if accepted < guessed:
                self.llama.cut_sequence(answer.sequence, answer.position)
            answer.guesses = []
            if not answer.finished:
                answer.flush()
        self.tree.extend(answer.sequence, answer.history[noted : answer.position])
        answer.noted = answer.position

    def _give_way(self, feeds: list[Feed], did: Step) -> None:
        """Take the room of the youngest answer; it is begun again later, from what is then still known."""
        if self._evict():
            return
        youngest = max(self.live, key=lambda answer: answer.times.submitted)
        feeds[:] = [feed for feed in feeds if feed.answer is not youngest]
        if len(self.live) == 1:
            youngest.fail(EngineStopped("There is no room in the KV cache for this request alone."))
            return
        self._drop(youngest.sequence)
        youngest.sequence = -1
        self.live.remove(youngest)
        did.preempted.append(youngest)

    def _make_room(self, cells: int, keep: int = -1) -> bool:
        """Have so many cells free, at the cost of dormant sequences but `keep`; False where that is not enough."""
        while self.tree.cells + cells > self.llama.cells and self._evict(keep):
            pass
        return self.tree.cells + cells <= self.llama.cells

    def _evict(self, keep: int = -1) -> bool:
        sequence = self.tree.oldest(keep)
        if sequence is None:
            return False
        self._drop(sequence)
        return True

    def _drop(self, sequence: int) -> None:
        self.tree.drop(sequence)
        self._forget(sequence)

    def _forget(self, sequence: int) -> None:
        self.llama.cut_sequence(sequence, 0)
        self._free.append(sequence)


def _feed(answer: Answer, room: int) -> Feed:
    """An answer's settled tokens, as many as there is room for, and its guesses behind the last one."""
    wanted = len(answer.pending) - 1 - answer.unreported
    if len(answer.pending) <= room:
        answer.guesses = answer.guesses[: room - len(answer.pending)]
        return Feed(answer, answer.pending + answer.guesses, wanted, True)
    return Feed(answer, answer.pending[: max(0, min(room, wanted))], wanted, False)


@contextmanager
def guarded(answer: Answer) -> Iterator[None]:
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
