"""A recipe's teacher, opened: its cache, its job's budget, its endpoint."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stillroom.errors import UserError
from stillroom.models.cache import cache_folder
from stillroom.recipe.model import Recipe
from stillroom.teacher.cache import AnswerCache
from stillroom.teacher.client import Client


def cache_file() -> Path:
    """Where all answers are kept, whichever recipe they were asked for."""
    return cache_folder() / "teacher" / "answers.sqlite"


@contextmanager
def open_teacher(recipe: Recipe, task: str) -> Iterator[Client]:
    """The client of a recipe's teacher. What `task` ("annotate", "distil", …) cost for this recipe before counts
    towards the budget. UserError with everything that is wrong, before anything is asked."""
    cache = AnswerCache(cache_file(), f"{task} {recipe.name}")
    try:
        with Client(recipe.teacher, cache) as client:
            yield client
    finally:
        cache.close()


def probe_teacher(recipe: Recipe) -> list[str]:
    """What is wrong with the teacher, without asking it anything that costs; for checks before a run."""
    try:
        with open_teacher(recipe, "probe"):
            return []
    except UserError as error:
        return str(error).splitlines()
