"""What the training benchmarks have in common: the model of a contender, its arguments, the timing of its steps."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.contest import OURS, Absent, is_ours

TARGETS = {"r": 16, "lora_alpha": 32, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}


def load(contender: str) -> tuple[Any, bool]:
    """SmolLM2 as the contender trains it, and whether that computes in bf16."""
    import torch
    from transformers import AutoModelForCausalLM

    from stillroom.machine import cpu_threads
    from stillroom.models.base import resolve_base_model
    from stillroom.train import setup

    torch.set_num_threads(cpu_threads())
    base = resolve_base_model("smollm2-135m-instruct")
    if contender == OURS:
        model = setup.load_model(base)
    else:
        # TRL's quickest ways here: PyTorch's fused attention, weights in the dtype of the products.
        dtype = torch.float32 if "fp32" in contender else torch.bfloat16
        model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
        model.config.use_cache = False
    return model, model.dtype == torch.bfloat16


def rows_at_once(contender: str, shared: int, batch: int) -> int:
    """How many rows of a batch a contender runs through the model together; gradients of the parts add up.

    Peers take as many as fit beside the whole activations of 16 e-mails, 4,500 tokens: they keep up to 3 MB of each in
    bf16, and 16 rows of 1,000 tokens would need 48 GB. Stillroom takes the whole batch.
    """
    most = 2250 if "fp32" in contender else 4500
    while not is_ours(contender) and batch > 1 and batch * (shared + 160) > most:
        batch //= 2
    return batch


def arguments(batch: int, at_once: int, steps: int, bf16: bool, out: Path) -> dict[str, Any]:
    """Arguments that every contender's trainer gets; the first step of all is not counted."""
    import torch

    return {
        "output_dir": str(out),
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": batch // at_once,
        "max_steps": steps + 1,
        "learning_rate": 1e-4,
        "lr_scheduler_type": "constant",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "bf16": bf16,
        "use_cpu": not torch.cuda.is_available(),
        "gradient_checkpointing": False,
        "max_length": None,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "weight_decay": 0.0,
    }


class Timed:
    """Mixin of a trainer: the seconds of each forward and backward pass."""

    seconds: list[float]

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        loss = super().training_step(*args, **kwargs)  # type: ignore[misc]
        self.seconds = [*getattr(self, "seconds", []), time.perf_counter() - start]
        return loss


@contextmanager
def within_memory() -> Iterator[None]:
    """Raise Absent where a contender needs more memory than there is, before the system ends a process for it.

    Processes that are started inside have the same limit.
    """
    from stillroom.machine import free_memory
    from stillroom.train.portions import out_of_memory

    free = free_memory()
    resource.setrlimit(resource.RLIMIT_DATA, (int(0.92 * free), resource.RLIM_INFINITY))
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise Absent(f"it needs more than the {free / 2**30:.0f} GiB of memory that are free") from error


def result(trainer: Any, samples: int, tokens: int) -> dict[str, Any]:
    """What a trained contender reports; `samples` and `tokens` are those of one step, on average."""
    parts = trainer.args.gradient_accumulation_steps
    steps = [sum(trainer.seconds[begin : begin + parts]) for begin in range(0, len(trainer.seconds), parts)]
    counted = steps[1:]  # the first pays for choosing kernels
    return {
        "losses": [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry],
        "seconds": counted,
        "samples_per_second": samples * len(counted) / sum(counted),
        "tokens_per_second": tokens * len(counted) / sum(counted),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
