"""Several processes that train one model together."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stillroom.recipe.model import Training
from stillroom.train import zero


@dataclass(frozen=True)
class Workers:
    """Who trains: this process is number `rank` of `count`, and one of `here` on this machine.

    The methods do nothing for a process on its own. A cluster extends `report`, `restore` and `must_save`.
    """

    rank: int = 0
    count: int = 1
    here: int = 1

    @classmethod
    def of_environment(cls) -> "Workers":
        """As torchrun and Ray Train tell each process, which joins the others here; one alone where nobody does."""
        names = {"rank": "RANK", "count": "WORLD_SIZE", "here": "LOCAL_WORLD_SIZE"}
        workers = cls(**{name: int(os.environ[text]) for name, text in names.items() if text in os.environ})
        if workers.count > 1 and not torch.distributed.is_initialized():
            torch.distributed.init_process_group()
        return workers

    @property
    def first(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    def total(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all workers; all of them must ask."""
        if self.count > 1:
            values = values.clone()
            torch.distributed.all_reduce(values)
        return values

    def of_first(self, number: int) -> int:
        """The first worker's number; all of them must ask."""
        return int(self.total(torch.tensor(number if self.first else 0)))

    def least(self, number: int) -> int:
        """The least of all workers' numbers; all of them must ask."""
        value = torch.tensor(number)
        if self.count > 1:
            torch.distributed.all_reduce(value, torch.distributed.ReduceOp.MIN)
        return int(value)

    def any(self, yes: bool) -> bool:
        """Whether any worker says yes; all of them must ask."""
        return self.least(int(not yes)) == 0

    def wait(self) -> None:
        """Come here together."""
        if self.count > 1:
            torch.distributed.barrier()

    def report(self, step: int, metrics: dict[str, float], checkpoint: Path | None) -> None:
        """Every worker tells what it measured at a step, and which whole checkpoint lies in its folder, if any."""

    def restore(self, checkpoints: Path) -> None:
        """Fetch the newest checkpoint of an interrupted training into a folder, where it lies elsewhere."""

    def must_save(self) -> bool:
        """Whether a machine is about to be taken away, so that a checkpoint is due now; all workers must ask."""
        return False


ALONE = Workers()


def trainer_arguments(train: Training, workers: Workers) -> dict[str, Any]:
    """Arguments of SFTConfig and DPOConfig that only several workers need.

    They must exist before the model is loaded, which ZeRO-3 cuts into parts as it comes.
    """
    if workers.count == 1:
        return {}
    # Buffers are constants, and DDP would wait for those of a worker whose forward pass failed.
    arguments: dict[str, Any] = {"ddp_find_unused_parameters": False, "ddp_broadcast_buffers": False}
    if not torch.cuda.is_available():
        arguments["ddp_backend"] = "gloo"
    if train.deepspeed:
        arguments["deepspeed"] = zero.configuration(train.deepspeed)
    return arguments
