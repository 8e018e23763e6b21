"""Mail from an mbox file, a maildir folder or .eml files. Only the mails of the sample are parsed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stillroom.data.lines import bounded_lines
from stillroom.data.mail import UnreadableMailError, parse_mail
from stillroom.data.reading import EMPTY, Rejected, undecodable
from stillroom.data.rows import Row
from stillroom.data.sampling import draw_ids, earlier_ids, faults_of
from stillroom.recipe.model import MailSource

LARGEST = 64 * 2**20
"""Bytes of one mail. A longer one is not read: parsing takes several times its size in memory."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where the bytes of a mail lie; `end` None is the file's end."""

    path: Path
    begin: int = 0
    end: int | None = None

    def size(self) -> int:
        """Bytes, found without reading them."""
        return (self.path.stat().st_size if self.end is None else self.end) - self.begin

    def read(self) -> bytes:
        """The bytes."""
        with self.path.open("rb") as stream:
            stream.seek(self.begin)
            return stream.read(self.size())


Mails = dict[str, Span]

SEPARATOR = re.compile(
    rb"From .*\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +"
    rb"([A-Z][a-z]{2} +\d{1,2} +\d{1,2}:\d\d\S*( +\S+)? +\d{4}|\d{1,2} +[A-Z][a-z]{2} +\d{4} +\d{1,2}:\d\d)"
)
"""The line before each mail of an mbox: a sender and a date, as `ctime` or a mail header writes it."""
_QUOTED = re.compile(rb"^>(?=>*From )", re.MULTILINE)
"""What programs write before a line of a text that begins with "From ": it is no quotation of another mail."""


class MailReader:
    """Reads the mails of one MailSource; each gets the source's answer, if it has one."""

    def __init__(self, source: MailSource, base: Path, name: str, seed: int) -> None:
        self.source, self.base, self.name, self.seed = source, base, name, seed
        self.path = base / source.path
        self.notes: list[str] = []

    def faults(self) -> list[str]:
        """A path that is missing, of the wrong kind or without mail; earlier samples that cannot be read."""
        return [*self._path_faults(), *faults_of(self.base, self.source.skip_ids_in)]

    def size(self) -> int:
        """The number of mails, or of the sample where that is less."""
        return min(len(self._mails), self.source.sample or len(self._mails))

    def rows(self) -> Iterator[Row | Rejected]:
        """One row a mail."""
        skip = earlier_ids(self.base, self.source.skip_ids_in)
        for id in draw_ids(self._mails, self.source.sample, self.seed, skip):
            try:
                size = self._mails[id].size()
                data = self._mails[id].read() if size <= LARGEST else b""
            except OSError as error:
                yield Rejected(Row(id, "", None, self.name), "the file cannot be read", error.strerror or str(error))
                continue
            if size > LARGEST:
                said, numbers = f"{size / 2**20:.0f} MiB", {"value": size, "bound": LARGEST}
                yield Rejected(Row(id, "", None, self.name), "a mail larger than 64 MiB", said, numbers)
            else:
                yield self._row(id, _QUOTED.sub(b"", data) if self.source.kind == "mbox" else data)

    def _row(self, id: str, data: bytes) -> Row | Rejected:
        try:
            mail = parse_mail(data)
        except UnreadableMailError as error:
            return undecodable(id, self.name, data, str(error))
        row = Row(id, mail.text, self.source.label, self.name)
        return row if mail.body or mail.subject else Rejected(row, EMPTY)

    def _path_faults(self) -> list[str]:
        kind, path = self.source.kind, self.path
        if not path.exists():
            return [f"No such file or folder: {path}"]
        if kind == "mbox" and not path.is_file():
            return [f"{path} is a folder; an mbox is one file. Write kind: maildir or kind: eml for a folder."]
        if kind == "maildir" and not ((path / "cur").is_dir() and (path / "new").is_dir()):
            return [f"{path} is no maildir: it has no folders cur and new."]
        if not self._mails:
            wanted = {
                "mbox": 'no line that begins with "From " and holds a date',
                "maildir": "no mail",
                "eml": "no .eml file",
            }[kind]
            return [f"{path} holds {wanted}, so there is no mail to read."]
        return []

    @cached_property
    def _mails(self) -> Mails:
        """How to get each mail's bytes, by its id: where it lies, so that the id outlives a reordering."""
        if self.source.kind == "mbox":
            return _of_mbox(self.path, self.name)
        if self.source.kind == "maildir":
            return _of_maildir(self.path, self.name)
        if not self.path.is_dir():
            return {f"{self.name}/{self.path.stem}": Span(self.path)}
        files = [path for path in self.path.rglob("*") if path.name.lower().endswith(".eml") and not path.is_dir()]
        return {
            f"{self.name}/{str(file.relative_to(self.path)).removesuffix('.eml')}": Span(file) for file in sorted(files)
        }


def _of_mbox(path: Path, name: str) -> Mails:
    """Not with `mailbox.mbox`: it begins a mail at any line that begins with "From ", even in the middle of a text."""
    begins: list[int] = []
    ends: list[int] = []
    place = 0
    with path.open("rb") as stream:
        for line in bounded_lines(stream):
            length = line if isinstance(line, int) else len(line)
            if isinstance(line, bytes) and SEPARATOR.match(line):
                ends.append(place)
                begins.append(place + length)
            place += length
    ends = [*ends, place][1:]  # A mail ends where the next separator stands.
    spans = enumerate(zip(begins, ends, strict=True), start=1)
    return {f"{name}/{number}": Span(path, begin, end) for number, (begin, end) in spans}


def _of_maildir(path: Path, name: str) -> Mails:
    files = [file for folder in ("new", "cur") for file in (path / folder).iterdir() if not file.is_dir()]
    # What follows the colon are flags, which change when the mail is read.
    return {f"{name}/{key}": Span(file) for key, file in sorted((file.name.split(":")[0], file) for file in files)}
