"""What each Ray worker does: train its part by the library's own functions, from and to the training's storage."""

import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.storage import Storage
from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.train.workers import Workers


@dataclass(frozen=True)
class RayWorkers(Workers):
    """The workers of one Ray training: what they report goes to the driver, their checkpoints to the storage."""

    board: Any = None
    _warned: list[str] = field(default_factory=list)

    def report(self, step: int, metrics: dict[str, float], checkpoint: Path | None) -> None:
        """Figures go to the driver's board at once, a checkpoint through Ray, which counts it when it has all parts."""
        from ray import train

        from stillroom.train.callbacks import BEST

        if checkpoint is None:
            if self.first and "loss" in metrics:
                note = f"loss {metrics['loss']:.3f}, {self.count} workers"
                self.board.tell.remote(step, int(metrics["of"]), note)
            return
        # Only on its way: transformers would load it as one more adapter of the model.
        best, carried = checkpoint.parent / BEST, checkpoint / BEST
        if self.first and best.exists():
            shutil.copytree(best, carried)
        train.report({"step": step, **metrics}, train.Checkpoint.from_directory(str(checkpoint)))
        shutil.rmtree(carried, ignore_errors=True)
        if not self.first:  # the trainer removes old ones where it writes the model, on the first worker
            shutil.rmtree(checkpoint)

    def restore(self, checkpoints: Path) -> None:
        from ray import train

        from stillroom.train.callbacks import BEST

        checkpoint = train.get_checkpoint()
        if checkpoint is None:
            return
        with checkpoint.as_directory() as folder:
            state = json.loads(Path(folder, "trainer_state.json").read_text())
            here = checkpoints / f"checkpoint-{state['global_step']}"
            shutil.copytree(folder, here)
        if (here / BEST).exists():
            (here / BEST).rename(checkpoints / BEST)

    def must_save(self) -> bool:
        from ray import train

        info = train.get_preemption_info()
        if info is None or info.preempted_node_ids == self._warned:
            return False
        self._warned[:] = info.preempted_node_ids
        return True


def train_part(job: dict[str, Any]) -> None:
    """Ray's training loop. job: `task`, `recipe` (JSON) and `storage`, the Storage with its inputs, `board`."""
    from stillroom.models.base import resolve_base_model

    recipe, storage = Recipe.model_validate_json(job["recipe"]), job["storage"]
    assert isinstance(storage, Storage)
    place = Workers.of_environment()
    workers = RayWorkers(place.rank, place.count, place.here, job["board"])
    with tempfile.TemporaryDirectory(prefix="stillroom-worker-") as folder:
        inputs, out = Path(folder, "inputs"), Path(folder, "out")
        storage.fetch("inputs", inputs)
        base = resolve_base_model(recipe.base_model)
        if job["task"] == "train-sft":
            from stillroom.train.encoded import EncodedRows
            from stillroom.train.sft import train_sft

            cache = Path(folder, "cache")
            rows, held_out = (EncodedRows.read(inputs / split, cache) for split in ("train", "validation"))
            if rows is None:
                raise UserError("There is nothing to train on: no row has an answer with at least one token.")
            train_sft(recipe, base, rows, held_out or [], out, workers)
        else:
            from stillroom.train.dpo import train_dpo

            train_dpo(recipe, base, inputs / "adapter", inputs / "pairs.jsonl", out, workers)
        if workers.first:
            storage.store(out, "outputs")
        workers.wait()
