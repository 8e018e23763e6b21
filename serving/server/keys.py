"""API keys: several, from a file or the environment, compared in constant time. The admin key is a thing apart."""

import hashlib
import hmac
import os
from collections.abc import Iterable
from pathlib import Path

from stillroom.errors import UserError

API_KEYS, ADMIN_KEYS = "STILLROOM_API_KEYS", "STILLROOM_ADMIN_KEYS"
"""Environment variables with keys, separated by commas or white space."""


class Keys:
    """A set of keys; `needed` is False where there is none, and then everybody may come in."""

    def __init__(self, keys: Iterable[str]) -> None:
        # Digests have one length, so that a comparison tells nothing about a key's own.
        self._digests = [hashlib.sha256(key.encode()).digest() for key in keys]

    @property
    def needed(self) -> bool:
        """Whether a request must bring one."""
        return bool(self._digests)

    def accept(self, authorization: str | None) -> bool:
        """Whether an Authorization header holds one of the keys, as `Bearer KEY`."""
        scheme, _, key = (authorization or "").partition(" ")
        given = hashlib.sha256(key.strip().encode("latin-1", "replace")).digest()  # the header's own bytes
        found = False
        for digest in self._digests:  # all of them, always: the time says nothing about which one it was
            found |= hmac.compare_digest(digest, given)
        return found and scheme.lower() == "bearer"


def read_keys(file: Path | None, variable: str) -> Keys:
    """The keys of a file (one a line; # begins a comment) and of an environment variable together.

    Raises UserError for a file that cannot be read or holds none: an empty secret must not open the door.
    """
    given = os.environ.get(variable)
    keys = (given or "").replace(",", " ").split()
    if given is not None and not keys:
        raise UserError(f"{variable} is set but holds no key. Give it one, or unset it.")
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"The keys in {file} cannot be read: {error}.") from error
        found = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if not found:
            raise UserError(f"{file} holds no key. Write one key a line.")
        keys += found
    return Keys(keys)
