"""A task knows its place, and its error reaches the runner."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.track.layout import RUN_VARIABLE
from stillroom.track.task import ERROR_VARIABLE, read_error, read_recipe, source_files, task

DOCUMENT = {
    "name": "tiny",
    "instruction": "Say {{$}} and python3.",
    "data": {"sources": [{"kind": "csv", "path": "a.csv", "skip_ids_in": ["old.jsonl"]}]},
}


@dataclass
class Artifact:
    uri: str

    @property
    def path(self) -> str:
        return self.uri


def test_on_a_cluster_the_artifact_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RUN_VARIABLE, raising=False)
    artifact = Artifact(str(tmp_path / "store"))
    with task("train-sft", artifact) as out:
        assert out == tmp_path / "store"
    assert artifact.uri == str(tmp_path / "store")


def test_in_a_local_run_the_artifact_points_into_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN_VARIABLE, str(tmp_path))
    artifact = Artifact("elsewhere")
    with task("evaluate-sft", artifact) as out:
        assert out == tmp_path / "evaluations" / "sft"
    assert artifact.uri == str(out)


@pytest.mark.parametrize(("error", "user"), [(UserError("no such file"), True), (KeyError("x"), False)])
def test_an_error_is_left_for_the_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, user: bool
) -> None:
    monkeypatch.setenv(ERROR_VARIABLE, str(tmp_path / "error.json"))
    with pytest.raises(type(error)), task("prepare", Artifact(str(tmp_path))):
        raise error
    note = read_error(tmp_path / "error.json")
    assert note is not None
    assert (note["step"], note["user"], note["message"]) == ("prepare", user, str(error))
    assert "Traceback" in note["traceback"]
    assert read_error(tmp_path / "none.json") is None


def test_an_error_that_cannot_be_noted_still_goes_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(ERROR_VARIABLE, str(tmp_path / "file" / "error.json"))
    with pytest.raises(KeyError), task("prepare", Artifact(str(tmp_path))):
        raise KeyError


def test_the_recipe_is_read_from_json_and_from_yaml() -> None:
    spec = Recipe.model_validate(DOCUMENT)
    assert read_recipe(spec.model_dump_json()) == spec
    yaml = "name: tiny\ninstruction: Say {{$}} and python3.\ndata:\n  sources:\n"
    yaml += "    - {kind: csv, path: a.csv, skip_ids_in: [old.jsonl]}\n"
    assert read_recipe(yaml) == spec
    with pytest.raises(UserError):
        read_recipe("name: [")


def test_source_files_are_those_that_exist(tmp_path: Path) -> None:
    spec = Recipe.model_validate(DOCUMENT)
    assert source_files(spec, tmp_path) == {}
    (tmp_path / "a.csv").write_text("text\n")
    (tmp_path / "old.jsonl").write_text("{}\n")
    assert sorted(source_files(spec, tmp_path).values()) == [tmp_path / "a.csv", tmp_path / "old.jsonl"]
