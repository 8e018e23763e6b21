"""A recipe's curriculum decides the order in which a training sees its rows."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from tiny_task import recipe

from stillroom.data.rows import Row
from stillroom.files import read_jsonl
from stillroom.train.sft import train_sft

ROWS = [
    Row(f"{n}", "The otter " + "ran far " * n, {"category": ("spam", "other")[n % 2], "word": "otter"}, source)
    for n, source in enumerate(["short"] * 12 + ["long"] * 12)
]


def tokens_of_steps(out: Path, tiny: Path, **sft: Any) -> list[int]:
    """Tokens of each step's batch; 6 steps are an epoch."""
    document = recipe().sft.model_dump() | {"epochs": 2, "lora": {"rank": 1}} | sft
    train_sft(recipe(sft=document), tiny, ROWS, [], out)
    total = [0, *(line["tokens"] for line in read_jsonl(out / "curves.jsonl") if "loss" in line)]
    return [int(after - before) for before, after in pairwise(total)]


def test_an_epoch_goes_from_short_to_long_and_the_next_one_does_not(tiny: Path, tmp_path: Path) -> None:
    tokens = tokens_of_steps(tmp_path, tiny, curriculum="length")
    assert tokens[:6] == sorted(tokens[:6]) and tokens[6:] != sorted(tokens[6:])
    assert sum(tokens[:6]) == sum(tokens[6:])


def test_a_stage_of_sources_comes_whole_before_the_next(tiny: Path, tmp_path: Path) -> None:
    tokens = tokens_of_steps(tmp_path, tiny, curriculum=[["long"], ["short"]], epochs=1)
    assert min(tokens[:3]) > max(tokens[3:])
