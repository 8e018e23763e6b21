"""`stillroom extract`: a whole file of texts answered by a specialist, row by row, and resumable after a kill -9.

Finished rows go to a journal beside the output, one line each. The output is written whole at the end, and the journal
then goes. The journal names what it belongs to (input, model, recipe, column): rows of another one are not mixed in.
"""

import asyncio
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from stillroom.errors import UserError
from stillroom.export.gguf import gguf_sha256
from stillroom.files import full_disk_is_the_users, sha256, whole_file
from stillroom.progress import Progress, say

if TYPE_CHECKING:
    from serving.server.extraction import Extractor
    from serving.server.package import Package
    from stillroom.data.tabular import Record

FORMATS = (".csv", ".jsonl", ".parquet")
OUTPUT, ERROR, TRUNCATED = "output", "error", "truncated"


@dataclass(frozen=True)
class Job:
    """What is to be done: the records of a file, the column with their texts, and where the answers go.

    columns: the names in the file, also where it has no records. answers: the columns that are added.
    """

    source: Path
    out: Path
    text: str
    records: Sequence["Record"]
    columns: Sequence[str]
    answers: Sequence[str]

    @property
    def journal(self) -> Path:
        """Where finished rows are kept until the output is whole."""
        return self.out.with_name(f".{self.out.name}.journal")


def plan(source: Path, out: Path, column: str | None, package: "Package") -> Job:
    """Read the file, and check all that can be checked before the model is loaded.

    Raises UserError with all faults at once.
    """
    faults = []
    for path in (source, out):
        if _format(path) not in FORMATS:
            faults.append(f"{path} must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")
    if not source.is_file():
        faults.append(f"No such file: {source}")
    if package.recipe is None:
        faults.append(
            f"{package.gguf} has no recipe beside it, so it has no task. Give the folder of a run with --run."
        )
    if source.absolute() == out.absolute():
        faults.append("The output would replace the input. Give -o another name.")
    faults += _place_faults(out)
    if package.recipe is None or not source.is_file() or _format(source) not in FORMATS:
        raise UserError("\n".join(faults))
    try:
        columns, records = _read(source)
    except (OSError, ValueError) as error:
        raise UserError("\n".join([*faults, f"{source} cannot be read: {error}"])) from error
    answers = [*_answer_names(out, package), ERROR, TRUNCATED]
    job = Job(source, out, column or _column_of(package), records, columns, answers)
    faults += _column_faults(job)
    if faults:
        raise UserError("\n".join(faults))
    if job.journal.is_file():
        with job.journal.open("a", encoding="utf-8") as journal:
            _lock(journal, job)
    return job


def _place_faults(out: Path) -> list[str]:
    """Why the output could not be written there; found out before hours of answers, not after."""
    if out.is_dir():
        return [f"{out} is a folder. Name a file in it with -o."]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            return []
    except OSError as error:
        return [f"{out.parent} cannot be written to: {error.strerror}. Give -o another place."]


def _column_faults(job: Job) -> list[str]:
    columns, source = list(job.columns), job.source
    if not columns and not job.records and _format(source) == ".jsonl":
        return []  # a table without rows
    if job.text not in columns:
        empty = "No line of it holds a JSON object." if job.records else "It is empty."
        found = f"It has: {', '.join(columns)}. Name the column with the texts with --text." if columns else empty
        return [f"{source} has no column {job.text}. {found}"]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    taken = [name for name in job.answers if name in columns]
    faults = [f"{source} has more than one column {name}; rename or remove the others." for name in twice]
    if taken:
        faults.append(f"{source} has columns that the answers would replace: {', '.join(taken)}. Rename them first.")
    return faults


def extract(job: Job, extractor: "Extractor", package: "Package") -> tuple[int, int]:
    """Answer what is not answered yet and write the output; returns the number of rows and of errors among them.

    Raises UserError where another process works on the same output.
    """
    key = {
        "input": sha256(job.source),
        "model": gguf_sha256(package.gguf),
        "recipe": _recipe_key(package),
        "text": job.text,
    }
    with full_disk_is_the_users(job.journal), job.journal.open("a", encoding="utf-8") as journal:
        _lock(journal, job)
        done = _done(job, key)
        if done:
            say(f"{len(done)} of {len(job.records)} rows are answered already.")
        elif not job.journal.stat().st_size:
            _append(journal, {"key": key})
        asyncio.run(_answer(job, done, extractor, journal))
        _write(job, [done[number] for number in range(len(job.records))], package)
        job.journal.unlink()
    return len(job.records), sum(ERROR in answer for answer in done.values())


