import json
from pathlib import Path
from typing import Any

import pytest

from stillroom.data.huggingface import HuggingFaceReader
from stillroom.data.reading import NO_WEIGHT
from stillroom.data.rows import Row
from stillroom.recipe.model import HuggingFaceSource


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def reader(base: Path, **options: Any) -> HuggingFaceReader:
    return HuggingFaceReader(HuggingFaceSource(kind="huggingface", path="set", **options), base, "huggingface:set", 1)


def write(base: Path, rows: list[dict[str, Any]]) -> None:
    (base / "set").mkdir()
    (base / "set/train.jsonl").write_text("\n".join(json.dumps(row) for row in rows))


def test_a_local_folder(tmp_path: Path) -> None:
    write(tmp_path, [{"text": f"text {number}", "label": "a"} for number in range(5)])
    source = reader(tmp_path, sample=3)
    assert source.faults() == []
    rows = [row for row in source.rows() if isinstance(row, Row)]
    assert len(rows) == source.size() == 3
    assert rows[0].label == "a"
    assert rows[0].id.startswith("huggingface:set/")


def test_missing_columns_and_splits_are_named(tmp_path: Path) -> None:
    write(tmp_path, [{"mail": "x", "kind": "a"}])
    assert reader(tmp_path).faults() == ["The data set set has no columns text, label. It has: mail, kind."]
    [fault] = reader(tmp_path, split="nowhere").faults()
    assert "could not be loaded" in fault and "nowhere" in fault


def test_weights(tmp_path: Path) -> None:
    write(tmp_path, [{"text": str(number), "label": "a", "n": n} for number, n in enumerate([2.5, None, -1.0])])
    source = reader(tmp_path, weight="n")
    assert source.faults() == []
    assert [item.weight if isinstance(item, Row) else item.reason for item in source.rows()] == [2.5, 1.0, NO_WEIGHT]
    assert reader(tmp_path, weight="no").faults() == [
        "The data set set has no column no. It has: text, label, n."
    ]  # fmt: skip
