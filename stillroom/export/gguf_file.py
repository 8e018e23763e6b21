"""Read the header of a GGUF file without believing a byte of it.

Every count, length and offset is checked against the bytes that are there before it is used, so that a cut or
altered file ends in a sentence and not in llama.cpp's abort. The format is described in ggml's docs/gguf.md.
"""

import math
import mmap
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from stillroom.errors import UserError

_STRING, _ARRAY = 8, 9
# GGUF value type → struct code.
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_LENGTH = struct.Struct("<Q")
_DEFAULT_ALIGNMENT = 32
_MAX_DIMENSIONS = 4
# The least bytes a metadata entry or a tensor's description can take; they bound the counts.
_LEAST_ENTRY, _LEAST_TENSOR = 8 + 4 + 1, 8 + 4 + 8 + 4 + 8


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where one tensor lies. `shape` is in GGUF's order (columns first); `start` counts from the file's beginning."""

    name: str
    shape: tuple[int, ...]
    type: str
    start: int
    bytes: int


@dataclass(frozen=True, slots=True)
class GgufFile:
    """The header of a GGUF file, checked."""

    version: int
    metadata: dict[str, Any]
    tensors: dict[str, Tensor]


def read_gguf(path: Path) -> GgufFile:
    """Read and check a GGUF file's header and the extent of its tensors; raises UserError with the reason.

    A file that has not changed is read once: a vocabulary takes a tenth of a second, and a server's start asks for it
    at every turn.
    """
    try:
        return _read(path, identity(path))
    except FileNotFoundError as error:
        raise UserError(f"No such file: {path}") from error
    except (_Damage, OSError) as error:
        raise UserError(
            f"{path} is not a usable GGUF file: {error}. Run the export again, or copy the file again from its source."
        ) from error


def identity(path: Path) -> tuple[Path, int, int, int, int]:
    """What is another when the file is another or has changed: a key for what is kept of it. Raises OSError."""
    found = path.stat()
    return path.absolute(), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@lru_cache(maxsize=4)
def _read(path: Path, _: object) -> GgufFile:
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size < 24:
            raise _Damage(f"it has only {size} bytes")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(_Cursor(data))


class _Damage(Exception):
    """What is wrong with the file, as the end of a sentence."""


class _Cursor:
    """A place in the file that only moves over bytes that exist."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.place, self.size = data, 0, len(data)

    @property
    def left(self) -> int:
        return self.size - self.place

    def take(self, code: str) -> Any:
        layout = struct.Struct("<" + code)
        if layout.size > self.left:
            raise _Damage(f"it ends inside its header, at byte {self.size}")
        (value,) = layout.unpack_from(self.data, self.place)
        self.place += layout.size
        return value

    def string(self) -> str:
        length = self.take("Q")
        if length > self.left:
            raise _Damage(f"a text at byte {self.place} claims {length} bytes, {self.left} are left")
        self.place += length
        return self.data[self.place - length : self.place].decode("utf-8", errors="replace")

    def value(self) -> Any:
        return self._typed(self.take("I"))

    def _typed(self, kind: int) -> Any:
        if kind in _NUMBERS:
            return self.take(_NUMBERS[kind])
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self._array()
        raise _Damage(f"an unknown value type {kind} stands at byte {self.place - 4}")

    def _array(self) -> list[Any]:
        kind, length = self.take("I"), self.take("Q")
        if kind in _NUMBERS:
            layout = struct.Struct(f"<{_NUMBERS[kind]}")
            self._room_for(length, layout.size)
            start, self.place = self.place, self.place + length * layout.size
            return [value for (value,) in layout.iter_unpack(self.data[start : self.place])]
        if kind != _STRING:
            raise _Damage(f"a list of the unknown type {kind} stands at byte {self.place - 12}")
        self._room_for(length, 8)
        return self._strings(length)

    def _strings(self, count: int) -> list[str]:
        """As `string`, so many times. A vocabulary has a hundred thousand, and calls would take most of the time."""
        data, size, place, read = self.data, self.size, self.place, _LENGTH.unpack_from
        found = []
        for _ in range(count):
            begin = place + _LENGTH.size
            if begin > size:
                raise _Damage(f"it ends inside its header, at byte {size}")
            place = begin + read(data, place)[0]
            if place > size:
                claimed = place - begin
                raise _Damage(f"a text at byte {begin} claims {claimed} bytes, {size - begin} are left")
            found.append(data[begin:place].decode("utf-8", errors="replace"))
        self.place = place
        return found

    def _room_for(self, length: int, size: int) -> None:
        if length * size > self.left:
            raise _Damage(f"a list at byte {self.place} claims {length} values, more than the file holds")


