"""GGUF files gone wrong: a header taken apart, changed in one to three places, and put together again."""

import random
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

STRING, ARRAY, BOOL, UINT32, INT32, FLOAT32, UINT64 = 8, 9, 7, 4, 5, 6, 10
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_EXTREMES = (0, 1, 2, 3, 5, 7, 255, 4096, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
_WIDE = (*_EXTREMES, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
_WORDS = ("llama", "qwen2", "gemma3", "bert", "mamba", "clip", "gpt2", "none", "no such thing", "", "rwkv6", "t5")
_BAD_TEXTS = (b"", b"\xff\xfe\x80", b"\0", b"a\0b", "会议".encode()[:-1], b"x" * 100_000, b"{% for", b"%s%n", b"\n")


@dataclass
class Header:
    """A GGUF file in its parts. entries: key, value type, the value's bytes. tensors: name, sizes, type, offset."""

    magic: bytes
    version: int
    entries: list[tuple[bytes, int, bytes]]
    tensors: list[tuple[bytes, list[int], int, int]]
    data: bytes
    counts: list[int | None] = field(default_factory=lambda: [None, None])
    alignment: int = 32

    @classmethod
    def of(cls, raw: bytes) -> "Header":
        """The parts of a sound file."""
        place = 8
        tensor_count, entry_count = struct.unpack_from("<QQ", raw, place)
        place += 16
        entries, tensors = [], []

        def text() -> bytes:
            nonlocal place
            (length,) = struct.unpack_from("<Q", raw, place)
            place += 8 + length
            return raw[place - length : place]

        def value(kind: int) -> None:
            nonlocal place
            if kind == STRING:
                text()
            elif kind == ARRAY:
                inner, length = struct.unpack_from("<IQ", raw, place)
                place += 12
                for _ in range(length):
                    value(inner)
            else:
                place += _SIZES[kind]

        for _ in range(entry_count):
            key = text()
            (kind,) = struct.unpack_from("<I", raw, place)
            place += 4
            start = place
            value(kind)
            entries.append((key, kind, raw[start:place]))
        for _ in range(tensor_count):
            name = text()
            (dimensions,) = struct.unpack_from("<I", raw, place)
            sizes = list(struct.unpack_from(f"<{dimensions}Q", raw, place + 4))
            kind, offset = struct.unpack_from("<IQ", raw, place + 4 + 8 * dimensions)
            place += 16 + 8 * dimensions
            tensors.append((name, sizes, kind, offset))
        return cls(raw[:4], struct.unpack_from("<I", raw, 4)[0], entries, tensors, raw[-(-place // 32) * 32 :])

    def bytes(self) -> bytes:
        """The file again."""
        counts = [len(self.tensors), len(self.entries)]
        counts = [own if given is None else given for given, own in zip(self.counts, counts, strict=True)]
        raw = self.magic + struct.pack("<IQQ", self.version, *counts)
        for key, kind, value in self.entries:
            raw += string(key) + struct.pack("<I", kind) + value
        for name, sizes, kind, offset in self.tensors:
            raw += string(name) + struct.pack(f"<I{len(sizes)}Q", len(sizes), *sizes) + struct.pack("<IQ", kind, offset)
        return raw + b"\0" * (-len(raw) % self.alignment) + self.data


def string(text: bytes) -> bytes:
    """A text as GGUF writes it."""
    return struct.pack("<Q", len(text)) + text


def mutated(raw: bytes, draw: random.Random) -> bytes:
    """The file with one to three faults of any kind."""
    header = Header.of(raw)
    for _ in range(draw.choice((1, 1, 2, 3))):
        draw.choice(_FAULTS)(header, draw)
    found = header.bytes()
    if draw.random() < 0.15:
        found = found[: draw.randrange(len(found) + 1)]
    if draw.random() < 0.15:
        spoiled, size = bytearray(found), max(1, min(len(found), len(found) - len(header.data)))
        for _ in range(draw.choice((1, 2, 8)) if found else 0):
            spoiled[draw.randrange(size)] = draw.randrange(256)
        found = bytes(spoiled)
    return found


def _front(header: Header, draw: random.Random) -> None:
    what = draw.randrange(4)
    if what == 0:
        header.magic = draw.choice((b"GGML", b"\0\0\0\0", b"gguf", b"FUGG"))
    elif what == 1:
        header.version = draw.choice(_EXTREMES)
    else:
        header.counts[what - 2] = draw.choice((*_WIDE, len(header.tensors) + 1, max(0, len(header.entries) - 1)))


def _drop_entry(header: Header, draw: random.Random) -> None:
    if header.entries:
        header.entries.pop(draw.randrange(len(header.entries)))


def _twice(header: Header, draw: random.Random) -> None:
    if header.entries and draw.random() < 0.5:
        header.entries.append(draw.choice(header.entries))
    elif header.tensors:
        header.tensors.append(draw.choice(header.tensors))


def _value(header: Header, draw: random.Random) -> None:
    """Another value of the same type."""
    if not header.entries:
        return
    at = draw.randrange(len(header.entries))
    key, kind, value = header.entries[at]
    if kind == STRING:
        value = string(draw.choice(_BAD_TEXTS) if draw.random() < 0.5 else draw.choice(_WORDS).encode())
    elif kind == ARRAY:
        value = _array(value, draw)
    elif kind == FLOAT32:
        value = struct.pack("<f", draw.choice((0.0, -1.0, 1e-38, 1e38, float("inf"), float("nan"))))
    else:
        size = _SIZES[kind]
        value = (draw.choice(_WIDE) % 2 ** (8 * size)).to_bytes(size, "little")
    header.entries[at] = (key, kind, value)


def _array(value: bytes, draw: random.Random) -> bytes:
    inner, length = struct.unpack_from("<IQ", value)
    what = draw.randrange(5)
    if what == 0:
        return struct.pack("<IQ", inner, draw.choice(_WIDE)) + value[12:]
    if what == 1:
        return struct.pack("<IQ", draw.randrange(16), length) + value[12:]
    if what == 2:
        return struct.pack("<IQ", inner, 0)
    if inner == STRING:
        texts = [value[12:]] if not length else [string(draw.choice(_BAD_TEXTS[:5])) for _ in range(min(length, 300))]
        return struct.pack("<IQ", inner, len(texts) if length else 0) + b"".join(texts if length else [])
    size, kept = _SIZES.get(inner, 1), draw.randrange(length + 1)
    body = bytearray(value[12 : 12 + kept * size])
    if body:
        body[draw.randrange(len(body))] = draw.randrange(256)
    return struct.pack("<IQ", inner, kept) + bytes(body)


def _other_type(header: Header, draw: random.Random) -> None:
    """A value of another type under the same key."""
    if not header.entries:
        return
    at = draw.randrange(len(header.entries))
    key = header.entries[at][0]
    kind, value = draw.choice(
        (
            (UINT32, struct.pack("<I", draw.choice(_EXTREMES))),
            (INT32, struct.pack("<i", -1)),
            (UINT64, struct.pack("<Q", draw.choice(_WIDE))),
            (FLOAT32, struct.pack("<f", 0.5)),
            (BOOL, b"\x02"),
            (STRING, string(draw.choice(_BAD_TEXTS))),
            (ARRAY, struct.pack("<IQ", STRING, 1) + string(b"a")),
            (ARRAY, struct.pack("<IQIQ", ARRAY, 1, UINT32, 0)),
            (ARRAY, struct.pack("<IQI", UINT32, 1, 1)),
            (99, b""),
        )
    )
    header.entries[at] = (key, kind, value)


def _key(header: Header, draw: random.Random) -> None:
    if not header.entries:
        return
    at = draw.randrange(len(header.entries))
    _, kind, value = header.entries[at]
    other = draw.choice(header.entries)[0]
    header.entries[at] = (draw.choice((*_BAD_TEXTS, other, other[:-1])), kind, value)


def _more_entries(header: Header, draw: random.Random) -> None:
    """Keys that llama.cpp reads where they are there."""
    name = draw.choice(
        (
            "llama.attention.key_length", "llama.attention.value_length", "llama.expert_count", "llama.pooling_type",
            "llama.expert_used_count", "llama.rope.dimension_count", "llama.rope.scaling.type", "llama.vocab_size",
            "llama.attention.sliding_window", "tokenizer.ggml.pre", "tokenizer.ggml.padding_token_id", "split.count",
            "tokenizer.ggml.scores", "general.alignment", "llama.attention.causal", "tokenizer.ggml.add_bos_token",
            "llama.rope.scaling.factor", "general.type", "tokenizer.ggml.eot_token_id",
            "llama.leading_dense_block_count",
        )
    )  # fmt: skip
    header.entries = [entry for entry in header.entries if entry[0] != name.encode()]
    header.entries.append((name.encode(), UINT32, struct.pack("<I", draw.choice(_EXTREMES))))
    if draw.random() < 0.5:
        header.entries[-1] = (name.encode(), STRING, string(draw.choice(_WORDS).encode()))


def _tensor(header: Header, draw: random.Random) -> None:
    if not header.tensors:
        return
    at = draw.randrange(len(header.tensors))
    name, sizes, kind, offset = header.tensors[at]
    what = draw.randrange(7)
    if what == 0:
        header.tensors.pop(at)
        return
    if what == 1:
        name = draw.choice((*_BAD_TEXTS, draw.choice(header.tensors)[0], name + b"x", b"blk.9999.attn_q.weight"))
    elif what == 2 and sizes:
        sizes = list(sizes)
        sizes[draw.randrange(len(sizes))] = draw.choice(_WIDE)
    elif what == 3:
        sizes = draw.choice(([], [1], sizes[::-1], [*sizes, 1], [*sizes, 1, 1], [1] * 5, sizes[:1], [2**32, 2**32]))
    elif what == 4:
        kind = draw.choice((0, 1, 2, 3, 8, 12, 14, 16, 24, 30, 39, 40, 99, 2**32 - 1))
    else:
        offset = draw.choice((*_WIDE, offset + 32, offset + 1, max(0, offset - 32))) % 2**64
    header.tensors[at] = (name, sizes, kind, offset)


def _fitted(header: Header, draw: random.Random) -> None:
    """Tensors of other sizes or types that follow each other as they must: what the header alone cannot refuse."""
    if not header.tensors:
        return
    at = draw.randrange(len(header.tensors))
    name, sizes, _, _ = header.tensors[at]
    sizes = draw.choice((sizes[::-1], [size * 2 % 2**64 for size in sizes], [max(1, sizes[0] // 2), *sizes[1:]], sizes))
    header.tensors[at] = (name, sizes, draw.choice((0, 0, 1)), 0)
    if draw.random() < 0.3:
        header.tensors.pop(draw.randrange(len(header.tensors)))
    end, placed = 0, []
    for other, shape, kind, _ in header.tensors:
        placed.append((other, shape, kind, end % 2**64))
        end += -(-int(np.prod([float(size) for size in shape], initial=1.0)) * (4, 2)[kind == 1] // 32) * 32
    header.tensors = placed
    if end < 2**26:
        header.data = (header.data + b"\0" * end)[:end]


def _weights(header: Header, draw: random.Random) -> None:
    what = draw.randrange(3)
    if what == 0:
        header.data = np.full(len(header.data) // 4, np.nan, np.float32).tobytes()
    elif what == 1:
        header.data = bytes(len(header.data))
    else:
        header.data = header.data[: draw.randrange(len(header.data) + 1)] if header.data else b""


_FAULTS = (
    _front, _drop_entry, _drop_entry, _twice, _value, _value, _value, _value, _other_type, _other_type, _key,
    _more_entries, _more_entries, _tensor, _tensor, _fitted, _fitted, _weights,
)  # fmt: skip


def byte_llama(path: Path) -> Path:
    """A Llama so small that a thousand of its files load in minutes: one layer, and bytes for tokens."""
    from gguf import GGUFWriter, TokenType

    writer, draw = GGUFWriter(path, "llama"), np.random.default_rng(0)
    # The signs that stand for bytes in a vocabulary of GPT-2's kind.
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    signs = {byte: chr(byte) for byte in shown}
    signs |= {byte: chr(256 + number) for number, byte in enumerate(b for b in range(256) if b not in signs)}
    tokens = [signs[byte] for byte in range(256)] + ["th", "in", "<|start|>", "<|end|>"]
    writer.add_name("bytes")
    writer.add_context_length(512)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(8)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.NORMAL] * 258 + [TokenType.CONTROL] * 2)
    writer.add_token_merges(["t h", "i n"])
    writer.add_bos_token_id(258)
    writer.add_eos_token_id(259)
    writer.add_chat_template("{% for message in messages %}<|start|>{{ message['content'] }}<|end|>{% endfor %}")

    def weight(name: str, *shape: int) -> None:
        values = np.ones(shape) if len(shape) == 1 else draw.normal(0, 0.2, shape)
        writer.add_tensor(f"{name}.weight", values.astype(np.float32))

    weight("token_embd", len(tokens), 32)
    weight("output_norm", 32)
    weight("blk.0.attn_norm", 32)
    weight("blk.0.attn_q", 32, 32)
    weight("blk.0.attn_k", 16, 32)
    weight("blk.0.attn_v", 16, 32)
    weight("blk.0.attn_output", 32, 32)
    weight("blk.0.ffn_norm", 32)
    weight("blk.0.ffn_gate", 64, 32)
    weight("blk.0.ffn_up", 64, 32)
    weight("blk.0.ffn_down", 32, 64)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def byte_lora(path: Path) -> Path:
    """An adapter for `byte_llama`."""
    from gguf import GGUFWriter

    writer, draw = GGUFWriter(path, "llama"), np.random.default_rng(1)
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    for name, rows in (("attn_q", 32), ("attn_v", 16)):
        for part, shape in (("lora_a", (4, 32)), ("lora_b", (rows, 4))):
            values = draw.normal(size=shape).astype(np.float32)
            writer.add_tensor(f"blk.0.{name}.weight.{part}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
