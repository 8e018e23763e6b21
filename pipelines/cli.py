"""`stillroom run`: the whole way from a recipe to a measured model."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stillroom.track.layout import FOLDERS

if TYPE_CHECKING:
    from stillroom.recipe.model import Recipe

REJECTED = 3
"""Exit code of a run that went well and whose model was not good enough."""

AT_THE_TOP = {"report.html": "report", "evaluation.json": "gate"}
"""Files that a finished run also holds in its own folder, and the steps that made them. The last one is its mark."""


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--profile", help="Run the recipe with this profile.")
@click.option("--run", "folder", type=click.Path(path_type=Path), help="The run folder (runs/NAME[-PROFILE]).")
@click.option(
    "--redo", multiple=True, type=click.Choice(list(FOLDERS)), help="Do this step again, and what comes from it."
)
def run(recipe: Path, profile: str | None, folder: Path | None, redo: tuple[str, ...]) -> int:
    """Train, export, measure and judge the specialist of RECIPE.

    What is whole already is kept, so the same command goes on after an interruption. Exits with 3 when the model
    did not pass its gates.
    """
    from pipelines.display import display_for
    from pipelines.local import run_pipeline
    from pipelines.outcome import outcome
    from pipelines.specialist import specialist
    from stillroom.errors import UserError
    from stillroom.models.base import PACKAGED, resolve_base_model
    from stillroom.recipe.load import load_recipe
    from stillroom.teacher.session import probe_teacher
    from stillroom.track.run import locked, run_folder, summary_of

    loaded = load_recipe(recipe, profile)
    if loaded.base_model != PACKAGED:
        resolve_base_model(loaded.base_model)  # what is wrong with it is said before any step begins
    if loaded.dpo is not None and loaded.dpo.judge:
        faults = probe_teacher(loaded)  # hours before it is asked
        if faults:
            raise UserError("\n".join(faults))
    where = run_folder(loaded, profile, folder)
    with locked(where):
        _begin(loaded, where, redo)
        run_pipeline(specialist, loaded, where, display_for(sys.stderr))
        _finish(loaded, where)
    summary = summary_of(where)
    click.echo(outcome(summary, where))
    return 0 if summary["gate"]["passed"] else REJECTED


def _begin(recipe: "Recipe", folder: Path, redo: tuple[str, ...]) -> None:
    from stillroom.files import write_text
    from stillroom.recipe.load import dump_recipe
    from stillroom.track.run import EVALUATION, RECIPE, forget

    for step in redo:
        forget(folder, step)
    # A finished run keeps what it is until this one has come to its end too.
    if not (folder / EVALUATION).is_file():
        write_text(folder / RECIPE, dump_recipe(recipe))


def _finish(recipe: "Recipe", folder: Path) -> None:
    from shutil import rmtree

    from stillroom.files import read_json, write_text
    from stillroom.recipe.load import dump_recipe
    from stillroom.track.run import EVALUATION, RECIPE, write_lineage

    if not read_json(folder / FOLDERS["gate"] / "evaluation.json")["gate"]["passed"]:
        # What an earlier run of this folder registered was another model.
        rmtree(folder / FOLDERS["register"], ignore_errors=True)
    (folder / EVALUATION).unlink(missing_ok=True)
    write_text(folder / RECIPE, dump_recipe(recipe))
    write_lineage(folder, recipe)
    for name, step in AT_THE_TOP.items():
        write_text(folder / name, (folder / FOLDERS[step] / name).read_text(encoding="utf-8"))
