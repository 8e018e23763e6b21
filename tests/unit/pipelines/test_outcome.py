"""The end of a run in the terminal."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.outcome import outcome
from stillroom.recipe.model import Recipe
from stillroom.track.run import write_lineage
from stillroom.track.step import run_step


def summary(passed: bool) -> dict[str, Any]:
    def evaluation(value: float) -> dict[str, Any]:
        interval = {"value": value, "low": value - 0.05, "high": value + 0.05}
        scores = {"exact_match": interval, "schema_valid": {"value": 0.991, "low": 0.98, "high": 1.0}}
        return {"groups": {"all": {"unconstrained": scores, "constrained": scores}}, "seconds_per_row": 0.25}

    return {
        "recipe": "tiny",
        "models": {"base": evaluation(0.05), "sft": evaluation(0.7), "Q8_0": evaluation(0.75)},
        "formats": [{"format": "Q8_0", "file": "tiny-Q8_0.gguf", "bytes": 138 * 2**20}],
        "chosen": "Q8_0",
        "gate": {
            "passed": passed,
            "checks": [
                {"name": "better_than_base", "passed": True, "message": "better"},
                {"name": "min_exact_match", "passed": passed, "message": "75.0 % exact match, at least 80 % asked"},
            ],
        },
    }


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "tiny"
    (folder / "register").mkdir(parents=True)
    registration = {"version": "3", "aliases": ["candidate", "champion"], "tracking_uri": "sqlite:///mlflow.db"}
    (folder / "register" / "registration.json").write_text(json.dumps(registration))
    source = {"kind": "csv", "path": "a.csv"}
    recipe = Recipe.model_validate({"name": "tiny", "instruction": "Say it.", "data": {"sources": [source]}})
    run_step("export", folder / "models", recipe, (), {}, lambda out: (out / "tiny-Q8_0.gguf").touch())
    write_lineage(folder, recipe)
    return folder


def test_a_passed_run(run: Path) -> None:
    (run / "evaluation.json").write_text(json.dumps(summary(True)))
    text = outcome(summary(True), run)
    assert "Q8_0 *       75.0 %  70.0 % to 80.0 %      99.1 %      99.1 %  138 MiB  0.25 s" in text
    assert "tiny passed its gates (2 checks)." in text
    assert "version 3 (candidate and champion)" in text
    assert "Model   runs/tiny/models/tiny-Q8_0.gguf" in text
    assert "stillroom report runs/tiny --open" in text


def test_a_rejected_run_says_why_and_names_no_registration(run: Path) -> None:
    (run / "evaluation.json").write_text(json.dumps(summary(False)))
    text = outcome(summary(False), run)
    assert "tiny was rejected and not registered:\n  - 75.0 % exact match, at least 80 % asked" in text
    assert "version" not in text


def test_a_free_text_task_has_no_schema_columns(run: Path) -> None:
    document = summary(False)
    for model in document["models"].values():
        group = model["groups"]["all"]
        group["constrained"] = None
        del group["unconstrained"]["schema_valid"]
    (run / "evaluation.json").write_text(json.dumps(document))
    assert "99.1" not in outcome(document, run)
