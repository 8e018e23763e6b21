"""A recipe's teacher, opened: its cache, its job's budget, its endpoint."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from stillroom.errors import UserError
from stillroom.models.base import packaged_gguf
from stillroom.models.cache import cache_folder
from stillroom.recipe.model import Recipe
from stillroom.recipe.teacher import PACKAGED_ENDPOINT
from stillroom.teacher.cache import AnswerCache
from stillroom.teacher.client import Client
from stillroom.teacher.packaged import packaged_server


def cache_file() -> Path:
    """Where all answers are kept, whichever recipe they were asked for."""
    return cache_folder() / "teacher" / "answers.sqlite"


@contextmanager
def open_teacher(recipe: Recipe, task: str) -> Iterator[Client]:
    """The client of a recipe's teacher. What `task` ("annotate", "distil", …) cost for this recipe before counts
    towards the budget. UserError with everything that is wrong, before anything is asked."""
    cache = AnswerCache(cache_file(), f"{task} {recipe.name}")
    with ExitStack() as stack:
        stack.callback(cache.close)
        teacher = recipe.teacher
        packaged = teacher.base_url == PACKAGED_ENDPOINT
        address = stack.enter_context(packaged_server(teacher)) if packaged else None
        yield stack.enter_context(Client(teacher, cache, address))


def probe_teacher(recipe: Recipe) -> list[str]:
    """What is wrong with the teacher, without asking it anything that costs; for checks before a run.

    The packaged one is not started for that.
    """
    try:
        if recipe.teacher.base_url == PACKAGED_ENDPOINT:
            packaged_gguf()
            return []
        with open_teacher(recipe, "probe"):
            return []
    except UserError as error:
        return str(error).splitlines()
