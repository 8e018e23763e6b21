"""KFP's local runner, driven as `stillroom run` drives it: order, errors, interruptions, leftovers."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from kfp import dsl
from kfp.dsl import Dataset, Input, Model, Output

from components import IMAGE
from pipelines.display import Lines
from pipelines.local import StepError, recipe_text, run_pipeline
from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.track.run import locked

# A pipeline of four quick steps, made as the real one is. Its behaviour is set through the recipe's instruction.


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def prepare(recipe: str, data: Output[Dataset]) -> None:
    from pathlib import Path

    from stillroom.errors import UserError
    from stillroom.track.step import run_step
    from stillroom.track.task import read_recipe, task

    with task("prepare", data) as out:
        spec = read_recipe(recipe)

        def build(to: Path) -> None:
            print("a line for the log")
            (to / "instruction.txt").write_text(spec.instruction)
            if "bad data" in spec.instruction:
                raise UserError("The file has no rows.\nGive it some.")
            if "our fault" in spec.instruction:
                raise KeyError("x")
            if "dies" in spec.instruction:
                import os

                os._exit(137)

        run_step("prepare", out, spec, ("instruction",), {}, build)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(recipe: str, data: Input[Dataset], sft: Output[Model]) -> str:
    from pathlib import Path

    from stillroom.progress import track
    from stillroom.track.step import run_step
    from stillroom.track.task import read_recipe, task

    with task("train-sft", sft) as out:
        spec, text = read_recipe(recipe), Path(data.path, "instruction.txt").read_text()

        def build(to: Path) -> None:
            import os
            import time

            state = to / "checkpoints" / "state"
            state.parent.mkdir(exist_ok=True)
            done = state.read_text() if state.exists() else ""
            for place in track(range(len(done), 20), "SFT", 20 - len(done)):
                done += str(place % 10)
                state.write_text(done)
                while done == "01234" and os.environ.get("HOLD_TRAINING"):
                    time.sleep(0.05)
            (to / "weights.txt").write_text(done)

        run_step("train-sft", out, spec, ("sft",), {"data": Path(data.path)}, build)
        return "rejected" if "poor" in text else "passed"


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def unrelated(recipe: str, evaluation: Output[Model]) -> None:
    from stillroom.track.step import run_step
    from stillroom.track.task import read_recipe, task

    with task("evaluate-base", evaluation) as out:
        run_step("evaluate-base", out, read_recipe(recipe), (), {}, lambda to: (to / "a").write_text("1"))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(recipe: str, sft: Input[Model], registration: Output[Model]) -> None:
    from pathlib import Path

    from stillroom.track.step import run_step
    from stillroom.track.task import read_recipe, task

    with task("register", registration) as out:
        inputs = {"sft": Path(sft.path)}
        run_step("register", out, read_recipe(recipe), (), inputs, lambda to: (to / "a").write_text("1"))


@dsl.pipeline(name="tiny")
def tiny(recipe: str) -> None:
    data = prepare(recipe=recipe)
    trained = train(recipe=recipe, data=data.outputs["data"])
    unrelated(recipe=recipe)
    with dsl.If(trained.outputs["Output"] == "passed"):
        register(recipe=recipe, sft=trained.outputs["sft"])


def recipe(instruction: str = "Say it.") -> Recipe:
    source = {"kind": "csv", "path": "a.csv"}
    return Recipe.model_validate({"name": "tiny", "instruction": instruction, "data": {"sources": [source]}})


def run(folder: Path, instruction: str = "Say it.") -> list[str]:
    """Run the tiny pipeline; returns the lines that the user saw."""
    stream = io.StringIO()
    with locked(folder):
        run_pipeline(tiny, recipe(instruction), folder, Lines(stream))
    return stream.getvalue().splitlines()


def seen(lines: list[str]) -> list[str]:
    return sorted(line.partition(" in ")[0] for line in lines)


def test_a_run_and_a_second_one_that_keeps_everything(tmp_path: Path) -> None:
    folder = tmp_path / "a python3 folder"  # KFP would spoil this name, and break at the spaces
    lines = run(folder)
    assert seen(lines) == sorted(
        f"{step}: {word}"
        for step in ("prepare", "train-sft", "evaluate-base", "register")
        for word in ("started", "done")
    )
    assert lines.index("prepare: started") < lines.index("train-sft: started") < lines.index("register: started")
    assert (folder / "sft" / "weights.txt").read_text() == "01234567890123456789"
    assert "a line for the log" in (folder / "log.txt").read_text()
    assert not (folder / ".kfp").exists()
    assert seen(run(folder)) == ["evaluate-base: kept", "prepare: kept", "register: kept", "train-sft: kept"]


def test_the_recipe_arrives_as_it_was_written(tmp_path: Path) -> None:
    instruction = "{{$}} and {{$.inputs}}, python3 -m x, quotes \" ' \\ `x` $HOME, 日本語\n"
    run(tmp_path, instruction)
    assert (tmp_path / "data" / "instruction.txt").read_text() == instruction


def test_a_rejected_model_is_not_registered(tmp_path: Path) -> None:
    lines = run(tmp_path, "poor")
    assert "train-sft: done" in seen(lines)
    assert not any(line.startswith("register") for line in lines)
    assert not (tmp_path / "register").exists()


def test_the_users_fault_is_what_the_user_reads(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        run(tmp_path, "bad data")
    assert str(caught.value) == "The file has no rows.\nGive it some."
    assert not (tmp_path / "data").exists()


def test_our_fault_names_the_step_and_the_log_and_keeps_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"^prepare failed: KeyError: 'x' \(log: .*log\.txt\)") as caught:
        run(tmp_path, "our fault")
    assert "in build" in caught.value.__notes__[0]


def test_nothing_else_starts_after_a_failure(tmp_path: Path) -> None:
    """KFP's runner goes on with what does not need the failed step; that may be long, and is for nothing."""
    stream = io.StringIO()
    with pytest.raises(UserError):
        run_pipeline(tiny, recipe("bad data"), tmp_path, Lines(stream))
    after = stream.getvalue().partition("prepare: failed\n")[2]
    assert after == ""


