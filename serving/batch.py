"""`stillroom extract`: a whole file of texts answered by a specialist, row by row, and resumable after a kill -9.

Finished rows go to a journal beside the output, one line each. The output is written whole at the end, and the journal
then goes. The journal names what it belongs to (input, model, recipe, column): rows of another one are not mixed in.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from stillroom.errors import UserError
from stillroom.files import full_disk_is_the_users, sha256, whole_file
from stillroom.progress import Progress, say

if TYPE_CHECKING:
    from serving.server.extraction import Extractor
    from serving.server.package import Package
    from stillroom.data.tabular import Record

FORMATS = (".csv", ".jsonl", ".parquet")
OUTPUT, ERROR = "output", "error"


@dataclass(frozen=True)
class Job:
    """What is to be done: texts of one column of a file, answers beside them in another."""

    source: Path
    out: Path
    text: str

    @property
    def journal(self) -> Path:
        """Where finished rows are kept until the output is whole."""
        return self.out.with_name(f".{self.out.name}.journal")


def plan(source: Path, out: Path, column: str | None, package: "Package") -> Job:
    """Check everything that can be checked before the model is loaded. Raises UserError with all faults at once."""
    faults = []
    for path in (source, out):
        if path.suffix not in FORMATS:
            faults.append(f"{path} must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")
    if not source.is_file():
        faults.append(f"No such file: {source}")
    if package.recipe is None:
        faults.append(
            f"{package.gguf} has no recipe beside it, so it has no task. Give the folder of a run with --run."
        )
    if source.absolute() == out.absolute():
        faults.append("The output would replace the input. Give -o another name.")
    if faults:
        raise UserError("\n".join(faults))
    return Job(source, out, column or _column_of(package))


def extract(job: Job, extractor: "Extractor", package: "Package") -> tuple[int, int]:
    """Answer what is not answered yet and write the output; returns the number of rows and of errors among them.

    Raises UserError for a file that cannot be read, or lacks the column.
    """
    records = _records(job)
    key = {"input": sha256(job.source), "model": sha256(package.gguf), "recipe": _recipe_key(package), "text": job.text}
    job.out.parent.mkdir(parents=True, exist_ok=True)
    done = _done(job, key)
    if done:
        say(f"{len(done)} of {len(records)} rows are answered already.")
    with full_disk_is_the_users(job.journal), job.journal.open("a", encoding="utf-8") as journal:
        if not journal.tell():
            _append(journal, {"key": key})
        asyncio.run(_answer(job, records, done, extractor, journal))
    _write(job, records, [done[number] for number in range(len(records))], package)
    job.journal.unlink()
    return len(records), sum(ERROR in answer for answer in done.values())


async def _answer(
    job: Job, records: Sequence["Record"], done: dict[int, dict[str, Any]], extractor: "Extractor", journal: TextIO
) -> None:
    """Fill `done` and the journal, row by row as answers come."""
    from serving.server.errors import ApiError

    progress = Progress("extract", len(records))
    progress.update(len(done))

    def finish(number: int, answer: dict[str, Any]) -> None:
        done[number] = answer
        _append(journal, {"row": number, **answer})
        progress.advance()

    asked: list[int] = []
    for number, record in enumerate(records):
        if number in done:
            continue
        fault = _fault(record, job.text)
        if fault:
            finish(number, {ERROR: fault})
        else:
            asked.append(number)
    texts = [str(records[number].values[job.text]) for number in asked]
    async with aclosing(extractor.answers(texts)) as answers:
        async for index, answer in answers:
            if isinstance(answer, ApiError):
                finish(asked[index], {ERROR: answer.message})
            else:
                finish(asked[index], {OUTPUT: answer.output} | ({"truncated": True} if answer.truncated else {}))


def _done(job: Job, key: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The rows in the journal; it is removed where it belongs to another input, model, recipe or column."""
    lines = list(_whole_lines(job.journal))
    if lines and lines[0].get("key") != key:
        say(f"{job.journal} was of another input, model, recipe or column: all rows are answered anew.")
        job.journal.unlink()
        return {}
    return {line.pop("row"): line for line in lines[1:]}


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The journal's lines; one that a kill cut in the middle is cut off the file, for the next one to start a line."""
    if not path.is_file():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as stream:
            stream.truncate(whole)
    for line in data[:whole].splitlines():
        yield json.loads(line)


def _append(journal: TextIO, line: dict[str, Any]) -> None:
    journal.write(json.dumps(line, ensure_ascii=False) + "\n")
    journal.flush()


def _records(job: Job) -> list["Record"]:
    from stillroom.data.tabular import read_csv, read_jsonl, read_parquet

    try:
        if job.source.suffix == ".csv":
            records = list(read_csv(job.source))
        elif job.source.suffix == ".jsonl":
            records = list(read_jsonl(job.source))
        else:
            import pyarrow.parquet

            records = list(read_parquet(job.source, pyarrow.parquet.ParquetFile(job.source).schema_arrow.names))
    except (OSError, ValueError) as error:
        raise UserError(f"{job.source} cannot be read: {error}") from error
    columns = _columns(records)
    if job.text not in columns:
        found = f"It has: {', '.join(columns)}." if columns else "It holds no rows."
        raise UserError(f"{job.source} has no column {job.text}. {found} Name the column with --text.")
    return records


def _columns(records: Sequence["Record"]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record.values))


def _fault(record: "Record", column: str) -> str:
    if record.reason:
        return f"{record.reason}: {record.detail}" if record.detail else record.reason
    text = record.values.get(column)
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


def _write(job: Job, records: Sequence["Record"], answers: Sequence[dict[str, Any]], package: "Package") -> None:
    names = _columns(records)
    if job.out.suffix == ".jsonl":
        with whole_file(job.out) as stream:
            for record, answer in zip(records, answers, strict=True):
                line = {**record.values, OUTPUT: answer.get(OUTPUT), ERROR: answer.get(ERROR)}
                stream.write(json.dumps(line, ensure_ascii=False, default=str).encode() + b"\n")
        return
    columns: dict[str, list[Any]] = {name: [record.values.get(name) for record in records] for name in names}
    columns |= _answer_columns(answers, package)
    if job.out.suffix == ".csv":
        _write_csv(job.out, columns)
    else:
        _write_parquet(job.out, columns)


def _answer_columns(answers: Sequence[dict[str, Any]], package: "Package") -> dict[str, list[Any]]:
    """One column for each top-level field of the schema (what is nested is JSON text), one for the error."""
    from stillroom.recipe.schema import fields

    assert package.recipe is not None
    schema = package.recipe.output_schema
    outputs = [answer.get(OUTPUT) for answer in answers]
    names = [field.name for field in fields(schema)] if schema else []
    if names:
        columns = {
            f"{OUTPUT}.{name}": [_cell(one.get(name)) if isinstance(one, dict) else None for one in outputs]
            for name in names
        }
    else:
        columns = {OUTPUT: [_cell(one) for one in outputs]}
    return {**columns, ERROR: [answer.get(ERROR) for answer in answers]}


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


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


def _write_parquet(path: Path, columns: dict[str, list[Any]]) -> None:
    import pyarrow
    import pyarrow.parquet

    arrays = {}
    for name, values in columns.items():
        try:
            arrays[name] = pyarrow.array(values)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):  # rows of JSONL need not agree on a type
            arrays[name] = pyarrow.array([None if value is None else _text(value) for value in values])
    with whole_file(path) as stream:
        pyarrow.parquet.write_table(pyarrow.table(arrays), stream)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
