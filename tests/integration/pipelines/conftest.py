"""A recipe that trains the tiny model in seconds."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def tiny_recipe(tmp_path: Path, tiny: Path) -> dict[str, Any]:
    """A recipe as data: mail or spam, by one word in the text. Write it with `write_recipe`."""
    animals = ("otter", "heron", "badger", "lynx", "marten", "plover", "stoat", "wren", "ibex", "vole")
    places = ("river", "marsh", "forest", "meadow", "cliff", "orchard")
    with (tmp_path / "rows.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        for number, (animal, place) in enumerate((a, p) for a in animals for p in places):
            category = "spam" if number % 2 else "other"
            words = "buy cheap pills and win a prize" if number % 2 else "we counted them from the hide at dawn"
            text = f"The {animal} of the {place}: {words}, note {number * 7919 % 1000} {animal}{place}."
            writer.writerow([text, json.dumps({"category": category})])
    schema = {
        "type": "object",
        "properties": {"category": {"enum": ["spam", "other"]}},
        "required": ["category"],
        "additionalProperties": False,
    }
    return {
        "name": "tiny",
        "base_model": str(tiny),
        "instruction": "Is the text spam?",
        "output_schema": schema,
        "data": {
            "sources": [{"kind": "csv", "path": "rows.csv"}],
            "cleaning": {"near_duplicate_threshold": 1.0},
            "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
        },
        "sft": {"epochs": 1, "batch_size": 8, "lora": {"rank": 4}},
        "dpo": {"pairs": 8, "batch_size": 4, "rules": ["extra_field", "broken_json"], "own_errors": False},
        "export": {"formats": ["F16", "Q8_0"], "max_loss_points": 100},
        "gates": {
            "better_than_base": False,
            "dpo_not_worse": False,
            "schema_valid_unconstrained": 0.0,
            "schema_valid_constrained": 1.0,
        },
        "serve": {"max_answer_tokens": 16, "context_tokens": 512},
    }
