"""The recipe finance-sentiment as it ships, on a tiny model: two cures for unbalanced classes, compared."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stillroom.cli import group
from stillroom.data.rows import read_rows
from stillroom.models.cache import CACHE_VARIABLE

ROOT = Path(__file__).parents[3]
CLASSES = ("negative", "neutral", "positive")


@pytest.fixture
def recipe(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped recipe with another model and less to do; what it says of the data stays."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv(CACHE_VARIABLE, str(ROOT / ".cache" / "stillroom"))
    monkeypatch.setitem(group.COMMANDS, "run", ("pipelines.cli:run", "Run a recipe."))
    document: dict[str, Any] = YAML(typ="safe").load(ROOT / "recipes/finance-sentiment.yaml")
    document["data"]["sources"][0]["path"] = str(ROOT / "recipes/examples/finance-sentiment.csv")
    document |= {"base_model": str(tiny), "export": {"formats": ["F16"], "max_loss_points": 100}}
    document["sft"] |= {"epochs": 1, "lora": {"rank": 4}}
    document["gates"] = {"better_than_base": False, "schema_valid_unconstrained": 0.0}
    path = tmp_path / "finance.yaml"
    path.write_text(json.dumps(document))
    return path


def test_weights_against_downsampling(recipe: Path, capfd: pytest.CaptureFixture[str]) -> None:
    profiles = ("weighted", "downsampled")
    runs = [recipe.parent / "runs" / f"finance-sentiment-{profile}" for profile in profiles]
    for profile in profiles:
        assert group.run(["run", str(recipe), "--profile", profile]) == 0, capfd.readouterr().err
    assert capfd.readouterr().out.count("Registered as version") == 2
    for run in runs:
        one, other = (run / step / "adapter" / "adapter_model.safetensors" for step in ("sft", "dpo"))
        assert one.read_bytes() == other.read_bytes(), "without preferences the SFT adapter goes on"
    reports = [json.loads((run / "data/data_report.json").read_text()) for run in runs]
    counts = [[report["splits"]["train"]["classes"][name] for name in CLASSES] for report in reports]
    assert counts[0][1] > 3 * counts[0][0], "the classes are unbalanced"
    assert len(set(counts[1])) == 1 and counts[1][0] == counts[0][0], "each is as small as the rarest"
    tests = [{row.id: row.text for row in read_rows(run / "data/test.jsonl")} for run in runs]
    assert tests[0] == tests[1] and len(tests[0]) >= 20

    page = (runs[0] / "report.html").read_text()
    for name in ("What is taken for what", "Mean of the classes (macro F1)", "What the texts are like"):
        assert name in page
    for name in CLASSES:
        assert re.search(rf'<table class="classes">.*<th scope="row">{name}</th>', page, re.DOTALL)
    lineage = json.loads((runs[0] / "lineage.json").read_text())
    prepared = next(step for step in lineage["steps"] if step["step"] == "prepare")
    manifest = json.loads((runs[0] / "data/manifest.json").read_text())
    assert {"manifest.json", "README.md", "train.jsonl"} <= set(prepared["outputs"])
    assert lineage["data"] == {"version": manifest["version"], "parents": manifest["parents"]}
    assert list(manifest["parents"]) == ["finance-sentiment.csv"]
    assert prepared["outputs"]["train.jsonl"] == manifest["files"]["train.jsonl"]["sha256"]

    assert group.run(["compare", *map(str, runs)]) == 0
    said = capfd.readouterr().out
    assert "exact_match" in said and f"{len(tests[0])}" in said
    assert group.run(["data", "diff", *map(str, runs)]) == 0
    assert "removed" in capfd.readouterr().out
    _loads_as_the_card_says(runs[0] / "data", reports[0])


def _loads_as_the_card_says(folder: Path, report: dict[str, Any]) -> None:
    import datasets

    loaded = datasets.load_dataset(str(folder))
    assert {name: len(split) for name, split in loaded.items()} == {
        name: split["rows"] for name, split in report["splits"].items()
    }
    assert loaded["test"][0]["label"]["sentiment"] in CLASSES
