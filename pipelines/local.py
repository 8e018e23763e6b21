"""Run the compiled pipeline's own objects on this machine, through KFP's local runner."""

import contextlib
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, Protocol, TextIO

from pipelines.display import Display, Tail
from stillroom.errors import UserError
from stillroom.progress import FILE_VARIABLE
from stillroom.recipe.model import Recipe
from stillroom.track.layout import RUN_VARIABLE
from stillroom.track.process import PARENT_VARIABLE, end_children, identity
from stillroom.track.task import ERROR_VARIABLE, read_error

LOG = "log.txt"
SCRATCH = ".kfp"
"""Folder in the run where KFP keeps its notes while it runs; the outputs themselves lie in the steps' own folders."""

LARGEST_RECIPE = 100_000
"""Bytes. KFP hands the recipe to a step on its command line, where Linux takes at most 128 KiB in one piece."""


class Pipeline(Protocol):
    """A pipeline that can be called to run it."""

    def __call__(self, *, recipe: str) -> object:
        """Run it with the recipe's text."""


class StepError(Exception):
    """A step failed through no fault of the user's; its own traceback is a note of the exception."""


def run_pipeline(pipeline: Pipeline, recipe: Recipe, run: Path, display: Display) -> None:
    """Run every step of a pipeline that is not whole yet, into the folder `run`, which must be locked.

    `pipeline` is what `@dsl.pipeline` made; it takes the recipe's text.

    Raises UserError for the user's faults in any step, StepError for ours; on KeyboardInterrupt (and SIGTERM) the
    steps are ended first.
    """
    scratch = run / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    error, progress = scratch / "error.json", scratch / "progress.jsonl"
    variables = {
        RUN_VARIABLE: str(run),
        PARENT_VARIABLE: identity(),
        FILE_VARIABLE: str(progress),
        ERROR_VARIABLE: str(error),
        **_quiet_libraries(),
    }
    try:
        with (
            (run / LOG).open("a", encoding="utf-8") as log,
            _environment(variables),
            _sigterm_as_interrupt(),
            display,
            Tail(progress, display),
            _output_to(log),
        ):
            _run_kfp(pipeline, recipe, scratch)
    except KeyboardInterrupt:
        end_children()
        raise
    except Exception as failure:
        end_children()
        _explain(failure, run, error)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def recipe_text(recipe: Recipe) -> str:
    """The recipe as the pipeline's parameter: JSON, which is YAML too.

    KFP's local runner fills in whatever looks like one of its placeholders, `{{$`, so no text may hold it as such.
    """
    text = recipe.model_dump_json().replace("{{$", "{\\u007b$")
    if len(text.encode()) > LARGEST_RECIPE:
        raise UserError(
            f"The recipe is too long: {len(text.encode())} bytes, at most {LARGEST_RECIPE}. "
            "Move what it holds, such as long lists under labelling, into the data files."
        )
    return text


def _run_kfp(pipeline: Pipeline, recipe: Recipe, scratch: Path) -> None:
    from kfp import local

    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(scratch / "steps"),
        workspace_root=str(scratch / "workspace"),
    )
    with _runner_put_right():
        pipeline(recipe=recipe_text(recipe))


@contextlib.contextmanager
def _runner_put_right() -> Iterator[None]:
    """Mend four things of KFP's local runner while the pipeline runs.

    It replaces every "python3" in a task's command by the interpreter's path, unquoted: that breaks where the path
    holds a space, and changes "python3" inside recipes and file names too. Its shell line leaves a temporary folder
    behind; and with `-m` alone a module in the user's current folder could stand in for one of ours, which `-P`
    prevents. And after a failed step it goes on with all steps that do not need it, which may take many minutes.
    """
    from kfp.local import subprocess_task_handler as handler

    find_python, run_step = handler.replace_python_executable, handler.run_local_subprocess

    def command(full_command: list[str], new_executable: str) -> list[str]:
        shell, flag, script, *rest = full_command
        script = script.replace("python3 -m", f"{shlex.quote(new_executable)} -P -m")
        return [shell, flag, f"trap 'rm -rf \"$program_path\"' EXIT\n{script}", *rest]

    def run_or_stop(full_command: list[str], env_vars: dict[str, str] | None = None) -> int:
        code: int = run_step(full_command, env_vars)
        if code:
            raise StepError(f"exit code {code}")
        return code

    handler.replace_python_executable, handler.run_local_subprocess = command, run_or_stop
    try:
        yield
    finally:
        handler.replace_python_executable, handler.run_local_subprocess = find_python, run_step


def _explain(failure: Exception, run: Path, error: Path) -> NoReturn:
    """Raise what the user should read in place of KFP's own words."""
    if isinstance(failure, UserError):
        raise failure
    note = read_error(error)
    log = run / LOG
    if note is not None and note["user"]:
        raise UserError(note["message"]) from None
    if note is not None:
        ours = StepError(f"{note['step']} failed: {note['kind']}: {note['message']} (log: {log})")
        ours.add_note(note["traceback"])
        raise ours from None
    if shutil.disk_usage(run).free < 2**20:
        raise UserError(
            f"The disk is full: {run}. Free some room and run the same command again; it goes on from here."
        ) from None
    raise StepError(
        f"A step ended without a word ({failure}). Often that is the system stopping it for want of memory. Log: {log}"
    ) from failure


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _quiet_libraries() -> dict[str, str]:
    """No library phones home, and our packages are found wherever the command is called from."""
    here = str(Path(__file__).resolve().parents[1])
    return {
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")])),
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


@contextlib.contextmanager
def _output_to(log: TextIO) -> Iterator[None]:
    with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        try:
            yield
        finally:
            sys.stdout.flush()


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    def interrupt(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
