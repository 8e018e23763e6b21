"""Supervised fine-tuning: a LoRA adapter that writes the gold answers."""

import math
from pathlib import Path
from typing import Any

from stillroom.data.rows import Row
from stillroom.recipe.model import Recipe


def train_sft(recipe: Recipe, base: Path, train: list[Row], validation: list[Row], out: Path) -> dict[str, Any]:
    """Train the adapter and write adapter/, curves.jsonl and training.json into `out`.

    base: folder of a Hugging Face model. Goes on from the checkpoints that an interrupted call left in `out`.
    Raises UserError where nothing can be trained on or the loss is not a number.
    """
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    from stillroom.train import setup
    from stillroom.train.bucketing import LengthBuckets
    from stillroom.train.encode import Encoder

    options, tokenizer = recipe.sft, setup.load_tokenizer(base)
    encoder = Encoder(recipe, tokenizer)
    samples, held_out = encoder.encode_rows(train), encoder.encode_rows(validation) if validation else []

    def data_set(encoded: list[Any]) -> Dataset:
        return Dataset.from_list(
            [{"input_ids": s.prompt + s.completion, "labels": [-100] * len(s.prompt) + s.completion} for s in encoded]
        )

    class BucketedSFTTrainer(SFTTrainer):
        def _get_train_sampler(self, train_dataset: Dataset | None = None) -> LengthBuckets:
            lengths = [len(sample.prompt) + len(sample.completion) for sample in samples]
            return LengthBuckets(lengths, options.batch_size, options.seed)

    set_seed(options.seed)
    steps = math.ceil(math.ceil(len(samples) / options.batch_size) * options.epochs)
    trainer = BucketedSFTTrainer(
        model=setup.load_model(base),
        args=SFTConfig(
            **setup.trainer_arguments(options, out, len(samples)),
            dataset_kwargs={"skip_prepare_dataset": True},
            eval_strategy="steps" if held_out else "no",
            eval_steps=max(1, math.ceil(steps / 3)),
        ),
        train_dataset=data_set(samples),
        eval_dataset=data_set(held_out) if held_out else None,
        processing_class=tokenizer,
        peft_config=LoraConfig(
            r=options.lora.rank,
            lora_alpha=options.lora.alpha,
            lora_dropout=options.lora.dropout,
            target_modules=options.lora.target_modules,
            task_type="CAUSAL_LM",
        ),
    )
    facts = setup.train(trainer, "train-sft", out)
    facts |= {"cut_samples": sum(s.cut for s in samples), "prefix_tokens": len(encoder.tokens(encoder.prompter.prefix))}
    return setup.write_training(out, facts, _curves(trainer.state.log_history))


def _curves(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = {
        "step": "step", "epoch": "epoch", "loss": "loss", "learning_rate": "learning_rate", "num_tokens": "tokens",
        "mean_token_accuracy": "token_accuracy", "eval_loss": "validation_loss",
    }  # fmt: skip
    entries = [entry for entry in history if "loss" in entry or "eval_loss" in entry]
    return [{new: entry[old] for old, new in names.items() if old in entry} for entry in entries]
