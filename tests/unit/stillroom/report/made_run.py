"""A run folder made by code: small, seeded, with real scores of made-up answers, so that the report has all to show."""

import copy
import hashlib
import json
import math
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stillroom.data.rows import Row
from stillroom.evaluate.formats import choose
from stillroom.evaluate.score import ScoredAnswer, summary_of
from stillroom.evaluate.summary import summarise
from stillroom.files import write_json, write_jsonl, write_text
from stillroom.recipe.model import Recipe

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "category": {"enum": ["event", "spam", "other"]},
        "events": {
            "type": "array",
            "maxItems": 4,
            "items": {
                "type": "object",
                "properties": {
                    "title": {"type": "string"},
                    "date": {"type": "string"},
                    "time": {"type": ["string", "null"]},
                    "location": {"type": ["string", "null"]},
                    "organizer": {"type": ["string", "null"]},
                    "status": {"enum": ["planned", "moved", "cancelled"]},
                },
                "required": ["title", "date", "time", "location", "organizer", "status"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["category", "events"],
    "additionalProperties": False,
}

SCRIPT = "<script>alert('smuggled')</script>"
"""Stands in several mails and answers; the page must show it and never hold it as an element."""

# How often an answer has its fields right, how often it is sound JSON without constraint, seconds a row, size.
_STAGES = {
    "base": (0.10, 0.35, 1.9, 0),
    "sft": (0.955, 0.985, 1.2, 0),
    "F16": (0.965, 0.997, 0.71, 271_000_000),
    "Q8_0": (0.965, 0.997, 0.43, 144_800_000),
    "Q4_K_M": (0.93, 0.99, 0.47, 105_400_000),
    "Q4_0": (0.78, 0.95, 0.31, 91_700_000),
}
_TITLES = ["Quarterly review", "Pottery workshop", "Chor & Kuchen", "Jazz concert", "读书会", "Server maintenance"]
_PLACES = ["Room 4B", "the Old Mill", "Rathaus, Saal 2", "图书馆", None]
_PEOPLE = ["Ana Petrov", "Jonas Berg", "李伟", "Ines <ines@example.org>", None]


@dataclass(frozen=True)
class MadeRun:
    """A recipe and the folders of its steps."""

    recipe: Recipe
    steps: dict[str, Path]
    summary: dict[str, Any] = field(default_factory=dict)


def make_run(
    folder: Path, rows: int = 60, dpo: bool = True, free_text: bool = False, accepted: bool = True, seed: int = 7
) -> MadeRun:
    """Write the folders of a finished run below `folder`."""
    rng = random.Random(seed)
    recipe = _recipe(dpo, free_text, accepted)
    steps = {name: folder / name for name in ("data", "sft", "base", "sft-evaluation", "models", "measure", "gate")}
    if dpo:
        steps |= {name: folder / name for name in ("preferences", "dpo")}
    test = [_row(index, rng, free_text) for index in range(rows)]
    _write_data(steps["data"], test, free_text)
    _write_training(steps["sft"], rng)
    if dpo:
        _write_preferences(steps["preferences"], test)
        _write_dpo(steps["dpo"], rng)
    summary = _write_evaluations(recipe, steps, test)
    _write_lineage(steps, summary)
    return MadeRun(recipe, steps, summary)


def _recipe(dpo: bool, free_text: bool, accepted: bool) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "email-events",
            "instruction": "Read the e-mail and answer with JSON.\nOnly what the mail says, at most four events.",
            "output_schema": None if free_text else SCHEMA,
            "data": {
                "sources": [
                    {"kind": "generated-event-mail", "sample": 520},
                    {"kind": "spam-assassin", "spam": "spam", "no_event": "other", "sample": 260},
                ]
            },
            "dpo": {"pairs": 200} if dpo else None,
            "export": {"formats": ["F16", "Q8_0", "Q4_K_M", "Q4_0"], "max_loss_points": 6},
            "gates": {"schema_valid_unconstrained": 0.9, "min_exact_match": None if accepted else 0.99},
        }
    )


