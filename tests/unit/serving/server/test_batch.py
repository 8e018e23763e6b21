"""A table of texts: read, answered, journalled, written."""

import csv
import datetime
import fcntl
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")
pytest.importorskip("pyarrow", reason="the extra `data` is not installed")

import pyarrow.parquet
from prometheus_client import CollectorRegistry
from scripted import RECIPE, ScriptedBackend, saying

from serving.batch import extract, plan
from serving.engine.request import ConstraintFailed, Failed, Usage
from serving.server.extraction import Extractor
from serving.server.lifecycle import Lifecycle
from serving.server.metrics import Metrics
from serving.server.package import Package
from serving.server.service import Service
from serving.server.tracing import Tracer
from stillroom.errors import UserError
from stillroom.recipe.load import load_recipe

ROWS = [{"id": 1, "text": "one"}, {"id": 2, "text": "odd"}, {"id": 3, "text": " "}]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Extractor, ScriptedBackend]]:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    recipe = load_recipe(tmp_path / "recipe.yaml", sources_must_exist=False)
    package = Package("tiny", tmp_path / "tiny.gguf", recipe, frozenset())

    def script(request: Any, emit: Any, cancelled: Any) -> None:
        if b"odd" in bytes(request.prompt):
            emit(Failed(ConstraintFailed("No room."), Usage()))
        else:
            saying('{"kind":"spam","count":2}')(request, emit, cancelled)

    backend = ScriptedBackend(script)
    metrics = Metrics(CollectorRegistry(), "tiny", backend.gauges)
    service = Service(package, backend, metrics, Lifecycle(), Tracer(), 20)
    yield Extractor(service, 4), backend
    service.close()


def write(path: Path) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, ["id", "text"])
            writer.writeheader()
            writer.writerows(ROWS)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, ROWS)))
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(newline="") as stream:
            return list(csv.DictReader(stream))
    if path.suffix == ".parquet":
        return list(pyarrow.parquet.read_table(path).to_pylist())
    rows = [json.loads(line) for line in path.read_text().split("\n") if line]
    return [
        {**row, "output.kind": (row["output"] or {}).get("kind"), "output.count": (row["output"] or {}).get("count")}
        for row in rows
    ]


