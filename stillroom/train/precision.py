"""Which number format trains fastest on this machine: measured, because CPUs differ."""

import time
from functools import lru_cache

import torch


@lru_cache(maxsize=1)
def fastest_dtype() -> torch.dtype:
    """torch.bfloat16 where it clearly beats torch.float32 on a layer-sized matrix product, else torch.float32.

    On a GPU bfloat16 wherever the card has it. The measurement takes a few hundredths of a second. A lead of 20 % is
    asked for, because bfloat16 also costs conversions that a bare product does not show.
    """
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if _seconds(torch.bfloat16) * 1.2 < _seconds(torch.float32) else torch.float32


def _seconds(dtype: torch.dtype) -> float:
    one, other = torch.randn(1024, 576).to(dtype), torch.randn(1536, 576).to(dtype)
    best = float("inf")
    for _ in range(6):  # the first ones pay for oneDNN's choice of kernel
        start = time.perf_counter()
        torch.nn.functional.linear(one, other)
        best = min(best, time.perf_counter() - start)
    return best
