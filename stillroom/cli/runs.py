"""The commands about finished runs: `runs`, `compare`, `report`."""

from pathlib import Path

import click


@click.command()
@click.option("--in", "root", type=click.Path(path_type=Path), default="runs", help="The folder with the runs.")
def runs(root: Path) -> None:
    """List the runs: when, how good, and whether the model passed."""
    from stillroom.track.run import list_runs

    found = list_runs(root)
    if not found:
        click.echo(f"There is no run below {root}. Start one: stillroom run recipe.yaml")
        return
    rows = [("run", "state", "when", "format", "exact match")]
    for run in found:
        interval = run.exact_match
        score = ""
        if interval is not None:
            score = f"{100 * interval['value']:.1f} % ({100 * interval['low']:.1f} to {100 * interval['high']:.1f})"
        rows.append((run.name, run.state, run.when.replace("T", " ")[:16], run.chosen or "", score))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(map(str.ljust, row, widths)).rstrip())


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
def compare(a: Path, b: Path) -> None:
    """Compare the chosen models of the runs A and B on the test rows that both have."""
    from stillroom.evaluate.compare import compare_runs, render
    from stillroom.track.run import find_run

    click.echo(render(compare_runs(find_run(a), find_run(b))))


@click.command()
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
def report(run: Path | None, open_it: bool) -> None:
    """Print where the report of RUN lies; by default that of the latest run."""
    from stillroom.errors import UserError
    from stillroom.track.run import find_run, how_to_finish

    folder = find_run(run)
    page = folder / "report.html"
    if not page.is_file():
        raise UserError(f"{folder} has no report yet. {how_to_finish(folder)}")
    click.echo(page)
    if open_it:
        click.launch(str(page))
