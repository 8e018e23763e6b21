"""The commands that ask a teacher: `annotate` and those that write data."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stillroom.teacher.budget import Ledger

_RECIPE = click.argument("recipe", type=click.Path(path_type=Path))
_PROFILE = click.option("--profile", help="Use the recipe with this profile.")


@click.command()
@_RECIPE
@click.argument("texts", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Where the labelled rows go (JSONL).")
@click.option("--text", default="text", show_default=True, help="The column with the text.")
@click.option("--id", "id", help="The column with a unique id; by default the row's number.")
@_PROFILE
def annotate(recipe: Path, texts: Path, out: Path, text: str, id: str | None, profile: str | None) -> None:
    """Let the recipe's teacher label TEXTS under the recipe's schema, by votes.

    TEXTS is a CSV, JSONL or Parquet file, mail, or a file with one text a line. Labels on which too few votes agree go
    to OUT's .review.jsonl for people, texts without a valid label to .rejected.jsonl with the reason.
    """
    from stillroom.recipe.load import load_recipe
    from stillroom.teacher.annotate import agreement_report
    from stillroom.teacher.annotate import annotate as run
    from stillroom.teacher.outputs import beside, write_outputs
    from stillroom.teacher.session import open_teacher
    from stillroom.teacher.texts import read_texts

    loaded = load_recipe(recipe, profile, sources_must_exist=False)
    rows, unusable = read_texts(texts, loaded, text, id)
    with open_teacher(loaded, "annotate") as client:
        found = run(client, loaded, rows)
        rejected = [*unusable, *found.rejected]
        report = agreement_report(found, loaded)
        write_outputs(out, found.labelled, rejected, report, client.ledger, found.review)
        click.echo(f"{out}: {len(found.labelled)} of {len(rows)} texts labelled, {client.teacher.votes} votes each")
        share = f"{client.teacher.min_agreement:.0%}"
        click.echo(
            f"{beside(out, 'review')}: {len(found.review)} for people, where fewer than {share} of the votes agree"
        )
        click.echo(f"{beside(out, 'rejected')}: {len(rejected)} left out, each with its reason")
        _show_cost(client.ledger)
    if found.stopped is not None:
        raise found.stopped


@click.command()
@_RECIPE
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Where the pairs go (JSONL).")
@_PROFILE
def distil(recipe: Path, out: Path, profile: str | None) -> None:
    """Draw questions and grounded answers from the documents of the recipe's `distilled` sources.

    Each citation is checked to be in its passage, and a judge scores each pair. What fails goes to OUT's
    .rejected.jsonl with the reason; .report.json counts it all.
    """
    from stillroom.data.reading import Rejected
    from stillroom.data.rows import Row
    from stillroom.data.sources import open_sources
    from stillroom.errors import UserError
    from stillroom.recipe.load import load_recipe
    from stillroom.teacher.outputs import beside, write_outputs
    from stillroom.teacher.session import open_teacher
    from stillroom.teacher.source import TASK, DistilledReader

    loaded = load_recipe(recipe, profile)
    opened = open_sources(loaded.data.sources, recipe.absolute().parent, loaded.data.seed, loaded)
    readers = [reader for reader in opened if isinstance(reader, DistilledReader)]
    if not readers:
        raise UserError(f"{recipe} has no source of kind distilled; docs/teacher.md shows one.")
    faults = list(dict.fromkeys(fault for reader in readers for fault in reader.faults()))
    if faults:
        raise UserError("\n".join(faults))
    rows: list[Row] = []
    rejected: list[Rejected] = []
    reports, stopped = {}, None
    with open_teacher(loaded, TASK) as client:
        for reader in readers:
            found = reader.distil(client)
            rows += found.rows
            rejected += found.rejected
            reports[reader.name] = found.report
            stopped = stopped or found.stopped
            if stopped is not None:
                break
        write_outputs(out, rows, rejected, {"sources": reports}, client.ledger)
        click.echo(f"{out}: {len(rows)} pairs")
        click.echo(f"{beside(out, 'rejected')}: {len(rejected)} left out, each with its reason")
        for line in (note for reader in readers for note in reader.notes):
            click.echo(line)
        _show_cost(client.ledger)
    if stopped is not None:
        raise stopped


def _show_cost(ledger: "Ledger") -> None:
    from stillroom.teacher.outputs import cost_lines

    for line in cost_lines(ledger):
        click.echo(line)
