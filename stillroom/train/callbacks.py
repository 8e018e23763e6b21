"""What watches a training: its progress and the marks of whole checkpoints, and the best adapter by validation loss."""

import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from stillroom.errors import UserError
from stillroom.files import read_json, write_json
from stillroom.progress import Progress, say

WHOLE = "whole"
"""Mark in a checkpoint that was written to its end."""
BEST = "best"
"""Folder among the checkpoints with the adapter of the lowest validation loss so far."""
_RECORD = "validation.json"


class Watch(TrainerCallback):
    """Reports progress, marks whole checkpoints, and stops before a gradient that is no number spoils the weights."""

    def __init__(self, task: str, checkpoints: Path) -> None:
        self._task, self._checkpoints = task, checkpoints

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin the bar where a resumed training begins."""
        self._progress = Progress(self._task, state.max_steps)
        self._progress.update(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Show the loss. Raises UserError where the gradient is no number: the step's checkpoint is not written."""
        logs = logs or {}
        if not math.isfinite(logs.get("grad_norm", 0.0)):
            raise UserError(
                f"Training stopped at step {state.global_step}: its gradient is no number. Lower the learning rate in "
                f"the recipe. Checkpoints before that step are kept in {self._checkpoints}."
            )
        if "loss" in logs:
            self._progress.update(state.global_step, f"loss {logs['loss']:.3f}")

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark the checkpoint as whole."""
        os.sync()  # the trainer's own writes come to rest before the mark that says they are whole
        (self._checkpoints / f"checkpoint-{state.global_step}" / WHOLE).touch()


class KeepBest(TrainerCallback):
    """Keeps the adapter of the lowest validation loss, and stops after `patience` validations without a lower one.

    counts_from: from the number of steps to the first step (from 0) whose model is the one that training is for. The
    loss through a format's rounding is another model's than the loss before it.
    """

    def __init__(
        self, checkpoints: Path, patience: int | None = None, counts_from: Callable[[int], int] = lambda steps: 0
    ) -> None:
        self._folder, self._patience, self._counts_from, self._first = checkpoints / BEST, patience, counts_from, 0
        self.best_step: int | None = None
        self.stopped = False
        self._lowest, self._since = math.inf, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Read what an interrupted training had found, from its own log."""
        self._first = self._counts_from(state.max_steps)
        for entry in state.log_history:
            if "eval_loss" in entry:
                self._judge(entry["step"], entry["eval_loss"])
        if self.best_step is not None and self._kept_step() != self.best_step:
            # A later validation was better. It comes again, and with it the same adapter.
            self._lowest, self._since, self.best_step = math.inf, 0, None
        if self._patience is not None and self._since >= self._patience:
            self.stopped = control.should_training_stop = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The last step is validated too."""
        if state.global_step >= state.max_steps and args.eval_strategy != "no":
            control.should_evaluate = True

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float], model: Any = None, **_: Any
    ) -> None:
        """Keep the adapter where it is the best so far."""
        if self._judge(state.global_step, metrics["eval_loss"]):
            self._keep(model, state.global_step, metrics["eval_loss"])
        elif self._patience is not None and self._since >= self._patience:
            self.stopped = control.should_training_stop = True
            say(
                f"Training stops at step {state.global_step} of {state.max_steps}: {self._since} validations in a row "
                f"were not better than that of step {self.best_step}."
            )

    def restore(self, model: Any, step: int) -> None:
        """Give the model its best adapter back, where that is not the one of this last step."""
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        if self.best_step in (None, step):
            return
        set_peft_model_state_dict(model, load_file(self._folder / "adapter_model.safetensors"))
        say(f"The adapter of step {self.best_step} is kept: its validation loss, {self._lowest:.4f}, is the lowest.")

    def _judge(self, step: int, loss: float) -> bool:
        if step <= self._first and self._first > 0:
            return False
        if loss < self._lowest:
            self._lowest, self._since, self.best_step = loss, 0, step
            return True
        self._since += 1
        return False

    def _keep(self, model: Any, step: int, loss: float) -> None:
        partial = self._folder.with_name(f".{BEST}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        model.save_pretrained(partial, selected_adapters=["default"])
        write_json(partial / _RECORD, {"step": step, "validation_loss": loss})
        shutil.rmtree(self._folder, ignore_errors=True)
        partial.rename(self._folder)

    def _kept_step(self) -> int | None:
        record = self._folder / _RECORD
        return int(read_json(record)["step"]) if record.is_file() else None
