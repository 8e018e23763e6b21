"""One tiny engine for all, and a reference to hold it against."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from asking import Asked, submit
from greedy_reference import Reference

from serving.engine.engine import Engine
from serving.engine.scheduler import Limits
from stillroom.files import sha256


@pytest.fixture(scope="module")
def engine(tiny_f32: Path) -> Iterator[Engine]:
    engine = Engine(tiny_f32, Limits(slots=6, context_tokens=1024), cells=8192, sha256=sha256(tiny_f32))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def reference(tiny_f32: Path) -> Iterator[Reference]:
    reference = Reference(tiny_f32)
    yield reference
    reference.close()


@pytest.fixture
def ask(engine: Engine) -> Callable[..., Asked]:
    """Submit a prompt (text or token ids) with the options of `Request`."""
    return partial(submit, engine)
