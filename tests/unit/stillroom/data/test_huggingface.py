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


@pytest.mark.parametrize("kind", ["saved", "saved splits", "csv", "tsv", "jsonl", "parquet"])
def test_a_set_that_was_saved_and_a_single_file(tmp_path: Path, kind: str) -> None:
    import datasets

    made = datasets.Dataset.from_list([{"text": f"text {n}", "label": "a"} for n in range(5)])
    if kind == "saved":
        made.save_to_disk(tmp_path / "set")
    elif kind == "saved splits":
        datasets.DatasetDict({"train": made, "test": made}).save_to_disk(tmp_path / "set")
    elif kind == "tsv":
        (tmp_path / "set.tsv").write_text("text\tlabel\n" + "".join(f"text {n}\ta\n" for n in range(5)))
    else:
        {"csv": made.to_csv, "jsonl": made.to_json, "parquet": made.to_parquet}[kind](tmp_path / f"set.{kind}")
    path = "set" if kind.startswith("saved") else f"set.{kind}"
    source = HuggingFaceSource(kind="huggingface", path=path)
    opened = HuggingFaceReader(source, tmp_path, "huggingface:set", 1)
    assert opened.faults() == [] and len([row for row in opened.rows() if isinstance(row, Row)]) == 5
    if kind == "saved splits":
        (fault,) = reader(tmp_path, split="dev").faults()
        assert fault.endswith("could not be loaded: no split dev; it has: train, test")


def test_without_a_network_it_says_what_to_do_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.invalid")
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    source = HuggingFaceSource(kind="huggingface", path="somebody/some-set")
    (fault,) = HuggingFaceReader(source, tmp_path, "huggingface:set", 1).faults()
    assert "it is neither on this machine nor can the hub be reached" in fault and "a source of kind csv" in fault
    assert not constants.HF_HUB_OFFLINE and not datasets.config.HF_HUB_OFFLINE


def test_weights(tmp_path: Path) -> None:
    write(tmp_path, [{"text": str(number), "label": "a", "n": n} for number, n in enumerate([2.5, None, -1.0])])
    source = reader(tmp_path, weight="n")
    assert source.faults() == []
    assert [item.weight if isinstance(item, Row) else item.reason for item in source.rows()] == [2.5, 1.0, NO_WEIGHT]
    assert reader(tmp_path, weight="no").faults() == [
        "The data set set has no column no. It has: text, label, n."
    ]  # fmt: skip
