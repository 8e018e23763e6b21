"""SFT against stock TRL: same rows, same order, same loss; samples a second and peak memory at several shared prefixes.

    python -m benchmarks.train_sft                    # the whole table, about an hour on two cores
    python -m benchmarks.train_sft --shared 300 --steps 1 --rounds 1

Each contender trains in a process of its own, contenders in turn, with nothing else running. The last line is the
summary; the exit status is 1 when a goal is missed.
"""

import sys
from pathlib import Path
from typing import Any

from benchmarks import contest
from benchmarks.contender import TARGETS, Timed, arguments, load, result
from benchmarks.mails import mails

GOALS = {0: 2.0, 100: 1.0, 300: 5.0, 800: 1.0}
"""Least speed-up over the best peer, by the number of shared tokens."""
CONTENDERS = (contest.OURS, "trl-bf16", "trl-bf16-unpadded", "trl-fp32")
BATCH = 16


def train(contender: str, shared: int, steps: int, out: Path) -> dict[str, Any]:
    """Train `steps` counted steps as one contender."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    from stillroom.train import setup
    from stillroom.train.bucketing import LengthBuckets

    tokenizer, model, bf16 = load(contender)
    rows = [
        {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}
        for prompt, answer in mails(tokenizer, shared, BATCH * (steps + 1))
    ]
    lengths = [len(row["input_ids"]) for row in rows]

    class Trainer(Timed, SFTTrainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> LengthBuckets:
            return LengthBuckets(lengths, BATCH, 0)

    set_seed(0)
    trainer = Trainer(
        model=model,
        args=SFTConfig(
            **arguments(BATCH, steps, bf16, out),
            dataset_kwargs={"skip_prepare_dataset": True},
            # TRL's packing without padding; packing rows of other batches too would change the order.
            padding_free="unpadded" in contender,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=LoraConfig(**TARGETS),
    )
    if contender == contest.OURS and setup.prepare_model(trainer.model, bf16) is None:
        raise SystemExit("The prefix-shared forward does not fit this model.")
    trainer.train()
    return result(trainer, BATCH, sum(lengths) * BATCH // len(lengths))


if __name__ == "__main__":
    sys.exit(contest.main(__doc__, "benchmarks.train_sft", CONTENDERS, train, GOALS))