@pytest.mark.parametrize("given", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("wanted", [".csv", ".jsonl", ".parquet"])
def test_every_format(served: tuple[Extractor, ScriptedBackend], tmp_path: Path, given: str, wanted: str) -> None:
    extractor, _ = served
    source, out = write(tmp_path / f"in{given}"), tmp_path / "new" / f"out{wanted}"
    job = plan(source, out, None, extractor.service.package)
    assert extract(job, extractor, extractor.service.package) == (3, 2)
    first, odd, empty = read(out)
    assert (str(first["id"]), first["output.kind"], str(first["output.count"])) == ("1", "spam", "2")
    assert not first["error"] and (odd["error"], empty["error"]) == ("No room.", "the text is empty")
    assert not odd["output.kind"] and not job.journal.exists()


def test_finished_rows_are_not_answered_again(served: tuple[Extractor, ScriptedBackend], tmp_path: Path) -> None:
    extractor, backend = served
    package = extractor.service.package
    job = plan(write(tmp_path / "in.csv"), tmp_path / "out.jsonl", "text", package)
    backend.reset(saying('{"kind":"event","count":1}'))
    extract(job, extractor, package)
    assert len(backend.requests) == 2
    # The journal of a run that was killed before it wrote: the second row is missing, and half a line ends it.
    from serving import batch

    key = {"input": batch.sha256(job.source), "model": batch.sha256(package.gguf), "text": "text"}
    key["recipe"] = batch._recipe_key(package)
    lines = [
        {"key": key},
        {"row": 0, "output": {"kind": "event", "count": 9}},
        {"row": 2, "error": "the text is empty"},
    ]
    job.journal.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"row": 1, "out')
    job.out.unlink()
    backend.reset(saying('{"kind":"event","count":1}'))
    assert extract(job, extractor, package) == (3, 1)
    assert len(backend.requests) == 1
    assert [(row["output"] or {}).get("count") for row in read(job.out)] == [9, 1, None]
    # Another model's rows are not mixed in, and a line that the disk spoilt is answered again.
    other = [{"key": {**key, "model": "x"}}, *lines[1:]]
    spoilt = [lines[0], lines[2]]
    for journal, asked in ((other, 2), (spoilt, 2)):
        job.journal.write_text("".join(json.dumps(line) + "\n" for line in journal) + "\0\0{\n")
        backend.reset(saying('{"kind":"event","count":1}'))
        extract(job, extractor, package)
        assert len(backend.requests) == asked


def test_two_at_once_on_one_output(served: tuple[Extractor, ScriptedBackend], tmp_path: Path) -> None:
    extractor, _ = served
    package = extractor.service.package
    job = plan(write(tmp_path / "in.csv"), tmp_path / "out.csv", None, package)
    with job.journal.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for attempt in (lambda: plan(job.source, job.out, None, package), lambda: extract(job, extractor, package)):
            with pytest.raises(UserError, match="Another process is writing"):
                attempt()
    assert extract(job, extractor, package) == (3, 2)


def test_rows_that_are_no_rows_keep_their_reason(served: tuple[Extractor, ScriptedBackend], tmp_path: Path) -> None:
    extractor, _ = served
    (tmp_path / "in.csv").write_text("id,text\n1,a\n2\n3,c\n")
    job = plan(tmp_path / "in.csv", tmp_path / "out.jsonl", None, extractor.service.package)
    assert extract(job, extractor, extractor.service.package) == (3, 1)
    assert "a wrong number of cells" in read(job.out)[1]["error"]


@pytest.mark.parametrize("given", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("wanted", [".CSV", ".jsonl", ".parquet"])
def test_a_table_without_rows(
    served: tuple[Extractor, ScriptedBackend], tmp_path: Path, given: str, wanted: str
) -> None:
    """An empty day gives an empty table with all its columns, not an error."""
    extractor, _ = served
    package, source, out = extractor.service.package, tmp_path / f"in{given}", tmp_path / f"out{wanted}"
    if given == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table({"id": pyarrow.array([], "int64"), "text": [""][:0]}), source)
    else:
        source.write_text("id,text\n" if given == ".csv" else "")
    job = plan(source, out, None, package)
    assert extract(job, extractor, package) == (0, 0) and out.is_file() and not job.journal.exists()
    added = ["output.kind", "output.count", "error", "truncated"]
    if wanted == ".CSV":
        assert out.read_text().splitlines()[0].split(",")[-4:] == added
    if wanted == ".parquet":
        schema = pyarrow.parquet.read_schema(out)
        assert schema.names[-4:] == added
        assert [str(schema.field(name).type) for name in added] == ["string", "int64", "string", "bool"]


def test_odd_columns_and_values(served: tuple[Extractor, ScriptedBackend], tmp_path: Path) -> None:
    extractor, _ = served
    package = extractor.service.package
    rows = [
        {"text": "half \ud83d", "id": 2**70, "tags": ["ä"]},
        {"text": None, "id": "x", "tags": None},
        {"id": 1.5},
        {"text": 7, "id": 2},
        {"text": "\u2028日本", "id": 2, "名": "é"},
    ]
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)))
    for name in ("out.jsonl", "out.parquet", "out.csv"):
        job = plan(source, tmp_path / name, None, package)
        assert extract(job, extractor, package) == (5, 3)
        found = read(job.out)
        assert [row["error"] or None for row in found] == [
            None, "the text is missing", "the text is missing", "the text is not a string but int", None,
        ]  # fmt: skip
        assert found[0]["text"] == "half \ufffd" and found[4]["text"] == "\u2028日本" and found[4]["名"] == "é"
        assert str(found[0]["id"]) == str(2**70)
    assert pyarrow.parquet.read_schema(tmp_path / "out.parquet").field("id").type == pyarrow.string()


