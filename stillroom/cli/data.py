"""The commands about data sets: `data diff`."""

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
