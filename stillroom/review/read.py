"""The sheet that comes back: read from XLSX, or from the CSV that somebody saved by hand, with the same checks."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stillroom.errors import UserError
from stillroom.review.sheet import COLUMNS, HIDDEN, SHEET, VERDICTS, Sent, digest

NEEDED = ("id", "text", "label", "verdict")
MOST_ROWS = 200_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """One line that a person filled in. `digest` is that of the text and label as they came back."""

    id: str
    verdict: str
    reason: str
    right_label: str
    comment: str
    digest: str


@dataclass
class Returned:
    """One person's file: what was sent (None for a CSV, which has no hidden sheet), and the judgements by id.

    `seen` are the ids of all lines, also of those that cannot be used."""

    person: str
    path: Path
    sent: Sent | None
    judgements: dict[str, Judgement] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


def read_review(path: Path) -> Returned:
    """Read one file. Lines that cannot be used are told in `faults`; raises UserError where the whole file cannot."""
    if not path.is_file():
        raise UserError(f"No such file: {path}")
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        lines, sent = _workbook(path)
    elif suffix in (".csv", ".tsv", ".txt"):
        lines, sent = _csv_lines(path), None
    else:
        raise UserError(f"{path} is no review sheet; it comes back as .xlsx, or saved by hand as .csv.")
    returned = Returned(path.stem, path, sent)
    for number, cells in _records(path, lines):
        _take(returned, number, cells)
    return returned


def _take(returned: Returned, number: int, cells: dict[str, str]) -> None:
    where = f"{returned.path.name}, line {number}"
    id = _unguarded(cells["id"])
    if not id:
        if any(cells.values()):
            returned.faults.append(f"{where}: has no id, so nobody knows which row is meant.")
        return
    returned.seen.add(id)
    verdict = cells["verdict"].casefold()
    if verdict and verdict not in VERDICTS:
        returned.faults.append(f"{where} ({id}): the verdict {cells['verdict']!r} is none of {', '.join(VERDICTS)}.")
        return
    if id in returned.judgements:
        returned.faults.append(f"{where} ({id}): this row stands twice; the first line counts.")
        return
    right = _unguarded(cells.get("right label", ""))
    if right and verdict != "wrong":
        returned.faults.append(f"{where} ({id}): a right label is given, but the verdict is not wrong; it is ignored.")
        right = ""
    returned.judgements[id] = Judgement(
        id,
        verdict,
        cells.get("reason", ""),
        right,
        _unguarded(cells.get("comment", "")),
        digest(cells["text"], cells["label"]),
    )


def _workbook(path: Path) -> tuple[Iterator[list[str]], Sent | None]:
    import openpyxl

    from stillroom.data.documents.archive import check_archive
    from stillroom.data.documents.document import UnreadableDocumentError

    try:
        check_archive(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except UnreadableDocumentError as error:
        raise UserError(f"{path} cannot be read: {error.detail}.") from error
    # openpyxl shares no error type for damaged files.
    except Exception as error:
        raise UserError(f"{path} is no whole .xlsx file: {' '.join(str(error).split())[:200]}") from error
    if SHEET not in book.sheetnames:
        raise UserError(f"{path} has no sheet {SHEET}. It has: {', '.join(book.sheetnames)}.")
    lines = ([_cell(value) for value in row] for row in book[SHEET].iter_rows(values_only=True, max_row=MOST_ROWS))
    return lines, _sent(book[HIDDEN]) if HIDDEN in book.sheetnames else None


def _sent(sheet: Any) -> Sent | None:
    found = [[_cell(value) for value in row] for row in sheet.iter_rows(values_only=True)]
    heads = {row[0]: row[1:] for row in found[:4] if row}
    if not {"data", "version", "schema", "rows"} <= heads.keys():
        return None
    try:
        schema = json.loads("".join(heads["schema"]))
    except ValueError:
        return None
    rows = {_unguarded(row[0]): row[1] for row in found[4:] if len(row) > 1 and row[0]}
    return Sent(_unguarded(heads["data"][0]), heads["version"][0], schema, rows)


def _csv_lines(path: Path) -> Iterator[list[str]]:
    from stillroom.data.documents.document import UnreadableDocumentError
    from stillroom.data.documents.plain import decode_as_is, load_bytes

    try:
        text, _ = decode_as_is(load_bytes(path), path.name)
    except UnreadableDocumentError as error:
        raise UserError(f"{path} cannot be read: {error.detail}.") from error
    if text.startswith("sep="):  # how some programs note the delimiter
        text = text.partition("\n")[2]
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error as error:
        raise UserError(f"{path} is not CSV: {error}. Save the sheet as .xlsx.") from error


def _records(path: Path, lines: Iterator[list[str]]) -> Iterator[tuple[int, dict[str, str]]]:
    header = [name.strip().casefold() for name in next(lines, [])]
    missing = [name for name in NEEDED if name not in header]
    if missing:
        said = ", ".join(name for name in header if name) or "nothing"
        raise UserError(
            f"{path} has no column {', '.join(missing)} in its first line, but {said}. "
            "Export the sheet anew, or put the header back."
        )
    for number, cells in enumerate(lines, start=2):
        named = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        yield number, {name: named.get(name, "") for name in COLUMNS}


def _cell(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def _unguarded(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@", "\t", "\r") and len(text) > 1 else text
