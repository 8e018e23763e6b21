"""Rows encoded into files are what they would be in memory."""

from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from stillroom.data.rows import Row, write_rows
from stillroom.models.base import packaged_tokenizer
from stillroom.recipe.model import Recipe
from stillroom.train.encode import Encoded, Encoder
from stillroom.train.encoded import EncodedRows, encode_table

ROWS = [
    Row("a", "An otter\u2028swam.", "otter", "one"),
    Row("b", "Nobody knows.", None, "one"),
    Row("c", "A heron flew. " * 40, "heron", "two", {"language": "en"}, 2.5),
    Row("d", "A lynx.", "lynx", "two"),
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    data = {"sources": [{"kind": "csv", "path": "rows.csv"}]}
    document = {"name": "tiny", "instruction": "Which animal?", "data": data, "sft": {"max_tokens": 60}}
    return Encoder(Recipe.model_validate(document), packaged_tokenizer())


@pytest.fixture(scope="module")
def encoded(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> EncodedRows:
    """In two files, one with a row, one with two; by name, the second comes first."""
    folder = tmp_path_factory.mktemp("encoded")
    write_rows(folder / "rows.jsonl", ROWS)
    lines = (folder / "rows.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    for places, name in ((range(2), "b"), (range(2, len(lines)), "a")):
        table = encode_table(encoder._recipe, encoder, [lines[place] for place in places], places)
        parquet.write_table(table, folder / f"{name}.parquet")
    found = EncodedRows.read(folder, folder / "cache")
    assert found is not None
    return found


def test_samples_are_those_of_memory(encoder: Encoder, encoded: EncodedRows) -> None:
    wanted = encoder.encode_rows(ROWS)
    assert list(encoded) == wanted == [encoded[0], *encoded[1:]] and len(encoded) == 3
    assert [sample.cut for sample in encoded] == [False, True, False]


def test_rows_keep_what_training_asks(encoded: EncodedRows) -> None:
    facts = [(row.id, row.label, row.source, row.weight) for row in encoded.rows()]
    assert facts == [("a", "otter", "one", 1.0), ("c", "heron", "two", 2.5), ("d", "lynx", "two", 1.0)]
    rows = encoded.rows()
    assert list(encoded.of([rows[2], rows[0]])) == [encoded[2], encoded[0]]


def test_columns_are_made_on_the_disk(encoded: EncodedRows) -> None:
    def columns(sample: Encoded, number: int) -> dict[str, Any]:
        return {"input_ids": sample.prompt + sample.completion, "number": [number]}

    table = encoded.of(encoded.rows()[1:]).map(columns)
    assert table.column_names == ["input_ids", "number"] and table.cache_files
    assert table[0] == {"input_ids": encoded[1].prompt + encoded[1].completion, "number": [0]}
    assert table[1]["number"] == [1]


def test_no_file_no_rows(tmp_path: Path) -> None:
    assert EncodedRows.read(tmp_path, tmp_path) is None
