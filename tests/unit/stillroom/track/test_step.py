"""A step is built once, is whole or absent, and goes on where it stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.track import step
from stillroom.track.step import fingerprint, run_step, step_key, whole_record


def recipe(**changes: object) -> Recipe:
    document = {"name": "tiny", "instruction": "Say it.", "data": {"sources": [{"kind": "csv", "path": "a.csv"}]}}
    return Recipe.model_validate(document | changes)


class Builder:
    """Writes one file and counts how often it is asked to."""

    def __init__(self, text: str = "hello") -> None:
        self.calls, self.text = 0, text

    def __call__(self, out: Path) -> None:
        self.calls += 1
        (out / "deep").mkdir(exist_ok=True)
        (out / "deep" / "file.txt").write_text(self.text)


def build_into(out: Path, builder: Builder, spec: Recipe, inputs: dict[str, Path | str] | None = None) -> dict:
    return run_step("prepare", out, spec, ("instruction", "sft"), inputs or {}, builder)


def test_a_whole_step_is_kept(tmp_path: Path) -> None:
    builder = Builder()
    first = build_into(tmp_path / "data", builder, recipe())
    second = build_into(tmp_path / "data", builder, recipe())
    assert builder.calls == 1
    assert first == second == json.loads((tmp_path / "data" / "step.json").read_text())
    assert list(first["outputs"]) == ["deep/file.txt"]
    assert first["seed"] == 0


def test_only_a_section_that_the_step_reads_counts(tmp_path: Path) -> None:
    builder = Builder()
    build_into(tmp_path / "data", builder, recipe())
    build_into(tmp_path / "data", builder, recipe(export={"formats": ["F16"]}))
    assert builder.calls == 1
    build_into(tmp_path / "data", builder, recipe(sft={"epochs": 3}))
    assert builder.calls == 2
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name or "old" in path.name] == []


def test_a_change_goes_through_to_every_step_after_it(tmp_path: Path) -> None:
    one, two = Builder(), Builder()
    for epochs in (1, 1, 2):
        spec = recipe(sft={"epochs": epochs})
        run_step("train-sft", tmp_path / "sft", spec, ("sft",), {}, one)
        run_step("export", tmp_path / "models", spec, ("export",), {"sft": tmp_path / "sft"}, two)
    assert (one.calls, two.calls) == (2, 2)


def test_a_step_that_lost_a_file_is_built_again(tmp_path: Path) -> None:
    builder = Builder()
    build_into(tmp_path / "data", builder, recipe())
    (tmp_path / "data" / "deep" / "file.txt").write_text("cut")
    assert whole_record(tmp_path / "data") is None
    build_into(tmp_path / "data", builder, recipe())
    assert builder.calls == 2


def test_an_error_leaves_the_old_outputs_and_the_unfinished_ones_beside_them(tmp_path: Path) -> None:
    out = tmp_path / "sft"
    build_into(out, Builder("old"), recipe())

    def fails(folder: Path) -> None:
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "step-1").write_text("1")
        raise RuntimeError("power")

    changed = recipe(sft={"epochs": 3})
    with pytest.raises(RuntimeError, match="power"):
        run_step("prepare", out, changed, ("instruction", "sft"), {}, fails)
    assert (out / "deep" / "file.txt").read_text() == "old"

    def goes_on(folder: Path) -> None:
        assert (folder / "checkpoints" / "step-1").read_text() == "1"
        (folder / "adapter").write_text("new")

    run_step("prepare", out, changed, ("instruction", "sft"), {}, goes_on)
    assert sorted(path.name for path in out.iterdir()) == ["adapter", "step.json"]


def test_unfinished_outputs_of_another_key_are_removed(tmp_path: Path) -> None:
    stale = tmp_path / ".data.partial-0123456789ab"
    stale.mkdir()
    (stale / "file").write_text("x")
    build_into(tmp_path / "data", Builder(), recipe())
    assert not stale.exists()


def test_files_that_a_killed_process_was_writing_are_no_outputs(tmp_path: Path) -> None:
    def dies(folder: Path) -> None:
        (folder / ".rows.jsonl.partial-99").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run_step("prepare", tmp_path / "data", recipe(), (), {}, dies)
    record = run_step("prepare", tmp_path / "data", recipe(), (), {}, Builder())
    assert list(record["outputs"]) == ["deep/file.txt"]


@pytest.mark.parametrize("renames", [0, 1])
def test_a_process_that_dies_while_swapping_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    out, builder = tmp_path / "data", Builder("new")
    build_into(out, Builder("old"), recipe())
    done = []
    rename = Path.rename

    def dies_at_rename(self: Path, target: Path) -> Path:
        if len(done) == renames:
            raise KeyboardInterrupt
        done.append(target)
        return rename(self, target)

    changed = recipe(sft={"epochs": 3})
    monkeypatch.setattr(Path, "rename", dies_at_rename)
    with pytest.raises(KeyboardInterrupt):
        build_into(out, builder, changed)
    monkeypatch.undo()
    build_into(out, builder, changed)
    assert builder.calls == 1, "what was whole already is only moved into place"
    assert (out / "deep" / "file.txt").read_text() == "new"


def test_the_old_outputs_come_back_after_a_half_swap(tmp_path: Path) -> None:
    out, builder = tmp_path / "data", Builder("old")
    build_into(out, builder, recipe())
    out.rename(tmp_path / ".data.old")
    build_into(out, builder, recipe())
    assert builder.calls == 1


def test_a_full_disk_is_the_users_and_nothing_is_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="disk is full"):
        build_into(tmp_path / "data", Builder(), recipe())
    assert not (tmp_path / "data").exists()


def test_a_library_that_words_a_full_disk_itself_is_understood(tmp_path: Path) -> None:
    def full(folder: Path) -> None:
        raise RuntimeError("Error while serializing: IoError(No space left on device (os error 28))")

    with pytest.raises(UserError, match="disk is full"):
        run_step("prepare", tmp_path / "data", recipe(), (), {}, full)


CHILD = """
import sys, time
from pathlib import Path
from stillroom.recipe.model import Recipe
from stillroom.track.step import run_step