def _row(index: int, rng: random.Random, free_text: bool) -> Row:
    real = index % 3 == 2
    title, place, person = rng.choice(_TITLES), rng.choice(_PLACES), rng.choice(_PEOPLE)
    day, hour = rng.randint(1, 28), rng.randint(8, 20)
    category = rng.choice(["spam", "other"]) if real else "event"
    where = f" in {place}" if place else ""
    call = f"The {title} is on {day} November at {hour}:30{where}."
    body = f"Please buy {SCRIPT} now & save 90%." if category == "spam" else call if category == "event" else "Thanks!"
    text = (
        f"From: {person or 'office@example.org'}\nDate: Mon, 2 Nov 2026 10:12:00 +0000\n"
        f"Subject: {title if category == 'event' else 'Re: ' + category}\n\nHello all,\n\n{body}\n\nBest wishes"
    )
    event = {
        "title": title,
        "date": f"2026-11-{day:02}",
        "time": f"{hour:02}:30",
        "location": place,
        "organizer": person,
        "status": rng.choice(["planned", "planned", "moved", "cancelled"]),
    }
    label: Any = {"category": category, "events": [event] if category == "event" else []}
    if free_text:
        label = f"{title} on 2 November, hosted by {person or 'nobody'}"
    return Row(f"{'spam' if real else 'gen'}-{index:04}", text, label, "spam-assassin" if real else "generated")


def _answer(label: Any, right: float, rng: random.Random) -> str:
    if isinstance(label, str):
        return label if rng.random() < right else label.replace("November", "December") + f" {SCRIPT}"
    said = copy.deepcopy(label)
    if rng.random() > right:
        said["category"] = "spam" if said["category"] == "other" else "other"
    for event in said["events"]:
        for key, wrong in (("title", f"The {SCRIPT} event"), ("date", "2026-12-24"), ("organizer", None)):
            if rng.random() > right:
                event[key] = wrong
    if said["events"] and rng.random() > right:
        said["events"].append({**said["events"][0], "time": None, "location": "Room 9"})
    if said["category"] != "event":
        said["events"] = []
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def _write_evaluations(recipe: Recipe, steps: dict[str, Path], test: list[Row]) -> dict[str, Any]:
    folders = {"base": steps["base"], "sft": steps["sft-evaluation"]}
    folders |= {name: steps["measure"] / name for name in recipe.export.formats}
    given: dict[str, list[ScoredAnswer]] = {}
    for name, folder in folders.items():
        right, sound, seconds, _ = _STAGES[name]
        given[name] = []
        for row in test:
            # The same luck for every model, so that better models err on fewer of the same rows, as real ones do.
            luck = random.Random(row.id)
            said = _answer(row.label, right, luck)
            free = said if luck.random() < sound else f"Here it is: {said[:-1]}"
            constrained = None if recipe.output_schema is None else said
            answer = ScoredAnswer(
                id=row.id,
                source=row.source,
                gold=row.label,
                unconstrained=free,
                constrained=constrained,
                prompt_tokens=210,
                completion_tokens=52,
            )
            given[name].append(answer)
        write_jsonl(folder / "answers.jsonl", map(dict, given[name]))
        write_json(folder / "evaluation.json", summary_of(recipe, name, given[name], seconds * len(test)))
    measured = [
        {
            "format": name,
            "file": f"models/email-events-{name}.gguf",
            "bytes": _STAGES[name][3],
            "seconds_per_row": _STAGES[name][2],
            "prompt_tokens_per_second": 212.5 / _STAGES[name][2],
            "decode_tokens_per_second": 41.3 / _STAGES[name][2],
        }
        for name in recipe.export.formats
    ]
    formats = steps["measure"] / "formats.json"
    write_json(formats, choose(recipe, measured, given))
    return summarise(recipe, folders, formats, steps["gate"] / "evaluation.json")


