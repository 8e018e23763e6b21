"""Rows of CSV, JSONL and Parquet files, read as a stream. A bad row is rejected, never a crash."""

import csv
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from stillroom.data.lines import LONGEST, TOO_LONG, bounded_lines
from stillroom.data.reading import Rejected, undecodable, with_weight
from stillroom.data.rows import Row
from stillroom.data.sampling import draw_rows, earlier_ids, faults_of
from stillroom.recipe.model import TabularSource


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file: its values by column, or its bytes and what is wrong with them."""

    values: dict[str, Any] = field(default_factory=dict)
    data: bytes = b""
    reason: str = ""
    detail: str = ""


class TabularReader:
    """Reads one TabularSource."""

    def __init__(self, source: TabularSource, base: Path, name: str, seed: int) -> None:
        self.source, self.base, self.name, self.seed = source, base, name, seed
        self.path = base / source.path
        self.notes: list[str] = []

    def faults(self) -> list[str]:
        """What is wrong with the file, its columns (missing or twice there) and the earlier samples."""
        return [*self._file_faults(), *faults_of(self.base, self.source.skip_ids_in, self.source.id)]

    def size(self) -> int:
        """The number of lines or rows, or of the sample where that is less."""
        if self.source.kind == "parquet":
            rows = int(_parquet(self.path).metadata.num_rows)
            return min(rows, self.source.sample or rows)
        with self.path.open("rb") as stream:
            lines = sum(block.count(b"\n") for block in iter(lambda: stream.read(2**20), b""))
        return min(lines, self.source.sample or lines)

    def rows(self) -> Iterator[Row | Rejected]:
        """The rows of the sample, in the file's order."""
        skip = earlier_ids(self.base, self.source.skip_ids_in, self.source.id)
        return draw_rows(self._all(), self.source.sample, self.seed, skip)

    def _all(self) -> Iterator[Row | Rejected]:
        for number, record in enumerate(self._records(), start=1):
            yield self._row(f"{self.name}/{number}", record)

    def _row(self, id: str, record: Record) -> Row | Rejected:
        source, values = self.source, record.values
        if record.reason:
            return (
                undecodable(id, self.name, record.data, "not UTF-8; save the file as UTF-8")
                if record.data
                else Rejected(Row(id, "", None, self.name), record.reason, record.detail)
            )
        if source.id is not None and values.get(source.id) not in (None, ""):
            id = str(values[source.id])
        text = values.get(source.text)
        label = values.get(source.label) if source.label is not None else None
        row = Row(id, text if isinstance(text, str) else "", label, self.name)
        if source.weight is not None:
            weighed = with_weight(row, values.get(source.weight), source.weight)
            if isinstance(weighed, Rejected):
                return weighed
            row = weighed
        if text is not None and not isinstance(text, str):
            return Rejected(row, "the text is not a string", f"{type(text).__name__} in column {source.text}")
        return row

    def _file_faults(self) -> list[str]:
        if not self.path.is_file():
            return [f"No such file: {self.path}"]
        try:
            columns = self._columns
        except (ValueError, OSError) as error:
            return [f"{self.path} is not a {self.source.kind} file: {error}"]
        if not columns:
            return [f"{self.path} is empty."]
        named = (self.source.text, self.source.label, self.source.id, self.source.weight)
        wanted = [column for column in dict.fromkeys(named) if column is not None]
        missing = [column for column in wanted if column not in columns]
        if not missing:
            twice = [column for column in wanted if columns.count(column) > 1]
            return [f"{self.path} has more than one column {column}; rename or remove the others." for column in twice]
        plural = "columns" if len(missing) > 1 else "column"
        return [f"{self.path} has no {plural} {', '.join(missing)}. It has: {', '.join(columns)}."]

    @cached_property
    def _columns(self) -> list[str]:
        if self.source.kind == "parquet":
            # A file without rows has nothing to train on, whatever columns it declares.
            file = _parquet(self.path)
            return list(file.schema_arrow.names) if file.metadata.num_rows else []
        if self.source.kind == "csv":
            return _csv_header(self.path)[0] if next(read_csv(self.path), None) else []
        # JSONL declares no columns: those of the first record that can be read are taken.
        record = next((record for record in read_jsonl(self.path) if not record.reason), None)
        if record is None and self.path.stat().st_size:
            raise ValueError("no line of it holds a JSON object")
        return list(record.values) if record else []

    def _records(self) -> Iterable[Record]:
        if self.source.kind == "csv":
            return read_csv(self.path)
        if self.source.kind == "jsonl":
            return read_jsonl(self.path)
        named = (self.source.text, self.source.label, self.source.id, self.source.weight)
        return read_parquet(self.path, [column for column in named if column is not None])


