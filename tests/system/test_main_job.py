"""The main job as a user starts it, on the packaged model: killed three times, it ends as if it had never been."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stillroom.models.cache import CACHE_VARIABLE
from stillroom.recipe.load import load_recipe

ROOT = Path(__file__).parents[2]
STILLROOM = str(Path(sys.executable).with_name("stillroom"))
REJECTED = 3
SPEEDS = {"seconds", "seconds_per_row", "tokens_per_second", "seconds_per_mail"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small recipe made of the demo's own: generated mail alone, a few training steps."""
    folder = tmp_path_factory.mktemp("work")
    recipe = load_recipe(ROOT / "recipes" / "email-events.yaml").model_dump(mode="json")
    recipe["data"]["sources"] = [{"kind": "generated-event-mail", "sample": 14, "languages": {"en": 1}}]
    recipe["sft"].update(epochs=1, batch_size=6)
    recipe["dpo"].update(pairs=4, batch_size=2)
    recipe["export"].update(formats=["F16", "Q8_0"])
    (folder / "mails.yaml").write_text(json.dumps(recipe))
    return folder


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, CACHE_VARIABLE: str(ROOT / ".cache" / "stillroom")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.Popen(
        [STILLROOM, *arguments],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if arguments[0] == "run" else subprocess.PIPE,
    )


def finish(folder: Path, *arguments: str) -> tuple[int, str]:
    process = start(folder, *arguments)
    shown = process.communicate(timeout=1500)[0]
    return process.returncode, shown


def kill_when(folder: Path, run: str, pattern: str) -> None:
    """Start the run, and kill -9 its command when a file matches."""
    process = start(folder, "run", "mails.yaml", "--run", run)
    until = time.monotonic() + 900
    while not list((folder / run).glob(pattern)):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until, f"{pattern} did not come"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)


def without_speeds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_speeds(item) for key, item in value.items() if key not in SPEEDS}
    return [without_speeds(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def runs(folder: Path) -> Iterator[tuple[Path, Path, str]]:
    status, shown = finish(folder, "run", "mails.yaml", "--run", "whole")
    assert status in (0, REJECTED), shown
    kill_when(folder, "killed", ".sft.partial-*/checkpoints/checkpoint-*/whole")
    kill_when(folder, "killed", ".dpo.partial-*/checkpoints/checkpoint-*/whole")
    kill_when(folder, "killed", ".measure.partial-*/F16")
    again, shown = finish(folder, "run", "mails.yaml", "--run", "killed")
    assert again == status, shown
    yield folder / "whole", folder / "killed", shown


def test_a_killed_run_ends_the_same(runs: tuple[Path, Path, str]) -> None:
    whole, killed, shown = runs
    for step in ("prepare", "sft", "preferences", "dpo"):
        assert f"{step}: started" not in shown, "what was whole is kept"
    for name in ("sft/adapter/adapter_model.safetensors", "dpo/adapter/adapter_model.safetensors"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()
    assert json.loads((killed / "sft" / "training.json").read_text())["resumed_from_step"] > 0
    one, other = (json.loads((run / "evaluation.json").read_text()) for run in (whole, killed))
    assert without_speeds(one["models"]) == without_speeds(other["models"])
    assert not list(killed.glob("**/*.partial*")), "nothing half-made is left"
    assert not list(killed.glob("**/checkpoints")), "nor what only an interrupted training needs"


def test_the_specialist_answers_under_its_schema(folder: Path, runs: tuple[Path, Path, str]) -> None:
    mail = (
        "From: Ann <ann@a.example>\nDate: Mon, 02 Mar 2026 09:00:00 +0000\nSubject: Lunch\n\nLunch on 5 March at noon."
    )
    asked = start(folder, "ask", "--run", "killed", mail)
    shown, _told = asked.communicate(timeout=300)
    assert asked.returncode == 0
    answer = json.loads(shown)
    assert list(answer) == ["category", "events"]
    assert answer["category"] in ("event", "spam", "other")
