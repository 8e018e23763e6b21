"""What an evaluation needs of whatever answers: the engine fits this shape without importing it."""

from collections.abc import Sequence
from typing import Protocol


class Answer(Protocol):
    """What a model said about one text."""

    @property
    def unconstrained(self) -> str:
        """The text that free greedy decoding gives."""
        ...

    @property
    def constrained(self) -> str | None:
        """The text under the schema's constraint; None for a free-text task, which has no schema."""
        ...

    @property
    def prompt_tokens(self) -> int:
        """Length of the prompt, shared prefix included."""
        ...

    @property
    def completion_tokens(self) -> int:
        """Tokens produced for this text, in both ways of decoding together."""
        ...


class Generator(Protocol):
    """Answers texts; how it batches them is its own affair."""

    def answer(self, texts: Sequence[str]) -> Sequence[Answer]:
        """One answer a text, in the order of the texts."""
        ...
