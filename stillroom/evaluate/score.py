"""Let a model answer the test rows, and score what it said."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.evaluate.generator import Generator
from stillroom.evaluate.metrics import scores
from stillroom.files import write_json, write_jsonl
from stillroom.recipe.model import Recipe

Mode = Literal["unconstrained", "constrained"]
Metric = Literal["exact_match", "token_f1"]

METRIC_WORDS: dict[Metric, str] = {"exact_match": "exact match", "token_f1": "token F1"}
"""How the figures that models are compared by are called in a sentence."""


class ScoredAnswer(TypedDict):
    """One line of answers.jsonl: the gold answer as a value, the model's as text.

    `text_sha256` tells the row's text again where its id has moved; old evaluations have none.
    """

    id: str
    text_sha256: NotRequired[str]
    source: str
    gold: Any
    unconstrained: str
    constrained: str | None
    prompt_tokens: int
    completion_tokens: int


def evaluate(recipe: Recipe, rows: list[Row], generator: Generator, model: str, out: Path) -> dict[str, Any]:
    """Answer all rows, write answers.jsonl and evaluation.json into the folder `out`, and return the latter.

    `model` is the name that the evaluation carries. All texts go to the generator in one call, so that it can batch
    them as it likes; the seconds are those of that call.
    """
    if not rows:
        raise UserError(
            "There are no rows to evaluate on. Give the recipe more data, or this split a larger share in data.split."
        )
    without = [row.id for row in rows if row.label is None]
    if without:
        raise UserError(f"{len(without)} test rows have no gold answer to compare with, the first is {without[0]!r}.")
    started = time.perf_counter()
    given = generator.answer([row.text for row in rows])
    seconds = time.perf_counter() - started
    answers = [
        ScoredAnswer(
            id=row.id,
            text_sha256=text_sha256(row.text),
            source=row.source,
            gold=row.label,
            unconstrained=answer.unconstrained,
            constrained=answer.constrained,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
        )
        for row, answer in zip(rows, given, strict=True)
    ]
    evaluation = summary_of(recipe, model, answers, seconds)
    write_jsonl(out / "answers.jsonl", (dict(answer) for answer in answers))
    write_json(out / "evaluation.json", evaluation)
    return evaluation


def summary_of(recipe: Recipe, model: str, answers: Sequence[ScoredAnswer], seconds: float) -> dict[str, Any]:
    """The evaluation of one model: its speed, and its scores over all rows and over each source apart."""
    sources = sorted({answer["source"] for answer in answers})
    groups = {"all": _group(recipe, answers)}
    for source in sources:
        own = [answer for answer in answers if answer["source"] == source]
        groups[source] = _group(recipe, own) if len(sources) > 1 else groups["all"]
    completion_tokens = sum(answer["completion_tokens"] for answer in answers)
    return {
        "model": model,
        "rows": len(answers),
        "seconds": seconds,
        "seconds_per_row": seconds / len(answers),
        "tokens_per_second": completion_tokens / seconds if seconds else 0.0,
        "groups": groups,
    }


def headline_mode(recipe: Recipe) -> Mode:
    """The way of decoding that is served and that models are compared by: constrained wherever there is a schema."""
    return "unconstrained" if recipe.output_schema is None else "constrained"


def headline_metric(recipe: Recipe) -> Metric:
    """What models are compared by: hardly any free text of some length is equal to its gold answer word by word."""
    return "token_f1" if recipe.output_schema is None else "exact_match"


def text_sha256(text: str) -> str:
    """The first 16 hex digits of a text's sha256: enough to tell any two texts of a test split apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def texts_of(answers: Sequence[ScoredAnswer], mode: Mode) -> list[str]:
    """The answers of one way of decoding. Raises ValueError where it was not run."""
    texts = [answer[mode] for answer in answers]
    missing = texts.count(None)
    if missing:
        raise ValueError(f"{missing} of {len(texts)} rows have no {mode} answer.")
    return [text for text in texts if text is not None]


def _group(recipe: Recipe, answers: Sequence[ScoredAnswer]) -> dict[str, Any]:
    def scored(mode: Mode) -> dict[str, Any]:
        return scores(recipe, [answer["gold"] for answer in answers], texts_of(answers, mode))

    # Free text has nothing to be constrained by; null says so where a copy of the other scores would mislead.
    constrained = None if recipe.output_schema is None else scored("constrained")
    return {"rows": len(answers), "unconstrained": scored("unconstrained"), "constrained": constrained}
