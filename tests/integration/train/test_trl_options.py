"""A TRL script of one's own, with share_prefixes called on its model: every option trains as it does without."""

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from peft import LoraConfig
from tiny_task import ROWS
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from stillroom.train.shared_forward import share_prefixes

INSTRUCTION = "Say which animal the text below names, and whether it ran.\n"
PAIRED_LOSSES = [
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired",
    "apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm",
]  # fmt: skip
COMMON: dict[str, Any] = {
    "per_device_train_batch_size": 4, "max_steps": 3, "learning_rate": 3e-3, "logging_steps": 1, "report_to": "none",
    "disable_tqdm": True, "use_cpu": True, "bf16": False, "save_steps": 2, "gradient_checkpointing": False, "seed": 3,
}  # fmt: skip


class Seen(TrainerCallback):
    """A callback of a user's own."""

    def __init__(self) -> None:
        self.steps = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.steps += 1


def trained(
    kind: str, tiny: Path, folder: Path, shared: bool, resume: str | None = None, lora: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[list[float], Any]:  # fmt: skip
    """The losses of a stock trainer and, where prefixes are shared, its count of tokens."""
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    rows = [
        {"prompt": f"{INSTRUCTION}{row.text}\n", "chosen": f"It was the {row.label['word']}.", "rejected": "No idea."}
        for row in ROWS
    ]
    seen, common = Seen(), COMMON | {"output_dir": str(folder)} | options
    adapter = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", **lora or {})
    others = {"processing_class": tokenizer, "peft_config": adapter, "callbacks": [seen]}
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype="float32")
    trainer: Any
    if kind == "sft":
        data = Dataset.from_list([{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows])
        trainer = SFTTrainer(model, SFTConfig(**common), train_dataset=data, **others)
    else:
        trainer = DPOTrainer(model, args=DPOConfig(**common), train_dataset=Dataset.from_list(rows), **others)
    count = share_prefixes(trainer.model) if shared else None
    trainer.train(resume_from_checkpoint=resume)
    assert seen.steps > 0
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry], count


@pytest.mark.parametrize(
    ("options", "shares"),
    [
        ({"loss_type": "dft"}, True),
        ({"completion_only_loss": False, "lr_scheduler_type": "cosine", "weight_decay": 0.1}, True),
        ({"gradient_accumulation_steps": 2, "optim": "adafactor"}, True),
        ({"gradient_checkpointing": True}, True),
        # What has rows of another form is the plain forward's affair: as fast as without, and the same.
        ({"packing": True, "max_length": 128}, False),
        ({"padding_free": True, "max_length": None}, False),
        ({"label_smoothing_factor": 0.1}, None),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_sft(tiny: Path, tmp_path: Path, options: dict[str, Any], shares: bool | None) -> None:
    stock, _ = trained("sft", tiny, tmp_path / "stock", False, **options)
    found, count = trained("sft", tiny, tmp_path / "shared", True, **options)
    assert found == pytest.approx(stock, rel=2e-4)
    if shares is not None:
        assert (count.computed > 0) == shares and (not shares or count.computed < count.plain)


@pytest.mark.parametrize(
    "options",
    [
        {"loss_type": PAIRED_LOSSES, "label_smoothing": 0.1},
        {"ld_alpha": 0.5, "use_weighting": True},
        {"f_divergence_type": "js_divergence", "precompute_ref_log_probs": True},
    ],
    ids=["every loss", "ld_alpha and weighting", "another divergence"],
)
def test_dpo(tiny: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    stock, _ = trained("dpo", tiny, tmp_path / "stock", False, **options)
    found, count = trained("dpo", tiny, tmp_path / "shared", True, **options)
    assert found == pytest.approx(stock, rel=5e-4, abs=1e-5)
    assert 0 < count.computed < 0.7 * count.plain


def test_a_stock_checkpoint_goes_on_with_shared_prefixes(tiny: Path, tmp_path: Path) -> None:
    whole, _ = trained("sft", tiny, tmp_path / "whole", False)
    last = str(tmp_path / "whole" / "checkpoint-2")
    found, count = trained("sft", tiny, tmp_path / "again", True, resume=last)
    assert found[-1] == pytest.approx(whole[-1], rel=2e-4) and count.computed > 0


def test_dropout_before_the_adapter(tiny: Path, tmp_path: Path) -> None:
    """Its draws are others where prefixes are shared, so that losses are near, not equal."""
    lora = {"lora_dropout": 0.3}
    stock, _ = trained("sft", tiny, tmp_path / "stock", False, lora=lora)
    found, count = trained("sft", tiny, tmp_path / "shared", True, lora=lora)
    assert found[0] == pytest.approx(stock[0], rel=2e-4)  # B is still 0
    assert found == pytest.approx(stock, rel=0.02) and found[-1] < found[0]
    assert found != pytest.approx(trained("sft", tiny, tmp_path / "none", True)[0], rel=1e-6)
    assert count.computed < count.plain
