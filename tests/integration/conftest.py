"""Random Llamas of other sizes, and the F16 GGUF file of the one that all share, made once."""

from pathlib import Path

import pytest
from tiny_llama import llama

from stillroom.export.gguf import convert

NAME = "tiny-mails"


@pytest.fixture(scope="session")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose rows do not divide into blocks of 256."""
    sizes = {"hidden_size": 96, "intermediate_size": 160, "num_attention_heads": 3, "num_key_value_heads": 1}
    return llama(tmp_path_factory.mktemp("narrow") / "model", **sizes)


@pytest.fixture(scope="session")
def untied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with an output layer and biases of its own."""
    sizes = {"hidden_size": 64, "intermediate_size": 96, "tie_word_embeddings": False, "attention_bias": True}
    return llama(tmp_path_factory.mktemp("untied") / "model", **sizes)


@pytest.fixture(scope="session")
def tiny_gguf(tiny: Path) -> Path:
    out = tiny.parent / "tiny-F16.gguf"
    convert(tiny, out, "F16", NAME)
    return out
