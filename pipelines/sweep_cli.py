"""`stillroom sweep`: which of many variants of a recipe is best."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stillroom.recipe.model import Recipe
    from stillroom.sweep.grid import Axis, Variant

FAILED = 3
"""Exit code of a sweep that came to its end and in which a variant failed."""


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="RECIPE [KEY=[VALUE,VALUE]]...")
@click.option("--grid", multiple=True, metavar="KEY=[VALUE,VALUE] ...", help="A key of the recipe and its values.")
@click.option("--profile", help="Begin from the recipe with this profile.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Try N combinations, drawn at random.")
@click.option("--seed", default=0, show_default=True, help="Seed of that draw.")
@click.option("--run", "folder", type=click.Path(path_type=Path), help="The folder (runs/sweeps/NAME[-PROFILE]).")
def sweep(
    words: tuple[str, ...],
    grid: tuple[str, ...],
    profile: str | None,
    sample: int | None,
    seed: int,
    folder: Path | None,
) -> int:
    """Compare variants of RECIPE: one for each combination of values.

    Each is trained and scored on the validation split. The best is marked, and it alone is scored on the test split,
    once. The same command goes on after an interruption; other values extend the table. Exits with 3 when a variant
    failed.

    \b
    stillroom sweep r.yaml --grid 'sft.loss=[response,full]' 'data.balance=[none,downsample]'
    """
    from stillroom.data.sources import refuse_local_faults
    from stillroom.errors import UserError
    from stillroom.recipe.load import load_recipe
    from stillroom.sweep.grid import parse_axes, variants
    from stillroom.sweep.recipes import recipes
    from stillroom.track.run import RUNS, locked, run_folder

    paths = [word for word in words if not re.match(r"[a-z_]+(\.[a-z_]+)*=", word)]
    if len(paths) != 1:
        what = f"These are {len(paths)}: {', '.join(paths)}" if paths else "There is none"
        raise UserError(f"Name one recipe. {what}. Put an axis that holds spaces in quotes.")
    axes = parse_axes([*grid, *(word for word in words if word not in paths)])
    path = Path(paths[0])
    recipe = load_recipe(path, profile)
    chosen = variants(axes, sample, seed)
    own = recipes(recipe, chosen, path.absolute().parent)
    refuse_local_faults(recipe, path.absolute().parent)
    at = folder if folder is not None else RUNS / "sweeps" / run_folder(recipe, profile, None).name
    at = run_folder(recipe, profile, at)
    with locked(at):
        return _run(recipe, at, axes, chosen, own)


def _run(recipe: "Recipe", at: Path, axes: "list[Axis]", chosen: "list[Variant]", own: "list[Recipe]") -> int:
    from pipelines.sweep_outcome import sweep_outcome
    from pipelines.sweep_run import run_variants, score_best_once
    from stillroom.files import write_text
    from stillroom.models.base import PACKAGED, resolve_base_model
    from stillroom.recipe.load import dump_recipe
    from stillroom.sweep.state import BEST, opened

    for base in sorted({one.base_model for one in own} - {PACKAGED}):
        resolve_base_model(base)  # what is wrong with it is said before any variant begins
    state = opened(at, recipe, axes, chosen)
    run_variants(state, recipe, chosen, own, at)
    recipes = {variant.name: one for variant, one in zip(chosen, own, strict=True)}
    score_best_once(state, recipe, recipes, at)
    if state["best"] in recipes:
        write_text(at / BEST, dump_recipe(recipes[state["best"]]))
    click.echo(sweep_outcome(state, recipe, at))
    return FAILED if any(row["state"] == "failed" for row in state["variants"]) else 0
