"""QLoRA: the base model in 4 bit while the adapter trains. bitsandbytes computes on a CPU too, slowly."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_task import ROWS, losses, pairs, recipe

from stillroom.errors import UserError
from stillroom.train import precision, setup
from stillroom.train.dpo import train_dpo
from stillroom.train.sft import train_sft


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "fastest_dtype", lambda: torch.float32)


def test_the_adapter_trains_over_four_bits(tiny: Path, tmp_path: Path, capfd: Any) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    four = recipe(train={"qlora": True})
    model = setup.load_model(tiny, four_bit=True)
    assert type(model.model.layers[0].self_attn.q_proj).__name__ == "Linear4bit"
    assert model.model.layers[0].self_attn.q_proj.weight.quant_type == "nf4"
    facts = train_sft(four, tiny, ROWS, [], tmp_path / "sft")
    curve = losses(tmp_path / "sft")
    assert curve[-1] < 0.5 * curve[0]
    assert facts["computed_tokens"] < 0.7 * facts["plain_tokens"], "prefixes are shared over 4-bit layers too"
    weights = load_file(tmp_path / "sft" / "adapter" / "adapter_model.safetensors")
    assert all("lora_" in name for name in weights)
    train_dpo(four, tiny, tmp_path / "sft" / "adapter", pairs(tmp_path), tmp_path / "dpo")
    assert (tmp_path / "dpo" / "training.json").is_file()
    assert "slow without an NVIDIA GPU" in capfd.readouterr().err


def test_without_the_library(tiny: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match=r"train\.qlora needs bitsandbytes.*pip install 'stillroom\[gpu\]'"):
        setup.load_model(tiny, four_bit=True)
