"""One sequence being decoded: what it has said, what waits to be computed, and what it will probably say next."""

from dataclasses import dataclass, field
from typing import Literal

from serving.engine.constraint import Match

Finish = Literal["stop", "length", "not_json"]
LONGEST_DRAFT = 8
_KEY = 2  # a draft continues the last place where these many tokens stood before


@dataclass(frozen=True, slots=True)
class Decoded:
    """The tokens of an answer, and why it ended: `not_json` says that it could no longer become JSON."""

    tokens: tuple[int, ...]
    finish: Finish


@dataclass
class Stream:
    """Decoding state of one sequence.

    request: number of the text it answers. free: it is the answer without constraint. held: it is the answer under
    the constraint. While both decoders agree one stream is both. `pending` are tokens that are settled but not
    computed; from `decided` on they were forced by the schema, so the free decoder has yet to say whether it agrees.
    `guesses` are drafts computed with them. `said_before` is the length of `out` before the step in hand.
    """

    request: int
    sequence: int
    free: bool
    held: bool
    history: list[int]
    position: int
    pending: list[int]
    decided: int = 0
    out: list[int] = field(default_factory=list)
    match: Match | None = None
    watch: Match | None = None
    guesses: list[int] = field(default_factory=list)
    said_before: int = 0
    _seen: dict[tuple[int, ...], int] = field(default_factory=dict)
    _indexed: int = 0
    _length: int = LONGEST_DRAFT // 2

    def say(self, tokens: list[int]) -> None:
        """Add settled tokens to the answer."""
        self.out += tokens
        self.history += tokens

    def draft(self) -> None:
        """Guess the next tokens by the last place in prompt or answer where the current ones stood."""
        while self._indexed + _KEY < len(self.history):
            self._seen[tuple(self.history[self._indexed : self._indexed + _KEY])] = self._indexed + _KEY
            self._indexed += 1
        at = self._seen.get(tuple(self.history[-_KEY:]))
        guesses = [] if at is None else self.history[at : at + self._length]
        if self.match is not None and self.held:
            guesses = guesses[: self.match.allows(guesses)]
        self.guesses = guesses

    def learn(self, accepted: int) -> None:
        """Draft more after guesses that held, less after ones that did not."""
        if not self.guesses:
            return
        if accepted == len(self.guesses):
            self._length = min(LONGEST_DRAFT, self._length * 2)
        elif accepted < len(self.guesses) // 2:
            self._length = max(1, self._length // 2)
