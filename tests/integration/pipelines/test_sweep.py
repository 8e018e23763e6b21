"""A sweep over a tiny model: a variant that fails, a kill in the middle, and one look at the test split."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from stillroom.cli import group
from stillroom.files import read_json, read_jsonl
from stillroom.models.cache import CACHE_VARIABLE

ROOT = Path(__file__).parents[3]
AXES = ("--grid", "sft.target_modules=[all-linear,[nope]]", "data.balance=[none,downsample]")
GRID = (*AXES, "--sample", "3", "--seed", "1")
"""Three points of two by two, of which the last one fails; each costs seconds."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CACHE_VARIABLE, str(ROOT / ".cache" / "stillroom"))  # the converter is unpacked only once
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setitem(group.COMMANDS, "sweep", ("pipelines.sweep_cli:sweep", "Compare variants."))


def until(what: Any, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def test_a_killed_sweep_goes_on_and_looks_at_test_once(
    tmp_path: Path, tiny_recipe: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    tiny_recipe["data"]["split"] = {"train": 0.5, "validation": 0.25, "test": 0.25}
    (tmp_path / "tiny.yaml").write_text(json.dumps(tiny_recipe))
    at = tmp_path / "runs" / "sweeps" / "tiny"
    first, second = (at / f"balance-{how}_target_modules-all-linear" for how in ("none", "downsample"))

    killed = subprocess.Popen([sys.executable, "-m", "stillroom.cli", "sweep", "tiny.yaml", *GRID])
    try:
        until(lambda: (at / "sweep.json").exists())
        steps = psutil.Process(killed.pid).children(recursive=True)
    finally:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    until(lambda: not any(step.is_running() and step.status() != psutil.STATUS_ZOMBIE for step in steps))
    state = read_json(at / "sweep.json")
    assert [row["state"] for row in state["variants"]] == ["done", "waiting", "waiting"]
    assert state["test"] is None, "test is looked at when every variant has had its turn"
    capfd.readouterr()

    assert group.run(["sweep", "tiny.yaml", *GRID]) == 3
    shown = capfd.readouterr()
    assert "1/3 balance-none_target_modules-all-linear: kept" in shown.err
    assert "names no layer of" in shown.out and "On test, scored once" in shown.out
    state = read_json(at / "sweep.json")
    assert [row["state"] for row in state["variants"]] == ["done", "done", "failed"]
    assert "'nope'" in state["variants"][2]["reason"]
    assert {state["best"], state["next"]} == {first.name, second.name}
    assert state["variants"][0]["rows"] == len(list(read_jsonl(first / "data" / "validation.jsonl"))) == 15
    nope = at / state["variants"][2]["name"]
    assert nope.name.startswith("balance-none_target_modules-nope-"), "the list of one is not the word"
    same = [(one / "data" / "train.jsonl").stat().st_ino for one in (first, nope)]
    assert same[0] == same[1], "variants with the same data share it"
    assert not list(at.rglob("model.gguf")) or list(at.rglob("model.gguf")) == [at / "test/evaluations/sft/model.gguf"]
    gold = {row["id"] for row in read_jsonl(first / "data" / "test.jsonl")}
    assert {row["id"] for row in read_jsonl(at / "test/evaluations/sft/answers.jsonl")} == gold
    page = (at / "sweep.html").read_text()
    assert "1 failed" in page and "scored once" in page

    # A part of the grid again: all of it is kept, and test is left alone.
    before = (at / "test/evaluations/sft/step.json").stat().st_mtime_ns, state["test"]
    again = ["sweep", "tiny.yaml", "sft.target_modules=[all-linear]", "data.balance=[none,downsample]"]
    assert group.run(again) == 0
    assert "started" not in capfd.readouterr().err
    state = read_json(at / "sweep.json")
    assert [row["state"] for row in state["variants"]] == ["done", "done"]
    assert ((at / "test/evaluations/sft/step.json").stat().st_mtime_ns, state["test"]) == before
    assert group.run(["check", str(at / "best.yaml")]) == 0


def test_faults_of_the_grid_come_at_once_and_before_anything(
    tmp_path: Path, tiny_recipe: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.yaml").write_text(json.dumps(tiny_recipe))
    assert group.run(["sweep", "tiny.yaml", "--grid", "sft.los=[full]", "export.formats=[F16]"]) == 2
    err = capfd.readouterr().err
    assert "sft.los: unknown key; did you mean 'sft.loss'?" in err and "export.formats: changes nothing" in err
    assert group.run(["sweep", "tiny.yaml", "--grid", "sft.loss=[response,ful]", "sft.rank=[0,4]"]) == 2
    err = capfd.readouterr().err
    assert "sft.loss: 'ful' is unknown; did you mean 'full'? (in 2 of 4 variants" in err
    assert "sft.lora.rank: must be more than 0, not 0" in err
    (tmp_path / "rows.csv").write_text("body,label\nhello,x\n")
    assert group.run(["sweep", "tiny.yaml", "sft.loss=[full]"]) == 2
    assert "has no column text" in capfd.readouterr().err
    assert not (tmp_path / "runs").exists()
