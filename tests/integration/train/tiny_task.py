"""A task small enough to train in a second: its recipe, its rows, its pairs, and what a training left."""

from pathlib import Path
from typing import Any

from stillroom.data.rows import Row
from stillroom.files import read_jsonl, write_jsonl
from stillroom.recipe.model import Recipe

SCHEMA = {
    "type": "object",
    "properties": {"category": {"enum": ["spam", "other"]}, "word": {"type": "string"}},
    "required": ["category", "word"],
    "additionalProperties": False,
}
ANIMALS = ("otter", "heron", "badger", "lynx", "marten", "plover", "stoat", "wren")


def recipe(**changes: Any) -> Recipe:
    document = {
        "name": "tiny",
        "instruction": "Is the text spam? Which animal does it name?",
        "output_schema": SCHEMA,
        "data": {"sources": [{"kind": "csv", "path": "rows.csv"}]},
        "sft": {"epochs": 2, "batch_size": 4, "learning_rate": 0.003, "lora": {"rank": 4}},
        "dpo": {"pairs": 8, "batch_size": 4, "rules": ["broken_json"], "epochs": 2},
    }
    return Recipe.model_validate(document | changes)


ROWS = [
    Row(
        f"{animal}-{n}",
        f"The {animal} " + "ran far " * n,
        {"category": ("spam", "other")[n % 2], "word": animal},
        "made",
    )
    for animal in ANIMALS
    for n in range(3)
]


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in read_jsonl(folder / "curves.jsonl") if "loss" in line]


def adapter(folder: Path) -> list[float]:
    from safetensors.torch import load_file

    return [float(tensor.sum()) for tensor in load_file(folder / "adapter" / "adapter_model.safetensors").values()]


def pairs(folder: Path) -> Path:
    path = folder / "pairs.jsonl"
    write_jsonl(
        path,
        (
            {
                "id": row.id,
                "text": row.text,
                "chosen": f'{{"category":"{row.label["category"]}","word":"{row.label["word"]}"}}',
                "rejected": f'{{"category":"{row.label["category"]}","word":',
                "rule": "broken_json",
            }
            for row in ROWS[:8]
        ),
    )
    return path
