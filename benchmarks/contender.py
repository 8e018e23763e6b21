"""What the training benchmarks have in common: the model of a contender, its arguments, the timing of its steps."""

import resource
import time
from pathlib import Path
from typing import Any

from benchmarks.contest import OURS

TARGETS = {"r": 16, "lora_alpha": 32, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}


def load(contender: str) -> tuple[Any, Any, bool]:
    """SmolLM2's tokenizer, its model as the contender trains it, and whether that computes in bf16."""
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
    return setup.load_tokenizer(base), model, model.dtype == torch.bfloat16


def arguments(batch: int, steps: int, bf16: bool, out: Path) -> dict[str, Any]:
    """Arguments that every contender's trainer gets; the first step of all is not counted."""
    import torch

    return {
        "output_dir": str(out),
        "per_device_train_batch_size": batch,
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
    }


class Timed:
    """Mixin of a trainer: the seconds of each step."""

    seconds: list[float]

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        loss = super().training_step(*args, **kwargs)  # type: ignore[misc]
        self.seconds = [*getattr(self, "seconds", []), time.perf_counter() - start]
        return loss


def result(trainer: Any, samples: int, tokens: int) -> dict[str, Any]:
    """What a trained contender reports; `samples` and `tokens` are those of one step, on average."""
    counted = trainer.seconds[1:]  # the first pays for choosing kernels
    return {
        "losses": [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry],
        "seconds": counted,
        "samples_per_second": samples * len(counted) / sum(counted),
        "tokens_per_second": tokens * len(counted) / sum(counted),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
