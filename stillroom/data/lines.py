"""Lines of a file, whatever its size: what is longer than any mail is passed over and never held in memory."""

from collections.abc import Iterator
from typing import BinaryIO

LONGEST = 16 * 2**20
"""Bytes of one line, or of one CSV field; a mail with everything in it fits, a file with an unclosed quote does not."""
TOO_LONG = "a line longer than 16 MiB"


def bounded_lines(stream: BinaryIO) -> Iterator[bytes | int]:
    """Each line with its end; of a line longer than LONGEST only its length."""
    while line := stream.readline(LONGEST + 1):
        if len(line) <= LONGEST or line.endswith(b"\n"):
            yield line
            continue
        length = len(line)
        while (piece := stream.readline(2**20)) and not piece.endswith(b"\n"):
            length += len(piece)
        yield length + len(piece)
