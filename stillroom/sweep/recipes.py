"""The recipe of each variant, checked before anything is trained."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stillroom.errors import UserError
from stillroom.recipe.load import changed
from stillroom.recipe.model import Recipe
from stillroom.sweep.grid import Variant


def recipes(recipe: Recipe, variants: Sequence[Variant], folder: Path) -> list[Recipe]:
    """The recipe of each variant; relative paths are meant from `folder`.

    Raises UserError with every fault of all of them at once, each said once.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    made: list[Recipe] = []
    for variant in variants:
        one, faults = changed(recipe, _nested(variant.change), folder)
        for fault in faults:
            found[fault].append(variant.name)
        if one is not None:
            made.append(one)
    if found:
        lines = [f"{fault} ({_where(names, len(variants))})" for fault, names in found.items()]
        raise UserError("\n".join(["Nothing was started: variants of the grid are no sound recipes.", *lines]))
    return made


def _nested(change: dict[str, Any]) -> dict[tuple[str, ...], Any]:
    return {tuple(key.split(".")): value for key, value in change.items()}


def _where(names: Sequence[str], total: int) -> str:
    return f"in {names[0]}" if len(names) == 1 else f"in {len(names)} of {total} variants, the first is {names[0]}"
