"""Files that are either whole or absent: everything is written beside its place, flushed to disk, then renamed."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from stillroom.errors import UserError

_DISK_IS_FULL = re.compile(rf"os error ({errno.ENOSPC}|{errno.EDQUOT})\b|PytorchStreamWriter|unexpected pos \d+ vs")


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that appears at `path` only when the block ends without an error.

    Raises UserError when the disk is full, and where the place cannot be written; whatever was at `path` before is
    then still there.
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    with _place_is_the_users(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = partial.open("wb", buffering=2**18)
    try:
        with full_disk_is_the_users(path), opened as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        with _place_is_the_users(path):
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _place_is_the_users(path: Path) -> Iterator[None]:
    try:
        with full_disk_is_the_users(path):
            yield
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}. Name another place.") from error


@contextmanager
def full_disk_is_the_users(path: Path) -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" into a UserError that names the place and the room left.

    tokenizers and safetensors raise errors of their own that name the system's number for it, torch's writer says only
    where it stopped.
    """
    try:
        yield
    except Exception as error:
        number = getattr(error, "errno", None)
        if number not in (errno.ENOSPC, errno.EDQUOT) and not _DISK_IS_FULL.search(str(error)):
            raise
        free = shutil.disk_usage(_existing(path)).free / 2**20
        raise UserError(
            f"The disk is full: {path} could not be written ({free:.0f} MiB are free there). "
            "Nothing half-written was kept. Free some room and run the same command again; it goes on from here."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with whole_file(path) as stream:
        stream.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, whole or not at all; NaN is refused, because no other JSON reader takes it."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; raises UserError where it is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"No such file: {path}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not JSON: {error}") from error


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write one JSON object a line, whole or not at all; returns the number of lines."""
    count = 0
    with whole_file(path) as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            count += 1
    return count


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON Lines file that we wrote ourselves."""
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)


def sha256(path: Path) -> str:
    """Hex digest of one file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
