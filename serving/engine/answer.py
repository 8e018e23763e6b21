"""One request being answered: what is computed, what waits to be, and what follows from a row of logits."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.engine.constraint import Match
from serving.engine.cost import StepCost
from serving.engine.draft import LONGEST, Drafter
from serving.engine.request import (
    ConstraintFailed,
    DeadlineExceeded,
    EngineError,
    Event,
    Failed,
    Finished,
    FinishReason,
    Logprob,
    Request,
    Text,
    Usage,
)
from serving.engine.sampling import Row, Sampler, allowed_ids, logprob
from serving.engine.text import TextBuffer

_MOST_TOLD = 64  # forced tokens at once where their log-probabilities are wanted: all their rows are in one batch


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What an answer must know of the model's tokens."""

    words: int
    end_tokens: Collection[int]
    piece: Callable[[int], bytes]


@dataclass(slots=True)
class Times:
    """Monotonic seconds; 0 where it has not happened."""

    submitted: float
    admitted: float = 0.0
    first_token: float = 0.0


@dataclass(slots=True)
class Tokens:
    """Token counts of one answer; see `Usage`."""

    cached: int = 0
    forced: int = 0
    drafted: int = 0
    accepted: int = 0


class Answer:
    """Decoding state of one request.

    history: prompt and answer. position: how many of them are computed in `sequence`. pending: those that are settled
    and not computed; their last `unreported` + 1 logits are wanted. guesses: drafts that the next batch verifies.
    """

    def __init__(self, request: Request, on_event: Callable[[Event], None], vocabulary: Vocabulary) -> None:
        self.request, self._on_event, self._vocabulary = request, on_event, vocabulary
        self.match: Match | None = request.constraint.start() if request.constraint else None
        self.drafter = Drafter(request.constraint.said if request.constraint else None)
        self.sampler = Sampler(request.sampling, request.prompt)
        self._text = TextBuffer(request.stop)
        self.history = list(request.prompt)
        self.pending, self.guesses = list(request.prompt), list[int]()
        self.position, self.sequence, self.unreported, self.said = 0, -1, 0, 0
        self.times, self.tokens = Times(time.monotonic()), Tokens()
        self.noted = 0
        """How many of `history` the prefix tree knows to be computed."""
        self.overtaken = 0
        """Tokens that were computed while its prompt waited."""
        self._plain = request.sampling.plain
        self.refused = False
        """The model's favourite was not allowed of late, so the next mask is wanted early."""
        self.outcome = ""
        """How it ended: a FinishReason, `deadline`, `constraint_failed` or `failed`; empty while it goes on."""
        self.cancelled = False
        self._new_text, self._new_tokens, self._new_logprobs = "", list[int](), list[Logprob]()

    @property
    def finished(self) -> bool:
        """Its last event was told, or could not be."""
        return bool(self.outcome)

    @property
    def answering(self) -> bool:
        """The prompt is computed; each step says something."""
        return self.times.first_token > 0

    def begin(self, sequence: int, cached: int) -> None:
        """Start, or start again after the room was taken away, in a sequence that holds `cached` tokens."""
        self.sequence, self.position, self.noted = sequence, cached, cached
        self.pending, self.guesses = self.history[cached:], []
        if not self.times.admitted:
            self.times.admitted, self.tokens.cached = time.monotonic(), cached
            self._force()

    @property
    def wants_mask(self) -> bool:
        """The next token will probably not be found by asking for the model's favourite alone."""
        return self.match is not None and (self.refused or not (self.request.sampling.greedy and self._plain))

    def advance(self, rows: NDArray[np.float32], row: int, mask: NDArray[np.uint8] | None) -> int:
        """Act on the logits of all that was fed, `rows` from `row` on; returns how many guesses were right.

        mask: the tokens that may follow what is settled, as bits; None: it is computed here if it is needed.
        """
        self.times.first_token = self.times.first_token or time.monotonic()
        for token in self.pending[len(self.pending) - self.unreported :]:
            self._say(token, rows[row])
            row += 1
        if self.unreported:
            self._end_if_whole()
        self.position += len(self.pending)
        self.pending, self.unreported, accepted = [], 0, 0
        while not self.finished:
            chosen = self._choose(rows[row], mask)
            if chosen is None:
                self.finish("stop")
                break
            self.history.append(chosen)
            self._say(chosen, rows[row])
            self._end_if_whole()
            if accepted == len(self.guesses) or self.guesses[accepted] != chosen:
                self.pending = [chosen]
                break
            accepted, row, mask = accepted + 1, row + 1, None
            if not self.finished:
                self._force()
            # What is forced behind a right guess may have been guessed too, and is computed then.
            while self.pending and accepted < len(self.guesses) and self.guesses[accepted] == self.pending[0]:
                token = self.pending.pop(0)
                if self.unreported:
                    self._say(token, rows[row])
                    self.unreported -= 1
                accepted, row = accepted + 1, row + 1
            if self.pending:
                if self.unreported == len(self.pending):  # the logits of the first one are here already
                    self._say(self.pending[0], rows[row])
                    self.unreported -= 1
                    if not self.unreported:
                        self._end_if_whole()
                break
            self._end_if_whole()
        self.position += accepted
        self.tokens.drafted += len(self.guesses)
        self.tokens.accepted += accepted
        self.drafter.learn(len(self.guesses), accepted)
        if not self.finished:
            self._force()
        return accepted

    def draft(self, cost: StepCost, answering: int) -> None:
        """Guess what comes next, as far as that pays with so many answers in the batch."""
        room = self.request.max_tokens - self.said - 1  # the last token is said by the row of the one before
        guesses = self.drafter.guess(self.history, min(LONGEST, room)) if room > 0 else ()
        guesses = list(guesses[: self.drafter.worth(guesses, cost, answering)])
        if guesses and self.match is not None:
            guesses = guesses[: self.match.allows(guesses)]
        self.guesses = guesses

    def flush(self) -> None:
        """Tell what was said since the last time, if anybody reads along."""
        if self._new_text and self.request.stream:
            self._tell(Text(self._new_text, tuple(self._new_tokens), tuple(self._new_logprobs)))
            self._new_text, self._new_tokens, self._new_logprobs = "", [], []

    def finish(self, reason: FinishReason) -> None:
        """Say the rest and that this is all."""
        if self.finished:
            return
        self.outcome = reason
        if self.request.constraint is not None and reason == "stop":
            self.request.constraint.said.learn(self.history[len(self.request.prompt) :])
        self._new_text += self._text.end()
        if self._new_text or self._new_tokens:
            self._tell(Text(self._new_text, tuple(self._new_tokens), tuple(self._new_logprobs)))
        self._tell(Finished(reason, self.usage()))

    def fail(self, error: EngineError) -> None:
        """End without (the rest of) an answer."""
        if not self.finished:
            kinds = {DeadlineExceeded: "deadline", ConstraintFailed: "constraint_failed"}
            self.outcome = kinds.get(type(error), "failed")
            self._tell(Failed(error, self.usage()))

    def usage(self) -> Usage:
        """What it took so far."""
        now, times = time.monotonic(), self.times
        admitted, first = times.admitted or now, times.first_token or now
        return Usage(
            len(self.request.prompt), self.said, self.tokens.cached, self.tokens.forced, self.tokens.drafted,
            self.tokens.accepted, admitted - times.submitted, max(0.0, first - admitted), now - first,
        )  # fmt: skip

    def _tell(self, event: Event) -> None:
        self._on_event(event)

    def _choose(self, row: Row, mask: NDArray[np.uint8] | None) -> int | None:
        """The next token, taken by the match; None at the end of the answer."""
        ends, match, sampling = self._vocabulary.end_tokens, self.match, self.request.sampling
        self.refused = False
        if match is None:
            token = self.sampler.choose(row)
            return None if token in ends else token
        if sampling.greedy and self._plain:
            # A tuned model's favourite is nearly always allowed, and asking costs less than a mask.
            best = int(row.argmax())
            if best in ends:
                if match.may_end:
                    return None
            elif match.try_take(best):
                return best
            self.refused = True
        bits = match.bits() if mask is None else mask
        if match.failure:
            raise ConstraintFailed(f"The constraint cannot be followed any further: {match.failure}")
        ids = allowed_ids(bits, self._vocabulary.words)
        if match.may_end:  # the mask knows one end, and a vocabulary may have several
            ids = np.concatenate((ids, np.fromiter(ends, np.int64)))
        if not len(ids):
            raise ConstraintFailed("The constraint allows no token here.")
        token = self.sampler.choose(row, ids)
        if token in ends:
            return None
        if not match.try_take(token):
            raise ConstraintFailed(f"The constraint refused a token that it had allowed. {match.failure}".strip())
        return token

    def _end_if_whole(self) -> None:
        """Finish where nothing may follow: by the constraint, by a stop text, or by max_tokens."""
        if self.finished:
            return
        if self._text.stopped:
            self.finish("stop")
        elif self.match is not None and self.match.complete:
            if self.match.failure:
                raise ConstraintFailed(f"The constraint cannot be followed any further: {self.match.failure}")
            self.finish("stop")
        elif self.said >= self.request.max_tokens:
            self.finish("length")

    def _force(self) -> None:
        """Settle what the constraint forces next, unless such tokens wait to be said."""
        if self.match is None or self.unreported:
            return
        told = self.request.sampling.logprobs is not None
        most = self.request.max_tokens - self.said
        forced = self.match.forced(min(most, _MOST_TOLD) if told else most)
        if self.match.failure:
            raise ConstraintFailed(f"The constraint cannot be followed any further: {self.match.failure}")
        self.tokens.forced += len(forced)
        self.history += forced
        self.pending += forced
        if told and forced:
            self.unreported += len(forced)  # they are said, and the end is looked for, when their logits are there
            return
        for token in forced:
            self._say(token, None)
        self._end_if_whole()

    def _say(self, token: int, row: Row | None) -> None:
        if self._text.stopped:
            return
        self.said += 1
        self.sampler.said(token)
        self._new_tokens.append(token)
        top = self.request.sampling.logprobs
        if top is not None and row is not None:
            self._new_logprobs.append(logprob(row, token, top))
        self._new_text += self._text.add(self._vocabulary.piece(token))
