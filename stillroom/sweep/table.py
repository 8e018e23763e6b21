"""The table of a sweep: what each variant scored on validation, which is best, and by how much."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stillroom.evaluate.bootstrap import Interval, intervals
from stillroom.evaluate.compare import paired, read_answers
from stillroom.evaluate.metrics import ratios
from stillroom.evaluate.score import headline_metric, headline_mode, texts_of
from stillroom.files import read_json, read_jsonl
from stillroom.recipe.model import Recipe
from stillroom.sweep.classes import class_scores
from stillroom.track.layout import FOLDERS
from stillroom.track.step import whole_record

Json = dict[str, Any]

STEPS = ("prepare", "train-sft", "evaluate-sft")
"""The steps of a variant, in their order."""


def measured(recipe: Recipe, folder: Path) -> Json | None:
    """What a variant's folder says about it; None where one of its steps is not whole."""
    records = {step: whole_record(folder / FOLDERS[step]) for step in STEPS}
    training = records["train-sft"]
    if training is None or None in records.values():
        return None
    facts = read_json(folder / FOLDERS["train-sft"] / "training.json")
    return {
        **scored(recipe, folder),
        "seconds": training["seconds"],
        "steps": facts["steps"],
        "samples": facts["samples"],
        "computed_tokens": facts["computed_tokens"],
        "plain_tokens": facts["plain_tokens"],
        "curves": list(read_jsonl(folder / FOLDERS["train-sft"] / "curves.jsonl")),
    }


def scored(recipe: Recipe, folder: Path) -> Json:
    """The scores of a folder's evaluation: the headline, validity left to itself, and those of the classes."""
    answers = read_answers(folder / FOLDERS["evaluate-sft"])
    golds, mode = [answer["gold"] for answer in answers], headline_mode(recipe)
    held = intervals(ratios(recipe, golds, texts_of(answers, mode)))
    free = intervals(ratios(recipe, golds, texts_of(answers, "unconstrained")))
    return {
        "rows": len(answers),
        "scores": {
            "exact_match": held["exact_match"],
            "token_f1": held.get("token_f1"),
            "schema_valid": free.get("schema_valid"),
        },
        "classes": class_scores(recipe, golds, texts_of(answers, mode)),
    }


def compared(recipe: Recipe, rows: Sequence[Json], folder: Path) -> Json:
    """The best of the measured rows on validation, and how far each other one is from it.

    Returns {"best", "next", "difference", "clear"} and puts `behind`, the paired interval of the best minus this one,
    into each other row. Equal scores are told apart by macro F1, then validity, then fewer computed tokens.
    """
    done = sorted((row for row in rows if row["state"] == "done"), key=lambda row: _rank(recipe, row), reverse=True)
    for row in rows:
        row["behind"] = None
    if not done:
        return {"best": None, "next": None, "difference": None, "clear": False}
    best, others = done[0], done[1:]
    answers = {row["name"]: read_answers(folder / row["name"] / FOLDERS["evaluate-sft"]) for row in done}
    for row in others:
        row["behind"] = paired(answers[best["name"]], answers[row["name"]], recipe, headline_metric(recipe))
    difference: Interval | None = others[0]["behind"] if others else None
    return {
        "best": best["name"],
        "next": others[0]["name"] if others else None,
        "difference": difference,
        "clear": difference is not None and difference["low"] > 0,
    }


def _rank(recipe: Recipe, row: Json) -> tuple[float, ...]:
    valid, classes = row["scores"]["schema_valid"], row["classes"]
    return (
        row["scores"][headline_metric(recipe)]["value"],
        classes["macro_f1"]["value"] if classes else 0.0,
        valid["value"] if valid else 0.0,
        -row["computed_tokens"],
    )
