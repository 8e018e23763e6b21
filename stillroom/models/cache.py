"""What is made once and used by every run: unpacked models, the converter, GGUF files of untouched models."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stillroom.files import full_disk_is_the_users

CACHE_VARIABLE = "STILLROOM_CACHE"


def cache_folder() -> Path:
    """The folder named by STILLROOM_CACHE, else `.cache/stillroom` in the working folder."""
    return Path(os.environ.get(CACHE_VARIABLE) or ".cache/stillroom").absolute()


@contextmanager
def whole_path(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` for a file or folder that others write; it gets its name when the block ends.

    Whatever was half-written is removed after an error. A folder that another process finished first is kept:
    both hold the same.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    _remove(partial)
    try:
        with full_disk_is_the_users(path):
            yield partial
            if not (partial.is_dir() and path.is_dir()):
                partial.replace(path)
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
