"""One tiny engine for all, and greedy decoding as simple as it can be written, to hold it against."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.engine.constraint import Constraint
from serving.engine.engine import Engine
from serving.engine.llama import Entry, Llama
from serving.engine.request import Event, Failed, Finished, Request, Text
from serving.engine.scheduler import Limits, Ticket
from stillroom.export.gguf import convert
from stillroom.files import sha256

SECONDS = 180


@pytest.fixture(scope="session")
def tiny_f32(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32-bit weights: the order of float sums differs between batches, and here that should flip few answers."""
    path = tmp_path_factory.mktemp("gguf") / "tiny-F32.gguf"
    convert(tiny, path, "F32", "tiny")
    return path


@pytest.fixture(scope="module")
def engine(tiny_f32: Path) -> Iterator[Engine]:
    engine = Engine(tiny_f32, Limits(slots=6, context_tokens=1024), cells=8192, sha256=sha256(tiny_f32))
    yield engine
    engine.close()


class Reference:
    """llama.cpp, one token at a time: no sharing, no guesses, no batches."""

    def __init__(self, gguf: Path) -> None:
        self.llama = Llama(gguf, sequences=1, cells=2048)

    def greedy(self, prompt: Sequence[int], most: int, constraint: Constraint | None) -> tuple[tuple[int, ...], float]:
        """The answer, and the smallest lead of a chosen token's logit over the next allowed one's."""
        position, feed, out, lead = 0, list(prompt), list[int](), float("inf")
        match = constraint.start() if constraint else None
        while True:
            forced = match.forced() if match else []
            out, feed = out + forced, feed + forced
            if (match and match.complete) or len(out) >= most:
                break
            for start in range(0, len(feed), self.llama.batch_size):
                part = feed[start : start + self.llama.batch_size]
                last = len(part) - 1
                self.llama.decode([Entry(t, position + i, 0, i == last) for i, t in enumerate(part)])
                position += len(part)
            logits = self.llama.logits(last)
            if match:
                logits = np.where(match.allowed(), logits, -np.inf)
            second, best = np.argpartition(logits, -2)[-2:]
            lead = min(lead, float(logits[best] - logits[second]))
            if int(best) in self.llama.end_tokens:
                break
            feed = [int(best)]
            out = out + feed
            if match:
                match.take(feed)
        self.llama.cut_sequence(0, 0)
        return tuple(out[:most]), lead


@pytest.fixture(scope="module")
def reference(tiny_f32: Path) -> Iterator[Reference]:
    reference = Reference(tiny_f32)
    yield reference
    reference.llama.close()


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
