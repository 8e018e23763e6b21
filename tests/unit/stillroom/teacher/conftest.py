"""An OpenAI-compatible server on the loopback that does what each test tells it to, and a client for it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

from stillroom.recipe.teacher import Teacher
from stillroom.teacher.cache import AnswerCache
from stillroom.teacher.client import Client


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


@pytest.fixture
def connect(server: Loopback, tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Makes a client of the server; keyword arguments are those of the recipe's `teacher`."""
    with ExitStack() as stack:

        def make(
            cache: Path = tmp_path / "cache.sqlite", patience: float = 600.0, job: str = "job", **options: Any
        ) -> Client:
            teacher = Teacher(base_url=server.url, model="m", **{"timeout_s": 5.0, **options})
            kept = AnswerCache(cache, job)
            stack.callback(kept.close)
            return stack.enter_context(Client(teacher, kept, back_off=0.01, patience=patience))

        yield make
