"""Raw text first, then SFT: the second stage goes on with the first one's adapter."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tiny_task import ROWS, losses, recipe

from stillroom.errors import UserError
from stillroom.files import read_json
from stillroom.train import callbacks, precision
from stillroom.train.pretrain import FOLDER, blocks, pretrain
from stillroom.train.sft import train_sft

TEXTS = [f"Herons stand in the shallows. The {n}th one waits for fish while otters watch it. " * 3 for n in range(12)]


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "fastest_dtype", lambda: torch.float32)


def with_raw_text(**options: Any) -> Any:
    source = {"kind": "jsonl", "path": "documents.jsonl"}
    stage = {"sources": [source], "batch_size": 4, "tokens": 64, "epochs": 3, "learning_rate": 0.003}
    return recipe(pretrain=stage | options)


@given(st.lists(st.lists(st.integers(0, 9), max_size=20), max_size=8), st.integers(2, 16))
def test_blocks_hold_every_token_in_order(documents: list[list[int]], size: int) -> None:
    found = blocks(documents, size)
    every = [token for document in documents for token in document]
    joined = [token for block in found for token in block]
    assert joined == (every if len(every) % size != 1 else every[:-1])
    assert all(len(block) == size for block in found[:-1])
    assert all(1 < len(block) <= size for block in found)


def test_two_stages(tiny: Path, tmp_path: Path) -> None:
    facts = train_sft(with_raw_text(), tiny, ROWS, [], tmp_path / "two", raw_text=TEXTS)
    first = tmp_path / "two" / FOLDER
    curve = losses(first)
    assert curve[-1] < 0.8 * curve[0]
    assert facts["pretraining"] == read_json(first / "training.json")
    assert facts["pretraining"]["tokens"] > 12 * 60
    train_sft(recipe(), tiny, ROWS, [], tmp_path / "one")
    assert losses(tmp_path / "two")[0] != losses(tmp_path / "one")[0]
    # The first step of the second stage begins where the first stage ended: its adapter is no fresh one.
    weights = load_file(tmp_path / "two" / "adapter" / "adapter_model.safetensors")
    assert weights.keys() == load_file(first / "adapter" / "adapter_model.safetensors").keys()


def test_sft_begins_with_the_adapter_of_raw_text(tiny: Path, tmp_path: Path) -> None:
    still = with_raw_text()
    still = still.model_copy(update={"sft": still.sft.model_copy(update={"learning_rate": 1e-12, "epochs": 0.2})})
    train_sft(still, tiny, ROWS, [], tmp_path, raw_text=TEXTS)
    before, after = (
        load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (tmp_path / FOLDER, tmp_path)
    )
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, atol=1e-6, rtol=0)


def test_a_kill_between_the_stages(tiny: Path, tmp_path: Path, monkeypatch: Any) -> None:
    train_sft(with_raw_text(), tiny, ROWS, [], tmp_path / "whole", raw_text=TEXTS)

    class Killed(BaseException):
        pass

    class Dying(callbacks.Progress):
        def update(self, done: int, note: str = "") -> None:
            if self.task == "train-sft" and done == 1:
                raise Killed
            super().update(done, note)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks, "Progress", Dying)
        with pytest.raises(Killed):
            train_sft(with_raw_text(), tiny, ROWS, [], tmp_path / "killed", raw_text=TEXTS)
    written = (tmp_path / "killed" / FOLDER / "training.json").stat().st_mtime_ns
    train_sft(with_raw_text(), tiny, ROWS, [], tmp_path / "killed", raw_text=TEXTS)
    assert (tmp_path / "killed" / FOLDER / "training.json").stat().st_mtime_ns == written
    assert losses(tmp_path / "killed") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)


def test_no_text(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no raw text to train on"):
        pretrain(with_raw_text(), tiny, [], tmp_path)
