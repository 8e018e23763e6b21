"""The run folder: one run at a time, and what it tells about itself."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.track.layout import FOLDERS
from stillroom.track.run import (
    chosen_model,
    find_run,
    forget,
    holder,
    list_runs,
    locked,
    run_folder,
    summary_of,
    write_lineage,
)
from stillroom.track.step import run_step

HOLDER = """
import sys, time
from pathlib import Path
from stillroom.track.run import locked
with locked(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(60)
"""


def recipe() -> Recipe:
    source = {"kind": "csv", "path": "a.csv"}
    return Recipe.model_validate({"name": "tiny", "instruction": "Say it.", "data": {"sources": [source]}})


def finished(folder: Path, passed: bool = True, value: float = 0.9) -> Path:
    """A run folder as a finished run leaves it, with the least that is read."""
    interval = {"value": value, "low": value - 0.1, "high": value + 0.05}
    group = {"rows": 9, "unconstrained": {"exact_match": interval}, "constrained": {"exact_match": interval}}
    summary = {
        "recipe": "tiny",
        "models": {"F16": {"groups": {"all": group}}},
        "formats": [{"format": "F16", "file": "tiny-F16.gguf", "bytes": 4}],
        "chosen": "F16",
        "gate": {"passed": passed, "checks": []},
    }
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text("name: tiny\n")
    text = json.dumps(summary)
    run_step("export", folder / "models", recipe(), (), {}, lambda out: (out / "tiny-F16.gguf").write_text("GGUF"))
    run_step("gate", folder / "gate", recipe(), (), {}, lambda out: (out / "evaluation.json").write_text(text))
    write_lineage(folder, recipe())
    (folder / "evaluation.json").write_text(text)
    return folder


def test_where_a_run_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_folder(recipe(), None, None) == tmp_path / "runs" / "tiny"
    assert run_folder(recipe(), "full", None) == tmp_path / "runs" / "tiny-full"
    assert run_folder(recipe(), "full", Path("x")) == tmp_path / "x"
    (tmp_path / "x").write_text("")
    with pytest.raises(UserError, match="is a file"):
        run_folder(recipe(), None, Path("x"))


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"), locked(tmp_path / "file" / "run"):
        pass


def test_a_second_run_is_told_who_is_in_the_folder(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        with pytest.raises(UserError, match=f"process {process.pid} is running there"), locked(tmp_path):
            pass
        assert holder(tmp_path)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert holder(tmp_path) is None
    with locked(tmp_path):
        assert (holder(tmp_path) or "").startswith(f"{os.getpid()}:")
    assert holder(tmp_path) is None


def test_lineage_holds_every_whole_step_in_order(tmp_path: Path) -> None:
    spec = recipe()
    run_step("train-sft", tmp_path / "sft", spec, ("sft",), {"base": "x"}, lambda out: (out / "a").write_text("1"))
    run_step("prepare", tmp_path / "data", spec, ("data",), {}, lambda out: (out / "b").write_text("2"))
    write_lineage(tmp_path, spec)
    lineage = json.loads((tmp_path / "lineage.json").read_text())
    assert [step["step"] for step in lineage["steps"]] == ["prepare", "train-sft"]
    assert lineage["steps"][1]["inputs"] == {"base": "x"}
    assert lineage["machine"]["python"]


def test_a_step_done_again_takes_what_came_from_it_along(tmp_path: Path) -> None:
    def build() -> list[str]:
        """Build what is not whole; returns the names of the steps that were."""
        built: list[str] = []

        def step(name: str, *inputs: str) -> None:
            def write(out: Path) -> None:
                built.append(name)

            folders: dict[str, Path | str] = {label: tmp_path / FOLDERS[label] for label in inputs}
            run_step(name, tmp_path / FOLDERS[name], recipe(), (), folders, write)

        step("prepare")
        step("evaluate-base", "prepare")
        step("train-sft", "prepare")
        step("export", "train-sft")
        step("gate", "export", "evaluate-base")
        return built

    assert len(build()) == 5
    forget(tmp_path, "train-sft")
    assert build() == ["train-sft", "export", "gate"]
    forget(tmp_path, "evaluate-base")
    assert build() == ["evaluate-base", "gate"]


def test_runs_are_listed_with_what_came_out(tmp_path: Path) -> None:
    finished(tmp_path / "good")
    finished(tmp_path / "bad", passed=False)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "recipe.yaml").write_text("name: tiny\n")
    (tmp_path / "other").mkdir()
    (finished(tmp_path / "spoilt") / "evaluation.json").write_text("{")
    found = {run.name: run for run in list_runs(tmp_path)}
    assert {name: run.state for name, run in found.items()} == {
        "good": "passed",
        "bad": "rejected",
        "begun": "unfinished",
        "spoilt": "unfinished",
    }
    assert found["good"].chosen == "F16"
    assert found["good"].exact_match == {"value": 0.9, "low": 0.8, "high": 0.9500000000000001}
    with locked(tmp_path / "begun"):
        assert {run.name: run.state for run in list_runs(tmp_path)}["begun"] == "running"


def test_the_latest_run_is_the_default(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no run below"):
        find_run(None, tmp_path)
    older, newer = finished(tmp_path / "a"), finished(tmp_path / "b")
    for folder, started in ((older, "2026-01-01T00:00:00+00:00"), (newer, "2026-02-01T00:00:00+00:00")):
        record = json.loads((folder / "gate" / "step.json").read_text())
        (folder / "gate" / "step.json").write_text(json.dumps(record | {"started": started}))
    assert find_run(None, tmp_path) == newer
    assert find_run(older, tmp_path) == older
    (newer / "evaluation.json").unlink()
    assert find_run(None, tmp_path) == older, "a run that is not finished can answer nothing"
    with pytest.raises(UserError, match="not the folder of a run"):
        find_run(tmp_path, tmp_path)


def test_the_chosen_model_and_what_is_said_without_one(tmp_path: Path) -> None:
    folder = finished(tmp_path / "a")
    assert chosen_model(folder) == folder / "models" / "tiny-F16.gguf"
    summary = summary_of(folder)
    run_step("export", folder / "models", recipe(), ("sft",), {}, lambda out: (out / "tiny-F16.gguf").touch())
    with pytest.raises(UserError, match=r"files are gone.*stillroom run .*/a/recipe.yaml --run .*/a$"):
        chosen_model(folder)
    assert [run.state for run in list_runs(tmp_path)] == ["unfinished"]
    write_lineage(folder, recipe())
    (folder / "evaluation.json").write_text(json.dumps(summary | {"chosen": None}))
    with pytest.raises(UserError, match="no chosen model"):
        chosen_model(folder)
    (folder / "evaluation.json").unlink()
    with pytest.raises(UserError, match="no evaluation yet"):
        summary_of(folder)
