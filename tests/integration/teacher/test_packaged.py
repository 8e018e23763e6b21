"""Real answers: the packaged model behind the project's own server as a teacher."""

import json
from pathlib import Path

import psutil
import pytest

from stillroom.cli import group
from stillroom.data.rows import read_rows

RECIPE = """\
name: packaged-teacher
instruction: Is the message about a bill or about a parcel?
output_schema:
  type: object
  properties: {topic: {enum: [bill, parcel]}}
  required: [topic]
  additionalProperties: false
data:
  sources: [{kind: jsonl, path: labelled.jsonl}]
teacher: {votes: 2, min_agreement: 0.9, max_answer_tokens: 16, concurrency: 2, tries: 1}
"""
TEXTS = ["The invoice for May charges me twice.", "My parcel never came.", "You billed me for a lamp that I sent back."]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STILLROOM_CACHE", str(tmp_path / "cache"))


def test_the_packaged_model_labels_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE)
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    assert group.run(["annotate", "r.yaml", "texts.txt", "-o", "labelled.jsonl"]) == 0, capsys.readouterr().err
    rows = [*read_rows(tmp_path / "labelled.jsonl"), *read_rows(tmp_path / "labelled.review.jsonl")]
    assert sorted(row.text for row in rows) == sorted(
        TEXTS
    )  # a schema that decoding is held to leaves no invalid label
    assert all(row.label["topic"] in ("bill", "parcel") for row in rows)
    cost = json.loads((tmp_path / "labelled.report.json").read_text())["cost"][-1]
    assert cost["paid"] == 6 and cost["prompt_tokens"] > 6 * 30 and cost["lost"] == 0
    assert not [child for child in psutil.Process().children(recursive=True) if "serve" in " ".join(child.cmdline())]

    # The same command asks nothing again: the same answers come from the cache.
    first = (tmp_path / "labelled.jsonl").read_bytes()
    assert group.run(["annotate", "r.yaml", "texts.txt", "-o", "labelled.jsonl"]) == 0
    assert (tmp_path / "labelled.jsonl").read_bytes() == first
    cost = json.loads((tmp_path / "labelled.report.json").read_text())["cost"]
    assert [(line["purpose"], line["paid"], line["cached"]) for line in cost] == [
        ("earlier runs", 6, 0), ("annotate", 0, 6), ("all", 6, 6),
    ]  # fmt: skip
