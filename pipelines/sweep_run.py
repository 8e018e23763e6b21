"""Run the variants of a sweep one after the other, each in a folder of its own."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.display import display_for
from pipelines.local import StepError, run_pipeline
from pipelines.sweep import variant as pipeline
from stillroom.data.spam_assassin import presence
from stillroom.errors import UserError
from stillroom.files import write_text
from stillroom.models.base import resolve_base_model
from stillroom.recipe.load import dump_recipe
from stillroom.recipe.model import Recipe
from stillroom.report.sweep import write_page
from stillroom.sweep import state as states
from stillroom.sweep.grid import Variant
from stillroom.sweep.table import STEPS, scored
from stillroom.track.layout import FOLDERS
from stillroom.track.run import RECIPE
from stillroom.track.step import fingerprint, step_key
from stillroom.track.task import source_files

Json = dict[str, Any]


def run_variants(state: Json, recipe: Recipe, variants: Sequence[Variant], recipes: Sequence[Recipe], at: Path) -> None:
    """Train and measure every variant that is not measured yet, into folders below `at`, which must be locked.

    A variant that fails is noted with its reason, and the others go on. The state and the page are written after each.
    """
    stamps = _Stamps()
    own = {variant.name: one for variant, one in zip(variants, recipes, strict=True)}
    for number, variant in enumerate(variants, start=1):
        one, folder = own[variant.name], at / variant.name
        stamp = stamps.of(one)
        if states.done(state, variant.name, stamp, one, at):
            _say(f"{number}/{len(variants)} {variant.name}: kept")
            continue
        _say(f"{number}/{len(variants)} {variant.name}")
        states.note(state, variant.name, _run(variant.name, folder, one, own, stamp, at))
        states.save(state, recipe, at)
        write_page(recipe, state, at)
        _refuse_empty_validation(folder)
    states.save(state, recipe, at)
    write_page(recipe, state, at)


def score_best_once(state: Json, recipe: Recipe, own: dict[str, Recipe], at: Path) -> None:
    """Score the best variant on test where no variant of this sweep has been; what began before is finished.

    Which variant it is was written down before it is scored, so that an interruption cannot lead to a second look.
    """
    if state["test"] is None and state["best"] is not None:
        state["test"] = {"variant": state["best"], "result": None, "scored": None}
        states.save(state, recipe, at)
    test = state["test"]
    if test is None or test["result"] is not None or test["variant"] not in own:
        return
    one, folder = own[test["variant"]], at / states.TEST
    _say(f"{test['variant']}: the best on validation, scored on test")
    write_text(folder / RECIPE, dump_recipe(one))
    states.share(folder, [at / test["variant"]], "prepare", "train-sft")
    run_pipeline(partial(pipeline, split="test"), one, folder, display_for(sys.stderr, STEPS))
    test["result"] = scored(one, folder)
    test["scored"] = datetime.now(UTC).isoformat(timespec="seconds")
    states.save(state, recipe, at)
    write_page(recipe, state, at)


def _run(name: str, folder: Path, one: Recipe, own: dict[str, Recipe], stamp: str, at: Path) -> Json:
    """Run one variant; returns its row's new part."""
    from stillroom.sweep.table import measured

    write_text(folder / RECIPE, dump_recipe(one))
    same = [at / other for other, recipe in own.items() if other != name and _data(recipe) == _data(one)]
    states.share(folder, same, "prepare")
    try:
        run_pipeline(pipeline, one, folder, display_for(sys.stderr, STEPS))
    except (UserError, StepError) as error:
        _say(f"{name} failed: {error}")
        return {"state": "failed", "reason": str(error)}
    result = measured(one, folder)
    if result is None:
        return {"state": "failed", "reason": f"its files in {folder} were gone as soon as they were written"}
    return {"state": "done", "stamp": stamp, **result}


def _refuse_empty_validation(folder: Path) -> None:
    """End the sweep where no variant can be scored: all of them have the validation rows of the first."""
    rows = folder / FOLDERS["prepare"] / "validation.jsonl"
    if rows.is_file() and not rows.stat().st_size:
        raise UserError(
            "The validation split is empty, so no variant can be scored. Give the recipe more data, or validation a "
            "larger share in data.split."
        )


class _Stamps:
    """What decides a variant's result, as one sha256: its recipe, the sources, the base model and the libraries."""

    def __init__(self) -> None:
        self._known: dict[Path | str, str] = {}

    def of(self, recipe: Recipe) -> str:
        inputs = source_files(recipe, Path.cwd()) | presence(recipe) | {"base": resolve_base_model(recipe.base_model)}
        for value in inputs.values():
            if value not in self._known:
                self._known[value] = fingerprint(value)
        keys = {label: self._known[value] for label, value in inputs.items()}
        return step_key("variant", recipe, tuple(Recipe.model_fields), keys)


def _data(recipe: Recipe) -> Json:
    return recipe.model_dump(mode="json", include={"data", "output_schema"})


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
