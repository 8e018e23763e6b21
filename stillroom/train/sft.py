"""Supervised fine-tuning: a LoRA adapter that writes the gold answers."""

import json
import math
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillroom.data.rows import Row
from stillroom.data.split import class_of
from stillroom.recipe.model import Recipe
from stillroom.recipe.schema import class_fields

if TYPE_CHECKING:
    from stillroom.train.encode import Encoder
    from stillroom.train.encoded import EncodedRows
    from stillroom.train.workers import Workers


def train_sft(
    recipe: Recipe,
    base: Path,
    train: "list[Row] | EncodedRows",
    validation: "list[Row] | EncodedRows",
    out: Path,
    workers: "Workers | None" = None,
    raw_text: Iterable[str] = (),
) -> dict[str, Any]:
    """Train the adapter and write adapter/, curves.jsonl and training.json into `out`.

    train, validation: rows, or what was encoded of them. base: folder of a Hugging Face model. workers: by default as
    the environment says. raw_text: what is read first, where the recipe has a pretrain section. Goes on from the
    checkpoints that an interrupted call left in `out`. Raises UserError where nothing can be trained on, the loss is
    not a number, or the checkpoints are another training's.
    """
    from datasets import Dataset
    from peft import PeftModel
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    from stillroom.train import setup
    from stillroom.train.bucketing import LengthBuckets
    from stillroom.train.callbacks import KeepBest
    from stillroom.train.curriculum import curriculum_of
    from stillroom.train.dealt_batches import SharesBatches, blank_sample
    from stillroom.train.encode import Encoded, Encoder
    from stillroom.train.encoded import EncodedRows
    from stillroom.train.identity import identity
    from stillroom.train.portions import Portions
    from stillroom.train.pretrain import FOLDER, pretrain
    from stillroom.train.quantization_aware import QuantizationAware, at_the_end, first_step
    from stillroom.train.weights import class_weights, collator, token_weights, weighed, weighted
    from stillroom.train.workers import Workers, trainer_arguments

    workers = workers or Workers.of_environment()
    pretraining = pretrain(recipe, base, raw_text, out / FOLDER) if recipe.pretrain else None
    options, tokenizer = recipe.sft, setup.load_tokenizer(base)
    encoder = Encoder(recipe, tokenizer)
    of_train = train.rows() if isinstance(train, EncodedRows) else train
    by_class = class_weights(recipe, of_train)
    rows, counts = weighed(recipe, of_train)
    curriculum = curriculum_of(recipe, rows)

    samples: Sequence[Encoded]
    held_out: Sequence[Encoded]
    samples = train.of(rows) if isinstance(train, EncodedRows) else encoder.encode_rows(rows)
    if isinstance(validation, EncodedRows):
        held_out = validation
    else:
        held_out = encoder.encode_rows(validation) if validation else []
    decision = _decision_tokens(recipe, encoder)

    def data_set(encoded: Sequence[Encoded], counts: list[float], full: bool) -> Dataset:
        weights = token_weights(encoded, counts, decision, options.decision_weight, full)

        def columns(sample: Encoded, number: int) -> dict[str, Any]:
            ids, of_tokens = sample.prompt + sample.completion, weights(sample, counts[number])
            return {"input_ids": ids, "labels": sample.labels(full), "weights": of_tokens}

        if isinstance(encoded, EncodedRows):
            return encoded.map(columns)
        return Dataset.from_list([columns(sample, number) for number, sample in enumerate(encoded)])

    class BucketedSFTTrainer(SharesBatches, Portions, SFTTrainer):
        _signature_columns: list[str]

        def _set_signature_columns_if_needed(self) -> None:
            super()._set_signature_columns_if_needed()
            self._signature_columns = list(dict.fromkeys([*self._signature_columns, "weights"]))

        def _get_train_sampler(self, train_dataset: Dataset | None = None) -> LengthBuckets:
            lengths = [len(sample.prompt) + len(sample.completion) for sample in samples]
            strata = [(row.source, class_of(row, recipe.output_schema)) for row in rows]
            return LengthBuckets(lengths, options.batch_size, options.seed, strata, curriculum)

        def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            inputs = dict(inputs)
            return super().compute_loss(partial(weighted, model, inputs.pop("weights")), inputs, *args, **kwargs)

    BucketedSFTTrainer.workers, BucketedSFTTrainer.blank = workers, staticmethod(blank_sample)
    set_seed(options.seed)
    steps = math.ceil(math.ceil(len(samples) / options.batch_size) * options.epochs)
    arguments = SFTConfig(
        **setup.trainer_arguments(options, out, len(samples)),
        **trainer_arguments(recipe.train, workers),
        dataset_kwargs={"skip_prepare_dataset": True},
        eval_strategy="steps" if held_out else "no",
        eval_steps=max(1, math.ceil(steps / options.validations)),
    )
    model, adapter = setup.load_model(base, workers, recipe.train.qlora), None
    if recipe.pretrain:
        model = PeftModel.from_pretrained(model, out / FOLDER / "adapter", is_trainable=True)
    else:
        adapter = setup.lora_config(recipe, model)
    trainer = BucketedSFTTrainer(
        model=model,
        args=arguments,
        train_dataset=data_set(samples, counts, options.loss == "full"),
        # The validation loss is that of the answers, row by row alike, whatever is trained: so variants compare.
        eval_dataset=data_set(held_out, [1.0] * len(held_out), False) if held_out else None,
        data_collator=collator(tokenizer.pad_token_id),
        processing_class=tokenizer,
        peft_config=adapter,
    )
    through = None
    if recipe.train.quantization_aware:
        aware = QuantizationAware(trainer.model, base, recipe.train.quantization_aware)
        through = at_the_end(aware, recipe.train.quantization_aware_share)
        trainer.add_callback(through)
    share = recipe.train.quantization_aware_share if through is not None else 1.0
    best = KeepBest(out / setup.CHECKPOINTS, options.patience, lambda steps: first_step(steps, share), workers)
    data = zip(chain(samples, held_out), counts + [1.0] * len(held_out), strict=True)
    of = identity(recipe, "sft", ([sample.prompt, sample.completion, count] for sample, count in data))
    ids = [row.id for row in rows]
    facts = setup.train(trainer, "train-sft", out, ids, of, workers, best if held_out else None)
    if through is not None:
        facts |= {"quantization_aware": recipe.train.quantization_aware, "rounded_from_step": through.begin}
    if pretraining is not None:
        facts |= {"pretraining": pretraining}
    facts |= {"loss": options.loss, "class_weights": by_class if options.class_weights != "none" else None}
    facts |= {"cut_samples": sum(s.cut for s in samples), "prefix_tokens": len(encoder.tokens(encoder.prompter.prefix))}
    return setup.write_training(out, facts, _curves(trainer.state.log_history), workers)


def _decision_tokens(recipe: Recipe, encoder: "Encoder") -> int:
    """Tokens of an answer up to the end of its first value, where that is a class; 0 where it is not."""
    schema = recipe.output_schema
    first = next(iter(schema["properties"]), None) if schema else None
    classes = class_fields(schema).get(first, []) if schema and first else []
    beginnings = (json.dumps({first: value}, ensure_ascii=False, separators=(",", ":"))[:-1] for value in classes)
    return max((len(encoder.tokens(beginning)) for beginning in beginnings), default=0)


def _curves(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = {
        "step": "step", "epoch": "epoch", "loss": "loss", "learning_rate": "learning_rate", "num_tokens": "tokens",
        "mean_token_accuracy": "token_accuracy", "eval_loss": "validation_loss",
    }  # fmt: skip
    entries = [entry for entry in history if "loss" in entry or "eval_loss" in entry]
    return [{new: entry[old] for old, new in names.items() if old in entry} for entry in entries]
