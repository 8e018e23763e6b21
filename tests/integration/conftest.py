"""A random Llama of two layers with the real SmolLM2 tokenizer, and its F16 GGUF file, made once."""

from pathlib import Path

import pytest

from stillroom.export.gguf import convert
from stillroom.models.base import packaged_tokenizer

NAME = "tiny-mails"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama(tmp_path_factory.mktemp("tiny") / "model", hidden_size=256, intermediate_size=512)


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


def llama(folder: Path, **sizes: int) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        **{
            "vocab_size": 49152,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "tie_word_embeddings": True,
            "initializer_range": 0.1,
        }
        | sizes
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    packaged_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_gguf(tiny: Path) -> Path:
    out = tiny.parent / "tiny-F16.gguf"
    convert(tiny, out, "F16", NAME)
    return out