def _parse(cursor: _Cursor) -> GgufFile:
    magic = cursor.data[:4]
    cursor.place = 4
    if magic != b"GGUF":
        raise _Damage(f"it begins with {magic!r} and not with b'GGUF'")
    version = cursor.take("I")
    if version not in (2, 3):
        other = " (it was written for the other byte order)" if version and version & 0xFFFF == 0 else ""
        raise _Damage(f"its GGUF version is {version}; 2 and 3 are known{other}")
    tensor_count, entry_count = cursor.take("Q"), cursor.take("Q")
    if tensor_count * _LEAST_TENSOR + entry_count * _LEAST_ENTRY > cursor.left:
        raise _Damage(
            f"it claims {tensor_count} tensors and {entry_count} metadata entries, more than it has bytes for"
        )
    metadata = _unique(entry_count, lambda: (cursor.string(), cursor.value()), "metadata entry")
    if not isinstance(metadata.get("general.architecture"), str):
        raise _Damage("its metadata has no general.architecture")
    found = _unique(tensor_count, lambda: _tensor(cursor), "tensor")
    return GgufFile(version, metadata, _placed(found, metadata, cursor))


def _unique(count: int, read: Callable[[], tuple[str, Any]], what: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for _ in range(count):
        name, value = read()
        if name in values:
            raise _Damage(f"it has the {what} {name!r} twice")
        values[name] = value
    return values


def _tensor(cursor: _Cursor) -> tuple[str, tuple[tuple[int, ...], int, int]]:
    """Name of the next tensor, and its shape, type number and offset."""
    name, dimensions = cursor.string(), cursor.take("I")
    if dimensions > _MAX_DIMENSIONS:
        raise _Damage(f"the tensor {name!r} has {dimensions} dimensions")
    shape = tuple(cursor.take("Q") for _ in range(dimensions))
    return name, (shape, cursor.take("I"), cursor.take("Q"))


def _placed(
    found: dict[str, tuple[tuple[int, ...], int, int]], metadata: dict[str, Any], cursor: _Cursor
) -> dict[str, Tensor]:
    """The tensors with their places in the file; they must follow each other without a gap and end before it does."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise _Damage(f"its alignment is {alignment!r}")
    begin = _padded(cursor.place, alignment)
    tensors, expected = {}, 0
    for name, (shape, type_number, offset) in found.items():
        try:
            kind = GGMLQuantizationType(type_number)
        except ValueError as error:
            raise _Damage(f"the tensor {name!r} has the unknown type {type_number}") from error
        block, block_bytes = GGML_QUANT_SIZES[kind]
        if not shape or min(shape) < 1 or shape[0] % block:
            raise _Damage(f"the tensor {name!r} has the shape {list(shape)}, which {kind.name} cannot have")
        if offset != expected:
            raise _Damage(f"the tensor {name!r} lies at offset {offset}, expected {expected}")
        size = math.prod(shape) // block * block_bytes
        if begin + offset + size > cursor.size:
            missing = begin + offset + size - cursor.size
            raise _Damage(f"it is cut short: {missing} bytes are missing at the tensor {name!r}")
        tensors[name] = Tensor(name, shape, kind.name, begin + offset, size)
        expected = _padded(offset + size, alignment)
    return tensors


def _padded(size: int, alignment: int) -> int:
    return (size + alignment - 1) // alignment * alignment
