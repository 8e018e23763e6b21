"""One of the processes that a test starts: trains what a job file says, in fp32."""

import faulthandler
import json
import os
import sys
from pathlib import Path

import torch

from stillroom.data.rows import read_rows
from stillroom.errors import UserError
from stillroom.recipe.model import Recipe
from stillroom.train import callbacks, precision


def run_short(rank: int, rows: int, where: str) -> None:
    """Let memory run out where more than so many rows go through the model at a time, once training has begun."""
    from accelerate import Accelerator

    from stillroom.train import shared_forward

    forward, backward, seen = shared_forward.shared_hidden_states, Accelerator.backward, []

    def short_forward(backbone, ids, mask, count=None):
        seen[:] = [len(ids) > rows and torch.distributed.is_initialized() and backbone.training]
        if seen[0] and where == "forward":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(backbone, ids, mask, count)

    def short_backward(self, loss, **others):
        backward(self, loss, **others)
        if seen[0] and where == "backward":
            raise MemoryError

    shared_forward.shared_hidden_states, Accelerator.backward = short_forward, short_backward


def main(job: dict) -> None:
    precision.fastest_dtype = lambda: torch.float32
    for part in job["parts"]:
        recipe, out = Recipe.model_validate(part["recipe"]), Path(part["out"])
        if os.environ.get("RANK") == str(part.get("dies")):

            class Dying(callbacks.Progress):
                def update(self, done: int, note: str = "") -> None:
                    if done == 7:
                        os.kill(os.getpid(), 9)

            callbacks.Progress = Dying
        if os.environ.get("RANK") == str(part.get("short_of_memory", {}).get("rank")):
            run_short(**part["short_of_memory"])
        if part["kind"] == "sft":
            from stillroom.train.sft import train_sft

            rows = read_rows(Path(job["rows"]))
            train_sft(recipe, Path(job["base"]), rows[part.get("held_out", 0) :], rows[: part.get("held_out", 0)], out)
        else:
            from stillroom.train.dpo import train_dpo

            train_dpo(recipe, Path(job["base"]), Path(part["adapter"]), Path(part["pairs"]), out)


def run(job: Path, environment: dict[str, str], printed: Path) -> None:
    """What the process does; all that it prints goes into a file."""
    os.environ.update(environment)
    descriptor = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    faulthandler.dump_traceback_later(240, exit=True)
    try:
        main(json.loads(job.read_text()))
    except UserError as error:
        sys.exit(f"UserError: {error}")
