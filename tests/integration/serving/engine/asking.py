"""Requests to an engine, and what came of them."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.engine.engine import Engine
from serving.engine.request import Event, Failed, Finished, Request, Text
from serving.engine.scheduler import Ticket

SECONDS = 180


@dataclass
class Asked:
    """A request and what came of it."""

    events: list[Event] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    ticket: Ticket | None = None

    def take(self, event: Event) -> None:
        self.events.append(event)
        if not isinstance(event, Text):
            self.over.set()

    def wait(self) -> "Asked":
        assert self.over.wait(SECONDS), "no answer"
        return self

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Text))

    @property
    def tokens(self) -> tuple[int, ...]:
        return tuple(token for event in self.events if isinstance(event, Text) for token in event.tokens)

    @property
    def end(self) -> Finished | Failed:
        last = self.events[-1]
        assert not isinstance(last, Text)
        return last


def submit(engine: Engine, prompt: str | Sequence[int], max_tokens: int = 24, **options: Any) -> Asked:
    asked = Asked()
    tokens = tuple(engine.tokenize(prompt) if isinstance(prompt, str) else prompt)
    asked.ticket = engine.submit(Request(tokens, max_tokens, **options), asked.take)
    return asked
