"""llama.cpp's log, kept off the terminal."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
