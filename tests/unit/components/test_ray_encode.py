"""Rows that make one part are encoded by the driver: no Ray, and the samples of memory."""

from dataclasses import replace
from pathlib import Path

import pytest

from components.ray_encode import encode_split
from components.storage import Storage
from stillroom.data.rows import Row, write_rows
from stillroom.models.base import resolve_base_model
from stillroom.recipe.model import Recipe
from stillroom.train.encode import Encoder
from stillroom.train.encoded import EncodedRows
from stillroom.train.setup import load_tokenizer

RECIPE = Recipe.model_validate(
    {"name": "tiny", "instruction": "Which animal?", "data": {"sources": [{"kind": "csv", "path": "rows.csv"}]}}
)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "storage"), "encoded")


def read(storage: Storage, folder: Path) -> EncodedRows | None:
    storage.fetch("", folder / "fetched")
    return EncodedRows.read(folder / "fetched" / "train", folder / "cache")


def test_a_small_file(storage: Storage, tmp_path: Path) -> None:
    # \u2028 ends a line for some readers, and stands as it is in JSON's strings.
    rows = [Row(f"{n}", f"The otter\u2028{n} swam. " * n, "otter", "made") for n in range(7)]
    rows[3] = replace(rows[3], label=None)
    write_rows(tmp_path / "rows.jsonl", rows)
    for _ in range(2):  # what an earlier call left is written over
        encode_split(RECIPE, storage, tmp_path / "rows.jsonl", "train", 2)
    found = read(storage, tmp_path)
    encoder = Encoder(RECIPE, load_tokenizer(resolve_base_model(RECIPE.base_model)))
    assert found is not None and list(found) == encoder.encode_rows(rows)
    assert [row.id for row in found.rows()] == ["0", "1", "2", "4", "5", "6"]


def test_a_file_without_answers(storage: Storage, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", [Row("0", "The otter swam.", None, "made")])
    storage.store(tmp_path / "rows.jsonl", "train/of-an-earlier-call.parquet")
    encode_split(RECIPE, storage, tmp_path / "rows.jsonl", "train", 2)
    storage.store(tmp_path / "rows.jsonl", "another")
    assert read(storage, tmp_path) is None
