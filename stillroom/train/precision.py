"""What decides speed on this machine: the device, the number format and the threads; measured, because CPUs differ."""

import time
from functools import lru_cache

import torch

from stillroom import machine


def device() -> str:
    """Where training runs: "cuda" where there is one, else "mps" (Apple's GPU), else "cpu"."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@lru_cache(maxsize=1)
def fastest_threads() -> int:
    """How many of the CPU threads that this process may use train fastest.

    Two hardware threads of one core share its arithmetic units, so half as many can be quicker: layer-sized matrix
    products are timed with all and with half. More must be clearly slower to be left unused.
    """
    most = machine.cpu_threads()
    if most < 4 or device() != "cpu":
        return most  # below that, half is a single thread, which is never quicker
    before = torch.get_num_threads()
    try:
        seconds = {}
        for threads in (most, most // 2):
            torch.set_num_threads(threads)
            (seconds[threads],) = _seconds(torch.float32)
    finally:
        torch.set_num_threads(before)
    return most // 2 if seconds[most // 2] * 1.1 < seconds[most] else most


@lru_cache(maxsize=1)
def fastest_dtype() -> torch.dtype:
    """torch.bfloat16 where it clearly beats torch.float32 on a layer-sized matrix product, else torch.float32.

    On an NVIDIA GPU bfloat16 wherever the card has it; on Apple's, float32. The measurement takes some tenths of a
    second. A lead of 20 % is asked for, because bfloat16 also costs conversions that a bare product does not show.
    """
    if device() == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device() == "mps":
        return torch.float32
    bf16, fp32 = _seconds(torch.bfloat16, torch.float32)
    short = torch.tensor(int(bf16 * 1.2 < fp32))
    if torch.distributed.is_initialized():  # workers must agree, and may measure otherwise
        torch.distributed.all_reduce(short, torch.distributed.ReduceOp.MIN)
    return torch.bfloat16 if short else torch.float32


def _seconds(*dtypes: torch.dtype) -> list[float]:
    """The least time of each. They take turns, for a busy neighbour may stay long enough to spoil all of one's."""
    sides = [(torch.randn(1024, 576).to(dtype), torch.randn(1536, 576).to(dtype)) for dtype in dtypes]
    best = [float("inf")] * len(dtypes)
    for _ in range(24):  # the first ones pay for oneDNN's choice of kernel
        for index, (one, other) in enumerate(sides):
            start = time.perf_counter()
            torch.nn.functional.linear(one, other)
            best[index] = min(best[index], time.perf_counter() - start)
    return best
