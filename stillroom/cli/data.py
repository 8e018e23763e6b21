"""The commands about data sets: `data report` and `data diff`."""

from pathlib import Path

import click


@click.group()
def data() -> None:
    """Look at data sets: what is in one, and what tells two apart."""


@data.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all ids.")
def diff(a: Path, b: Path, as_json: bool) -> None:
    """Compare the data sets A and B (runs, data folders or files of rows): counts, classes, rows that came or went."""
    import json

    from stillroom.data.versions import changed_files, difference, open_data, render_difference

    opened = open_data(a), open_data(b)
    found = difference(*opened)
    if as_json:
        click.echo(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
        return
    for fault in [fault for one in opened for fault in changed_files(one)]:
        click.echo(f"Note: {fault}")
    names = [f"{path} (version {one.version})" for path, one in zip((a, b), opened, strict=True)]
    click.echo(render_difference(found, names))


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Where the page goes; by default beside the data.")
@click.option("--recipe", type=click.Path(path_type=Path), help="The recipe, for lengths in tokens of its model.")
@click.option("--against", type=click.Path(path_type=Path), help="Another data set, to be shown beside it.")
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
def report(folder: Path, out: Path | None, recipe: Path | None, against: Path | None, open_it: bool) -> None:
    """Write a page about the data set in FOLDER (a run, a data folder, or a file of rows) and print where it lies."""
    from stillroom.recipe.load import load_recipe
    from stillroom.report.data_page import write_data_report

    if recipe is None and (folder / "recipe.yaml").is_file():
        recipe = folder / "recipe.yaml"
    loaded = load_recipe(recipe, sources_must_exist=False) if recipe else None
    page = write_data_report(folder, loaded, out, against)
    click.echo(page)
    if open_it:
        click.launch(str(page))
