"""Continuous batching over one llama.cpp context: shared prefix, forced tokens, copied drafts, greedy answers.

Each step fills one batch from all live streams: prompts in chunks, settled tokens, and drafts that the same batch
verifies. Tokens that the schema forces are never sampled. Where both the free and the constrained answer are wanted
(an evaluation wants both), one stream stands for both until the free decoder says something else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.engine.constraint import Constraint
from serving.engine.dual_stream import Decoded, Finish, Stream
from serving.engine.llama import Entry, Llama

_PREFIX = 0  # the sequence that holds the shared prefix


@dataclass
class Result:
    """What was said about one prompt: without constraint, and under it; None where it was not asked for."""

    free: Decoded | None = None
    held: Decoded | None = None


class DualDecoder:
    """Answers prompts (token ids) with one GGUF model.

    llama: with 2 × slots + 1 sequences, for each prompt may fork once. slots: prompts under way at once.
    prefix: tokens that (nearly) all prompts begin with, computed once.
    """

    def __init__(self, llama: Llama, slots: int, prefix: Sequence[int] = ()) -> None:
        self.llama, self._slots, self._prefix = llama, slots, list(prefix)
        self._tokenizer: Any = None
        size = llama.batch_size
        for start in range(0, len(self._prefix), size):
            chunk = self._prefix[start : start + size]
            llama.decode([Entry(token, start + i, _PREFIX, False) for i, token in enumerate(chunk)])

    def constraint(self, schema: dict[str, Any] | None) -> Constraint:
        """Compile a schema for this vocabulary; None stands for any JSON."""
        if self._tokenizer is None:
            self._tokenizer = self.llama.constraint_tokenizer()
        return Constraint.of_schema(self._tokenizer, schema, self.llama.words)

    def answer(
        self,
        prompts: Sequence[Sequence[int]],
        max_tokens: int,
        constraint: Constraint | None = None,
        free: bool = True,
        watch: Constraint | None = None,
        on_done: Callable[[int], None] = lambda number: None,
    ) -> list[Result]:
        """Answer every prompt greedily, in the order given; `on_done(n)` is called as prompt n is finished.

        With a constraint each prompt gets a held answer; with `free` also (or, without a constraint, only) a free
        one. A free answer is broken off where `watch` says that it can no longer become what it should.
        """
        batch = _Batch(self, max_tokens, constraint, free or constraint is None, watch, on_done)
        return batch.run(prompts)

    def shared(self, prompt: Sequence[int]) -> int:
        """How many tokens of a prompt the prefix already holds; the last one is always computed for its logits."""
        end = min(len(self._prefix), len(prompt) - 1)
        return next((i for i in range(end) if self._prefix[i] != prompt[i]), end)


class _Batch:
    """One call of `answer`: its streams and their results."""

    def __init__(
        self,
        engine: DualDecoder,
        max_tokens: int,
        constraint: Constraint | None,
        free: bool,
        watch: Constraint | None,
        on_done: Callable[[int], None],
    ) -> None:
        self._engine, self._llama, self._max_tokens = engine, engine.llama, max_tokens
        self._constraint, self._free, self._watch, self._on_done = constraint, free, watch, on_done
        self._sequences = list(range(1, self._llama.sequences))
        self._streams: list[Stream] = []
        self._results: list[Result] = []

    def run(self, prompts: Sequence[Sequence[int]]) -> list[Result]:
        self._results = [Result() for _ in prompts]
        waiting = list(range(len(prompts)))[::-1]
        try:
            while waiting or self._streams:
                live = {stream.request for stream in self._streams}
                while waiting and len(live) < self._engine._slots:
                    live.add(waiting[-1])
                    self._admit(waiting[-1], prompts[waiting.pop()])
                self._step()
        finally:
            for stream in self._streams:
                self._llama.cut_sequence(stream.sequence, 0)
        return self._results

    def _admit(self, number: int, prompt: Sequence[int]) -> None:
        sequence, shared = self._sequences.pop(), self._engine.shared(prompt)
        if shared:
            self._llama.copy_sequence(_PREFIX, sequence, shared)
        stream = Stream(
            number, sequence, self._free, self._constraint is not None, list(prompt[shared:]), shared,
            list(prompt[shared:]),
        )  # fmt: skip
        stream.decided = len(stream.pending) - 1
        if self._constraint is not None:
            stream.match = self._constraint.start()
            self._force(stream)
        self._streams.append(stream)

    def _step(self) -> None:
        """Compute one batch and act on its logits."""
        entries: list[Entry] = []
        read: list[tuple[Stream, int]] = []
        parts: list[tuple[Stream, int, int]] = []
        # Short feeds first: answers under way never wait for a long prompt.
        for stream in sorted(self._streams, key=lambda stream: len(stream.pending)):
            room = self._llama.batch_size - len(entries)
            if len(stream.pending) > room:
                if stream.decided:
                    self._feed_part(stream, min(room, stream.decided), entries)
                elif room:
                    # Forced tokens that the free decoder is asked about, more than a batch holds.
                    parts.append((stream, len(entries), room))
                    for index, token in enumerate(stream.pending[:room]):
                        entries.append(Entry(token, stream.position + index, stream.sequence, True))
                continue
            stream.guesses = stream.guesses[: room - len(stream.pending)]
            # A held answer needs no logits where the schema forces the token; a free one is asked at each.
            first = stream.decided if stream.free else len(stream.pending) - 1
            read.append((stream, len(entries) + first))
            for index, token in enumerate(stream.pending + stream.guesses):
                entries.append(Entry(token, stream.position + index, stream.sequence, index >= first))
        self._llama.decode(entries)
        for stream, row, count in parts:
            self._advance_part(stream, row, count)
        for stream, row in read:
            self._advance(stream, row)

    def _feed_part(self, stream: Stream, count: int, entries: list[Entry]) -> None:
        for index, token in enumerate(stream.pending[:count]):
            entries.append(Entry(token, stream.position + index, stream.sequence, False))
        stream.position += count
        stream.pending = stream.pending[count:]
        stream.decided -= count

    def _advance(self, stream: Stream, row: int) -> None:
        """Read the logits of one stream's tokens from batch entry `row` on, and settle what follows."""
        fed, guesses = stream.pending, stream.guesses
        unsure = len(fed) - 1 - stream.decided if stream.free else 0
        if self._disagrees(stream, row, unsure):
            return
        row += unsure
        stream.position += len(fed)
        stream.said_before, stream.pending, accepted = len(stream.out), [], 0
        while self._choose(stream, self._llama.logits(row)):
            if accepted == len(guesses) or guesses[accepted] != stream.out[-1]:
                stream.pending = [stream.out[-1]]
                break
            accepted, row = accepted + 1, row + 1
        stream.position += accepted
        stream.learn(accepted)
        stream.guesses = []
        if not stream.free and not stream.held:
            self._drop(stream)
            return
        if accepted < len(guesses):
            self._llama.cut_sequence(stream.sequence, stream.position)
        stream.decided = 0
        self._force(stream)
        if stream.free or stream.held:
            stream.draft()
        else:
            self._drop(stream)

    def _advance_part(self, stream: Stream, row: int, count: int) -> None:
        """Ask the free decoder about as many forced tokens as were fed, and leave the others for the next batch."""
        if self._disagrees(stream, row, count):
            return
        stream.position += count
        stream.pending = stream.pending[count:]
        stream.decided = 0 if stream.free else len(stream.pending) - 1

    def _disagrees(self, stream: Stream, row: int, count: int) -> bool:
        """Hold `count` forced tokens against the free decoder, the first of them by the logits of batch entry `row`.

        Where the two part, says whether this stream itself went the free way.
        """
        for index in range(stream.decided, stream.decided + count):
            best = int(self._llama.logits(row + index - stream.decided).argmax())
            if best != stream.pending[index + 1]:
                return self._part(stream, index, best)
        return False

    def _choose(self, stream: Stream, logits: NDArray[np.float32]) -> bool:
        """Settle one token from its logits; says whether the stream goes on. May part the two answers."""
        best = token = int(logits.argmax())
        if stream.held and stream.match is not None:
            allowed = stream.match.allowed()
            if not allowed[best]:
                token = int(np.where(allowed, logits, -np.inf).argmax())
        if stream.free and token != best:
            # Everything before `token` is computed; the free answer goes on in a sequence of its own.
            self._fork(stream, list(stream.out), stream.position + self._computed_guesses(stream), best)
            stream.free = False
        if token in self._llama.end_tokens:
            self._finish(stream, "stop")
            return False
        stream.say([token])
        if stream.held and stream.match is not None:
            stream.match.take([token])
            if stream.match.complete:
                self._finish_held(stream, "stop")
        elif stream.free and not self._still_fits(stream, token):
            self._finish_free(stream, "not_json")
        if len(stream.out) >= self._max_tokens:
            self._finish(stream, "length")
        return stream.free or stream.held

    def _computed_guesses(self, stream: Stream) -> int:
        """Guesses that were right so far in this step: they are computed, but not yet counted in `position`."""
        return len(stream.out) - stream.said_before

    def _part(self, stream: Stream, index: int, best: int) -> bool:
        """The free decoder disagrees with a forced token; says whether this stream itself went the free way."""
        unsaid = len(stream.pending) - 1 - index
        out = stream.out[: len(stream.out) - unsaid]
        computed = stream.position + index + 1
        if stream.held:
            self._fork(stream, out, computed, best)
            stream.free = False
            return False
        # The held answer is finished: the stream goes back to where the two part.
        del stream.history[len(stream.history) - unsaid :]
        self._llama.cut_sequence(stream.sequence, computed)
        stream.out, stream.position, stream.guesses = out, computed, []
        self._say_freely(stream, best)
        return True

    def _fork(self, stream: Stream, out: list[int], computed: int, token: int) -> None:
        """Begin a free stream that has said `out`, shares the first `computed` positions, and says `token` next."""
        history = stream.history[: len(stream.history) - (len(stream.out) - len(out))]
        other = Stream(stream.request, self._sequences.pop(), True, False, history, computed, [], out=out)
        self._llama.copy_sequence(stream.sequence, other.sequence, computed)
        self._streams.append(other)
        self._say_freely(other, token)

    def _say_freely(self, stream: Stream, token: int) -> None:
        """Let a free stream whose `out` is computed say a token, and watch it from its beginning."""
        stream.match = None
        if token in self._llama.end_tokens:
            self._finish_free(stream, "stop")
        else:
            before = list(stream.out)
            stream.say([token])
            stream.pending, stream.decided = [token], 0
            if self._watch is not None:
                stream.watch = self._watch.start()
                if not all(self._still_fits(stream, said) for said in [*before, token]):
                    self._finish_free(stream, "not_json")
            if stream.free and len(stream.out) >= self._max_tokens:
                self._finish_free(stream, "length")
        if not stream.free:
            self._drop(stream)

    def _still_fits(self, stream: Stream, token: int) -> bool:
        """Whether a free answer may still become JSON after `token`; white space around the value is no fault."""
        if stream.watch is None or not self._llama.piece(token).strip():
            return True
        if stream.watch.allows([token]) != 1:
            return False
        stream.watch.take([token])
        return True

    def _force(self, stream: Stream) -> None:
        """Settle what the schema forces next."""
        if not stream.held or stream.match is None:
            return
        forced = stream.match.forced()
        if stream.match.failure:
            raise RuntimeError(f"The constraint cannot be followed any further: {stream.match.failure}")
        stream.say(forced)
        stream.pending += forced
        if not stream.free:
            stream.decided = max(0, len(stream.pending) - 1)
        if stream.match.complete:
            self._finish_held(stream, "stop")
        elif len(stream.out) >= self._max_tokens:
            self._finish_held(stream, "length")
        if not stream.held:
            # A free answer has yet to agree with what was forced, but ends where every answer does.
            beyond = max(0, len(stream.out) - self._max_tokens)
            for tokens in (stream.out, stream.history, stream.pending):
                del tokens[len(tokens) - beyond :]

    def _finish(self, stream: Stream, finish: Finish) -> None:
        if stream.held:
            self._finish_held(stream, finish)
        if stream.free:
            self._finish_free(stream, finish)

    def _finish_held(self, stream: Stream, finish: Finish) -> None:
        self._results[stream.request].held = Decoded(tuple(stream.out), finish)
        stream.held = False
        if stream.free and self._watch is not None:
            stream.watch = self._watch.start()
            stream.watch.take(stream.out)

    def _finish_free(self, stream: Stream, finish: Finish) -> None:
        self._results[stream.request].free = Decoded(tuple(stream.out[: self._max_tokens]), finish)
        stream.free = False

    def _drop(self, stream: Stream) -> None:
        self._llama.cut_sequence(stream.sequence, 0)
        self._sequences.append(stream.sequence)
        self._streams.remove(stream)
        if all(other.request != stream.request for other in self._streams):
            self._on_done(stream.request)
