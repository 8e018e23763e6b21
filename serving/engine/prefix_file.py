"""A computed prefix on disk, so that a new process starts warm.

The file is ours: a line of JSON with the key and the sha256 of what follows, then llama.cpp's state of one sequence.
llama.cpp trusts such a state, so nothing is given to it that is not exactly what was written.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from stillroom.files import whole_file

log = logging.getLogger(__name__)
_MOST_HEADER = 4096
KEPT = 8  # files in a folder, of some MB each; every model that is tried would leave one for good


def prefix_key(model_sha256: str, tokens: Sequence[int], runtime: str) -> str:
    """What a saved prefix belongs to: the model's bytes, the prefix (as the template and tokenizer made it), and the
    version and settings of llama.cpp that shape its state."""
    return hashlib.sha256(json.dumps([model_sha256, list(tokens), runtime]).encode()).hexdigest()


def save_prefix(path: Path, key: str, state: bytes) -> None:
    """Write a state, whole or not at all; a disk that refuses it costs a log line and the next start some time."""
    header = {"key": key, "bytes": len(state), "sha256": hashlib.sha256(state).hexdigest()}
    try:
        with whole_file(path) as stream:
            stream.write(json.dumps(header).encode() + b"\n" + state)
        for old in sorted(path.parent.glob("*.prefix"), key=_used)[:-KEPT]:
            old.unlink(missing_ok=True)
    except Exception as error:
        log.warning("The prefix could not be saved to %s: %s", path, error)


def load_prefix(path: Path, key: str) -> bytes | None:
    """The state saved under this key, or None (with a log line, unless there is simply no file)."""
    try:
        with path.open("rb") as stream:
            header = json.loads(stream.readline(_MOST_HEADER))
            state = stream.read()
        if header["key"] != key:
            raise ValueError("it belongs to another model, prefix or version")
        if len(state) != header["bytes"] or hashlib.sha256(state).hexdigest() != header["sha256"]:
            raise ValueError("it is damaged")
        with suppress(OSError):
            path.touch()  # the least recently used go first; a folder that may only be read keeps them all
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("The saved prefix %s is not used: %s", path, error)
        return None
    return state


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process removed it
        return 0.0
