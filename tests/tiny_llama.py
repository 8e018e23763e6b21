"""Random models that llama.cpp loads in a moment: real in every part, but for what they say."""

from pathlib import Path


def llama(folder: Path, **sizes: int) -> Path:
    """A random Llama of two layers with the real SmolLM2 tokenizer, as a Hugging Face folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from stillroom.models.base import packaged_tokenizer

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


def lora(path: Path, seed: int) -> Path:
    """A random adapter (GGUF) of the query projections of a Llama of two layers, 256 wide.

    It adds about twice what the queries are. Of one forty times as large attention was all or nothing, and llama.cpp's
    rounding of queries and keys to 16 bit then moved logits by more than one.
    """
    import numpy as np
    from gguf import GGUFWriter

    writer, draw = GGUFWriter(path, "llama"), np.random.default_rng(seed)
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    for layer in range(2):
        for name, shape in (("lora_a", (4, 256)), ("lora_b", (256, 4))):
            values = draw.normal(scale=0.22, size=shape).astype(np.float32)
            writer.add_tensor(f"blk.{layer}.attn_q.weight.{name}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
