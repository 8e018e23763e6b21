"""API keys: several, from a file or the environment, compared in constant time. The admin key is a thing apart."""

import hashlib
import hmac
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

from stillroom.errors import UserError

log = logging.getLogger("stillroom.server")

API_KEYS, ADMIN_KEYS = "STILLROOM_API_KEYS", "STILLROOM_ADMIN_KEYS"
"""Environment variables with keys, separated by commas or white space."""
LOOK_SECONDS = 5.0
"""How often the file is looked at: Kubernetes changes a mounted secret in place, and no stream should end for it."""


class Keys:
    """A set of keys, some perhaps of a file that may change; `needed` is False where there is none, and then everybody
    may come in."""

    def __init__(self, keys: Iterable[str], file: Path | None = None) -> None:
        """keys: those that stay. file: with further ones. Raises UserError for a file that is no use."""
        self._fixed, self._file = [_digest(key.encode()) for key in keys], file
        self._seen, self._look = _state(file), time.monotonic() + LOOK_SECONDS
        self._digests = [*self._fixed, *(_digests_of(file) if file else ())]

    @property
    def needed(self) -> bool:
        """Whether a request must bring one."""
        return bool(self._digests)

    def accept(self, authorization: str | None) -> bool:
        """Whether an Authorization header holds one of the keys, as `Bearer KEY`."""
        self._look_again()
        scheme, _, key = (authorization or "").partition(" ")
        given = _digest(key.strip().encode("latin-1", "replace"))  # the header's own bytes
        found = False
        for digest in self._digests:  # all of them, always: the time says nothing about which one it was
            found |= hmac.compare_digest(digest, given)
        return found and scheme.lower() == "bearer"

    def _look_again(self) -> None:
        """Take over the keys of a file that changed; one that is gone or empty changes nothing."""
        if self._file is None or time.monotonic() < self._look:
            return
        self._look = time.monotonic() + LOOK_SECONDS
        seen = _state(self._file)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._digests = [*self._fixed, *_digests_of(self._file)]
            log.info("the keys were read again", extra={"file": str(self._file)})
        except UserError as error:
            log.warning("%s The keys before stay.", error)


def read_keys(file: Path | None, variable: str) -> Keys:
    """The keys of a file (one a line; # begins a comment) and of an environment variable together.

    Raises UserError for a file that cannot be read or holds none: an empty secret must not open the door.
    """
    given = os.environ.get(variable)
    keys = (given or "").replace(",", " ").split()
    if given is not None and not keys:
        raise UserError(f"{variable} is set but holds no key. Give it one, or unset it.")
    return Keys(keys, file)


def _digests_of(file: Path) -> list[bytes]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The keys in {file} cannot be read: {error}.") from error
    found = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not found:
        raise UserError(f"{file} holds no key. Write one key a line.")
    return [_digest(key.encode()) for key in found]


def _digest(key: bytes) -> bytes:
    """Digests have one length, so that a comparison tells nothing about a key's own."""
    return hashlib.sha256(key).digest()


def _state(file: Path | None) -> tuple[int, int, int] | None:
    """What changes when the file does, also where a link is turned to another one."""
    try:
        found = file.stat() if file is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_ino, found.st_mtime_ns, found.st_size)
