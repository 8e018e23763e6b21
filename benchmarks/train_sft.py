"""SFT against its peers: same rows, same order, same loss; samples a second and peak memory at several shared prefixes.

    python -m benchmarks.train_sft                    # the whole table, about 25 minutes on two cores
    python -m benchmarks.train_sft --shared 300 --steps 1 --contenders stillroom trl-bf16

Peers are stock TRL (padded, without padding, packed; bf16 and fp32) and torchtune's LoRA recipe. Each contender trains
in a process of its own, contenders in turn, with nothing else running. The last line is the summary; the exit status is
1 when a goal is missed.
"""

import sys
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks import contest, torchtune_peer
from benchmarks.contender import TARGETS, Timed, arguments, load, result, rows_at_once, within_memory
from benchmarks.mails import mails

GOALS = {0: 2.0, 100: 1.0, 300: 5.0, 800: 1.0}
"""Least speed-up over the best peer, by the number of shared tokens."""
CONTENDERS = {
    contest.OURS: (0, 100, 300, 800),
    "trl-bf16": (0, 100, 300, 800),
    "trl-bf16-unpadded": (0, 300),
    "trl-bf16-packed": (0, 300),
    "torchtune-bf16": (0, 100, 300, 800),
    "trl-fp32": (300,),
}
"""Where each contender runs; those that are never the quickest run where the goals are, and fp32 at one of them."""
BATCH = 16
BLOCK = 4
"""Rows in a packed block."""


def train(contender: str, shared: int, steps: int, out: Path) -> dict[str, Any]:
    """Train `steps` counted steps as one contender."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    from stillroom.models.base import resolve_base_model
    from stillroom.train import setup
    from stillroom.train.bucketing import LengthBuckets

    tokenizer = setup.load_tokenizer(resolve_base_model("smollm2-135m-instruct"))
    made = [
        {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}
        for prompt, answer in mails(tokenizer, shared, BATCH * (steps + 1))
    ]
    # Batches of like length, in the order that all contenders take.
    rows = [made[number] for number in LengthBuckets([len(row["input_ids"]) for row in made], BATCH, 0)]
    tokens = sum(len(row["input_ids"]) for row in rows) // (steps + 1)
    at_once = rows_at_once(contender, shared, BATCH)
    if contender.startswith("torchtune"):
        with within_memory():
            base = resolve_base_model("smollm2-135m-instruct")
            return torchtune_peer.train(base, rows, BATCH, at_once, steps, "bf16", out)
    model, bf16 = load(contender)

    class Trainer(Timed, SFTTrainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> range:
            return range(len(self.train_dataset))

    set_seed(0)
    packed = "packed" in contender
    # TRL flattens all blocks of a batch into one sequence, whose attention is quadratic here: one block at a time.
    options = arguments(BATCH // BLOCK, 1, steps, bf16, out) if packed else arguments(BATCH, at_once, steps, bf16, out)
    with within_memory():
        trainer = Trainer(
            model=model,
            args=SFTConfig(
                **options,
                dataset_kwargs={"skip_prepare_dataset": True},
                padding_free="unpadded" in contender,
                packing=packed,
            ),
            train_dataset=Dataset.from_list(blocks(rows) if packed else rows),
            processing_class=tokenizer,
            peft_config=LoraConfig(**TARGETS),
        )
        if contender == contest.OURS and setup.prepare_model(trainer.model, bf16) is None:
            raise SystemExit("The prefix-shared forward does not fit this model.")
        trainer.train()
    return result(trainer, BATCH, tokens)


def blocks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows in blocks as TRL's packing makes them; its own packer would take rows from other batches too."""
    made = []
    for begin in range(0, len(rows), BLOCK):
        block = rows[begin : begin + BLOCK]
        joined = {name: list(chain(*(row[name] for row in block))) for name in ("input_ids", "labels")}
        made.append(joined | {"seq_lengths": [len(row["input_ids"]) for row in block]})
    return made


if __name__ == "__main__":
    sys.exit(contest.main(__doc__, "benchmarks.train_sft", CONTENDERS, train, GOALS))