def build(out):
    checkpoint = out / "checkpoints" / "done"
    checkpoint.parent.mkdir(exist_ok=True)
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    while done < 10:
        done += 1
        with (out / "curve.txt").open("a" if done > 1 else "w") as stream:
            stream.write(f"{done}\\n")
        checkpoint.write_text(str(done))
        print(done, flush=True)
        time.sleep(float(sys.argv[2]))

recipe = Recipe.model_validate_json(sys.argv[3])
run_step("train-sft", Path(sys.argv[1]), recipe, ("sft",), {}, build)
"""


def test_killed_in_the_middle_and_run_again_the_result_is_the_same(tmp_path: Path) -> None:
    def start(out: Path, pause: str) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", CHILD, str(out), pause, recipe().model_dump_json()]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)

    whole = start(tmp_path / "whole", "0")
    assert whole.wait() == 0
    killed = start(tmp_path / "killed", "5")
    assert killed.stdout is not None
    assert [killed.stdout.readline(), killed.stdout.readline()] == ["train-sft: start\n", "1\n"]
    time.sleep(0.2)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed").exists()
    again = start(tmp_path / "killed", "0")
    output, _ = again.communicate()
    assert again.returncode == 0
    assert not output.startswith("train-sft: start\n1\n"), "it went on from its checkpoint"
    records = [json.loads((tmp_path / name / "step.json").read_text()) for name in ("whole", "killed")]
    assert records[0]["outputs"] == records[1]["outputs"]
    assert records[0]["key"] == records[1]["key"]


def test_fingerprints(tmp_path: Path) -> None:
    file, folder = tmp_path / "a.csv", tmp_path / "maildir"
    file.write_text("text,label\n")
    folder.mkdir()
    (folder / "1.eml").write_text("Subject: x\n")
    before = fingerprint(file), fingerprint(folder)
    (folder / "1.eml").write_text("Subject: y\n")
    assert fingerprint(file) == before[0]
    assert fingerprint(folder) != before[1]
    assert fingerprint("sqlite:///x") == "sqlite:///x"
    with pytest.raises(UserError, match="No such file"):
        fingerprint(tmp_path / "missing")


texts = st.text(max_size=8)


@given(st.dictionaries(texts, texts), st.dictionaries(texts, texts))
def test_keys_are_equal_exactly_where_the_inputs_are(one: dict[str, str], other: dict[str, str]) -> None:
    keys = [step_key("export", recipe(), ("export",), inputs) for inputs in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


def test_the_library_versions_are_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = step_key("export", recipe(), (), {})
    monkeypatch.setattr(step, "library_versions", lambda: {"torch": "0"})
    assert step_key("export", recipe(), (), {}) != before
