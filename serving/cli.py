"""`stillroom ask`, `extract`, `serve`: a finished specialist's answers, one, by tables, and over HTTP."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from serving.options import server_options

BATCH_DEADLINE = 3600.0
"""Seconds for one text; nobody waits for it."""

if TYPE_CHECKING:
    from serving.server.package import Package
    from serving.server.service import Service


@click.command(short_help="Answer a text with a run's specialist.")
@click.argument("text", required=False)
@click.option("--file", "file", type=click.Path(path_type=Path), help="Read the text from a file; - is standard input.")
@click.option("--run", "run_folder", type=click.Path(path_type=Path), help="The run folder; by default the newest run.")
@click.option("--model", type=click.Path(path_type=Path), help="Another GGUF file, such as a format not chosen.")
@click.option("--verbose", is_flag=True, help="Also print the model and the seconds, to standard error.")
def ask(text: str | None, file: Path | None, run_folder: Path | None, model: Path | None, verbose: bool) -> None:
    """Answer TEXT (or a file, or standard input) with a run's specialist and print the answer.

    An e-mail is given as the specialist was trained on it: From, Date and Subject lines, an empty line, the body.
    """
    import asyncio
    import time

    from serving.server.errors import ApiError
    from serving.server.extract import whole
    from serving.server.extraction import Extractor
    from serving.server.package import open_package
    from stillroom.errors import UserError
    from stillroom.recipe.load import load_recipe
    from stillroom.track.run import chosen_model, find_run

    if text is not None and file is not None:
        raise UserError("Give the text either as an argument or with --file, not both.")
    folder = find_run(run_folder)
    gguf = model or chosen_model(folder)
    recipe = load_recipe(folder / "recipe.yaml", sources_must_exist=False)
    question = text if text is not None else _read(file)
    if not question.strip():
        raise UserError("The text is empty. Give it as an argument, with --file, or on standard input.")
    service = _open(replace(open_package(gguf), recipe=recipe), slots=1)
    try:
        extractor, start = Extractor(service, 1), time.perf_counter()
        (answer,) = asyncio.run(whole(extractor, [question], None, None))
        seconds = time.perf_counter() - start
    except ApiError as error:
        raise UserError(error.message) from error
    finally:
        service.close()
    schema = recipe.output_schema
    click.echo(answer.output if schema is None else json.dumps(answer.output, ensure_ascii=False, indent=2))
    if answer.truncated:
        click.echo("The text is longer than the recipe's context; its end was not read.", err=True)
    if verbose:
        click.echo(f"{gguf.name}, {seconds:.2f} s", err=True)


@click.command(short_help="Serve a run's model, or a GGUF file, over HTTP.")
@click.argument("model", type=click.Path(path_type=Path), metavar="[RUN|MODEL.gguf]", required=False)
@click.option("--name", help="What clients call the model; by default the recipe's name, else the file's.")
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets other machines in.")
@click.option("--port", type=int, default=8080, show_default=True, help="0 takes a free one.")
@server_options
def serve(model: Path | None, name: str | None, host: str, port: int, **options: Any) -> None:
    """Serve the model of a run (the newest by default), of a model directory, or a GGUF file.

    It speaks OpenAI's protocol (/v1/chat/completions and others), KServe's, and answers texts by the recipe at
    /v1/extract. Ctrl-C or SIGTERM finishes the answers under way, then ends it.
    """
    from serving.server.start import Settings, run
    from stillroom.track.run import find_run

    run(Settings(model or find_run(None), name, host, port, **options), _announce)


@click.command(short_help="Answer every row of a table with a run's specialist.")
@click.argument("source", type=click.Path(path_type=Path), metavar="FILE")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The table to write.")
@click.option(
    "--run", "model", type=click.Path(path_type=Path), metavar="RUN|MODEL.gguf", help="By default the newest."
)
@click.option("--text", "column", help="The column with the texts; by default the recipe's.")
@click.option("--slots", type=click.IntRange(min=1), default=8, show_default=True, help="Texts under way at once.")
def extract(source: Path, out: Path, model: Path | None, column: str | None, slots: int) -> None:
    """Answer the texts of FILE (.csv, .jsonl or .parquet) and write them with their answers to another table.

    A row that cannot be answered keeps the reason in the column `error`; `truncated` tells of a text that was too long
    and lost its end. Interrupted, even by kill -9, the same command goes on where it stopped. What the output held
    before is replaced, once all is answered.
    """
    from serving.batch import extract, plan
    from serving.server.extraction import Extractor
    from serving.server.package import open_package
    from stillroom.track.run import find_run

    package = open_package(model or find_run(None))
    job = plan(source, out, column, package)
    service = _open(package, slots)
    try:
        rows, errors = extract(job, Extractor(service, 2 * slots), package)
    finally:
        service.close()
    click.echo(f"wrote {out}: {rows} rows" + (f", {errors} of them with an error" if errors else ""))


def _open(package: "Package", slots: int) -> "Service":
    """The model as the server has it, for this process alone."""
    from prometheus_client import CollectorRegistry

    from serving.server.start import Settings, open_service
    from serving.server.tracing import Tracer

    return open_service(
        Settings(package.gguf, slots=slots, deadline=BATCH_DEADLINE), package, CollectorRegistry(), Tracer()
    )


def _announce(service: "Service", host: str, port: int, seconds: float) -> None:
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}"
    click.echo(f"{service.package.gguf.name} is served as {service.name} at {url}, {seconds:.1f} s after the start.")
    body: dict[str, Any]
    if service.package.recipe is None:
        path, body = "/v1/chat/completions", {"messages": [{"role": "user", "content": "Hello"}]}
    else:
        path, body = "/v1/extract", {"text": "…"}
    click.echo(f"curl {url}{path} -H 'Content-Type: application/json' -d '{json.dumps(body, ensure_ascii=False)}'")


def _read(file: Path | None) -> str:
    from stillroom.errors import UserError

    if file is None and sys.stdin.isatty():
        raise UserError('Give a text: stillroom ask "…", stillroom ask --file mail.txt, or through a pipe.')
    try:
        raw = sys.stdin.buffer.read() if file is None or str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    return raw.decode(errors="replace")
