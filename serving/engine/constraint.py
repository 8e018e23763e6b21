"""Holding an answer to a grammar: which tokens may come next, and which must."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.engine.draft import Said
from stillroom.recipe.grammar import grammar


class Constraint:
    """A grammar compiled for one vocabulary; `start` begins an answer under it.

    Raises ValueError for a grammar that cannot be followed, and for one under which nothing can be said at all.
    """

    def __init__(self, tokenizer: Any, text: str, words: int, limits: Any = None) -> None:
        """text: what `LLMatcher.grammar_from_…` returns. limits: llguidance's LLParserLimits, None for its defaults."""
        from llguidance import LLMatcher

        self._matcher = LLMatcher(tokenizer, text, log_level=0, limits=limits)
        if not self._matcher.is_error():
            # The first mask and what is forced before it are computed on a copy: some grammars fail only there, and
            # the tables stay warm.
            trial = self._matcher.deep_copy()
            trial.consume_tokens(trial.compute_ff_tokens())
            if not trial.is_stopped():
                trial.compute_bitmask()
        if self._matcher.is_error() or trial.is_error():
            reason = self._matcher.get_error() or trial.get_error()
            raise ValueError(f"constrained decoding cannot enforce this: {_sentence(reason)}")
        self._words = words
        self.said = Said()
        """What answers under this constraint said, to guess the next ones by."""

    @classmethod
    def of_schema(cls, tokenizer: Any, schema: dict[str, Any] | None, words: int) -> "Constraint":
        """A recipe's schema; None is any JSON value, with free white space, which tells when an answer is no JSON."""
        from llguidance import LLMatcher

        return cls(tokenizer, grammar(schema) if schema is not None else LLMatcher.grammar_from_json_schema({}), words)

    def start(self) -> "Match":
        """A fresh answer."""
        return Match(self._matcher.deep_copy(), self._words)


def _sentence(reason: str) -> str:
    """llguidance's reason without its internals."""
    reason = reason.replace("<non-verbose/>", "").strip()
    return "nothing that ends can be said under it" if reason == "NoExtensionBias" else reason


class Match:
    """One answer in the making. Used by one thread at a time."""

    def __init__(self, matcher: Any, words: int) -> None:
        self.matcher, self._words = matcher, words

    def allowed(self) -> NDArray[np.bool_]:
        """Which tokens may come next; shape (words,)."""
        return np.unpackbits(self.bits(), bitorder="little")[: self._words].view(np.bool_)

    def bits(self) -> NDArray[np.uint8]:
        """The same, one bit a token, lowest first."""
        return np.frombuffer(self.matcher.compute_bitmask(), dtype=np.uint8)

    def allows(self, tokens: list[int]) -> int:
        """How many of these tokens, from the first, may come next in this order."""
        count: int = self.matcher.validate_tokens(tokens)
        return count

    def try_take(self, token: int) -> bool:
        """Add one token if it is allowed; says whether it was."""
        taken: int = self.matcher.try_consume_tokens([token])
        return taken == 1

    def take(self, tokens: Sequence[int]) -> None:
        """Add tokens to the answer; they must be allowed."""
        if tokens and not self.matcher.consume_tokens(list(tokens)):
            raise RuntimeError(f"the constraint refused a token that it had allowed: {self.matcher.get_error()}")

    def forced(self, most: int | None = None) -> list[int]:
        """The (at most so many) tokens that must come next, whatever the model thinks; taken at once."""
        tokens: list[int] = self.matcher.compute_ff_tokens()[:most]
        if tokens and not self.matcher.consume_tokens(tokens) and self.failure:
            return []  # the parser is at a limit of its own, which the caller looks for
        return tokens

    @property
    def complete(self) -> bool:
        """Nothing can follow: the answer is whole."""
        return bool(self.matcher.is_stopped())

    @property
    def may_end(self) -> bool:
        """The answer so far is whole, though more might follow."""
        return bool(self.matcher.is_accepting())

    @property
    def failure(self) -> str:
        """Why nothing can be said any more although the answer is not whole; empty while all is well."""
        return str(self.matcher.get_error())
