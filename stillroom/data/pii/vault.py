"""The vault: which fake stands for whom. A SQLite file that its owner alone may read, kept apart from every run.

Only with it can a mask be undone. Where STILLROOM_VAULT_KEY is set, the originals in it are encrypted with that key.
"""

import hashlib
import hmac
import os
import re
import secrets
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

from stillroom.data.pii.fake import fake
from stillroom.data.pii.mask import Pair
from stillroom.errors import UserError
from stillroom.files import full_disk_is_the_users

KEY_VARIABLE = "STILLROOM_VAULT_KEY"
"""Environment variable with a passphrase; unset, the vault is protected by its file mode alone."""
_TABLES = """
create table if not exists about (name text primary key, value blob not null);
create table if not exists pairs (
    digest blob primary key, kind text not null, fake text not null unique, original blob not null
) without rowid;
"""
_TOGETHER = 500
"""Values that are looked up at once."""


class Vault:
    """Opens or makes the vault at `path` (mode 600, its folder 700)."""

    def __init__(self, path: Path) -> None:
        """Raises UserError where the file is no vault, may be read by others, or needs another key."""
        self.path = path
        _make(path)
        self._base = sqlite3.connect(path, timeout=60, isolation_level=None)
        try:
            with full_disk_is_the_users(path):
                # With a journal of its own a commit outlives a kill, and costs no wait for the disk.
                self._base.executescript("pragma journal_mode = wal; pragma synchronous = normal;" + _TABLES)
            self._seal = self._opened()
        except sqlite3.DatabaseError as error:
            self._base.close()
            raise UserError(f"{path} is not a vault: {error}. Name another file in data.cleaning.pii.vault.") from error
        except UserError:
            self._base.close()
            raise
        self.key = self._read(self._about("key"))

    def admit(self, pairs: Iterable[Pair]) -> set[Pair]:
        """Remember the pairs but for those that stand against what is known; these are returned."""
        # In their order: of two values that drew one fake the first keeps it, in every run.
        by_digest = {self._digest(pair.kind, pair.original): pair for pair in dict.fromkeys(pairs)}
        digests, refused = list(by_digest), set()
        with self._transaction():
            for start in range(0, len(digests), _TOGETHER):
                some = digests[start : start + _TOGETHER]
                asked = f"select digest, fake from pairs where digest in ({','.join('?' * len(some))})"
                for digest, fake in self._base.execute(asked, some).fetchall():
                    pair = by_digest.pop(digest)
                    if pair.fake != fake:
                        refused.add(pair)
            for digest, pair in by_digest.items():
                if not self._insert(digest, pair):  # another value has its fake
                    refused.add(pair)
        return refused

    def fake_for(self, kind: str, original: str) -> str:
        """The fake that stands for a value, now and ever after; no other value has it."""
        digest = self._digest(kind, original)
        with self._transaction():
            known = self._base.execute("select fake from pairs where digest = ?", (digest,)).fetchone()
            if known is not None:
                return str(known[0])
            for attempt in count():
                made = fake(kind, original, self.key, attempt)
                if self._insert(digest, Pair(kind, original, made)):
                    return made
        raise AssertionError("count() does not end")

    def reverse(self, text: str) -> str:
        """The text with every fake that the vault knows replaced by its original."""
        # Fakes lie in words of letters, digits and a few signs, so only what may be one is looked up.
        originals = {fake: self._read(original).decode("utf-8", "surrogatepass") for fake, original in self._in(text)}
        if not originals:
            return text
        pattern = "|".join(re.escape(fake) for fake in sorted(originals, key=len, reverse=True))
        return re.sub(rf"(?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z0-9])", lambda match: originals[match[0]], text)

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def __enter__(self) -> "Vault":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _in(self, text: str) -> Iterator[tuple[str, bytes]]:
        yield from self._base.execute("select fake, original from pairs where instr(?, fake) > 0", (text,))

    def _insert(self, digest: bytes, pair: Pair) -> bool:
        sealed = self._sealed(pair.original.encode("utf-8", "surrogatepass"))
        row = (digest, pair.kind, pair.fake, sealed)
        return self._base.execute("insert or ignore into pairs values (?, ?, ?, ?)", row).rowcount == 1

    def _digest(self, kind: str, original: str) -> bytes:
        return hmac.digest(self.key, f"vault\n{kind}\n{original}".encode("utf-8", "surrogatepass"), hashlib.sha256)[:16]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with full_disk_is_the_users(self.path):
                self._base.execute("begin immediate")
                yield
                if self._base.in_transaction:
                    self._base.execute("commit")
        except sqlite3.OperationalError as error:
            raise UserError(
                f"The vault {self.path} cannot be written: {error}. The run goes on from here next time."
            ) from error
        finally:
            if self._base.in_transaction:
                self._base.execute("rollback")

    def _opened(self) -> Any:
        """What encrypts and decrypts, or None. A new vault gets its key and the mark of its passphrase here."""
        passphrase = os.environ.get(KEY_VARIABLE)
        salt = self._about("salt")
        if self._about("key") is None:
            salt = secrets.token_bytes(16) if passphrase else None
            seal = _seal(passphrase, salt) if passphrase and salt else None
            key = secrets.token_bytes(32)
            if salt is not None:
                self._base.execute("insert or ignore into about values ('salt', ?)", (salt,))
            self._base.execute("insert or ignore into about values ('key', ?)", (seal.encrypt(key) if seal else key,))
            return seal
        if salt is None:
            if passphrase:
                print(f"The vault {self.path} is older than {KEY_VARIABLE} and stays unencrypted.", file=sys.stderr)
            return None
        if not passphrase:
            raise UserError(f"The vault {self.path} is encrypted: set {KEY_VARIABLE} to its key.")
        seal = _seal(passphrase, salt)
        from cryptography.fernet import InvalidToken

        try:
            seal.decrypt(self._about("key"))
        except InvalidToken as error:
            raise UserError(f"{KEY_VARIABLE} is not the key of the vault {self.path}.") from error
        return seal

    def _about(self, name: str) -> bytes | None:
        found = self._base.execute("select value from about where name = ?", (name,)).fetchone()
        return None if found is None else bytes(found[0])

    def _sealed(self, value: bytes) -> bytes:
        return bytes(self._seal.encrypt(value)) if self._seal else value

    def _read(self, value: bytes | None) -> bytes:
        value = value or b""
        return bytes(self._seal.decrypt(value)) if self._seal else value


def vault_path(named: str | None, recipe: str) -> Path:
    """Where the vault of a recipe lies: as the recipe names it, else in the user's own data folder."""
    if named is not None:
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(data) / "stillroom" / "vaults" / f"{recipe}.vault"


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        if path.stat().st_mode & 0o077:
            raise UserError(f"Others may read the vault {path}: chmod 600 {path}")
    except OSError as error:
        raise UserError(f"The vault {path} cannot be opened: {error.strerror}.") from error


def _seal(passphrase: str, salt: bytes) -> Any:
    from base64 import urlsafe_b64encode

    try:
        from cryptography.fernet import Fernet
    except ImportError as error:
        raise UserError(f"{KEY_VARIABLE} is set, and encryption needs: pip install cryptography") from error
    return Fernet(urlsafe_b64encode(hashlib.scrypt(passphrase.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)))
