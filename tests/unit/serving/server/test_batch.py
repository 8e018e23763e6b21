"""A table of texts: read, answered, journalled, written."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")
pytest.importorskip("pyarrow", reason="the extra `data` is not installed")

import pyarrow.parquet
from prometheus_client import CollectorRegistry
from scripted import RECIPE, ScriptedBackend, saying

from serving.batch import Job, extract, plan
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
    rows = [json.loads(line) for line in path.read_text().splitlines()]
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
    job = Job(write(tmp_path / "in.csv"), tmp_path / "out.jsonl", "text")
    with pytest.raises(UserError, match="has no column body"):
        extract(Job(job.source, job.out, "body"), extractor, package)
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
    # Another model's rows are not mixed in.
    job.journal.write_text("".join(json.dumps(line) + "\n" for line in [{"key": {**key, "model": "x"}}, *lines[1:]]))
    backend.reset(saying('{"kind":"event","count":1}'))
    extract(job, extractor, package)
    assert len(backend.requests) == 2


def test_rows_that_are_no_rows_keep_their_reason(served: tuple[Extractor, ScriptedBackend], tmp_path: Path) -> None:
    extractor, _ = served
    (tmp_path / "in.csv").write_text("id,text\n1,a\n2\n3,c\n")
    job = Job(tmp_path / "in.csv", tmp_path / "out.jsonl", "text")
    assert extract(job, extractor, extractor.service.package) == (3, 1)
    assert "a wrong number of cells" in read(job.out)[1]["error"]


def test_all_faults_at_once_before_the_model_is_loaded(tmp_path: Path) -> None:
    package = Package("x", tmp_path / "x.gguf", None, frozenset())
    with pytest.raises(UserError) as error:
        plan(tmp_path / "in.txt", tmp_path / "out.xls", None, package)
    assert len(str(error.value).splitlines()) == 4
    assert "has no recipe beside it" in str(error.value)
