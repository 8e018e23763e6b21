"""A pipeline task around a step: where its folder lies, who hears of its errors, and when it must end."""

import atexit
import gc
import json
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from stillroom.errors import UserError
from stillroom.files import write_json
from stillroom.recipe.document import parse_document
from stillroom.recipe.faults import RecipeError
from stillroom.recipe.model import Recipe
from stillroom.track.layout import FOLDERS, RUN_VARIABLE
from stillroom.track.process import stop_with_parent
from stillroom.track.step import announce

ERROR_VARIABLE = "STILLROOM_ERROR"
"""Environment variable with the file in which the runner looks for a task's error; unset on a cluster."""


class Artifact(Protocol):
    """What a task needs of the artifact that its pipeline gave it."""

    uri: str

    @property
    def path(self) -> str:
        """The local path behind `uri`."""


@contextmanager
def task(name: str, artifact: Artifact) -> Iterator[Path]:
    """Yield the folder for the step's outputs.

    On a cluster that is the artifact's own path. In a local run it is the step's tidy place in the run folder, and
    the artifact is pointed at it, so that the next tasks find it there. An error inside is left in the file named by
    STILLROOM_ERROR, from which the runner tells the user; then it goes on its way.
    """
    run = os.environ.get(RUN_VARIABLE)
    if run:
        artifact.uri = str(Path(run) / FOLDERS[name])
    stop_with_parent()
    # Python looks through every object that torch and its friends made, several times, before it ends: 1.5 s a step.
    atexit.register(gc.freeze)
    try:
        yield Path(artifact.path)
    except Exception as error:
        with suppress(OSError, UserError):  # on a full disk the error itself matters more than its note
            write_error(name, error)
            announce(name, "failed")
        raise


def write_error(step: str, error: Exception) -> None:
    """Leave the error for the runner; the user's own faults are marked as such."""
    path = os.environ.get(ERROR_VARIABLE)
    if path:
        note = {
            "step": step,
            "user": isinstance(error, UserError),
            "message": str(error) or type(error).__name__,
            "kind": type(error).__name__,
            "traceback": "".join(traceback.format_exception(error)),
        }
        write_json(Path(path), note)


def read_error(path: Path) -> dict[str, Any] | None:
    """The error that a task left, or None."""
    try:
        error: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return error
    except (OSError, ValueError):
        return None


def read_recipe(text: str) -> Recipe:
    """The recipe from a pipeline's parameter: JSON from `stillroom run`, on a cluster also YAML written by hand."""
    try:
        return Recipe.model_validate_json(text)
    except ValueError:
        document = parse_document(text)
    if document.faults:
        raise RecipeError("recipe", document.faults)
    return Recipe.model_validate(document.data)


def source_files(recipe: Recipe, base: Path) -> dict[str, Path]:
    """The local files and folders that the data step reads; what does not exist is the step's to report."""
    toxicity = recipe.data.cleaning.toxicity
    lists = toxicity.lists if toxicity else []
    files = {f"word list {path}": base / path for path in lists if (base / path).exists()}
    read = recipe.data.sources + (recipe.pretrain.sources if recipe.pretrain else [])
    for number, source in enumerate(read):
        paths = [*([source.path] if hasattr(source, "path") else []), *getattr(source, "skip_ids_in", [])]
        for path in paths:
            if (base / path).exists():
                files[f"source {number}: {path}"] = base / path
    return files
