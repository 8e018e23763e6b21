"""The native part: `native/kernels.cpp`, compiled once on this machine, in front of llama.cpp's own kernels.

Without a C++ compiler, or on a processor without AVX-512 VNNI, llama.cpp computes everything itself: the answers are
the same and take longer. `python -m serving.engine.kernels` compiles them beforehand, for an image without a compiler.
"""

import ctypes
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Collection
from importlib import metadata
from pathlib import Path
from typing import Any

from stillroom.export.gguf_file import GgufFile
from stillroom.models.cache import cache_folder, whole_path

log = logging.getLogger(__name__)
FORMATS = ("Q8_0", "Q4_0", "F16")
"""The weights that they multiply; attention is theirs whatever the format."""
SWITCH = "STILLROOM_KERNELS"
"""Environment variable; `off` leaves everything to llama.cpp."""
SOURCE = Path(__file__).with_name("native") / "kernels.cpp"
# Not "native": a cache folder may be read by another processor, which `install` then looks at.
_FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512vnni", "-mfma",
          "-mf16c", "-mbmi", "-mbmi2", "-mpopcnt", "-mtune=native")  # fmt: skip
_REFUSED = {1: "this processor has no AVX-512 VNNI", 2: "they are made for another version of llama.cpp"}


class Kernels:
    """The compiled library, installed in this process's llama.cpp."""

    def __init__(self, library: Any) -> None:
        self._library = library
        library.stillroom_take_in.argtypes = library.stillroom_forget.argtypes = [ctypes.c_void_p]

    def take_in(self, owner: int, compute: Callable[[], None]) -> None:
        """Take over a model's weights and a context's KV cache: those that `compute` computes with, on this thread."""
        self._library.stillroom_take_in(owner)
        try:
            compute()
        finally:
            self._library.stillroom_take_in(None)

    def forget(self, owner: int) -> None:
        """Give the memory of what an owner took in back, once nobody computes with it."""
        self._library.stillroom_forget(owner)


_lock = threading.Lock()
_known: list[Kernels | None] = []


def kernels() -> Kernels | None:
    """The kernels, compiled at first use and installed once; None where they cannot be had, with the reason logged."""
    with _lock:
        if not _known:
            _known.append(_install())
        return _known[0]


def mostly(header: GgufFile, formats: Collection[str]) -> bool:
    """Whether most of a file's weights are in one of these formats."""
    tensors = header.tensors.values()
    return 2 * sum(one.bytes for one in tensors if one.type in formats) > sum(one.bytes for one in tensors)


def _install() -> Kernels | None:
    if os.environ.get(SWITCH, "").lower() == "off":
        return None
    try:
        library = ctypes.CDLL(str(build()))
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", None) or str(error)
        log.warning("llama.cpp computes with its own kernels; ours could not be had: %s", told.strip()[-500:])
        return None
    if code := library.stillroom_install():
        log.info("llama.cpp computes with its own kernels: %s", _REFUSED[code])
        return None
    return Kernels(library)


def build() -> Path:
    """Compile the kernels, unless that was done; they lie beside their source, or in the cache where that is read-only.

    Raises OSError or CalledProcessError where it fails.
    """
    import llama_cpp

    parts = (SOURCE.read_bytes(), metadata.version("llama-cpp-python"), _FLAGS, llama_cpp.__file__)
    name = f"kernels-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}.so"
    beside = SOURCE.with_name(name)
    path = beside if beside.exists() or os.access(SOURCE.parent, os.W_OK) else cache_folder() / "kernels" / name
    if not path.exists():
        compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
        if compiler is None:
            raise OSError("there is no C++ compiler")
        folder = Path(llama_cpp.__file__).with_name("lib")
        libraries = [str(folder / f"lib{library}.so") for library in ("ggml-cpu", "ggml-base")]
        with whole_path(path) as partial:
            command = [compiler, *_FLAGS, str(SOURCE), "-o", str(partial), *libraries, f"-Wl,-rpath,{folder}"]
            subprocess.run(command, check=True, capture_output=True, text=True)
    return path


if __name__ == "__main__":
    print(build())
    sys.exit()