def _write_data(folder: Path, test: list[Row], free_text: bool) -> None:
    write_jsonl(
        folder / "test.jsonl", ({"id": r.id, "text": r.text, "label": r.label, "source": r.source} for r in test)
    )

    def split(rows: int) -> dict[str, Any]:
        classes = {"free text": rows} if free_text else {"event": rows * 2 // 3, "spam": rows // 6, "other": rows // 6}
        return {"rows": rows, "classes": classes, "sources": {"generated": rows * 2 // 3, "spam-assassin": rows // 3}}

    report = {
        "sources": [
            {"source": "generated", "read": 520, "kept": 497},
            {"source": "spam-assassin", "read": 840, "kept": 251},
        ],
        "dropped": {"ambiguous_ham": 511, "near_duplicate": 71, "empty_text": 6, "undecodable": 4},
        "dropped_examples": {
            "ambiguous_ham": [{"id": "ham-17", "text": "Shall we meet on Tuesday at the usual place?\nOr on Friday."}],
            "near_duplicate": [{"id": "spam-4", "text": f"You won! {SCRIPT} Claim your prize"}],
            "undecodable": [{"id": "spam-9", "text": "caf\udce9 \x00 menu"}],
        },
        "splits": {"train": split(600), "validation": split(74), "test": split(74)},
        "languages": {"en": 412, "de": 201, "zh": 135},
        "duplicates": {"exact": 12, "near_clusters": 31},
        "notes": ["Texts longer than 700 characters were cut at a word's end."],
    }
    text = json.dumps(report, allow_nan=False)
    write_text(folder / "data_report.json", text)


def _totals(steps: int, samples: int, seconds: float) -> dict[str, Any]:
    return {
        "steps": steps,
        "samples": samples,
        "seconds": seconds,
        "cut_samples": 3,
        "prefix_tokens": 339,
        "dtype": "float32",
        "trainable_parameters": 4_884_480,
        "computed_tokens": 181_000,
        "plain_tokens": 598_200,
    }


def _write_training(folder: Path, rng: random.Random) -> None:
    lines: list[dict[str, Any]] = []
    for step in range(1, 76):
        loss = 0.04 + 0.9 * math.exp(-step / 9) + rng.gauss(0, 0.012) * (1 + 5 * math.exp(-step / 9))
        line = {"step": step, "epoch": step / 37.5, "loss": max(loss, 0.01), "learning_rate": 1e-3}
        lines.append({**line, "seconds": 3.1 * step, "tokens": 2400 * step})
        if step % 15 == 0:
            lines.append({"step": step, "validation_loss": 0.05 + 0.9 * math.exp(-step / 9)})
    write_jsonl(folder / "curves.jsonl", lines)
    write_json(folder / "training.json", _totals(75, 1200, 236.4))


def _write_dpo(folder: Path, rng: random.Random) -> None:
    lines = []
    for step in range(1, 26):
        chosen, rejected = -2.4 + 0.02 * step + rng.gauss(0, 0.25), -5.5 - 0.9 * step + rng.gauss(0, 1.2)
        margin = 0.1 * (chosen - rejected - 3.1)
        line = {"step": step, "loss": math.log1p(math.exp(-margin)), "logps_chosen": chosen, "logps_rejected": rejected}
        lines.append({**line, "margin": margin, "accuracy": 0.98, "seconds": 3.4 * step})
    write_jsonl(folder / "curves.jsonl", lines)
    totals = _totals(25, 200, 88.0)
    write_json(
        folder / "training.json", {key: totals[key] for key in totals if key not in ("cut_samples", "prefix_tokens")}
    )


def _write_preferences(folder: Path, rows: list[Row]) -> None:
    by_rule = {"extra_field": 24, "missing_field": 24, "wrong_type": 23, "broken_json": 24, "prose_around": 23}
    by_rule |= {"value_not_in_text": 24, "wrong_date_format": 23, "duplicate_event": 18}
    pairs = []
    for rule in [*by_rule, "own_error"]:
        chosen = rows[0].label if isinstance(rows[0].label, str) else json.dumps(rows[0].label, ensure_ascii=False)
        rejected = f"Sure! {chosen} {SCRIPT}"
        pairs.append({"id": rows[0].id, "text": rows[0].text, "chosen": chosen, "rejected": rejected, "rule": rule})
    write_jsonl(folder / "pairs.jsonl", pairs)
    facts = {"pairs": 200, "by_rule": by_rule, "own_errors": 17, "asked": 200, "notes": []}
    write_json(folder / "preferences.json", facts)


def _write_lineage(steps: dict[str, Path], summary: dict[str, Any]) -> None:
    outputs = {name: ["step.txt"] for name in steps}
    outputs["models"] = [f"email-events-{line['format']}.gguf" for line in summary["formats"]]
    for index, (name, folder) in enumerate(steps.items()):
        key = hashlib.sha256(name.encode()).hexdigest()
        step = {
            "step": name,
            "key": key,
            "recipe_sha256": hashlib.sha256(b"recipe").hexdigest(),
            "inputs": {"before": key[::-1]} if index else {},
            "outputs": {file: hashlib.sha256(file.encode()).hexdigest() for file in outputs[name]},
            "seconds": 12.5 + 31 * index,
            "started": f"2026-11-23T18:{10 + index}:00+00:00",
            "versions": {"torch": "2.13.0", "transformers": "5.23.0", "llama_cpp_python": "0.3.36"},
            "seed": 0,
        }
        write_json(folder / "step.json", step)
