"""The adapter of the lowest validation loss is the one that stays, and training that gains nothing ends."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_task import ROWS, adapter, losses, recipe
from trl import SFTTrainer

from stillroom.files import read_jsonl
from stillroom.train import callbacks, precision
from stillroom.train.sft import train_sft


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "fastest_dtype", lambda: torch.float32)


SIX = {"epochs": 2, "batch_size": 4, "learning_rate": 0.003, "validations": 6, "lora": {"rank": 4}}
"""16 rows, 8 steps, a validation at each second step and after the last."""


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the validations say these losses, one after the other by step."""

    def set_losses(by_step: dict[int, float]) -> None:
        evaluate = SFTTrainer.evaluate

        def said(self: Any, *args: Any, **kwargs: Any) -> Any:
            handler = self.callback_handler.on_evaluate

            def on_evaluate(args: Any, state: Any, control: Any, metrics: dict[str, float]) -> Any:
                state.log_history[-1]["eval_loss"] = metrics["eval_loss"] = by_step[state.global_step]
                return handler(args, state, control, metrics)

            self.callback_handler.on_evaluate = on_evaluate
            try:
                return evaluate(self, *args, **kwargs)
            finally:
                self.callback_handler.on_evaluate = handler

        monkeypatch.setattr(SFTTrainer, "evaluate", said)

    return set_losses


def test_the_last_step_is_validated_and_kept_where_it_is_best(tiny: Path, tmp_path: Path) -> None:
    facts = train_sft(recipe(sft=SIX), tiny, ROWS[:16], ROWS[16:], tmp_path)
    validated = [line["step"] for line in read_jsonl(tmp_path / "curves.jsonl") if "validation_loss" in line]
    assert validated == [2, 4, 6, 8]
    assert (facts["best_step"], facts["stopped_early"]) == (8, False)


def test_the_best_adapter_stays(tiny: Path, tmp_path: Path, says: Any) -> None:
    says({2: 3.0, 4: 1.0, 6: 2.0, 8: 2.5})
    kept: list[list[float]] = []
    keep = callbacks.KeepBest._keep

    def watched(self: Any, model: Any, step: int, loss: float) -> None:
        kept.append([float(p.detach().sum()) for name, p in sorted(model.named_parameters()) if "lora_" in name])
        keep(self, model, step, loss)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.KeepBest, "_keep", watched)
        facts = train_sft(recipe(sft=SIX), tiny, ROWS[:16], ROWS[16:], tmp_path)
    assert facts["steps"] == 8 and facts["best_step"] == 4
    assert len(kept) == 2
    assert sorted(adapter(tmp_path)) == pytest.approx(sorted(kept[1]), abs=1e-5)


def test_patience(tiny: Path, tmp_path: Path, says: Any, capfd: Any) -> None:
    says({2: 1.0, 4: 1.5, 6: 1.2, 8: 0.1})
    facts = train_sft(recipe(sft=SIX | {"patience": 2}), tiny, ROWS[:16], ROWS[16:], tmp_path)
    assert (facts["steps"], facts["best_step"], facts["stopped_early"]) == (6, 2, True)
    assert "Training stops at step 6 of 8: 2 validations in a row were not better" in capfd.readouterr().err


def test_a_resumed_training_knows_its_best(tiny: Path, tmp_path: Path, says: Any, monkeypatch: Any) -> None:
    """Killed after step 7, whose newest checkpoint is of step 6; the best was step 4."""
    says({2: 3.0, 4: 1.0, 6: 2.0, 8: 2.5})
    train_sft(recipe(sft=SIX), tiny, ROWS[:16], ROWS[16:], tmp_path / "whole")

    class Killed(BaseException):
        pass

    class Dying(callbacks.Progress):
        def update(self, done: int, note: str = "") -> None:
            if done == 7:
                raise Killed
            super().update(done, note)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks, "Progress", Dying)
        with pytest.raises(Killed):
            train_sft(recipe(sft=SIX), tiny, ROWS[:16], ROWS[16:], tmp_path / "killed")
    facts = train_sft(recipe(sft=SIX), tiny, ROWS[:16], ROWS[16:], tmp_path / "killed")
    assert facts["resumed_from_step"] == 6 and facts["best_step"] == 4
    assert losses(tmp_path / "killed") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)
    assert adapter(tmp_path / "killed") == pytest.approx(adapter(tmp_path / "whole"), rel=1e-5, abs=1e-6)


def test_losses_before_the_rounding_are_of_another_model(tiny: Path, tmp_path: Path, says: Any) -> None:
    says({2: 0.1, 4: 0.2, 6: 3.0, 8: 2.0})
    rounded = recipe(sft=SIX, train={"quantization_aware": "Q8_0", "quantization_aware_share": 0.5})
    facts = train_sft(rounded, tiny, ROWS[:16], ROWS[16:], tmp_path)
    assert facts["rounded_from_step"] == 4
    assert facts["best_step"] == 8