def read_csv(path: Path) -> Iterator[Record]:
    """The records below the header, by its names; commas, semicolons and tabs are told apart by the header."""
    csv.field_size_limit(LONGEST)
    header, delimiter = _csv_header(path)
    with path.open("rb") as stream:
        too_long: list[int] = []
        last = [""]
        # Strict, because a quote that is never closed would else take the rows after it into one text.
        records = csv.reader(_csv_lines(stream, too_long, last), delimiter=delimiter, strict=True)
        with suppress(csv.Error):
            next(records, None)
        while True:
            first = records.line_num + 1
            try:
                cells = next(records)
            except StopIteration:
                return
            except csv.Error as error:
                cells = _one_line(last[0], delimiter) if records.line_num == first else []
                if not cells:
                    detail = f"{_place(first, records.line_num)}: {error}"
                    yield Record(reason="not CSV", detail=f"{detail}; is a quote missing, or one too many?")
                    continue
            if too_long:
                yield Record(reason=TOO_LONG, detail=f"line {records.line_num}: {too_long.pop()} bytes")
                continue
            if not cells:
                continue
            data = "\n".join(cells).encode("utf-8", "surrogateescape")
            if not _is_utf8(data):
                yield Record(data=data, reason="undecodable")
            elif len(cells) != len(header):
                detail = _uneven(len(cells), len(header), _place(first, records.line_num), delimiter)
                yield Record(reason="a wrong number of cells", detail=detail)
            else:
                yield Record(dict(zip(header, cells, strict=True)))


def read_jsonl(path: Path) -> Iterator[Record]:
    """The objects of a JSON Lines file; empty lines are passed over."""
    with path.open("rb") as stream:
        for line in bounded_lines(stream):
            if isinstance(line, int):
                yield Record(reason=TOO_LONG, detail=f"{line} bytes")
                continue
            line = line.removeprefix(b"\xef\xbb\xbf").strip()
            if not line:
                continue
            if not _is_utf8(line):
                yield Record(data=line, reason="undecodable")
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield Record(reason="not JSON", detail=str(error))
                continue
            if isinstance(value, dict):
                yield Record(value)
            else:
                yield Record(reason="not a JSON object", detail=line[:80].decode("utf-8", "replace"))


def read_parquet(path: Path, columns: list[str]) -> Iterator[Record]:
    """The rows of a Parquet file, a thousand in memory at a time."""
    for batch in _parquet(path).iter_batches(batch_size=1000, columns=list(dict.fromkeys(columns))):
        for number in range(batch.num_rows):
            try:
                yield Record({name: batch.column(name)[number].as_py() for name in batch.schema.names})
            except UnicodeDecodeError as error:
                yield Record(data=bytes(error.object), reason="undecodable")
            except (ValueError, OverflowError) as error:  # a date that Python cannot hold
                yield Record(reason="not a value that Python can hold", detail=str(error))


def csv_columns(path: Path) -> list[str]:
    """The names in a CSV file's header; none where it is empty. Raises ValueError for what is no CSV."""
    return _csv_header(path)[0]


def _parquet(path: Path) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(path)


def _csv_header(path: Path) -> tuple[list[str], str]:
    """The names of the columns and the sign between them."""
    with path.open("rb") as stream:
        first = stream.readline(LONGEST)
        if b"\0" in first:
            raise ValueError("it holds NUL bytes, as UTF-16 and binary files do; save it as UTF-8")
        delimiter = _delimiter(first.decode("utf-8", "replace"))
        stream.seek(0)
        try:
            names = next(csv.reader(_csv_lines(stream, [], [""]), delimiter=delimiter), [])
        except csv.Error as error:
            raise ValueError(str(error)) from error
    return [name.strip() for name in names], delimiter


def _one_line(line: str, delimiter: str) -> list[str]:
    """The cells of a record of one line with a stray quote, which costs no other row; none where it cannot be read."""
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        return []


def _place(first: int, last: int) -> str:
    return f"lines {first} to {last}" if last > first else f"line {last}"


def _csv_lines(stream: BinaryIO, too_long: list[int], last: list[str]) -> Iterator[str]:
    """The lines as text, the last also in `last`; one that is too long comes out empty, its length in `too_long`."""
    for number, line in enumerate(bounded_lines(stream)):
        if isinstance(line, int):
            too_long.append(line)
            yield "\n"
        else:
            # Bytes that are not UTF-8 pass through as surrogates, so that one bad record does not end the file.
            last[0] = line.decode("utf-8-sig" if number == 0 else "utf-8", "surrogateescape")
            yield last[0]


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _uneven(cells: int, columns: int, place: str, delimiter: str) -> str:
    sign = {",": "comma", ";": "semicolon", "\t": "tab"}[delimiter]
    return (
        f"{place}: {cells} cells in a row of a file with {columns} columns; "
        f"is a {sign} or a quote missing its quotation marks?"
    )


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
