"""What a number format of ggml makes of a weight matrix.

ggml's own quantisers do it, the very functions that `llama_model_quantize` calls, so the values are those of the
file to the last bit. Rounding goes row by row: a file whose rows stand in another order holds the same values.
"""

import ctypes
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from stillroom.machine import cpu_threads

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 1 << 16
"""Weights that a thread rounds at once: what it reads and writes stays in its core's cache."""

_SIXTEEN_BIT = ("F16", "BF16")


def rounded(weight: "Tensor", types: Sequence[str], out: "Tensor | None" = None) -> "Tensor":
    """A weight as it stands in a file after it was stored in each of `types` (ggml's names), one after the other.

    weight: fp32 on the CPU, (rows, columns); the columns are a multiple of each type's block. It stays as it is, unless
    it is `out` itself. out: a contiguous CPU tensor of the same shape, in fp32 or bf16 (rounded to it at the end); made
    in fp32 where there is none. F32 changes nothing. No importance matrix is used.
    """
    import torch

    out = torch.empty(weight.shape) if out is None else out
    value = weight.contiguous()
    for kind in types:
        if kind in _SIXTEEN_BIT:
            # torch rounds to the nearest even number as the converter does, and several times faster than ggml.
            value = value.to(torch.float16 if kind == "F16" else torch.bfloat16).float()
        elif kind != "F32":
            target = out if kind == types[-1] else torch.empty_like(value)
            _quantise(value, kind, target)
            value = target
    return value if value is out else out.copy_(value)


def _quantise(weight: "Tensor", kind: str, out: "Tensor") -> None:
    """Write to `out` (fp32 or bf16) what the quantised type `kind` makes of `weight` (fp32), both contiguous."""
    import torch

    if weight.dtype != torch.float32 or not weight.is_contiguous() or not out.is_contiguous():
        raise ValueError("only contiguous fp32 weights can be rounded, into a contiguous tensor")
    ggml, number = _ggml(), _number(kind)
    rows, columns = weight.shape
    block, block_bytes = ggml.block(number)
    if columns % block:
        raise ValueError(f"{kind} has blocks of {block} weights, and a row of {columns} is no multiple of it")
    step = max(1, CHUNK // columns)
    source, target, bf16 = weight.data_ptr(), out.data_ptr(), _number("BF16")
    target_bytes = out.element_size()

    def work(begin: int, end: int) -> None:
        packed = ctypes.create_string_buffer(step * columns // block * block_bytes)
        wide = None if target_bytes == 4 else ctypes.create_string_buffer(step * columns * 4)
        for row in range(begin, end, step):
            height = min(step, end - row)
            count = height * columns
            here = target + row * columns * target_bytes
            ggml.quantise(number, source + row * columns * 4, packed, 0, height, columns, None)
            if wide is None:
                ggml.widen(number, packed, here, count)
            else:
                ggml.widen(number, packed, wide, count)
                ggml.quantise(bf16, wide, here, 0, height, columns, None)

    threads = cpu_threads()
    share = -(-rows // threads)
    if threads == 1 or rows * columns <= CHUNK:
        work(0, rows)
    else:
        spans: list[Future[None]] = [
            _pool(threads).submit(work, begin, min(rows, begin + share)) for begin in range(0, rows, share)
        ]
        for span in spans:
            span.result()


class _Traits(ctypes.Structure):
    """struct ggml_type_traits of ggml.h."""

    _fields_ = (
        ("type_name", ctypes.c_char_p),
        ("block", ctypes.c_int64),
        ("block_interleave", ctypes.c_int64),
        ("block_bytes", ctypes.c_size_t),
        ("is_quantised", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
        ("from_float", ctypes.c_void_p),
    )


class _Ggml:
    """The few functions of ggml that are needed; each call leaves Python's lock to the other threads."""

    def __init__(self) -> None:
        from llama_cpp._ggml import libggml

        self.quantise: Any = libggml.ggml_quantize_chunk
        self.quantise.restype = ctypes.c_size_t
        # type, source, target, first weight, rows, columns, importance
        pointer, count = ctypes.c_void_p, ctypes.c_int64
        self.quantise.argtypes = (ctypes.c_int, pointer, pointer, count, count, count, pointer)
        self._traits: Any = libggml.ggml_get_type_traits
        self._traits.restype = ctypes.POINTER(_Traits)
        self._traits.argtypes = (ctypes.c_int,)

    def block(self, number: int) -> tuple[int, int]:
        """Weights and bytes of a block of the type."""
        traits = self._traits(number).contents
        return traits.block, traits.block_bytes

    def widen(self, number: int, source: Any, target: Any, count: int) -> None:
        """Write `count` stored weights as fp32."""
        self._traits(number).contents.to_float(source, target, count)


@lru_cache(maxsize=1)
def _ggml() -> _Ggml:
    return _Ggml()


@lru_cache
def _number(kind: str) -> int:
    """ggml's number of a type."""
    from gguf import GGMLQuantizationType

    return int(GGMLQuantizationType[kind].value)


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="rounding")
