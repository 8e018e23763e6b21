"""The commands for people: `review export` and `review import`."""

from pathlib import Path
from typing import Any

import click


@click.group()
def review() -> None:
    """Send labels to people as a sheet, and bring back what they said."""


@review.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Where the sheet goes (.xlsx).")
@click.option("--rows", type=click.IntRange(1), default=100, show_default=True, help="How many rows, at most.")
@click.option("--split", type=click.Choice(["train", "validation", "test"]), help="Of this split alone.")
@click.option("--doubtful", is_flag=True, help="Of the labels alone that cleaning found doubtful.")
@click.option("--recipe", type=click.Path(path_type=Path), help="The recipe of the labels, where DATA is a bare file.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draw.")
def export(data: Path, out: Path, rows: int, split: str | None, doubtful: bool, recipe: Path | None, seed: int) -> None:
    """Write a sheet with rows of DATA: a run, a data folder, or a file of rows.

    Each source and class has its share of the rows.
    """
    from stillroom.data.versions import open_data
    from stillroom.errors import UserError
    from stillroom.review.sample import stratified
    from stillroom.review.sheet import write_sheet

    if out.suffix.lower() != ".xlsx":
        raise UserError(f"{out} must end in .xlsx, so that drop-downs and colours can be kept.")
    opened = open_data(data)
    schema = _schema(opened.schema, recipe, data)
    listed = _doubtful(opened.folder) if doubtful else None
    found = (
        placed for placed in opened.rows() if split in (None, placed[0]) and (listed is None or placed[1].id in listed)
    )
    drawn = stratified(found, rows, seed, schema)
    if not drawn:
        raise UserError(f"{data} has no rows{f' in {split}' if split else ''} to review.")
    write_sheet(out, drawn, data, opened.version, schema)
    click.echo(f"{out}: {len(drawn)} rows of {opened.folder} (version {opened.version})")
    click.echo("Give each person a copy under a name of its own; then: stillroom review import anna.xlsx ben.xlsx")


@review.command("import")
@click.argument("sheets", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--data", type=click.Path(path_type=Path), help="The data it came from; by default as the sheet says.")
@click.option("--recipe", type=click.Path(path_type=Path), help="The recipe of the labels, where DATA is a bare file.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder of the merged data; by default beside it.")
def import_(sheets: tuple[Path, ...], data: Path | None, recipe: Path | None, out: Path | None) -> None:
    """Check SHEETS against what was sent out, measure how far people agree, and write the merged data set.

    A sheet's name is its person's. One that was saved as CSV by hand needs --data, because it lost its notes.
    """
    from stillroom.data.versions import open_data
    from stillroom.review.merge import check_review, merge, shown
    from stillroom.review.read import read_review

    files = [read_review(path) for path in sheets]
    data = data or _sent_from(files)
    opened = open_data(data)
    sent = next((file.sent for file in files if file.sent), None)
    schema = _schema(opened.schema or (sent.schema if sent else None), recipe, opened.folder)
    if sent is not None and sent.version != opened.version:
        click.echo(f"Note: the data is now version {opened.version}; version {sent.version} was sent out.")
    meant = {id for file in files for id in file.judgements}
    checked = check_review(files, {row.id: row for _, row in opened.rows() if row.id in meant}, schema)
    folder, name = (opened.folder, data.stem) if data.is_file() else (opened.folder.parent, opened.folder.name)
    place = out or folder / f"{name}-reviewed"
    opened.manifest.setdefault("output_schema", schema)
    for line in shown(merge(checked, opened, place, files), place):
        click.echo(line)


def _doubtful(folder: Path) -> set[str]:
    from stillroom.data.versions import DOUBTFUL
    from stillroom.errors import UserError
    from stillroom.files import read_jsonl

    if not (folder / DOUBTFUL).is_file():
        raise UserError(f"{folder} has no {DOUBTFUL}: set data.cleaning.label_quality in the recipe and run it again.")
    return {row["id"] for row in read_jsonl(folder / DOUBTFUL)}


def _schema(known: dict[str, Any] | None, recipe: Path | None, data: Path) -> dict[str, Any] | None:
    if recipe is None and (data / "recipe.yaml").is_file():
        recipe = data / "recipe.yaml"
    if recipe is None:
        return known
    from stillroom.recipe.load import load_recipe

    return load_recipe(recipe, sources_must_exist=False).output_schema


def _sent_from(files: list[Any]) -> Path:
    from stillroom.errors import UserError

    sent = [file.sent for file in files if file.sent is not None]
    if not sent:
        named = ", ".join(file.path.name for file in files)
        raise UserError(
            f"{named}: the hidden sheet that says which rows were sent out is gone, as in a sheet saved as CSV. "
            "Save it as .xlsx, or name the data it came from with --data; then every row is checked against that."
        )
    places = {one.data for one in sent}
    if len(places) > 1:
        raise UserError(f"The sheets are of different data sets: {', '.join(sorted(places))}. Import them one by one.")
    return Path(places.pop())
