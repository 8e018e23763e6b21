"""Holding an answer to a schema: which tokens may come next, and which must."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stillroom.recipe.grammar import grammar


class Constraint:
    """A schema compiled for one vocabulary; `start` begins an answer under it."""

    def __init__(self, tokenizer: Any, schema: dict[str, Any] | None, words: int) -> None:
        """schema None: any JSON value, with free white space; it tells when an answer can no longer become JSON."""
        from llguidance import LLMatcher

        text = grammar(schema) if schema is not None else LLMatcher.grammar_from_json_schema({})
        self._matcher = LLMatcher(tokenizer, text, log_level=0)
        if self._matcher.is_error():
            raise ValueError(f"constrained decoding cannot enforce this schema: {self._matcher.get_error()}")
        self._words = words

    def start(self) -> "Match":
        """A fresh answer."""
        return Match(self._matcher.deep_copy(), self._words)


class Match:
    """One answer in the making."""

    def __init__(self, matcher: Any, words: int) -> None:
        self._matcher, self._words = matcher, words

    def allowed(self) -> NDArray[np.bool_]:
        """Which tokens may come next; shape (words,)."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        return np.unpackbits(bits, bitorder="little")[: self._words].view(np.bool_)

    def allows(self, tokens: list[int]) -> int:
        """How many of these tokens, from the first, may come next in this order."""
        count: int = self._matcher.validate_tokens(tokens)
        return count

    def take(self, tokens: list[int]) -> None:
        """Add tokens to the answer; they must be allowed."""
        if tokens and not self._matcher.consume_tokens(tokens):
            raise RuntimeError(f"the constraint refused a token that it had allowed: {self._matcher.get_error()}")

    def forced(self) -> list[int]:
        """The tokens that must come next, whatever the model thinks; taken at once."""
        tokens: list[int] = self._matcher.compute_ff_tokens()
        self.take(tokens)
        return tokens

    @property
    def complete(self) -> bool:
        """Nothing can follow: the answer is whole."""
        return bool(self._matcher.is_stopped())
