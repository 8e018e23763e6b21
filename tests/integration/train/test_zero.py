"""DeepSpeed's ZeRO takes the steps of plain training, with optimizer and weights in parts."""

from pathlib import Path
from typing import Any

import pytest
from several_workers import Start, dpo, finish, same_training, sft

pytest.importorskip("deepspeed", reason="DeepSpeed is not installed (the extra `cluster`)")


@pytest.mark.parametrize("stage", ["zero2", "zero3", "zero3-offload"])
def test_zero_is_plain_training(start: Start, job: dict[str, Any], alone: Path, tmp_path: Path, stage: str) -> None:
    train = {"workers": 2, "deepspeed": stage}
    adapter = alone / "sft" / "adapter"
    finish(start(2, sft(tmp_path / "sft", train=train), dpo(tmp_path / "dpo", adapter, job["pairs"], train=train)))
    same_training(alone / "sft", tmp_path / "sft")
    same_training(alone / "dpo", tmp_path / "dpo")