def test_a_step_that_vanishes_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="ended without a word"):
        run(tmp_path, "dies")


def test_a_recipe_that_is_too_long_for_a_command_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="The recipe is too long"):
        recipe_text(recipe("x" * 200_000))
    assert len(recipe_text(recipe("x" * 90_000))) > 90_000


def test_the_environment_and_the_output_are_as_before(tmp_path: Path) -> None:
    before, streams = dict(os.environ), (sys.stdout, sys.stderr)
    handler = signal.getsignal(signal.SIGTERM)  # another test's library may have put its own there
    run(tmp_path)
    assert dict(os.environ) == before
    assert (sys.stdout, sys.stderr) == streams
    assert signal.getsignal(signal.SIGTERM) is handler


RUNNER = """
import signal
import sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in what it starts in the background
sys.path.insert(0, sys.argv[1])
from test_local import run
run(Path(sys.argv[2]))
"""


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Run the pipeline in another process, and return it held in the middle of its training."""
    here = str(Path(__file__).parent)
    held = {**os.environ, "HOLD_TRAINING": "1"}
    process = subprocess.Popen([sys.executable, "-c", RUNNER, here, str(folder)], start_new_session=True, env=held)
    until = time.monotonic() + 30
    while not list(folder.glob(".sft.partial-*/checkpoints/state")):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.05)
    return process


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_was_stopped_goes_on_and_ends_the_same(
    tmp_path: Path, uninterrupted: Path, number: signal.Signals
) -> None:
    process = start(tmp_path / "stopped")
    below = psutil.Process(process.pid).children(recursive=True)
    assert below
    with pytest.raises(UserError, match="is running there"), locked(tmp_path / "stopped"):
        pass
    os.kill(process.pid, number)
    process.wait(timeout=20)
    _gone, alive = psutil.wait_procs(below, timeout=5)
    assert not alive, "no step outlives its runner"
    assert not (tmp_path / "stopped" / "sft").exists()
    state = next((tmp_path / "stopped").glob(".sft.partial-*/checkpoints/state")).read_text()
    assert 0 < len(state) < 20

    lines = run(tmp_path / "stopped")
    assert "prepare: kept" in lines
    records = [json.loads((place / "sft" / "step.json").read_text()) for place in (tmp_path / "stopped", uninterrupted)]
    assert records[0]["outputs"] == records[1]["outputs"]
    assert records[0]["key"] == records[1]["key"]
