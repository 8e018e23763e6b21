"""llama.cpp's log, kept off the terminal, and how many threads it may use."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# GGML_LOG_LEVEL_ERROR in ggml.h; the table in llama_cpp._logger is that of an older ggml, where 3 was an error.
_ERROR_LEVEL = 4


@contextmanager
def captured_log(on_line: Callable[[str], None] = lambda line: None) -> Iterator[list[str]]:
    """Send llama.cpp's log to `on_line` instead of stderr; yields the list in which its error lines gather."""
    import llama_cpp
    from llama_cpp._logger import llama_log_callback

    errors: list[str] = []

    @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
    def receive(level: int, text: bytes, user_data: object) -> None:
        line = text.decode("utf-8", errors="replace").strip()
        if line and level == _ERROR_LEVEL:
            errors.append(line)
        on_line(line)

    llama_cpp.llama_log_set(receive, ctypes.c_void_p(0))
    try:
        yield errors
    finally:
        llama_cpp.llama_log_set(llama_log_callback, ctypes.c_void_p(0))


def usable_threads() -> int:
    """The least of the CPUs this process may run on and its cgroup's quota: more threads than that collapse it."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota_file = Path("/sys/fs/cgroup/cpu.max")
    if quota_file.exists():
        quota, period = quota_file.read_text().split()
        if quota != "max":
            available = min(available, int(quota) // int(period))
    return max(1, available)
