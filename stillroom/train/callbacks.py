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
from stillroom.train import zero
from stillroom.train.identity import mark
from stillroom.train.shared_forward import TokenCount
from stillroom.train.workers import ALONE, Workers

WHOLE = "whole"
"""Mark in a checkpoint that was written to its end."""
BEST = "best"
"""Folder among the checkpoints with the adapter of the lowest validation loss so far."""
_RECORD = "validation.json"


class Watch(TrainerCallback):
    """Reports progress, marks whole checkpoints, and stops before a gradient that is no number spoils the weights."""

    def __init__(
        self, task: str, checkpoints: Path, trainer: Any, identity: dict[str, Any], workers: Workers = ALONE
    ) -> None:
        """identity: what every checkpoint is to say that it was trained for."""
        self._task, self._checkpoints, self._trainer = task, checkpoints, trainer
        self._identity, self._workers = identity, workers
        self.count: TokenCount | None = None
        """Of a model in parts, which computes only once DeepSpeed's engine is made."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin the bar where a resumed training begins."""
        if zero.partitioned(self._trainer.model):
            from stillroom.train.setup import prepare_model

            self.count = prepare_model(self._trainer.model, args.bf16)
        for entry in state.log_history:  # TRL begins to count again when it goes on from a checkpoint
            self._trainer._total_train_tokens = entry.get("num_tokens", self._trainer._total_train_tokens)
        self._progress = Progress(self._task, state.max_steps, state.global_step)

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
        self._workers.report(state.global_step, {**logs, "of": state.max_steps}, None)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save where a machine is about to be taken away."""
        control.should_save |= self._workers.must_save()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Let the checkpoint say what it was trained for, and mark it as whole when all workers have written theirs."""
        checkpoint = self._checkpoints / f"checkpoint-{state.global_step}"
        if self._workers.first:
            mark(checkpoint, self._identity)
        os.sync()  # the trainer's own writes come to rest before the mark that says they are whole
        self._workers.wait()
        (checkpoint / WHOLE).touch()
        self._workers.report(state.global_step, {}, checkpoint)


class KeepBest(TrainerCallback):
    """Keeps the adapter of the lowest validation loss, and stops after `patience` validations without a lower one.

    counts_from: from the number of steps to the first step (from 0) whose model is the one that training is for. The
    loss through a format's rounding is another model's than the loss before it.
    """

    def __init__(
        self,
        checkpoints: Path,
        patience: int | None = None,
        counts_from: Callable[[int], int] = lambda steps: 0,
        workers: Workers = ALONE,
    ) -> None:
        self._folder, self._patience, self._counts_from, self._first = checkpoints / BEST, patience, counts_from, 0
        self._workers = workers
        self.best_step: int | None = None
        self.stopped = False
        self._lowest, self._since = math.inf, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Read what an interrupted training had found, from its own log."""
        self._first = self._counts_from(state.max_steps)
        for entry in state.log_history:
            if "eval_loss" in entry:
                self._judge(entry["step"], entry["eval_loss"])
        kept = self._kept_step()
        if self.best_step is not None and kept != self.best_step:
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
        with zero.whole(model):
            if self._workers.first:
                self._write(model, step, loss)

    def _write(self, model: Any, step: int, loss: float) -> None:
        partial = self._folder.with_name(f".{BEST}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        model.save_pretrained(partial, selected_adapters=["default"])
        write_json(partial / _RECORD, {"step": step, "validation_loss": loss})
        shutil.rmtree(self._folder, ignore_errors=True)
        partial.rename(self._folder)

    def _kept_step(self) -> int | None:
        """The step of the kept adapter, which only the first worker may have."""
        record, step = self._folder / _RECORD, -1
        if self._workers.first and record.is_file():
            step = int(read_json(record)["step"])
        step = self._workers.of_first(step)
        return None if step < 0 else step
