"""One tiny engine for all, and greedy decoding as simple as it can be written, to hold it against."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from serving.engine.engine import Engine
from serving.engine.request import Event, Failed, Finished, Request, Text
from serving.engine.scheduler import Limits, Ticket
from stillroom.export.gguf import convert

SECONDS = 60


@pytest.fixture(scope="session")
def tiny_f32(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32-bit weights: the order of float sums differs between batches, and here that should flip few answers."""
    path = tmp_path_factory.mktemp("gguf") / "tiny-F32.gguf"
    convert(tiny, path, "F32", "tiny")
    return path


@pytest.fixture(scope="module")
def engine(tiny_f32: Path) -> Iterator[Engine]:
    engine = Engine(tiny_f32, Limits(slots=6, context_tokens=1024), cells=8192)
    yield engine
    engine.close()


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


@pytest.fixture
def ask(engine: Engine) -> Callable[..., Asked]:
    """Submit a prompt (text or token ids) with the options of `Request`."""
    return partial(submit, engine)


def submit(engine: Engine, prompt: str | Sequence[int], max_tokens: int = 24, **options: Any) -> Asked:
    asked = Asked()
    tokens = tuple(engine.tokenize(prompt) if isinstance(prompt, str) else prompt)
    asked.ticket = engine.submit(Request(tokens, max_tokens, **options), asked.take)
    return asked
