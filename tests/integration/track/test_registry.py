"""Registration in a real MLflow with SQLite."""

import json
from pathlib import Path

import pytest

from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.track.layout import RUN_VARIABLE
from stillroom.track.registry import _client, metrics_of, parameters_of, register, tracking_uri
from stillroom.track.step import run_step


def recipe() -> Recipe:
    source = {"kind": "csv", "path": "a.csv"}
    return Recipe.model_validate({"name": "tiny", "instruction": "Say it.", "data": {"sources": [source]}})


def steps(folder: Path, value: float, passed: bool = True, test: str = "1") -> dict[str, Path]:
    """The folders of a finished run, with the least that registration reads."""
    interval = {"value": value, "low": value - 0.1, "high": value + 0.1}
    scores = {"exact_match": interval, "accuracy": {"category": interval}, "confusion": {"category": {"counts": [[1]]}}}
    group = {"rows": 9, "unconstrained": scores, "constrained": scores}
    summary = {
        "recipe": "tiny",
        "models": {"Q8_0": {"rows": 9, "groups": {"all": group, "mail (csv)": group}}},
        "formats": [{"format": "Q8_0", "file": "tiny-Q8_0.gguf", "bytes": 4, "accepted": True, "reason": "fast"}],
        "chosen": "Q8_0",
        "comparisons": {"sft_over_base": interval, "dpo_over_sft": None},
        "gate": {"passed": passed, "checks": []},
    }
    contents = {
        "data": {"test.jsonl": test},
        "models": {"tiny-Q8_0.gguf": f"GGUF {value}"},
        "gate": {"evaluation.json": json.dumps(summary)},
        "report": {"report.html": "<html></html>"},
    }
    for name, files in contents.items():

        def write(out: Path, files: dict[str, str] = files) -> None:
            for file, text in files.items():
                (out / file).write_text(text)

        run_step(name, folder / name, recipe(), (), {"value": str((value, passed, test))}, write)
    return {name: folder / name for name in contents}


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


def registered(tmp_path: Path, uri: str, name: str, value: float, test: str = "1") -> dict:
    out = tmp_path / name / "register"
    out.mkdir(parents=True)
    registration = register(recipe(), steps(tmp_path / name, value, test=test), uri, out)
    assert json.loads((out / "registration.json").read_text()) == registration
    return registration


def test_versions_candidates_and_champions(tmp_path: Path, uri: str) -> None:
    first = registered(tmp_path, uri, "first", 0.8)
    assert (first["version"], first["aliases"]) == ("1", ["candidate", "champion"])
    worse = registered(tmp_path, uri, "worse", 0.7)
    assert (worse["version"], worse["aliases"]) == ("2", ["candidate"])
    elsewhere = registered(tmp_path, uri, "elsewhere", 0.99, test="2")
    assert elsewhere["aliases"] == ["candidate"], "figures from another test file do not compare"
    better = registered(tmp_path, uri, "better", 0.9)
    assert (better["version"], better["aliases"]) == ("4", ["candidate", "champion"])

    client = _client(uri)
    assert client.get_model_version_by_alias("tiny", "champion").version == 4
    run = client.get_run(better["run_id"])
    assert run.data.metrics["Q8_0/all/constrained/exact_match"] == 0.9
    assert run.data.metrics["Q8_0/all/constrained/exact_match/low"] == 0.8
    assert run.data.params["sft.learning_rate"] == "0.001"
    assert run.info.status == "FINISHED"
    kept = {file.path for file in client.list_artifacts(better["run_id"])}
    assert kept == {"evaluation.json", "report.html", "lineage.json", "recipe.yaml", "model"}
    assert Path(better["source"].removeprefix("file://"), "tiny-Q8_0.gguf").read_text() == "GGUF 0.9"
    assert (Path(uri.removeprefix("sqlite:///")).parent / "mlartifacts").is_dir()


def test_the_same_run_is_registered_once(tmp_path: Path, uri: str) -> None:
    first = registered(tmp_path, uri, "first", 0.55)
    again = registered(tmp_path, uri, "again", 0.55)
    assert first["version"] == again["version"]


def test_a_rejected_model_is_never_registered(tmp_path: Path, uri: str) -> None:
    client = _client(uri)
    before = len(client.search_model_versions("name='tiny'"))
    with pytest.raises(UserError, match="did not pass its gates"):
        register(recipe(), steps(tmp_path, 0.99, passed=False), uri, tmp_path)
    assert len(client.search_model_versions("name='tiny'")) == before


def test_where_it_is_tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv(RUN_VARIABLE, str(tmp_path / "runs" / "tiny"))
    assert tracking_uri() == f"sqlite:///{tmp_path}/runs/mlflow.db"
    monkeypatch.delenv(RUN_VARIABLE)
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI"):
        tracking_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///x.db")
    assert tracking_uri() == "sqlite:///x.db"


def test_names_fit_mlflow(tmp_path: Path) -> None:
    summary = json.loads((steps(tmp_path, 0.5)["gate"] / "evaluation.json").read_text())
    assert metrics_of(summary)["Q8_0/mail _csv_/unconstrained/accuracy/category"] == 0.5
    assert "comparison/dpo_over_sft" not in metrics_of(summary)
    assert parameters_of(recipe())["data.seed"] == "0"
    assert not any(name.startswith(("output_schema", "data.sources")) for name in parameters_of(recipe()))
