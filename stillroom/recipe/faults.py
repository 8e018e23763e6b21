"""What is wrong with a recipe, and where."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from stillroom.errors import UserError

Step = str | int
Place = tuple[Step, ...]


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong: line and column count from 1, `path` is like `data.sources[0].sample`."""

    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.path}: {self.message}" if self.path else self._without_path()

    def _without_path(self) -> str:
        return f"{self.line}:{self.column}: {self.message}"


class RecipeError(UserError):
    """A recipe that cannot be used; `faults` holds everything that is wrong with it, in the order of the lines."""

    def __init__(self, file: str, faults: Iterable[Fault]) -> None:
        self.file = file
        self.faults = sorted(set(faults))
        super().__init__("\n".join(f"{file}:{fault}" for fault in self.faults))


def path_text(place: Place) -> str:
    """`("data", "sources", 0)` as `data.sources[0]`."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def suggest(word: object, known: Iterable[str], *, otherwise: str | None = None) -> str:
    """The end of a message about an unknown word: the nearest known one, else `otherwise` or all of them."""
    choices = list(known)
    near = difflib.get_close_matches(str(word), choices, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return otherwise or (f"write one of {', '.join(choices)}" if choices else "remove it")


@dataclass(frozen=True)
class Finding:
    """A fault whose line is not known yet; `of_key` when it is about the key rather than its value."""

    place: Place
    message: str
    of_key: bool = False
