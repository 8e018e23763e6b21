"""How many tokens the KV cache may hold on this machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stillroom import machine
from stillroom.errors import UserError

_SHARE = 0.6  # of the memory that is free once the weights are in; the rest is for logits, grammars and Python
_FIRST = "-00001-of-"
_KEPT = 4096  # cells beyond that, for prefixes and finished sequences that may be continued


def cell_bytes(metadata: Mapping[str, Any]) -> int:
    """Bytes of keys and values of one token, in 16 bit, over all layers."""
    architecture = metadata["general.architecture"]

    def value(name: str, default: Any = None) -> Any:
        return metadata.get(f"{architecture}.{name}", default)

    layers, heads = value("block_count", 1), value("attention.head_count", 1)
    key_heads = value("attention.head_count_kv", heads)
    head = value("embedding_length", 1) // max(1, heads if isinstance(heads, int) else max(heads))
    width = value("attention.key_length", head) + value("attention.value_length", head)
    each: int = 2 * width * (sum(key_heads) if isinstance(key_heads, list) else layers * key_heads)
    return each


def weight_bytes(gguf: Path) -> int:
    """Bytes of a model file, and of its further parts where it is the first of several."""
    if _FIRST not in gguf.name:
        return gguf.stat().st_size
    return sum(part.stat().st_size for part in gguf.parent.glob(gguf.name.replace(_FIRST, "-?????-of-")))


def cells_that_fit(metadata: Mapping[str, Any], slots: int, context_tokens: int, weights: int) -> int:
    """Cells for so many answers of half the longest length, or as many as the memory has room for.

    Few requests are as long as they may be, and what they share takes its room once. Where all are, some wait for
    others; cells that nobody uses would be cleared at every start. weights: bytes of the model, which is read into
    memory too. Raises UserError where not even one request fits.
    """
    wanted, each = (slots + 1) * context_tokens // 2 + _KEPT, cell_bytes(metadata)
    if not each:
        return wanted  # a recurrent model's state has one size, however much it read
    room = int((machine.free_memory() - weights) * _SHARE) // each
    if room < context_tokens:
        raise UserError(
            f"The memory has room for {max(0, room)} tokens beside the model, and one request may have "
            f"{context_tokens}. Give the process more memory, or lower serve.context_tokens."
        )
    return min(wanted, room)
