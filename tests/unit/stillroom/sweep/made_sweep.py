"""A finished sweep of six variants as it stands in sweep.json, made from drawn answers."""

import random
from pathlib import Path
from typing import Any

from stillroom.files import write_json, write_jsonl
from stillroom.recipe.model import Recipe
from stillroom.sweep.grid import parse_axes, variants
from stillroom.sweep.state import note, opened, save
from stillroom.sweep.table import measured

CLASSES = ("spam", "event", "other")
WORDS = [
    "sft.target_modules=[all-linear,[q_proj,v_proj]]",
    "data.balance=[none,downsample]",
    "sft.loss=[response,full]",
]
SCHEMA = {
    "type": "object",
    "properties": {"category": {"enum": list(CLASSES)}, "title": {"type": "string"}},
    "required": ["category", "title"],
    "additionalProperties": False,
}


def recipe(schema: dict[str, Any] | None = SCHEMA) -> Recipe:
    document = {
        "name": "mails",
        "instruction": "Sort the mail.",
        "output_schema": schema,
        "data": {"sources": [{"kind": "generated-event-mail", "sample": 100}]},
    }
    return Recipe.model_validate(document)


def answers(seed: int, share: float, count: int = 50) -> list[dict[str, Any]]:
    """Answers of which `share` are right; the class is wrong in half of the others, and some are no JSON."""
    generator, made = random.Random(seed), []
    for number in range(count):
        gold = {"category": CLASSES[number % 7 % 3], "title": f"title {number}"}
        said: Any = dict(gold)
        if (number * 37 % 100) / 100 + generator.random() * 0.3 > share:
            said = {"category": generator.choice(CLASSES), "title": "wrong"}
        text = (
            "no JSON" if generator.random() > 0.97 else f'{{"category":"{said["category"]}","title":"{said["title"]}"}}'
        )
        made.append(
            {
                "id": str(number), "source": "made", "gold": gold, "unconstrained": text, "constrained": text,
                "prompt_tokens": 9, "completion_tokens": 9,
            }
        )  # fmt: skip
    return made


def write_variant(folder: Path, seed: int, share: float, steps: int = 40, full: bool = False) -> None:
    """The files that the three steps of a variant leave."""
    write_jsonl(folder / "evaluations/sft/answers.jsonl", answers(seed, share))
    noise = random.Random(seed)
    curves: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        loss = (2.4 if full else 0.9) * (0.9 + noise.random() * 0.2) * (0.2 + 0.8 * 0.93**step) * (2 - share)
        curves.append({"step": step, "loss": loss})
        if step % 14 == 0 or step == steps:
            curves.append({"step": step, "validation_loss": (2 - share) * (0.08 + 0.5 * 0.94**step)})
    write_jsonl(folder / "sft/curves.jsonl", curves)
    facts = {"steps": steps, "samples": steps * 16, "computed_tokens": 81234 + seed, "plain_tokens": 312_345}
    write_json(folder / "sft/training.json", facts)
    for place in ("data", "sft", "evaluations/sft"):
        record = {"key": f"{place}{seed}", "bytes": {}, "seconds": 31.5 + seed, "step": place}
        write_json(folder / place / "step.json", record)


def made(at: Path, own: Recipe | None = None, shares: tuple[float, ...] = (0.97, 0.93, 0.8, 0.72, 0.95, 0.9)) -> Any:
    """The state of a sweep in the folder `at`: as many variants measured as there are shares, the others failed."""
    own = own or recipe()
    axes = parse_axes(WORDS)
    chosen = variants(axes)
    state = opened(at, own, axes, chosen)
    for number, variant in enumerate(chosen):
        if number < len(shares):
            write_variant(at / variant.name, number, shares[number], full=number % 2 == 1)
            result = measured(own, at / variant.name)
            assert result is not None
            note(state, variant.name, {"state": "done", "stamp": f"stamp {number}", **result})
        else:
            note(state, variant.name, {"state": "failed", "reason": "Training stopped at step 3: the loss is nan."})
    save(state, own, at)
    return state
