"""A random Llama of two layers with the real SmolLM2 tokenizer, and its F16 GGUF file, made once."""

from pathlib import Path

import pytest

from stillroom.export.gguf import convert
from stillroom.models.base import packaged_tokenizer

NAME = "tiny-mails"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=True,
        initializer_range=0.1,
    )
    folder = tmp_path_factory.mktemp("tiny") / "model"
    LlamaForCausalLM(config).save_pretrained(folder)
    packaged_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_gguf(tiny: Path) -> Path:
    out = tiny.parent / "tiny-F16.gguf"
    convert(tiny, out, "F16", NAME)
    return out
