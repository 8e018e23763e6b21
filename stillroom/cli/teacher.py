"""The commands that ask a teacher: `annotate` and those that write data."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stillroom.data.reading import Rejected
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
    from stillroom.teacher.outputs import beside, refuse_place, write_outputs
    from stillroom.teacher.session import open_teacher
    from stillroom.teacher.texts import read_texts

    refuse_place(out)
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
        _show_left_out(beside(out, "rejected"), rejected)
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
    from stillroom.teacher.outputs import beside, refuse_place, write_outputs
    from stillroom.teacher.session import open_teacher
    from stillroom.teacher.source import TASK, DistilledReader

    refuse_place(out)
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
        _show_left_out(beside(out, "rejected"), rejected)
        for line in (note for reader in readers for note in reader.notes):
            click.echo(line)
        _show_cost(client.ledger)
    if stopped is not None:
        raise stopped


@click.command()
@_RECIPE
@click.argument("seeds", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Where the new rows go (JSONL).")
@click.option("--new", type=click.IntRange(min=0), default=20, show_default=True, help="Texts like the seeds.")
@click.option("--evolved", type=click.IntRange(min=0), default=20, show_default=True, help="Texts made harder.")
@click.option(
    "--operation",
    "operations",
    multiple=True,
    type=click.Choice(["deepen", "broaden", "constrain", "concretise"]),
    help="How texts are evolved; may be given several times. By default all take turns.",
)
@click.option(
    "--novelty",
    type=click.Choice(["rouge-l", "embedding"]),
    default="rouge-l",
    show_default=True,
    help="How new texts are held against others: by their words or their meaning (extra `semantic`).",
)
@click.option(
    "--most-alike",
    type=click.FloatRange(0, 1),
    help="Likeness from which a text is not new; by default 0.7, for meaning 0.85.",
)
@_PROFILE
def instruct(
    recipe: Path,
    seeds: Path,
    out: Path,
    new: int,
    evolved: int,
    operations: tuple[Any, ...],
    novelty: Any,
    most_alike: float | None,
    profile: str | None,
) -> None:
    """Write new labelled texts from a few SEEDS (as `annotate` reads them): some like them, some evolved step by step.

    Texts that are not new, failed evolutions and texts without a label go to OUT's .rejected.jsonl with the reason.
    """
    from stillroom.recipe.load import load_recipe
    from stillroom.teacher import instruct as work
    from stillroom.teacher.outputs import beside, refuse_place, write_outputs
    from stillroom.teacher.session import open_teacher
    from stillroom.teacher.texts import read_texts

    refuse_place(out)
    loaded = load_recipe(recipe, profile, sources_must_exist=False)
    rows, _ = read_texts(seeds, loaded)
    with open_teacher(loaded, "instruct") as client:
        found = work.instruct(client, loaded, rows, new, evolved, operations or work.OPERATIONS, most_alike, novelty)
        write_outputs(out, found.rows, found.rejected, work.report(found), client.ledger, found.review)
        click.echo(f"{out}: {len(found.rows)} new rows from {len(rows)} seeds")
        click.echo(f"{beside(out, 'review')}: {len(found.review)} for people, where too few of the votes agree")
        _show_left_out(beside(out, "rejected"), found.rejected)
        _show_cost(client.ledger)
    if found.stopped is not None:
        raise found.stopped


@click.command()
@_RECIPE
@click.argument("rows", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Where the new rows go (JSONL).")
@click.option(
    "--by",
    "ways",
    multiple=True,
    required=True,
    type=click.Choice(["typos", "ocr", "swap", "paraphrase", "back-translation"]),
    help="How rows are made; may be given several times. The last two ask the teacher.",
)
@click.option(
    "--copies", type=click.IntRange(min=1), default=1, show_default=True, help="Rows of each way from each row."
)
@click.option("--label", default="label", show_default=True, help="The column with the answer.")
@click.option(
    "--language", "languages", multiple=True, default=("German", "French"), help="Where back-translation goes."
)
@_PROFILE
def augment(
    recipe: Path,
    rows: Path,
    out: Path,
    ways: tuple[Any, ...],
    copies: int,
    label: str,
    languages: tuple[str, ...],
    profile: str | None,
) -> None:
    """Make more rows of the labelled ROWS (CSV, JSONL, Parquet); their labels stay right.

    A row made of row a7 is called a7~typos1, and stays in one split with it. What could not be made goes to OUT's
    .rejected.jsonl with the reason.
    """
    from contextlib import ExitStack

    from stillroom.data.cleaning import answer
    from stillroom.data.rows import Row
    from stillroom.errors import UserError
    from stillroom.recipe.load import load_recipe
    from stillroom.teacher import augment as work
    from stillroom.teacher.budget import Ledger
    from stillroom.teacher.outputs import beside, refuse_place, write_outputs
    from stillroom.teacher.session import open_teacher
    from stillroom.teacher.texts import read_texts

    refuse_place(out)
    loaded = load_recipe(recipe, profile, sources_must_exist=False)
    read, unusable = read_texts(rows, loaded, label=label)
    checked = [answer(row, loaded) for row in read]
    labelled = [row for row in checked if isinstance(row, Row)]
    if not labelled:
        raise UserError(f"{rows} has no row with a valid label in the column {label}; `stillroom annotate` makes them.")
    with ExitStack() as stack:
        taught = bool(set(ways) & set(work.TAUGHT))
        client = stack.enter_context(open_teacher(loaded, "augment")) if taught else None
        found = work.augment(client, loaded, labelled, ways, copies, languages)
        rejected = [*unusable, *(item for item in checked if not isinstance(item, Row)), *found.rejected]
        ledger = client.ledger if client else Ledger(loaded.teacher.budget, {})
        write_outputs(out, found.rows, rejected, work.report(found), ledger)
        click.echo(f"{out}: {len(found.rows)} new rows from {len(labelled)} labelled ones")
        _show_left_out(beside(out, "rejected"), rejected)
        if client is not None:
            _show_cost(client.ledger)
    if found.stopped is not None:
        raise found.stopped


def _show_left_out(path: Path, rejected: "Sequence[Rejected]") -> None:
    from collections import Counter

    reasons = Counter(item.reason for item in rejected).most_common()
    click.echo(f"{path}: {len(rejected)} left out" + "".join(f"; {count} × {reason}" for reason, count in reasons))


def _show_cost(ledger: "Ledger") -> None:
    from stillroom.teacher.outputs import cost_lines

    for line in cost_lines(ledger):
        click.echo(line)