def _lock(journal: TextIO, job: Job) -> None:
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UserError(f"Another process is writing {job.out}. Wait for it, or give -o another name.") from error


async def _answer(job: Job, done: dict[int, dict[str, Any]], extractor: "Extractor", journal: TextIO) -> None:
    """Fill `done` and the journal, row by row as answers come."""
    from serving.server.errors import ApiError

    progress = Progress("extract", len(job.records) - len(done))

    def finish(number: int, answer: dict[str, Any]) -> None:
        done[number] = answer
        _append(journal, {"row": number, **answer})
        progress.advance()

    asked: list[int] = []
    for number, record in enumerate(job.records):
        if number in done:
            continue
        fault = _fault(record, job.text)
        if fault:
            finish(number, {ERROR: fault})
        else:
            asked.append(number)
    texts = [str(job.records[number].values[job.text]) for number in asked]
    async with aclosing(extractor.answers(texts)) as answers:
        async for index, answer in answers:
            if isinstance(answer, ApiError):
                finish(asked[index], {ERROR: answer.message})
            else:
                finish(asked[index], {OUTPUT: answer.output} | ({TRUNCATED: True} if answer.truncated else {}))


def _done(job: Job, key: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The rows in the journal; it is emptied where it belongs to another input, model, recipe or column."""
    lines = list(_whole_lines(job.journal))
    if lines and lines[0].get("key") != key:
        say(f"{job.journal} was of another input, model, recipe or column: all rows are answered anew.")
        os.truncate(job.journal, 0)
        return {}
    return {line.pop("row"): line for line in lines[1:] if "row" in line}


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The journal's lines; one that a kill cut in the middle is cut off the file, for the next one to start a line.

    A line that a failing disk spoilt is as if it were not there: its row is answered again.
    """
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    for line in data[:whole].splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            found = {}
        yield found if isinstance(found, dict) else {}


def _append(journal: TextIO, line: dict[str, Any]) -> None:
    journal.write(json.dumps(line, ensure_ascii=False) + "\n")
    journal.flush()


def _read(source: Path) -> tuple[list[str], list["Record"]]:
    """The names of a file's columns, and its records. Raises OSError or ValueError."""
    from stillroom.data.tabular import csv_columns, read_csv, read_jsonl, read_parquet

    if _format(source) == ".csv":
        return csv_columns(source), list(read_csv(source))
    if _format(source) == ".jsonl":
        records = [_printable(record) for record in read_jsonl(source)]
        return list(dict.fromkeys(name for record in records for name in record.values)), records
    import pyarrow.parquet

    names = list(pyarrow.parquet.ParquetFile(source).schema_arrow.names)
    # A name that is there twice cannot be read by its name; the caller refuses the file.
    return names, list(read_parquet(source, names)) if len(set(names)) == len(names) else []


def _printable(record: "Record") -> "Record":
    """JSON can hold halves of characters, which no file in UTF-8 can: they become U+FFFD."""
    try:
        json.dumps(record.values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        clean = (
            json.dumps(record.values, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        )
        return replace(record, values=json.loads(clean))
    return record


def _format(path: Path) -> str:
    return path.suffix.lower()


def _fault(record: "Record", column: str) -> str:
    if record.reason:
        return f"{record.reason}: {record.detail}" if record.detail else record.reason
    text = record.values.get(column)
    if text is None:
        return "the text is missing"
    if not isinstance(text, str):
        return f"the text is not a string but {type(text).__name__}"
    return "" if text.strip() else "the text is empty"


def _column_of(package: "Package") -> str:
    """The column that the recipe's own tables have their texts in."""
    assert package.recipe is not None
    return next((str(source.text) for source in package.recipe.data.sources if hasattr(source, "text")), "text")


def _recipe_key(package: "Package") -> str:
    from stillroom.track.step import recipe_sha256

    assert package.recipe is not None
    return recipe_sha256(package.recipe)


def _write(job: Job, answers: Sequence[dict[str, Any]], package: "Package") -> None:
    if _format(job.out) == ".jsonl":
        with whole_file(job.out) as stream:
            for record, answer in zip(job.records, answers, strict=True):
                told = {OUTPUT: answer.get(OUTPUT), ERROR: answer.get(ERROR), TRUNCATED: TRUNCATED in answer}
                stream.write(_json({**record.values, **told}).encode() + b"\n")
        return
    given = {name: [record.values.get(name) for record in job.records] for name in job.columns}
    added = {name: [_told(answer, name) for answer in answers] for name in job.answers}
    if _format(job.out) == ".csv":
        _write_csv(job.out, {**given, **added})
    else:
        _write_parquet(job, given, added, package)


def _answer_names(out: Path, package: "Package") -> list[str]:
    """The columns of an answer: in JSONL one, else one for each top-level field of the schema."""
    from stillroom.recipe.schema import fields

    schema = package.recipe.output_schema if package.recipe is not None else None
    names = [field.name for field in fields(schema)] if schema and _format(out) != ".jsonl" else []
    return [f"{OUTPUT}.{name}" for name in names] or [OUTPUT]


def _told(answer: dict[str, Any], column: str) -> Any:
    """What an answer has in a column; what is nested is JSON text."""
    if column in (ERROR, OUTPUT):
        return _cell(answer.get(column))
    if column == TRUNCATED:
        return TRUNCATED in answer
    output = answer.get(OUTPUT)
    return _cell(output.get(column.removeprefix(f"{OUTPUT}."))) if isinstance(output, dict) else None


def _cell(value: Any) -> Any:
    return _json(value) if isinstance(value, dict | list) else value


def _json(value: Any) -> str:
    """JSON of whatever a table holds: dates and the like as text, and null for what JSON has no number for."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:
        plain = json.loads(json.dumps(value, default=str), parse_constant=lambda _: None)
        return json.dumps(plain, ensure_ascii=False)


def _write_csv(path: Path, columns: dict[str, list[Any]]) -> None:
    import csv
    import io

    with whole_file(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        writer = csv.writer(text)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow(["" if value is None else _cell(value) for value in row])
        text.detach()  # which writes what is left, and leaves the file to be closed by its owner


def _write_parquet(job: Job, given: dict[str, list[Any]], added: dict[str, list[Any]], package: "Package") -> None:
    """Columns that came from Parquet keep their types, and the answers' follow the schema, whatever the rows hold."""
    import pyarrow
    import pyarrow.parquet

    if _format(job.source) == ".parquet":
        table = pyarrow.parquet.read_table(job.source)
        arrays = dict(zip(table.column_names, table.columns, strict=True))
    else:
        arrays = {name: _array(values, None) for name, values in given.items()}
    types = _types(package)
    arrays |= {name: _array(values, types.get(name)) for name, values in added.items()}
    with whole_file(job.out) as stream:
        pyarrow.parquet.write_table(pyarrow.table(arrays), stream)


def _array(values: list[Any], type: Any) -> Any:
    """A column of this type, or of the one that its values tell; where they do not agree, and are all missing: text."""
    import pyarrow

    try:
        array = pyarrow.array(values, type)
    except (pyarrow.ArrowException, OverflowError):  # rows of JSONL need not agree on a type
        return pyarrow.array([None if value is None else _text(value) for value in values], pyarrow.string())
    return array.cast(pyarrow.string()) if pyarrow.types.is_null(array.type) else array


def _types(package: "Package") -> dict[str, Any]:
    """The Arrow types of the answers' columns, as far as the schema names them."""
    import pyarrow

    from stillroom.recipe.schema import fields, types

    known = {
        "integer": pyarrow.int64(), "number": pyarrow.float64(), "boolean": pyarrow.bool_(), "string": pyarrow.string()
    }  # fmt: skip
    schema = package.recipe.output_schema if package.recipe is not None else None
    found = {ERROR: pyarrow.string(), TRUNCATED: pyarrow.bool_()}
    for field in fields(schema) if schema else ():
        kinds = [kind for kind in types(field.schema) if kind != "null"]
        if len(kinds) == 1 and kinds[0] in known:
            found[f"{OUTPUT}.{field.name}"] = known[kinds[0]]
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)
