"""Pages that were fetched, kept on disk, so that a second run asks no server for what it gave already."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from stillroom.files import whole_file


@dataclass(frozen=True, slots=True)
class Page:
    """An answer: its bytes, its kind (such as text/html), and what a server needs to say that nothing changed.

    `moved_to` is the address of a redirect, which has no bytes.
    """

    url: str
    body: bytes = b""
    kind: str = ""
    charset: str | None = None
    etag: str = ""
    modified: str = ""
    fetched: float = 0.0
    moved_to: str = ""

    @property
    def day(self) -> str:
        """The day it was fetched, as YYYY-MM-DD."""
        return datetime.fromtimestamp(self.fetched, UTC).date().isoformat()


@dataclass(frozen=True, slots=True)
class Store:
    """Pages by their address, each a file: a line of JSON, then the bytes. Younger than `max_age` seconds is fresh."""

    folder: Path
    max_age: float

    def get(self, url: str) -> Page | None:
        """The page as it was kept, fresh or not; None where it is not there, or not whole."""
        try:
            with self._path(url).open("rb") as stream:
                head = json.loads(stream.readline())
                body = stream.read()
            return Page(body=body, **head) if head["url"] == url else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def put(self, page: Page) -> None:
        """Keep a page, whole or not at all."""
        head = {key: value for key, value in asdict(page).items() if key not in ("body", "moved_to")}
        with whole_file(self._path(page.url)) as stream:
            stream.write(json.dumps(head).encode() + b"\n" + page.body)

    def is_fresh(self, page: Page) -> bool:
        """Whether it needs no asking."""
        return time.time() - page.fetched < self.max_age

    def renewed(self, page: Page) -> Page:
        """The page after the server said that it has not changed."""
        return replace(page, fetched=time.time())

    def _path(self, url: str) -> Path:
        digest = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
        return self.folder / digest[:2] / f"{digest}.page"
