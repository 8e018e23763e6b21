"""sweep.json: one row a variant, which is best, and the one score on test."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stillroom.errors import UserError
from stillroom.files import read_json, write_json
from stillroom.recipe.model import Recipe
from stillroom.sweep.grid import Axis, Variant
from stillroom.sweep.table import compared, measured
from stillroom.track.layout import FOLDERS
from stillroom.track.step import recipe_sha256, whole_record

Json = dict[str, Any]

STATE = "sweep.json"
BEST = "best.yaml"
TEST = "test"
"""Folder of the best variant's score on test; no variant is called so, because their names begin with a key."""


def opened(folder: Path, recipe: Recipe, axes: Sequence[Axis], variants: Sequence[Variant]) -> Json:
    """The state to go on from: this grid's variants, behind them what earlier grids of the same recipe measured here.

    Raises UserError where the test split was scored for another recipe in this folder: it is scored once.
    """
    old = read_json(folder / STATE) if (folder / STATE).is_file() else None
    sha256 = recipe_sha256(recipe)
    if old is not None and old["recipe_sha256"] != sha256:
        if old["test"] is not None:
            raise UserError(
                f"{folder} holds a sweep of this recipe as it was before, whose best variant has been scored on test. "
                "Choose another folder with --run DIR."
            )
        old = None
    before = {row["name"]: row for row in old["variants"]} if old else {}
    rows = [before.get(one.name) or _row(one) for one in variants]
    asked = {one.name for one in variants}
    rows += [row for name, row in before.items() if name not in asked and row["state"] == "done"]
    return {
        "recipe": recipe.name,
        "recipe_sha256": sha256,
        "grid": {axis.key: list(axis.values) for axis in axes},
        "variants": rows,
        "test": old["test"] if old else None,
    }


def done(state: Json, name: str, stamp: str, recipe: Recipe, folder: Path) -> bool:
    """Whether a variant was measured under this very stamp, and all of it is still there."""
    row = row_of(state, name)
    return bool(row["state"] == "done" and row["stamp"] == stamp and measured(recipe, folder / name) is not None)


def row_of(state: Json, name: str) -> Json:
    """The row of a variant."""
    found: Json = next(row for row in state["variants"] if row["name"] == name)
    return found


def note(state: Json, name: str, result: Json) -> None:
    """Put a variant's result in its row: what `measured` returned, or `state` and `reason`."""
    row = row_of(state, name)
    kept = {key: row[key] for key in ("name", "change")}
    row.clear()
    row |= kept | {"reason": None} | result


def save(state: Json, recipe: Recipe, folder: Path) -> None:
    """Compare what is measured so far and write the state, whole or not at all."""
    state |= compared(recipe, state["variants"], folder)
    write_json(folder / STATE, state)


def share(folder: Path, others: Sequence[Path], *steps: str) -> None:
    """Give a run folder the outputs of steps that another one holds, as links to the same files.

    The steps themselves look at their keys before they keep them, and files are never written in place.
    """
    for step in steps:
        place = folder / FOLDERS[step]
        giver = next((other / FOLDERS[step] for other in others if whole_record(other / FOLDERS[step])), None)
        if giver is not None and whole_record(place) is None:
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(giver, place, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _row(variant: Variant) -> Json:
    return {"name": variant.name, "change": variant.change, "state": "waiting", "reason": None}
