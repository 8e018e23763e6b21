"""Random models of other kinds than the packaged one, written as GGUF in a moment: a vocabulary of pieces and bytes as
sentencepiece makes them, an encoder, a recurrent one."""

from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter

WIDTH, INNER, LAYERS, CONTEXT = 64, 128, 2, 1024
_UNKNOWN, _NORMAL, _CONTROL, _USER, _BYTE = 2, 1, 3, 4, 6
MARKS = ["<start_of_turn>", "<end_of_turn>"]


class Writer(GGUFWriter):  # type: ignore[misc]
    """With random weights, and numbers under the architecture's name."""

    def __init__(self, path: Path, arch: str) -> None:
        super().__init__(path, arch)
        self.path_written, self._draw = path, np.random.default_rng(0)

    def numbers(self, **values: Any) -> None:
        for name, value in values.items():
            key = f"{self.arch}.{name.replace('__', '.')}"
            self.add_float32(key, value) if isinstance(value, float) else self.add_uint32(key, value)

    def random(self, name: str, *shape: int) -> None:
        self.add_tensor(name, (self._draw.normal(size=shape) * 0.3).astype(np.float32))

    def constant(self, name: str, size: int, value: float = 1.0) -> None:
        self.add_tensor(name, np.full(size, value, np.float32))

    def done(self) -> Path:
        self.write_header_to_file()
        self.write_kv_data_to_file()
        self.write_tensors_to_file()
        self.close()
        return self.path_written


def pieces(writer: Writer, ends: bool = True) -> int:
    """A sentencepiece vocabulary: control tokens, every byte, letters and some words. ends: it has begin and end."""
    tokens = [("<unk>", _UNKNOWN), ("<s>", _CONTROL), ("</s>", _CONTROL)]
    tokens += [(f"<0x{byte:02X}>", _BYTE) for byte in range(256)]
    tokens += [(mark, _USER) for mark in MARKS]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?{}[]\"'()-_/<>\n"
    tokens += [(letter, _NORMAL) for letter in ("▁", *letters)]
    tokens += [(word, _NORMAL) for word in ("▁the", "▁is", "ing", "er", "en", '":', '","', "▁a")]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text.encode() for text, _ in tokens])
    writer.add_token_scores([-float(number) for number in range(len(tokens))])
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_add_bos_token(ends)
    if ends:
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
    return len(tokens)


def llama(path: Path, template: str | None, ends: bool = True) -> Path:
    """A decoder with a sentencepiece vocabulary."""
    writer = Writer(path, "llama")
    words = pieces(writer, ends)
    if template is not None:
        writer.add_chat_template(template)
    writer.numbers(
        block_count=LAYERS, context_length=CONTEXT, embedding_length=WIDTH, feed_forward_length=INNER,
        attention__head_count=4, attention__head_count_kv=2, attention__layer_norm_rms_epsilon=1e-5,
        rope__dimension_count=16, vocab_size=words,
    )  # fmt: skip
    writer.random("token_embd.weight", words, WIDTH)
    writer.constant("output_norm.weight", WIDTH)
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            writer.constant(f"blk.{layer}.{name}.weight", WIDTH)
        for name, rows, columns in (
            ("attn_q", WIDTH, WIDTH), ("attn_k", 32, WIDTH), ("attn_v", 32, WIDTH), ("attn_output", WIDTH, WIDTH),
            ("ffn_gate", INNER, WIDTH), ("ffn_up", INNER, WIDTH), ("ffn_down", WIDTH, INNER),
        ):  # fmt: skip
            writer.random(f"blk.{layer}.{name}.weight", rows, columns)
    return writer.done()


def mamba(path: Path) -> Path:
    """A recurrent model: it has a state for each sequence, and no cells that could be shared or cut."""
    writer, inner, state, rank = Writer(path, "mamba"), 128, 8, 4
    words = pieces(writer)
    writer.add_chat_template("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:")
    writer.numbers(
        block_count=LAYERS, context_length=CONTEXT, embedding_length=WIDTH, feed_forward_length=0,
        attention__head_count=0, attention__layer_norm_rms_epsilon=1e-5, ssm__conv_kernel=4, ssm__inner_size=inner,
        ssm__state_size=state, ssm__time_step_rank=rank, vocab_size=words,
    )  # fmt: skip
    writer.random("token_embd.weight", words, WIDTH)
    writer.constant("output_norm.weight", WIDTH)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        writer.constant(f"{block}.attn_norm.weight", WIDTH)
        writer.random(f"{block}.ssm_in.weight", 2 * inner, WIDTH)
        writer.random(f"{block}.ssm_conv1d.weight", inner, 4)
        writer.constant(f"{block}.ssm_conv1d.bias", inner, 0.1)
        writer.random(f"{block}.ssm_x.weight", rank + 2 * state, inner)
        writer.random(f"{block}.ssm_dt.weight", inner, rank)
        writer.constant(f"{block}.ssm_dt.bias", inner, 0.1)
        writer.add_tensor(f"{block}.ssm_a", -np.tile(np.arange(1, state + 1, dtype=np.float32), (inner, 1)))
        writer.constant(f"{block}.ssm_d", inner)
        writer.random(f"{block}.ssm_out.weight", WIDTH, inner)
    return writer.done()


def bert(path: Path) -> Path:
    """An encoder, which makes embeddings and answers nothing."""
    writer = Writer(path, "bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁the", "▁ship", "▁sea", "▁room", "▁is", "▁free", "s", "▁."]
    writer.add_tokenizer_model("bert")
    writer.add_token_list([word.encode() for word in words])
    writer.add_token_types([_CONTROL] * 5 + [_NORMAL] * (len(words) - 5))
    writer.add_token_type_count(2)
    writer.add_bos_token_id(2)
    writer.add_sep_token_id(3)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bool("bert.attention.causal", False)
    writer.numbers(
        block_count=LAYERS, context_length=CONTEXT, embedding_length=WIDTH, feed_forward_length=INNER,
        attention__head_count=4, attention__layer_norm_epsilon=1e-6, pooling_type=1, vocab_size=len(words),
    )  # fmt: skip
    writer.random("token_embd.weight", len(words), WIDTH)
    writer.random("token_types.weight", 2, WIDTH)
    writer.random("position_embd.weight", CONTEXT, WIDTH)
    _norm(writer, "token_embd_norm")
    for layer in range(LAYERS):
        for name, rows, columns in (
            ("attn_q", WIDTH, WIDTH), ("attn_k", WIDTH, WIDTH), ("attn_v", WIDTH, WIDTH),
            ("attn_output", WIDTH, WIDTH), ("ffn_up", INNER, WIDTH), ("ffn_down", WIDTH, INNER),
        ):  # fmt: skip
            writer.random(f"blk.{layer}.{name}.weight", rows, columns)
            writer.constant(f"blk.{layer}.{name}.bias", rows, 0.0)
        _norm(writer, f"blk.{layer}.attn_output_norm")
        _norm(writer, f"blk.{layer}.layer_output_norm")
    return writer.done()


def _norm(writer: Writer, name: str) -> None:
    writer.constant(f"{name}.weight", WIDTH)
    writer.constant(f"{name}.bias", WIDTH, 0.0)
