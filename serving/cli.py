"""`stillroom ask`: one answer from a finished specialist."""

import json
import sys
from pathlib import Path

import click


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
    import time

    from serving.engine.specialist import Specialist
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
    specialist = Specialist(gguf, recipe, slots=1)
    start = time.perf_counter()
    (answer,) = specialist.ask([question])
    seconds = time.perf_counter() - start
    click.echo(answer if recipe.output_schema is None else _indented(answer))
    if verbose:
        click.echo(f"{gguf.name}, {seconds:.2f} s", err=True)


def _indented(answer: str) -> str:
    from stillroom.errors import UserError

    try:
        return json.dumps(json.loads(answer), ensure_ascii=False, indent=2)
    except ValueError as error:
        raise UserError(
            f"The answer was cut off: {answer}\nRaise serve.max_answer_tokens in the recipe, or give the texts of its "
            "output_schema a maxLength, and run it again."
        ) from error


def _read(file: Path | None) -> str:
    from stillroom.errors import UserError

    if file is None and sys.stdin.isatty():
        raise UserError('Give a text: stillroom ask "…", stillroom ask --file mail.txt, or through a pipe.')
    try:
        raw = sys.stdin.buffer.read() if file is None or str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    return raw.decode(errors="replace")
