"""Headers changed on purpose, in every way that we could think of: read, or refused in a sentence."""

import random
from pathlib import Path

import pytest
from gguf_mutants import Header, byte_llama, mutated
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.errors import UserError
from stillroom.export.gguf_file import read_gguf


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return byte_llama(tmp_path_factory.mktemp("mutants") / "bytes.gguf")


def test_taken_apart_and_put_together_it_is_the_same(sound: Path) -> None:
    assert Header.of(sound.read_bytes()).bytes() == sound.read_bytes()
    assert len(read_gguf(sound).tensors) == 11


@settings(max_examples=300)
@given(draw=st.randoms(use_true_random=False))
def test_mutants_are_read_or_refused(sound: Path, draw: random.Random) -> None:
    path = sound.with_name("mutant.gguf")
    path.write_bytes(mutated(sound.read_bytes(), draw))
    try:
        read_gguf(path)
    except UserError as error:
        assert str(path) in str(error) and len(str(error)) < 2000