def test_what_was_parquet_keeps_its_types(served: tuple[Extractor, ScriptedBackend], tmp_path: Path) -> None:
    extractor, _ = served
    package, table = extractor.service.package, pyarrow.table({
        "when": pyarrow.array([1, None], pyarrow.timestamp("ms", "UTC")),
        "kind": pyarrow.array(["a", "a"]).dictionary_encode(),
        "text": ["one", "x" * 9000],
        "small": pyarrow.array([1, 2], pyarrow.int8()),
    })  # fmt: skip
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    job = plan(tmp_path / "in.parquet", tmp_path / "out.parquet", None, package)
    assert extract(job, extractor, package) == (2, 0)
    found = pyarrow.parquet.read_table(job.out)
    assert found.select(table.column_names).schema.types == table.schema.types
    assert found["truncated"].to_pylist() == [False, True]


@pytest.mark.parametrize("wanted", [".csv", ".jsonl"])
def test_what_json_does_not_know(served: tuple[Extractor, ScriptedBackend], tmp_path: Path, wanted: str) -> None:
    extractor, _ = served
    package, table = extractor.service.package, pyarrow.table({
        "text": ["one"],
        "days": pyarrow.array([[datetime.date(2025, 3, 3)]], pyarrow.list_(pyarrow.date32())),
        "share": [float("nan")],
        "shares": [[float("nan"), 0.5, float("inf")]],
    })  # fmt: skip
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    job = plan(tmp_path / "in.parquet", tmp_path / f"out{wanted}", None, package)
    assert extract(job, extractor, package) == (1, 0)
    told = job.out.read_text(encoding="utf-8")
    assert "2025-03-03" in told and "[null, 0.5, null]" in told
    assert wanted == ".csv" or ("NaN" not in told and '"share": null' in told)


def test_all_faults_at_once_before_the_model_is_loaded(
    served: tuple[Extractor, ScriptedBackend], tmp_path: Path
) -> None:
    without = Package("x", tmp_path / "x.gguf", None, frozenset())
    with pytest.raises(UserError) as error:
        plan(tmp_path / "in.txt", tmp_path / "out.xls", None, without)
    assert len(str(error.value).splitlines()) == 4
    assert "has no recipe beside it" in str(error.value)
    package = served[0].service.package
    (tmp_path / "in.csv").write_text("id,id,text,error\n1,2,3,4\n")
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as error:
        plan(tmp_path / "in.csv", tmp_path / "file" / "out.csv", None, package)
    place, twice, taken = str(error.value).splitlines()
    assert "cannot be written to: " in place
    assert "more than one column id" in twice and "would replace: error. Rename them" in taken


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.csv", "id,body\n1,a\n", "has no column text. It has: id, body. Name the column"),
        ("in.csv", "", "has no column text. It is empty."),
        ("in.jsonl", "[1]\n{\n", "has no column text. No line of it holds a JSON object."),
        ("in.jsonl", '{"body": "a"}', "has no column text. It has: body."),
        ("in.parquet", "no parquet", "in.parquet cannot be read"),
        ("in.csv", "a\0b\n", "in.csv cannot be read"),
    ],
)
def test_files_without_texts(
    served: tuple[Extractor, ScriptedBackend], tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=re.escape(message)):
        plan(tmp_path / name, tmp_path / "out.csv", None, served[0].service.package)


def test_a_folder_that_takes_no_files(served: tuple[Extractor, ScriptedBackend], tmp_path: Path) -> None:
    package, source = served[0].service.package, write(tmp_path / "in.csv")
    with pytest.raises(UserError, match="is a folder"):
        (tmp_path / "made.csv").mkdir()
        plan(source, tmp_path / "made.csv", None, package)
    (tmp_path / "closed").mkdir(mode=0o500)
    for closed in [tmp_path / "closed"] if os.geteuid() else [Path("/proc"), Path("/sys")]:  # root may write elsewhere
        with pytest.raises(UserError, match="cannot be written to"):
            plan(source, closed / "out.csv", None, package)
