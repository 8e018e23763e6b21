"""Every GGUF file of a run, measured on the CPU that will serve."""

from contextlib import closing
from pathlib import Path
from typing import Any

from stillroom.data.rows import read_rows
from stillroom.evaluate.compare import read_answers
from stillroom.evaluate.formats import choose
from stillroom.evaluate.score import evaluate
from stillroom.files import read_json, write_json
from stillroom.recipe.model import Recipe


def measure_formats(recipe: Recipe, test: Path, models: Path, out: Path) -> None:
    """Evaluate every file that `models`/export.json lists into `out`/<format>, and write `out`/formats.json.

    A format whose evaluation an interrupted call had finished is not evaluated again.
    """
    from serving.engine.specialist import Specialist

    rows = read_rows(test)
    measured: list[dict[str, Any]] = []
    for entry in read_json(models / "export.json")["formats"]:
        name, file = entry["format"], models / entry["file"]
        folder = out / name
        if not (folder / "evaluation.json").is_file():  # written last
            with closing(Specialist(file, recipe)) as specialist:
                evaluate(recipe, rows, specialist, name, folder)
        evaluation = read_json(folder / "evaluation.json")
        described = {key: entry[key] for key in ("format", "file", "bytes")}
        measured.append({**described, "seconds_per_row": evaluation["seconds_per_row"], **speed(file)})
    answers = {entry["format"]: read_answers(out / entry["format"]) for entry in measured}
    write_json(out / "formats.json", choose(recipe, measured, answers))


PROMPT_TOKENS, DECODE_TOKENS = 512, 48
"""Enough for a steady figure (a second or two a file), and little beside the evaluation itself."""


def speed(gguf: Path) -> dict[str, float]:
    """llama.cpp's plain speed with the file: prompt tokens and answer tokens a second, one sequence, all CPUs."""
    import time

    from llama_cpp import Llama

    from stillroom.machine import cpu_threads

    threads = cpu_threads()
    llama = Llama(str(gguf), n_ctx=1024, n_batch=512, n_threads=threads, n_threads_batch=threads, verbose=False)
    try:
        tokens = [(7 * place) % 1000 + 10 for place in range(PROMPT_TOKENS)]
        llama.eval(tokens[:32])  # the first call also maps the file and warms the caches
        llama.reset()
        started = time.perf_counter()
        llama.eval(tokens)
        prompted = time.perf_counter()
        for token in tokens[:DECODE_TOKENS]:
            llama.eval([token])
        ended = time.perf_counter()
    finally:
        llama.close()
    return {
        "prompt_tokens_per_second": PROMPT_TOKENS / (prompted - started),
        "decode_tokens_per_second": DECODE_TOKENS / (ended - prompted),
    }
