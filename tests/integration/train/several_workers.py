"""A tiny task for one process and for several, and how their trainings are compared."""

from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from stillroom.data.rows import Row
from stillroom.files import read_jsonl

SCHEMA = {
    "type": "object",
    "properties": {"category": {"enum": ["spam", "other"]}, "word": {"type": "string"}},
    "required": ["category", "word"],
    "additionalProperties": False,
}
ANIMALS = ("otter", "heron", "badger", "lynx", "marten", "plover", "stoat", "wren")
ROWS = [
    Row(f"{one}-{n}", f"The {one} " + "ran far " * n, {"category": ("spam", "other")[n % 2], "word": one}, "made")
    for one in ANIMALS
    for n in range(3)
]
RECIPE: dict[str, Any] = {
    "name": "tiny",
    "instruction": "Is the text spam? Which animal does it name?",
    "output_schema": SCHEMA,
    "data": {"sources": [{"kind": "csv", "path": "rows.csv"}]},
    # 23 rows in fives: the last batch of an epoch has three rows, and two workers never get as many.
    "sft": {"epochs": 2, "batch_size": 5, "learning_rate": 0.003, "lora": {"rank": 4}},
    "dpo": {"pairs": 7, "batch_size": 3, "rules": ["broken_json"], "epochs": 2},
}


@dataclass
class Worker:
    """A process that trains, and the file that takes what it prints."""

    process: BaseProcess
    printed: Path

    def wait(self, timeout: float) -> int:
        """Its exit code; negative where a signal ended it."""
        self.process.join(timeout)
        assert self.process.exitcode is not None, f"it has not ended in {timeout} s"
        return self.process.exitcode


Start = Callable[..., list[Worker]]


def sft(out: Path, **changes: Any) -> dict[str, Any]:
    return {"kind": "sft", "recipe": RECIPE | changes, "out": str(out), "held_out": 1}


def dpo(out: Path, adapter: Path, pairs: str, **changes: Any) -> dict[str, Any]:
    return {"kind": "dpo", "recipe": RECIPE | changes, "out": str(out), "adapter": str(adapter), "pairs": pairs}


def adapter(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def curves(folder: Path) -> list[dict[str, float]]:
    return list(read_jsonl(folder / "curves.jsonl"))


def same_training(one: Path, other: Path) -> None:
    """Each figure of every step, and the adapter at the end."""
    assert len(curves(one)) == len(curves(other)) > 4
    for line, wanted in zip(curves(other), curves(one), strict=True):
        if abs(wanted.get("margin", 1)) < 1e-5:  # a tie, which rounding breaks
            line["accuracy"] = wanted["accuracy"]
        assert line == pytest.approx(wanted, rel=1e-4, abs=2e-5)
    torch.testing.assert_close(adapter(other), adapter(one), rtol=1e-3, atol=2e-6)


def finish(workers: list[Worker]) -> list[str]:
    """Wait for processes that must succeed; returns what each printed."""
    codes = [worker.wait(timeout=300) for worker in workers]
    printed = [worker.printed.read_text() for worker in workers]
    assert codes == [0] * len(workers), "\n---\n".join(text[-4000:] for text in printed)
    return printed
