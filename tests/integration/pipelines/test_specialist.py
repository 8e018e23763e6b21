"""The whole pipeline on a tiny model: real data, training, export, measuring, gates, registration, report."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import REJECTED
from stillroom.cli import group
from stillroom.models.cache import CACHE_VARIABLE
from stillroom.track.layout import FOLDERS
from stillroom.track.run import list_runs

ROOT = Path(__file__).parents[3]


def stillroom(*arguments: str) -> int:
    return group.run(list(arguments))


def write(folder: Path, recipe: dict[str, Any]) -> str:
    path = folder / "tiny.yaml"
    path.write_text(json.dumps(recipe))
    return str(path)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv(CACHE_VARIABLE, str(ROOT / ".cache" / "stillroom"))  # the converter is unpacked only once
    monkeypatch.setitem(group.COMMANDS, "run", ("pipelines.cli:run", "Run a recipe."))


def started(err: str) -> set[str]:
    return {line.partition(":")[0] for line in err.splitlines() if line.endswith(": started")}


def test_a_recipe_becomes_a_registered_model(
    tmp_path: Path, tiny_recipe: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, tiny_recipe)
    assert stillroom("run", path) == 0, capfd.readouterr().err
    shown = capfd.readouterr()
    run = tmp_path / "runs" / "tiny"
    assert started(shown.err) == set(FOLDERS)
    assert "tiny passed its gates" in shown.out
    assert "Registered as version 1 (candidate and champion)" in shown.out
    assert (run / "report.html").read_text().startswith("<!DOCTYPE html>")
    lineage = json.loads((run / "lineage.json").read_text())
    assert [step["step"] for step in lineage["steps"]] == list(FOLDERS)
    summary = json.loads((run / "evaluation.json").read_text())
    assert list(summary["models"]) == ["base", "sft", "F16", "Q8_0"]
    assert (run / "models" / f"tiny-{summary['chosen']}.gguf").read_bytes()[:4] == b"GGUF"
    assert not list(run.rglob("*.partial*"))

    # The same command again keeps everything; changed gates are judged again, and nothing else is done again.
    assert stillroom("run", path) == 0
    assert started(capfd.readouterr().err) == set()
    tiny_recipe["gates"]["min_exact_match"] = 1.0
    tiny_recipe["gates"]["better_than_base"] = True
    assert stillroom("run", write(tmp_path, tiny_recipe)) == REJECTED
    shown = capfd.readouterr()
    assert started(shown.err) == {"gate", "report"}
    assert "tiny was rejected and not registered:" in shown.out
    assert "Registered" not in shown.out
    steps = json.loads((run / "lineage.json").read_text())["steps"]
    assert "register" not in {step["step"] for step in steps}, "an earlier registration is not this model's"
    assert [(found.name, found.state) for found in list_runs(tmp_path / "runs")] == [("tiny", "rejected")]

    # A run that cannot begin leaves the finished one as it was.
    spoilt = json.loads(json.dumps(tiny_recipe))
    spoilt["data"]["sources"][0]["text"] = "no such column"
    assert stillroom("run", write(tmp_path, spoilt)) == 2
    assert "no such column" in capfd.readouterr().err
    assert "no such column" not in (run / "recipe.yaml").read_text()
    assert stillroom("runs") == 0
    assert "rejected" in capfd.readouterr().out
    assert stillroom("report") == 0
    assert capfd.readouterr().out == "runs/tiny/report.html\n"
    assert stillroom("compare", "runs/tiny", "runs/tiny") == 0
    assert "exact_match" in capfd.readouterr().out


def test_a_missing_model_is_told_before_any_step_begins(
    tmp_path: Path, tiny_recipe: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    tiny_recipe["base_model"] = str(tmp_path / "no-model")
    assert stillroom("run", write(tmp_path, tiny_recipe)) == 2
    err = capfd.readouterr().err
    assert "no-model" in err and "started" not in err
    assert not (tmp_path / "runs").exists()


def test_bad_data_is_one_clear_message(
    tmp_path: Path, tiny_recipe: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text("body,label\nhello,x\n")
    assert stillroom("run", write(tmp_path, tiny_recipe)) == 2
    err = capfd.readouterr().err
    assert "rows.csv" in err and "text" in err
    assert "Traceback" not in err
