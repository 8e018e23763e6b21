"""A batch in portions is the batch, whatever makes it so: the memory there is, or memory that runs out in a step."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_task import ROWS, adapter, pairs, recipe
from trl import SFTTrainer

from stillroom.errors import UserError
from stillroom.files import read_jsonl
from stillroom.train import precision, trial
from stillroom.train.dpo import train_dpo
from stillroom.train.portions import Portions
from stillroom.train.sft import train_sft


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "fastest_dtype", lambda: torch.float32)


@pytest.fixture(scope="module")
def whole(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What SFT and DPO make of whole batches."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision, "fastest_dtype", lambda: torch.float32)
        train_sft(recipe(), tiny, ROWS, [], folder / "sft")
        train_dpo(recipe(), tiny, folder / "sft" / "adapter", pairs(folder), folder / "dpo")
    return folder


def same(one: Path, other: Path) -> None:
    for line, wanted in zip(*(read_jsonl(folder / "curves.jsonl") for folder in (one, other)), strict=True):
        if abs(wanted.get("margin", 1)) < 1e-5:  # a tie, which rounding breaks
            line["accuracy"] = wanted["accuracy"]
        assert line == pytest.approx(wanted, rel=1e-4, abs=2e-5)
    assert adapter(one) == pytest.approx(adapter(other), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("rows", [1, 3])
def test_accumulated_is_whole(tiny: Path, tmp_path: Path, whole: Path, rows: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(Portions, "rows_at_once", rows)
    train_sft(recipe(), tiny, ROWS, [], tmp_path / "sft")
    same(tmp_path / "sft", whole / "sft")
    train_dpo(recipe(), tiny, whole / "sft" / "adapter", pairs(tmp_path), tmp_path / "dpo")
    same(tmp_path / "dpo", whole / "dpo")


def test_memory_that_runs_out(tiny: Path, tmp_path: Path, whole: Path, monkeypatch: Any, capfd: Any) -> None:
    """The second portion fails after its backward pass: what it added to the gradient must be gone again."""
    computed = SFTTrainer.compute_loss

    def short(self: Any, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        loss = computed(self, model, inputs, *args, **kwargs)
        if len(inputs["input_ids"]) > 2:
            loss.backward()
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return loss

    monkeypatch.setattr(SFTTrainer, "compute_loss", short)
    facts = train_sft(recipe(), tiny, ROWS, [], tmp_path)
    same(tmp_path, whole / "sft")
    assert facts["rows_at_once"] == 2
    assert "Memory ran out at 4 rows. Batches now run in portions of 2" in capfd.readouterr().err


def test_not_even_one_row_fits(tiny: Path, tmp_path: Path, monkeypatch: Any, capfd: Any) -> None:
    def full(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")

    monkeypatch.setattr(SFTTrainer, "compute_loss", full)
    with pytest.raises(UserError, match=r"not enough memory to train on one row of \d+ tokens.*Lower sft.max_tokens"):
        train_sft(recipe(), tiny, ROWS, [], tmp_path)
    said = capfd.readouterr().err
    assert "portions of 2" in said and "portions of 1" in said and "Gradient checkpointing is on" in said


@pytest.mark.parametrize(("kilobytes", "checkpointing"), [(4608, False), (512, True)])
def test_memory_that_is_short_from_the_beginning(
    tiny: Path, tmp_path: Path, whole: Path, kilobytes: int, checkpointing: bool, monkeypatch: Any
) -> None:
    monkeypatch.setattr(trial, "free_memory", lambda: kilobytes << 10)
    facts = train_sft(recipe(), tiny, ROWS, [], tmp_path)
    assert facts["rows_at_once"] < 4
    assert facts["gradient_checkpointing"] is checkpointing
    same(tmp_path, whole / "sft")


def test_a_loss_that_is_no_number_names_its_rows(tiny: Path, tmp_path: Path, monkeypatch: Any) -> None:
    computed, bad = SFTTrainer.compute_loss, []

    def spoilt(self: Any, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        loss = computed(self, model, inputs, *args, **kwargs)
        if self.state.global_step == 7:
            text = self.processing_class.batch_decode(inputs["input_ids"])
            bad.extend(row.id for row in ROWS for one in text if f"{row.text}<|im_end|>" in one)
            return loss * float("nan")
        return loss

    monkeypatch.setattr(SFTTrainer, "compute_loss", spoilt)
    with pytest.raises(UserError, match=r"Training stopped at step 8: the loss is nan") as error:
        train_sft(recipe(), tiny, ROWS, [], tmp_path)
    assert len(bad) == 4
    assert all(id in str(error.value) for id in bad)
    assert (tmp_path / "checkpoints" / "checkpoint-6" / "whole").is_file()
    assert not list(read_jsonl(tmp_path / "curves.jsonl")) if (tmp_path / "curves.jsonl").exists() else True
