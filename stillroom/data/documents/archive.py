"""Office files are ZIP archives: what is looked at before a library may unpack one, and what it may say afterwards."""

import zipfile
from pathlib import Path

from stillroom.data.documents.document import UnreadableDocumentError

LARGEST_UNPACKED = 500 * 10**6
"""Bytes of all parts together. A parser needs several times as much memory."""
HIGHEST_RATIO = 100
"""Unpacked to packed bytes of archives beyond SMALL. XML of real documents packs 5 to 20 times."""
SMALL = 20 * 10**6
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def check_archive(path: Path) -> None:
    """Raise UnreadableDocumentError where the file is no archive, is locked by a password, or would fill the memory.

    The sizes are those of the archive's directory. They can be trusted: Python's unpacker stops at them.
    """
    with path.open("rb") as stream:
        head = stream.read(8)
    if head == _OLE:
        raise UnreadableDocumentError(
            "encrypted document",
            "it is locked by a password, or in the format of Office 2003; save it without a password as "
            f"{path.suffix.lower()}",
        )
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableDocumentError("broken document", f"not a whole {path.suffix.lower()} file: {error}") from error
    unpacked = sum(part.file_size for part in parts)
    packed = max(1, path.stat().st_size)
    if unpacked > LARGEST_UNPACKED or (unpacked > SMALL and unpacked / packed > HIGHEST_RATIO):
        raise UnreadableDocumentError(
            "zip bomb",
            f"{packed:,} bytes would unpack to {unpacked:,}; it was not opened. If it is to be trusted, save it as PDF",
        )
    if any(part.flag_bits & 1 for part in parts):
        raise UnreadableDocumentError("encrypted document", "its parts are locked by a password; save it without one")


class Whole:
    """Turns whatever a library raises on a damaged file into one error: they share no type for it."""

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, UnreadableDocumentError):
            said = " ".join(str(error).split())[:200] or type(error).__name__
            raise UnreadableDocumentError("broken document", f"not a whole {self.suffix} file: {said}") from error
