"""Raw text keeps out what would give the test away, and says what it left out."""

from pathlib import Path
from typing import Any

import pytest

from stillroom.data.prepare import prepare
from stillroom.data.raw_text import RUN, write_raw_text
from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.files import read_json, read_jsonl, write_jsonl
from stillroom.recipe.model import Recipe

SECRET = "the quick brown fox jumps over the lazy dog while seven grey herons watch it from afar"


def recipe_with(make_recipe: Any, path: Path, **pretrain: Any) -> Recipe:
    made: Recipe = make_recipe({"kind": "csv", "path": "rows.csv"})
    raw = {"sources": [{"kind": "jsonl", "path": str(path)}], **pretrain}
    return Recipe.model_validate(made.model_dump() | {"pretrain": raw})


def test_documents_are_kept_copies_and_leaks_are_not(make_recipe: Any, tmp_path: Path) -> None:
    documents = {
        "whole": "A handbook page.\n\nIt has two paragraphs.",
        "copy": "A  handbook page. It has two paragraphs.",
        "leak": f"As the letter says: {SECRET.upper()}! And so on.",
        "near": " ".join(SECRET.split()[: RUN - 1]),
        "empty": "  \n",
    }
    path = tmp_path / "documents.jsonl"
    write_jsonl(path, ({"text": text, "id": id} for id, text in documents.items()))
    recipe = recipe_with(make_recipe, path)
    counts = write_raw_text(recipe, tmp_path, tmp_path, [Row("1", SECRET, None, "csv")])
    kept = {line["text"] for line in read_jsonl(tmp_path / "pretrain.jsonl")}
    assert kept == {documents["whole"], documents["near"]}
    assert counts == {
        "documents": 2,
        "characters": sum(map(len, kept)),
        "rejected": {
            "copy of an earlier document": 1,
            "shares a passage with a held-out row": 1,
            "empty text": 1,
        },
    }
    reasons = [line["reason"] for line in read_jsonl(tmp_path / "pretrain_rejected.jsonl")]
    assert sorted(reasons) == sorted(counts["rejected"])


def test_nothing_left(make_recipe: Any, tmp_path: Path) -> None:
    path = tmp_path / "documents.jsonl"
    write_jsonl(path, [{"text": " "}])
    with pytest.raises(UserError, match=r"The pretrain section has no document.*pretrain_rejected\.jsonl"):
        write_raw_text(recipe_with(make_recipe, path), tmp_path, tmp_path, [])


def test_prepare_writes_it_beside_the_splits(make_recipe: Any, tmp_path: Path) -> None:
    rows = [f"text number {n} of its own kind,{'ab'[n % 2]}" for n in range(40)]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    write_jsonl(tmp_path / "documents.jsonl", [{"text": "One document."}])
    document = recipe_with(make_recipe, tmp_path / "documents.jsonl").model_dump()
    document["data"]["labelling"]["values"] = {kind: {"kind": kind} for kind in "ab"}
    prepare(Recipe.model_validate(document), tmp_path, tmp_path / "out")
    assert read_json(tmp_path / "out" / "data_report.json")["raw_text"]["documents"] == 1
    assert [line["text"] for line in read_jsonl(tmp_path / "out" / "pretrain.jsonl")] == ["One document."]
