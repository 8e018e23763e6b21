"""The commands about the recipe itself: `new`, `check`, `schema`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stillroom.recipe.model import Recipe


@click.command()
@click.argument("name")
def new(name: str) -> None:
    """Write NAME.yaml, a commented recipe, and NAME.csv, a few examples of the data it reads.

    Both are complete: put your own rows and words in their place.
    """
    from stillroom.recipe.new import write_new

    recipe, examples = write_new(name, Path())
    click.echo(f"wrote {recipe} and {examples}")
    click.echo(f"Put your own data in {examples}, change {recipe} to your task, then: stillroom check {recipe}")


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--profile", help="Describe the recipe with this profile.")
def check(recipe: Path, profile: str | None) -> None:
    """Report every fault of RECIPE and its files at once, with line and column and what to write instead."""
    from stillroom.data.sources import refuse_local_faults
    from stillroom.recipe.load import load_recipe

    loaded = load_recipe(recipe, profile)
    refuse_local_faults(loaded, recipe.absolute().parent)
    for line in summary(recipe, loaded):
        click.echo(line)


@click.command()
def schema() -> None:
    """Print the JSON Schema of recipes.

    An editor that knows YAML completes and checks keys with it: save it as recipe.schema.json beside the recipe, whose
    first line is `# yaml-language-server: $schema=recipe.schema.json`.
    """
    from stillroom.recipe.describe import recipe_schema

    click.echo(recipe_schema(), nl=False)


def summary(path: Path, recipe: "Recipe") -> list[str]:
    """What a sound recipe will do, in a few lines."""
    from stillroom.recipe.faults import path_text
    from stillroom.recipe.schema import fields, unbounded

    lines = [f"{path} is sound: {recipe.name} on {recipe.base_model}"]
    if recipe.output_schema is None:
        lines.append("  answer   free text")
    else:
        names = [
            f"{field.name} ({', '.join(inner.path[-1] for inner in field.fields)})" if field.fields else field.name
            for field in fields(recipe.output_schema)
        ]
        lines.append(f"  answer   JSON: {', '.join(names)}")
    for source in recipe.data.sources:
        noun = {"distilled": "passages", "documents": "chunks"}.get(source.kind, "examples")
        count = f"{source.sample:,} {noun}" if source.sample else f"all {noun}"
        place = getattr(source, "path", "")
        lines.append(f"  source   {source.kind}: {count}{f' of {place}' if place else ''}")
    pairs = f"{recipe.dpo.pairs:,} pairs" if recipe.dpo else "none"
    lines.append(f"  train    {recipe.sft.epochs:g} epoch{'' if recipe.sft.epochs == 1 else 's'} of SFT; DPO: {pairs}")
    lines.append(f"  formats  {', '.join(recipe.export.formats)}")
    for place in unbounded(recipe.output_schema or {}):
        where = path_text(("output_schema", *place))
        lines.append(f"  note     {where} has no largest length; with maxLength or maxItems no answer runs on")
    return lines
