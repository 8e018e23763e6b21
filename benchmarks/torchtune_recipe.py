"""torchtune's own LoRA recipe for one device, on given rows; run by the interpreter of torchtune_peer.py.

    python benchmarks/torchtune_recipe.py JOB.json     # prints what the contest wants to know, as JSON

The job: base (folder of the model), rows (input_ids and labels, in the order of training), batch, rows_at_once,
steps (that count; one before does not), rate, rank, alpha, dtype, compile, threads and out (a folder).
"""

import importlib.util
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import torch
import torchtune
from omegaconf import OmegaConf

JOB: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())


class Rows:
    """The rows as torchtune's recipe wants them."""

    def __init__(self, tokenizer: Any, packed: bool = False) -> None:
        self._rows = [{"tokens": row["input_ids"], "labels": row["labels"]} for row in JOB["rows"]]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> dict[str, list[int]]:
        return self._rows[number]


class Tokenizer:
    """The rows are token ids already; the recipe asks for the padding alone."""

    pad_id = 0


def constant(optimizer: Any, num_training_steps: int, last_epoch: int) -> Any:
    """The learning rate as it is."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0, last_epoch=last_epoch)


class Log:
    """The recipe's log, of which the losses are kept."""

    losses: ClassVar[list[float]] = []

    def log_config(self, config: Any) -> None:
        pass

    def log_dict(self, payload: dict[str, Any], step: int) -> None:
        self.losses.append(float(payload["loss"]))

    def close(self) -> None:
        pass


def timed_recipe() -> Any:
    """torchtune's recipe that also notes the seconds of each step's forward and backward passes, and keeps no model.

    Its folder of recipes is no package: a recipe is run from its file.
    """
    file = Path(torchtune.__file__).parents[1] / "recipes" / "lora_finetune_single_device.py"
    spec = importlib.util.spec_from_file_location("torchtune_lora_recipe", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class Timed(module.LoRAFinetuneRecipeSingleDevice):  # type: ignore[name-defined]
        def setup(self, cfg: Any) -> None:
            super().setup(cfg)
            self.seconds: list[float] = []
            self.begun: float = 0.0
            self._optimizer.register_step_pre_hook(self.end_step)

        def end_step(self, *_: Any) -> None:
            self.seconds.append(time.perf_counter() - self.begun)
            self.begun = 0.0

        def _loss_step(self, batch: Any) -> Any:
            self.begun = self.begun or time.perf_counter()
            return super()._loss_step(batch)

        def save_checkpoint(self, epoch: int) -> None:
            pass

    return Timed


def configuration() -> Any:
    """The recipe's configuration of Llama 3.2, which shares the embedding with the head, in the base model's sizes."""
    of = json.loads(Path(JOB["base"], "config.json").read_text())
    rope = of.get("rope_parameters") or of
    model = {
        "_component_": "torchtune.models.llama3_2._component_builders.lora_llama3_2",
        "vocab_size": of["vocab_size"],
        "num_layers": of["num_hidden_layers"],
        "num_heads": of["num_attention_heads"],
        "num_kv_heads": of["num_key_value_heads"],
        "embed_dim": of["hidden_size"],
        "intermediate_dim": of["intermediate_size"],
        "max_seq_len": of["max_position_embeddings"],
        "norm_eps": of["rms_norm_eps"],
        "rope_base": int(rope["rope_theta"]),
        "scale_factor": 1,  # no stretched positions
        "lora_attn_modules": ["q_proj", "k_proj", "v_proj", "output_proj"],
        "apply_lora_to_mlp": True,
        "lora_rank": JOB["rank"],
        "lora_alpha": JOB["alpha"],
        "lora_dropout": 0.0,
    }
    checkpointer = {
        "_component_": "torchtune.training.FullModelHFCheckpointer",
        "checkpoint_dir": JOB["base"],
        "checkpoint_files": [file.name for file in sorted(Path(JOB["base"]).glob("*.safetensors"))],
        "output_dir": JOB["out"],
        "model_type": "LLAMA3_2",
    }
    return OmegaConf.create(
        {
            "output_dir": JOB["out"],
            "model": model,
            "checkpointer": checkpointer,
            "tokenizer": {"_component_": "__main__.Tokenizer"},
            "dataset": {"_component_": "__main__.Rows", "packed": False},
            "optimizer": {"_component_": "torch.optim.AdamW", "fused": True, "weight_decay": 0.0, "lr": JOB["rate"]},
            "lr_scheduler": {"_component_": "__main__.constant"},
            "loss": {"_component_": "torchtune.modules.loss.CEWithChunkedOutputLoss"},
            "metric_logger": {"_component_": "__main__.Log"},
            "resume_from_checkpoint": False,
            "shuffle": False,
            "batch_size": JOB["rows_at_once"],
            "seed": 0,
            "epochs": 1,
            "max_steps_per_epoch": JOB["steps"] + 1,
            "gradient_accumulation_steps": JOB["batch"] // JOB["rows_at_once"],
            "clip_grad_norm": 1.0,
            "compile": JOB["compile"],
            "device": "cpu",
            "dtype": JOB["dtype"],
        }
    )


def main() -> None:
    """Train, and print the figures."""
    torch.set_num_threads(JOB["threads"])
    recipe = timed_recipe()(configuration())
    recipe.setup(configuration())
    recipe.train()
    counted = recipe.seconds[1:]
    tokens = sum(len(row["input_ids"]) for row in JOB["rows"]) / (JOB["steps"] + 1)
    result = {
        "losses": Log.losses,
        "seconds": counted,
        "samples_per_second": JOB["batch"] * len(counted) / sum(counted),
        "tokens_per_second": tokens * len(counted) / sum(counted),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    main()
