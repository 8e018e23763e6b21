"""Continued pretraining: the adapter first reads raw text of the domain, then SFT goes on with it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from stillroom.errors import UserError
from stillroom.recipe.model import Recipe

FOLDER = "pretrain"
"""Folder beside SFT's adapter that holds this stage's."""


def pretrain(recipe: Recipe, base: Path, texts: Iterable[str], out: Path) -> dict[str, Any]:
    """Train the adapter on raw text; write adapter/, curves.jsonl and training.json into `out`.

    The documents, each with the model's end mark behind it, follow one another in blocks of `pretrain.tokens` tokens,
    every one of which is learned. An interrupted call goes on from its checkpoints, a finished one is not repeated.
    """
    from datasets import Dataset
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    from stillroom.files import read_json
    from stillroom.train import setup
    from stillroom.train.identity import identity
    from stillroom.train.portions import Portions
    from stillroom.train.workers import ALONE

    options = recipe.pretrain
    if options is None:
        raise UserError("The recipe has no pretrain section, so there is nothing to train on raw text.")
    if (out / setup.FACTS).is_file():
        facts: dict[str, Any] = read_json(out / setup.FACTS)
        return facts
    tokenizer = setup.load_tokenizer(base)
    ends = [tokenizer.eos_token_id]
    samples = blocks((tokenizer(text, add_special_tokens=False)["input_ids"] + ends for text in texts), options.tokens)
    if not samples:
        raise UserError("There is no raw text to train on: pretrain.jsonl holds no document with two tokens.")

    class PretrainTrainer(Portions, SFTTrainer):
        pass

    set_seed(options.seed)
    model = setup.load_model(base, four_bit=recipe.train.qlora)
    trainer = PretrainTrainer(
        model=model,
        args=SFTConfig(
            **setup.trainer_arguments(options, out, len(samples)), dataset_kwargs={"skip_prepare_dataset": True}
        ),
        train_dataset=Dataset.from_list([{"input_ids": block, "labels": block} for block in samples]),
        processing_class=tokenizer,
        peft_config=setup.lora_config(recipe, model),
    )
    of = identity(recipe, "pretrain", samples)
    names = [f"block {number}" for number in range(len(samples))]
    facts = setup.train(trainer, "pretrain", out, names, of, ALONE)
    facts |= {"tokens": sum(map(len, samples))}
    return setup.write_training(out, facts, curves(trainer.state.log_history), ALONE)


def blocks(documents: Iterable[Sequence[int]], size: int) -> list[list[int]]:
    """Token ids of documents, one behind the other, in blocks of `size`; the last may be shorter, but not below two."""
    full: list[list[int]] = []
    rest: list[int] = []
    for document in documents:
        rest += document
        while len(rest) >= size:
            full.append(rest[:size])
            rest = rest[size:]
    return [*full, rest] if len(rest) > 1 else full


def curves(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The learning curve as the report reads it."""
    names = {"step": "step", "epoch": "epoch", "loss": "loss", "learning_rate": "learning_rate", "num_tokens": "tokens"}
    return [{new: entry[old] for old, new in names.items() if old in entry} for entry in history if "loss" in entry]
